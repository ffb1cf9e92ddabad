//! Counters: what a worker writes alone, and what all threads share because it is rare.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::log::EventLog;

/// A number that one thread raises and any may read: a plain load and store, no locked instruction.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    /// Only the thread that owns the tally may raise it; another one's addition could be lost.
    pub(crate) fn add(&self, n: u64) {
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(n);
        self.0.store(sum, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client went, or its network did.
    Gone,
    /// The protocol refused it.
    Refused,
    /// It read too slowly.
    Slow,
    /// It did not answer when asked whether it was there.
    Silent,
    /// It broke the rules of WebSocket.
    Broken,
    /// Somebody ordered it closed.
    Ordered,
    /// The server stops.
    Stopping,
}

impl Ended {
    pub(crate) const ALL: [Self; 7] = [
        Self::Gone,
        Self::Refused,
        Self::Slow,
        Self::Silent,
        Self::Broken,
        Self::Ordered,
        Self::Stopping,
    ];

    /// As it stands in metrics, answers and the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::Broken => "broken",
            Self::Ordered => "ordered",
            Self::Stopping => "stopping",
        }
    }
}

/// What one worker counts of one app. Its own cache lines: no other thread writes near it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerCounters {
    pub(crate) frames_received: Tally,
    pub(crate) bytes_received: Tally,
    pub(crate) messages_sent: Tally,
    pub(crate) bytes_sent: Tally,
    pub(crate) client_events: Tally,
    pub(crate) refusals: Tally,
    opened: Tally,
    closed: [Tally; Ended::ALL.len()],
}

/// What all threads count of one app: connections that come and go, and what servers publish.
#[derive(Debug)]
pub(super) struct AppCounters {
    pub(super) app: String,
    connections: AtomicU64,
    connections_peak: AtomicU64,
    api_messages: AtomicU64,
    api_refusals: AtomicU64,
    pub(super) workers: Mutex<Vec<Arc<WorkerCounters>>>,
}

impl AppCounters {
    pub(super) fn new(app: &str) -> Self {
        Self {
            app: app.to_owned(),
            connections: AtomicU64::new(0),
            connections_peak: AtomicU64::new(0),
            api_messages: AtomicU64::new(0),
            api_refusals: AtomicU64::new(0),
            workers: Mutex::default(),
        }
    }

    pub(super) fn api_message(&self) {
        self.api_messages.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn api_refused(&self) {
        self.api_refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// Most connections at a time since this was last asked. The next peak starts from those that there are.
    pub(super) fn take_peak(&self) -> u64 {
        let now = self.connections.load(Ordering::Relaxed);
        self.connections_peak.swap(now, Ordering::Relaxed).max(now)
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals {
            connections: self.connections.load(Ordering::Relaxed),
            api_messages: self.api_messages.load(Ordering::Relaxed),
            api_refusals: self.api_refusals.load(Ordering::Relaxed),
            ..Totals::default()
        };
        for own in self.workers.lock().iter() {
            totals.opened += own.opened.read();
            totals.frames_received += own.frames_received.read();
            totals.bytes_received += own.bytes_received.read();
            totals.messages_sent += own.messages_sent.read();
            totals.bytes_sent += own.bytes_sent.read();
            totals.client_events += own.client_events.read();
            totals.refusals += own.refusals.read();
            for (sum, one) in totals.closed.0.iter_mut().zip(&own.closed) {
                *sum += one.read();
            }
        }
        totals
    }
}

/// The counters of one worker and one app, as the app's connections on that worker hold them.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) own: Arc<WorkerCounters>,
    pub(super) shared: Arc<AppCounters>,
    pub(crate) log: Arc<EventLog>,
}

impl Counted {
    /// One more connection.
    pub(crate) fn opened(&self) {
        self.own.opened.add(1);
        let now = self.shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        self.shared.connections_peak.fetch_max(now, Ordering::Relaxed);
    }

    /// One fewer.
    pub(crate) fn closed(&self, why: Ended) {
        self.own.closed[why as usize].add(1);
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What an app's traffic has come to. All but `connections` only ever rise.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Open connections.
    pub connections: u64,
    /// Connections that were opened.
    pub opened: u64,
    /// Connections that ended, by reason.
    pub closed: TotalsClosed,
    /// Frames from clients.
    pub frames_received: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Frames to clients.
    pub messages_sent: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// Events that clients published.
    pub client_events: u64,
    /// What clients were refused.
    pub refusals: u64,
    /// What servers published, one for each channel.
    pub api_messages: u64,
    /// What servers were refused.
    pub api_refusals: u64,
}

impl Totals {
    /// Takes in another app's.
    pub(super) fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.opened += other.opened;
        self.frames_received += other.frames_received;
        self.bytes_received += other.bytes_received;
        self.messages_sent += other.messages_sent;
        self.bytes_sent += other.bytes_sent;
        self.client_events += other.client_events;
        self.refusals += other.refusals;
        self.api_messages += other.api_messages;
        self.api_refusals += other.api_refusals;
        for (sum, one) in self.closed.0.iter_mut().zip(&other.closed.0) {
            *sum += one;
        }
    }
}

/// Connections that ended, by reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct TotalsClosed([u64; Ended::ALL.len()]);

impl TotalsClosed {
    /// Each reason with its number.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Ended::ALL
            .iter()
            .map(|why| why.name())
            .zip(self.0.iter().copied())
    }

    /// Those that read too slowly.
    pub fn slow(&self) -> u64 {
        self.0[Ended::Slow as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_count_alone_and_are_added_up() {
        let shared = Arc::new(AppCounters::new("app"));
        let workers: Vec<Counted> = (0..2)
            .map(|_| {
                let own = Arc::new(WorkerCounters::default());
                shared.workers.lock().push(own.clone());
                let (shared, log) = (shared.clone(), Arc::default());
                Counted { own, shared, log }
            })
            .collect();
        std::thread::scope(|scope| {
            for worker in &workers {
                scope.spawn(|| (0..1_000).for_each(|_| worker.own.messages_sent.add(2)));
            }
        });
        workers.iter().for_each(Counted::opened);
        workers[1].closed(Ended::Slow);
        shared.api_message();
        let totals = shared.totals();
        assert_eq!(
            (totals.messages_sent, totals.connections, totals.opened),
            (4_000, 1, 2)
        );
        assert_eq!((totals.closed.slow(), totals.api_messages), (1, 1));
        assert_eq!(totals.closed.iter().map(|(_, n)| n).sum::<u64>(), 1);
    }

    #[test]
    fn a_peak_starts_again_from_the_connections_there_are() {
        let shared = Arc::new(AppCounters::new("app"));
        let own = Arc::default();
        let counted = Counted {
            own,
            shared: shared.clone(),
            log: Arc::default(),
        };
        (0..3).for_each(|_| counted.opened());
        (0..2).for_each(|_| counted.closed(Ended::Gone));
        assert_eq!(shared.take_peak(), 3);
        assert_eq!(shared.take_peak(), 1);
        counted.closed(Ended::Gone);
        assert_eq!(shared.take_peak(), 1, "there was one since");
        assert_eq!(shared.take_peak(), 0);
    }
}
