//! Editing, deleting and reacting: the answers, the refusals, and what members hear.

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

async fn patch(server: &Server, by: &Person, id: &Value, body: &Value, rev: Option<&str>) -> Answer {
    let ask = server
        .ask(Method::PATCH, &format!("/messages/{id}"))
        .by(by)
        .body("application/json", body.to_string());
    match rev {
        Some(rev) => ask.header("if-match", rev).send().await,
        None => ask.send().await,
    }
}

async fn group(server: &Server, owner: &Person, others: &[&Person]) -> i64 {
    let ids: Vec<i64> = others.iter().map(|person| person.id).collect();
    let given = json!({"kind": "group", "title": "Crew", "member_ids": ids});
    let answer = server.post("/conversations", &given).by(owner).send().await;
    answer.json["conversation"]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_message_is_edited_and_told() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.direct(&sam, &anna).await;
    let message = server.say(&sam, id, "helo").await;
    let mut worker = server.worker();
    worker.connect(&anna, "1.1").await;

    let words = json!({"body": "hello"});
    let answer = patch(&server, &sam, &message["id"], &words, Some("\"1\"")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        (
            &answer.json["body"],
            &answer.json["seq"],
            &answer.json["rev"],
            &answer.json["edit_count"]
        ),
        (&json!("hello"), &json!(1), &json!(2), &json!(1))
    );
    let told = worker.hear_event(&anna, "message.updated").await;
    let expected = json!({
        "v": 1, "conversation_id": id, "rev": 2, "at": "<time>", "message": as_told(&answer.json),
    });
    assert_eq!(timeless(&told), expected);
    let again = patch(&server, &sam, &message["id"], &words, None).await;
    assert_eq!((again.status, &again.json["rev"]), (200, &json!(2)));
    worker.silence();

    let own = &message["id"];
    for rev in ["\"1\"", "\"x\"", "2", "W/\"2\""] {
        refused(
            &patch(&server, &sam, own, &words, Some(rev)).await,
            412,
            "stale_revision",
        );
    }
    refused(&patch(&server, &anna, own, &words, None).await, 403, "not_author");
    refused(&patch(&server, &eve, own, &words, None).await, 404, "not_found");
    refused(
        &patch(&server, &sam, &json!(424_242), &words, None).await,
        404,
        "not_found",
    );
    refused(
        &patch(&server, &sam, own, &json!({"body": " "}), None).await,
        422,
        "empty_message",
    );
    let long = json!({"body": "x".repeat(10_001)});
    refused(
        &patch(&server, &sam, own, &long, None).await,
        422,
        "body_too_long",
    );
    refused(
        &patch(&server, &sam, own, &json!({}), None).await,
        422,
        "validation_failed",
    );
    let crew = group(&server, &sam, &[&anna]).await;
    let page = server
        .get(&format!("/conversations/{crew}/messages"))
        .by(&sam)
        .send()
        .await;
    let note = &page.json["items"][0]["id"];
    refused(
        &patch(&server, &sam, note, &words, None).await,
        422,
        "not_editable",
    );
    server.stop().await;
}

