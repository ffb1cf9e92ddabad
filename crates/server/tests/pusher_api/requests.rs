//! Requests of application servers: answers to the letter, and refusals.

use chinwag_engine::AppOptions;

use crate::support::{KEY, SECRET, Server, sign, sign_at};

#[test]
fn questions_are_answered_to_the_letter() {
    let server = Server::start(AppOptions::default());
    let empty = [
        ("/apps/100200/channels", r#"{"channels":{}}"#),
        (
            "/apps/100200/channels?filter_by_prefix=presence-&info=user_count",
            r#"{"channels":{}}"#,
        ),
        ("/apps/100200/channels/a", r#"{"occupied":false}"#),
        (
            "/apps/100200/channels/presence-a?info=user_count,subscription_count",
            r#"{"occupied":false,"user_count":0,"subscription_count":0}"#,
        ),
        ("/apps/100200/channels/presence-a/users", r#"{"users":[]}"#),
        ("/apps/100200/connections", r#"{"connections":0}"#),
    ];
    for (path, body) in empty {
        assert_eq!(server.get(path), (200, body.to_owned()), "{path}");
    }
    let mut ada = server.connect();
    let mut too = server.connect();
    for client in [&mut ada, &mut too] {
        client.subscribe_as("presence-a", Some(r#"{"user_id":1,"user_info":{"n":1}}"#));
    }
    ada.subscribe("plain@1,2");
    let full = [
        (
            "/apps/100200/channels",
            r#"{"channels":{"plain@1,2":{},"presence-a":{}}}"#,
        ),
        (
            "/apps/100200/channels?filter_by_prefix=presence-&info=user_count,subscription_count",
            r#"{"channels":{"presence-a":{"user_count":1,"subscription_count":2}}}"#,
        ),
        (
            "/apps/100200/channels/presence-a?info=user_count",
            r#"{"occupied":true,"user_count":1}"#,
        ),
        ("/apps/100200/channels/plain@1,2/stats", r#"{"occupied":true}"#),
        (
            "/apps/100200/channels/presence-a/users",
            r#"{"users":[{"id":"1"}]}"#,
        ),
        (
            "/apps/100200/channels/presence-a/users?with_user_info=1",
            r#"{"users":[{"id":"1","user_info":{"n":1}}]}"#,
        ),
        ("/apps/100200/connections", r#"{"connections":2}"#),
    ];
    for (path, body) in full {
        assert_eq!(server.get(path), (200, body.to_owned()), "{path}");
    }
}

#[test]
fn publishing_is_answered_to_the_letter() {
    let server = Server::start(AppOptions::default());
    let mut ada = server.connect();
    ada.subscribe("a");
    let batch = "/apps/100200/batch_events";
    let one = r#"{"channel":"a","name":"x","data":"1"}"#;
    let asks = r#"{"channel":"presence-p","name":"y","data":"2","info":"user_count,subscription_count"}"#;
    assert_eq!(
        server.ask("POST", batch, &format!(r#"{{"batch":[{one},{one}]}}"#)),
        (200, "{}".to_owned())
    );
    assert_eq!(
        server.ask("POST", batch, &format!(r#"{{"batch":[{asks},{one}]}}"#)),
        (
            200,
            r#"{"batch":[{"user_count":0,"subscription_count":0},{}]}"#.to_owned()
        )
    );
    for _ in 0..3 {
        assert_eq!(ada.hear_event("x", "a"), "1");
    }
    let bad = format!(r#"{{"batch":[{one},{{"channel":"a b","name":"x","data":"1"}}]}}"#);
    assert_eq!(server.ask("POST", batch, &bad).0, 400);
    ada.silence();
    let asking =
        r#"{"name":"e","channels":["a","presence-p"],"data":"3","info":"user_count,subscription_count"}"#;
    assert_eq!(
        server.ask("POST", "/apps/100200/events", asking),
        (
            200,
            r#"{"channels":{"a":{"subscription_count":1},"presence-p":{"user_count":0,"subscription_count":0}}}"#
                .to_owned()
        )
    );
    assert_eq!(ada.hear_event("e", "a"), "3");
    let old = "/apps/100200/channels/a/events?name=old";
    assert_eq!(server.ask("POST", old, r#"{"x":1}"#), (202, "{}".to_owned()));
    assert_eq!(ada.hear_event("old", "a"), r#"{"x":1}"#);
    let except = format!("/apps/100200/channels/a/events?name=old&socket_id={}", ada.id);
    assert_eq!(server.ask("POST", &except, "1").0, 202);
    ada.silence();
}

#[test]
fn refusals_have_their_status() {
    let options = AppOptions {
        queries_per_s: 1,
        ..AppOptions::default()
    };
    let server = Server::start(options);
    let event = r#"{"name":"e","channel":"a","data":"1"}"#;
    let large = format!(r#"{{"name":"e","channel":"a","data":"{}"}}"#, "d".repeat(10_241));
    let huge = "x".repeat(100_001);
    for (method, path, body, status, text) in [
        (
            "GET",
            "/apps/100200/channels?info=user_count",
            "",
            400,
            "invalid_info",
        ),
        (
            "GET",
            "/apps/100200/channels/private-a/users",
            "",
            400,
            "not_presence",
        ),
        ("POST", "/apps/100200/events", "{", 400, "invalid_body"),
        ("POST", "/apps/9/events", event, 404, "unknown_app"),
        ("POST", "/apps/100200/nothing", event, 404, "not_found"),
        ("POST", "/apps/100200", event, 404, "not_found"),
        ("GET", "/apps/100200/events", "", 405, "method_not_allowed"),
        ("DELETE", "/apps/100200/channels", "", 405, "method_not_allowed"),
        (
            "POST",
            "/apps/100200/events",
            &large,
            413,
            "exceeds the allowed maximum (10240 bytes)",
        ),
        ("POST", "/apps/100200/events", &huge, 413, "payload_too_large"),
        ("POST", "/apps/2/events", event, 401, "not a key of this app"),
    ] {
        let answer = server.ask(method, path, body);
        assert!(
            answer.0 == status && answer.1.contains(text),
            "{method} {path}: {answer:?}"
        );
    }
    let closed = sign("POST", "/apps/3/events", event, ("closed-key", "closed-secret"));
    assert_eq!(server.http().ask("POST", &closed, event).0, 403);
    let forged = sign("POST", "/apps/100200/events", event, (KEY, "guess"));
    let answer = server.http().ask("POST", &forged, event);
    assert!(answer.0 == 401 && answer.1.contains("Authentication signature invalid"));
    assert!(!answer.1.contains(SECRET));
    let old = sign_at(1_700_000_000, "POST", "/apps/100200/events", event, (KEY, SECRET));
    let answer = server.http().ask("POST", &old, event);
    assert!(answer.0 == 401 && answer.1.contains("the time of this server is"));

    assert_eq!(server.get("/apps/100200/channels").0, 200);
    assert_eq!(server.get("/apps/100200/channels").0, 429);
}

#[test]
fn connections_are_kept_and_requests_may_be_sent_ahead() {
    let server = Server::start(AppOptions::default());
    let mut http = server.http();
    let event = r#"{"name":"e","channel":"a","data":"1"}"#;
    let target = sign("POST", "/apps/100200/events", event, (KEY, SECRET));
    let question = sign("GET", "/apps/100200/channels", "", (KEY, SECRET));
    for _ in 0..3 {
        assert_eq!(http.ask("POST", &target, event).0, 200);
    }
    let length = event.len();
    http.send(&format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{event}\
         GET {question} HTTP/1.1\r\nhost: x\r\n\r\n"
    ));
    assert_eq!(http.answer(), (200, "{}".to_owned()));
    assert_eq!(http.answer(), (200, r#"{"channels":{}}"#.to_owned()));

    // A client that asks whether to send its body is told to.
    http.send(&format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    ));
    assert_eq!(http.head().0, 100);
    let (first, rest) = event.split_at(7);
    http.send(first);
    http.send(rest);
    assert_eq!(http.answer(), (200, "{}".to_owned()));
}

#[test]
fn under_a_prefix_it_may_be_signed_or_not() {
    let server = Server::start_under("/ws", AppOptions::default());
    let mut ada = server.connect();
    ada.subscribe("a");
    let event = r#"{"name":"e","channel":"a","data":"1"}"#;
    let without = sign("POST", "/apps/100200/events", event, (KEY, SECRET));
    let with = sign("POST", "/ws/apps/100200/events", event, (KEY, SECRET));
    for target in [format!("/ws{without}"), with] {
        assert_eq!(server.http().ask("POST", &target, event), (200, "{}".to_owned()));
        assert_eq!(ada.hear_event("e", "a"), "1");
    }
    assert_eq!(server.http().ask("POST", &without, event).0, 404);
    assert_eq!(
        server.http().ask("GET", "/ws/up", ""),
        (200, r#"{"health":"OK"}"#.to_owned())
    );
}
