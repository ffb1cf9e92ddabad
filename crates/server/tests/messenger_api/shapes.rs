//! What `docs/API.md` promises, answer by answer.

use serde_json::{Value, json};

use crate::support::{Person, Server, as_told, name, timeless};

fn user(person: &Person, username: &str) -> Value {
    json!({"id": person.id, "username": username, "display_name": name(username), "kind": "human", "deleted": false})
}

pub(crate) fn usual_policies() -> Value {
    json!({
        "edit_history": "off", "edit_window_s": 172_800, "delete_window_s": null, "post": "all",
        "invite": "admins", "info": "admins", "pin": "admins", "history_for_new_members": "all",
    })
}

fn text_message(of: &Value, overrides: &Value) -> Value {
    let mut message = json!({
        "id": of["id"], "conversation_id": of["conversation_id"], "client_id": of["client_id"],
        "kind": "text", "mentions": [], "attachments": [], "reply_to": null, "thread_root_id": null,
        "in_timeline": true, "reply_count": 0, "last_reply_seq": null, "last_reply_at": null, "participants": [],
        "forwarded_from": null, "reactions": [], "pinned": false, "receipts": true, "created_at": "<time>",
        "edited_at": null, "edit_count": 0, "deleted_at": null, "deleted_by": null,
    });
    let fields = message.as_object_mut().unwrap();
    fields.extend(overrides.as_object().unwrap().clone());
    message
}

#[tokio::test]
async fn the_configuration_tells_whether_an_owner_is_missing() {
    let server = Server::start().await;
    let mut limits = json!({
                "body_chars": 10000, "body_bytes": 40960, "title_chars": 128, "description_chars": 512,
                "display_name_chars": 64, "bio_chars": 280, "settings_bytes": 16384, "devices": 20,
                "device_idle_s": 7_776_000, "connections": 20,
                "group_members": 1024, "group_admins": 50, "mention_all_members": 32, "pins": 50, "groups_per_day": 20, "conversations": 5000,
                "invites": 100, "invite_life_s": 604_800, "page_size": 50, "page_size_max": 100,
                "receipts_members": 256,
                "password_chars_min": 8, "attachments": 10, "file_bytes": 104_857_600,
                "upload_quota_bytes": 5_368_709_120_u64, "uploads_per_hour": 0, "voice_ms": 900_000,
                "voice_bytes": 26_214_400, "image_pixels": 50_000_000
    });
    let more = json!({
    "reports_per_day": 50, "reactions": 20,
            "versions": 50, "edit_window_s": 172_800, "delete_window_s": null, "typing_members": 256,
            "typing_relayed_members": 20, "typing_pause_s": 0, "typing_repeat_s": 3, "typing_expiry_s": 6,
            "presence_members": 256, "presence_watchers": 500, "presence_grace_s": 0, "presence_pause_s": 0,
            "away_after_s": 300, "login_failures": 10, "login_window_s": 900, "sends_per_conversation_5s": 0,
            "sends_per_minute": 0, "writes_per_minute": 0, "reads_per_minute": 0, "searches_per_minute": 0,
            "changes": 2_000, "cursor_life_s": 2_592_000, "event_bytes": 65_536, "gap_wait_ms": 300,
        });
    let fields = limits.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let expected = |setup_required: bool| {
        json!({
            "name": "Chinwag", "version": env!("CARGO_PKG_VERSION"), "api_version": 1,
            "setup_required": setup_required, "registration": "open", "mail": false, "push_key": null,
            "limits": limits,
        })
    };
    server.get("/config").send().await.check(200, &expected(true));
    server.person("sam").await;
    server.get("/config").send().await.check(200, &expected(false));
    server
        .get("/health")
        .send()
        .await
        .check(200, &json!({"status": "ok"}));
    server.stop().await;
}

