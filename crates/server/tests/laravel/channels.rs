//! Who is let onto which channel, and signed in, for Echo.

use crate::support::{Heard, Person, Server, Setup};
use crate::{FORM, get, invalid, post};
use axum::http::Method;
use chinwag_engine::{AppOptions, KeyPair, Secret};
use chinwag_protocol::pusher::auth::{verify, verify_channel};
use chinwag_server::laravel::{ChannelRule, ChannelRules};
use chinwag_server::messenger::{ApiOptions, RateLimits};
use chinwag_server::webhooks::HttpCourier;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn echo_is_let_onto_channels_by_laravels_rules() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
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
