//! Observers: who wants to know what happens on channels.
//!
//! An [`Observer`] hears that channels come to life and fall silent, for all apps. A [`Watcher`] hears more, and only
//! of those apps that it asked for, so that for all others nothing has to be put together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::app::AppNumber;
use crate::channel::ChannelName;
use crate::publication::{ConnectionId, UserId};

/// Hears of channels on this node.
///
/// Calls come from many threads and must not block. For one channel they may arrive swapped when the last
/// subscriber goes while another comes: ask [`crate::Engine::has_subscribers`] for what holds now.
pub trait Observer: Send + Sync {
    /// The channel got its first subscriber on this node.
    fn occupied(&self, app: AppNumber, channel: &ChannelName);

    /// The channel lost its last subscriber on this node.
    fn vacated(&self, app: AppNumber, channel: &ChannelName);

    /// One more or fewer connection of this node is subscribed to the channel, the first and the last included.
    fn counted(&self, app: AppNumber, channel: &ChannelName);
}

/// Something that happened on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The tenant.
    pub app: AppNumber,
    /// Where.
    pub channel: ChannelName,
    /// What.
    pub what: Observed,
}

/// What can happen on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It got its first subscriber.
    Occupied,
    /// It lost its last subscriber.
    Vacated,
    /// A user's first connection came.
    Joined {
        /// Who.
        user: UserId,
    },
    /// A user's last connection went.
    Left {
        /// Who.
        user: UserId,
    },
    /// A connection published something, and it was accepted.
    ClientEvent {
        /// Name of the event.
        event: Arc<str>,
        /// The payload.
        data: Bytes,
        /// The publisher.
        connection: ConnectionId,
        /// The publisher's user, on channels that know users.
        user: Option<UserId>,
    },
    /// Somebody came for the last publication of a channel that keeps it, and there was none.
    CacheMiss,
    /// Something was published that the channel keeps, so that the next one misses nothing.
    CacheFilled,
    /// The number of subscribers changed.
    SubscriptionCount {
        /// How many there are.
        count: u64,
    },
}

/// Hears of what happens in the apps it watches.
///
/// Calls come from many threads, some with a lock of the engine held, so they must neither block nor call the
/// engine. What happened on one channel comes in the order in which it happened.
pub trait Watcher: Send + Sync {
    /// Something happened.
    fn observed(&self, observation: Observation);
}

/// Numbers of apps that are told apart. More apps than that share marks.
const MARKS: usize = 1_024;

/// The way from the engine to its watcher.
pub struct Observations {
    watcher: OnceLock<Arc<dyn Watcher>>,
    /// A bit for each app whose number is the same modulo [`MARKS`]: set when one of them is watched.
    watched: [AtomicU64; MARKS / 64],
}

impl Default for Observations {
    fn default() -> Self {
        Self {
            watcher: OnceLock::new(),
            watched: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Observations {
    /// Sets who is told. The first one stays.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        let _ = self.watcher.set(watcher);
    }

    /// Sets which apps are watched; none at the beginning.
    pub fn choose(&self, apps: impl IntoIterator<Item = AppNumber>) {
        let mut marks = [0_u64; MARKS / 64];
        for app in apps {
            let place = app.0 as usize % MARKS;
            marks[place / 64] |= 1 << (place % 64);
        }
        for (watched, mark) in self.watched.iter().zip(marks) {
            watched.store(mark, Ordering::Relaxed);
        }
    }

    /// Whether to tell of what happens in the app. May be true for one that nobody watches, never the reverse.
    pub fn wants(&self, app: AppNumber) -> bool {
        let place = app.0 as usize % MARKS;
        self.watched[place / 64].load(Ordering::Relaxed) & (1 << (place % 64)) != 0
    }

    /// Tells, if the app is watched. `what` is asked for only then.
    pub fn tell(&self, app: AppNumber, channel: &ChannelName, what: impl FnOnce() -> Observed) {
        if self.wants(app)
            && let Some(watcher) = self.watcher.get()
        {
            let channel = channel.clone();
            let what = what();
            watcher.observed(Observation { app, channel, what });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<Observation>>);

    impl Watcher for Heard {
        fn observed(&self, observation: Observation) {
            self.0.lock().push(observation);
        }
    }

    #[test]
    fn only_apps_that_are_watched_are_told_of() {
        let observations = Observations::default();
        let heard = Arc::new(Heard::default());
        let room = ChannelName::parse("room").unwrap();
        let tell = |app| observations.tell(AppNumber(app), &room, || Observed::CacheMiss);
        observations.choose([AppNumber(1), AppNumber(70)]);
        tell(1);
        observations.watch(heard.clone());
        (0..100).for_each(tell);
        observations.choose([AppNumber(2)]);
        (0..100).for_each(tell);
        observations.tell(AppNumber(3), &room, || unreachable!("nobody watches"));
        let apps: Vec<_> = heard.0.lock().iter().map(|o| o.app.0).collect();
        assert_eq!(apps, [1, 70, 2]);
    }
}
