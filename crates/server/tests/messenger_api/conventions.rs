//! What holds for every resource: tags, and changes that are asked for twice.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person, Server};

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let first = server.get("/me").by(&sam).send().await;
    let tag = first.header("etag").unwrap().to_owned();
    for known in [tag.as_str(), &format!("\"x\", W/{tag}"), "*"] {
        let again = server
            .get("/me")
            .by(&sam)
            .header("if-none-match", known)
            .send()
            .await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{known}");
        assert_eq!(again.header("etag"), Some(tag.as_str()));
    }
    let bio = json!({"bio": "Gardens."}).to_string();
    let changed = server
        .ask(Method::PATCH, "/me")
        .by(&sam)
        .body("application/json", bio)
        .send()
        .await;
    assert_eq!((changed.status, changed.header("etag")), (200, None));
    let after = server
        .get("/me")
        .by(&sam)
        .header("if-none-match", &tag)
        .send()
        .await;
    assert_eq!((after.status, &after.json["bio"]), (200, &json!("Gardens.")));
    let stranger = server.get("/me").header("if-none-match", "*").send().await;
    assert_eq!(stranger.status, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_change_under_a_key_is_made_once() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let group = json!({"kind": "group", "title": "Garden", "member_ids": [anna.id]});
    let ask = async |by: &Person, key: &str, body: &Value| -> Answer {
        server
            .post("/conversations", body)
            .by(by)
            .header("idempotency-key", key)
            .send()
            .await
    };
    let first = ask(&sam, "k1", &group).await;
    assert_eq!((first.status, first.header("idempotent-replay")), (201, None));
    let again = ask(&sam, "k1", &group).await;
    assert_eq!(
        (again.status, again.header("idempotent-replay")),
        (201, Some("true"))
    );
    assert_eq!(again.json, first.json);
    let listed = server.get("/conversations").by(&sam).send().await;
    assert_eq!(listed.json["items"].as_array().unwrap().len(), 1);

    // A key belongs to one login and to one request.
    let other = json!({"kind": "group", "title": "Orchard"});
    let reused = ask(&sam, "k1", &other).await;
    assert_eq!(
        (reused.status, &reused.json["code"]),
        (422, &json!("idempotency_key_reused"))
    );
    assert_eq!(ask(&anna, "k1", &other).await.status, 201);
    // Refusals are answers, too.
    let refused = json!({"kind": "group", "title": ""});
    for replay in [None, Some("true")] {
        let answer = ask(&sam, "k2", &refused).await;
        assert_eq!((answer.status, answer.header("idempotent-replay")), (422, replay));
    }
    let long = ask(&sam, &"k".repeat(256), &other).await;
    assert_eq!(
        (long.status, &long.json["code"]),
        (422, &json!("idempotency_key_invalid"))
    );
    let gone = Person {
        token: "1|x".to_owned(),
        ..sam
    };
    assert_eq!(ask(&gone, "k1", &group).await.status, 401);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_single_object_has_a_tag() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let group = server.group(&sam, &[&anna]).await;
    let message = server.say(&sam, group, "words").await;
    let path = format!("/conversations/{group}/invites");
    let invite = server.post(&path, &json!({})).by(&sam).send().await;
    let file = server.bring(&sam, "words.txt", b"words").await;
    let upload = server.post("/uploads", &json!({"size": 5})).by(&sam).send().await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for path in [
        "/config".to_owned(),
        "/me".to_owned(),
        format!("/users/{}", anna.id),
        format!("/conversations/{group}"),
        format!("/messages/{}", message["id"]),
        format!("/invites/{}", text(&invite.json["token"])),
        format!("/attachments/{}", text(&file["id"])),
        format!("/uploads/{}", text(&upload.json["id"])),
    ] {
        let first = server.get(&path).by(&sam).send().await;
        assert_eq!(first.status, 200, "{path}: {}", first.text);
        let tag = first
            .header("etag")
            .unwrap_or_else(|| panic!("{path} has no tag"));
        let known = server.get(&path).by(&sam).header("if-none-match", tag);
        assert_eq!(known.send().await.status, 304, "{path}");
        let other = server.get(&path).by(&sam).header("if-none-match", "\"x\"");
        assert_eq!(other.send().await.json, first.json, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_change_may_carry_a_key() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let document = chinwag_server::messenger::openapi::document();
    let mut asked = 0;
    for (template, operations) in document["paths"].as_object().unwrap() {
        // Logging in and making apps hand out secrets, and files are not held in memory.
        let left_out = template.contains("/auth/") || template.starts_with("/admin/apps");
        if operations["post"].is_null() || left_out || template == "/attachments" {
            continue;
        }
        let path = template.replace("{id}", "1").replace("{token}", "x");
        // What is refused is an answer, too, and comes again as it was.
        let ask = async || {
            let ask = server.post(&path, &json!({"x": template})).by(&sam);
            ask.header("idempotency-key", template).send().await
        };
        let (first, again) = (ask().await, ask().await);
        assert_eq!(
            first.header("idempotent-replay"),
            None,
            "{template}: {}",
            first.text
        );
        assert_eq!(again.header("idempotent-replay"), Some("true"), "{template}");
        let of_its_own = |answer: &Answer| {
            let id = answer.header("x-request-id").unwrap().to_owned();
            (answer.status, answer.text.replace(&id, "<id>"))
        };
        assert_eq!(of_its_own(&first), of_its_own(&again), "{template}");
        asked += 1;
    }
    assert!(asked > 15, "{asked}");
    server.stop().await;
}
