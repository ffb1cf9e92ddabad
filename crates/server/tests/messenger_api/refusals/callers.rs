//! Who may call at all, and how often.

use axum::http::Method;
use chinwag_messenger::{Options, Registration};
use chinwag_server::messenger::{ApiOptions, RateLimits};
use serde_json::{Value, json};

use super::{Scene, refused, scene};
use crate::support::{Answer, Person, Server, Setup};

#[tokio::test]
async fn nothing_is_told_without_a_valid_token() {
    let Scene {
        server,
        sam,
        conversation,
        ..
    } = scene().await;
    let protected = [
        (Method::POST, "/auth/logout".to_owned()),
        (Method::GET, "/me".to_owned()),
        (Method::GET, "/users?q=sam".to_owned()),
        (Method::GET, format!("/users/{}", sam.id)),
        (Method::GET, "/presence?user_ids=1".to_owned()),
        (Method::GET, "/conversations".to_owned()),
        (Method::POST, "/conversations".to_owned()),
        (Method::GET, format!("/conversations/{conversation}")),
        (Method::GET, format!("/conversations/{conversation}/members")),
        (Method::PATCH, format!("/conversations/{conversation}")),
        (Method::DELETE, format!("/conversations/{conversation}")),
        (Method::PATCH, format!("/conversations/{conversation}/me")),
        (Method::POST, format!("/conversations/{conversation}/clear")),
        (Method::POST, format!("/conversations/{conversation}/leave")),
        (Method::POST, format!("/conversations/{conversation}/members")),
        (Method::PATCH, format!("/conversations/{conversation}/members/1")),
        (Method::DELETE, format!("/conversations/{conversation}/members/1")),
        (Method::POST, format!("/conversations/{conversation}/transfer")),
        (Method::GET, format!("/conversations/{conversation}/bans")),
        (Method::DELETE, format!("/conversations/{conversation}/bans/1")),
        (Method::GET, format!("/conversations/{conversation}/invites")),
        (Method::POST, format!("/conversations/{conversation}/invites")),
        (Method::GET, "/invites/x".to_owned()),
        (Method::DELETE, "/invites/x".to_owned()),
        (Method::POST, "/invites/x/join".to_owned()),
        (Method::POST, format!("/conversations/{conversation}/read")),
        (Method::GET, format!("/conversations/{conversation}/messages")),
        (Method::POST, format!("/conversations/{conversation}/messages")),
        (Method::GET, format!("/conversations/{conversation}/changes")),
        (Method::GET, "/messages/1".to_owned()),
        (Method::POST, "/receipts".to_owned()),
        (Method::GET, "/sync".to_owned()),
        (Method::POST, "/sync/changes".to_owned()),
        (Method::GET, "/realtime/config".to_owned()),
        (Method::POST, "/realtime/auth".to_owned()),
    ];
    for (method, path) in protected {
        refused(
            &server.ask(method, &path).send().await,
            401,
            "unauthenticated",
            None,
        );
    }
    let (id, secret) = sam.token.split_once('|').unwrap();
    let swapped: String = secret.chars().rev().collect();
    let long = "x".repeat(10_000);
    let faulty = [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic c2FtOng=",
        &format!("Bearer {id}|{swapped}"),
        "Bearer |",
        &format!("Bearer 99999|{secret}"),
        &format!("Bearer {secret}"),
        &format!("Bearer {long}"),
        &format!("Bearer 99999999999999999999999|{secret}"),
    ]
    .map(str::to_owned);
    for value in faulty {
        refused(
            &server.get("/me").header("authorization", &value).send().await,
            401,
            "unauthenticated",
            None,
        );
    }
    // A faulty header is not made good by a cookie.
    let both = server
        .get("/me")
        .header("authorization", "Bearer x")
        .header("cookie", &session(&sam));
    refused(&both.send().await, 401, "unauthenticated", None);
    server.stop().await;
}

fn session(person: &Person) -> String {
    format!("theme=dark; chinwag_session={}", person.token)
}

