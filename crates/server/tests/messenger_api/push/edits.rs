//! Edits that name somebody: who is told of them, and how often.

use super::service::Service;
use super::{mine, say, send, start, subscribe};
use crate::support::{Person, Server};
use axum::http::Method;
use serde_json::{Value, json};

async fn edit(server: &Server, by: &Person, message: &Value, words: &str) {
    let path = format!("/messages/{}", message["id"]);
    let answer = server.patch(&path, &json!({"body": words})).by(by).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn an_edit_tells_those_it_newly_names_and_nobody_else() {
    let (server, mut service) = (start().await, Service::start().await);
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let zed = server.person("zed").await;
    let group = server.group(&anna, &[&sam, &eve, &zed]).await;
    subscribe(&server, &sam, &service, "phone").await;
    subscribe(&server, &zed, &service, "zed").await;
    subscribe(&server, &anna, &service, "annas").await;

    // Both hear of the message; the edit is news for the one it names, once, and for its author never.
    let sent = say(&server, &anna, group, "who comes?").await;
    service.both(&sent).await;
    edit(&server, &anna, &sent, "who comes? @zed @anna").await;
    let pushed = service.next().await;
    assert_eq!((pushed.path.as_str(), pushed.header("urgency")), ("/zed", "high"));
    let plain = pushed.opened();
    assert_eq!(
        (&plain["seq"], &plain["body"]),
        (&sent["seq"], &json!("Anna Whitlock: who comes? @zed @anna"))
    );
    edit(&server, &anna, &sent, "@zed @anna, who comes?").await;
    edit(&server, &anna, &sent, "@zed @anna @sam, who comes?").await;
    let pushed = service.next().await;
    assert_eq!(pushed.path, "/phone");
    assert_eq!(pushed.opened()["seq"], sent["seq"]);
    // Everybody is everybody who was not named.
    edit(&server, &anna, &sent, "@zed, who comes?").await;
    edit(&server, &anna, &sent, "@zed @all, who comes?").await;
    let pushed = service.next().await;
    assert_eq!(pushed.path, "/phone");
    edit(&server, &anna, &sent, "@all, who comes? @sam @zed").await;

    // The wishes of the user count as for a message.
    let answer = json!({"body": "quietly"});
    let quiet = send(&server, &anna, group, answer).await;
    service.both(&quiet).await;
    mine(
        &server,
        &sam,
        group,
        json!({"muted_until": "2999-01-01T00:00:00.000Z"}),
    )
    .await;
    edit(&server, &anna, &quiet, "quietly, @sam @zed").await;
    service.only_zed(&quiet).await;
    mine(
        &server,
        &sam,
        group,
        json!({"muted_until": null, "notify": "mentions"}),
    )
    .await;
    let unheard = say(&server, &anna, group, "not for sam").await;
    service.only_zed(&unheard).await;
    edit(&server, &anna, &unheard, "for @sam after all").await;
    let pushed = service.next().await;
    assert_eq!(pushed.path, "/phone");
    assert_eq!(pushed.opened()["seq"], unheard["seq"]);
    mine(&server, &sam, group, json!({"notify": "all"})).await;
    let block = server.ask(Method::PUT, &format!("/blocks/{}", eve.id));
    assert!(block.by(&sam).send().await.status < 300);
    let blocked = say(&server, &eve, group, "hear me").await;
    for _ in 0..2 {
        let pushed = service.next().await;
        assert_ne!(pushed.path, "/phone");
    }
    edit(&server, &eve, &blocked, "hear me, @sam @zed").await;
    service.only_zed(&blocked).await;
    // Whoever has seen the message is told nothing, and neither is one at the keyboard.
    let seen = say(&server, &anna, group, "look").await;
    service.both(&seen).await;
    let receipt = json!({"items": [{"conversation_id": group, "seen_seq": seen["seq"]}]});
    assert_eq!(
        server.post("/receipts", &receipt).by(&sam).send().await.status,
        200
    );
    edit(&server, &anna, &seen, "look, @sam @zed").await;
    service.only_zed(&seen).await;
    let there = say(&server, &anna, group, "there").await;
    service.both(&there).await;
    server.worker().connect(&sam, "1.1").await;
    edit(&server, &anna, &there, "there, @sam @zed").await;
    service.only_zed(&there).await;
    server.stop().await;
    service.silence();
}

#[tokio::test]
async fn who_is_named_while_a_message_waits_is_told_once() {
    let (server, mut service) = (start().await, Service::start().await);
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let group = server.group(&anna, &[&sam]).await;
    subscribe(&server, &sam, &service, "phone").await;
    let worker = server.worker();
    worker.connect(&sam, "1.1").await;
    let idle = json!({"state": "idle"});
    worker
        .whisper(&sam, "1.1", &sam.channel(), "client-activity", &idle)
        .await;
    let sent = say(&server, &anna, group, "a moment").await;
    edit(&server, &anna, &sent, "a moment, @sam").await;
    let plain = service.expect(&sent).await;
    assert_eq!(plain["body"], "Anna Whitlock: a moment, @sam");
    let next = say(&server, &anna, group, "over").await;
    service.expect(&next).await;
    server.stop().await;
    service.silence();
}

#[tokio::test]
async fn who_is_named_by_an_edit_in_a_thread_is_told_and_follows() {
    let (server, mut service) = (start().await, Service::start().await);
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let group = server.group(&anna, &[&sam, &eve]).await;
    let root = say(&server, &anna, group, "a thread").await;
    subscribe(&server, &sam, &service, "phone").await;
    // Looked at after sam, and follows: then it is known that the reply was no news for sam.
    subscribe(&server, &anna, &service, "zed").await;
    let reply = |words: &str| json!({"body": words, "thread_root_id": root["id"]});
    let sent = send(&server, &eve, group, reply("in there")).await;
    service.only_zed(&sent).await;
    edit(&server, &eve, &sent, "in there, @sam").await;
    let pushed = service.next().await;
    let plain = pushed.opened();
    assert_eq!(
        (pushed.path.as_str(), &plain["seq"], &plain["thread_root_id"]),
        ("/phone", &sent["seq"], &root["id"])
    );
    let sent = send(&server, &eve, group, reply("more")).await;
    service.both(&sent).await;
    let threads = server.get("/threads").by(&sam).send().await;
    let items = threads.json["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{}", threads.text);
    assert_eq!(items[0]["unread_count"], 2, "{}", threads.text);
    server.stop().await;
    service.silence();
}