#[tokio::test]
async fn an_account_is_registered_logged_in_and_out() {
    let server = Server::start().await;
    let given =
        json!({"username": "Sam", "password": "correct horse", "device_name": "desk", "surplus": [1]});
    let answer = server.post("/auth/register", &given).send().await;
    let token = answer.json["token"].as_str().unwrap().to_owned();
    let (login, secret) = token.split_once('|').unwrap();
    assert!(login.parse::<i64>().is_ok() && secret.len() == 48, "{token}");
    let id = answer.json["user"]["id"].clone();
    let me = json!({
        "id": id, "username": "sam", "display_name": "sam", "kind": "human", "deleted": false,
        "server_role": "owner", "locale": "en", "user_rev": answer.json["user"]["user_rev"],
        "created_at": "<time>", "bio": "", "timezone": "UTC", "settings": {}, "second_factor": false,
        "email": null, "email_verified_at": null, "email_pending": null,
        "privacy": {
            "last_seen": "everyone", "read_receipts": true, "typing": true, "who_can_dm": "everyone",
            "who_can_add_me": "everyone", "discoverable": true,
        },
    });
    answer.check(201, &json!({"user": me, "token": token}));

    let answer = server
        .post(
            "/auth/login",
            &json!({"username": "SAM", "password": "correct horse"}),
        )
        .send()
        .await;
    let second = answer.json["token"].as_str().unwrap().to_owned();
    // Another device is a change of one's own.
    let mut me = me;
    me["user_rev"] = json!(me["user_rev"].as_u64().unwrap() + 1);
    answer.check(200, &json!({"user": me, "token": second}));
    let (first, second) = (Person { id: 0, token }, Person { id: 0, token: second });
    server.get("/me").by(&first).send().await.check(200, &me);

    let answer = server
        .ask(axum::http::Method::POST, "/auth/logout")
        .by(&first)
        .send()
        .await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(server.get("/me").by(&first).send().await.status, 401);
    me["user_rev"] = json!(me["user_rev"].as_u64().unwrap() + 1);
    server.get("/me").by(&second).send().await.check(200, &me);
    server.stop().await;
}

#[tokio::test]
async fn people_are_found_and_shown() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let shown = user(&anna, "anna");
    let mut with_bio = shown.clone();
    with_bio["bio"] = json!("");
    let found = json!({"items": [shown], "next_cursor": null});
    server
        .get("/users?q=ann")
        .by(&sam)
        .send()
        .await
        .check(200, &found);
    server
        .get("/users?q=Whit&limit=5")
        .by(&sam)
        .send()
        .await
        .check(200, &found);
    server
        .get("/users?q=sam")
        .by(&sam)
        .send()
        .await
        .check(200, &json!({"items": [], "next_cursor": null}));
    server
        .get(&format!("/users/{}", anna.id))
        .by(&sam)
        .send()
        .await
        .check(200, &with_bio);
    let presence = server
        .get(&format!("/presence?user_ids={},{},77", anna.id, sam.id))
        .by(&sam)
        .send()
        .await;
    presence.check(
        200,
        &json!({"items": [
            {"user_id": sam.id, "state": "offline", "last_seen_at": null},
            {"user_id": anna.id, "state": "offline", "last_seen_at": null},
        ]}),
    );
    server.stop().await;
}

#[tokio::test]
async fn a_direct_conversation_is_opened_once() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let given = json!({"kind": "direct", "user_id": anna.id});
    let answer = server.post("/conversations", &given).by(&sam).send().await;
    let conversation = &answer.json["conversation"];
    let member = |person: &Person, username: &str| {
        json!({
            "user": user(person, username), "role": "member", "joined_seq": 0, "delivered_seq": 0, "seen_seq": 0,
        })
    };
    let expected = json!({
        "conversation": {
            "id": conversation["id"], "kind": "direct", "title": null, "description": null, "owner_id": null,
            "created_by": sam.id, "created_at": "<time>", "last_seq": 0, "last_rev": conversation["last_rev"],
            "members_rev": conversation["members_rev"], "settings_rev": 0, "last_activity_at": "<time>",
            "member_count": 2, "policies": usual_policies(), "state": "active",
        },
        "my": {
            "role": "member", "joined_seq": 0, "delivered_seq": 0, "seen_seq": 0, "history_from_seq": 1,
            "cleared_seq": 0, "muted_until": null, "archived": false, "pinned_order": null, "marked_unread": false,
            "notify": "all", "hidden_from_list": false, "draft": null, "left_at": null,
        },
        "unread_count": 0, "unread_mentions": 0, "unread_capped": false, "last_message": null,
        "peer": user(&anna, "anna"),
        "receipts": {"others_delivered_seq": 0, "others_seen_seq": 0},
        "members": [member(&sam, "sam"), member(&anna, "anna")],
    });
    answer.check(201, &expected);
    server
        .post("/conversations", &given)
        .by(&sam)
        .send()
        .await
        .check(200, &expected);
    let path = format!("/conversations/{}", conversation["id"]);
    server.get(&path).by(&sam).send().await.check(200, &expected);
    let list = json!({"items": [expected], "next_cursor": null});
    server
        .get("/conversations")
        .by(&sam)
        .send()
        .await
        .check(200, &list);
    let answer = server.get(&path).by(&anna).send().await;
    assert_eq!(answer.json["peer"], user(&sam, "sam"));

    let own = server
        .post("/conversations", &json!({"kind": "direct", "user_id": sam.id}))
        .by(&sam)
        .send()
        .await;
    assert_eq!(own.status, 201);
    assert_eq!(own.json["conversation"]["kind"], "self");
    assert_eq!(own.json["peer"], Value::Null);
    assert_eq!(
        own.json["receipts"],
        json!({"others_delivered_seq": null, "others_seen_seq": null})
    );

    let first = server.get("/conversations?limit=1").by(&sam).send().await;
    let cursor = first.json["next_cursor"].as_str().unwrap();
    let second = server
        .get(&format!("/conversations?limit=1&cursor={cursor}"))
        .by(&sam)
        .send()
        .await;
    assert_eq!(second.json["next_cursor"], Value::Null);
    assert_ne!(
        first.json["items"][0]["conversation"]["id"],
        second.json["items"][0]["conversation"]["id"]
    );
    server.stop().await;
}

