//! From the REST API into the engine: who may join which channel, what is published, who is there.

use std::time::Duration;

use axum::http::Method;
use chinwag_server::messenger::presence::PresenceOptions;
use serde_json::{Value, json};

use crate::support::{Heard, Person, Server, Setup, as_told, timeless};

#[tokio::test]
async fn the_realtime_configuration_leads_to_ones_own_channel() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let expected = json!({
        "key": "chinwag-key", "path": "", "auth_endpoint": "/api/v1/realtime/auth", "user_id": sam.id,
        "channel": format!("private-user.{}", sam.id),
    });
    server
        .get("/realtime/config")
        .by(&sam)
        .send()
        .await
        .check(200, &expected);
    server.stop().await;
}

#[tokio::test]
async fn channels_are_signed_for_those_who_may_join() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let given = json!({"socket_id": "1234.1234", "channel_name": sam.channel()});
    let answer = server.post("/realtime/auth", &given).by(&sam).send().await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let signed = chinwag_protocol::pusher::auth::verify_channel;
    let auth = answer.json["auth"].as_str().unwrap();
    assert!(signed(&server.app, auth, "1234.1234", &sam.channel(), None));
    answer.check(200, &json!({"auth": auth}));

    let form = format!("socket_id=1234.1234&channel_name={}&surplus=1", sam.channel());
    let form_type = "application/x-www-form-urlencoded; charset=UTF-8";
    let by_form = server
        .ask(Method::POST, "/realtime/auth")
        .by(&sam)
        .body(form_type, form)
        .send()
        .await;
    by_form.check(200, &json!({"auth": auth}));

    let channel = format!("presence-conversation.{id}");
    let given = json!({"socket_id": "5.6", "channel_name": channel});
    let answer = server.post("/realtime/auth", &given).by(&anna).send().await;
    let data = answer.json["channel_data"].as_str().unwrap();
    assert!(signed(
        &server.app,
        answer.json["auth"].as_str().unwrap(),
        "5.6",
        &channel,
        Some(data)
    ));
    let member = format!(
        r#"{{"user_id":"{0}","user_info":{{"id":{0},"name":"Anna Whitlock","username":"anna"}}}}"#,
        anna.id
    );
    assert_eq!(data, member);
    server.stop().await;
}

#[tokio::test]
async fn no_channel_is_signed_for_others() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.direct(&sam, &anna).await;
    let check = async |by: &Person, socket: &str, channel: &str, status: u16, code: &str| {
        let given = json!({"socket_id": socket, "channel_name": channel});
        let answer = server.post("/realtime/auth", &given).by(by).send().await;
        assert_eq!(
            (answer.status, answer.json["code"].as_str()),
            (status, Some(code)),
            "{channel} {socket}"
        );
        assert!(answer.json.get("auth").is_none());
    };
    let own = eve.channel();
    let foreign = [
        sam.channel(),
        format!("presence-conversation.{id}"),
        format!("private-conversation.{id}"),
        "presence-conversation.424242".to_owned(),
        "presence-conversation.9007199254740993".to_owned(),
        format!("presence-user.{}", eve.id),
        format!("private-encrypted-user.{}", eve.id),
        format!("private-cache-user.{}", eve.id),
        format!("user.{}", eve.id),
        format!("{own} "),
        format!("{own}.1"),
        format!("private-user.0{}", eve.id),
        format!("private-user.+{}", eve.id),
        "private-user.".to_owned(),
        "private-conversation.".to_owned(),
        "lobby".to_owned(),
        "#server-to-user-1".to_owned(),
    ];
    for channel in &foreign {
        check(&eve, "1.2", channel, 403, "forbidden").await;
    }
    // The conversation is small, so the channel of large ones is nobody's.
    check(
        &sam,
        "1.2",
        &format!("private-conversation.{id}"),
        403,
        "forbidden",
    )
    .await;
    for channel in ["", "a\u{0}b", &"x".repeat(256)] {
        check(&eve, "1.2", channel, 422, "validation_failed").await;
    }
    for socket in [
        "",
        "1",
        "1.",
        ".1",
        "1.2.3",
        "a.b",
        "1.2:private-user.1",
        " 1.2",
        "1.2\n",
        "١.٢",
        "-1.2",
    ] {
        check(&eve, socket, &own, 422, "validation_failed").await;
    }
    for given in [
        json!({"socket_id": "1.2"}),
        json!({"channel_name": own}),
        json!({"socket_id": 1.2}),
    ] {
        let answer = server.post("/realtime/auth", &given).by(&eve).send().await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (422, &json!("validation_failed"))
        );
    }
    let form = "application/x-www-form-urlencoded";
    for body in ["", "socket_id=1.2", "socket_id=1.2&socket_id=1.2&channel_name=x"] {
        let answer = server
            .ask(Method::POST, "/realtime/auth")
            .by(&eve)
            .body(form, body)
            .send()
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (422, &json!("validation_failed")),
            "{body}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn large_conversations_have_a_channel_without_presence() {
    let mut setup = Setup::default();
    setup.messenger.receipts_members_max = 1;
    let server = Server::start_with(setup).await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let join = async |kind: &str| {
        let given = json!({"socket_id": "1.2", "channel_name": format!("{kind}-conversation.{id}")});
        server.post("/realtime/auth", &given).by(&sam).send().await
    };
    assert_eq!(join("presence").await.status, 403);
    let answer = join("private").await;
    assert_eq!((answer.status, answer.json.get("channel_data")), (200, None));
    server.stop().await;
}

