//! Subscription counts: tells the subscribers of a channel how many they are, for apps that want it.
//!
//! [`Counts`] is told by the engine that a channel's number changed and only notes it; [`Counts::run`] publishes what
//! holds now. On a large channel every change would be told to everybody, so there it waits a while in between.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chinwag_engine::{AppNumber, ChannelName, Content, Engine, Observed, Observer, Publication};
use chinwag_protocol::pusher::Kind;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Up to so many subscribers, each change is told.
const SMALL_MAX: usize = 100;
/// Above that, changes are told at most this often.
const PAUSE: Duration = Duration::from_secs(5);

type Channel = (AppNumber, ChannelName);

/// Tells subscribers how many they are. Register it with `Engine::observe`.
pub struct Counts {
    engine: Weak<Engine>,
    state: Mutex<State>,
    touched: Notify,
}

#[derive(Default)]
struct State {
    /// Channels whose number changed since they were told.
    touched: HashSet<Channel>,
    /// When large channels were last told.
    told: HashMap<Channel, Instant>,
}

impl Counts {
    /// For the channels of an engine.
    pub fn new(engine: &Arc<Engine>) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::downgrade(engine),
            state: Mutex::default(),
            touched: Notify::new(),
        })
    }

    /// Tells until cancelled.
    pub async fn run(self: Arc<Self>, cancellation: CancellationToken) {
        loop {
            let Some(engine) = self.engine.upgrade() else {
                return;
            };
            let now = Instant::now();
            let count = |(app, name): &Channel| engine.subscriber_count(*app, name);
            let (due, again) = self.state.lock().due(now, count);
            for ((app, channel), count) in due {
                engine.observed(app, &channel, || Observed::SubscriptionCount {
                    count: count as u64,
                });
                let publication = Publication {
                    app,
                    channel,
                    content: Content::Subscribers { count },
                    publisher: None,
                    except: None,
                };
                if let Err(error) = engine.publish(publication).await {
                    // The next change tells the new number.
                    tracing::debug!(%error, "A subscription count was not published");
                }
            }
            drop(engine);
            tokio::select! {
                () = cancellation.cancelled() => return,
                () = self.touched.notified() => {}
                () = sleep_until(again) => {}
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl State {
    /// What is to be told now, and when to look again.
    fn due(
        &mut self,
        now: Instant,
        count: impl Fn(&Channel) -> usize,
    ) -> (Vec<(Channel, usize)>, Option<Instant>) {
        self.told.retain(|_, at| now < *at + PAUSE);
        let mut due = Vec::new();
        let told = &mut self.told;
        self.touched.retain(|channel| {
            let count = count(channel);
            if count > SMALL_MAX {
                if told.contains_key(channel) {
                    return true;
                }
                told.insert(channel.clone(), now);
            }
            if count > 0 {
                due.push((channel.clone(), count));
            }
            false
        });
        let waiting = self.touched.iter().filter_map(|channel| self.told.get(channel));
        let again = waiting.min().map(|at| *at + PAUSE);
        (due, again)
    }
}

impl Observer for Counts {
    fn occupied(&self, _: AppNumber, _: &ChannelName) {}

    fn vacated(&self, _: AppNumber, _: &ChannelName) {}

    fn counted(&self, app: AppNumber, channel: &ChannelName) {
        // Presence channels have members instead, and what begins with # is not for applications to see.
        if channel.as_str().starts_with('#') || Kind::of(channel.as_str()).presence {
            return;
        }
        let wanted = self
            .engine
            .upgrade()
            .and_then(|engine| engine.apps.get(app))
            .is_some_and(|app| app.options.subscription_counts);
        if wanted {
            self.state.lock().touched.insert((app, channel.clone()));
            self.touched.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> Channel {
        (AppNumber(0), ChannelName::parse(name).expect("a valid name"))
    }

    #[test]
    fn small_channels_are_told_every_change_and_large_ones_every_five_seconds() {
        let (small, large) = (channel("small"), channel("large"));
        let start = Instant::now();
        let mut state = State::default();
        let mut told = |seconds: u64, touch: &[&Channel], sizes: [usize; 2]| {
            state
                .touched
                .extend(touch.iter().map(|channel| (*channel).clone()));
            let count = |of: &Channel| if *of == small { sizes[0] } else { sizes[1] };
            let (mut due, again) = state.due(start + Duration::from_secs(seconds), count);
            due.sort();
            let due: Vec<_> = due
                .into_iter()
                .map(|((_, name), n)| (name.to_string(), n))
                .collect();
            (due, again.map(|at| (at - start).as_secs()))
        };
        let of = |name: &str, n: usize| (name.to_owned(), n);
        let both = [&small, &large];
        assert_eq!(
            told(0, &both, [100, 101]),
            (vec![of("large", 101), of("small", 100)], None)
        );
        assert_eq!(told(1, &both, [99, 102]), (vec![of("small", 99)], Some(5)));
        assert_eq!(told(4, &[&large], [99, 103]), (vec![], Some(5)));
        assert_eq!(
            told(5, &[], [99, 103]),
            (vec![of("large", 103)], None),
            "what it is now"
        );
        assert_eq!(told(6, &[], [99, 103]), (vec![], None), "nothing changed");
        assert_eq!(
            told(7, &both, [0, 100]),
            (vec![of("large", 100)], None),
            "small again; nobody is left to be told"
        );
        assert_eq!(told(60, &[], [0, 0]), (vec![], None));
        assert!(
            state.told.is_empty() && state.touched.is_empty(),
            "nothing is kept"
        );
    }
}
