//! The HTTP API by itself: publishing to channels that nobody listens to, one request after another.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;

use super::PAYLOAD;
use crate::Plan;
use crate::http::Http;
use crate::report::{Report, Rounds};
use crate::swarm::{histogram, payload};

/// Events of a batch.
const BATCH: usize = 10;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let (mut single, mut batched, mut latencies) = (Rounds::default(), Rounds::default(), BTreeMap::new());
    let mut servers = Vec::new();
    for recipe in plan.servers()? {
        servers.push((recipe.subject, recipe.start()?));
    }
    let item =
        |n: usize| json!({ "name": "tick", "channel": format!("nobody-{n}"), "data": payload(PAYLOAD) });
    for _ in 0..plan.rounds {
        for (subject, target) in &servers {
            let mut http = Http::connect(target.address)?;
            let took = latencies.entry(*subject).or_insert_with(histogram);
            let (requests, used) = target.measured(|| {
                let started = Instant::now();
                let mut requests = 0_u64;
                while started.elapsed() < plan.round() / 2 {
                    let began = Instant::now();
                    http.publish(&["nobody".to_owned()], &payload(PAYLOAD))?;
                    took.saturating_record(began.elapsed().as_micros() as u64);
                    requests += 1;
                }
                Ok(requests)
            })?;
            single.add(*subject, used.as_secs_f64() * 1e6 / requests as f64);
            let (events, used) = target.measured(|| {
                let started = Instant::now();
                let mut events = 0_u64;
                while started.elapsed() < plan.round() / 2 {
                    let batch: Vec<_> = (0..BATCH).map(item).collect();
                    let body = json!({ "batch": batch }).to_string();
                    let (status, _) = http.signed("POST", "/batch_events", "", &body)?;
                    anyhow::ensure!(status == 200, "the batch was answered {status}");
                    events += BATCH as u64;
                }
                Ok(events)
            })?;
            batched.add(*subject, used.as_secs_f64() * 1e6 / events as f64);
        }
    }
    report.add("HTTP trigger, kept connection, a request", "µs cpu", &single, &[]);
    report.latencies("HTTP trigger, answered after", &latencies, &[]);
    report.add(
        format!("HTTP batch of {BATCH}, an event"),
        "µs cpu",
        &batched,
        &[],
    );
    Ok(())
}
