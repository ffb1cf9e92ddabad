//! This node: its workers, and which of them listen to what.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use std::hash::BuildHasher;

use crate::app::AppNumber;
use crate::broker::Sink;
use crate::channel::ChannelName;
use crate::hub::is_sparse;
use crate::observer::{Observations, Observed, Observer};
use crate::publication::{ConnectionId, Content, Delivery, Position, Publication, UserId};

/// A worker of this node, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerNumber(pub u16);

/// What other threads hand to a worker.
#[derive(Debug, Clone)]
pub enum Inboxed {
    /// For every connection of the worker that listens to the channel.
    Delivery(Arc<Delivery>),
    /// For every connection of the worker that listens to one of these channels; to one that listens to several of
    /// them, on each.
    Deliveries(Arc<Delivery>, Vec<ChannelName>),
    /// Close this connection for good, if it is one of the worker's and listens to this channel.
    Disconnect {
        /// Which.
        connection: ConnectionId,
        /// The channel's app.
        app: AppNumber,
        /// The channel it must be subscribed to.
        channel: ChannelName,
        /// What it is told on that channel before.
        farewell: Option<Arc<Delivery>>,
    },
    /// Close this connection, if it is one of the worker's and listens to this channel, in a way that its client
    /// comes back at once: it has lost the right to the channel, not to all.
    Renew {
        /// Which.
        connection: ConnectionId,
        /// The channel's app.
        app: AppNumber,
        /// The channel it must be subscribed to.
        channel: ChannelName,
    },
    /// Close all connections of this user for good. Only they themselves know whose they are.
    DisconnectUser {
        /// The user's app.
        app: AppNumber,
        /// Who.
        user: UserId,
    },
    /// Close all connections of this app, which is no more or takes none.
    CloseApp(AppNumber),
}

/// Takes what other threads hand to a worker. Must not block.
pub trait Inbox: Send + Sync {
    /// Hands it over.
    fn put(&self, item: Inboxed);

    /// More waits than should: publishers must hold back until it is taken.
    fn is_full(&self) -> bool;
}

const SHARDS: usize = 64;

/// How many of each worker's connections listen to a channel.
type Listening = SmallVec<[(WorkerNumber, u32); 2]>;
type Shard = Mutex<HashMap<(AppNumber, ChannelName), Listening, RandomState>>;

/// The workers of this node and who of them listens to what. Delivers what brokers hand back.
pub struct Node {
    workers: RwLock<Vec<Arc<dyn Inbox>>>,
    observers: RwLock<Vec<Arc<dyn Observer>>>,
    observations: Arc<Observations>,
    hasher: RandomState,
    shards: [Shard; SHARDS],
}

