//! One channel, many subscribers: what a delivery costs the server, beside what the kernel asks for it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Plan;
use crate::bare;
use crate::client::{Counter, count, subscribe};
use crate::http::Http;
use crate::report::{Report, median, percentile};
use crate::server::{APP_KEY, Server};

/// Payload of each publication, in bytes, without the time.
const PAYLOAD: usize = 200;

pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let server = Server::start(&plan.server)?;
    let counter = Counter::new();
    let (latencies, mut collected) = mpsc::unbounded_channel();
    let mut readers = JoinSet::new();
    for _ in 0..plan.subscribers {
        let stream = subscribe(server.address, APP_KEY, "ticker").await?;
        readers.spawn(count(stream, counter.clone(), latencies.clone()));
    }
    drop(latencies);
    let mut http = Http::connect(server.address).await?;
    let (mut costs, mut limits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let length = frame_length();
    for _ in 0..plan.rounds {
        let limit = bare::measure(plan.subscribers, plan.rate, length, plan.round()).await?;
        let before = server.processor_time()?;
        let published = publish(plan, &mut http, &counter).await?;
        let used = server.processor_time()? - before;
        let cost = used.as_secs_f64() * 1e6 / (published * plan.subscribers as u64) as f64;
        costs.push(cost);
        limits.push(limit);
        ratios.push(cost / limit);
    }
    drop(http);
    drop(server);
    readers.join_all().await;
    let mut took = Vec::new();
    while let Some(some) = collected.recv().await {
        took.extend(some);
    }
    took.sort_unstable();
    let name = format!("fan-out {} x {}/s", plan.subscribers, plan.rate);
    let ratio = median(ratios);
    report.figure("bare loop of send, per delivery", median(limits), "µs cpu");
    report.figure(format!("{name}, per delivery"), median(costs), "µs cpu");
    report.marked(
        format!("{name}, times the bare loop"),
        ratio,
        "ratio",
        "at most 1.5",
        ratio <= 1.5,
    );
    report.figure(format!("{name}, latency p50"), percentile(&took, 0.5) / 1e3, "ms");
    report.figure(
        format!("{name}, latency p99"),
        percentile(&took, 0.99) / 1e3,
        "ms",
    );
    Ok(())
}

fn payload(at: u64) -> String {
    format!("@at={at:<12} {}", "x".repeat(PAYLOAD - 17))
}

fn frame_length() -> usize {
    4 + format!(r#"{{"event":"tick","channel":"ticker","data":"{}"}}"#, payload(0)).len()
}

/// Publishes for a round, waits until everything has arrived, and returns how many publications there were.
async fn publish(plan: &Plan, http: &mut Http, counter: &Counter) -> anyhow::Result<u64> {
    let before = counter.received.load(Ordering::Relaxed);
    let (started, period) = (Instant::now(), Duration::from_secs(1) / plan.rate);
    let mut published = 0;
    while started.elapsed() < plan.round() {
        let due = started + period * published;
        tokio::time::sleep_until(due.into()).await;
        http.trigger("ticker", &payload(counter.epoch.elapsed().as_micros() as u64))
            .await?;
        published += 1;
    }
    let want = before + u64::from(published) * plan.subscribers as u64;
    let deadline = Instant::now() + Duration::from_secs(20);
    while counter.received.load(Ordering::Relaxed) < want {
        if Instant::now() > deadline {
            let got = counter.received.load(Ordering::Relaxed);
            bail!("of {want} deliveries only {got} arrived");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(u64::from(published))
}
