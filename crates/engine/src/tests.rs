//! What a watcher of an app hears, from subscribing to publishing.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Watcher for Heard {
    fn observed(&self, observation: Observation) {
        let what = match observation.what {
            Observed::Joined { user } => format!("joined {}", user.0),
            Observed::Left { user } => format!("left {}", user.0),
            Observed::ClientEvent {
                event,
                connection,
                user,
                ..
            } => {
                let user = user.map(|user| user.0.to_string());
                format!("{event} from {connection} {}", user.unwrap_or_default())
            }
            what => format!("{what:?}").to_lowercase(),
        };
        self.0.lock().push(what);
    }
}

struct Deaf;

impl Inbox for Deaf {
    fn put(&self, _: Inboxed) {}

    fn is_full(&self) -> bool {
        false
    }
}

fn connection(number: u32) -> ConnectionId {
    ConnectionId { node: 1, number }
}

#[tokio::test]
async fn a_watcher_hears_what_happens_once_and_in_order() {
    let engine = Engine::in_memory();
    let worker = engine.node().add_worker(Arc::new(Deaf));
    let keys = vec![KeyPair {
        key: "k".to_owned(),
        secret: Secret::new("s"),
    }];
    let app = engine
        .apps
        .add("7", keys, AppOptions::default(), Vec::new())
        .unwrap();
    let heard = Arc::new(Heard::default());
    engine.watch(heard.clone());
    engine.node().observations().choose([app.number]);
    let room = ChannelName::parse("presence-room").unwrap();
    let member = |user: &str| {
        Some(Member {
            user: UserId(user.into()),
            info: None,
        })
    };
    for (number, user) in [(1, "ann"), (2, "ann"), (3, "bob")] {
        let joined = engine
            .subscribe(
                worker,
                connection(number),
                &app,
                &room,
                member(user),
                Beginning::default(),
            )
            .await;
        joined.unwrap();
    }
    let mut event = Publication::message(app.number, room.clone(), "client-typing", "{}");
    engine.publish(event.clone()).await.unwrap();
    event.publisher = Some(Publisher {
        connection: connection(3),
        user: Some(UserId("bob".into())),
    });
    engine.publish(event).await.unwrap();
    for number in [1, 3, 2] {
        let gone = engine.unsubscribe(worker, connection(number), app.number, &room, true);
        gone.await;
    }
    let told = [
        "occupied",
        "joined ann",
        "joined bob",
        "client-typing from 1.3 bob",
        "left bob",
        "left ann",
        "vacated",
    ];
    assert_eq!(*heard.0.lock(), told);
}
