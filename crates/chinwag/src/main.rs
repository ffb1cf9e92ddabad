//! A private messenger and the realtime engine under it, in one binary. This file is the command line.

mod app;
mod archive;
mod config;
mod laravel_env;
mod secrets;
mod seed;
mod shutdown;
mod user;
mod wire;

use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::archive::Archive;
use crate::config::{Config, Sources};

/// Gives memory back when connections go; the system's allocator keeps it (docs/decisions/0004). How it is set stands
/// in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A private messenger and the realtime engine under it.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Settings file (TOML). Without one, the defaults and the environment count.
    #[arg(long, global = true, env = "CHINWAG_CONFIG")]
    config: Option<PathBuf>,
    /// Folder for the database and the generated secrets.
    #[arg(long, global = true)]
    data_dir: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (the default).
    Serve {
        /// Address and port to listen on.
        #[arg(long)]
        listen: Option<String>,
    },
    /// Check the settings without starting anything.
    Check {
        /// Print an example settings file instead.
        #[arg(long)]
        example: bool,
    },
    /// Print the block for a Laravel application's .env that makes it publish here. It contains the secret.
    LaravelEnv {
        /// Address by which application and browsers reach this server; from the settings when absent.
        #[arg(long)]
        url: Option<String>,
    },
    /// Measure this server on this machine: cost of a delivery, memory of a connection, latencies, messages a second.
    Bench(chinwag_bench::Plan),
    /// Write everything the store holds into one file, which `import` reads into any other store.
    Export {
        /// The file, which must not exist yet.
        file: PathBuf,
    },
    /// Read what `export` wrote into this store, which must be empty; no server may run on it.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Fill an empty store with made-up people and conversations, to try things out or to measure.
    Seed(seed::SeedCommand),
    /// Add and list people, and set passwords.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Add, list and remove applications, and give them new keys. A running server follows within seconds.
    #[command(subcommand)]
    App(app::AppCommand),
}

fn main() -> ExitCode {
    // What this program writes is for its owner only.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Tells what is wrong and why, without a trace of where in the program: that helps nobody who runs it.
#[expect(clippy::print_stderr, reason = "the end of a command that failed")]
fn complain(error: &anyhow::Error) {
    eprintln!("chinwag: {error:#}");
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("CHINWAG_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,memory_serve=warn,sea_orm_migration=warn,sqlx=warn"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
    let config = read_config(&arguments);
    match arguments.command {
        None | Some(Command::Serve { .. }) => serve(config?),
        Some(Command::Check { example: true }) => {
            print(&config::example());
            Ok(())
        }
        Some(Command::Check { example: false }) => {
            print(&format!("{:#?}\n", Shown(&config?)));
            Ok(())
        }
        Some(Command::Bench(plan)) => chinwag_bench::run(&plan),
        Some(Command::LaravelEnv { url }) => {
            print(&laravel_env::block(&config?, url.as_deref())?);
            Ok(())
        }
        Some(Command::Export { file }) => archive::run(&config?, &Archive::Export(file)),
        Some(Command::Import { file }) => archive::run(&config?, &Archive::Import(file)),
        Some(Command::Seed(command)) => seed::run(&config?, &command),
        Some(Command::App(command)) => {
            let config = config?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let store = wire::open_store(&config).await?;
                let done = app::run(command, &wire::app_admin(&config, store.clone())).await;
                let closed = store.close().await.context("closing the store");
                done.and(closed)
            })
        }
        Some(Command::User(command)) => {
            let config = config?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let (store, messenger) = wire::quiet_messenger(&config).await?;
                let done = user::run(command, &messenger).await;
                let closed = store.close().await.context("closing the store");
                done.and(closed)
            })
        }
    }
}

fn read_config(arguments: &Arguments) -> anyhow::Result<Config> {
    let mut given = Vec::new();
    if let Some(folder) = &arguments.data_dir {
        given.push(("data_dir", folder.clone()));
    }
    if let Some(Command::Serve {
        listen: Some(address),
    }) = &arguments.command
    {
        given.push(("listen", address.clone()));
    }
    let file = match &arguments.config {
        None => None,
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            Some((path.as_path(), text))
        }
    };
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Ok(config::read(&Sources {
        given: &given,
        environment,
        file,
    })?)
}

fn serve(config: Config) -> anyhow::Result<()> {
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut signals = tokio::task::JoinSet::new();
        signals.spawn(shutdown::on_signal(stop.clone()));
        wire::serve(config, stop).await
    });
    // What has not ended by its deadline is not waited for any more.
    runtime.shutdown_background();
    served
}

/// Each connection is a descriptor; systems often begin with 1,024 and allow far more.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "The number of open files could not be raised");
    }
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn print(text: &str) {
    print!("{text}");
}

/// The configuration without what must not be shown.
struct Shown<'a>(&'a Config);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut config = self.0.clone();
        if let Some((_, secret)) = &mut config.app_keys {
            "…".clone_into(secret);
        }
        config.fmt(f)
    }
}