#[tokio::test]
async fn what_happens_is_published_to_those_who_are_connected() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let mut worker = server.worker();
    worker.connect(&anna, "1.1").await;
    let id = server.direct(&sam, &anna).await;
    let added = worker.hear_event(&anna, "conversation.added").await;
    let item = server.get(&format!("/conversations/{id}")).by(&anna).send().await;
    let expected = json!({
        "v": 1, "user_rev": added["user_rev"], "at": "<time>", "conversation_id": id, "item": timeless(&item.json),
    });
    assert_eq!(timeless(&added), expected);

    let message = server.say(&sam, id, "hello").await;
    // What only its author is told is no part of events.
    assert_eq!(message["status"], "sent");
    let expected = json!({
        "v": 1, "conversation_id": id, "rev": 1, "at": "<time>", "message": as_told(&message),
    });
    let told = worker.hear_event(&anna, "message.created").await;
    assert_eq!(timeless(&told), expected);
    let given = json!({"items": [{"conversation_id": id, "seen_seq": 1}]});
    assert_eq!(
        server.post("/receipts", &given).by(&anna).send().await.status,
        200
    );
    let own = json!({
        "conversation_id": id, "user_id": anna.id, "delivered_seq": 1, "seen_seq": 1, "unread_count": 0,
        "unread_mentions": 0, "total_unread": 0,
    });
    let told = worker.hear_event(&anna, "receipt.updated").await;
    assert_eq!(told, json!({"v": 1, "items": [own]}));

    // The same key again tells everyone again.
    worker.connect(&sam, "1.2").await;
    let given = json!({"client_id": message["client_id"], "body": "hello"});
    let again = server
        .post(&format!("/conversations/{id}/messages"), &given)
        .by(&sam)
        .send()
        .await;
    assert_eq!(again.status, 200);
    let mut told: Vec<Value> = Vec::new();
    while told.len() < 2 {
        if let Heard::Event { name, data, .. } = worker.hear().await
            && name == "message.created"
        {
            told.push(timeless(&data["message"]));
        }
    }
    assert_eq!(told, [as_told(&message), as_told(&message)]);
    server.stop().await;
}

