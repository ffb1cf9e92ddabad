//! Every refusal: its status, its code, the field it names, and that it tells nothing it should not.

mod bodies;
mod callers;
mod checklist;
mod groups;
mod past_members;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person, Server};

/// Checks a whole problem document; `field` is what `errors` must name, if anything.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, field: Option<&str>) {
    assert_eq!(
        (answer.status, answer.json["code"].as_str()),
        (status, Some(code)),
        "{}",
        answer.text
    );
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json["status"], status);
    assert_eq!(answer.json["type"], format!("/errors/{code}"));
    assert_eq!(answer.json["request_id"].as_str(), answer.header("x-request-id"));
    for part in ["title", "detail"] {
        assert!(
            answer.json[part].as_str().is_some_and(|text| !text.is_empty()),
            "{}",
            answer.text
        );
    }
    let named = answer.json["errors"][0]["field"].as_str();
    assert_eq!(named, field, "{}", answer.text);
    if field.is_some() && code != "validation_failed" {
        assert_eq!(answer.json["errors"][0]["code"], code);
    }
    let lower = answer.text.to_lowercase();
    for inner in [
        "sql",
        "serde",
        " line ",
        "column",
        "expected",
        "invalid type",
        "panick",
        "crates/",
        "/tmp",
        "i64",
    ] {
        assert!(!lower.contains(inner), "{inner:?} leaks: {}", answer.text);
    }
}

/// A server, an outsider, and a conversation that she is not in.
struct Scene {
    server: Server,
    sam: Person,
    eve: Person,
    conversation: i64,
    message: i64,
}

async fn scene() -> Scene {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let anna = server.person("anna").await;
    let eve = server.person("eve").await;
    let conversation = server.direct(&sam, &anna).await;
    let message = server.say(&sam, conversation, "secret words").await["id"]
        .as_i64()
        .unwrap();
    Scene {
        server,
        sam,
        eve,
        conversation,
        message,
    }
}

