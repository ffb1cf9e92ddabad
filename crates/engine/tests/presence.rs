//! Presence over several workers, against the plainest model: whatever the order of joins, leaves and crashes, whoever
//! applies what is delivered to the roster it began with knows exactly who is there.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use chinwag_engine::{
    App, AppOptions, Beginning, ChannelName, ConnectionId, Content, Delivery, Engine, Inbox, Inboxed,
    KeyPair, Member, Roster, Secret, UserId, WorkerNumber,
};
use parking_lot::Mutex;
use proptest::prelude::*;

const WORKERS: usize = 3;
const CONNECTIONS: u32 = 9;

#[derive(Default)]
struct Waiting(Mutex<VecDeque<Arc<Delivery>>>);

impl Inbox for Waiting {
    fn put(&self, item: Inboxed) {
        if let Inboxed::Delivery(delivery) = item {
            self.0.lock().push_back(delivery);
        }
    }

    fn is_full(&self) -> bool {
        false
    }
}

/// A connection that believes what it was told.
#[derive(Debug)]
struct Viewer {
    there: BTreeSet<String>,
    version: u64,
}

impl Viewer {
    fn new(roster: &Roster) -> Self {
        Self {
            there: roster.members.iter().map(|m| m.user.0.to_string()).collect(),
            version: roster.version,
        }
    }

    /// Applies a change, unless the roster held it already. Each change must be one.
    fn apply(&mut self, delivery: &Delivery) {
        let changed = match &delivery.publication.content {
            Content::Joined { version, .. } | Content::Left { version, .. } if *version <= self.version => {
                return;
            }
            Content::Joined { member, .. } => self.there.insert(member.user.0.to_string()),
            Content::Left { user, .. } => self.there.remove(&*user.0),
            other => panic!("{other:?}"),
        };
        assert!(changed, "{delivery:?} told what {self:?} knew");
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The connection joins as this user; it is a member and a viewer.
    Join(u32, u8),
    /// It says that it leaves, or is found to be gone: its worker tells the engine the same.
    Leave(u32),
    /// It only looks on.
    Watch(u32),
    /// The worker's connections all break at once.
    Crash(usize),
    /// The worker takes so many of what waits for it.
    Take(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..CONNECTIONS, 0..4u8).prop_map(|(c, u)| Step::Join(c, u)),
        4 => (0..CONNECTIONS).prop_map(Step::Leave),
        2 => (0..CONNECTIONS).prop_map(Step::Watch),
        1 => (0..WORKERS).prop_map(Step::Crash),
        6 => (0..WORKERS, 1..4usize).prop_map(|(w, n)| Step::Take(w, n)),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What the test knows of one connection that listens.
struct Listening {
    user: Option<u8>,
    viewer: Viewer,
}

struct World {
    engine: Engine,
    app: Arc<App>,
    room: ChannelName,
    inboxes: Vec<Arc<Waiting>>,
    numbers: Vec<WorkerNumber>,
    listening: BTreeMap<u32, Listening>,
}

fn id(connection: u32) -> ConnectionId {
    ConnectionId {
        node: 1,
        number: connection + 1,
    }
}

fn worker_of(connection: u32) -> usize {
    connection as usize % WORKERS
}

impl World {
    fn new() -> Self {
        let engine = Engine::in_memory();
        let pair = KeyPair {
            key: "k".to_owned(),
            secret: Secret::new("s"),
        };
        let app = engine
            .apps
            .add("a", vec![pair], AppOptions::default(), Vec::new())
            .unwrap();
        let inboxes: Vec<Arc<Waiting>> = (0..WORKERS).map(|_| Arc::default()).collect();
        let numbers = inboxes
            .iter()
            .map(|inbox| engine.node().add_worker(inbox.clone()))
            .collect();
        Self {
            engine,
            app,
            room: ChannelName::parse("room").unwrap(),
            inboxes,
            numbers,
            listening: BTreeMap::new(),
        }
    }

    async fn listen(&mut self, connection: u32, user: Option<u8>) {
        if self.listening.contains_key(&connection) {
            return;
        }
        let member = user.map(|user| Member {
            user: UserId(format!("user-{user}").into()),
            info: None,
        });
        let beginning = Beginning {
            roster: true,
            recent: 0,
        };
        let worker = self.numbers[worker_of(connection)];
        let begun = self
            .engine
            .subscribe(worker, id(connection), &self.app, &self.room, member, beginning)
            .await
            .unwrap();
        let viewer = Viewer::new(&begun.roster.unwrap());
        if let Some(user) = user {
            assert!(
                viewer.there.contains(&format!("user-{user}")),
                "who joins finds itself there"
            );
        }
        self.listening.insert(connection, Listening { user, viewer });
    }

    async fn leave(&mut self, connection: u32) {
        let Some(gone) = self.listening.remove(&connection) else {
            return;
        };
        let worker = self.numbers[worker_of(connection)];
        self.engine
            .unsubscribe(
                worker,
                id(connection),
                self.app.number,
                &self.room,
                gone.user.is_some(),
            )
            .await;
    }

    /// The worker hands what waits to each of its connections, in order.
    fn take(&mut self, worker: usize, count: usize) {
        for _ in 0..count {
            let Some(delivery) = self.inboxes[worker].0.lock().pop_front() else {
                return;
            };
            let its = self
                .listening
                .iter_mut()
                .filter(|(connection, _)| worker_of(**connection) == worker);
            its.for_each(|(_, listening)| listening.viewer.apply(&delivery));
        }
    }

    fn there(&self) -> BTreeSet<String> {
        let users = self.listening.values().filter_map(|listening| listening.user);
        users.map(|user| format!("user-{user}")).collect()
    }
}

proptest! {
    #[test]
    fn nobody_is_missed_and_nobody_haunts(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                match step {
                    Step::Join(connection, user) => world.listen(connection, Some(user)).await,
                    Step::Watch(connection) => world.listen(connection, None).await,
                    Step::Leave(connection) => world.leave(connection).await,
                    Step::Crash(worker) => {
                        for connection in (0..CONNECTIONS).filter(|c| worker_of(*c) == worker) {
                            world.leave(connection).await;
                        }
                    }
                    Step::Take(worker, count) => world.take(worker, count),
                }
                // The truth is the same at every moment, whoever has yet to hear of it.
                let roster = world.engine.roster(world.app.number, &world.room).await.unwrap();
                assert_eq!(Viewer::new(&roster).there, world.there());
            }
            (0..WORKERS).for_each(|worker| world.take(worker, usize::MAX));
            let there = world.there();
            for (connection, listening) in &world.listening {
                assert_eq!(listening.viewer.there, there, "as connection {connection} sees it");
            }
        });
    }
}
