//! The messenger: how many messages are stored durably in a second, and how soon the last member of a group has one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::json;

use crate::Plan;
use crate::http::Http;
use crate::pace;
use crate::report::{Aim, Report, Rounds};
use crate::session::{Origin, Session};
use crate::swarm::{Swarm, histogram, payload};
use crate::target::{Subject, Target};

const SENDERS: usize = 32;
const CONVERSATIONS: usize = 100;
/// Members of each of them.
const MEMBERS: usize = 8;
/// Members of the group whose last one is waited for, all connected.
const GROUP: usize = 100;
/// Messages a second in that group.
const RATE: u32 = 20;

/// Somebody with an account, logged in.
pub(super) struct Person {
    pub(super) id: i64,
    pub(super) http: Http,
}

/// Creates an account and logs in.
pub(super) fn register(target: &Target, name: &str) -> anyhow::Result<Person> {
    enter(target, "/api/v1/auth/register", name, "a long enough one")
}

/// Logs in with an account that there is.
pub(super) fn log_in(target: &Target, name: &str, password: &str) -> anyhow::Result<Person> {
    enter(target, "/api/v1/auth/login", name, password)
}

fn enter(target: &Target, door: &str, name: &str, password: &str) -> anyhow::Result<Person> {
    let mut http = Http::connect(target.address)?;
    let account = json!({ "username": name, "password": password });
    let answer = http.call(door, &account)?;
    http.log_in_with(answer["token"].as_str().context("a token")?);
    let id = answer["user"]["id"].as_i64().context("an id")?;
    Ok(Person { id, http })
}

/// Starts a group of the owner and the others; its id.
pub(super) fn start_group(owner: &mut Person, title: &str, others: &[i64]) -> anyhow::Result<i64> {
    let wish = json!({ "kind": "group", "title": title, "member_ids": others });
    let answer = owner.http.call("/api/v1/conversations", &wish)?;
    answer["conversation"]["id"].as_i64().context("an id")
}

/// Sends a message; it is stored when this returns.
pub(super) fn send(http: &mut Http, conversation: i64, body: &str) -> anyhow::Result<()> {
    begin_send(http, conversation, body)?;
    finish_send(http)
}

/// Sends a message without waiting for the answer.
fn begin_send(http: &mut Http, conversation: i64, body: &str) -> anyhow::Result<()> {
    let message = json!({ "client_id": uuid::Uuid::now_v7().to_string(), "body": body });
    let path = format!("/api/v1/conversations/{conversation}/messages");
    http.begin("POST", &path, &message.to_string())
}

