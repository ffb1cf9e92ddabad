//! A large channel that publishes beside small ones: they must not have to wait for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::PAYLOAD;
use super::small_channels::Channels;
use crate::Plan;
use crate::http::Http;
use crate::pace;
use crate::report::Report;
use crate::swarm::{Swarm, payload};

const LARGE: usize = 10_000;
/// Publications a second on the large channel.
const LARGE_RATE: u32 = 2;
const SMALL_CHANNELS: usize = 20;
const SMALL_RATE: u32 = 200;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let (mut alone, mut beside) = (BTreeMap::new(), BTreeMap::new());
    for recipe in plan.servers()? {
        let target = recipe.start()?;
        let small = Channels::open(&target, SMALL_CHANNELS)?;
        let large = Swarm::subscribed(target.address, LARGE, |_| "large".into())?;
        small.publish(&target, SMALL_RATE, plan)?;
        alone.insert(recipe.subject, small.members.take_latencies());
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let loud = scope.spawn(|| {
                let mut http = Http::connect(target.address)?;
                let mut published = 0;
                while !over.load(Ordering::Relaxed) {
                    published += pace::at_rate(LARGE_RATE, std::time::Duration::from_secs(1), |_| {
                        http.publish(&["large".to_owned()], &payload(PAYLOAD))
                    })?;
                }
                large.wait_for(published * LARGE as u64)
            });
            let played = small.publish(&target, SMALL_RATE, plan);
            over.store(true, Ordering::Relaxed);
            loud.join()
                .unwrap_or_else(|_| anyhow::bail!("the publisher panicked"))?;
            played
        })?;
        beside.insert(recipe.subject, small.members.take_latencies());
    }
    report.latencies(&format!("{SMALL_CHANNELS} small channels alone"), &alone, &[]);
    let name = format!("{SMALL_CHANNELS} small channels beside one of {LARGE} × {LARGE_RATE}/s");
    report.latencies(&name, &beside, &[]);
    Ok(())
}
