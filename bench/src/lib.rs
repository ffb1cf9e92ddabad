//! Measures a server from outside, on loopback, against what the kernel costs and against another server.
//!
//! Everything is counted at the receiving sockets; processor time and memory are those of the server's process alone,
//! and the generator is another process, so that neither is mistaken for the other. The bare loop of `send`, the server
//! and its rival take turns in the same run, and ratios are those of a turn, so that they hold on a machine whose speed
//! drifts.

mod bare;
mod http;
mod pace;
mod report;
mod scenario;
mod session;
mod swarm;
mod target;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::report::Report;
use crate::target::Recipe;

/// How much to load, and for how long.
#[derive(clap::Parser, Debug, Clone)]
#[command(about = "Measure this server, beside what the kernel costs and another server if there is one")]
pub struct Plan {
    /// The server's binary; this program itself when it is one.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Sockudo's binary; else the one in target/peers/bin or on the PATH, if any.
    #[arg(long)]
    rival: Option<PathBuf>,
    /// Only these scenarios, by name.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds of each round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Idle connections.
    #[arg(long, default_value_t = 15_000)]
    idle: usize,
    /// How often that many come and go.
    #[arg(long, default_value_t = 20)]
    cycles: usize,
    /// Messages in the store that the messenger is measured on, most of them in one conversation.
    #[arg(long, default_value_t = 1_000_000)]
    messages: usize,
    /// People who send into that store at once.
    #[arg(long, default_value_t = 192, value_parser = clap::value_parser!(u16).range(64..))]
    senders: u16,
    /// Data folder with such a store from an earlier run, or where to leave one for the next. It grows.
    #[arg(long)]
    seeded: Option<PathBuf>,
    /// An empty PostgreSQL database for that store, or the one that belongs to the seeded folder; else it is SQLite.
    #[arg(long)]
    database_url: Option<String>,
    /// Where to put the results as JSON, with a page of bars beside it.
    #[arg(long, default_value = "bench/results/latest.json")]
    json: PathBuf,
}

impl Plan {
    fn round(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// How to start this server.
    fn chinwag(&self) -> anyhow::Result<Recipe> {
        let binary = match &self.server {
            Some(path) => path.clone(),
            None => {
                let own = std::env::current_exe()?;
                match own.file_name().is_some_and(|name| name == "chinwag-bench") {
                    true => own.with_file_name("chinwag"),
                    false => own,
                }
            }
        };
        let binary = binary
            .canonicalize()
            .with_context(|| format!("{}: build it with cargo build --release", binary.display()))?;
        Ok(Recipe::chinwag(&binary))
    }

    /// How to start the servers that are compared, this one first.
    fn servers(&self) -> anyhow::Result<Vec<Recipe>> {
        let mut servers = vec![self.chinwag()?];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = match &self.rival {
            Some(given) => Some(
                given
                    .canonicalize()
                    .with_context(|| given.display().to_string())?,
            ),
            None => std::iter::once(PathBuf::from("target/peers/bin"))
                .chain(std::env::split_paths(&path))
                .map(|folder| folder.join("sockudo"))
                .find_map(|file| file.canonicalize().ok().filter(|file| file.is_file())),
        };
        servers.extend(found.as_deref().map(Path::new).map(Recipe::rival));
        Ok(servers)
    }
}

/// Runs the scenarios and reports.
#[expect(clippy::print_stderr, reason = "what is being waited for")]
pub fn run(plan: &Plan) -> anyhow::Result<()> {
    target::raise_descriptor_limit();
    let names: Vec<&str> = scenario::ALL.iter().map(|scenario| scenario.name).collect();
    if let Some(unknown) = plan.only.iter().find(|only| !names.contains(&only.as_str())) {
        bail!("there is no scenario {unknown}; there are {}", names.join(", "));
    }
    let mut report = Report::default();
    let mut failed = Vec::new();
    for scenario in scenario::ALL {
        if !plan.only.is_empty() && !plan.only.iter().any(|only| only == scenario.name) {
            continue;
        }
        eprintln!("{} …", scenario.name);
        if let Err(error) = (scenario.run)(plan, &mut report) {
            eprintln!("{}: {error:#}", scenario.name);
            failed.push(scenario.name);
        }
    }
    report.finish(&plan.json)?;
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}
