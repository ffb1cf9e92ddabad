//! One payload to many members' own channels, as a group message is sent.

use std::collections::BTreeMap;

use super::PAYLOAD;
use crate::Plan;
use crate::http::Http;
use crate::pace;
use crate::report::{Report, Rounds};
use crate::swarm::{Swarm, histogram, payload};

const MEMBERS: usize = 1_000;
/// Channels of one request; the API allows no more.
const TOGETHER: usize = 100;
const RATE: u32 = 20;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let (mut costs, mut latencies) = (Rounds::default(), BTreeMap::new());
    let names: Vec<String> = (0..MEMBERS).map(|number| format!("user-{number:04}")).collect();
    let mut stages = Vec::new();
    for recipe in plan.servers()? {
        let target = recipe.start()?;
        let members = Swarm::subscribed(target.address, MEMBERS, |number| names[number].clone())?;
        stages.push((recipe.subject, target, members));
    }
    for _ in 0..plan.rounds {
        for (subject, target, members) in &stages {
            let before = members.received();
            let mut http = Http::connect(target.address)?;
            let (deliveries, used) = target.measured(|| {
                let published = pace::at_rate(RATE, plan.round(), |_| {
                    let data = payload(PAYLOAD);
                    names
                        .chunks(TOGETHER)
                        .try_for_each(|names| http.publish(names, &data))
                })?;
                let deliveries = published * MEMBERS as u64;
                members.wait_for(before + deliveries)?;
                Ok(deliveries)
            })?;
            costs.add(*subject, used.as_secs_f64() * 1e6 / deliveries as f64);
            let all = latencies.entry(*subject).or_insert_with(histogram);
            all.add(members.take_latencies())?;
        }
    }
    let name = format!("one payload to {MEMBERS} channels, {RATE}/s");
    report.add(format!("{name}, a delivery"), "µs cpu", &costs, &[]);
    report.latencies(&name, &latencies, &[]);
    Ok(())
}
