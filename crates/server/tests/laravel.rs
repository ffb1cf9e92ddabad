//! What clients of a Laravel application find here: the router in process, over a real SQLite store.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use axum::http::Method;
use chinwag_engine::{AppOptions, KeyPair, Secret};
use chinwag_messenger::Options;
use chinwag_protocol::pusher::auth::{verify, verify_channel};
use chinwag_server::laravel::{ChannelRule, ChannelRules};
use chinwag_server::messenger::{ApiOptions, RateLimits};
use chinwag_server::webhooks::HttpCourier;
use serde_json::{Value, json};

#[path = "messenger_api/contract.rs"]
mod contract;
#[allow(dead_code, reason = "shared with the tests of the messenger's API")]
#[path = "messenger_api/support.rs"]
mod support;

use support::{Answer, Ask, Heard, Person, Server, Setup};

const FORM: &str = "application/x-www-form-urlencoded";

fn get<'a>(server: &'a Server, path: &str) -> Ask<'a> {
    server.ask_exactly(Method::GET, path)
}

fn post<'a>(server: &'a Server, path: &str, body: &Value) -> Ask<'a> {
    server
        .ask_exactly(Method::POST, path)
        .body("application/json", body.to_string())
}

/// Cookies that an answer sets, as a browser sends them back.
fn cookies(answer: &Answer) -> (String, String) {
    let session = answer.cookie("chinwag_session").unwrap();
    let csrf = answer.cookie("XSRF-TOKEN").unwrap();
    (format!("chinwag_session={session}; XSRF-TOKEN={csrf}"), csrf)
}

fn invalid(message: &str, field: &str) -> Value {
    json!({"message": message, "errors": {field: [message]}})
}

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
async fn echo_is_let_onto_channels_by_laravels_rules() {
    let server = Server::start().await;
    let (sam, anna, eve) = (
        server.person("sam").await,
        server.person("anna").await,
        server.person("eve").await,
    );
    let id = server.direct(&sam, &anna).await;
    let (me, socket) = (sam.id, "123.456");
    let shown = json!({"id": me, "name": "Sam Whitlock", "avatar": null});
    let with_username = json!({"id": me, "name": "Sam Whitlock", "avatar": null, "username": "sam"});
    let channels = [
        (format!("private-App.Models.User.{me}"), None),
        (format!("private-App.User.{me}"), None),
        (format!("private-users.{me}"), None),
        (format!("private-user.{me}"), None),
        (format!("private-encrypted-users.{me}"), None),
        (format!("private-chat.{id}"), None),
        (format!("private-conversation.{id}"), None),
        (format!("presence-conversation.{id}"), Some(&with_username)),
        (format!("presence-chat.{id}"), Some(&shown)),
        (format!("presence-room.{id}"), Some(&shown)),
        (format!("presence-App.Models.Conversation.{id}"), Some(&shown)),
    ];
    for path in ["/broadcasting/auth", "/api/broadcasting/auth"] {
        for (channel, info) in &channels {
            let form = format!("socket_id={socket}&channel_name={channel}&surplus=1");
            let given = json!({"socket_id": socket, "channel_name": channel});
            let answers = [
                server.ask_exactly(Method::POST, path).body(FORM, form.clone()),
                post(&server, path, &given),
                get(&server, &format!("{path}?{form}")),
            ];
            for answer in answers {
                let answer = answer.by(&sam).send().await;
                assert_eq!(answer.status, 200, "{channel}: {}", answer.text);
                assert_eq!(answer.header("cache-control"), Some("no-store"));
                let data = answer.json["channel_data"].as_str();
                let auth = answer.json["auth"].as_str().unwrap();
                assert!(
                    verify_channel(&server.app, auth, socket, channel, data),
                    "{channel}"
                );
                let expected = info.map(|info| json!({"user_id": me.to_string(), "user_info": info}));
                let found = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
                assert_eq!(found, expected, "{channel}");
                let secret = answer.json["shared_secret"].as_str();
                assert_eq!(secret.map(str::len), channel.contains("encrypted").then_some(44));
            }
        }
    }
    let refused = json!({"message": ""});
    for channel in [
        "",
        "lobby",
        "private-lobby",
        "private-App.Models.User.424242",
        "presence-conversation.424242",
        "#server-to-user-1",
    ] {
        let given = json!({"socket_id": socket, "channel_name": channel});
        post(&server, "/broadcasting/auth", &given)
            .by(&sam)
            .send()
            .await
            .check(403, &refused);
    }
    for (channel, _) in &channels {
        let given = json!({"socket_id": socket, "channel_name": channel});
        post(&server, "/broadcasting/auth", &given)
            .by(&eve)
            .send()
            .await
            .check(403, &refused);
    }
    let format = "The socket id field format is invalid.";
    for socket in ["1", "1.2.3", "a.b", "1.2:private-user.1", "-1.2"] {
        let given = json!({"socket_id": socket, "channel_name": format!("private-users.{me}")});
        let answer = post(&server, "/broadcasting/auth", &given).by(&sam).send().await;
        answer.check(422, &invalid(format, "socket_id"));
    }
    let given = json!({"channel_name": ["x"]});
    let answer = post(&server, "/broadcasting/auth", &given).by(&sam).send().await;
    let expected = json!({
        "message": "The socket id field is required. (and 1 more error)",
        "errors": {"socket_id": ["The socket id field is required."],
                   "channel_name": ["The channel name field must be a string."]},
    });
    answer.check(422, &expected);
    server.stop().await;
}

