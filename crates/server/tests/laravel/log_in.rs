//! Sanctum: tokens, sessions in cookies, and what is refused there.

use crate::support::{Person, Server, Setup};
use crate::{FORM, cookies, get, invalid, post};
use axum::http::Method;
use chinwag_messenger::Options;
use chinwag_server::messenger::{ApiOptions, RateLimits};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn tokens_are_given_as_plain_text_and_open_the_api() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let given = json!({"email": " sam ", "password": "correct horse", "device_name": "phone"});
    for path in ["/sanctum/token", "/api/sanctum/token"] {
        let answer = post(&server, path, &given).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=UTF-8"));
        let phone = Person {
            id: sam.id,
            token: answer.text,
        };
        let user = get(&server, "/api/user").by(&phone).send().await;
        let fields = (&user.json["id"], &user.json["name"], &user.json["username"]);
        assert_eq!(fields, (&json!(sam.id), &json!("Sam Whitlock"), &json!("sam")));
        let created = user.json["created_at"].as_str().unwrap();
        assert_eq!((created.len(), &created[19..20], &created[26..]), (27, ".", "Z"));
        assert_eq!(server.get("/me").by(&phone).send().await.status, 200);
    }
    let form = "email=sam&password=correct+horse&device_name=phone";
    let answer = server
        .ask_exactly(Method::POST, "/sanctum/token?format=json")
        .body(FORM, form)
        .send()
        .await;
    assert_eq!(answer.json["user"]["id"], json!(sam.id), "{}", answer.text);
    assert!(answer.json["token"].as_str().unwrap().contains('|'));
    server.stop().await;
}

#[tokio::test]
async fn wrong_input_is_told_in_laravels_words() {
    let server = Server::start().await;
    server.person("sam").await;
    let wrong = "The provided credentials are incorrect.";
    for name in ["sam", "nobody", "sam@example.org"] {
        let given = json!({"email": name, "password": "wrong horse", "device_name": "x"});
        let answer = post(&server, "/sanctum/token", &given).send().await;
        answer.check(422, &invalid(wrong, "email"));
    }
    let check = async |body: &str, expected: &str| {
        let asked = server.ask_exactly(Method::POST, "/api/sanctum/token");
        let answer = asked.body("application/json", body.to_owned()).send().await;
        // As text: fields come in the order of the rules.
        assert_eq!((answer.status, answer.text.as_str()), (422, expected), "{body}");
    };
    check(
        r#"{"email":"","password":null}"#,
        concat!(
            r#"{"message":"The email field is required. (and 2 more errors)","errors":{"#,
            r#""email":["The email field is required."],"password":["The password field is required."],"#,
            r#""device_name":["The device name field is required."]}}"#
        ),
    )
    .await;
    check(
        r#"{"email":5,"password":"x"}"#,
        concat!(
            r#"{"message":"The email field must be a string. (and 1 more error)","errors":{"#,
            r#""email":["The email field must be a string."],"#,
            r#""device_name":["The device name field is required."]}}"#
        ),
    )
    .await;
    let long = json!({"email": "sam", "password": "x", "device_name": "x".repeat(256)});
    let text = "The device name field must not be greater than 255 characters.";
    let answer = post(&server, "/sanctum/token", &long).send().await;
    answer.check(422, &invalid(text, "device_name"));
    let answer = server
        .ask_exactly(Method::POST, "/sanctum/token")
        .body("application/json", "{")
        .send()
        .await;
    answer.check(400, &json!({"message": "Bad request."}));
    let large = json!({"email": "x".repeat(70_000)});
    let answer = post(&server, "/sanctum/token", &large).send().await;
    answer.check(413, &json!({"message": "The POST data is too large."}));
    server.stop().await;
}

