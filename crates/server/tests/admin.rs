//! The console as scripts and the web UI see it: its answers, and its silence towards everyone else.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "messenger_api/contract.rs"]
mod contract;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use chinwag_backends::SqlStore;
use chinwag_engine::{
    App, AppOptions, Beginning, ChannelName, Content, Engine, Inbox, Inboxed, KeyPair, Sample, Secret,
    Statistics,
};
use chinwag_messenger::{Messenger, NewAccount, Options, ServerRole};
use chinwag_server::apps::AppAdmin;
use chinwag_server::messenger::admin::Console;
use chinwag_server::messenger::apps::AppsApi;
use chinwag_server::messenger::presence::{Presence, PresenceOptions};
use chinwag_server::messenger::{ApiOptions, MessengerApi, RateLimits, feed};
use chinwag_server::metrics::{self, Health};
use chinwag_server::pusher::{PusherApi, Rates, nobody};
use chinwag_server::{Quota, WorkerOptions, Workers, router};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

struct Server {
    engine: Arc<Engine>,
    shop: Arc<App>,
    messenger_app: Arc<App>,
    store: Arc<SqlStore>,
    workers: Arc<Workers>,
    messenger: Arc<Messenger>,
    router: Router,
    operators: Router,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: u16,
    kind: String,
    location: String,
    text: String,
    json: Value,
}

fn keys(of: &str) -> Vec<KeyPair> {
    vec![KeyPair {
        key: format!("{of}-key"),
        secret: Secret::new(&format!("{of}-very-secret")),
    }]
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqlStore::open(&folder.path().join("chinwag.db")).await.unwrap();
        let store = Arc::new(store);
        let engine = Arc::new(Engine::in_memory());
        let add = |id: &str| {
            let options = AppOptions::default();
            engine.apps.add(id, keys(id), options, Vec::new()).unwrap()
        };
        let (shop, messenger_app) = (add("shop"), add("messenger"));
        let (event_feed, _task) = feed::channel();
        let messenger = Messenger::new(store.clone(), Arc::new(event_feed), Options::default());
        let messenger = Arc::new(messenger);
        let options = ApiOptions {
            rate_limits: RateLimits::unlimited(),
            ..ApiOptions::default()
        };
        let presence = Presence::new(messenger_app.number, PresenceOptions::default());
        let api = MessengerApi::new(
            messenger.clone(),
            engine.clone(),
            messenger_app.clone(),
            presence,
            options,
        );
        let workers = Arc::new(Workers::start(1, &engine, WorkerOptions::default()).unwrap());
        let pusher = Arc::new(PusherApi {
            engine: engine.clone(),
            workers: workers.clone(),
            quota: Arc::new(Quota::new(1, 100)),
            prefix: String::new(),
            body_bytes_max: 64 * 1024,
            tasks: TaskTracker::new(),
            rates: Rates::default(),
            nobody: nobody(),
        });
        let stop = CancellationToken::new();
        let health = Arc::new(Health {
            workers: workers.clone(),
            statistics: store.clone(),
            pushes: None,
            stop: stop.clone(),
        });
        let console = Arc::new(Console {
            messenger: api.clone(),
            pusher: pusher.clone(),
            statistics: store.clone(),
        });
        let admin = AppAdmin::new(store.clone(), ["shop".to_owned(), "messenger".to_owned()]);
        let router = router(
            pusher,
            api.clone(),
            AppsApi::new(api, admin),
            console,
            health.clone(),
        );
        Self {
            engine,
            shop,
            messenger_app,
            store,
            workers,
            messenger,
            router,
            operators: metrics::router(health),
            stop,
            _folder: folder,
        }
    }

    /// A new account of this role, logged in. The first one is the owner whatever is asked for.
    async fn person(&self, username: &str, role: Option<ServerRole>) -> String {
        let new = NewAccount {
            username: username.to_owned(),
            display_name: None,
            password: "correct horse".to_owned(),
            invite: None,
            device_name: "desk".to_owned(),
        };
        self.messenger.add_account(new, role).await.unwrap();
        let body = json!({"username": username, "password": "correct horse"});
        let answer = self
            .ask(Method::POST, "/api/v1/auth/login", None, Some(&body))
            .await;
        answer.json["token"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        let mut request = Request::builder().method(method.clone()).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            None => Body::empty(),
            Some(json) => {
                request = request.header("content-type", "application/json");
                Body::from(json.to_string())
            }
        };
        let router = if path == "/metrics" {
            &self.operators
        } else {
            &self.router
        };
        let response = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let header = |name: &str| {
            let value = parts.headers.get(name).map(|value| value.to_str().unwrap());
            value.unwrap_or_default().to_owned()
        };
        let status = parts.status.as_u16();
        contract::check(&method, path, status, Some(&header("content-type")), &text);
        Answer {
            status,
            kind: header("content-type"),
            location: header("location"),
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask(Method::GET, path, Some(token), None).await
    }

    async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, Some(token), Some(body)).await
    }

    /// Somebody listens to these channels of the shop.
    async fn listen(&self, channels: &[&str]) -> mpsc::UnboundedReceiver<Inboxed> {
        struct Sender(mpsc::UnboundedSender<Inboxed>);
        impl Inbox for Sender {
            fn put(&self, item: Inboxed) {
                let _ = self.0.send(item);
            }

            fn is_full(&self) -> bool {
                false
            }
        }
        let (sender, inbox) = mpsc::unbounded_channel();
        let worker = self.engine.node().add_worker(Arc::new(Sender(sender)));
        for channel in channels {
            let channel = ChannelName::parse(channel).unwrap();
            self.engine
                .subscribe(
                    worker,
                    "1.2".parse().unwrap(),
                    &self.shop,
                    &channel,
                    None,
                    Beginning::default(),
                )
                .await
                .unwrap();
        }
        inbox
    }

    async fn end(self) {
        self.workers.stop().await;
    }
}

