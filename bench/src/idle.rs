//! Connections that do nothing, each subscribed to a channel of its own: what memory they hold.

use std::time::Duration;

use crate::Plan;
use crate::client::subscribe;
use crate::report::Report;
use crate::server::{APP_KEY, Server};

pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let server = Server::start(&plan.server)?;
    // What starts with the first connections is not theirs.
    let first: Vec<_> = connect(&server, "warm", 50).await?;
    drop(first);
    settle().await;
    let before = server.resident()?;
    let time_before = server.processor_time()?;
    let connections = connect(&server, "own", plan.idle).await?;
    let time = server.processor_time()? - time_before;
    settle().await;
    let after = server.resident()?;
    let each = after.saturating_sub(before) as f64 / 1024.0 / plan.idle as f64;
    report.marked(
        format!("memory of an idle connection, of {}", plan.idle),
        each,
        "KiB",
        "at most 8",
        each <= 8.0,
    );
    report.figure(
        "connect and subscribe",
        time.as_secs_f64() * 1e6 / plan.idle as f64,
        "µs cpu",
    );
    drop(connections);
    settle().await;
    let left = server.resident()?.saturating_sub(before) as f64 / 1024.0 / 1024.0;
    report.figure("memory left over when all are gone", left, "MiB");
    Ok(())
}

async fn connect(server: &Server, name: &str, count: usize) -> anyhow::Result<Vec<tokio::net::TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    for number in 0..count {
        streams.push(subscribe(server.address, APP_KEY, &format!("{name}-{number}")).await?);
    }
    Ok(streams)
}

/// Lets the server finish what it does behind its answers.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}
