//! Names in messages: what is shown of them, and the numbers of what is unread.

use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn a_mention_is_shown_and_counted() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.group(&sam, &[&anna]).await;
    let mut worker = server.worker();
    worker.connect(&anna, "1.1").await;
    let sent = server.say(&sam, id, "🙂 @anna, @nobody and @all").await;
    let expected = json!([
        {"user_id": anna.id, "offset": 3, "length": 5},
        {"user_id": null, "offset": 22, "length": 4},
    ]);
    assert_eq!(sent["mentions"], expected);
    let told = worker.hear_event(&anna, "message.created").await;
    assert_eq!(told["message"]["mentions"], expected);
    let path = format!("/conversations/{id}");
    let item = server.get(&path).by(&anna).send().await;
    assert_eq!(
        (&item.json["unread_count"], &item.json["unread_mentions"]),
        (&json!(1), &json!(1))
    );

    let edit = server.patch(
        &format!("/messages/{}", sent["id"]),
        &json!({"body": "@sam alone"}),
    );
    let edited = edit.by(&sam).send().await;
    let own = json!([{"user_id": sam.id, "offset": 0, "length": 4}]);
    assert_eq!((edited.status, &edited.json["mentions"]), (200, &own));
    let told = worker.hear_event(&anna, "message.updated").await;
    assert_eq!(told["message"]["mentions"], own);
    server.say(&sam, id, "@anna again").await;
    worker.hear_event(&anna, "message.created").await;
    let receipt = json!({"items": [{"conversation_id": id, "seen_seq": sent["seq"]}]});
    let answer = server.post("/receipts", &receipt).by(&anna).send().await;
    let place = &answer.json["items"][0];
    assert_eq!(
        (&place["unread_count"], &place["unread_mentions"]),
        (&json!(1), &json!(1))
    );
    let told = worker.hear_event(&anna, "receipt.updated").await;
    assert_eq!(told["items"][0]["unread_mentions"], 1);
    server.stop().await;
}