/// Waits until it is stored.
fn finish_send(http: &mut Http) -> anyhow::Result<()> {
    let (status, answer) = http.answer()?;
    if !(200..300).contains(&status) {
        bail!(
            "a message was answered {status}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    Ok(())
}

pub(super) fn stored(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let target = plan.chinwag()?.start()?;
    let mut people: Vec<Person> = (0..SENDERS)
        .map(|number| register(&target, &format!("sender{number}")))
        .collect::<anyhow::Result<_>>()?;
    let mut own: Vec<Vec<i64>> = vec![Vec::new(); SENDERS];
    for number in 0..CONVERSATIONS {
        let members: Vec<usize> = (0..MEMBERS).map(|n| (number + n * 3) % SENDERS).collect();
        let ids: Vec<i64> = members[1..].iter().map(|&member| people[member].id).collect();
        let id = start_group(&mut people[members[0]], &format!("Room {number}"), &ids)?;
        members.iter().for_each(|&member| own[member].push(id));
    }
    let people: Vec<_> = people
        .into_iter()
        .zip(own)
        .map(|(person, own)| Mutex::new((person.http, own)))
        .collect();
    let name = format!("{SENDERS} senders in {CONVERSATIONS} conversations");
    let marks = (&[Aim::AtLeast(3_000.0)][..], &[][..]);
    all_send(plan, report, &target, &people, &name, marks)
}

/// Threads that all senders share. Each looks after its senders in turn, so that waking the generator does not take the
/// processors from the server.
const THREADS: usize = 4;

/// A sender, and the conversations it sends into in turn.
pub(super) type Sender = Mutex<(Http, Vec<i64>)>;

/// Has all of them send for a while, each the next message when the last is stored. The marks are those of messages a
/// second and of p99.
pub(super) fn all_send(
    plan: &Plan,
    report: &mut Report,
    target: &Target,
    senders: &[Sender],
    name: &str,
    (rate, p99): (&[Aim], &[Aim]),
) -> anyhow::Result<()> {
    let until = Instant::now() + plan.round();
    let started = Instant::now();
    let (took, used) = target.measured(|| {
        pace::together(THREADS.min(senders.len()), |thread| {
            let its = senders.iter().skip(thread).step_by(THREADS);
            let mut its: Vec<_> = its
                .map(|sender| {
                    (
                        sender.lock().unwrap_or_else(PoisonError::into_inner),
                        None::<Instant>,
                    )
                })
                .collect();
            let mut took = histogram();
            for round in 0.. {
                let mut waiting = false;
                for (sender, begun) in &mut its {
                    let (http, conversations) = &mut **sender;
                    if let Some(begun) = begun.take() {
                        finish_send(http)?;
                        took.saturating_record(begun.elapsed().as_micros() as u64);
                    } else if round > 0 {
                        continue;
                    }
                    let now = Instant::now();
                    if now < until {
                        let conversation = conversations[round % conversations.len()];
                        begin_send(http, conversation, "The paint is here, all nine tins.")?;
                        *begun = Some(now);
                        waiting = true;
                    }
                }
                if !waiting {
                    break;
                }
            }
            Ok(took)
        })
    })?;
    let elapsed = started.elapsed().as_secs_f64();
    let mut all = histogram();
    for took in &took {
        all.add(took)?;
    }
    let ours = |value| Rounds::one(Subject::Chinwag, value);
    report.add(
        format!("{name}, stored durably"),
        "messages/s",
        &ours(all.len() as f64 / elapsed),
        rate,
    );
    let cost = used.as_secs_f64() * 1e6 / all.len() as f64;
    report.add(format!("{name}, a message"), "µs cpu", &ours(cost), &[]);
    report.latencies(name, &BTreeMap::from([(Subject::Chinwag, all)]), p99);
    Ok(())
}

pub(super) fn group(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let target = plan.chinwag()?.start()?;
    let mut people: Vec<Person> = (0..GROUP)
        .map(|number| register(&target, &format!("member{number}")))
        .collect::<anyhow::Result<_>>()?;
    let others: Vec<i64> = people[1..].iter().map(|person| person.id).collect();
    let conversation = start_group(&mut people[0], "Everybody", &others)?;
    let sessions = people.iter_mut().map(|person| listen(&target, person));
    let members = Swarm::new(sessions.collect::<anyhow::Result<_>>()?)?;
    let mut costs = Rounds::default();
    let mut latencies = histogram();
    for _ in 0..plan.rounds {
        let before = members.received();
        let (deliveries, used) = target.measured(|| {
            let sent = pace::at_rate(RATE, plan.round(), |_| {
                send(&mut people[0].http, conversation, &payload(60))
            })?;
            let deliveries = sent * GROUP as u64;
            members.wait_for(before + deliveries)?;
            Ok(deliveries)
        })?;
        costs.add(Subject::Chinwag, used.as_secs_f64() * 1e6 / deliveries as f64);
        latencies.add(members.take_latencies())?;
    }
    let name = format!("a message to a group of {GROUP}, all connected");
    report.add(
        format!("{name}, a delivery with its storing"),
        "µs cpu",
        &costs,
        &[],
    );
    let latencies = BTreeMap::from([(Subject::Chinwag, latencies)]);
    report.latencies(&format!("{name}, until each has it"), &latencies, &[]);
    Ok(())
}

/// Connects as this person's web client does.
pub(super) fn listen(target: &Target, person: &mut Person) -> anyhow::Result<Session> {
    let (_, answer) = person.http.ask("GET", "/api/v1/realtime/config", "")?;
    let config: serde_json::Value = serde_json::from_slice(&answer)?;
    let key = config["key"].as_str().context("a key")?;
    let channel = config["channel"].as_str().context("a channel")?;
    let mut session = Session::open(target.address, key, Origin::default())?;
    let wish = json!({ "socket_id": session.socket_id, "channel_name": channel });
    let granted = person.http.call("/api/v1/realtime/auth", &wish)?;
    let auth = granted["auth"].as_str().context("a signature")?;
    let wish = json!({ "event": "pusher:subscribe", "data": { "channel": channel, "auth": auth } });
    session.say(&wish.to_string())?;
    session.wait_for("subscription_succeeded")?;
    Ok(session)
}
