//! Messages through the REST API: how many are stored durably in a second.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Plan;
use crate::http::Http;
use crate::report::{Report, percentile};
use crate::server::Server;

/// Members of each conversation.
const MEMBERS: usize = 8;

pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let server = Server::start(&plan.server)?;
    let mut people = Vec::new();
    for number in 0..plan.senders {
        let mut http = Http::connect(server.address).await?;
        let account = json!({ "username": format!("sender{number}"), "password": "a long enough one" });
        let answer = http.call("/api/v1/auth/register", account).await?;
        http.log_in_with(answer["token"].as_str().context("a token")?);
        people.push((answer["user"]["id"].as_i64().context("an id")?, http));
    }
    let mut own: Vec<Vec<i64>> = vec![Vec::new(); people.len()];
    for number in 0..plan.conversations {
        let members: Vec<usize> = (0..MEMBERS.min(people.len()))
            .map(|n| (number + n * 3) % people.len())
            .collect();
        let ids: Vec<i64> = members[1..].iter().map(|&member| people[member].0).collect();
        let wish = json!({ "kind": "group", "title": format!("Room {number}"), "member_ids": ids });
        let answer = people[members[0]].1.call("/api/v1/conversations", wish).await?;
        let id = answer["conversation"]["id"].as_i64().context("an id")?;
        members.iter().for_each(|&member| own[member].push(id));
    }
    let before = server.processor_time()?;
    let started = Instant::now();
    let mut senders = JoinSet::new();
    for ((_, http), conversations) in people.into_iter().zip(own) {
        senders.spawn(send(http, conversations, started + plan.round()));
    }
    let mut took: Vec<u64> = Vec::new();
    while let Some(sent) = senders.join_next().await {
        took.extend(sent??);
    }
    let elapsed = started.elapsed().as_secs_f64();
    let used = server.processor_time()? - before;
    took.sort_unstable();
    let rate = took.len() as f64 / elapsed;
    let name = format!("{} senders in {} conversations", plan.senders, plan.conversations);
    report.marked(
        format!("{name}, stored"),
        rate,
        "messages/s",
        "at least 3,000",
        rate >= 3_000.0,
    );
    report.figure(
        format!("{name}, server"),
        used.as_secs_f64() * 1e6 / took.len() as f64,
        "µs cpu",
    );
    report.figure(format!("{name}, latency p50"), percentile(&took, 0.5) / 1e3, "ms");
    report.figure(
        format!("{name}, latency p99"),
        percentile(&took, 0.99) / 1e3,
        "ms",
    );
    Ok(())
}

/// Sends one message after another until the time is up; returns how long each took, in microseconds.
async fn send(mut http: Http, conversations: Vec<i64>, until: Instant) -> anyhow::Result<Vec<u64>> {
    let mut took = Vec::new();
    for conversation in conversations.iter().cycle() {
        let started = Instant::now();
        if started >= until {
            break;
        }
        let message =
            json!({ "client_id": uuid::Uuid::now_v7(), "body": "The paint is here, all nine tins." });
        let path = format!("/api/v1/conversations/{conversation}/messages");
        let (status, answer) = http.post(&path, message.to_string()).await?;
        anyhow::ensure!(
            status == 201,
            "answered {status}: {}",
            String::from_utf8_lossy(&answer)
        );
        took.push(Duration::as_micros(&started.elapsed()) as u64);
    }
    Ok(took)
}
