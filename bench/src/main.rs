//! Measures a server from outside, on loopback, against what the kernel costs.
//!
//! Everything is counted at the receiving sockets; processor time and memory are those of the server's process
//! alone. The bare loop of `send` and the server take turns in the same run, so that the ratio holds on a machine
//! whose speed drifts.

mod bare;
mod client;
mod fan_out;
mod http;
mod idle;
mod messages;
mod report;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::report::Report;

/// How much to load, and for how long.
#[derive(Parser, Debug, Clone)]
pub(crate) struct Plan {
    /// The server's binary.
    #[arg(long, default_value = "target/release/chinwag")]
    server: PathBuf,
    /// Subscribers of the fan-out channel.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Publications a second.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Seconds of each fan-out round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Idle connections.
    #[arg(long, default_value_t = 5_000)]
    idle: usize,
    /// People who send at the same time.
    #[arg(long, default_value_t = 32)]
    senders: usize,
    /// Conversations they send in.
    #[arg(long, default_value_t = 100)]
    conversations: usize,
    /// Where to put the results as JSON.
    #[arg(long, default_value = "bench/results/latest.json")]
    json: PathBuf,
    /// Only these measurements: fan-out, idle, messages.
    #[arg(long, value_delimiter = ',', default_value = "fan-out,idle,messages")]
    only: Vec<String>,
}

impl Plan {
    fn round(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn main() -> anyhow::Result<()> {
    let plan = Plan::parse();
    server::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut report = Report::default();
    let wants = |name: &str| plan.only.iter().any(|only| only == name);
    runtime.block_on(async {
        if wants("fan-out") {
            fan_out::measure(&plan, &mut report).await?;
        }
        if wants("idle") {
            idle::measure(&plan, &mut report).await?;
        }
        if wants("messages") {
            messages::measure(&plan, &mut report).await?;
        }
        anyhow::Ok(())
    })?;
    report.finish(&plan.json)
}