#[tokio::test]
async fn a_group_begins_with_notes_about_itself() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let given = json!({"kind": "group", "title": " The band ", "member_ids": [anna.id, anna.id, sam.id]});
    let answer = server.post("/conversations", &given).by(&sam).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let conversation = &answer.json["conversation"];
    assert_eq!(
        timeless(conversation),
        json!({
            "id": conversation["id"], "kind": "group", "title": "The band", "description": null,
            "owner_id": sam.id, "created_by": sam.id, "created_at": "<time>", "last_seq": 2, "last_rev": 2,
            "members_rev": conversation["members_rev"], "settings_rev": 0, "last_activity_at": "<time>",
            "member_count": 2, "policies": usual_policies(), "state": "active",
        })
    );
    assert_eq!(answer.json["my"]["role"], "owner");
    let id = &conversation["id"];
    let history = server
        .get(&format!("/conversations/{id}/messages"))
        .by(&anna)
        .send()
        .await;
    let system = |index: usize, seq: u64, event: &str, data: &Value| {
        text_message(
            &history.json["items"][index],
            &json!({
                "seq": seq, "rev": seq, "client_id": null, "author_id": sam.id, "kind": "system", "body": "",
                "system": {"event": event, "actor_id": sam.id, "data": data},
            }),
        )
    };
    let expected = json!({
        "items": [
            system(0, 1, "created", &json!({"title": "The band"})),
            system(1, 2, "members_added", &json!({"user_ids": [anna.id]})),
        ],
        "has_more_before": false, "has_more_after": false, "last_seq": 2, "last_rev": 2,
    });
    history.check(200, &expected);

    let members = server
        .get(&format!("/conversations/{id}/members"))
        .by(&anna)
        .send()
        .await;
    let member = |index: usize, user: &Value, role: &str| {
        let given = &members.json["items"][index];
        json!({
            "user": user, "role": role, "joined_at": "<time>", "joined_seq": given["joined_seq"],
            "delivered_seq": given["delivered_seq"], "seen_seq": given["seen_seq"],
        })
    };
    let expected = json!({
        "items": [member(0, &user(&sam, "sam"), "owner"), member(1, &user(&anna, "anna"), "member")],
        "next_cursor": null,
    });
    members.check(200, &expected);
    server.stop().await;
}

#[tokio::test]
async fn a_message_is_sent_once_read_and_answered() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let messages = format!("/conversations/{id}/messages");
    let client_id = "0190b1c2-7d3e-7a51-8f2b-3c4d5e6f7a8b";
    let given = json!({"client_id": client_id, "body": "When?", "reply_to": null, "advance_seen": true});
    let answer = server.post(&messages, &given).by(&sam).send().await;
    let first = text_message(
        &answer.json,
        &json!({"seq": 1, "rev": 1, "author_id": sam.id, "client_id": client_id, "body": "When?"}),
    );
    let own = |message: &Value, status: &str| {
        let mut message = message.clone();
        message["status"] = json!(status);
        message
    };
    answer.check(201, &own(&first, "sent"));
    assert_eq!(answer.header("idempotent-replay"), None);
    let again = server.post(&messages, &given).by(&sam).send().await;
    again.check(200, &own(&first, "sent"));
    assert_eq!(again.header("idempotent-replay"), Some("true"));
    server
        .get(&format!("/messages/{}", first["id"]))
        .by(&anna)
        .send()
        .await
        .check(200, &first);

    let given = json!({
        "client_id": "0190b1c2-0000-7000-8000-000000000002", "body": "At 5", "reply_to": first["id"],
    });
    let answer = server.post(&messages, &given).by(&anna).send().await;
    let quote = json!({
        "message_id": first["id"], "seq": 1, "author_id": sam.id, "kind": "text", "excerpt": "When?",
        "deleted": false,
    });
    let second = text_message(
        &answer.json,
        &json!({"seq": 2, "rev": 2, "author_id": anna.id, "body": "At 5", "reply_to": quote}),
    );
    answer.check(201, &own(&second, "sent"));
    let first = own(&first, "seen");

    let page = |items: &[&Value], before: bool, after: bool| {
        json!({
            "items": items, "has_more_before": before, "has_more_after": after, "last_seq": 2, "last_rev": 2,
        })
    };
    let check = async |query: &str, expected: Value| {
        server
            .get(&format!("{messages}{query}"))
            .by(&sam)
            .send()
            .await
            .check(200, &expected);
    };
    check("", page(&[&first, &second], false, false)).await;
    check("?limit=1", page(&[&second], true, false)).await;
    check("?before=2", page(&[&first], false, true)).await;
    check("?after=1", page(&[&second], true, false)).await;
    check("?around=1", page(&[&first, &second], false, false)).await;
    check("?after=99999999999999999999", page(&[], true, false)).await;
    server.stop().await;
}

