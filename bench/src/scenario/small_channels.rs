//! Many channels with few members, published to by HTTP: the cost of the API counts here.

use std::collections::BTreeMap;

use super::{PAYLOAD, frame_length};
use crate::Plan;
use crate::bare::Loop;
use crate::http::Http;
use crate::pace;
use crate::report::{Aim, Report, Rounds};
use crate::swarm::{Swarm, histogram, payload};
use crate::target::{Subject, Target};

const CHANNELS: usize = 200;
const MEMBERS: usize = 10;
const RATE: u32 = 2_000;
/// Kept connections that publish, each its share of the rate.
const PUBLISHERS: usize = 4;

/// The channels' members, and those who publish.
pub(super) struct Channels {
    names: Vec<String>,
    pub(super) members: Swarm,
}

impl Channels {
    pub(super) fn open(target: &Target, count: usize) -> anyhow::Result<Self> {
        let names: Vec<String> = (0..count).map(|number| format!("room-{number:03}")).collect();
        let members = Swarm::subscribed(target.address, count * MEMBERS, |n| names[n % count].clone())?;
        Ok(Self { names, members })
    }

    /// Publishes to the channels in turn, this many times a second in all; returns deliveries when they are in.
    pub(super) fn publish(&self, target: &Target, rate: u32, plan: &Plan) -> anyhow::Result<u64> {
        let before = self.members.received();
        let published: u64 = pace::together(PUBLISHERS, |publisher| {
            let mut http = Http::connect(target.address)?;
            pace::at_rate(rate / PUBLISHERS as u32, plan.round(), |n| {
                let channel = (n as usize * PUBLISHERS + publisher) % self.names.len();
                http.publish(&self.names[channel..=channel], &payload(PAYLOAD))
            })
        })?
        .iter()
        .sum();
        let deliveries = published * MEMBERS as u64;
        self.members.wait_for(before + deliveries)?;
        Ok(deliveries)
    }
}

pub(super) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut stages = Vec::new();
    for recipe in plan.servers()? {
        let target = recipe.start()?;
        let channels = Channels::open(&target, CHANNELS)?;
        stages.push((recipe.subject, target, channels));
    }
    let bare = Loop {
        sockets: CHANNELS * MEMBERS,
        receivers: MEMBERS,
        rate: RATE,
        length: frame_length("room-000"),
        together: 1,
        time: plan.round(),
    };
    let mut costs = Rounds::default();
    let mut latencies = BTreeMap::new();
    for _ in 0..plan.rounds {
        costs.add(Subject::Bare, bare.measure()?.0);
        for (subject, target, channels) in &stages {
            let (deliveries, used) = target.measured(|| channels.publish(target, RATE, plan))?;
            costs.add(*subject, used.as_secs_f64() * 1e6 / deliveries as f64);
            let all = latencies.entry(*subject).or_insert_with(histogram);
            all.add(channels.members.take_latencies())?;
        }
    }
    let name = format!("{CHANNELS} channels × {MEMBERS} × {RATE}/s");
    let aims = [Aim::Times(Subject::Bare, 2.0)];
    report.add(
        format!("{name}, a delivery with its HTTP"),
        "µs cpu",
        &costs,
        &aims,
    );
    report.latencies(&name, &latencies, &[]);
    Ok(())
}
