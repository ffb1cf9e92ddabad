//! The acceptance scenarios that need no browser, over real HTTP and real WebSockets, on both stores.
//!
//! | | scenario | where |
//! |---|---|---|
//! | 1, 18, 19, 22–24 | what browsers show and stock clients do | `e2e/` |
//! | 2 | in the background: delivered, not seen | here |
//! | 3 | sent offline, all once and in order | here; browsers in `e2e/` |
//! | 4 | killed between commit and response | `e2e/tests/durability.test.js`; a lost answer here |
//! | 5, 6 | away for long; events dropped, doubled, shuffled | `scenarios/catching_up.rs` |
//! | 7 | two devices of one person | here |
//! | 8 | delivered and seen in a group | here; who has when in `receipts.rs` |
//! | 9 | receipts off | `receipts.rs`: `who_hides_receipts_neither_shows_nor_sees_them` |
//! | 10 | reload, leaving, last seen | here |
//! | 11 | typing | here |
//! | 12, 13 | edited and deleted words are gone from the file | `scenarios/erasing.rs` |
//! | 14 | threads | here |
//! | 15 | search | `store/contract/search.rs` of the messenger, run on both stores; `search.rs` over HTTP |
//! | 16 | voice notes | `media.rs`: `voice_notes_are_measured`, `a_voice_note_may_be_so_long` |
//! | 17 | photographs without their place, nothing is rendered | `media.rs`: `a_photograph_is_stored_upright_and_without_its_place`, `what_a_browser_could_run_is_only_downloaded` |
//! | 20 | blocked and removed people | here |
//! | 21 | every refusal, every list, every event | `refusals/checklist.rs`, `lists.rs`, `events.rs` |
//! | 25 | several nodes | not yet: this server runs alone |

mod catching_up;
mod erasing;

use std::time::Duration;

use axum::http::Method;
use chinwag_server::messenger::presence::PresenceOptions;
use serde_json::{Value, json};

use crate::support::{Person, Server, Setup};

async fn live() -> Server {
    Server::start_live(Setup::default()).await
}

/// What is asked is done; returns the answer.
async fn done(server: &Server, by: &Person, method: Method, path: &str, given: Value) -> Value {
    let ask = server.ask(method, path).by(by);
    let answer = ask.body("application/json", given.to_string()).send().await;
    assert!(answer.status < 300, "{path}: {}", answer.text);
    answer.json
}

async fn got(server: &Server, by: &Person, path: &str) -> Value {
    let answer = server.get(path).by(by).send().await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json
}

async fn receipt(server: &Server, by: &Person, conversation: i64, field: &str, seq: &Value) {
    let item = json!({"conversation_id": conversation, field: seq});
    done(server, by, Method::POST, "/receipts", json!({"items": [item]})).await;
}

/// How the author's own message stands, by how far the others are.
async fn status(server: &Server, author: &Person, message: &Value) -> &'static str {
    let path = format!("/messages/{}", message["id"]);
    let message = got(server, author, &path).await;
    let path = format!("/conversations/{}", message["conversation_id"]);
    let others = got(server, author, &path).await["receipts"].clone();
    let reached = |field: &str| others[field].as_u64() >= message["seq"].as_u64();
    let status = match message["receipts"] == true {
        true if reached("others_seen_seq") => "seen",
        true if reached("others_delivered_seq") => "delivered",
        _ => "sent",
    };
    if let Some(told) = message["status"].as_str() {
        assert_eq!(told, status, "{message}");
    }
    status
}