#[tokio::test]
async fn other_refusals_are_laravels_whatever_the_client_accepts() {
    let setup = Setup {
        messenger: Options {
            login_failures_max: 1,
            ..Options::default()
        },
        api: ApiOptions {
            rate_limits: RateLimits {
                writes_per_minute: 4,
                ..RateLimits::unlimited()
            },
            ..ApiOptions::default()
        },
        ..Setup::default()
    };
    let server = Server::start_with(setup).await;
    let check = async |method: Method, path: &str, status: u16, message: &str| {
        let answer = server
            .ask_exactly(method, path)
            .header("accept", "text/html")
            .send()
            .await;
        answer.check(status, &json!({ "message": message }));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        answer
    };
    for (method, path) in [
        (Method::GET, "/api/user"),
        (Method::POST, "/broadcasting/auth"),
        (Method::GET, "/broadcasting/auth"),
        (Method::POST, "/api/broadcasting/auth"),
        (Method::POST, "/api/broadcasting/user-auth"),
    ] {
        check(method, path, 401, "Unauthenticated.").await;
    }
    check(Method::POST, "/broadcasting/user-auth", 403, "").await;
    check(
        Method::GET,
        "/api/x/y",
        404,
        "The route api/x/y could not be found.",
    )
    .await;
    let text = "The PUT method is not supported for route api/user. Supported methods: GET, HEAD.";
    let answer = check(Method::PUT, "/api/user", 405, text).await;
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));

    server.person("sam").await;
    let given = json!({"email": "sam", "password": "wrong horse", "device_name": "x"});
    assert_eq!(post(&server, "/sanctum/token", &given).send().await.status, 422);
    let answer = post(&server, "/sanctum/token", &given).send().await;
    let wait = answer.header("retry-after").unwrap().to_owned();
    let text = format!("Too many login attempts. Please try again in {wait} seconds.");
    answer.check(429, &invalid(&text, "email"));
    post(&server, "/sanctum/token", &given).send().await;
    let answer = post(&server, "/sanctum/token", &given).send().await;
    answer.check(429, &json!({"message": "Too Many Attempts."}));
    assert_eq!(answer.header("x-ratelimit-limit"), Some("4"));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
    let reset: u64 = answer.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert!(reset > 1_700_000_000, "a moment, not a span");
    server.stop().await;
}

