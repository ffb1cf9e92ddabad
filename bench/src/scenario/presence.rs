//! People who come to and leave a presence channel while others are there: each is told to all.

use crate::Plan;
use crate::pace;
use crate::report::{Report, Rounds};
use crate::session::{Origin, Session};
use crate::swarm::Swarm;
use crate::target::APP_KEY;

const MEMBERS: usize = 100;
const CHANNEL: &str = "presence-lobby";
/// Joins a second, each followed by a leave.
const RATE: u32 = 100;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut costs = Rounds::default();
    for recipe in plan.servers()? {
        let target = recipe.start()?;
        let members = (0..MEMBERS).map(|number| {
            let mut session = Session::open(target.address, APP_KEY, Origin::default())?;
            session.join(CHANNEL, &format!("member-{number}"))?;
            Ok(session)
        });
        let members = Swarm::new(members.collect::<anyhow::Result<_>>()?)?;
        // What members were told of each other.
        members.wait_for_frames((MEMBERS * (MEMBERS - 1) / 2) as u64 - MEMBERS as u64)?;
        std::thread::sleep(std::time::Duration::from_millis(200));
        let mut visitor = Session::open(target.address, APP_KEY, Origin::default())?;
        for _ in 0..plan.rounds {
            let before = members.frames();
            let (told, used) = target.measured(|| {
                let joins = pace::at_rate(RATE, plan.round(), |n| {
                    visitor.join(CHANNEL, &format!("visitor-{n}"))?;
                    visitor.say(&format!(
                        r#"{{"event":"pusher:unsubscribe","data":{{"channel":"{CHANNEL}"}}}}"#
                    ))
                })?;
                let told = joins * 2 * MEMBERS as u64;
                members.wait_for_frames(before + told)?;
                Ok(told)
            })?;
            costs.add(recipe.subject, used.as_secs_f64() * 1e6 / told as f64);
        }
    }
    let name = format!("presence, {MEMBERS} members are told of {RATE} joins and leaves/s, each");
    report.add(name, "µs cpu", &costs, &[]);
    Ok(())
}