async fn bodies(server: &Server, by: &Person, conversation: i64) -> Vec<String> {
    let page = got(
        server,
        by,
        &format!("/conversations/{conversation}/messages?limit=100"),
    )
    .await;
    let items = page["items"].as_array().unwrap().iter();
    items
        .filter_map(|item| item["body"].as_str())
        .filter(|body| !body.is_empty())
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_2_what_arrives_in_the_background_is_delivered_and_seen_when_it_is_looked_at() {
    let server = live().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let (mut sams, mut annas) = (server.socket(&sam).await, server.socket(&anna).await);
    let message = server.say(&sam, id, "hello").await;
    assert_eq!(status(&server, &sam, &message).await, "sent");

    annas.wait_for("message.created");
    receipt(&server, &anna, id, "delivered_seq", &message["seq"]).await;
    let told = sams.wait_for("receipt.updated");
    let item = &told["items"][0];
    assert_eq!(
        (&item["user_id"], &item["delivered_seq"], &item["seen_seq"]),
        (&json!(anna.id), &json!(1), &json!(0))
    );
    assert_eq!(status(&server, &sam, &message).await, "delivered");
    let item = got(&server, &anna, &format!("/conversations/{id}")).await;
    assert_eq!(item["unread_count"], 1, "delivered is not seen");

    receipt(&server, &anna, id, "seen_seq", &message["seq"]).await;
    assert_eq!(sams.wait_for("receipt.updated")["items"][0]["seen_seq"], 1);
    assert_eq!(status(&server, &sam, &message).await, "seen");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_3_and_4_what_waited_is_sent_once_and_in_order_though_answers_get_lost() {
    let server = live().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let mut annas = server.socket(&anna).await;
    let outbox: Vec<Value> = ["one", "two", "three"]
        .iter()
        .map(|body| json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": body}))
        .collect();
    let path = format!("/conversations/{id}/messages");
    // Every answer is lost, so every message is sent again; and all once more after the tab was opened anew.
    let mut ids = Vec::new();
    for message in &outbox {
        let first = server.post(&path, message).by(&sam).send().await;
        let again = server.post(&path, message).by(&sam).send().await;
        assert_eq!((first.status, again.status), (201, 200));
        assert_eq!(again.header("idempotent-replay"), Some("true"));
        assert_eq!(first.json["id"], again.json["id"]);
        ids.push(first.json["id"].clone());
    }
    for (message, id) in outbox.iter().zip(&ids) {
        let again = server.post(&path, message).by(&sam).send().await;
        assert_eq!((again.status, &again.json["id"]), (200, id));
    }
    assert_eq!(bodies(&server, &anna, id).await, ["one", "two", "three"]);
    // The receiver hears each at least once, and knows repetitions by their rev.
    let mut revs = Vec::new();
    while revs.len() < 9 {
        let told = annas.wait_for("message.created");
        revs.push(told["rev"].as_u64().unwrap());
    }
    assert_eq!(revs, [1, 1, 2, 2, 3, 3, 1, 2, 3]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_7_what_is_read_on_one_device_is_read_on_the_other() {
    let server = live().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let given = json!({"username": "anna", "password": "correct horse", "device_name": "phone"});
    let phone = server.post("/auth/login", &given).send().await;
    let phone = Person {
        id: anna.id,
        token: phone.json["token"].as_str().unwrap().to_owned(),
    };
    let mut desk_socket = server.socket(&anna).await;
    let mut phone_socket = server.socket(&phone).await;
    let message = server.say(&sam, id, "hello").await;
    phone_socket.wait_for_words("hello");
    desk_socket.wait_for_words("hello");
    receipt(&server, &phone, id, "seen_seq", &message["seq"]).await;
    let told = desk_socket.wait_for("receipt.updated");
    let item = &told["items"][0];
    assert_eq!(
        (
            &item["user_id"],
            &item["seen_seq"],
            &item["unread_count"],
            &item["unread_mentions"]
        ),
        (&json!(anna.id), &json!(1), &json!(0), &json!(0))
    );

    // Both go on from the same draft: the second is told, and can keep both texts.
    let path = format!("/conversations/{id}/me");
    let draft = |body: &str, based_on: &Value| json!({"draft": {"body": body, "based_on": based_on}});
    let first = done(&server, &anna, Method::PATCH, &path, draft("Dear", &Value::Null)).await;
    let first = &first["my"]["draft"]["updated_at"];
    done(&server, &anna, Method::PATCH, &path, draft("Dear desk", first)).await;
    let refused = server
        .patch(&path, &draft("Dear phone", first))
        .by(&phone)
        .send()
        .await;
    refused.check_code(409, "draft_conflict");
    let kept = got(&server, &phone, &format!("/conversations/{id}")).await["my"]["draft"].clone();
    assert_eq!(kept["body"], "Dear desk");
    let both = "Dear desk\nDear phone";
    done(
        &server,
        &phone,
        Method::PATCH,
        &path,
        draft(both, &kept["updated_at"]),
    )
    .await;
    let mut told = Value::Null;
    while told["my"]["draft"]["body"] != both {
        told = desk_socket.wait_for("member_state.changed");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_8_a_group_has_received_when_everybody_has() {
    let server = live().await;
    let mut people = Vec::new();
    for name in ["sam", "anna", "eve", "leo"] {
        people.push(server.person(name).await);
    }
    let [sam, anna, eve, leo] = people.try_into().unwrap();
    let group = server.group(&sam, &[&anna, &eve]).await;
    let message = server.say(&sam, group, "hello").await;
    let seq = &message["seq"];
    let standing = async || status(&server, &sam, &message).await;

    receipt(&server, &anna, group, "delivered_seq", seq).await;
    assert_eq!(standing().await, "sent", "one of two");
    receipt(&server, &eve, group, "delivered_seq", seq).await;
    assert_eq!(standing().await, "delivered");
    receipt(&server, &anna, group, "seen_seq", seq).await;
    assert_eq!(standing().await, "delivered", "one of two has seen it");

    // The author may ask who has it, and since when.
    let arrivals = got(&server, &sam, &format!("/messages/{}/receipts", message["id"])).await;
    let of = |who: &Person| {
        let items = arrivals["items"].as_array().unwrap().iter();
        items
            .filter(|item| item["user"]["id"] == who.id)
            .map(|item| {
                let known = |field: &str| item[field].is_string();
                (
                    item["user"]["display_name"].as_str().unwrap().to_owned(),
                    [item["delivered"] == true, item["seen"] == true],
                    [known("delivered_at"), known("seen_at")],
                )
            })
            .collect::<Vec<_>>()
    };
    let anna_has = ("Anna Whitlock".to_owned(), [true, true], [true, true]);
    let eve_has = ("Eve Whitlock".to_owned(), [true, false], [true, false]);
    assert_eq!((of(&anna), of(&eve)), (vec![anna_has], vec![eve_has]));

    // Whoever joins later was never to receive it.
    let members = format!("/conversations/{group}/members");
    done(
        &server,
        &sam,
        Method::POST,
        &members,
        json!({"user_ids": [leo.id]}),
    )
    .await;
    assert_eq!(standing().await, "delivered");
    // When who had not seen it leaves, all have.
    done(
        &server,
        &eve,
        Method::POST,
        &format!("/conversations/{group}/leave"),
        json!({}),
    )
    .await;
    assert_eq!(standing().await, "seen");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_9_with_receipts_off_nobody_sees_what_was_seen() {
    let server = live().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let message = server.say(&sam, id, "hello").await;
    done(
        &server,
        &anna,
        Method::PATCH,
        "/me/privacy",
        json!({"read_receipts": false}),
    )
    .await;
    receipt(&server, &anna, id, "seen_seq", &message["seq"]).await;
    assert_eq!(status(&server, &sam, &message).await, "delivered");
    let mine = got(&server, &anna, &format!("/conversations/{id}")).await;
    assert_eq!(mine["unread_count"], 0, "one's own count goes on");

    let answer = server.say(&anna, id, "hi").await;
    receipt(&server, &sam, id, "seen_seq", &answer["seq"]).await;
    assert_eq!(
        status(&server, &anna, &answer).await,
        "delivered",
        "nor does she see others'"
    );
    // The switch counts at once, for what was, too.
    done(
        &server,
        &anna,
        Method::PATCH,
        "/me/privacy",
        json!({"read_receipts": true}),
    )
    .await;
    assert_eq!(status(&server, &sam, &message).await, "seen");
    assert_eq!(status(&server, &anna, &answer).await, "seen");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_10_a_reload_is_not_noticed_and_leaving_is_after_the_grace() {
    let grace = Duration::from_secs(4);
    let presence = PresenceOptions {
        grace,
        pause: Duration::ZERO,
        writing_pause: Duration::ZERO,
    };
    let server = Server::start_live(Setup {
        presence,
        ..Setup::default()
    })
    .await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    server.direct(&sam, &anna).await;
    let mut annas = server.socket(&anna).await;
    let tab = server.socket(&sam).await;
    let state = |told: &Value| told["items"][0]["state"].as_str().unwrap().to_owned();
    assert_eq!(state(&annas.wait_for("presence.changed")), "online");
    // The page is loaded anew: the old connection goes, another comes.
    drop(tab);
    let mut tab = server.socket(&sam).await;
    tab.whisper(&sam.channel(), "client-activity", &json!({"state": "idle"}));
    assert_eq!(
        state(&annas.wait_for("presence.changed")),
        "away",
        "nothing was told before"
    );
    tab.whisper(&sam.channel(), "client-activity", &json!({"state": "active"}));
    assert_eq!(state(&annas.wait_for("presence.changed")), "online");
    let closed_ms = chinwag_messenger::Timestamp::now().0;
    drop(tab);
    let told = annas.wait_for("presence.changed");
    let told_ms = chinwag_messenger::Timestamp::now().0;
    assert_eq!(state(&told), "offline");
    let last_seen: jiff::Timestamp = told["items"][0]["last_seen_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let last_seen_ms = last_seen.as_millisecond();
    assert!(
        last_seen_ms + i64::try_from(grace.as_millis()).unwrap() <= told_ms
            && last_seen_ms <= closed_ms + 1_000,
        "the last activity ({last_seen_ms}), not the end of the grace ({told_ms})"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_11_typing_is_seen_and_ends_with_the_typists_connection() {
    let server = live().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let mut annas = server.socket(&anna).await;
    let mut sams = server.socket(&sam).await;
    let channel = format!("presence-conversation.{id}");
    assert_eq!(sams.join(&server, &sam, &channel).await, 200);
    annas.wait_for("presence.changed");
    sams.whisper(
        &channel,
        "client-typing",
        &json!({"kind": "voice", "user_id": anna.id}),
    );
    let told = annas.wait_for("typing.changed");
    assert_eq!(
        (&told["user_id"], &told["kind"], &told["stop"]),
        (&json!(sam.id), &json!("voice"), &json!(false)),
        "the server says who it was"
    );
    // The network is cut. Who hears nothing forgets it after so many seconds, or when the typist is gone.
    let config = got(&server, &anna, "/config").await;
    assert!(config["limits"]["typing_expiry_s"].as_u64().unwrap() <= 6);
    drop(sams);
    assert_eq!(annas.wait_for("presence.changed")["items"][0]["state"], "offline");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_14_a_thread_is_a_place_of_its_own() {
    let server = live().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let group = server.group(&sam, &[&anna, &eve]).await;
    let root = server.say(&sam, group, "root").await;
    let mut sams = server.socket(&sam).await;
    let path = format!("/conversations/{group}/messages");
    let reply =
        json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": "reply", "thread_root_id": root["id"]});
    let reply = done(&server, &anna, Method::POST, &path, reply).await;
    let told = sams.wait_for("message.created");
    assert_eq!(
        (&told["thread"]["root_id"], &told["thread"]["reply_count"]),
        (&root["id"], &json!(1))
    );
    // It is not in the main list: there it has a place, marked, and the root has a counter.
    assert_eq!(reply["in_timeline"], false);
    let shown = got(&server, &sam, &format!("/messages/{}", root["id"])).await;
    assert_eq!(shown["reply_count"], 1);
    // Only who follows has something to read.
    let following = async |who: &Person| {
        got(&server, who, "/threads").await["items"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        (
            following(&sam).await,
            following(&anna).await,
            following(&eve).await
        ),
        (1, 1, 0)
    );
    let unread = async |who: &Person| {
        let thread = got(&server, who, &format!("/messages/{}/thread", root["id"])).await;
        thread["unread_count"].as_u64().unwrap()
    };
    assert_eq!(unread(&sam).await, 1);
    let item = got(&server, &eve, &format!("/conversations/{group}")).await;
    assert_eq!(item["unread_count"], 1, "the root, not the reply");
    // Opening the conversation and seeing all of it does not clear the thread.
    receipt(&server, &sam, group, "seen_seq", &reply["seq"]).await;
    assert_eq!(unread(&sam).await, 1);
    let seen = json!({"items": [{"conversation_id": group, "thread_root_id": root["id"], "seen_seq": reply["seq"]}]});
    done(&server, &sam, Method::POST, "/receipts", seen).await;
    assert_eq!(unread(&sam).await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_20_blocked_people_are_not_heard_and_removed_ones_hear_nothing() {
    let server = live().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.direct(&sam, &anna).await;
    done(
        &server,
        &anna,
        Method::PUT,
        &format!("/blocks/{}", sam.id),
        json!({}),
    )
    .await;
    let mut annas = server.socket(&anna).await;
    let message = server.say(&sam, id, "let me in").await;
    let (_, before) = annas.hear_until("conversation.noop");
    assert!(!before.contains(&"message.created".to_owned()), "{before:?}");
    for field in ["delivered_seq", "seen_seq"] {
        receipt(&server, &anna, id, field, &message["seq"]).await;
        assert_eq!(status(&server, &sam, &message).await, "sent");
    }
    let item = got(&server, &anna, &format!("/conversations/{id}")).await;
    assert_eq!(
        (&item["unread_count"], &item["last_message"]),
        (&json!(0), &Value::Null)
    );

    let group = server.group(&eve, &[&anna]).await;
    server.say(&eve, group, "before").await;
    annas.wait_for_words("before");
    assert_eq!(
        annas
            .join(&server, &anna, &format!("presence-conversation.{group}"))
            .await,
        200
    );
    let removed = server
        .delete(&format!("/conversations/{group}/members/{}", anna.id))
        .by(&eve);
    assert_eq!(removed.send().await.status, 204);
    annas.wait_for("conversation.removed");
    // The connection is sent away, and comes back without the conversation.
    assert_eq!(annas.wait_for("closed"), 4_200);
    let mut annas = server.socket(&anna).await;
    assert_eq!(
        annas
            .join(&server, &anna, &format!("presence-conversation.{group}"))
            .await,
        403
    );
    server.say(&eve, group, "after").await;
    let sending = json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": "still here?"});
    let refused = server
        .post(&format!("/conversations/{group}/messages"), &sending)
        .by(&anna)
        .send()
        .await;
    refused.check_code(403, "not_a_member");
    assert_eq!(bodies(&server, &anna, group).await, ["before"]);
    let (_, heard) = {
        server.direct(&eve, &anna).await;
        annas.hear_until("conversation.added")
    };
    assert!(!heard.contains(&"message.created".to_owned()), "{heard:?}");
    server.stop().await;
}
