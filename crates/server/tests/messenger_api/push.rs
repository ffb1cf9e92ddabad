//! Web push, from a message to a push service of our own.

mod edits;
mod service;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chinwag_server::metrics::Health;
use chinwag_server::push::PushOptions;
use chinwag_server::{WorkerOptions, Workers};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::people::refused;
use crate::support::{Answer, Person, Server, Setup};
use service::{AUTH, PUBLIC, Service};

/// What operators ask.
fn health(server: &Server) -> Router {
    let health = Health {
        workers: Arc::new(Workers::start(1, &server.engine, WorkerOptions::default()).unwrap()),
        statistics: server.store.clone(),
        pushes: server.pushes.clone(),
        stop: CancellationToken::new(),
    };
    chinwag_server::metrics::router(Arc::new(health))
}

/// What is told of pushes at `/metrics`.
async fn pushed(health: &Router) -> Vec<(String, u64)> {
    let request = axum::http::Request::get("/metrics").body(axum::body::Body::empty());
    let answer = health.clone().oneshot(request.unwrap()).await.unwrap();
    let text = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("chinwag_push_"));
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap());
    pairs
        .map(|(name, number)| (name.to_owned(), number.parse().unwrap()))
        .collect()
}

async fn start() -> Server {
    let setup = Setup {
        push: Some(PushOptions {
            unseen_wait: Duration::from_millis(300),
            retry_pause: Duration::from_millis(10),
            private_addresses: true,
            ..PushOptions::default()
        }),
        ..Setup::default()
    };
    Server::start_with(setup).await
}

fn subscription(endpoint: &str) -> Value {
    json!({"endpoint": endpoint, "keys": {"p256dh": PUBLIC, "auth": AUTH}})
}

async fn put(server: &Server, by: &Person, given: &Value) -> Answer {
    let asked = server.ask(Method::PUT, "/me/push").by(by);
    asked.body("application/json", given.to_string()).send().await
}

async fn subscribe(server: &Server, by: &Person, service: &Service, device: &str) {
    let answer = put(server, by, &subscription(&format!("{}/{device}", service.origin))).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
}

async fn send(server: &Server, by: &Person, conversation: i64, given: Value) -> Value {
    let mut draft = json!({"client_id": uuid::Uuid::new_v4().to_string()});
    draft
        .as_object_mut()
        .unwrap()
        .extend(given.as_object().unwrap().clone());
    let path = format!("/conversations/{conversation}/messages");
    let answer = server.post(&path, &draft).by(by).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json
}

async fn say(server: &Server, by: &Person, conversation: i64, words: &str) -> Value {
    send(server, by, conversation, json!({"body": words})).await
}

async fn mine(server: &Server, by: &Person, conversation: i64, given: Value) {
    let path = format!("/conversations/{conversation}/me");
    let answer = server.patch(&path, &given).by(by).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn settings(server: &Server, by: &Person, given: Value) {
    let answer = server.patch("/me/settings", &given).by(by).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn a_message_reaches_somebody_who_is_not_there() {
    let (server, mut service) = (start().await, Service::start().await);
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let room = server.direct(&anna, &sam).await;
    subscribe(&server, &sam, &service, "phone").await;
    let sent = say(&server, &anna, room, "See you\nat 5").await;

    let pushed = service.next().await;
    assert_eq!(pushed.path, "/phone");
    assert_eq!(pushed.header("content-encoding"), "aes128gcm");
    assert_eq!(
        (pushed.header("ttl"), pushed.header("urgency")),
        ("604800", "high")
    );
    assert_eq!(pushed.header("topic"), format!("c{room}"));
    let plain = pushed.opened();
    assert_eq!(
        plain,
        json!({"v": 1, "tag": format!("c{room}"), "title": "Anna Whitlock", "body": "See you at 5", "count": 1,
            "user_id": sam.id, "conversation_id": room, "message_id": sent["id"], "seq": sent["seq"],
            "at_ms": plain["at_ms"], "path": format!("/c/{room}/m/{}", sent["seq"])})
    );

    // It is signed with the key that browsers subscribed with, for this service.
    let authorization = pushed.header("authorization").strip_prefix("vapid t=").unwrap();
    let (token, key) = authorization.split_once(", k=").unwrap();
    assert_eq!(server.get("/config").send().await.json["push_key"], key);
    let point = BASE64.decode(key).unwrap();
    let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&[&service.origin]);
    let verifying = DecodingKey::from_ec_components(&x, &y).unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &verifying, &rules)
        .unwrap()
        .claims;
    assert_eq!(claims["sub"], "mailto:test@example.org");

    // The next one counts, in the receiver's language; sending again tells nothing new.
    let patch = json!({"locale": "ru"});
    assert_eq!(server.patch("/me", &patch).by(&sam).send().await.status, 200);
    let again = json!({"client_id": sent["client_id"], "body": "See you\nat 5"});
    let path = format!("/conversations/{room}/messages");
    assert_eq!(server.post(&path, &again).by(&anna).send().await.status, 200);
    let second = say(&server, &anna, room, "or 6").await;
    let plain = service.expect(&second).await;
    assert_eq!(
        (&plain["count"], &plain["count_text"]),
        (&json!(2), &json!("2 новых сообщения"))
    );
    server.stop().await;
    service.silence();
}

