//! Connections that come, stay idle on channels of their own, and go.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::Plan;
use crate::http::Http;
use crate::pace;
use crate::report::{Aim, Report, Rounds};
use crate::session::{Origin, Session};
use crate::swarm::{Swarm, histogram};
use crate::target::{Subject, Target};

/// Threads that connect during a storm.
const CONNECTORS: usize = 4;

/// Opens connections one after another.
fn open(target: &Target, count: usize, origin: u8) -> anyhow::Result<Vec<Session>> {
    let origin = Origin {
        address: origin,
        ..Origin::default()
    };
    (0..count)
        .map(|number| Session::subscribed(target.address, &format!("own-{number}"), origin))
        .collect()
}

/// Lets the server finish what it does behind its answers.
fn settle() {
    std::thread::sleep(Duration::from_secs(2));
}

/// Waits until the server knows of no channel any more; returns how long that took.
fn wait_until_empty(target: &Target) -> anyhow::Result<Duration> {
    let started = Instant::now();
    loop {
        let (status, body) = Http::connect(target.address)?.signed("GET", "/channels", "", "")?;
        if status == 200 && body == br#"{"channels":{}}"# {
            return Ok(started.elapsed());
        }
        if started.elapsed() > Duration::from_secs(60) {
            bail!(
                "channels are left: {status} {}",
                String::from_utf8_lossy(&body[..body.len().min(200)])
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn idle(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut memory = Rounds::default();
    let mut costs = Rounds::default();
    let mut left = Rounds::default();
    let (mut going, mut gone) = (Rounds::default(), Rounds::default());
    for recipe in plan.servers()? {
        let subject = recipe.subject;
        let target = recipe.start()?;
        // What starts with the first connections is not theirs.
        drop(open(&target, 200, 2)?);
        wait_until_empty(&target)?;
        settle();
        let before = target.resident()?;
        let (sessions, used) = target.measured(|| open(&target, plan.idle, 0))?;
        costs.add(subject, used.as_secs_f64() * 1e6 / plan.idle as f64);
        let swarm = Swarm::new(sessions)?;
        settle();
        let each = target.resident()?.saturating_sub(before) as f64 / 1024.0 / plan.idle as f64;
        memory.add(subject, each);
        if swarm.closed() > 0 {
            bail!("{} connections were closed", swarm.closed());
        }
        let (took, used) = target.measured(|| {
            drop(swarm);
            wait_until_empty(&target)
        })?;
        gone.add(subject, took.as_secs_f64() * 1e3);
        going.add(subject, used.as_secs_f64() * 1e6 / plan.idle as f64);
        // An allocator may take some seconds to give back.
        (0..3).for_each(|_| settle());
        left.add(subject, target.resident()? as f64 / before as f64);
    }
    let count = plan.idle;
    report.add(
        format!("memory of an idle connection, of {count}"),
        "KiB",
        &memory,
        &[Aim::AtMost(4.0)],
    );
    report.add(
        "connect and subscribe",
        "µs cpu",
        &costs,
        &[Aim::Times(Subject::Rival, 0.5)],
    );
    report.add("all disconnect at once, each", "µs cpu", &going, &[]);
    report.add(
        "all disconnect at once, until the last is forgotten",
        "ms",
        &gone,
        &[],
    );
    report.add(
        "memory when all are gone, times the start",
        "ratio",
        &left,
        &[Aim::AtMost(1.1)],
    );
    Ok(())
}

/// Many connect at the same time, as after a restart.
pub(super) fn storm(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let (mut rates, mut latencies) = (Rounds::default(), BTreeMap::new());
    for recipe in plan.servers()? {
        let target = recipe.start()?;
        let each = plan.idle / CONNECTORS;
        let started = Instant::now();
        let connected = pace::together(CONNECTORS, |connector| {
            let mut took = histogram();
            let mut sessions = Vec::with_capacity(each);
            for number in 0..each {
                let began = Instant::now();
                let channel = format!("storm-{connector}-{number}");
                sessions.push(Session::subscribed(target.address, &channel, Origin::default())?);
                took.saturating_record(began.elapsed().as_micros() as u64);
            }
            Ok((took, sessions))
        })?;
        rates.add(
            recipe.subject,
            (each * CONNECTORS) as f64 / started.elapsed().as_secs_f64(),
        );
        let all = latencies.entry(recipe.subject).or_insert_with(histogram);
        for (took, _) in &connected {
            all.add(took)?;
        }
    }
    report.add(
        format!("storm of {}, {CONNECTORS} at a time", plan.idle),
        "connections/s",
        &rates,
        &[],
    );
    report.latencies("storm, connected and subscribed after", &latencies, &[]);
    Ok(())
}

/// All come and go, again and again: memory must not grow.
pub(super) fn cycles(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let target = plan.chinwag()?.start()?;
    let mut after_first = 0;
    let mut last = 0;
    for cycle in 0..plan.cycles {
        // Each cycle comes from an address of its own, whose ports are free.
        let origin = 2 + (cycle % 250) as u8;
        let each = plan.idle / CONNECTORS;
        drop(pace::together(CONNECTORS, |_| open(&target, each, origin))?);
        wait_until_empty(&target)?;
        if cycle == 0 {
            settle();
            after_first = target.resident()?;
        }
    }
    if plan.cycles > 0 {
        settle();
        last = target.resident()?;
    }
    let growth = Rounds::one(Subject::Chinwag, last as f64 / after_first as f64);
    let name = format!(
        "memory after {} come and go {} times, times once",
        plan.idle, plan.cycles
    );
    report.add(name, "ratio", &growth, &[Aim::AtMost(1.1)]);
    Ok(())
}
