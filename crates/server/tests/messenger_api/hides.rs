//! Deleting messages for oneself, and what somebody blocked says: what each side is shown.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Person, Server, as_told, timeless};

async fn items(server: &Server, path: &str, by: &Person) -> Value {
    let answer = server.get(path).by(by).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["items"].clone()
}

#[tokio::test]
async fn a_message_deleted_for_oneself_keeps_its_place() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.direct(&sam, &anna).await;
    let (one, two) = (
        server.say(&sam, id, "one").await,
        server.say(&sam, id, "two").await,
    );
    let start = server.get("/sync").by(&anna).send().await;
    let mut worker = server.worker();
    worker.connect(&anna, "1.1").await;

    let delete = async |by: &Person, id: &Value, whom: &str| {
        let ask = server.ask(Method::DELETE, &format!("/messages/{id}?for={whom}"));
        ask.by(by).send().await
    };
    assert_eq!(delete(&eve, &one["id"], "me").await.json["code"], "not_found");
    assert_eq!(
        delete(&anna, &json!(424_242), "me").await.json["code"],
        "not_found"
    );
    let many =
        |ids: Value, whom: &str| server.post("/messages/delete", &json!({"message_ids": ids, "for": whom}));
    let answer = many(json!([two["id"], 424_242]), "me").by(&anna).send().await;
    assert_eq!((answer.status, &answer.json["code"]), (404, &json!("not_found")));
    let answer = many(json!([two["id"]]), "her").by(&anna).send().await;
    assert_eq!(
        (answer.status, &answer.json["code"]),
        (422, &json!("validation_failed"))
    );
    worker.silence();

    assert_eq!(delete(&anna, &one["id"], "me").await.status, 204);
    let told = worker.hear_event(&anna, "member_state.changed").await;
    assert_eq!(
        (
            &told["hidden_messages"],
            &told["unread_count"],
            &told["unread_mentions"]
        ),
        (&json!([{"id": one["id"], "seq": 1}]), &json!(1), &json!(0))
    );
    assert_eq!(delete(&anna, &one["id"], "me").await.status, 204);
    assert_eq!(many(json!([one["id"]]), "me").by(&anna).send().await.status, 204);
    worker.silence();

    let expected = json!([{"seq": 1, "rev": 1, "hidden": true}, as_told(&two)]);
    let history = format!("/conversations/{id}/messages");
    assert_eq!(timeless(&items(&server, &history, &anna).await), expected);
    let changes = format!("/conversations/{id}/changes?after_rev=0");
    assert_eq!(timeless(&items(&server, &changes, &anna).await), expected);
    assert_eq!(items(&server, &history, &sam).await[0]["body"], "one");
    let shown = server
        .get(&format!("/messages/{}", one["id"]))
        .by(&anna)
        .send()
        .await;
    assert_eq!(shown.status, 404);
    let cursor = start.json["cursor"].as_str().unwrap();
    let sync = server
        .get(&format!("/sync?cursor={cursor}"))
        .by(&anna)
        .send()
        .await;
    let hidden = json!([{"conversation_id": id, "seq": 1}]);
    assert_eq!(sync.json["user"]["hidden_messages"], hidden);
    assert_eq!(sync.json["user"]["rev"], told["user_rev"]);
    server.stop().await;
}

#[tokio::test]
async fn words_of_somebody_blocked_do_not_arrive() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let block = format!("/blocks/{}", sam.id);
    assert_eq!(server.ask(Method::PUT, &block).by(&anna).send().await.status, 204);
    let mut worker = server.worker();
    worker.connect(&anna, "1.1").await;
    let said = server.say(&sam, id, "let me in").await;
    assert_eq!(said["receipts"], false);
    let told = worker.hear_event(&anna, "conversation.noop").await;
    let expected = json!({"v": 1, "conversation_id": id, "rev": 1, "at": "<time>"});
    assert_eq!(timeless(&told), expected);
    let seen = json!({"items": [{"conversation_id": id, "seen_seq": 1}]});
    server.post("/receipts", &seen).by(&anna).send().await;
    worker.hear_event(&anna, "receipt.updated").await;
    worker.silence();
    let members = items(&server, &format!("/conversations/{id}/members"), &sam).await;
    assert_eq!(members[1]["seen_seq"], 0);
    assert_eq!(
        server.ask(Method::DELETE, &block).by(&anna).send().await.status,
        204
    );
    let history = items(&server, &format!("/conversations/{id}/messages"), &anna).await;
    assert_eq!(history, json!([{"seq": 1, "rev": 1, "hidden": true}]));
    let item = server.get(&format!("/conversations/{id}")).by(&anna).send().await;
    assert_eq!(
        (&item.json["unread_count"], &item.json["last_message"]),
        (&json!(0), &Value::Null)
    );
    server.stop().await;
}
