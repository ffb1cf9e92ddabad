//! Notifications on users' channels.

use crate::support::{Heard, Person, Server};
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn recipients_who_listen_are_notified() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let (mut annas, mut sams) = (server.worker(), server.worker());
    let channel = format!("private-App.Models.User.{}", anna.id);
    annas.join(&channel, "1.1").await;
    sams.join(&format!("private-App.Models.User.{}", sam.id), "1.2")
        .await;
    let message = server.say(&sam, id, &"é".repeat(200)).await;
    let Heard::Event {
        channel: on,
        name,
        data,
    } = annas.hear().await
    else {
        panic!("an event is expected")
    };
    assert_eq!(on, channel);
    assert_eq!(
        name,
        r"Illuminate\Notifications\Events\BroadcastNotificationCreated"
    );
    let notification_id = data["id"].as_str().unwrap();
    assert!(uuid::Uuid::parse_str(notification_id).is_ok());
    let expected = json!({
        "id": notification_id, "type": r"App\Notifications\NewMessage", "conversation_id": id,
        "message_id": message["id"], "seq": message["seq"], "excerpt": "é".repeat(140),
        "sender": {"id": sam.id, "name": "Sam Whitlock", "avatar": null},
    });
    assert_eq!(data, expected);

    // An edit is no news, but for those whom it newly names.
    let edit = async |words: &str| {
        let path = format!("/messages/{}", message["id"]);
        let answer = server.patch(&path, &json!({"body": words})).by(&sam).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    edit("tomorrow").await;
    edit("tomorrow, @anna").await;
    assert_eq!(notified_of(&mut annas).await, "tomorrow, @anna");
    edit("@anna, tomorrow").await;
    server.stop().await;
    sams.silence();
    annas.silence();
}

/// The next message that the person is notified of.
async fn notified_of(worker: &mut crate::support::Worker) -> Value {
    match worker.hear().await {
        Heard::Event { data, .. } => data["excerpt"].clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_is_notified_of_what_it_does_not_want_to_know() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.group(&sam, &[&anna, &eve]).await;
    let (mut annas, mut eves) = (server.worker(), server.worker());
    for (worker, who, socket) in [(&annas, &anna, "1.1"), (&eves, &eve, "2.1")] {
        let channel = format!("private-App.Models.User.{}", who.id);
        worker.join(&channel, socket).await;
    }
    let root = server.say(&anna, id, "root").await;
    assert_eq!(notified_of(&mut eves).await, "root");
    let reply = async |words: &str| {
        let given = json!({
            "client_id": uuid::Uuid::new_v4().to_string(), "body": words, "thread_root_id": root["id"],
        });
        let path = format!("/conversations/{id}/messages");
        let answer = server.post(&path, &given).by(&sam).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    };
    // Anna follows what hangs on her own words; eve hears of it when she is named, and follows then.
    reply("aside").await;
    assert_eq!(notified_of(&mut annas).await, "aside");
    reply("@eve aside").await;
    assert_eq!(notified_of(&mut eves).await, "@eve aside");
    assert_eq!(notified_of(&mut annas).await, "@eve aside");

    let mine = async |who: &Person, given: Value| {
        let answer = server
            .patch(&format!("/conversations/{id}/me"), &given)
            .by(who)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    mine(&anna, json!({"muted_until": "2100-01-01T00:00:00.000Z"})).await;
    mine(&eve, json!({"notify": "mentions"})).await;
    server.say(&sam, id, "nothing").await;
    server.say(&sam, id, "@eve @anna something").await;
    assert_eq!(notified_of(&mut eves).await, "@eve @anna something");
    mine(&anna, json!({"muted_until": null})).await;
    server
        .ask(Method::PUT, &format!("/blocks/{}", sam.id))
        .by(&eve)
        .send()
        .await;
    server.say(&sam, id, "@eve again").await;
    assert_eq!(notified_of(&mut annas).await, "@eve again");
    server.stop().await;
    annas.silence();
    eves.silence();
}
