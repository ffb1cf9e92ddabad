//! One channel, many subscribers: what a delivery costs the server, beside what the kernel asks for it.

use std::collections::BTreeMap;

use super::{PAYLOAD, frame_length};
use crate::Plan;
use crate::bare::Loop;
use crate::http::Http;
use crate::pace;
use crate::report::{Aim, Report, Rounds};
use crate::swarm::{Swarm, histogram, payload};
use crate::target::{Recipe, Subject, Target};

const SUBSCRIBERS: usize = 1_000;
const RATE: u32 = 50;

/// A server with its audience.
pub(super) struct Stage {
    pub(super) subject: Subject,
    pub(super) target: Target,
    pub(super) audience: Swarm,
    channels: Vec<String>,
}

impl Stage {
    /// Everybody on one channel.
    pub(super) fn set(recipe: &Recipe, subscribers: usize) -> anyhow::Result<Self> {
        let target = recipe.start()?;
        let audience = Swarm::subscribed(target.address, subscribers, |_| "ticker".into())?;
        Ok(Self {
            subject: recipe.subject,
            target,
            audience,
            channels: vec!["ticker".into()],
        })
    }

    /// Publishes at a rate for a while; returns microseconds of the server's processor time per delivery.
    pub(super) fn play(&self, rate: u32, plan: &Plan) -> anyhow::Result<f64> {
        let before = self.audience.received();
        let mut http = Http::connect(self.target.address)?;
        let (deliveries, used) = self.target.measured(|| {
            let published = pace::at_rate(rate, plan.round(), |_| {
                http.publish(&self.channels, &payload(PAYLOAD))
            })?;
            let deliveries = published * self.audience.size() as u64;
            self.audience.wait_for(before + deliveries)?;
            Ok(deliveries)
        })?;
        Ok(used.as_secs_f64() * 1e6 / deliveries as f64)
    }
}

pub(super) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let servers = plan.servers()?;
    let stages: Vec<Stage> = servers
        .iter()
        .map(|recipe| Stage::set(recipe, SUBSCRIBERS))
        .collect::<anyhow::Result<_>>()?;
    let bare = Loop {
        sockets: SUBSCRIBERS,
        receivers: SUBSCRIBERS,
        rate: RATE,
        length: frame_length("ticker"),
        together: 1,
        time: plan.round(),
    };
    let mut costs = Rounds::default();
    let mut latencies = BTreeMap::new();
    for _ in 0..plan.rounds {
        let (cost, bare_latencies) = bare.measure()?;
        costs.add(Subject::Bare, cost);
        let all = latencies.entry(Subject::Bare).or_insert_with(histogram);
        all.add(bare_latencies)?;
        for stage in &stages {
            costs.add(stage.subject, stage.play(RATE, plan)?);
            let all = latencies.entry(stage.subject).or_insert_with(histogram);
            all.add(stage.audience.take_latencies())?;
        }
    }
    let name = format!("fan-out {SUBSCRIBERS} × {RATE}/s");
    let aims = [Aim::Times(Subject::Bare, 1.25), Aim::Times(Subject::Rival, 0.5)];
    report.add(format!("{name}, a delivery"), "µs cpu", &costs, &aims);
    report.latencies(&name, &latencies, &[Aim::Times(Subject::Rival, 0.5)]);
    let (batched, _) = Loop { together: 8, ..bare }.measure()?;
    let batched = Rounds::one(Subject::Bare, batched);
    report.add("bare loop, 8 frames a write, a frame", "µs cpu", &batched, &[]);
    Ok(())
}
