//! Doing something at a steady rate.

use std::time::{Duration, Instant};

/// Calls `act` at this many times a second for a while, and returns how often that was. Calls that are late are made up
/// for, so that a slow server gets the same load as a quick one.
pub(crate) fn at_rate(
    rate: u32,
    time: Duration,
    mut act: impl FnMut(u32) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let (started, period) = (Instant::now(), Duration::from_secs(1) / rate);
    let mut done = 0;
    while period * done < time {
        let due = started + period * done;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        act(done)?;
        done += 1;
    }
    Ok(u64::from(done))
}

/// Runs `act` on this many threads at once; returns what each returned.
pub(crate) fn together<T: Send>(
    threads: usize,
    act: impl Fn(usize) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    std::thread::scope(|scope| {
        let act = &act;
        let running: Vec<_> = (0..threads)
            .map(|number| scope.spawn(move || act(number)))
            .collect();
        running
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| anyhow::bail!("a thread panicked"))
            })
            .collect()
    })
}
