//! Threads: answers, refusals, and what members hear.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person, Server, as_told, timeless};

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.json["code"].as_str()),
        (status, Some(code)),
        "{}",
        answer.text
    );
}

async fn reply(server: &Server, by: &Person, conversation: i64, root: &Value, body: &str) -> Answer {
    let given = json!({
        "client_id": uuid::Uuid::new_v4().to_string(), "body": body, "thread_root_id": root,
    });
    server
        .post(&format!("/conversations/{conversation}/messages"), &given)
        .by(by)
        .send()
        .await
}

async fn follow(server: &Server, by: &Person, root: &Value, following: bool) -> Answer {
    server
        .ask(Method::PUT, &format!("/messages/{root}/thread/follow"))
        .by(by)
        .body("application/json", json!({"following": following}).to_string())
        .send()
        .await
}

async fn receipts(server: &Server, by: &Person, item: Value) -> Value {
    let answer = server
        .post("/receipts", &json!({"items": [item]}))
        .by(by)
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["items"][0].clone()
}

/// Replies stay out of the list, the counter moves, and opening the conversation clears no thread.
#[tokio::test]
async fn a_thread_is_written_read_and_told() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let root = server.say(&sam, id, "root").await;
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;

    let answer = reply(&server, &anna, id, &root["id"], "reply").await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(
        (&answer.json["thread_root_id"], &answer.json["in_timeline"]),
        (&root["id"], &json!(false))
    );
    let told = worker.hear_event(&sam, "message.created").await;
    let summary = json!({
        "root_id": root["id"], "reply_count": 1, "last_reply_seq": 2, "last_reply_at": "<time>",
        "participants": [anna.id],
    });
    let expected = json!({
        "v": 1, "conversation_id": id, "rev": 2, "at": "<time>", "message": as_told(&answer.json),
        "thread": summary,
    });
    assert_eq!(timeless(&told), expected);

    let item = server
        .get(&format!("/conversations/{id}"))
        .by(&sam)
        .send()
        .await
        .json;
    assert_eq!(
        (&item["unread_count"], &item["last_message"]["id"]),
        (&json!(0), &root["id"])
    );
    server
        .post(&format!("/conversations/{id}/read"), &json!({}))
        .by(&sam)
        .send()
        .await;
    let read = worker.hear_event(&sam, "receipt.updated").await;
    assert_eq!(read["items"][0]["seen_seq"], 2);
    let path = format!("/messages/{}/thread", root["id"]);
    let page = server.get(&path).by(&sam).send().await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(
        (
            &page.json["following"],
            &page.json["seen_seq"],
            &page.json["unread_count"],
            &page.json["items"][0]["body"],
            &page.json["root"]["reply_count"],
            &page.json["has_more_before"],
            &page.json["has_more_after"],
        ),
        (
            &json!(true),
            &json!(1),
            &json!(1),
            &json!("reply"),
            &json!(1),
            &json!(false),
            &json!(false)
        )
    );
    let list = server.get("/threads?unread=true").by(&sam).send().await;
    assert_eq!(list.json["items"][0]["root"]["id"], root["id"], "{}", list.text);

    let seen = json!({"conversation_id": id, "thread_root_id": root["id"], "seen_seq": 2});
    let marks = receipts(&server, &sam, seen).await;
    let expected = json!({
        "conversation_id": id, "thread_root_id": root["id"], "seen_seq": 2, "unread_count": 0,
    });
    assert_eq!(marks, expected);
    let told = worker.hear_event(&sam, "receipt.updated").await;
    assert_eq!(
        (
            &told["items"][0]["thread_root_id"],
            &told["items"][0]["seen_seq"],
            &told["items"][0]["unread_count"]
        ),
        (&root["id"], &json!(2), &json!(0))
    );
    let list = server.get("/threads?unread=true").by(&sam).send().await;
    assert_eq!(list.json, json!({"items": [], "next_cursor": null}));

    let answer = follow(&server, &sam, &root["id"], false).await;
    let expected = json!({
        "conversation_id": id, "thread_root_id": root["id"], "following": false, "seen_seq": 0, "unread_count": 0,
    });
    assert_eq!((answer.status, &answer.json), (200, &expected), "{}", answer.text);
    let told = worker.hear_event(&sam, "thread.changed").await;
    assert_eq!(
        (&told["root_id"], &told["following"]),
        (&root["id"], &json!(false))
    );
    follow(&server, &sam, &root["id"], false).await;
    worker.silence();

    let answered = reply(&server, &anna, id, &root["id"], "more").await.json;
    worker.hear_event(&sam, "message.created").await;
    let gone = server.delete(&format!("/messages/{}", answered["id"]));
    assert_eq!(gone.by(&anna).send().await.status, 204);
    let told = worker.hear_event(&sam, "message.deleted").await;
    assert_eq!(timeless(&told["threads"]), json!([summary]));
}

