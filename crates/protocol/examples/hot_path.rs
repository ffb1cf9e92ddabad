//! The hot path without sockets, to have its instructions counted: `hot_path <what> <times>`.
//!
//! `scripts/instructions` runs each part twice under callgrind, and takes the difference, so that what happens once
//! does not count.

#![expect(clippy::unwrap_used, reason = "everything here is known to work")]

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use chinwag_engine::{
    Answer, App, AppNumber, AppOptions, Beginning, ChannelName, ConnectionId, Delivery, Engine, Inbox,
    Inboxed, KeyPair, Publication, Secret, Subscribed,
};
use chinwag_protocol::pusher::api::{self, publish};
use chinwag_protocol::pusher::{Handshake, Pusher, auth};
use chinwag_protocol::{Connection, Effect, Input};
use md5::{Digest, Md5};

const ID: ConnectionId = ConnectionId { node: 7, number: 1 };
const CHANNEL: &str = "private-room";
const DATA: &str = r#"{"id":4711,"author":"Ada","body":"The paint is here, all nine tins, and \"the\" brushes too.","at":1700000000000,"reactions":[{"emoji":"+1","count":3},{"emoji":"heart","count":1}],"edited":false,"reply_to":null}"#;
const NOW_S: u64 = 1_700_000_000;

/// An inbox that throws away what it is given.
struct Nowhere;

impl Inbox for Nowhere {
    fn put(&self, item: Inboxed) {
        black_box(item);
    }

    fn is_full(&self) -> bool {
        false
    }
}

/// What the memory broker does is done when it returns.
fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing in memory waits"),
    }
}

fn app(engine: &Engine) -> Arc<App> {
    let keys = KeyPair {
        key: "key".to_owned(),
        secret: Secret::new("secret"),
    };
    let options = AppOptions {
        client_events_per_s: 0,
        ..AppOptions::default()
    };
    engine.apps.add("1", vec![keys], options, Vec::new()).unwrap()
}

/// A connection that is subscribed to the channel.
fn subscribed(app: &Arc<App>, effects: &mut Vec<Effect>) -> Pusher {
    let mut machine = Pusher::new(ID, Some(app.clone()), &Handshake::default(), 0);
    machine.input(0, Input::Opened, effects);
    let auth = auth::sign_channel("key", &app.keys[0].secret, &ID.to_string(), CHANNEL, None);
    let wish = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{CHANNEL}","auth":"{auth}"}}}}"#);
    machine.input(0, Input::Text(&wish), effects);
    let subscribed = Subscribed {
        channel: channel(),
        roster: None,
        history: None,
    };
    machine.input(0, Input::Answer(Answer::Subscribed(subscribed)), effects);
    effects.clear();
    machine
}

fn channel() -> ChannelName {
    ChannelName::parse(CHANNEL).unwrap()
}

fn publication(app: AppNumber) -> Publication {
    Publication::message(app, channel(), "message", DATA)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let times: u32 = arguments.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    let engine = Engine::in_memory();
    let app = app(&engine);
    let mut effects = Vec::new();
    let mut machine = subscribed(&app, &mut effects);
    match what.as_str() {
        // The first receiver of a publication encodes it.
        "encode" => {
            for _ in 0..times {
                let delivery = Delivery::new(publication(app.number), None);
                machine.input(
                    1,
                    Input::Delivery(&delivery, &delivery.publication.channel),
                    &mut effects,
                );
                black_box(&mut effects).clear();
            }
        }
        // Every other receiver shares the bytes.
        "deliver" => {
            let delivery = Delivery::new(publication(app.number), None);
            for _ in 0..times {
                machine.input(
                    1,
                    Input::Delivery(&delivery, &delivery.publication.channel),
                    &mut effects,
                );
                black_box(&mut effects).clear();
            }
        }
        // A client event, up to the call that it asks for.
        "parse" => {
            let frame = format!(r#"{{"event":"client-typing","channel":"{CHANNEL}","data":{DATA}}}"#);
            for _ in 0..times {
                machine.input(1, Input::Text(black_box(&frame)), &mut effects);
                black_box(&mut effects).clear();
            }
        }
        // From the engine's door into the inbox of a worker.
        "publish" => {
            let worker = engine.node().add_worker(Arc::new(Nowhere));
            let channel = channel();
            let joined = engine.subscribe(worker, ID, &app, &channel, None, Beginning::default());
            assert!(done(joined).is_ok());
            for _ in 0..times {
                assert!(done(engine.publish(publication(app.number))).is_ok());
            }
        }
        // A signed request of a server, up to its publications.
        "trigger" => {
            let data = DATA.replace('\\', "\\\\").replace('"', "\\\"");
            let body = format!(r#"{{"name":"message","channels":["{CHANNEL}"],"data":"{data}"}}"#);
            let path = "/apps/1/events";
            let md5 = hex::encode(Md5::digest(&body));
            let query = format!("auth_key=key&auth_timestamp={NOW_S}&auth_version=1.0&body_md5={md5}");
            let signature = auth::sign(&app.keys[0].secret, &["POST\n", path, "\n", &query]);
            let query = format!("{query}&auth_signature={signature}");
            let request = api::Request {
                method: "POST",
                path,
                query: &query,
                body: body.as_bytes(),
            };
            for _ in 0..times {
                assert!(api::authenticate(&app, black_box(&request), NOW_S, "").is_ok());
                assert!(publish::trigger(&app, black_box(request.body)).is_ok());
            }
        }
        _ => panic!("one of encode, deliver, parse, publish, trigger"),
    }
}
