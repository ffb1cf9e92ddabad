//! Every realtime event there is: the document names it, somebody hears it, and its payload is as documented. That
//! the payload fits is checked for every event that any test of this suite hears.

use std::collections::BTreeSet;

use axum::http::Method;
use chinwag_server::messenger::openapi;
use serde_json::{Value, json};

use crate::support::{Heard, Person, Server, Setup, Worker};

/// Hears until the last of the named has come, and notes every name.
async fn hear_until(worker: &mut Worker, last: &str, seen: &mut BTreeSet<String>) -> Value {
    loop {
        if let Heard::Event { name, data, .. } = worker.hear().await {
            seen.insert(name.clone());
            if name == last {
                return data;
            }
        }
    }
}

async fn change(server: &Server, by: &Person, method: Method, path: &str, given: Value) -> Value {
    let ask = server.ask(method, path).by(by);
    let answer = ask.body("application/json", given.to_string()).send().await;
    assert!(answer.status < 300, "{path}: {}", answer.text);
    answer.json
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_heard_and_documented() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let mut seen = BTreeSet::new();
    let mut annas = server.worker();
    let joining = json!({"socket_id": "1.1", "channel_name": anna.channel()});
    let joined = server.post("/realtime/auth", &joining).by(&anna).send().await;
    assert_eq!(joined.status, 200, "{}", joined.text);
    annas.connect(&anna, "1.1").await;

    // Somebody appears, and a conversation with it, a message and all that becomes of it.
    let direct = server.direct(&sam, &anna).await;
    hear_until(&mut annas, "conversation.added", &mut seen).await;
    let sams = server.worker();
    sams.connect(&sam, "2.1").await;
    hear_until(&mut annas, "presence.changed", &mut seen).await;
    let typing = format!("/conversations/{direct}/typing");
    change(&server, &sam, Method::POST, &typing, json!({"kind": "voice"})).await;
    hear_until(&mut annas, "typing.changed", &mut seen).await;
    annas.look_at(&anna, direct, "1.2").await;
    change(&server, &sam, Method::POST, &typing, json!({"stop": true})).await;
    hear_until(&mut annas, "client-typing", &mut seen).await;
    let message = server.say(&sam, direct, "hello").await;
    hear_until(&mut annas, "message.created", &mut seen).await;
    let path = format!("/messages/{}", message["id"]);
    change(&server, &sam, Method::PATCH, &path, json!({"body": "hello!"})).await;
    hear_until(&mut annas, "message.updated", &mut seen).await;
    change(
        &server,
        &sam,
        Method::PUT,
        &format!("{path}/reactions/👍"),
        json!({}),
    )
    .await;
    hear_until(&mut annas, "reaction.changed", &mut seen).await;
    change(&server, &sam, Method::PUT, &format!("{path}/pin"), json!({})).await;
    hear_until(&mut annas, "pin.changed", &mut seen).await;
    let reply = json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": "yes", "thread_root_id": message["id"]});
    let messages = format!("/conversations/{direct}/messages");
    change(&server, &anna, Method::POST, &messages, reply).await;
    while hear_until(&mut annas, "message.created", &mut seen).await["thread"]["reply_count"] != 1 {}
    let follow = format!("{path}/thread/follow");
    change(&server, &anna, Method::PUT, &follow, json!({"following": false})).await;
    hear_until(&mut annas, "thread.changed", &mut seen).await;
    let receipts = json!({"items": [{"conversation_id": direct, "seen_seq": 1}]});
    change(&server, &anna, Method::POST, "/receipts", receipts).await;
    hear_until(&mut annas, "receipt.updated", &mut seen).await;
    let gone = server
        .delete(&format!("{path}?for=everyone"))
        .by(&sam)
        .send()
        .await;
    assert_eq!(gone.status, 204);
    hear_until(&mut annas, "message.deleted", &mut seen).await;

    // A group that changes, is left, and is gone.
    let group = server.group(&sam, &[&anna, &eve]).await;
    hear_until(&mut annas, "members.changed", &mut seen).await;
    let path = format!("/conversations/{group}");
    change(&server, &sam, Method::PATCH, &path, json!({"title": "Other"})).await;
    hear_until(&mut annas, "conversation.updated", &mut seen).await;
    assert_eq!(server.delete(&path).by(&sam).send().await.status, 204);
    hear_until(&mut annas, "conversation.removed", &mut seen).await;
    hear_until_all(&mut annas, &mut seen, "conversation.deleted").await;

    // What is one's own.
    let mine = format!("/conversations/{direct}/me");
    change(&server, &anna, Method::PATCH, &mine, json!({"archived": true})).await;
    hear_until(&mut annas, "member_state.changed", &mut seen).await;
    change(&server, &anna, Method::PATCH, "/me", json!({"bio": "Gardens."})).await;
    hear_until(&mut annas, "me.updated", &mut seen).await;
    let contact = format!("/contacts/{}", eve.id);
    change(&server, &anna, Method::PUT, &contact, json!({"alias": "E."})).await;
    hear_until(&mut annas, "contact.changed", &mut seen).await;
    let upload = change(
        &server,
        &anna,
        Method::POST,
        "/uploads",
        json!({"name": "a", "size": 1}),
    )
    .await;
    let upload = format!("/uploads/{}", upload["id"].as_str().unwrap());
    let part = server
        .ask(Method::PUT, &upload)
        .by(&anna)
        .header("upload-offset", "0");
    assert_eq!(
        part.body("application/octet-stream", "x").send().await.status,
        200
    );
    let complete = server.ask(Method::POST, &format!("{upload}/complete")).by(&anna);
    assert!(complete.send().await.status < 300);
    hear_until(&mut annas, "attachment.updated", &mut seen).await;
    change(
        &server,
        &anna,
        Method::PUT,
        &format!("/blocks/{}", sam.id),
        json!({}),
    )
    .await;
    hear_until(&mut annas, "block.changed", &mut seen).await;
    server.say(&sam, direct, "unheard").await;
    hear_until(&mut annas, "conversation.noop", &mut seen).await;
    crate::devices::log_in(&server, "anna", "correct horse", "phone").await;
    hear_until(&mut annas, "device.changed", &mut seen).await;
    let suspend = format!("/admin/users/{}", anna.id);
    change(
        &server,
        &owner,
        Method::PATCH,
        &suspend,
        json!({"status": "suspended"}),
    )
    .await;
    while !matches!(annas.hear().await, Heard::LoggedOut(..)) {}
    seen.insert("logout.required".to_owned());
    server.stop().await;

    // Where nothing fits, clients are told to ask.
    let mut setup = Setup::default();
    setup.api.event_bytes_max = 60;
    let server = Server::start_with(setup).await;
    let sam = server.person("sam").await;
    let mut sams = server.worker();
    sams.connect(&sam, "1.1").await;
    server.direct(&sam, &sam).await;
    let told = hear_until(&mut sams, "sync.required", &mut seen).await;
    assert_eq!(told, json!({"v": 1, "reason": "payload_too_large"}));
    server.stop().await;

    let documented: BTreeSet<String> = openapi::document()["x-events"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(seen, documented);
}

/// The same for what may have come already.
async fn hear_until_all(worker: &mut Worker, seen: &mut BTreeSet<String>, last: &str) {
    if !seen.contains(last) {
        hear_until(worker, last, seen).await;
    }
}
