//! Samples: what the counters grew by, every ten seconds in memory and every minute in the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chinwag_engine::{AppNumber, Sample, Statistics};
use hashbrown::HashMap;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Traffic;
use super::counters::Totals;
use super::series::{Bucket, Period, Rings};

const LOOK_EVERY: Duration = Duration::from_secs(10);
const MINUTE_S: u64 = 60;
/// Samples in the store are forgotten after this.
const KEPT_S: i64 = 60 * 24 * 3_600;
/// What the rings can hold of an earlier life.
const RECALLED_S: u64 = 7 * 24 * 3_600;
const FORGET_EVERY_S: u64 = 3_600;

/// An app's numbers over a period, a place for each step.
pub type AppSeries = Vec<Option<Bucket>>;

#[derive(Debug, Default)]
pub(super) struct Samples {
    apps: BTreeMap<String, OfApp>,
    /// What the counters said at the last look. By number: an app that was removed and made again counts anew.
    seen: HashMap<AppNumber, Totals>,
    /// The minute that is being added up.
    minute: u64,
}

#[derive(Debug, Default)]
struct OfApp {
    rings: Rings,
    minute: Bucket,
}

impl OfApp {
    /// What has been added since the last look.
    fn look(&mut self, now_s: u64, connections_peak: u64, seen: &Totals, totals: &Totals) {
        let observed = Bucket {
            at_s: now_s,
            connections_peak,
            frames_received: totals.frames_received - seen.frames_received,
            api_messages: totals.api_messages - seen.api_messages,
            messages_sent: totals.messages_sent - seen.messages_sent,
        };
        self.rings.add(&observed);
        self.minute.merge(&observed);
    }
}

impl Samples {
    /// The rows of the minute that has ended, if one has. Minutes in which nothing was going on have none.
    fn ended_minute(&mut self, now_s: u64) -> Vec<Sample> {
        let minute = now_s / MINUTE_S;
        let ended = std::mem::replace(&mut self.minute, minute);
        if ended == minute || ended == 0 {
            return Vec::new();
        }
        self.rows(ended)
    }

    fn rows(&mut self, minute: u64) -> Vec<Sample> {
        let mut rows = Vec::new();
        for (app, of_app) in &mut self.apps {
            let sum = std::mem::take(&mut of_app.minute);
            if !sum.is_idle() {
                rows.push(Sample {
                    app: app.clone(),
                    at_s: (minute * MINUTE_S) as i64,
                    connections_peak: sum.connections_peak,
                    frames_received: sum.frames_received,
                    api_messages: sum.api_messages,
                    messages_sent: sum.messages_sent,
                });
            }
        }
        rows
    }
}

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is past 1970").as_secs()
}

impl Traffic {
    /// An app's numbers up to now.
    pub fn series(&self, app: &str, period: Period) -> AppSeries {
        let samples = self.samples.lock();
        match samples.apps.get(app) {
            Some(of_app) => of_app.rings.window(now_s(), period),
            None => vec![None; period.steps() as usize],
        }
    }

    /// Looks at all counters. Returns what is to be kept of a minute that has ended.
    fn look(&self, now_s: u64) -> Vec<Sample> {
        let apps: Vec<_> = {
            let apps = self.apps.read();
            apps.iter().map(|(number, app)| (*number, app.clone())).collect()
        };
        let mut guard = self.samples.lock();
        let samples = &mut *guard;
        // What is seen now happened before now, so the minute is closed first.
        let rows = samples.ended_minute(now_s);
        for (number, app) in apps.iter().filter(|(_, app)| !app.app.is_empty()) {
            let of_app = samples.apps.entry(app.app.clone()).or_default();
            let totals = app.totals();
            let seen = samples.seen.insert(*number, totals).unwrap_or_default();
            of_app.look(now_s, app.take_peak(), &seen, &totals);
        }
        rows
    }
}

/// Takes samples until it is told to stop.
pub struct Sampler {
    traffic: Arc<Traffic>,
    statistics: Arc<dyn Statistics>,
}

