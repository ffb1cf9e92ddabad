//! That somebody types, and whether somebody is at the keyboard: who hears of it, and who does not.

use axum::http::Method;
use chinwag_server::messenger::RateLimits;
use serde_json::{Value, json};

use crate::support::{Heard, Person, Server, Setup, Worker};

/// Says over REST that somebody types.
async fn types(server: &Server, who: &Person, conversation: i64, given: Value) {
    let path = format!("/conversations/{conversation}/typing");
    let answer = server.post(&path, &given).by(who).send().await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
}

/// The next event is the message that was sent last: what should have been dropped was.
async fn only_the_message(
    server: &Server,
    worker: &mut Worker,
    by: &Person,
    whose: &Person,
    conversation: i64,
) {
    server.say(by, conversation, "here").await;
    let told = worker.hear_event(whose, "message.created").await;
    assert_eq!(told["message"]["body"], "here");
}

#[tokio::test]
async fn the_others_see_who_types_and_what() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let room = server.direct(&sam, &anna).await;
    let mut annas = server.worker();
    annas.connect(&anna, "1.1").await;
    let seen = |kind: &str, stop: bool| json!({"v": 1, "conversation_id": room, "user_id": sam.id, "kind": kind, "stop": stop});
    types(&server, &sam, room, json!({})).await;
    assert_eq!(
        annas.hear_event(&anna, "typing.changed").await,
        seen("text", false)
    );
    types(&server, &sam, room, json!({"kind": "voice"})).await;
    assert_eq!(
        annas.hear_event(&anna, "typing.changed").await,
        seen("voice", false)
    );
    types(&server, &sam, room, json!({"kind": "voice", "stop": true})).await;
    assert_eq!(
        annas.hear_event(&anna, "typing.changed").await,
        seen("voice", true)
    );
    types(&server, &sam, room, json!({"thread_root_id": 7})).await;
    assert_eq!(
        annas.hear_event(&anna, "typing.changed").await["thread_root_id"],
        7
    );
    let path = format!("/conversations/{room}/typing");
    let wrong = server.post(&path, &json!({"kind": "song"})).by(&sam).send().await;
    assert_eq!(wrong.status, 422);
    let stranger = server.post(&path, &json!({})).send().await;
    assert_eq!(stranger.status, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_client_event_reaches_those_who_look_and_those_who_do_not() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let room = server.direct(&sam, &anna).await;
    let channel = format!("presence-conversation.{room}");
    let (sams, mut annas) = (server.worker(), server.worker());
    sams.look_at(&sam, room, "1.1").await;
    annas.connect(&anna, "2.1").await;
    annas.look_at(&anna, room, "2.1").await;
    // What the payload says about who it is, or what else it carries, goes nowhere.
    let given = json!({"kind": "text", "stop": false, "user_id": anna.id, "more": "x"});
    sams.whisper(&sam, "1.1", &channel, "client-typing", &given).await;
    let heard = loop {
        match annas.hear().await {
            Heard::Event {
                channel: on,
                name,
                data,
            } if name == "client-typing" => break (on, data),
            Heard::Event { name, .. } => assert_ne!(name, "typing.changed", "the channel comes first"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(heard, (channel.clone(), json!({"kind": "text", "stop": false})));
    let told = annas.hear_event(&anna, "typing.changed").await;
    assert_eq!(told["user_id"], sam.id);
    // What is nothing to the messenger passes as it is.
    sams.whisper(&sam, "1.1", &channel, "client-wave", &json!({"hand": "left"}))
        .await;
    match annas.hear().await {
        Heard::Event { name, data, .. } => {
            assert_eq!((name.as_str(), data), ("client-wave", json!({"hand": "left"})));
        }
        other => panic!("{other:?}"),
    }
    server.stop().await;
}

#[tokio::test]
async fn nobody_sees_who_types_where_that_may_not_be() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let room = server.group(&sam, &[&anna, &eve]).await;
    let (mut annas, mut eves) = (server.worker(), server.worker());
    eves.connect(&eve, "2.1").await;
    eves.look_at(&eve, room, "2.1").await;
    annas.connect(&anna, "1.1").await;
    eves.hear_event(&eve, "presence.changed").await;
    let privacy = async |who: &Person, wish: Value| {
        let answer = server.patch("/me/privacy", &wish).by(who).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    // A stranger, and somebody who does not want it seen.
    let mallory = server.person("mallory").await;
    types(&server, &mallory, room, json!({})).await;
    types(&server, &mallory, 4_711, json!({})).await;
    privacy(&sam, json!({"typing": false})).await;
    types(&server, &sam, room, json!({})).await;
    only_the_message(&server, &mut annas, &sam, &anna, room).await;
    eves.hear_event(&eve, "message.created").await;
    privacy(&sam, json!({"typing": true})).await;

    // One who is blocked, on either side; the others do see it, by their own channels.
    server
        .ask(Method::PUT, &format!("/blocks/{}", sam.id))
        .by(&eve)
        .send()
        .await;
    assert_eq!(eves.hear_event(&eve, "block.changed").await["blocked"], true);
    types(&server, &sam, room, json!({})).await;
    assert_eq!(annas.hear_event(&anna, "typing.changed").await["user_id"], sam.id);
    types(&server, &eve, room, json!({})).await;
    assert_eq!(annas.hear_event(&anna, "typing.changed").await["user_id"], eve.id);
    eves.silence();

    // No right to post.
    let path = format!("/conversations/{room}");
    server
        .patch(&path, &json!({"policies": {"post": "admins"}}))
        .by(&sam)
        .send()
        .await;
    annas.hear_event(&anna, "conversation.updated").await;
    types(&server, &eve, room, json!({})).await;
    types(&server, &sam, room, json!({})).await;
    assert_eq!(annas.hear_event(&anna, "typing.changed").await["user_id"], sam.id);
    annas.silence();
    server.stop().await;
}

#[tokio::test]
async fn signals_that_come_too_fast_and_large_conversations_are_left_out() {
    let mut setup = Setup::default();
    setup.api.rate_limits = RateLimits {
        typing_pause_s: 2,
        ..RateLimits::unlimited()
    };
    setup.messenger.typing_members_max = 2;
    let server = Server::start_with(setup).await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let room = server.direct(&sam, &anna).await;
    let large = server.group(&sam, &[&anna, &eve]).await;
    let mut annas = server.worker();
    annas.connect(&anna, "1.1").await;
    for _ in 0..3 {
        types(&server, &sam, room, json!({})).await;
    }
    types(&server, &sam, large, json!({})).await;
    types(&server, &sam, room, json!({"stop": true})).await;
    assert_eq!(annas.hear_event(&anna, "typing.changed").await["stop"], false);
    assert_eq!(
        annas.hear_event(&anna, "typing.changed").await["stop"],
        true,
        "nobody waits to stop"
    );
    annas.silence();
    // Who stopped, because the message was sent, may begin another at once.
    for _ in 0..2 {
        types(&server, &sam, room, json!({})).await;
    }
    assert_eq!(annas.hear_event(&anna, "typing.changed").await["stop"], false);
    annas.silence();
    server.stop().await;
}

#[tokio::test]
async fn who_leaves_the_keyboard_is_away() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    server.direct(&sam, &anna).await;
    let (mut annas, sams) = (server.worker(), server.worker());
    annas.connect(&anna, "1.1").await;
    sams.connect(&sam, "2.1").await;
    let state = |told: &Value| told["items"][0]["state"].as_str().unwrap().to_owned();
    assert_eq!(
        state(&annas.hear_event(&anna, "presence.changed").await),
        "online"
    );
    let says = async |socket: &str, word: &str| {
        let data = json!({"state": word});
        sams.whisper(&sam, socket, &sam.channel(), "client-activity", &data)
            .await;
    };
    says("2.1", "idle").await;
    let told = annas.hear_event(&anna, "presence.changed").await;
    assert_eq!(
        (state(&told).as_str(), &told["items"][0]["last_seen_at"]),
        ("away", &Value::Null)
    );
    let asked = server
        .get(&format!("/presence?user_ids={}", sam.id))
        .by(&anna)
        .send()
        .await;
    assert_eq!(state(&asked.json), "away");
    // A second device, which says nothing, is taken for active; then it goes.
    sams.connect(&sam, "2.2").await;
    assert_eq!(
        state(&annas.hear_event(&anna, "presence.changed").await),
        "online"
    );
    sams.disconnect(&sam, "2.2").await;
    assert_eq!(state(&annas.hear_event(&anna, "presence.changed").await), "away");
    says("2.1", "dancing").await;
    says("2.1", "active").await;
    assert_eq!(
        state(&annas.hear_event(&anna, "presence.changed").await),
        "online"
    );
    annas.silence();
    server.stop().await;
}

#[tokio::test]
async fn who_looks_at_a_group_hears_of_its_members() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let group = server.group(&sam, &[&anna, &eve]).await;
    let (mut annas, mut eves, sams) = (server.worker(), server.worker(), server.worker());
    annas.connect(&anna, "1.1").await;
    annas.look_at(&anna, group, "1.1").await;
    eves.connect(&eve, "2.1").await;
    let told = annas.hear_event(&anna, "presence.changed").await;
    assert_eq!(told["items"][0]["user_id"], eve.id);
    server
        .patch("/me/privacy", &json!({"last_seen": "nobody"}))
        .by(&eve)
        .send()
        .await;
    eves.hear_event(&eve, "me.updated").await;
    eves.look_at(&eve, group, "2.1").await;
    sams.connect(&sam, "3.1").await;
    let told = annas.hear_event(&anna, "presence.changed").await;
    assert_eq!(told["items"][0]["user_id"], sam.id);
    let path = format!("/conversations/{group}/presence");
    let counted = server.get(&path).by(&anna).send().await;
    counted.check(200, &json!({"online_count": 2}));
    let mallory = server.person("mallory").await;
    assert_eq!(server.get(&path).by(&mallory).send().await.status, 404);
    // Who hides hears nothing of others, looking or not.
    server.say(&sam, group, "here").await;
    loop {
        match eves.hear().await {
            Heard::Event { name, .. } if name == "message.created" => break,
            Heard::Event { name, .. } => assert_ne!(name, "presence.changed"),
            other => panic!("{other:?}"),
        }
    }
    server.stop().await;
}
