//! The server under test: a process of its own, watched from outside.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

/// Credentials of the app that is loaded.
pub(crate) const APP_ID: &str = "bench";
pub(crate) const APP_KEY: &str = "bench-key";
pub(crate) const APP_SECRET: &str = "bench-secret";

/// A running server. It is ended when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    _data: tempfile::TempDir,
}

impl Server {
    /// Starts the binary on a free port with an empty data folder.
    pub(crate) fn start(binary: &Path) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("CHINWAG_DATA_DIR", data.path())
            .env("CHINWAG_APP_ID", APP_ID)
            .env("CHINWAG_APP_KEY", APP_KEY)
            .env("CHINWAG_APP_SECRET", APP_SECRET)
            .env("CHINWAG_RATE_LIMITS", "false")
            .env("CHINWAG_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!(
                    "starting {}: build it with cargo build --release",
                    binary.display()
                )
            })?;
        let mut line = String::new();
        let output = child.stdout.take().context("the server's output")?;
        BufReader::new(output).read_line(&mut line)?;
        let Some(address) = line
            .trim()
            .strip_prefix("Open http://")
            .and_then(|text| text.parse().ok())
        else {
            bail!("the server said {line:?}");
        };
        Ok(Self {
            child,
            address,
            _data: data,
        })
    }

    /// Processor time that its threads have used.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            let first: u64 = text
                .split(' ')
                .next()
                .and_then(|number| number.parse().ok())
                .unwrap_or(0);
            nanoseconds += first;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages: u64 = text.split(' ').nth(1).context("statm")?.parse()?;
        Ok(pages * rustix::param::page_size() as u64)
    }
}

impl Drop for Server {
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