impl Sampler {
    /// Samples of `traffic`, kept in `statistics`.
    pub fn new(traffic: Arc<Traffic>, statistics: Arc<dyn Statistics>) -> Self {
        Self { traffic, statistics }
    }

    /// Fills the rings with what was kept of the apps, then samples until cancelled.
    pub async fn run(self, apps: Vec<String>, cancellation: CancellationToken) {
        for app in apps {
            self.recall(app).await;
        }
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut forgot_at = 0;
        loop {
            tokio::select! {
                biased;
                () = cancellation.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let now = now_s();
            let rows = self.traffic.look(now);
            self.keep(&rows).await;
            if now.saturating_sub(forgot_at) >= FORGET_EVERY_S {
                forgot_at = now;
                if let Err(error) = self.statistics.forget_before(now as i64 - KEPT_S).await {
                    warn!(%error, "Old statistics could not be removed");
                }
            }
        }
        let mut rows = self.traffic.look(now_s());
        let mut samples = std::mem::take(&mut *self.traffic.samples.lock());
        let minute = samples.minute;
        rows.extend(samples.rows(minute));
        self.keep(&rows).await;
    }

    async fn keep(&self, rows: &[Sample]) {
        if let Err(error) = self.statistics.keep(rows).await {
            warn!(%error, "Statistics of a minute could not be kept");
        }
    }

    async fn recall(&self, app: String) {
        let since = now_s().saturating_sub(RECALLED_S);
        let limit = (RECALLED_S / MINUTE_S) as usize;
        let kept = match self.statistics.newest(&app, since as i64, limit).await {
            Ok(kept) => kept,
            Err(error) => return warn!(%error, "Earlier statistics could not be read"),
        };
        let mut samples = self.traffic.samples.lock();
        let of_app = samples.apps.entry(app).or_default();
        for sample in kept {
            of_app.rings.recall(&Bucket {
                at_s: sample.at_s.max(0) as u64,
                connections_peak: sample.connections_peak,
                frames_received: sample.frames_received,
                api_messages: sample.api_messages,
                messages_sent: sample.messages_sent,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use chinwag_engine::AppOptions;

    use super::*;
    use crate::traffic::counters::Ended;

    fn app(id: &str) -> chinwag_engine::App {
        numbered(0, id)
    }

    fn numbered(number: u32, id: &str) -> chinwag_engine::App {
        chinwag_engine::App {
            number: AppNumber(number),
            id: id.to_owned(),
            keys: Vec::new(),
            options: AppOptions::default(),
            namespaces: Vec::new(),
        }
    }

    #[test]
    fn a_minute_becomes_one_row_and_an_idle_one_none() {
        let traffic = Traffic::default();
        let counted = traffic.counted(&app("shop"));
        let mut rows = Vec::new();
        for at_s in (600..660).step_by(10) {
            counted.opened();
            counted.own.frames_received.add(2);
            traffic.api_message(&app("shop"));
            rows.extend(traffic.look(at_s));
        }
        assert!(rows.is_empty(), "the minute has not ended");
        (0..6).for_each(|_| counted.closed(Ended::Gone));
        let expected = Sample {
            app: "shop".to_owned(),
            at_s: 600,
            connections_peak: 6,
            frames_received: 12,
            api_messages: 6,
            messages_sent: 0,
        };
        assert_eq!(traffic.look(660), [expected]);
        assert_eq!(
            traffic.look(720)[0].connections_peak,
            6,
            "they were there when it began"
        );
        assert!(traffic.look(780).is_empty(), "nobody was there");
    }

    #[test]
    fn an_app_that_is_made_again_goes_on_under_its_id() {
        let traffic = Traffic::default();
        traffic.api_message(&numbered(0, "shop"));
        traffic.api_message(&numbered(0, "shop"));
        traffic.look(600);
        traffic.api_message(&numbered(1, "shop"));
        traffic.look(610);
        let rows = traffic.look(660);
        assert_eq!((rows.len(), rows[0].api_messages), (1, 3));
        assert_eq!(traffic.all_totals()["shop"].api_messages, 3);
    }
}
