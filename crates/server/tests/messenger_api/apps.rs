//! The apps of the store as administrators see them, and a running engine that follows.

use axum::http::Method;
use chinwag_engine::{Engine, Inboxed};
use chinwag_server::apps::AppLoader;
use serde_json::{Value, json};

use crate::support::{Answer, Person, Server};

async fn create(server: &Server, by: &Person, id: &str, settings: Value) -> Answer {
    let given = json!({"id": id, "settings": settings});
    server.post("/admin/apps", &given).by(by).send().await
}

async fn patch(server: &Server, by: &Person, id: &str, settings: Value) -> Answer {
    let body = json!({ "settings": settings }).to_string();
    let ask = server.ask(Method::PATCH, &format!("/admin/apps/{id}"));
    ask.body("application/json", body).by(by).send().await
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn only_administrators_get_in() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    let member = server.person("mike").await;
    assert_eq!(
        code(&server.get("/admin/apps").send().await),
        (401, "unauthenticated")
    );
    let refused = server.get("/admin/apps").by(&member).send().await;
    assert_eq!(code(&refused), (403, "forbidden"));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(create(&server, &member, "7", json!({})).await.status, 403);
    let listed = server.get("/admin/apps").by(&owner).send().await;
    listed.check(200, &json!({"items": []}));
    server.stop().await;
}

#[tokio::test]
async fn a_secret_is_shown_once_and_values_of_headers_never() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    let webhooks = json!([{
        "url": "https://example.org/hook",
        "event_types": ["channel_occupied"],
        "channel_name_starts_with": "private-",
        "headers": {"Authorization": "Bearer hush"},
    }]);
    let created = create(
        &server,
        &owner,
        "shop-1",
        json!({"connections_max": 5, "webhooks": webhooks}),
    )
    .await;
    assert_eq!(created.status, 201, "{}", created.text);
    let (key, secret) = (
        &created.json["keys"][0]["key"],
        &created.json["keys"][0]["secret"],
    );
    assert_eq!(
        (key.as_str().unwrap().len(), secret.as_str().unwrap().len()),
        (20, 64)
    );
    let shown = server.get("/admin/apps/shop-1").by(&owner).send().await;
    shown.check(
        200,
        &json!({
            "id": "shop-1",
            "created_at": "<time>",
            "keys": [{"key": key, "retires_at": null}],
            "settings": {
                "connections_max": 5,
                "webhooks": [{
                    "url": "https://example.org/hook",
                    "event_types": ["channel_occupied"],
                    "channel_name_starts_with": "private-",
                    "channel_name_ends_with": "",
                    "headers": {"Authorization": null},
                }],
            },
        }),
    );
    let rotated = server
        .post("/admin/apps/shop-1/keys", &json!({"keep_s": 60}))
        .by(&owner);
    let rotated = rotated.send().await;
    assert_eq!(rotated.status, 201);
    assert!(rotated.json["keys"][0]["secret"].is_string());
    assert_eq!(rotated.json["keys"][1]["key"], *key);
    assert!(rotated.json["keys"][1]["retires_at"].is_string());
    let listed = server.get("/admin/apps").by(&owner).send().await;
    for answer in [&created, &shown, &rotated, &listed] {
        assert!(!answer.text.contains("hush"), "{}", answer.text);
    }
    assert!(!listed.text.contains("secret"), "{}", listed.text);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_field() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    assert_eq!(create(&server, &owner, "7", json!({})).await.status, 201);
    for (id, settings, status, expected) in [
        ("7", json!({}), 409, "app_id_taken"),
        ("messenger", json!({}), 409, "app_id_taken"),
        ("a b", json!({}), 422, "app_id_invalid"),
        ("8", json!({"colour": 1}), 422, "setting_invalid"),
        (
            "8",
            json!({"webhooks": [{"url": "gopher://x"}]}),
            422,
            "setting_invalid",
        ),
    ] {
        let refused = create(&server, &owner, id, settings).await;
        assert_eq!(code(&refused), (status, expected), "{}", refused.text);
    }
    let refused = patch(&server, &owner, "7", json!({"webhooks": [{"url": "x"}]})).await;
    assert_eq!(refused.json["errors"][0]["field"], "webhooks[0].url");
    assert_eq!(patch(&server, &owner, "8", json!({})).await.status, 404);
    let gone = server
        .ask(Method::DELETE, "/admin/apps/8")
        .by(&owner)
        .send()
        .await;
    assert_eq!(code(&gone), (404, "not_found"));
    let wrong = server.ask(Method::PUT, "/admin/apps/7").by(&owner).send().await;
    assert_eq!(code(&wrong), (405, "method_not_allowed"));
    server.stop().await;
}

fn keys(engine: &Engine, id: &str) -> Vec<String> {
    let app = engine.apps.by_id(id);
    app.map_or_else(Vec::new, |app| {
        app.keys.iter().map(|pair| pair.key.clone()).collect()
    })
}

#[tokio::test]
async fn a_running_engine_follows_the_store() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    let engine = &server.engine;
    let mut worker = server.worker();
    let mut loader = AppLoader::new(engine.clone(), server.store.clone(), Vec::new());
    loader.look().await.unwrap();
    let created = create(&server, &owner, "7", json!({"connections_max": 5})).await;
    assert!(engine.apps.by_id("7").is_none());
    loader.look().await.unwrap();
    let app = engine.apps.by_id("7").unwrap();
    assert_eq!(app.options.connections_max, 5);
    assert_eq!(app.key(), created.json["keys"][0]["key"]);
    assert!(!engine.node().observations().wants(app.number));

    // A replaced key stays for its grace; without one it is gone at once.
    let rotate = async |keep_s: u64| {
        let ask = server.post("/admin/apps/7/keys", &json!({ "keep_s": keep_s }));
        ask.by(&owner).send().await.json["keys"][0]["key"].clone()
    };
    let second = rotate(3_600).await;
    loader.look().await.unwrap();
    assert_eq!(json!(keys(engine, "7")), json!([second, app.key()]));
    let third = rotate(0).await;
    loader.look().await.unwrap();
    assert_eq!(json!(keys(engine, "7")), json!([third]));

    let hook = json!([{"url": "https://example.org"}]);
    let changed = patch(
        &server,
        &owner,
        "7",
        json!({"webhooks": hook, "connections_max": null}),
    )
    .await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    loader.look().await.unwrap();
    let replaced = engine.apps.by_id("7").unwrap();
    assert_eq!(
        (replaced.number, replaced.options.connections_max),
        (app.number, 0)
    );
    assert!(engine.node().observations().wants(app.number));

    // Nobody may stay in an app that is switched off or removed, not even who was on the way in.
    let closed = |item: Inboxed| assert!(matches!(item, Inboxed::CloseApp(closed) if closed == app.number));
    patch(&server, &owner, "7", json!({"enabled": false})).await;
    loader.look().await.unwrap();
    closed(worker.next().await);
    assert!(!engine.apps.by_id("7").unwrap().options.enabled);
    let removed = server
        .ask(Method::DELETE, "/admin/apps/7")
        .by(&owner)
        .send()
        .await;
    assert_eq!((removed.status, &*removed.text), (204, ""));
    loader.look().await.unwrap();
    closed(worker.next().await);
    closed(worker.next().await);
    assert!(engine.apps.by_id("7").is_none());
    assert!(!engine.node().observations().wants(app.number));
    loader.look().await.unwrap();
    closed(worker.next().await);
    assert!(engine.apps.by_id("messenger").is_some(), "others are not touched");
    server.stop().await;
}