#[tokio::test]
async fn what_is_no_root_has_no_thread() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.group(&sam, &[&anna]).await;
    let elsewhere = server.direct(&sam, &eve).await;
    let other = server.say(&sam, elsewhere, "elsewhere").await;
    let root = server.say(&sam, id, "root").await;
    let nested = reply(&server, &anna, id, &root["id"], "reply").await.json;
    let history = server
        .get(&format!("/conversations/{id}/messages"))
        .by(&sam)
        .send()
        .await
        .json;
    let note = &history["items"][0]["id"];
    for target in [&other["id"], &nested["id"], note, &json!(987_654)] {
        let answer = reply(&server, &sam, id, target, "no").await;
        refused(&answer, 422, "thread_root_invalid");
    }
    let given = json!({
        "client_id": uuid::Uuid::new_v4().to_string(), "body": "no", "thread_root_id": "1",
    });
    let path = format!("/conversations/{id}/messages");
    refused(
        &server.post(&path, &given).by(&sam).send().await,
        422,
        "validation_failed",
    );
    for target in [&nested["id"], note] {
        let page = server.get(&format!("/messages/{target}/thread")).by(&sam);
        refused(&page.send().await, 422, "thread_root_invalid");
        refused(
            &follow(&server, &sam, target, true).await,
            422,
            "thread_root_invalid",
        );
    }
    let path = format!("/messages/{}/thread", root["id"]);
    refused(&server.get(&path).by(&eve).send().await, 404, "not_found");
    refused(&follow(&server, &eve, &root["id"], true).await, 404, "not_found");
    let both = server.get(&format!("{path}?before=3&after=1")).by(&sam);
    refused(&both.send().await, 422, "range_invalid");
    for limit in ["0", "101"] {
        let page = server.get(&format!("{path}?limit={limit}")).by(&sam);
        assert_eq!(page.send().await.status, 422);
        let list = server.get(&format!("/threads?limit={limit}")).by(&sam);
        assert_eq!(list.send().await.status, 422);
    }
    let list = server.get("/threads?cursor=x").by(&sam);
    refused(&list.send().await, 400, "cursor_invalid");
    assert_eq!(
        server.get("/threads?unread=perhaps").by(&sam).send().await.status,
        422
    );

    for (who, root, seq, code) in [
        (&sam, &root["id"], 99, "seq_out_of_range"),
        (&eve, &root["id"], 1, "not_a_member"),
        (&sam, &other["id"], 1, "not_a_member"),
        (&sam, &nested["id"], 1, "not_a_member"),
    ] {
        let item = json!({"conversation_id": id, "thread_root_id": root, "seen_seq": seq});
        assert_eq!(receipts(&server, who, item).await["error"], code);
    }
    server
        .delete(&format!("/conversations/{id}/members/{}", anna.id))
        .by(&sam)
        .send()
        .await;
    let answer = follow(&server, &anna, &root["id"], true).await;
    refused(&answer, 403, "not_a_member");
}