#[tokio::test]
async fn deleted_messages_are_tombstones() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = group(&server, &sam, &[&anna]).await;
    let (one, two) = (
        server.say(&anna, id, "one").await,
        server.say(&anna, id, "two").await,
    );
    let owners = server.say(&sam, id, "owner's").await;
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;

    let delete = async |by: &Person, id: &Value, query: &str| {
        let ask = server.ask(Method::DELETE, &format!("/messages/{id}{query}"));
        ask.by(by).send().await
    };
    refused(&delete(&anna, &owners["id"], "").await, 403, "not_allowed");
    refused(&delete(&eve, &one["id"], "").await, 404, "not_found");
    refused(
        &delete(&anna, &one["id"], "?for=nobody").await,
        422,
        "validation_failed",
    );
    let many = async |by: &Person, ids: Value| {
        let ask = server.post("/messages/delete", &json!({"message_ids": ids}));
        ask.by(by).send().await
    };
    refused(
        &many(&anna, json!([one["id"], owners["id"]])).await,
        403,
        "not_allowed",
    );
    refused(&many(&anna, json!(vec![1; 101])).await, 422, "validation_failed");
    worker.silence();

    let answer = many(&sam, json!([one["id"], two["id"]])).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let told = worker.hear_event(&sam, "message.deleted").await;
    let expected = json!({
        "v": 1, "conversation_id": id, "rev": 6, "at": "<time>", "deleted_by": sam.id,
        "items": [{"id": one["id"], "seq": 3}, {"id": two["id"], "seq": 4}],
    });
    assert_eq!(timeless(&told), expected);
    assert_eq!(
        delete(&anna, &one["id"], "?for=everyone").await.status,
        204,
        "it is deleted already"
    );
    worker.silence();

    let shown = server
        .get(&format!("/messages/{}", one["id"]))
        .by(&anna)
        .send()
        .await;
    shown.check(
        200,
        &json!({
            "id": one["id"], "conversation_id": id, "seq": 3, "rev": 6, "client_id": one["client_id"],
            "author_id": anna.id, "thread_root_id": null, "in_timeline": true, "reply_count": 0,
            "last_reply_seq": null, "last_reply_at": null, "participants": [], "receipts": true,
            "created_at": "<time>", "deleted_at": "<time>", "deleted_by": sam.id,
        }),
    );
    refused(
        &patch(&server, &anna, &one["id"], &json!({"body": "x"}), None).await,
        409,
        "message_deleted",
    );
    server.stop().await;
}

#[tokio::test]
async fn reactions_are_counted_and_told() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.direct(&sam, &anna).await;
    let message = server.say(&sam, id, "good?").await;
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;
    let react = async |method: Method, by: &Person, emoji: &str| {
        let ask = server.ask(method, &format!("/messages/{}/reactions/{emoji}", message["id"]));
        ask.by(by).send().await
    };
    let thumb = "%F0%9F%91%8D";
    let answer = react(Method::PUT, &anna, thumb).await;
    let summary = |me: bool| json!([{"emoji": "👍", "count": 1, "user_ids": [anna.id], "me": me}]);
    assert_eq!((answer.status, &answer.json["reactions"]), (201, &summary(true)));
    assert_eq!(react(Method::PUT, &anna, thumb).await.status, 200);
    let told = worker.hear_event(&sam, "reaction.changed").await;
    let expected = json!({
        "v": 1, "conversation_id": id, "rev": 2, "at": "<time>", "message_id": message["id"], "seq": 1,
        "user_id": anna.id, "emoji": "👍", "added": true,
        "summary": [{"emoji": "👍", "count": 1, "user_ids": [anna.id]}],
    });
    assert_eq!(timeless(&told), expected);
    let shown = server
        .get(&format!("/messages/{}", message["id"]))
        .by(&sam)
        .send()
        .await;
    assert_eq!(shown.json["reactions"], summary(false));
    assert_eq!(react(Method::DELETE, &anna, thumb).await.status, 204);
    assert_eq!(react(Method::DELETE, &anna, thumb).await.status, 204);
    assert_eq!(
        worker.hear_event(&sam, "reaction.changed").await["summary"],
        json!([])
    );
    worker.silence();

    refused(&react(Method::PUT, &anna, "good").await, 422, "emoji_invalid");
    refused(&react(Method::PUT, &eve, thumb).await, 404, "not_found");
    let faces: Vec<String> = (0..21).map(|n| format!("%F0%9F%98%{:X}", 0x80 + n)).collect();
    for face in &faces[..20] {
        assert_eq!(react(Method::PUT, &sam, face).await.status, 201);
    }
    refused(
        &react(Method::PUT, &anna, &faces[20]).await,
        409,
        "too_many_reactions",
    );
    let deleted = server.ask(Method::DELETE, &format!("/messages/{}", message["id"]));
    assert_eq!(deleted.by(&sam).send().await.status, 204);
    refused(&react(Method::PUT, &anna, thumb).await, 409, "message_deleted");
    server.stop().await;
}