#[tokio::test]
async fn a_cookie_needs_proof_that_the_page_is_ours() {
    let Scene {
        server,
        sam,
        conversation,
        ..
    } = scene().await;
    let credentials = json!({"username": "sam", "password": "correct horse", "cookie": true});
    let answer = server.post("/auth/login", &credentials).send().await;
    assert_eq!(
        (answer.status, &answer.json["token"]),
        (200, &Value::Null),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("token"));
    let cookies: Vec<_> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|c| c.to_str().unwrap())
        .collect();
    assert!(
        cookies[0].starts_with("chinwag_session=") && cookies[0].contains("HttpOnly"),
        "{cookies:?}"
    );
    assert!(
        cookies[1].starts_with("XSRF-TOKEN=") && !cookies[1].contains("HttpOnly"),
        "{cookies:?}"
    );
    for cookie in &cookies {
        assert!(cookie.contains("SameSite=Lax") && cookie.contains("Path=/") && !cookie.contains("Secure"));
    }
    let session = format!("chinwag_session={}", answer.cookie("chinwag_session").unwrap());
    let csrf = answer.cookie("XSRF-TOKEN").unwrap();
    let other = server
        .post("/auth/login", &credentials)
        .send()
        .await
        .cookie("XSRF-TOKEN")
        .unwrap();
    assert_ne!(csrf, other);

    let own = json!({"kind": "direct", "user_id": sam.id});
    let read = format!("/conversations/{conversation}/read");
    let channel = json!({"socket_id": "1.2", "channel_name": sam.channel()});
    let changes = || {
        [
            server.post("/conversations", &own),
            server.ask(Method::POST, &read),
            server.post("/receipts", &json!({"items": []})),
            server.post("/realtime/auth", &channel),
            server.ask(Method::POST, "/auth/logout"),
        ]
    };
    for proof in [None, Some(""), Some("x"), Some(&csrf[1..]), Some(&*other)] {
        for change in changes() {
            let change = change.header("cookie", &session);
            let change = match proof {
                Some(proof) => change.header("x-csrf-token", proof),
                None => change,
            };
            refused(&change.send().await, 403, "csrf_invalid", None);
        }
    }
    assert_eq!(
        server.get("/me").header("cookie", &session).send().await.status,
        200
    );
    assert_eq!(
        server
            .ask_exactly(Method::POST, "/broadcasting/auth")
            .body("application/json", channel.to_string())
            .header("cookie", &session)
            .send()
            .await
            .status,
        200
    );
    for change in changes() {
        let answer = change
            .header("cookie", &session)
            .header("x-csrf-token", &csrf)
            .send()
            .await;
        assert!(answer.status < 300, "{}", answer.text);
        if answer.status == 204 {
            assert_eq!(answer.cookie("chinwag_session").as_deref(), Some(""));
            assert_eq!(answer.cookie("XSRF-TOKEN").as_deref(), Some(""));
        }
    }
    refused(
        &server.get("/me").header("cookie", &session).send().await,
        401,
        "unauthenticated",
        None,
    );
    server.stop().await;
}

#[tokio::test]
async fn cookies_are_secure_behind_a_trusted_proxy_with_tls() {
    let mut setup = Setup::default();
    setup.api = ApiOptions {
        trust_proxy: true,
        ..setup.api
    };
    let server = Server::start_with(setup).await;
    let given = json!({"username": "sam", "password": "correct horse", "cookie": true});
    let answer = server
        .post("/auth/register", &given)
        .header("x-forwarded-proto", "https")
        .send()
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    for cookie in answer.headers.get_all("set-cookie") {
        assert!(cookie.to_str().unwrap().ends_with("; Secure"));
    }
    server.stop().await;
}