#[tokio::test]
async fn a_page_logs_in_with_cookies_and_out_again() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let answer = get(&server, "/sanctum/csrf-cookie").send().await;
    assert_eq!(answer.status, 204);
    let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert!(
        lines[0]
            .to_str()
            .unwrap()
            .contains("; HttpOnly; Path=/; Max-Age=7200; SameSite=Lax")
    );
    assert!(!lines[1].to_str().unwrap().contains("HttpOnly"));
    let (guest, csrf) = cookies(&answer);

    let given = json!({"email": "sam", "password": "correct horse"});
    let log_in = |cookie: &str| post(&server, "/login", &given).header("cookie", cookie);
    let mismatch = json!({"message": "CSRF token mismatch."});
    log_in(&guest).send().await.check(419, &mismatch);
    log_in("")
        .header("x-xsrf-token", &csrf)
        .send()
        .await
        .check(419, &mismatch);
    log_in(&guest)
        .header("x-xsrf-token", "x")
        .send()
        .await
        .check(419, &mismatch);
    log_in(&guest)
        .header("sec-fetch-site", "same-site")
        .send()
        .await
        .check(419, &mismatch);
    let wrong = json!({"email": "sam", "password": "wrong horse"});
    let answer = post(&server, "/login", &wrong)
        .header("sec-fetch-site", "same-origin")
        .send()
        .await;
    answer.check(
        422,
        &invalid("These credentials do not match our records.", "email"),
    );
    assert_eq!(
        log_in("")
            .header("sec-fetch-site", "same-origin")
            .send()
            .await
            .status,
        204
    );
    assert_eq!(
        log_in(&guest).header("x-csrf-token", &csrf).send().await.status,
        204
    );
    let form = format!("email=sam&password=correct+horse&_token={csrf}");
    let by_form = server
        .ask_exactly(Method::POST, "/login")
        .header("cookie", &guest)
        .body(FORM, form)
        .send()
        .await;
    assert_eq!(by_form.status, 204, "{}", by_form.text);
    let answer = log_in(&guest).header("x-xsrf-token", &csrf).send().await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let (session, new_csrf) = cookies(&answer);
    assert_ne!(session, guest);

    // The session counts for first-party pages, and only for those behind Sanctum's guard.
    let user = || get(&server, "/api/user").header("cookie", &session);
    assert_eq!(user().send().await.status, 401);
    assert_eq!(
        user().header("origin", "https://evil.test").send().await.status,
        401
    );
    assert_eq!(
        user()
            .header("referer", "http://localhost:3000/chat")
            .send()
            .await
            .json["id"],
        sam.id
    );
    let own = user()
        .header("host", "chat.test")
        .header("origin", "https://chat.test");
    assert_eq!(own.send().await.status, 200);
    let given = json!({"socket_id": "1.2", "channel_name": format!("private-App.Models.User.{}", sam.id)});
    let joining = post(&server, "/broadcasting/auth", &given).header("cookie", &session);
    assert_eq!(joining.send().await.status, 200);
    // A new visit keeps the login, and axios' header counts in the messenger's own API too.
    let again = get(&server, "/sanctum/csrf-cookie")
        .header("cookie", &session)
        .send()
        .await;
    assert_eq!(cookies(&again), (session.clone(), new_csrf.clone()));
    let group = json!({"kind": "group", "title": "x", "member_ids": []});
    let made = server
        .post("/conversations", &group)
        .header("cookie", &session)
        .header("x-xsrf-token", &new_csrf);
    assert_eq!(made.send().await.status, 201);

    let log_out = || {
        server
            .ask_exactly(Method::POST, "/logout")
            .header("cookie", &session)
    };
    log_out().send().await.check(419, &mismatch);
    let answer = log_out().header("x-xsrf-token", &new_csrf).send().await;
    assert_eq!(answer.status, 204);
    assert_ne!(cookies(&answer).1, new_csrf);
    assert_eq!(
        user().header("origin", "http://localhost").send().await.status,
        401
    );
    server.stop().await;
}

#[tokio::test]
async fn the_log_in_page_is_the_uis() {
    let server = Server::start().await;
    let answer = get(&server, "/login").header("accept", "text/html").send().await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    server.stop().await;
}

#[tokio::test]
async fn pages_of_listed_origins_may_call_with_cookies_and_no_others() {
    let origin = "https://app.example.org";
    let preflight = async |server: &Server, path: &str, from: &str| {
        server
            .ask_exactly(Method::OPTIONS, path)
            .header("origin", from)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-xsrf-token,content-type")
            .send_bare()
            .await
    };
    let paths = [
        "/api/user",
        "/api/v1/me",
        "/sanctum/csrf-cookie",
        "/broadcasting/auth",
        "/login",
        "/logout",
    ];
    let setup = Setup {
        api: ApiOptions {
            rate_limits: RateLimits::unlimited(),
            cors_origins: vec![origin.to_owned(), "*".to_owned()],
            ..ApiOptions::default()
        },
        ..Setup::default()
    };
    let server = Server::start_with(setup).await;
    for path in paths {
        let answer = preflight(&server, path, origin).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some(origin),
            "{path}"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        let headers = answer.header("access-control-allow-headers").unwrap();
        for name in [
            "x-xsrf-token",
            "x-csrf-token",
            "x-requested-with",
            "x-socket-id",
            "authorization",
            "content-type",
            "accept",
        ] {
            assert!(headers.split(',').any(|one| one == name), "{name} in {headers}");
        }
        let other = preflight(&server, path, "https://evil.test").await;
        assert_eq!(other.header("access-control-allow-origin"), None, "{path}");
    }
    let answer = get(&server, "/api/user").header("origin", origin).send().await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (401, Some(origin))
    );
    server.stop().await;

    let server = Server::start().await;
    for path in paths {
        let answer = preflight(&server, path, origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    tokio::time::timeout(Duration::from_secs(5), server.stop())
        .await
        .unwrap();
}
