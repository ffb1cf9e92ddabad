//! Bodies, batches, routes and methods that are not what they should be.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use super::{Scene, refused, scene};
use crate::support::{Ask, Server};

#[tokio::test]
async fn bodies_that_are_no_json_are_refused_everywhere() {
    let Scene {
        server,
        sam,
        conversation,
        ..
    } = scene().await;
    let messages = format!("/conversations/{conversation}/messages");
    let paths = [
        "/auth/register",
        "/auth/login",
        "/conversations",
        &messages,
        "/receipts",
        "/sync/changes",
    ];
    let bytes = |bytes: &'static [u8]| move || Body::from(bytes);
    for path in paths.into_iter().chain(["/realtime/auth"]) {
        let ask = || server.ask(Method::POST, path).by(&sam);
        let check = async |ask: Ask<'_>, status: u16, code: &str, field: Option<&str>| {
            refused(&ask.send().await, status, code, field);
        };
        let json = |body: Body| ask().body("application/json; charset=utf-8", body);
        for bad in [
            &b""[..],
            b"{",
            b"\xff\xfe",
            b"{\"body\":\"\xc3\x28\"}",
            b"{\"\xff\":1}",
            b"NaN",
            b"{'a':1}",
        ] {
            check(json(bytes(bad)()), 400, "bad_request", None).await;
        }
        check(
            json(Body::from("[".repeat(50_000))),
            422,
            "validation_failed",
            Some("$"),
        )
        .await;
        check(json(Body::from("null")), 422, "validation_failed", Some("$")).await;
        check(
            json(Body::from(vec![b' '; 10 << 20])),
            413,
            "payload_too_large",
            None,
        )
        .await;
        check(
            ask().body("text/plain", "{}"),
            415,
            "unsupported_media_type",
            None,
        )
        .await;
        check(
            ask().body("application/jsonp", "{}"),
            415,
            "unsupported_media_type",
            None,
        )
        .await;
        if path.starts_with("/realtime") {
            let form = "application/x-www-form-urlencoded";
            let large = format!("socket_id={}", "1".repeat(10 << 20));
            check(ask().body(form, large), 413, "payload_too_large", None).await;
        } else {
            check(
                ask().body("application/x-www-form-urlencoded", "a=b"),
                415,
                "unsupported_media_type",
                None,
            )
            .await;
            check(ask(), 415, "unsupported_media_type", None).await;
        }
    }
    let twice = r#"{"username":"anna","username":"anna","password":"correct horse"}"#;
    let answer = server
        .ask(Method::POST, "/auth/register")
        .body("application/json", twice)
        .send()
        .await;
    refused(&answer, 422, "validation_failed", Some("username"));
    let deep = format!("{{\"surplus\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let answer = server
        .ask(Method::POST, "/auth/login")
        .body("application/json", deep)
        .send()
        .await;
    assert!(answer.status == 400 || answer.status == 422, "{}", answer.text);
    server.stop().await;
}

#[tokio::test]
async fn batches_are_bounded_and_their_items_checked() {
    let Scene { server, sam, .. } = scene().await;
    let items = |item: Value, count: usize| json!({"items": vec![item; count]});
    for path in ["/receipts", "/sync/changes"] {
        let post = async |given: Value, field: &str| {
            refused(
                &server.post(path, &given).by(&sam).send().await,
                422,
                "validation_failed",
                Some(field),
            );
        };
        post(items(json!({"conversation_id": 1}), 101), "items").await;
        post(json!({}), "items").await;
        post(json!({"items": {}}), "items").await;
        post(items(json!({}), 1), "items[0].conversation_id").await;
        post(
            items(json!({"conversation_id": "1"}), 1),
            "items[0].conversation_id",
        )
        .await;
        post(items(json!([1, 2, 3]), 1), "items[0]").await;
        post(items(json!(null), 1), "items[0]").await;
    }
    let negative = items(json!({"conversation_id": 1, "seen_seq": -1}), 1);
    let answer = server.post("/receipts", &negative).by(&sam).send().await;
    refused(&answer, 422, "validation_failed", Some("items[0].seen_seq"));
    server.stop().await;
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_too() {
    let server = Server::start().await;
    for path in ["", "/", "/nothing", "/conversations/1/nothing", "/config/"] {
        refused(&server.get(path).send().await, 404, "not_found", None);
    }
    let allowed = [
        (Method::PUT, "/conversations/1", "GET,HEAD,PATCH,DELETE"),
        (Method::PUT, "/conversations", "GET,HEAD,POST"),
        (Method::GET, "/auth/login", "POST"),
        (Method::PUT, "/me", "GET,HEAD,PATCH,DELETE"),
    ];
    for (method, path, allow) in allowed {
        let answer = server.ask(method, path).send().await;
        refused(&answer, 405, "method_not_allowed", None);
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
    let named = server
        .get("/nothing")
        .header("x-request-id", "mine-1")
        .send()
        .await;
    assert_eq!(named.json["request_id"], "mine-1");
    let made = server
        .get("/config")
        .header("x-request-id", "<script>")
        .send()
        .await;
    let id: uuid::Uuid = made.header("x-request-id").unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    server.stop().await;
}
