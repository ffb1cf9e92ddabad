//! Who was in a group once reads what there was, and does nothing there any more.

use axum::http::Method;
use serde_json::{Value, json};

use super::refused;
use crate::support::{Answer, Person, Server};

/// What is done, and the answer to somebody who was a member once and to an outsider: a code, or the status of success.
type Deed = (Method, String, Value, &'static str, &'static str);

async fn done(server: &Server, by: &Person, (method, path, body, ..): &Deed) -> Answer {
    let ask = server.ask(method.clone(), path).by(by);
    match body {
        Value::Null => ask.send().await,
        body => ask.body("application/json", body.to_string()).send().await,
    }
}

#[tokio::test]
async fn who_left_is_told_so_and_outsiders_hear_of_nothing() {
    let server = Server::start().await;
    let [sam, leo, rex, mia, eve] = server.people(["sam", "leo", "rex", "mia", "eve"]).await;
    let id = server.group(&sam, &[&leo, &rex, &mia]).await;
    let there = format!("/conversations/{id}");
    let words = server.say(&sam, id, "words").await;
    let (leos, rexs) = (
        server.say(&leo, id, "mine").await,
        server.say(&rex, id, "mine").await,
    );
    let left = server.post(&format!("{there}/leave"), &json!({})).by(&leo);
    assert_eq!(left.send().await.status, 204);
    let removed = server.delete(&format!("{there}/members/{}", rex.id)).by(&sam);
    assert_eq!(removed.send().await.status, 204);
    let later = server.say(&sam, id, "later").await;
    let elsewhere = server.group(&eve, &[&leo, &rex]).await;
    let versions = json!({"policies": {"edit_history": "members"}});
    assert_eq!(server.patch(&there, &versions).by(&sam).send().await.status, 200);

    let message = format!("/messages/{}", words["id"]);
    let reaction = format!("{message}/reactions/👍");
    let own_client_id = || uuid::Uuid::new_v4().to_string();
    let member = format!("{there}/members/{}", mia.id);
    let (put, post, get) = (Method::PUT, Method::POST, Method::GET);
    let (patch, delete) = (Method::PATCH, Method::DELETE);
    for (by, own) in [(&leo, &leos), (&rex, &rexs)] {
        let own = format!("/messages/{}", own["id"]);
        let deeds: Vec<Deed> = [
            // What changes the conversation.
            (
                &post,
                format!("{there}/messages"),
                json!({"client_id": own_client_id(), "body": "hi"}),
                "not_a_member",
                "not_found",
            ),
            (&put, reaction.clone(), Value::Null, "not_a_member", "not_found"),
            (
                &delete,
                reaction.clone(),
                Value::Null,
                "not_a_member",
                "not_found",
            ),
            (
                &put,
                format!("{message}/pin"),
                Value::Null,
                "not_a_member",
                "not_found",
            ),
            (
                &delete,
                format!("{message}/pin"),
                Value::Null,
                "not_a_member",
                "not_found",
            ),
            (
                &patch,
                own.clone(),
                json!({"body": "other"}),
                "not_a_member",
                "not_found",
            ),
            (
                &patch,
                message.clone(),
                json!({"body": "other"}),
                "not_a_member",
                "not_found",
            ),
            (
                &delete,
                format!("{own}?for=everyone"),
                Value::Null,
                "not_a_member",
                "not_found",
            ),
            (
                &post,
                "/messages/delete".into(),
                json!({"message_ids": [words["id"]], "for": "everyone"}),
                "not_a_member",
                "not_found",
            ),
            (
                &post,
                "/messages/forward".into(),
                json!({"message_ids": [words["id"]], "to": [elsewhere]}),
                "not_a_member",
                "not_found",
            ),
            (
                &put,
                format!("{message}/thread/follow"),
                json!({"following": true}),
                "not_a_member",
                "not_found",
            ),
            (
                &patch,
                there.clone(),
                json!({"title": "New"}),
                "not_a_member",
                "not_found",
            ),
            (
                &post,
                format!("{there}/members"),
                json!({"user_ids": [eve.id]}),
                "not_a_member",
                "not_found",
            ),
            (
                &patch,
                member.clone(),
                json!({"role": "admin"}),
                "not_a_member",
                "not_found",
            ),
            (&delete, member.clone(), Value::Null, "not_a_member", "not_found"),
            (
                &post,
                format!("{there}/transfer"),
                json!({"user_id": mia.id}),
                "not_a_member",
                "not_found",
            ),
            (
                &post,
                format!("{there}/invites"),
                json!({}),
                "not_a_member",
                "not_found",
            ),
            (
                &get,
                format!("{there}/invites"),
                Value::Null,
                "not_a_member",
                "not_found",
            ),
            (
                &get,
                format!("{there}/bans"),
                Value::Null,
                "not_a_member",
                "not_found",
            ),
            (
                &delete,
                format!("{there}/bans/{}", mia.id),
                Value::Null,
                "not_a_member",
                "not_found",
            ),
            (
                &post,
                format!("{there}/leave"),
                json!({}),
                "not_a_member",
                "not_found",
            ),
            // What tells of it.
            (
                &post,
                format!("{there}/read"),
                Value::Null,
                "not_a_member",
                "not_found",
            ),
            (&post, format!("{there}/typing"), json!({}), "204", "204"),
            (
                &get,
                format!("{own}/receipts"),
                Value::Null,
                "not_a_member",
                "not_found",
            ),
            (
                &get,
                format!("{message}/versions"),
                Value::Null,
                "not_a_member",
                "not_found",
            ),
            // What came later is hidden from both.
            (
                &put,
                format!("/messages/{}/reactions/👍", later["id"]),
                Value::Null,
                "not_found",
                "not_found",
            ),
            (
                &put,
                format!("/messages/{}/pin", later["id"]),
                Value::Null,
                "not_found",
                "not_found",
            ),
            (
                &patch,
                format!("/messages/{}", later["id"]),
                json!({"body": "x"}),
                "not_found",
                "not_found",
            ),
            (
                &delete,
                format!("/messages/{}?for=everyone", later["id"]),
                Value::Null,
                "not_found",
                "not_found",
            ),
            (
                &get,
                format!("/messages/{}/versions", later["id"]),
                Value::Null,
                "not_found",
                "not_found",
            ),
            // What is one's own affair, and reading.
            (&get, there.clone(), Value::Null, "200", "not_found"),
            (&get, format!("{there}/messages"), Value::Null, "200", "not_found"),
            (&get, format!("{there}/members"), Value::Null, "200", "not_found"),
            (&get, format!("{there}/pins"), Value::Null, "200", "not_found"),
            (
                &get,
                format!("{there}/search?q=words"),
                Value::Null,
                "200",
                "not_found",
            ),
            (&get, format!("{there}/media"), Value::Null, "200", "not_found"),
            (&get, message.clone(), Value::Null, "200", "not_found"),
            (
                &get,
                format!("{message}/reactions"),
                Value::Null,
                "200",
                "not_found",
            ),
            (&get, format!("{message}/thread"), Value::Null, "200", "not_found"),
            (
                &patch,
                format!("{there}/me"),
                json!({"archived": true, "marked_unread": true}),
                "200",
                "not_found",
            ),
            (
                &delete,
                format!("{message}?for=me"),
                Value::Null,
                "204",
                "not_found",
            ),
            (&post, format!("{there}/clear"), Value::Null, "200", "not_found"),
        ]
        .map(|(method, path, body, past, outside)| (method.clone(), path, body, past, outside))
        .into();
        for deed in &deeds {
            for (who, expected) in [(&eve, deed.4), (by, deed.3)] {
                let answer = done(&server, who, deed).await;
                match expected {
                    "not_a_member" => refused(&answer, 403, expected, None),
                    "not_found" => refused(&answer, 404, expected, None),
                    _ => assert_eq!(answer.status.to_string(), expected, "{deed:?}"),
                }
            }
        }
        let receipt = json!({"items": [{"conversation_id": id, "seen_seq": 1}]});
        let answer = server.post("/receipts", &receipt).by(by).send().await;
        assert_eq!(
            answer.json["items"][0]["error"], "not_a_member",
            "{}",
            answer.text
        );
    }
    server.stop().await;
}
