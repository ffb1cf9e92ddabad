//! As much as a server can deliver: publishers that go on as long as deliveries keep up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::PAYLOAD;
use super::fan_out::Stage;
use crate::Plan;
use crate::http::Http;
use crate::pace;
use crate::report::{Aim, Report, Rounds};
use crate::swarm::payload;
use crate::target::{Subject, Target};

const SUBSCRIBERS: usize = 1_000;
const PUBLISHERS: usize = 2;
/// Publications that may be under way. Bounds what waits anywhere, so that it is throughput that is measured.
const WINDOW: u64 = 64;

/// What a round yielded.
struct Yield {
    per_second: f64,
    cost: f64,
    /// Largest resident memory seen, in MiB.
    memory: f64,
    lost: u64,
}

fn saturate(stage: &Stage, plan: &Plan) -> anyhow::Result<Yield> {
    let before = stage.audience.received();
    let published = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let size = stage.audience.size() as u64;
    let publish = |target: &Target| -> anyhow::Result<()> {
        let mut http = Http::connect(target.address)?;
        while !over.load(Ordering::Relaxed) {
            let arrived = (stage.audience.received() - before) / size;
            if published.load(Ordering::Relaxed) >= arrived + WINDOW {
                std::thread::sleep(Duration::from_micros(100));
                continue;
            }
            match http.trigger(&["ticker".to_owned()], &payload(PAYLOAD))? {
                200 => published.fetch_add(1, Ordering::Relaxed),
                // It asks for patience, which is fair.
                503 => continue,
                status => anyhow::bail!("the trigger was answered {status}"),
            };
        }
        Ok(())
    };
    let watch = || -> anyhow::Result<(u64, f64, Duration, u64)> {
        // The first half second is not counted.
        std::thread::sleep(Duration::from_millis(500));
        let (from, started) = (stage.audience.received(), Instant::now());
        let used = stage.target.processor_time()?;
        let mut memory = 0;
        while started.elapsed() < plan.round() {
            std::thread::sleep(Duration::from_millis(50));
            memory = memory.max(stage.target.resident()?);
        }
        let delivered = stage.audience.received() - from;
        let rate = delivered as f64 / started.elapsed().as_secs_f64();
        let used = stage.target.processor_time()? - used;
        over.store(true, Ordering::Relaxed);
        Ok((delivered, rate, used, memory))
    };
    let mut watched = None;
    std::thread::scope(|scope| {
        let publishers = scope.spawn(|| pace::together(PUBLISHERS, |_| publish(&stage.target)));
        watched = Some(watch());
        over.store(true, Ordering::Relaxed);
        publishers
            .join()
            .unwrap_or_else(|_| anyhow::bail!("a publisher panicked"))
    })?;
    let (delivered, per_second, used, memory) = watched.unwrap_or_else(|| anyhow::bail!("nobody watched"))?;
    Ok(Yield {
        per_second,
        cost: used.as_secs_f64() * 1e6 / delivered as f64,
        memory: memory as f64 / 1024.0 / 1024.0,
        lost: stage.audience.closed(),
    })
}

pub(super) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut stages = Vec::new();
    for recipe in plan.servers()? {
        stages.push(Stage::set(&recipe, SUBSCRIBERS)?);
    }
    let (mut rates, mut costs) = (Rounds::default(), Rounds::default());
    let (mut memory, mut lost) = (Rounds::default(), Rounds::default());
    for _ in 0..plan.rounds {
        for stage in &stages {
            let round = saturate(stage, plan)?;
            rates.add(stage.subject, round.per_second);
            costs.add(stage.subject, round.cost);
            memory.add(stage.subject, round.memory);
            lost.add(stage.subject, round.lost as f64);
        }
    }
    let aims = [Aim::TimesOrMore(Subject::Rival, 4.0)];
    report.add(
        format!("saturated, {SUBSCRIBERS} subscribers"),
        "deliveries/s",
        &rates,
        &aims,
    );
    report.add("saturated, a delivery", "µs cpu", &costs, &[]);
    report.add("saturated, most memory", "MiB", &memory, &[]);
    report.add("saturated, connections lost", "", &lost, &[Aim::AtMost(0.0)]);
    Ok(())
}

/// The same with one worker and with two.
pub(super) fn workers(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    for workers in [1, 2] {
        let stage = Stage::set(&plan.chinwag()?.with("CHINWAG_WORKERS", &workers), SUBSCRIBERS)?;
        let (mut costs, mut rates) = (Rounds::default(), Rounds::default());
        for _ in 0..plan.rounds {
            costs.add(Subject::Chinwag, stage.play(50, plan)?);
            rates.add(Subject::Chinwag, saturate(&stage, plan)?.per_second);
        }
        let name = format!("{workers} worker{}", if workers == 1 { "" } else { "s" });
        report.add(
            format!("{name}, fan-out {SUBSCRIBERS} × 50/s, a delivery"),
            "µs cpu",
            &costs,
            &[],
        );
        report.add(format!("{name}, saturated"), "deliveries/s", &rates, &[]);
    }
    Ok(())
}