#[tokio::test]
async fn members_of_a_new_group_hear_of_every_rev() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let mut worker = server.worker();
    worker.connect(&anna, "1.1").await;
    let given = json!({"kind": "group", "title": "The band", "member_ids": [anna.id]});
    let group = server.post("/conversations", &given).by(&sam).send().await;
    worker.hear_event(&anna, "conversation.added").await;
    let created = worker.hear_event(&anna, "message.created").await;
    assert_eq!(
        (&created["rev"], &created["message"]["system"]["event"]),
        (&json!(1), &json!("created"))
    );
    let changed = worker.hear_event(&anna, "members.changed").await;
    assert_eq!(changed["conversation_id"], group.json["conversation"]["id"]);
    assert_eq!(
        (&changed["rev"], &changed["member_count"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(changed["removed"], json!([]));
    assert_eq!(changed["added"][0]["user"]["id"], anna.id);
    assert_eq!(
        changed["message"]["system"]["data"],
        json!({"user_ids": [anna.id]})
    );
    server.stop().await;
}

#[tokio::test]
async fn logging_out_closes_the_sockets_of_that_login_only() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let given = json!({"username": "sam", "password": "correct horse"});
    let token = server.post("/auth/login", &given).send().await.json["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let phone = Person { id: sam.id, token };
    let mut worker = server.worker();
    for (device, socket) in [(&sam, "1.1"), (&phone, "1.2"), (&phone, "1.3")] {
        let given = json!({"socket_id": socket, "channel_name": device.channel()});
        assert_eq!(
            server
                .post("/realtime/auth", &given)
                .by(device)
                .send()
                .await
                .status,
            200
        );
        worker.connect(device, socket).await;
    }
    assert_eq!(
        server
            .ask(Method::POST, "/auth/logout")
            .by(&phone)
            .send()
            .await
            .status,
        204
    );
    for socket in ["1.2", "1.3"] {
        let told = Heard::LoggedOut(socket.parse().unwrap(), "logged_out".to_owned());
        assert_eq!(worker.hear().await, told);
    }
    worker.hear_event(&sam, "device.changed").await;
    server.stop().await;
    worker.silence();
}

#[tokio::test]
async fn logging_out_closes_sockets_that_listen_to_conversations_only() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let channel = format!("presence-conversation.{id}");
    let mut worker = server.worker();
    for (person, socket) in [(&sam, "1.1"), (&anna, "1.2")] {
        let given = json!({"socket_id": socket, "channel_name": channel});
        let answer = server.post("/realtime/auth", &given).by(person).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        worker.join(&channel, socket).await;
    }
    let answer = server.ask(Method::POST, "/auth/logout").by(&sam).send().await;
    assert_eq!(answer.status, 204);
    assert_eq!(worker.hear().await, Heard::Closed("1.1".parse().unwrap()));
    server.stop().await;
    worker.silence();
}

#[tokio::test]
async fn peers_hear_who_comes_and_goes() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    server.direct(&sam, &anna).await;
    let (mut annas, mut eves) = (server.worker(), server.worker());
    annas.connect(&anna, "1.1").await;
    eves.connect(&eve, "1.2").await;
    let state = async |expected: &str| {
        let path = format!("/presence?user_ids={}", sam.id);
        let answer = server.get(&path).by(&anna).send().await;
        assert_eq!(answer.json["items"][0]["state"], expected, "{}", answer.text);
        answer.json["items"][0]["last_seen_at"].clone()
    };
    assert_eq!(state("offline").await, Value::Null);
    let sams = server.worker();
    sams.connect(&sam, "1.3").await;
    let told = annas.hear_event(&anna, "presence.changed").await;
    let online = json!({"user_id": sam.id, "state": "online", "last_seen_at": null});
    assert_eq!(told, json!({"v": 1, "items": [online]}));
    assert_eq!(state("online").await, Value::Null);
    sams.disconnect(&sam, "1.3").await;
    let told = annas.hear_event(&anna, "presence.changed").await;
    let offline = json!({"user_id": sam.id, "state": "offline", "last_seen_at": "<time>"});
    assert_eq!(timeless(&told), json!({"v": 1, "items": [offline]}));
    assert_eq!(state("offline").await, told["items"][0]["last_seen_at"]);
    server.stop().await;
    eves.silence();
}

#[tokio::test]
async fn a_short_absence_is_not_told() {
    let grace = Duration::from_secs(600);
    let presence = PresenceOptions {
        grace,
        pause: Duration::ZERO,
        writing_pause: Duration::ZERO,
    };
    let server = Server::start_with(Setup {
        presence,
        ..Setup::default()
    })
    .await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    server.direct(&sam, &anna).await;
    let (mut annas, sams) = (server.worker(), server.worker());
    annas.connect(&anna, "1.1").await;
    sams.connect(&sam, "1.2").await;
    annas.hear_event(&anna, "presence.changed").await;
    sams.disconnect(&sam, "1.2").await;
    let path = format!("/presence?user_ids={}", sam.id);
    assert_eq!(
        server.get(&path).by(&anna).send().await.json["items"][0]["state"],
        "online"
    );

    // But logging out means it.
    let answer = server.ask(Method::POST, "/auth/logout").by(&sam).send().await;
    assert_eq!(answer.status, 204);
    let told = annas.hear_event(&anna, "presence.changed").await;
    assert_eq!(told["items"][0]["state"], "offline");
    server.stop().await;
}
