//! Subscribers who do not read: they are closed at a byte limit, and nobody else notices.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::Plan;
use crate::http::Http;
use crate::pace;
use crate::report::{Aim, Report, Rounds};
use crate::session::{Origin, Session};
use crate::swarm::{Swarm, payload};
use crate::target::Subject;

const SUBSCRIBERS: usize = 200;
const SLOW: usize = 5;
/// Bytes of each publication, and how many a second.
const LARGE: usize = 8_000;
const RATE: u32 = 100;
/// Bytes published while some do not read: more than both sides' kernels and the server's queue may hold.
const ENOUGH: usize = 16_000_000;

pub(super) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let (mut alone, mut beside) = (BTreeMap::new(), BTreeMap::new());
    let target = plan.chinwag()?.start()?;
    let readers = Swarm::subscribed(target.address, SUBSCRIBERS, |_| "ticker".into())?;
    let mut http = Http::connect(target.address)?;
    let mut publish = |_| http.publish(&["ticker".to_owned()], &payload(LARGE));
    let published = pace::at_rate(RATE, plan.round(), &mut publish)?;
    readers.wait_for(published * SUBSCRIBERS as u64)?;
    alone.insert(Subject::Chinwag, readers.take_latencies());
    let origin = Origin {
        receive_buffer: Some(4_096),
        ..Origin::default()
    };
    let slow: Vec<Session> = (0..SLOW)
        .map(|_| Session::subscribed(target.address, "ticker", origin))
        .collect::<anyhow::Result<_>>()?;
    let enough = Duration::from_secs((ENOUGH / LARGE / RATE as usize) as u64);
    let before = readers.received();
    let memory = target.resident()?;
    let published = pace::at_rate(RATE, enough, &mut publish)?;
    readers.wait_for(before + published * SUBSCRIBERS as u64)?;
    beside.insert(Subject::Chinwag, readers.take_latencies());
    let grown = target.resident()?.saturating_sub(memory) as f64 / 1024.0 / 1024.0;
    let mut closed = 0.0;
    for session in slow {
        closed += f64::from(u8::from(was_closed(session)?));
    }
    if readers.closed() > 0 {
        bail!("{} readers were closed", readers.closed());
    }
    let name = format!("{SUBSCRIBERS} × {RATE}/s of {LARGE} bytes");
    report.latencies(&name, &alone, &[]);
    report.latencies(&format!("{name}, {SLOW} more do not read"), &beside, &[]);
    let closed = Rounds::one(Subject::Chinwag, closed);
    report.add(
        format!("of {SLOW} who do not read, closed"),
        "",
        &closed,
        &[Aim::AtLeast(SLOW as f64)],
    );
    let grown = Rounds::one(Subject::Chinwag, grown);
    report.add("memory that they cost", "MiB", &grown, &[]);
    Ok(())
}

/// Reads what the server had sent; whether its end comes.
fn was_closed(mut session: Session) -> anyhow::Result<bool> {
    session
        .stream
        .set_read_timeout(Some(Duration::from_millis(500)))?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut buffer = vec![0; 64 * 1024];
    while Instant::now() < deadline {
        match session.stream.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Ok(true),
        }
    }
    Ok(false)
}
