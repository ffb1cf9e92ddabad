//! Presence over several workers, against the plainest model: whatever the order of joins, leaves and crashes, whoever
//! applies what is delivered to the roster it began with knows exactly who is there.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use chinwag_engine::{
    App, AppOptions, Beginning, ChannelName, ConnectionId, Content, Delivery, Engine, Inbox, Inboxed,
    KeyPair, Member, Roster, Secret, SubscribeRefused, UserId, WorkerNumber,
};
use parking_lot::Mutex;
use proptest::prelude::*;

const WORKERS: usize = 3;
const CONNECTIONS: u32 = 9;
const ROOMS: usize = 2;
/// Most users of a room. There are more than that.
const USERS_MAX: usize = 3;

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
    /// The connection joins the room as this user, or tries to; it is a member and a viewer.
    Join(u32, usize, u8),
    /// It asks once more to join where it is, as clients do.
    Again(u32, usize),
    /// It says that it leaves.
    Leave(u32, usize),
    /// It is found to be gone, from wherever it was.
    Gone(u32),
    /// It only looks on.
    Watch(u32, usize),
    /// The worker ends: what waited for it is lost, and its connections are gone.
    Crash(usize),
    /// The worker takes so many of what waits for it.
    Take(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..CONNECTIONS, 0..ROOMS, 0..5u8).prop_map(|(c, r, u)| Step::Join(c, r, u)),
        1 => (0..CONNECTIONS, 0..ROOMS).prop_map(|(c, r)| Step::Again(c, r)),
        3 => (0..CONNECTIONS, 0..ROOMS).prop_map(|(c, r)| Step::Leave(c, r)),
        2 => (0..CONNECTIONS).prop_map(Step::Gone),
        2 => (0..CONNECTIONS, 0..ROOMS).prop_map(|(c, r)| Step::Watch(c, r)),
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
    rooms: Vec<ChannelName>,
    inboxes: Vec<Arc<Waiting>>,
    numbers: Vec<WorkerNumber>,
    /// By connection and room.
    listening: BTreeMap<(u32, usize), Listening>,
}

fn id(connection: u32) -> ConnectionId {
    ConnectionId {
        node: 1,
        number: connection + 1,
    }
}

fn name(user: u8) -> String {
    format!("user-{user}")
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
        let options = AppOptions {
            presence_members_max: USERS_MAX,
            ..AppOptions::default()
        };
        let app = engine.apps.add("a", vec![pair], options, Vec::new()).unwrap();
        let inboxes: Vec<Arc<Waiting>> = (0..WORKERS).map(|_| Arc::default()).collect();
        let numbers = inboxes
            .iter()
            .map(|inbox| engine.node().add_worker(inbox.clone()))
            .collect();
        Self {
            engine,
            app,
            rooms: (0..ROOMS)
                .map(|room| ChannelName::parse(&format!("room-{room}")).unwrap())
                .collect(),
            inboxes,
            numbers,
            listening: BTreeMap::new(),
        }
    }

    async fn listen(&mut self, connection: u32, room: usize, user: Option<u8>) {
        if !self.listening.contains_key(&(connection, room)) {
            self.ask(connection, room, user).await;
        }
    }

    async fn again(&mut self, connection: u32, room: usize) {
        if let Some(user) = self.listening.get(&(connection, room)).map(|there| there.user) {
            self.ask(connection, room, user).await;
        }
    }

    async fn ask(&mut self, connection: u32, room: usize, user: Option<u8>) {
        let member = user.map(|user| Member {
            user: UserId(name(user).into()),
            info: None,
        });
        let beginning = Beginning {
            roster: true,
            recent: 0,
        };
        let there = self.there(room);
        let full = user.is_some_and(|user| !there.contains(&name(user)) && there.len() >= USERS_MAX);
        let worker = self.numbers[worker_of(connection)];
        let begun = self
            .engine
            .subscribe(
                worker,
                id(connection),
                &self.app,
                &self.rooms[room],
                member,
                beginning,
            )
            .await;
        let begun = match begun {
            Ok(begun) => begun,
            Err(SubscribeRefused::ChannelFull) if full => return,
            Err(error) => panic!("{error}"),
        };
        assert!(!full, "there was no room for one more");
        let viewer = Viewer::new(&begun.roster.unwrap());
        self.listening
            .insert((connection, room), Listening { user, viewer });
        let seen = &self.listening[&(connection, room)].viewer.there;
        assert_eq!(
            *seen,
            self.there(room),
            "who joins is told who is there, itself included"
        );
    }

    async fn leave(&mut self, connection: u32, room: usize) {
        let Some(gone) = self.listening.remove(&(connection, room)) else {
            return;
        };
        let worker = self.numbers[worker_of(connection)];
        self.engine
            .unsubscribe(
                worker,
                id(connection),
                self.app.number,
                &self.rooms[room],
                gone.user.is_some(),
            )
            .await;
    }

    async fn gone(&mut self, connection: u32) {
        for room in 0..ROOMS {
            self.leave(connection, room).await;
        }
    }

    async fn crash(&mut self, worker: usize) {
        self.inboxes[worker].0.lock().clear();
        for connection in (0..CONNECTIONS).filter(|c| worker_of(*c) == worker) {
            self.gone(connection).await;
        }
    }

    /// The worker hands what waits to each of its connections, in order.
    fn take(&mut self, worker: usize, count: usize) {
        for _ in 0..count {
            let Some(delivery) = self.inboxes[worker].0.lock().pop_front() else {
                return;
            };
            let channel = &delivery.publication.channel;
            let room = self.rooms.iter().position(|room| room == channel).unwrap();
            let its = self
                .listening
                .iter_mut()
                .filter(|((connection, of), _)| worker_of(*connection) == worker && *of == room);
            its.for_each(|(_, listening)| listening.viewer.apply(&delivery));
        }
    }

    fn there(&self, room: usize) -> BTreeSet<String> {
        let of_room = self.listening.iter().filter(|((_, of), _)| *of == room);
        let users = of_room.filter_map(|(_, listening)| listening.user);
        users.map(name).collect()
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
                    Step::Join(connection, room, user) => world.listen(connection, room, Some(user)).await,
                    Step::Again(connection, room) => world.again(connection, room).await,
                    Step::Watch(connection, room) => world.listen(connection, room, None).await,
                    Step::Leave(connection, room) => world.leave(connection, room).await,
                    Step::Gone(connection) => world.gone(connection).await,
                    Step::Crash(worker) => world.crash(worker).await,
                    Step::Take(worker, count) => world.take(worker, count),
                }
                // The truth is the same at every moment, whoever has yet to hear of it.
                for (room, channel) in world.rooms.iter().enumerate() {
                    let roster = world.engine.roster(world.app.number, channel).await.unwrap();
                    assert_eq!(Viewer::new(&roster).there, world.there(room));
                }
            }
            (0..WORKERS).for_each(|worker| world.take(worker, usize::MAX));
            for ((connection, room), listening) in &world.listening {
                let there = world.there(*room);
                assert_eq!(listening.viewer.there, there, "as connection {connection} sees room {room}");
            }
        });
    }
}