#[tokio::test]
async fn receipts_move_forward_item_by_item() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.direct(&sam, &anna).await;
    let foreign = server.direct(&sam, &eve).await;
    for body in ["one", "two", "three"] {
        server.say(&sam, id, body).await;
    }
    let receipts = async |items: Value, expected: Value| {
        let answer = server
            .post("/receipts", &json!({"items": items}))
            .by(&anna)
            .send()
            .await;
        answer.check(200, &json!({"items": expected}));
    };
    let at = |delivered: u64, seen: u64, unread: u64| {
        json!({
            "conversation_id": id, "delivered_seq": delivered, "seen_seq": seen, "unread_count": unread,
            "unread_mentions": 0,
        })
    };
    receipts(
        json!([
            {"conversation_id": id, "delivered_seq": 3, "seen_seq": 1},
            {"conversation_id": foreign, "seen_seq": 1},
            {"conversation_id": 9_007_199_254_740_993_i64, "seen_seq": 1},
            {"conversation_id": -1, "seen_seq": 1},
            {"conversation_id": id, "seen_seq": u64::MAX},
        ]),
        json!([
            at(3, 1, 2),
            {"conversation_id": foreign, "error": "not_a_member"},
            {"conversation_id": 9_007_199_254_740_993_i64, "error": "not_a_member"},
            {"conversation_id": -1, "error": "not_a_member"},
            {"conversation_id": id, "error": "seq_out_of_range"},
        ]),
    )
    .await;
    receipts(
        json!([{"conversation_id": id, "delivered_seq": 1}]),
        json!([at(3, 1, 2)]),
    )
    .await;
    receipts(json!([]), json!([])).await;

    let read = server
        .ask(axum::http::Method::POST, &format!("/conversations/{id}/read"))
        .by(&anna)
        .send()
        .await;
    assert_eq!((read.status, &read.json["unread_count"]), (200, &json!(0)));
    assert_eq!(read.json["my"]["seen_seq"], 3);
    assert_eq!(read.json["last_message"]["body"], "three");
    server.stop().await;
}

#[tokio::test]
async fn a_client_catches_up() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let message = as_told(&server.say(&sam, id, "hello").await);

    let page = server.get("/sync").by(&anna).send().await;
    let me = timeless(&server.get("/me").by(&anna).send().await.json);
    let item = timeless(
        &server
            .get(&format!("/conversations/{id}"))
            .by(&anna)
            .send()
            .await
            .json,
    );
    page.check(
        200,
        &json!({
            "cursor": page.json["cursor"], "server_time": "<time>",
            "user": {"rev": me["user_rev"], "me": me, "hidden_messages": []}, "items": [item], "removed": [], "has_more": false,
            "reset": false,
        }),
    );
    assert!(page.json["cursor"].is_string());

    let changes = server
        .get(&format!("/conversations/{id}/changes?after_rev=0&limit=200"))
        .by(&anna)
        .send()
        .await;
    let expected = json!({
        "items": [message], "conversation": changes.json["conversation"], "members": changes.json["members"],
        "upto_rev": 1, "has_more": false, "reset": false,
    });
    assert_eq!(timeless(&changes.json), timeless(&expected));
    let nothing = json!({
        "conversation_id": id, "items": [], "conversation": null, "members": null, "upto_rev": 1,
        "has_more": false, "reset": false,
    });
    let given = json!({"items": [
        {"conversation_id": id, "after_rev": 1},
        {"conversation_id": 99},
        {"conversation_id": id, "after_rev": u64::MAX},
    ]});
    let answer = server.post("/sync/changes", &given).by(&anna).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(timeless(&answer.json["items"][0]), nothing);
    assert_eq!(
        answer.json["items"][1],
        json!({"conversation_id": 99, "error": "not_found"})
    );
    // A client that is ahead of the server knows of a past that has gone: it starts afresh.
    assert_eq!(answer.json["items"][2]["reset"], true);

    let cursor = page.json["cursor"].as_str().unwrap().replace('+', "%2B");
    server.say(&sam, id, "again").await;
    let next = server
        .get(&format!("/sync?cursor={cursor}"))
        .by(&anna)
        .send()
        .await;
    assert_eq!(next.json["items"][0]["last_message"]["body"], "again");
    server.stop().await;
}