#[tokio::test]
async fn who_is_there_or_has_seen_it_is_left_in_peace() {
    let (server, mut service) = (start().await, Service::start().await);
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let room = server.direct(&anna, &sam).await;
    subscribe(&server, &sam, &service, "phone").await;
    let worker = server.worker();
    worker.connect(&sam, "1.1").await;
    say(&server, &anna, room, "you are there").await;
    // Away: there is a moment to look.
    worker
        .whisper(
            &sam,
            "1.1",
            &sam.channel(),
            "client-activity",
            &json!({"state": "idle"}),
        )
        .await;
    let looked_at = say(&server, &anna, room, "you look at it").await;
    let seen = json!({"items": [{"conversation_id": room, "seen_seq": looked_at["seq"]}]});
    assert_eq!(server.post("/receipts", &seen).by(&sam).send().await.status, 200);
    let missed = say(&server, &anna, room, "you do not").await;
    let plain = service.expect(&missed).await;
    assert_eq!(plain["count"], 1);
    // Gone, and one's own words are no news.
    worker.disconnect(&sam, "1.1").await;
    say(&server, &sam, room, "mine").await;
    let missed = say(&server, &anna, room, "you are gone").await;
    service.expect(&missed).await;
    server.stop().await;
    service.silence();
}

#[tokio::test]
async fn wishes_of_the_user_are_kept() {
    let (server, mut service) = (start().await, Service::start().await);
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    // Looked at after sam, and always told: then it is known what became of sam's.
    let zed = server.person("zed").await;
    let group = server.group(&anna, &[&sam, &eve, &zed]).await;
    subscribe(&server, &sam, &service, "phone").await;
    subscribe(&server, &zed, &service, "zed").await;

    let first = say(&server, &anna, group, "hello").await;
    let plain = service.both(&first).await;
    assert_eq!(
        (&plain["title"], &plain["body"]),
        (&json!("Group"), &json!("Anna Whitlock: hello"))
    );
    // Nothing, mentions and answers only, muted.
    mine(&server, &sam, group, json!({"notify": "none"})).await;
    let unheard = say(&server, &anna, group, "@sam, not now").await;
    service.only_zed(&unheard).await;
    mine(&server, &sam, group, json!({"notify": "mentions"})).await;
    let unheard = say(&server, &anna, group, "not for you").await;
    service.only_zed(&unheard).await;
    let named = say(&server, &anna, group, "@sam, look").await;
    service.both(&named).await;
    let own = say(&server, &sam, group, "what?").await;
    service.only_zed(&own).await;
    let answer = send(
        &server,
        &eve,
        group,
        json!({"body": "that", "reply_to": own["id"]}),
    )
    .await;
    service.both(&answer).await;
    mine(
        &server,
        &sam,
        group,
        json!({"notify": "all", "muted_until": "2999-01-01T00:00:00.000Z"}),
    )
    .await;
    let unheard = say(&server, &anna, group, "@sam, sleep").await;
    service.only_zed(&unheard).await;
    mine(&server, &sam, group, json!({"muted_until": null})).await;
    // Whom one blocks, and what is not said.
    let block = server
        .ask(Method::PUT, &format!("/blocks/{}", eve.id))
        .by(&sam)
        .send()
        .await;
    assert!(block.status < 300, "{}", block.text);
    let unheard = say(&server, &eve, group, "hear me").await;
    service.only_zed(&unheard).await;
    let title = server.patch(&format!("/conversations/{group}"), &json!({"title": "Team"}));
    assert_eq!(title.by(&anna).send().await.status, 200);
    let path = format!("/messages/{}", named["id"].as_i64().unwrap());
    let edit = server
        .patch(&path, &json!({"body": "@sam, look!"}))
        .by(&anna)
        .send()
        .await;
    assert_eq!(edit.status, 200, "{}", edit.text);
    let react = server.ask(Method::PUT, &format!("/messages/{}/reactions/👍", own["id"]));
    assert_eq!(react.by(&anna).send().await.status, 201);
    // Less is shown.
    settings(&server, &sam, json!({"notification_shows": "sender"})).await;
    let hidden = say(&server, &anna, group, "a secret").await;
    let plain = service.both(&hidden).await;
    assert_eq!(
        (&plain["title"], &plain["body"]),
        (&json!("Anna Whitlock"), &json!("New message"))
    );
    let alias = server
        .ask(Method::PUT, &format!("/contacts/{}", anna.id))
        .by(&sam);
    let alias = alias.body("application/json", json!({"alias": "Annie"}).to_string());
    assert_eq!(alias.send().await.status, 200);
    let hidden = say(&server, &anna, group, "a secret").await;
    assert_eq!(service.both(&hidden).await["title"], "Annie");
    settings(&server, &sam, json!({"notification_shows": "nothing"})).await;
    let hidden = say(&server, &anna, group, "a secret").await;
    let plain = service.both(&hidden).await;
    assert_eq!(
        (&plain["title"], &plain["body"]),
        (&json!("Chinwag"), &json!("New message"))
    );
    // Not now.
    let until = json!({"do_not_disturb_until": "2999-01-01T00:00:00.000Z"});
    settings(&server, &sam, until).await;
    let unheard = say(&server, &anna, group, "ssh").await;
    service.only_zed(&unheard).await;
    let all_day =
        json!({"do_not_disturb_until": null, "quiet_hours": {"from": "00:00", "to": "23:59:59.999999999"}});
    settings(&server, &sam, all_day).await;
    let unheard = say(&server, &anna, group, "ssh").await;
    service.only_zed(&unheard).await;
    settings(&server, &sam, json!({"quiet_hours": null})).await;
    let loud = say(&server, &anna, group, "now").await;
    service.both(&loud).await;
    server.stop().await;
    service.silence();
}

