//! The server under test: a process of its own, watched from outside.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::http::Http;

/// Credentials of the app that is loaded.
pub(crate) const APP_ID: &str = "bench";
pub(crate) const APP_KEY: &str = "bench-key";
pub(crate) const APP_SECRET: &str = "bench-secret";

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject {
    /// A loop of `send`: what the kernel asks for.
    Bare,
    /// This server.
    Chinwag,
    /// Sockudo, another server of the protocol.
    Rival,
}

/// How to start a server.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) subject: Subject,
    binary: PathBuf,
    extra: Vec<(&'static str, String)>,
}

impl Recipe {
    pub(crate) fn chinwag(binary: &Path) -> Self {
        Self {
            subject: Subject::Chinwag,
            binary: binary.to_owned(),
            extra: Vec::new(),
        }
    }

    pub(crate) fn rival(binary: &Path) -> Self {
        Self {
            subject: Subject::Rival,
            binary: binary.to_owned(),
            extra: Vec::new(),
        }
    }

    /// The same with one more variable.
    pub(crate) fn with(mut self, name: &'static str, value: &dyn ToString) -> Self {
        self.extra.push((name, value.to_string()));
        self
    }

    /// Starts it on a free port with an empty data folder.
    pub(crate) fn start(&self) -> anyhow::Result<Target> {
        let data = tempfile::tempdir()?;
        let mut target = self.start_in(data.path())?;
        target._data = Some(data);
        Ok(target)
    }

    /// Starts it on a free port with this data folder.
    pub(crate) fn start_in(&self, data: &Path) -> anyhow::Result<Target> {
        let mut command = Command::new(&self.binary);
        command.current_dir(data).envs(self.extra.iter().cloned());
        let started = match self.subject {
            Subject::Rival => start_rival(&mut command),
            _ => start_chinwag(&mut command, data),
        };
        let (child, address) = started.with_context(|| format!("starting {}", self.binary.display()))?;
        Ok(Target {
            child,
            address,
            _data: None,
        })
    }

    /// Has this server's program do something else with the data folder, and waits for it.
    pub(crate) fn do_in(&self, data: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .current_dir(data)
            .env("CHINWAG_DATA_DIR", data);
        let status = command.envs(self.extra.iter().cloned()).status()?;
        if !status.success() {
            bail!("{} ended with {status}", arguments.join(" "));
        }
        Ok(())
    }
}

fn start_chinwag(command: &mut Command, data: &Path) -> anyhow::Result<(Child, SocketAddr)> {
    let mut child = command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("CHINWAG_DATA_DIR", data)
        .env("CHINWAG_APP_ID", APP_ID)
        .env("CHINWAG_APP_KEY", APP_KEY)
        .env("CHINWAG_APP_SECRET", APP_SECRET)
        .env("CHINWAG_RATE_LIMITS", "false")
        .env("CHINWAG_LOG", "warn")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let output = child.stdout.take().context("the server's output")?;
    BufReader::new(output).read_line(&mut line)?;
    let address = line.trim().strip_prefix("Open http://");
    match address.and_then(|text| text.parse().ok()) {
        Some(address) => Ok((child, address)),
        None => bail!("the server said {line:?}"),
    }
}

/// Sockudo as a fair rival: no metrics, no limits, nothing logged.
fn start_rival(command: &mut Command) -> anyhow::Result<(Child, SocketAddr)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let many = "10000000";
    let mut child = command
        .env("HOST", "127.0.0.1")
        .env("PORT", address.port().to_string())
        .env("METRICS_ENABLED", "false")
        .env("RATE_LIMITER_ENABLED", "false")
        .env("RUST_LOG", "off")
        .env("SOCKUDO_MAX_CONNECTIONS", many)
        .env("SOCKUDO_DEFAULT_APP_ID", APP_ID)
        .env("SOCKUDO_DEFAULT_APP_KEY", APP_KEY)
        .env("SOCKUDO_DEFAULT_APP_SECRET", APP_SECRET)
        .env("SOCKUDO_DEFAULT_APP_ENABLED", "true")
        .env("SOCKUDO_DEFAULT_APP_MAX_CONNECTIONS", many)
        .env("SOCKUDO_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SECOND", many)
        .env("SOCKUDO_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SECOND", many)
        .env("SOCKUDO_DEFAULT_APP_MAX_READ_REQUESTS_PER_SECOND", many)
        .env("SOCKUDO_DEFAULT_APP_MAX_PRESENCE_MEMBERS_PER_CHANNEL", many)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Ok(mut http) = Http::connect(address)
            && http.ask("GET", "/up", "").is_ok()
        {
            return Ok((child, address));
        }
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status}");
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            bail!("it does not answer");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A running server. It is ended when dropped.
pub(crate) struct Target {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Goes with it.
    _data: Option<tempfile::TempDir>,
}

impl Target {
    /// Processor time that it has used, threads that have ended included; exact to a hundredth of a second.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may contain anything.
        let fields = text.rsplit(')').next().context("stat")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse().unwrap_or(0)).sum();
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages: u64 = text.split(' ').nth(1).context("statm")?.parse()?;
        Ok(pages * rustix::param::page_size() as u64)
    }

    /// Runs `load`; returns what it returned and the processor time that the server used meanwhile.
    pub(crate) fn measured<T>(
        &self,
        load: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Duration)> {
        let before = self.processor_time()?;
        let result = load()?;
        Ok((result, self.processor_time()? - before))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Best effort: the process may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each connection is a descriptor on this side too.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With too few descriptors, connecting fails later and says so.
    let _ = setrlimit(Resource::Nofile, limit);
}