const ROUTES: [(&str, &str); 6] = [
    ("GET", "/api/v1/admin/stats"),
    ("GET", "/api/v1/admin/engine/apps"),
    ("GET", "/api/v1/admin/apps/shop/channels"),
    ("GET", "/api/v1/admin/apps/nowhere/channels"),
    ("POST", "/api/v1/admin/apps/shop/events"),
    ("GET", "/laravel-websockets/api/shop/statistics"),
];

#[tokio::test]
async fn only_administrators_get_in() {
    let server = Server::start().await;
    let owner = server.person("olga", Some(ServerRole::Owner)).await;
    let admin = server.person("anna", Some(ServerRole::Admin)).await;
    let member = server.person("mark", Some(ServerRole::Member)).await;
    let event = json!({"channel": "room", "name": "e", "data": {}});
    for (method, path) in ROUTES {
        let method: Method = method.parse().unwrap();
        let body = (method == Method::POST).then_some(&event);
        let stranger = server.ask(method.clone(), path, None, body).await;
        assert_eq!(
            (stranger.status, &stranger.json["code"]),
            (401, &json!("unauthenticated")),
            "{path}"
        );
        let refused = server.ask(method.clone(), path, Some(&member), body).await;
        assert_eq!(
            (refused.status, &refused.json["code"]),
            (403, &json!("forbidden")),
            "{path}"
        );
        assert_eq!(refused.kind, "application/problem+json");
        assert!(refused.json["request_id"].is_string(), "{path}");
        for token in [&owner, &admin] {
            let answer = server.ask(method.clone(), path, Some(token), body).await;
            let expected = if path.contains("nowhere") { 404 } else { 200 };
            assert_eq!(answer.status, expected, "{path}: {}", answer.text);
            assert!(!answer.text.contains("secret"), "{path}: {}", answer.text);
        }
    }
    let wrong = server
        .ask(Method::DELETE, "/api/v1/admin/engine/apps", Some(&owner), None)
        .await;
    assert_eq!(
        (wrong.status, &wrong.json["code"]),
        (405, &json!("method_not_allowed"))
    );
    let unknown = server.get("/api/v1/admin/nothing", &owner).await;
    assert_eq!(
        (unknown.status, &unknown.json["code"]),
        (404, &json!("not_found"))
    );
    server.end().await;
}