#[tokio::test]
async fn registering_and_logging_in_have_their_refusals() {
    let server = Server::start().await;
    server.person("sam").await;
    let register = async |given: Value, status: u16, code: &str, field: Option<&str>| {
        refused(
            &server.post("/auth/register", &given).send().await,
            status,
            code,
            field,
        );
    };
    let with = |username: &str, password: &str| json!({"username": username, "password": password});
    register(with("SAM", "correct horse"), 409, "username_taken", None).await;
    register(
        with("sa", "correct horse"),
        422,
        "username_invalid",
        Some("username"),
    )
    .await;
    register(
        with("-sam", "correct horse"),
        422,
        "username_invalid",
        Some("username"),
    )
    .await;
    register(
        with("sam\u{0}", "correct horse"),
        422,
        "username_invalid",
        Some("username"),
    )
    .await;
    register(
        with("everyone", "correct horse"),
        422,
        "username_reserved",
        Some("username"),
    )
    .await;
    register(with("anna", "short"), 422, "password_too_short", Some("password")).await;
    register(with("anna", "password"), 422, "password_common", Some("password")).await;
    register(
        with("anna", &"x".repeat(2_000)),
        422,
        "password_too_long",
        Some("password"),
    )
    .await;
    let mut unseen = with("anna", "correct horse");
    unseen["display_name"] = json!(" \u{200b} ");
    register(unseen.clone(), 422, "display_name_invalid", Some("display_name")).await;
    unseen["display_name"] = json!("x".repeat(65));
    register(unseen, 422, "display_name_invalid", Some("display_name")).await;
    register(
        json!({"password": "correct horse"}),
        422,
        "validation_failed",
        Some("username"),
    )
    .await;
    register(
        json!({"username": 5, "password": "x"}),
        422,
        "validation_failed",
        Some("username"),
    )
    .await;
    register(
        json!({"username": "anna", "password": null}),
        422,
        "validation_failed",
        Some("password"),
    )
    .await;
    let odd = json!({"username": "anna", "password": "correct horse", "cookie": "yes"});
    register(odd, 422, "validation_failed", Some("cookie")).await;

    let log_in = async |username: &str, password: &str| {
        server.post("/auth/login", &with(username, password)).send().await
    };
    let (unknown, wrong) = (
        log_in("nobody-here", "correct horse").await,
        log_in("sam", "wrong horse").await,
    );
    refused(&unknown, 401, "invalid_credentials", None);
    refused(&wrong, 401, "invalid_credentials", None);
    assert_eq!(unknown.json["detail"], wrong.json["detail"]);
    for _ in 0..9 {
        log_in("sam", "wrong horse").await;
    }
    let limited = log_in("sam", "correct horse").await;
    refused(&limited, 429, "rate_limited", None);
    assert!(limited.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    server.stop().await;
}

#[tokio::test]
async fn a_closed_server_takes_its_owner_and_nobody_else() {
    let messenger = Options {
        registration: Registration::Closed,
        group_members_max: 2,
        ..Options::default()
    };
    let server = Server::start_with(Setup {
        messenger,
        ..Setup::default()
    })
    .await;
    server.person("sam").await;
    let given = json!({"username": "anna", "password": "correct horse"});
    refused(
        &server.post("/auth/register", &given).send().await,
        403,
        "registration_closed",
        None,
    );
    assert_eq!(server.get("/config").send().await.json["registration"], "closed");
    server.stop().await;
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let mut setup = Setup::default();
    setup.api.rate_limits = RateLimits {
        sends_per_conversation_5s: 2,
        sends_per_minute: 3,
        uploads_per_hour: 0,
        writes_per_minute: 4,
        reads_per_minute: 5,
        ..RateLimits::unlimited()
    };
    let server = Server::start_with(setup).await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let limited = |answer: &Answer, bucket: &str, limit: &str| {
        refused(answer, 429, "rate_limited", None);
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
        assert_eq!(answer.header("x-ratelimit-bucket"), Some(bucket));
        assert_eq!(answer.header("x-ratelimit-limit"), Some(limit));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
        assert!(answer.header("x-ratelimit-reset").is_some());
    };
    let (one, two) = (server.direct(&sam, &anna).await, server.direct(&sam, &sam).await);
    let send = async |conversation: i64| {
        let given = json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": "hi"});
        server
            .post(&format!("/conversations/{conversation}/messages"), &given)
            .by(&sam)
            .send()
            .await
    };
    assert_eq!(send(one).await.header("x-ratelimit-remaining"), Some("1"));
    assert_eq!(send(one).await.status, 201);
    limited(&send(one).await, "conversation_sends", "2");
    assert_eq!(send(two).await.status, 201);
    limited(&send(two).await, "sends", "3");

    let me = async || server.get("/me").by(&sam).send().await;
    for left in (0..5).rev() {
        assert_eq!(
            me().await.header("x-ratelimit-remaining"),
            Some(&*left.to_string())
        );
    }
    limited(&me().await, "reads", "5");
    assert_eq!(server.get("/me").by(&anna).send().await.status, 200);

    let open = async || {
        server
            .post("/conversations", &json!({"kind": "group", "title": "x"}))
            .by(&sam)
            .send()
            .await
    };
    assert_eq!((open().await.status, open().await.status), (201, 201));
    limited(&open().await, "writes", "4");

    let given = json!({"username": "sam", "password": "wrong horse"});
    let log_in = async || server.post("/auth/login", &given).send().await;
    assert_eq!((log_in().await.status, log_in().await.status), (401, 401));
    limited(&log_in().await, "address", "4");
    server.stop().await;
}