#[tokio::test]
async fn replies_in_threads_are_for_those_who_follow() {
    let (server, mut service) = (start().await, Service::start().await);
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let group = server.group(&anna, &[&sam, &eve]).await;
    let root = say(&server, &anna, group, "a thread").await;
    subscribe(&server, &sam, &service, "sams").await;
    subscribe(&server, &anna, &service, "annas").await;
    let reply = |words: &str| json!({"body": words, "thread_root_id": root["id"]});
    let sent = send(&server, &eve, group, reply("in there")).await;
    let pushed = service.next().await;
    assert_eq!(pushed.path, "/annas", "it is her thread");
    let plain = pushed.opened();
    assert_eq!(
        (&plain["seq"], &plain["thread_root_id"]),
        (&sent["seq"], &root["id"])
    );
    // Who is named is told, and follows from then on.
    let sent = send(&server, &eve, group, reply("@sam, you too")).await;
    let mut paths = Vec::new();
    for _ in 0..2 {
        let pushed = service.next().await;
        assert_eq!(pushed.opened()["seq"], sent["seq"]);
        paths.push(pushed.path);
    }
    paths.sort();
    assert_eq!(paths, ["/annas", "/sams"]);
    server.stop().await;
    service.silence();
}

#[tokio::test]
async fn what_a_push_service_answers_counts() {
    let (server, mut service) = (start().await, Service::start().await);
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let room = server.direct(&anna, &sam).await;
    subscribe(&server, &sam, &service, "phone").await;
    let zed = server.person("zed").await;
    let zeds = server.direct(&anna, &zed).await;
    subscribe(&server, &zed, &service, "zed").await;
    // Later, and again.
    service.answer_next(&[(429, Some("0")), (503, None), (201, None)]);
    let sent = say(&server, &anna, room, "patience").await;
    for _ in 0..3 {
        service.expect(&sent).await;
    }
    // Never, for this one only.
    service.answer_next(&[(400, None)]);
    let sent = say(&server, &anna, room, "malformed").await;
    service.expect(&sent).await;
    // Gone for good: the device is forgotten until it subscribes again.
    service.answer_next(&[(410, None)]);
    let sent = say(&server, &anna, room, "are you there?").await;
    service.expect(&sent).await;
    let sam_id = chinwag_messenger::UserId(sam.id);
    while !server.messenger.push_devices(sam_id).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    say(&server, &anna, room, "nobody hears").await;
    // Whoever is looked at next is told, so that one was looked at before sam takes pushes again.
    let aside = say(&server, &anna, zeds, "somewhere").await;
    service.only_zed(&aside).await;
    subscribe(&server, &sam, &service, "phone").await;
    let sent = say(&server, &anna, room, "again").await;
    service.expect(&sent).await;
    // All of it is counted.
    let delivered = |counted: &[(String, u64)]| counted[0].1;
    let health = health(&server);
    let mut counted = pushed(&health).await;
    while delivered(&counted) < 3 {
        tokio::task::yield_now().await;
        counted = pushed(&health).await;
    }
    let expected = [
        ("delivered_total", 3),
        ("postponed_total", 2),
        ("devices_gone_total", 1),
        ("failed_total{reason=\"refused\"}", 1),
        ("failed_total{reason=\"given_up\"}", 0),
        ("failed_total{reason=\"unusable\"}", 0),
        ("failed_total{reason=\"no_room\"}", 0),
    ];
    let counted: Vec<_> = counted.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(counted, expected);
    server.stop().await;
    service.silence();
}