#[tokio::test]
async fn the_log_is_for_administrators_only() {
    let server = Server::start().await;
    let owner = server.person("olga", Some(ServerRole::Owner)).await;
    let member = server.person("mark", Some(ServerRole::Member)).await;
    let wish = json!({"socket_id": "1.2", "channel_name": "private-admin-log"});
    let granted = server.post("/api/v1/realtime/auth", &owner, &wish).await;
    assert_eq!(granted.status, 200, "{}", granted.text);
    assert!(
        granted.json["auth"]
            .as_str()
            .unwrap()
            .starts_with("messenger-key:")
    );
    let refused = server.post("/api/v1/realtime/auth", &member, &wish).await;
    assert_eq!(
        (refused.status, &refused.json["code"]),
        (403, &json!("forbidden"))
    );
    server.end().await;
}

#[tokio::test]
async fn statistics_have_a_place_for_each_step() {
    let server = Server::start().await;
    let owner = server.person("olga", Some(ServerRole::Owner)).await;
    for (period, step_s, steps) in [
        ("1h", 10, 360),
        ("6h", 600, 36),
        ("24h", 600, 144),
        ("7d", 600, 1_008),
    ] {
        let answer = server
            .get(&format!("/api/v1/admin/stats?period={period}"), &owner)
            .await
            .json;
        assert_eq!(
            (&answer["period"], &answer["step_s"]),
            (&json!(period), &json!(step_s))
        );
        let series = answer["apps"][0]["series"].as_object().unwrap();
        let names: Vec<_> = series.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "api_messages",
                "connections_peak",
                "frames_received",
                "messages_sent"
            ]
        );
        assert!(series.values().all(|row| row.as_array().unwrap().len() == steps));
    }
    let answer = server.get("/api/v1/admin/stats", &owner).await.json;
    let mut fields: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let expected = [
        "apps",
        "channels",
        "connections",
        "counts",
        "from",
        "memory_bytes",
        "period",
        "started_at",
        "step_s",
        "strangers_refused",
        "uptime_s",
        "version",
        "workers",
    ];
    assert_eq!(fields, expected);
    let counts = json!({"users": 1, "suspended": 0, "conversations": 0, "messages": 0, "open_reports": 0});
    assert_eq!(answer["counts"], counts);
    let totals = json!({
        "connections": 0, "opened": 0, "frames_received": 0, "bytes_received": 0, "messages_sent": 0,
        "bytes_sent": 0, "client_events": 0, "api_messages": 0, "refusals": 0,
        "closed": {"gone": 0, "refused": 0, "slow": 0, "silent": 0, "broken": 0, "ordered": 0, "stopping": 0},
    });
    assert_eq!(answer["apps"][0]["totals"], totals);
    assert_eq!(
        (&answer["apps"][0]["internal"], &answer["apps"][1]["internal"]),
        (&json!(false), &json!(true))
    );
    let wrong = server.get("/api/v1/admin/stats?period=1y", &owner).await;
    assert_eq!(
        (wrong.status, &wrong.json["code"]),
        (422, &json!("period_invalid"))
    );
    server.end().await;
}

#[tokio::test]
async fn apps_and_channels_are_listed_without_secrets() {
    let server = Server::start().await;
    let owner = server.person("olga", Some(ServerRole::Owner)).await;
    let _inbox = server.listen(&["b", "a", "private-c", "#hidden"]).await;
    let apps = server.get("/api/v1/admin/engine/apps", &owner).await.json;
    let shop = json!({"id": "shop", "key": "shop-key", "enabled": true, "internal": false, "connections": 0,
        "channels": 3});
    assert_eq!(apps["items"][0], shop);
    let path = "/api/v1/admin/apps/shop/channels";
    let one = |name: &str| json!({"name": name, "subscribers": 1});
    let page = server.get(&format!("{path}?limit=2"), &owner).await.json;
    assert_eq!(page, json!({"items": [one("a"), one("b")], "next_cursor": "b"}));
    let page = server.get(&format!("{path}?limit=2&cursor=b"), &owner).await.json;
    assert_eq!(page, json!({"items": [one("private-c")], "next_cursor": null}));
    let page = server.get(&format!("{path}?prefix=private-"), &owner).await.json;
    assert_eq!(page["items"], json!([one("private-c")]));
    let wrong = server.get(&format!("{path}?limit=101"), &owner).await;
    assert_eq!(
        (wrong.status, &wrong.json["code"]),
        (422, &json!("limit_invalid"))
    );
    server.end().await;
}

