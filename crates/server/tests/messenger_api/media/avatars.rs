//! Pictures of people and of groups.

use serde_json::{Value, json};

use super::{id, png};
use crate::support::{Answer, Person, Server};

impl Server {
    async fn set_avatar(&self, by: &Person, path: &str, avatar: Value) -> Answer {
        let given = json!({"avatar_id": avatar});
        self.patch(path, &given).by(by).send().await
    }

    async fn picture(&self, by: &Person, attachment: &Value) -> u16 {
        let path = format!("/attachments/{}/thumb/320", id(attachment));
        self.get(&path).by(by).send().await.status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_shown_by_a_picture() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let one = server.bring(&sam, "one.png", &png(40, 40)).await;
    assert_eq!(server.picture(&anna, &one).await, 404);
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;
    let me = server.set_avatar(&sam, "/me", json!(id(&one))).await;
    assert_eq!((me.status, &me.json["avatar_id"]), (200, &one["id"]));
    let heard = worker.hear_event(&sam, "me.updated").await;
    assert_eq!(heard["me"]["avatar_id"], one["id"]);
    // Whoever sees the user sees the picture.
    let seen = server.get(&format!("/users/{}", sam.id)).by(&anna).send().await;
    assert_eq!(seen.json["avatar_id"], one["id"]);
    assert_eq!(server.picture(&anna, &one).await, 200);
    let content = format!("/attachments/{}/content", id(&one));
    assert_eq!(server.get(&content).send().await.status, 401);
    // The same again, and other changes, leave it.
    let same = server.set_avatar(&sam, "/me", json!(id(&one))).await;
    assert_eq!(same.json["user_rev"], me.json["user_rev"]);
    let bio = server
        .patch("/me", &json!({"bio": "Gardens."}))
        .by(&sam)
        .send()
        .await;
    assert_eq!(bio.json["avatar_id"], one["id"]);

    // Another one takes its place, and the old one is gone.
    let two = server.bring(&sam, "two.png", &png(41, 40)).await;
    server.set_avatar(&sam, "/me", json!(id(&two))).await;
    assert_eq!(
        (
            server.picture(&anna, &one).await,
            server.picture(&anna, &two).await
        ),
        (410, 200)
    );
    assert_eq!(server.picture(&sam, &one).await, 410);
    let none = server.set_avatar(&sam, "/me", Value::Null).await;
    assert_eq!((none.status, none.json.get("avatar_id")), (200, None));
    server.messenger.sweep().await.unwrap();
    assert_eq!(server.stored_files(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_everything_can_be_a_picture() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let check = async |avatar: Value, code: &str| {
        let answer = server.set_avatar(&sam, "/me", avatar).await;
        answer.check_code(422, code);
    };
    let hers = server.bring(&anna, "hers.png", &png(20, 20)).await;
    check(json!(id(&hers)), "attachment_not_yours").await;
    check(
        json!("0190b1c2-0000-4000-8000-000000000000"),
        "attachment_not_yours",
    )
    .await;
    check(json!("picture"), "attachment_not_yours").await;
    check(json!(7), "validation_failed").await;
    let words = server.bring(&sam, "words.png", b"words").await;
    check(json!(id(&words)), "avatar_invalid").await;
    let upload = server.post("/uploads", &json!({"size": 5})).by(&sam).send().await;
    check(json!(id(&upload.json)), "attachment_not_ready").await;
    let room = server.direct(&sam, &anna).await;
    let sent = server.bring(&sam, "sent.png", &png(20, 21)).await;
    let key = uuid::Uuid::new_v4().to_string();
    let given = json!({"client_id": key, "attachments": [id(&sent)]});
    let path = format!("/conversations/{room}/messages");
    assert_eq!(server.post(&path, &given).by(&sam).send().await.status, 201);
    check(json!(id(&sent)), "attachment_in_use").await;
    // Nothing else of a refused change is made.
    let given = json!({"username": "samuel", "avatar_id": id(&words)});
    let refused = server.patch("/me", &given).by(&sam).send().await;
    refused.check_code(422, "avatar_invalid");
    let me = server.get("/me").by(&sam).send().await;
    assert_eq!(
        (&me.json["username"], me.json.get("avatar_id")),
        (&json!("sam"), None)
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_shown_by_a_picture_to_their_members() {
    let server = Server::start().await;
    let [sam, anna, alex] = server.people(["sam", "anna", "alex"]).await;
    let group = server.group(&sam, &[&anna]).await;
    let path = format!("/conversations/{group}");
    let direct = server.direct(&sam, &anna).await;
    let mut worker = server.worker();
    worker.connect(&anna, "1.1").await;
    let one = server.bring(&sam, "one.png", &png(40, 40)).await;
    let changed = server.set_avatar(&sam, &path, json!(id(&one))).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.json["conversation"]["avatar_id"], one["id"]);
    let heard = worker.hear_event(&anna, "conversation.updated").await;
    assert_eq!(heard["avatar_id"], one["id"]);
    assert_eq!(heard["message"]["system"]["event"], "avatar_changed");
    assert_eq!(server.picture(&anna, &one).await, 200);
    assert_eq!(server.picture(&alex, &one).await, 404);
    // It is for those who may change what the group says of itself.
    let hers = server.bring(&anna, "hers.png", &png(20, 20)).await;
    let refused = server.set_avatar(&anna, &path, json!(id(&hers))).await;
    refused.check_code(403, "not_allowed");
    let refused = server.set_avatar(&sam, &path, json!(id(&hers))).await;
    refused.check_code(422, "attachment_not_yours");
    let mine = server.bring(&sam, "mine.png", &png(22, 20)).await;
    let direct = format!("/conversations/{direct}");
    let refused = server.set_avatar(&sam, &direct, json!(id(&mine))).await;
    refused.check_code(403, "not_allowed");

    let gone = server.set_avatar(&sam, &path, Value::Null).await;
    assert_eq!(gone.json["conversation"].get("avatar_id"), None);
    let heard = worker.hear_event(&anna, "conversation.updated").await;
    assert_eq!(heard["avatar_id"], Value::Null);
    assert_eq!(server.picture(&anna, &one).await, 410);
    server.stop().await;
}