#[tokio::test]
async fn what_is_not_yours_cannot_be_told_from_what_is_not_there() {
    let Scene {
        server,
        eve,
        conversation,
        message,
        ..
    } = scene().await;
    let numbers = [
        conversation.to_string(),
        "424242".into(),
        "9007199254740993".into(),
    ];
    let odd = [
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e3",
        "x",
        "%F0%9F",
        "99999999999999999999",
        "1%2F2",
    ];
    for id in numbers.iter().map(String::as_str).chain(odd) {
        let sending = json!({"client_id": "0190b1c2-0000-7000-8000-000000000001", "body": "hi"});
        let asks = [
            server.get(&format!("/conversations/{id}")),
            server.get(&format!("/conversations/{id}/members")),
            server.get(&format!("/conversations/{id}/messages")),
            server.get(&format!("/conversations/{id}/changes?after_rev=0")),
            server.ask(Method::POST, &format!("/conversations/{id}/read")),
            server.ask(Method::POST, &format!("/conversations/{id}/clear")),
            server.ask(Method::POST, &format!("/conversations/{id}/leave")),
            server.ask(Method::DELETE, &format!("/conversations/{id}")),
            server.ask(Method::DELETE, &format!("/conversations/{id}/members/1")),
            server.ask(Method::DELETE, &format!("/conversations/{id}/bans/1")),
            server.get(&format!("/conversations/{id}/bans")),
            server.get(&format!("/conversations/{id}/invites")),
            server.post(&format!("/conversations/{id}/invites"), &json!({})),
            server.post(&format!("/conversations/{id}/transfer"), &json!({"user_id": 1})),
            server.post(&format!("/conversations/{id}/members"), &json!({"user_ids": [1]})),
            server.patch(&format!("/conversations/{id}"), &json!({"title": "x"})),
            server.patch(&format!("/conversations/{id}/me"), &json!({"archived": true})),
            server.patch(
                &format!("/conversations/{id}/members/1"),
                &json!({"role": "admin"}),
            ),
            server.post(&format!("/conversations/{id}/messages"), &sending),
        ];
        for ask in asks {
            refused(&ask.by(&eve).send().await, 404, "not_found", None);
        }
    }
    for id in [&*message.to_string(), "424242", "9007199254740993", "x", "0"] {
        refused(
            &server.get(&format!("/messages/{id}")).by(&eve).send().await,
            404,
            "not_found",
            None,
        );
    }
    for id in ["424242", "9007199254740993", "me", "-1"] {
        refused(
            &server.get(&format!("/users/{id}")).by(&eve).send().await,
            404,
            "not_found",
            None,
        );
    }
    for peer in [424_242_i64, 9_007_199_254_740_993, 0, -1, i64::MAX, i64::MIN] {
        let direct = json!({"kind": "direct", "user_id": peer});
        refused(
            &server.post("/conversations", &direct).by(&eve).send().await,
            404,
            "not_found",
            None,
        );
        let group = json!({"kind": "group", "title": "x", "member_ids": [peer]});
        refused(
            &server.post("/conversations", &group).by(&eve).send().await,
            404,
            "not_found",
            None,
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn conversations_and_messages_have_their_refusals() {
    let Scene {
        server,
        sam,
        conversation,
        ..
    } = scene().await;
    let open = async |given: Value, code: &str, field: &str| {
        refused(
            &server.post("/conversations", &given).by(&sam).send().await,
            422,
            code,
            Some(field),
        );
    };
    open(json!({"kind": "group"}), "title_required", "title").await;
    open(
        json!({"kind": "group", "title": " \u{200b}"}),
        "title_required",
        "title",
    )
    .await;
    open(
        json!({"kind": "group", "title": "x".repeat(129)}),
        "title_too_long",
        "title",
    )
    .await;
    let many: Vec<i64> = (1_000..3_000).collect();
    open(
        json!({"kind": "group", "title": "x", "member_ids": many}),
        "too_many_members",
        "member_ids",
    )
    .await;
    open(json!({"kind": "direct"}), "validation_failed", "user_id").await;
    open(json!({"kind": "self"}), "validation_failed", "kind").await;
    open(json!({}), "validation_failed", "kind").await;
    open(
        json!({"kind": "direct", "user_id": "1"}),
        "validation_failed",
        "user_id",
    )
    .await;
    open(
        json!({"kind": "direct", "user_id": 1.5}),
        "validation_failed",
        "user_id",
    )
    .await;
    open(
        json!({"kind": "direct", "user_id": 1e30}),
        "validation_failed",
        "user_id",
    )
    .await;
    open(
        json!({"kind": "group", "title": "x", "member_ids": [1, null]}),
        "validation_failed",
        "member_ids[1]",
    )
    .await;
    open(
        json!({"kind": "group", "title": "x", "member_ids": 1}),
        "validation_failed",
        "member_ids",
    )
    .await;
    open(json!([]), "validation_failed", "$").await;

    let messages = format!("/conversations/{conversation}/messages");
    let foreign = server.direct(&sam, &sam).await;
    let elsewhere = server.say(&sam, foreign, "note").await["id"].as_i64().unwrap();
    let sending = |overrides: Value| {
        let mut given = json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": "hi"});
        given
            .as_object_mut()
            .unwrap()
            .extend(overrides.as_object().unwrap().clone());
        given
    };
    let send = async |overrides: Value, status: u16, code: &str, field: Option<&str>| {
        let given = sending(overrides);
        refused(
            &server.post(&messages, &given).by(&sam).send().await,
            status,
            code,
            field,
        );
    };
    for id in [
        "",
        "7",
        "0190b1c27d3e7a518f2b3c4d5e6f7a8b",
        "{0190b1c2-7d3e-7a51-8f2b-3c4d5e6f7a8b}",
    ] {
        send(
            json!({"client_id": id}),
            422,
            "client_id_invalid",
            Some("client_id"),
        )
        .await;
    }
    send(
        json!({"client_id": null}),
        422,
        "client_id_invalid",
        Some("client_id"),
    )
    .await;
    send(
        json!({"client_id": 7}),
        422,
        "validation_failed",
        Some("client_id"),
    )
    .await;
    send(json!({"body": ""}), 422, "empty_message", Some("body")).await;
    send(
        json!({"body": " \n\u{200b}\u{0}"}),
        422,
        "empty_message",
        Some("body"),
    )
    .await;
    send(
        json!({"body": "x".repeat(10_001)}),
        422,
        "body_too_long",
        Some("body"),
    )
    .await;
    send(json!({"body": ["x"]}), 422, "validation_failed", Some("body")).await;
    send(
        json!({"advance_seen": 1}),
        422,
        "validation_failed",
        Some("advance_seen"),
    )
    .await;
    for target in [elsewhere, 424_242, -1, i64::MAX] {
        send(
            json!({"reply_to": target}),
            422,
            "reply_target_invalid",
            Some("reply_to"),
        )
        .await;
    }
    let given = sending(json!({}));
    assert_eq!(server.post(&messages, &given).by(&sam).send().await.status, 201);
    let same_key = given["client_id"].clone();
    send(
        json!({"client_id": same_key, "body": "other"}),
        409,
        "client_id_conflict",
        None,
    )
    .await;
    let other = format!("/conversations/{foreign}/messages");
    refused(
        &server.post(&other, &given).by(&sam).send().await,
        409,
        "client_id_conflict",
        None,
    );
    server.stop().await;
}

#[tokio::test]
async fn queries_and_cursors_have_their_refusals() {
    let Scene {
        server,
        sam,
        conversation,
        ..
    } = scene().await;
    let c = format!("/conversations/{conversation}");
    let check = async |path: String, status: u16, code: &str, field: Option<&str>| {
        refused(&server.get(&path).by(&sam).send().await, status, code, field);
    };
    for limit in ["0", "101", "-1", "x", "", "1.5", "99999999999999999999"] {
        check(
            format!("{c}/messages?limit={limit}"),
            422,
            "limit_invalid",
            Some("limit"),
        )
        .await;
        check(
            format!("/conversations?limit={limit}"),
            422,
            "limit_invalid",
            Some("limit"),
        )
        .await;
    }
    for limit in ["0", "201", "x"] {
        check(
            format!("{c}/changes?limit={limit}"),
            422,
            "limit_invalid",
            Some("limit"),
        )
        .await;
        check(
            format!("/sync?limit={limit}"),
            422,
            "limit_invalid",
            Some("limit"),
        )
        .await;
    }
    for range in [
        "before=5&after=1",
        "before=5&around=1",
        "after=1&around=1",
        "before=1&after=1&around=1",
    ] {
        check(format!("{c}/messages?{range}"), 422, "range_invalid", None).await;
    }
    check(
        format!("{c}/messages?before=x"),
        422,
        "validation_failed",
        Some("before"),
    )
    .await;
    check(
        format!("{c}/messages?after=-1"),
        422,
        "validation_failed",
        Some("after"),
    )
    .await;
    check(
        format!("{c}/changes?after_rev=x"),
        422,
        "validation_failed",
        Some("after_rev"),
    )
    .await;
    check(
        format!("{c}/messages?before=1&before=2"),
        400,
        "bad_request",
        None,
    )
    .await;
    for cursor in ["x", "", "s", "%00", "l1", &"9".repeat(500)] {
        check(format!("/sync?cursor={cursor}"), 400, "cursor_invalid", None).await;
        check(
            format!("/conversations?cursor={cursor}"),
            400,
            "cursor_invalid",
            None,
        )
        .await;
    }
    check("/users".to_owned(), 422, "empty_query", Some("q")).await;
    check("/users?q=%20".to_owned(), 422, "empty_query", Some("q")).await;
    check(
        format!("/users?q={}", "x".repeat(201)),
        422,
        "query_too_long",
        Some("q"),
    )
    .await;
    check(
        "/presence?user_ids=1,x".to_owned(),
        422,
        "validation_failed",
        Some("user_ids"),
    )
    .await;
    check(
        "/presence?user_ids=0".to_owned(),
        422,
        "validation_failed",
        Some("user_ids"),
    )
    .await;
    let ids: Vec<_> = (1..=201).map(|id| id.to_string()).collect();
    check(
        format!("/presence?user_ids={}", ids.join(",")),
        422,
        "validation_failed",
        Some("user_ids"),
    )
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_store_that_is_away_is_a_reason_to_come_back() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    server.store.close().await.unwrap();
    for ask in [
        server.get("/config"),
        server.get("/me").by(&sam),
        server.get("/sync").by(&sam),
    ] {
        let answer = ask.send().await;
        refused(&answer, 503, "unavailable", None);
        assert!(answer.header("retry-after").is_some());
    }
    server.stop().await;
}