#[tokio::test]
async fn the_event_creator_keeps_to_the_rules_of_the_api() {
    let server = Server::start().await;
    let owner = server.person("olga", Some(ServerRole::Owner)).await;
    let mut inbox = server.listen(&["room"]).await;
    let path = "/api/v1/admin/apps/shop/events";
    let event = json!({"channel": "room", "name": "moved", "data": {"x": 1}});
    let answer = server.post(path, &owner, &event).await;
    assert_eq!(
        answer.json,
        json!({"channel": "room", "subscribers": 1}),
        "{}",
        answer.text
    );
    let Inboxed::Delivery(delivery) = inbox.recv().await.unwrap() else {
        panic!("no delivery");
    };
    let Content::Message { event, data } = &delivery.publication.content else {
        panic!("{delivery:?}");
    };
    assert_eq!((event.as_deref(), &data[..]), (Some("moved"), &br#"{"x":1}"#[..]));
    assert_eq!(
        server.workers.traffic().totals(server.shop.number).api_messages,
        1
    );

    let big = "x".repeat(20_000);
    let faults = [
        (
            json!({"channel": "a room", "name": "e", "data": 1}),
            "channel",
            "channel_invalid",
        ),
        (
            json!({"channel": "room", "name": "pusher:ping", "data": 1}),
            "name",
            "event_name_invalid",
        ),
        (
            json!({"channel": "room", "name": "", "data": 1}),
            "name",
            "event_name_invalid",
        ),
        (
            json!({"channel": "room", "name": "e", "data": big}),
            "data",
            "event_too_large",
        ),
    ];
    for (event, field, code) in faults {
        let answer = server.post(path, &owner, &event).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (422, &json!(code)),
            "{}",
            answer.text
        );
        assert_eq!(answer.json["errors"], json!([{"field": field, "code": code}]));
    }
    let answer = server.post(path, &owner, &json!({"channel": "room"})).await;
    assert_eq!(
        (answer.status, &answer.json["code"]),
        (422, &json!("validation_failed"))
    );

    let forged = json!({"channel": "private-user.1", "name": "message.created", "data": {}});
    let answer = server
        .post("/api/v1/admin/apps/messenger/events", &owner, &forged)
        .await;
    assert_eq!(
        (answer.status, &answer.json["code"]),
        (403, &json!("app_internal"))
    );
    assert_eq!(
        server
            .workers
            .traffic()
            .totals(server.messenger_app.number)
            .api_messages,
        0
    );
    server.end().await;
}

#[tokio::test]
async fn the_old_dashboard_has_its_statistics_and_leads_here() {
    let server = Server::start().await;
    let owner = server.person("olga", Some(ServerRole::Owner)).await;
    let sample = |n: u64| Sample {
        app: "shop".to_owned(),
        at_s: 1_767_323_040 + 60 * n as i64,
        connections_peak: n,
        frames_received: 10 * n,
        api_messages: 100 * n,
        messages_sent: 0,
    };
    server
        .store
        .keep(&(0..130).map(sample).collect::<Vec<_>>())
        .await
        .unwrap();
    let path = "/laravel-websockets/api/shop/statistics";
    let answer = server.get(path, &owner).await.json;
    for (name, factor) in [
        ("peak_connections", 1),
        ("websocket_message_count", 10),
        ("api_message_count", 100),
    ] {
        let (x, y) = (&answer[name]["x"], answer[name]["y"].as_array().unwrap());
        assert_eq!(
            (y.len(), &y[0], &y[119]),
            (120, &json!(10 * factor), &json!(129 * factor)),
            "{name}"
        );
        assert_eq!(x[0], "2026-01-02 03:14:00");
    }
    let moved = server.ask(Method::GET, "/laravel-websockets", None, None).await;
    assert_eq!((moved.status, moved.location.as_str()), (303, "/admin"));
    server.end().await;
}

#[tokio::test]
async fn probes_and_metrics_answer_those_who_watch_over_the_server() {
    let server = Server::start().await;
    for (path, text) in [("/health", "OK"), ("/ready", "OK")] {
        let answer = server.ask(Method::GET, path, None, None).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, text), "{path}");
    }
    server.post("/api/v1/nothing", "", &json!({})).await;
    let owner = server.person("olga", Some(ServerRole::Owner)).await;
    let event = json!({"channel": "room", "name": "e", "data": {}});
    server
        .post("/api/v1/admin/apps/shop/events", &owner, &event)
        .await;
    let metrics = server.ask(Method::GET, "/metrics", None, None).await;
    for line in [
        "# TYPE chinwag_websocket_connections gauge",
        "# TYPE chinwag_websocket_sent_bytes counter",
        "chinwag_api_messages_total{app=\"shop\"} 1",
        "chinwag_websocket_connections{app=\"shop\",protocol=\"pusher\"} 0",
        "chinwag_websocket_connections_closed_total{app=\"shop\",protocol=\"pusher\",reason=\"slow\"} 0",
    ] {
        assert!(
            metrics.text.lines().any(|one| one == line),
            "{line} in {}",
            metrics.text
        );
    }
    assert!(metrics.text.ends_with("# EOF\n") && !metrics.text.contains("secret"));
    server.stop.cancel();
    let stopping = server.ask(Method::GET, "/ready", None, None).await;
    assert_eq!(stopping.status, 503);
    server.end().await;
}