impl Default for Node {
    fn default() -> Self {
        Self {
            workers: RwLock::default(),
            observers: RwLock::default(),
            observations: Arc::default(),
            hasher: RandomState::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Node {
    /// Adds a worker.
    pub fn add_worker(&self, inbox: Arc<dyn Inbox>) -> WorkerNumber {
        let mut workers = self.workers.write();
        workers.push(inbox);
        WorkerNumber((workers.len() - 1) as u16)
    }

    /// The way to whoever watches apps.
    pub fn observations(&self) -> &Arc<Observations> {
        &self.observations
    }

    /// Closes all connections of the app, in a way that their clients do not come back by themselves.
    pub fn close_app(&self, app: AppNumber) {
        for inbox in self.workers.read().iter() {
            inbox.put(Inboxed::CloseApp(app));
        }
    }

    pub(crate) fn observe(&self, observer: Arc<dyn Observer>) {
        self.observers.write().push(observer);
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.workers.read().iter().any(|inbox| inbox.is_full())
    }

    pub(crate) fn disconnect(
        &self,
        connection: ConnectionId,
        app: AppNumber,
        channel: &ChannelName,
        farewell: Option<&Arc<Delivery>>,
    ) {
        for inbox in self.workers.read().iter() {
            inbox.put(Inboxed::Disconnect {
                connection,
                app,
                channel: channel.clone(),
                farewell: farewell.cloned(),
            });
        }
    }

    pub(crate) fn renew(&self, connection: ConnectionId, app: AppNumber, channel: &ChannelName) {
        for inbox in self.workers.read().iter() {
            inbox.put(Inboxed::Renew {
                connection,
                app,
                channel: channel.clone(),
            });
        }
    }

    fn shard(&self, key: &(AppNumber, ChannelName)) -> &Shard {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// One more connection of the worker listens. `true`: the first one of this node.
    pub(crate) fn subscribed(&self, worker: WorkerNumber, app: AppNumber, channel: &ChannelName) -> bool {
        let key = (app, channel.clone());
        let occupied = {
            let mut shard = self.shard(&key).lock();
            let listening = shard.entry(key).or_default();
            match listening.iter_mut().find(|(number, _)| *number == worker) {
                Some((_, count)) => *count += 1,
                None => listening.push((worker, 1)),
            }
            let occupied = listening.len() == 1 && listening[0].1 == 1;
            if occupied {
                // Under the lock, so that a channel's first and last subscribers are told of in their order.
                self.observations.tell(app, channel, || Observed::Occupied);
            }
            occupied
        };
        for observer in self.observers.read().iter() {
            if occupied {
                observer.occupied(app, channel);
            }
            observer.counted(app, channel);
        }
        occupied
    }

    /// One connection of the worker fewer listens. `true`: it was the last one of this node.
    pub(crate) fn unsubscribed(&self, worker: WorkerNumber, app: AppNumber, channel: &ChannelName) -> bool {
        let key = (app, channel.clone());
        let vacated = {
            let mut shard = self.shard(&key).lock();
            let Some(listening) = shard.get_mut(&key) else {
                return false;
            };
            let Some(index) = listening.iter().position(|(number, _)| *number == worker) else {
                return false;
            };
            listening[index].1 -= 1;
            if listening[index].1 == 0 {
                listening.swap_remove(index);
            }
            let vacated = listening.is_empty();
            if vacated {
                shard.remove(&key);
                if is_sparse(shard.len(), shard.capacity()) {
                    let keep = shard.len() * 2;
                    shard.shrink_to(keep);
                }
                self.observations.tell(app, channel, || Observed::Vacated);
            }
            vacated
        };
        for observer in self.observers.read().iter() {
            if vacated {
                observer.vacated(app, channel);
            }
            observer.counted(app, channel);
        }
        vacated
    }

    /// Channels of the app that somebody listens to and whose names begin like this, with how many do. Looks at
    /// every channel of the node, a part of them at a time.
    pub(crate) fn channels(&self, app: AppNumber, prefix: &str) -> Vec<(ChannelName, usize)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            for ((of, channel), listening) in shard.lock().iter() {
                if *of == app && channel.as_str().starts_with(prefix) {
                    let count = listening.iter().map(|(_, count)| *count as usize).sum();
                    found.push((channel.clone(), count));
                }
            }
        }
        found
    }

    pub(crate) fn subscriber_count(&self, app: AppNumber, channel: &ChannelName) -> usize {
        let key = (app, channel.clone());
        let shard = self.shard(&key).lock();
        shard.get(&key).map_or(0, |listening| {
            listening.iter().map(|(_, count)| *count as usize).sum()
        })
    }
}

impl Sink for Node {
    fn deliver(&self, publication: Publication, position: Option<Position>) {
        if let Content::Disconnect { user } = publication.content {
            let app = publication.app;
            for inbox in self.workers.read().iter() {
                let user = user.clone();
                inbox.put(Inboxed::DisconnectUser { app, user });
            }
            return;
        }
        let key = (publication.app, publication.channel.clone());
        let workers: SmallVec<[WorkerNumber; 8]> = {
            let shard = self.shard(&key).lock();
            let Some(listening) = shard.get(&key) else { return };
            listening.iter().map(|(worker, _)| *worker).collect()
        };
        let delivery = Delivery::new(publication, position);
        let inboxes = self.workers.read();
        for worker in workers {
            inboxes[worker.0 as usize].put(Inboxed::Delivery(delivery.clone()));
        }
    }

    fn deliver_each(&self, publication: Publication, channels: &[ChannelName]) {
        let inboxes = self.workers.read();
        let mut at_workers: SmallVec<[Vec<ChannelName>; 8]> = SmallVec::new();
        at_workers.resize(inboxes.len(), Vec::new());
        for channel in channels {
            let key = (publication.app, channel.clone());
            let shard = self.shard(&key).lock();
            let listening = shard.get(&key).into_iter().flatten();
            for (worker, _) in listening {
                at_workers[worker.0 as usize].push(channel.clone());
            }
        }
        let delivery = Delivery::to_many(publication);
        for (inbox, channels) in inboxes.iter().zip(at_workers) {
            if !channels.is_empty() {
                inbox.put(Inboxed::Deliveries(delivery.clone(), channels));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Collected(Mutex<Vec<String>>);

    impl Inbox for Collected {
        fn put(&self, item: Inboxed) {
            self.0.lock().push(match item {
                Inboxed::Delivery(d) => d.publication.channel.to_string(),
                Inboxed::Deliveries(_, channels) => {
                    let names: Vec<&str> = channels.iter().map(ChannelName::as_str).collect();
                    names.join(" ")
                }
                Inboxed::Disconnect { connection, .. } | Inboxed::Renew { connection, .. } => {
                    connection.to_string()
                }
                Inboxed::DisconnectUser { user, .. } => user.0.to_string(),
                Inboxed::CloseApp(app) => format!("app {}", app.0),
            });
        }

        fn is_full(&self) -> bool {
            false
        }
    }

    impl Observer for Collected {
        fn occupied(&self, _: AppNumber, channel: &ChannelName) {
            self.0.lock().push(format!("+{channel}"));
        }

        fn vacated(&self, _: AppNumber, channel: &ChannelName) {
            self.0.lock().push(format!("-{channel}"));
        }

        fn counted(&self, _: AppNumber, _: &ChannelName) {
            self.0.lock().push("#".to_owned());
        }
    }

    #[test]
    fn a_publication_reaches_each_listening_worker_once() {
        let node = Node::default();
        let inboxes: Vec<Arc<Collected>> = (0..3).map(|_| Arc::default()).collect();
        let workers: Vec<_> = inboxes
            .iter()
            .map(|inbox| node.add_worker(inbox.clone()))
            .collect();
        let (app, room) = (AppNumber(0), ChannelName::parse("room").unwrap());
        for _ in 0..5 {
            node.subscribed(workers[0], app, &room);
        }
        node.subscribed(workers[2], app, &room);
        node.deliver(Publication::message(app, room.clone(), "e", "{}"), None);
        let got: Vec<usize> = inboxes.iter().map(|inbox| inbox.0.lock().len()).collect();
        assert_eq!(got, [1, 0, 1]);
        assert_eq!(node.subscriber_count(app, &room), 6);
        assert_eq!(node.channels(app, "ro"), [(room, 6)]);
        assert!(node.channels(app, "x").is_empty() && node.channels(AppNumber(1), "").is_empty());
    }

    #[test]
    fn one_payload_to_many_channels_crosses_to_each_worker_once() {
        let node = Node::default();
        let inboxes: Vec<Arc<Collected>> = (0..3).map(|_| Arc::default()).collect();
        let workers: Vec<_> = inboxes
            .iter()
            .map(|inbox| node.add_worker(inbox.clone()))
            .collect();
        let app = AppNumber(0);
        let names = ["a", "b", "c", "d"].map(|name| ChannelName::parse(name).unwrap());
        node.subscribed(workers[0], app, &names[0]);
        node.subscribed(workers[0], app, &names[1]);
        node.subscribed(workers[2], app, &names[1]);
        node.subscribed(workers[2], AppNumber(1), &names[2]);
        node.deliver_each(Publication::message(app, names[0].clone(), "e", "{}"), &names);
        let got: Vec<Vec<String>> = inboxes.iter().map(|inbox| inbox.0.lock().clone()).collect();
        assert_eq!(got, [vec!["a b"], vec![], vec!["b"]]);
    }

    #[test]
    fn an_order_to_a_user_reaches_every_worker_whoever_listens() {
        let node = Node::default();
        let inboxes: Vec<Arc<Collected>> = (0..3).map(|_| Arc::default()).collect();
        for inbox in &inboxes {
            node.add_worker(inbox.clone());
        }
        let user = UserId("ann".into());
        let mut order = Publication::message(AppNumber(0), ChannelName::parse("#orders").unwrap(), "", "");
        order.content = Content::Disconnect { user };
        node.deliver(order, None);
        assert!(inboxes.iter().all(|inbox| *inbox.0.lock() == ["ann"]));
    }

    #[test]
    fn observers_hear_of_the_first_and_the_last_subscriber_and_of_every_change() {
        let node = Node::default();
        let log = Arc::new(Collected::default());
        node.observe(log.clone());
        let (app, room) = (AppNumber(0), ChannelName::parse("room").unwrap());
        let (one, two) = (WorkerNumber(0), WorkerNumber(1));
        assert!(node.subscribed(one, app, &room));
        assert!(!node.subscribed(two, app, &room));
        assert!(!node.unsubscribed(one, app, &room));
        assert!(!node.unsubscribed(one, app, &room), "it was not there any more");
        assert!(node.unsubscribed(two, app, &room));
        assert_eq!(*log.0.lock(), ["+room", "#", "#", "#", "-room", "#"]);
    }
}