#[tokio::test]
async fn echo_signs_sockets_in() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    for path in ["/broadcasting/user-auth", "/api/broadcasting/user-auth"] {
        let answer = server
            .ask_exactly(Method::POST, path)
            .body(FORM, "socket_id=123.456")
            .by(&sam)
            .send()
            .await;
        let data = answer.json["user_data"].as_str().unwrap();
        let (key, signature) = answer.json["auth"].as_str().unwrap().split_once(':').unwrap();
        assert_eq!(key, "chinwag-key");
        let secret = &server.app.keys[0].secret;
        assert!(verify(secret, &["123.456::user::", data], signature));
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["id"], json!(sam.id.to_string()), "a text, as clients insist");
    }
    server.stop().await;
}

#[tokio::test]
async fn logging_out_closes_sockets_on_laravels_channels() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let mut worker = server.worker();
    let channel = format!("private-App.Models.User.{}", sam.id);
    worker.join(&channel, "1.2").await;
    let given = json!({"socket_id": "1.2", "channel_name": channel});
    assert_eq!(
        post(&server, "/broadcasting/auth", &given)
            .by(&sam)
            .send()
            .await
            .status,
        200
    );
    let answer = server.ask_exactly(Method::POST, "/logout").by(&sam).send().await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    // Once for that channel and once for the messenger's own.
    assert_eq!(worker.hear().await, Heard::Closed("1.2".parse().unwrap()));
    server.stop().await;
}

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
async fn notified_of(worker: &mut support::Worker) -> Value {
    match worker.hear().await {
        Heard::Event { data, .. } => data["excerpt"].clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_is_notified_of_what_it_does_not_want_to_know() {
    let server = Server::start().await;
    let [sam, anna, eve] = [
        server.person("sam").await,
        server.person("anna").await,
        server.person("eve").await,
    ];
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

#[tokio::test]
async fn who_does_not_show_typing_does_not_on_laravels_channels_either() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let channel = format!("private-chat.{id}");
    let (sams, mut annas) = (server.worker(), server.worker());
    let whisper = async |event: &str| {
        let given = json!({"name": "Sam", "typing": true});
        sams.whisper_unnamed("1.1", &channel, event, &given).await;
    };
    for (worker, who, socket) in [(&sams, &sam, "1.1"), (&annas, &anna, "2.1")] {
        let given = json!({"socket_id": socket, "channel_name": channel});
        let answer = post(&server, "/broadcasting/auth", &given).by(who).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        worker.join(&channel, socket).await;
    }
    let hidden = json!({"typing": false});
    let answer = server.patch("/me/privacy", &hidden).by(&sam).send().await;
    assert_eq!(answer.status, 200);
    whisper("client-typing").await;
    // What is nothing to the messenger passes as it is, and at once.
    whisper("client-wave").await;
    let expected = |name: &str| Heard::Event {
        channel: channel.clone(),
        name: name.to_owned(),
        data: json!({"name": "Sam", "typing": true}),
    };
    assert_eq!(annas.hear().await, expected("client-wave"));
    server.stop().await;
    annas.silence();
}

#[tokio::test]
async fn typing_on_laravels_channels_passes_as_it_is() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let channel = format!("private-chat.{id}");
    let (sams, mut annas) = (server.worker(), server.worker());
    let given = json!({"socket_id": "1.1", "channel_name": channel});
    post(&server, "/broadcasting/auth", &given).by(&sam).send().await;
    sams.join(&channel, "1.1").await;
    annas.join(&channel, "2.1").await;
    let data = json!({"name": "Sam", "typing": true});
    sams.whisper_unnamed("1.1", &channel, "client-typing", &data)
        .await;
    let expected = Heard::Event {
        channel: channel.clone(),
        name: "client-typing".to_owned(),
        data,
    };
    assert_eq!(annas.hear().await, expected);
    // Of a socket that nobody knows nothing is shown.
    let data = json!({"name": "Anna"});
    annas
        .whisper_unnamed("2.1", &channel, "client-typing", &data)
        .await;
    server.stop().await;
    annas.silence();
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

/// An application that says who may join: what it was asked, and what it answers to `orders.{order}`.
async fn application(asked: tokio::sync::mpsc::UnboundedSender<(String, Value)>) -> std::net::SocketAddr {
    use axum::http::HeaderMap;
    use axum::response::IntoResponse;

    let answer = move |headers: HeaderMap, body: String| {
        let asked: Value = {
            let json: Value = serde_json::from_str(&body).unwrap();
            let signature = headers["x-pusher-signature"].to_str().unwrap();
            let secret = Secret::new("app-secret");
            assert!(verify(&secret, &[&body], signature));
            assert_eq!(headers["content-type"], "application/json");
            asked
                .send((headers["x-pusher-key"].to_str().unwrap().to_owned(), json.clone()))
                .unwrap();
            json
        };
        std::future::ready(match asked["parameters"][0].as_str().unwrap() {
            "yes" => "true".into_response(),
            "shown" => r#"{"id":7,"name":"A\/\u00e9"}"#.into_response(),
            "no" => "false".into_response(),
            "large" => format!("\"{}\"", "x".repeat(4_000)).into_response(),
            "broken" => axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            "elsewhere" => axum::response::Redirect::to("/").into_response(),
            _ => "null".into_response(),
        })
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = axum::Router::new().route("/auth", axum::routing::post(answer));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

#[tokio::test]
async fn channels_of_the_operators_own_have_rules() {
    let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let url = format!("http://{}/auth", application(sender).await);
    let rule =
        |pattern: &str, allow: &str, url: Option<&str>| ChannelRule::new(pattern, allow, url, None).unwrap();
    let rules = vec![
        rule("own.{user}", "user:{user}", None),
        rule("talk.{conversation}", "member:{conversation}", None),
        rule("staff", "role:admin", None),
        rule("orders.{order}", "webhook", Some(&url)),
        rule("orders.maybe", "any", None),
        rule("own.{user}", "any", None),
        rule("far.{x}", "webhook", Some("http://127.0.0.1:1/auth")),
        ChannelRule::new("shop.{x}", "any", None, Some("shop")).unwrap(),
        ChannelRule::new("gone.{x}", "any", None, Some("gone")).unwrap(),
        rule("{x}", "any", None),
        rule("{x}.{y}", "any", None),
    ];
    let pair = KeyPair {
        key: "app-key".to_owned(),
        secret: Secret::new("app-secret"),
    };
    let courier = HttpCourier::new(Duration::from_secs(5), true).unwrap();
    let server = Server::start_with(Setup {
        api: ApiOptions {
            rate_limits: RateLimits::unlimited(),
            channel_rules: ChannelRules::new(rules, courier, pair),
            ..ApiOptions::default()
        },
        ..Setup::default()
    })
    .await;
    let shop = KeyPair {
        key: "shop-key".to_owned(),
        secret: Secret::new("shop-secret"),
    };
    let shops = server
        .engine
        .apps
        .add("shop", vec![shop], AppOptions::default(), Vec::new());
    assert!(shops.is_some());
    let (owner, sam) = (server.person("anna").await, server.person("sam").await);
    let talk = server.direct(&owner, &sam).await;
    let eve = server.person("eve").await;
    let ask = async |by: &Person, channel: &str| {
        let given = json!({"socket_id": "1.2", "channel_name": channel});
        post(&server, "/broadcasting/auth", &given).by(by).send().await
    };
    let check = async |by: &Person, channel: &str, status: u16| {
        let answer = ask(by, channel).await;
        assert_eq!(answer.status, status, "{channel} {}", answer.text);
        answer.json
    };

    check(&sam, &format!("private-own.{}", sam.id), 200).await;
    // The first rule that refuses is the last word, whatever those behind it say.
    check(&sam, &format!("private-own.{}", eve.id), 403).await;
    check(&sam, "private-own.x", 403).await;
    check(&sam, &format!("private-talk.{talk}"), 200).await;
    check(&eve, &format!("private-talk.{talk}"), 403).await;
    check(&owner, "private-staff", 200).await;
    check(&sam, "private-staff", 403).await;
    check(&sam, "private-lobby", 200).await;
    check(&sam, "lobby", 403).await;
    check(&sam, "private-a.b.c", 403).await;
    check(&sam, "private-gone.1", 403).await;

    // What is the server's own stays so, and so does what the built-in rules refuse.
    for channel in [
        format!("private-user.{}", eve.id),
        format!("presence-user.{}", eve.id),
        format!("private-users.{}", eve.id),
        "private-conversation.999".to_owned(),
        "presence-conversation.x".to_owned(),
        "private-admin-log".to_owned(),
        "private-x:y".to_owned(),
        format!("private-{}", "x".repeat(200)),
    ] {
        check(&sam, &channel, 403).await;
    }

    // The app of a rule signs.
    let granted = check(&sam, "private-shop.1", 200).await;
    let auth = granted["auth"].as_str().unwrap();
    let app = server.engine.apps.by_id("shop").unwrap();
    assert!(verify_channel(&app, auth, "1.2", "private-shop.1", None));

    // The application is asked, and its words become the member's.
    check(&sam, "private-orders.yes", 200).await;
    let (key, question) = asked.recv().await.unwrap();
    assert_eq!(key, "app-key");
    assert!(question["time_ms"].as_u64().is_some());
    assert_eq!(
        question["user"],
        json!({"id": sam.id, "username": "sam", "name": "Sam Whitlock"})
    );
    let told = ["socket_id", "channel_name", "name"].map(|name| question[name].clone());
    assert_eq!(told, ["1.2", "private-orders.yes", "orders.yes"].map(Value::from));
    let shown = check(&sam, "presence-orders.shown", 200).await;
    let expected = format!(
        r#"{{"user_id":"{}","user_info":{{"id":7,"name":"A\/\u00e9"}}}}"#,
        sam.id
    );
    assert_eq!(shown["channel_data"], expected);
    let shown = check(&sam, "presence-orders.yes", 200).await;
    assert_eq!(
        shown["channel_data"],
        format!(r#"{{"user_id":"{}","user_info":true}}"#, sam.id)
    );
    check(&sam, "private-orders.no", 403).await;
    check(&sam, "private-orders.maybe", 200).await;
    check(&sam, "private-orders.nothing", 200).await;
    check(&sam, "presence-orders.large", 403).await;
    for channel in [
        "private-orders.broken",
        "private-orders.elsewhere",
        "private-far.1",
    ] {
        check(&sam, channel, 503).await;
    }
    server.stop().await;
}