#[tokio::test]
async fn a_server_whose_store_is_closed_is_not_ready() {
    let server = Server::start().await;
    server.store.close().await.unwrap();
    let answer = server.ask(Method::GET, "/ready", None, None).await;
    assert_eq!(answer.status, 503);
    server.end().await;
}

#[tokio::test]
async fn every_route_of_the_api_is_in_the_document_and_wants_a_login_unless_it_says_so() {
    let server = Server::start().await;
    // axum tells its routes to nobody else.
    let told = format!("{:?}", server.router);
    let paths: std::collections::BTreeSet<_> = told
        .split('"')
        .filter_map(|path| path.strip_prefix("/api/v1"))
        .filter(|path| !path.contains("{*__private") && !["", "/"].contains(path))
        .collect();
    let document = chinwag_server::messenger::openapi::document()["paths"]
        .as_object()
        .unwrap();
    let documented: std::collections::BTreeSet<_> = document.keys().map(String::as_str).collect();
    assert_eq!(paths, documented);
    for path in paths {
        let uri = format!("/api/v1{}", path.replace(['{', '}'], ""));
        let request = Request::builder()
            .method(Method::TRACE)
            .uri(uri)
            .body(Body::empty());
        let answer = server.router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        let allowed = answer.headers()["allow"].to_str().unwrap().to_ascii_lowercase();
        let mut allowed: Vec<_> = allowed.split(',').filter(|method| *method != "head").collect();
        allowed.sort_unstable();
        let operations = document[path].as_object().unwrap();
        assert_eq!(allowed, operations.keys().collect::<Vec<_>>(), "{path}");
        let uri = format!("/api/v1{}", path.replace(['{', '}'], ""));
        for (method, operation) in operations {
            // What needs no login says so.
            if operation["security"] == json!([{}]) {
                continue;
            }
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            let answer = server.ask(method.clone(), &uri, None, None).await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (401, &json!("unauthenticated")),
                "{method} {path}"
            );
        }
    }
    server.end().await;
}