#[tokio::test]
async fn a_device_takes_pushes_while_it_is_logged_in() {
    let (server, mut service) = (start().await, Service::start().await);
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let log_in = crate::devices::log_in(&server, "sam", "correct horse", "phone").await;
    let phone = crate::devices::person(&log_in);
    let room = server.direct(&anna, &sam).await;
    subscribe(&server, &sam, &service, "desk").await;
    subscribe(&server, &phone, &service, "phone").await;
    let zed = server.person("zed").await;
    let zeds = server.direct(&anna, &zed).await;
    subscribe(&server, &zed, &service, "zed").await;
    let both = async |service: &mut Service, message: &Value| {
        let mut paths = Vec::new();
        for _ in 0..2 {
            let pushed = service.next().await;
            assert_eq!(pushed.opened()["seq"], message["seq"]);
            paths.push(pushed.path);
        }
        paths.sort();
        paths
    };
    let sent = say(&server, &anna, room, "everywhere").await;
    assert_eq!(both(&mut service, &sent).await, ["/desk", "/phone"]);
    // The same browser with another login: the old one gives it up.
    subscribe(&server, &sam, &service, "phone").await;
    let sent = say(&server, &anna, room, "once").await;
    assert_eq!(service.next().await.opened()["seq"], sent["seq"]);
    subscribe(&server, &phone, &service, "other").await;
    let gone = server.ask(Method::DELETE, "/me/push").by(&sam).send().await;
    assert_eq!(gone.status, 204);
    let sent = say(&server, &anna, room, "only there").await;
    let pushed = service.next().await;
    assert_eq!(
        (pushed.path.as_str(), &pushed.opened()["seq"]),
        ("/other", &sent["seq"])
    );
    let out = server.ask(Method::POST, "/auth/logout").by(&phone).send().await;
    assert_eq!(out.status, 204);
    say(&server, &anna, room, "nowhere").await;
    // Whoever is looked at next is told, so that one was looked at before it takes pushes again.
    let aside = say(&server, &anna, zeds, "somewhere").await;
    service.only_zed(&aside).await;
    subscribe(&server, &sam, &service, "desk").await;
    let sent = say(&server, &anna, room, "back").await;
    let pushed = service.next().await;
    assert_eq!(
        (pushed.path.as_str(), &pushed.opened()["seq"]),
        ("/desk", &sent["seq"])
    );
    server.stop().await;
    service.silence();
}

#[tokio::test]
async fn only_browsers_at_public_push_services_are_taken() {
    let setup = Setup {
        push: Some(PushOptions::default()),
        ..Setup::default()
    };
    let server = Server::start_with(setup).await;
    let sam = server.person("sam").await;
    for (endpoint, code) in [
        ("http://push.example.org/x", "endpoint_invalid"),
        ("not an address", "endpoint_invalid"),
        ("https://127.0.0.1/x", "endpoint_not_allowed"),
        ("https://localhost/x", "endpoint_not_allowed"),
        ("https://[fd00::1]/x", "endpoint_not_allowed"),
    ] {
        refused(&put(&server, &sam, &subscription(endpoint)).await, 422, code);
    }
    let endpoint = "https://push.example.org/x";
    for (p256dh, auth) in [(PUBLIC, "BTBZ"), ("BCVx", AUTH), ("", ""), ("not base64!", AUTH)] {
        let given = json!({"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}});
        refused(&put(&server, &sam, &given).await, 422, "keys_invalid");
    }
    refused(
        &put(&server, &sam, &json!({"endpoint": endpoint})).await,
        422,
        "validation_failed",
    );
    assert_eq!(put(&server, &sam, &subscription(endpoint)).await.status, 204);
    refused(
        &server.ask(Method::DELETE, "/me/push").send().await,
        401,
        "unauthenticated",
    );
    server.stop().await;

    let server = Server::start().await;
    let sam = server.person("sam").await;
    assert_eq!(server.get("/config").send().await.json["push_key"], Value::Null);
    refused(
        &put(&server, &sam, &subscription(endpoint)).await,
        409,
        "push_unavailable",
    );
    server.stop().await;
}
