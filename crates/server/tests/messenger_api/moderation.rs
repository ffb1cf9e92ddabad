//! Reports, and what administrators do to accounts: what they see, and what becomes of those it happens to.

use axum::http::Method;
use chinwag_messenger::{Options, Registration};
use serde_json::{Value, json};

use crate::support::{Answer, Heard, Person, Server, Setup};

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["code"].as_str().unwrap_or_default())
}

async fn suspend(server: &Server, by: &Person, whom: &Person) {
    let path = format!("/admin/users/{}", whom.id);
    let answer = server
        .patch(&path, &json!({"status": "suspended"}))
        .by(by)
        .send()
        .await;
    assert_eq!(
        (answer.status, &answer.json["status"]),
        (200, &json!("suspended")),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn moderation_is_for_administrators() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    let member = server.person("mike").await;
    let routes = [
        (Method::GET, "/admin/reports"),
        (Method::PATCH, "/admin/reports/1"),
        (Method::GET, "/admin/users"),
        (Method::PATCH, "/admin/users/1"),
        (Method::DELETE, "/admin/users/1/devices"),
        (Method::GET, "/admin/audit"),
        (Method::GET, "/admin/server-invites"),
        (Method::POST, "/admin/server-invites"),
        (Method::DELETE, "/admin/server-invites/1"),
    ];
    let body = json!({"status": "open"}).to_string();
    for (method, path) in routes {
        let ask = || {
            server
                .ask(method.clone(), path)
                .body("application/json", body.clone())
        };
        assert_eq!(code(&ask().send().await), (401, "unauthenticated"), "{path}");
        assert_eq!(
            code(&ask().by(&member).send().await),
            (403, "forbidden"),
            "{path}"
        );
    }
    // The owner is out of reach, even of the owner.
    let own = server.patch(
        &format!("/admin/users/{}", owner.id),
        &json!({"status": "suspended"}),
    );
    assert_eq!(code(&own.by(&owner).send().await), (403, "not_allowed"));
    let unknown = server.patch("/admin/users/4711", &json!({"status": "suspended"}));
    assert_eq!(code(&unknown.by(&owner).send().await), (404, "not_found"));
    let wrong = server.get("/admin/reports?status=lost").by(&owner).send().await;
    assert_eq!(code(&wrong), (422, "validation_failed"));
    for path in [
        "/admin/users",
        "/admin/reports",
        "/admin/audit",
        "/admin/server-invites",
    ] {
        let page = server.get(&format!("{path}?limit=0")).by(&owner).send().await;
        assert_eq!(code(&page), (422, "limit_invalid"), "{path}");
        let page = server.get(&format!("{path}?cursor=-")).by(&owner).send().await;
        assert_eq!(code(&page), (400, "cursor_invalid"), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_report_shows_administrators_a_copy_and_nothing_else() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    let [ann, bea] = [server.person("ann").await, server.person("bea").await];
    let room = server.direct(&ann, &bea).await;
    let mut said = Vec::new();
    for n in 0..7 {
        said.push(server.say(&bea, room, &format!("word {n}")).await);
    }
    let last = said[6]["id"].as_i64().unwrap();
    let given = json!({"message_id": last, "reason": "rude"});
    let own = json!({"id": 1, "message_id": last, "reason": "rude", "created_at": "<time>"});
    server
        .post("/reports", &given)
        .by(&ann)
        .send()
        .await
        .check(201, &own);
    server
        .post("/reports", &given)
        .by(&ann)
        .send()
        .await
        .check(200, &own);
    let eve = server.person("eve").await;
    let not_hers = server.post("/reports", &given).by(&eve).send().await;
    assert_eq!(code(&not_hers), (404, "not_found"));
    let long = json!({"message_id": last, "reason": "x".repeat(1_001)});
    let too_long = server.post("/reports", &long).by(&ann).send().await;
    assert_eq!(code(&too_long), (422, "reason_too_long"));

    let copy: Vec<Value> = said[1..]
        .iter()
        .map(|message| {
            json!({"id": message["id"], "seq": message["seq"], "author_id": bea.id,
                "body": message["body"], "created_at": "<time>"})
        })
        .collect();
    let user = |person: &Person, name: &str| {
        json!({"id": person.id, "username": name, "display_name": crate::support::name(name),
            "kind": "human", "deleted": false})
    };
    let report = json!({
        "id": 1, "reporter_id": ann.id, "reported_id": bea.id, "message_id": last, "conversation_id": room,
        "reason": "rude", "copy": copy, "users": [user(&ann, "ann"), user(&bea, "bea")],
        "created_at": "<time>", "status": "open", "handled_by": null, "handled_at": null,
    });
    let listed = server.get("/admin/reports?status=open").by(&owner).send().await;
    listed.check(200, &json!({"items": [report], "next_cursor": null}));
    for path in [
        format!("/conversations/{room}"),
        format!("/conversations/{room}/messages"),
        format!("/messages/{last}"),
    ] {
        let read = server.get(&path).by(&owner).send().await;
        assert_eq!(code(&read), (404, "not_found"), "{path}");
    }
    let handled = server.patch("/admin/reports/1", &json!({"status": "resolved"}));
    let handled = handled.by(&owner).send().await;
    assert_eq!(
        (&handled.json["status"], &handled.json["handled_by"]),
        (&json!("resolved"), &json!(owner.id)),
        "{}",
        handled.text
    );
    let unknown = server.patch("/admin/reports/9", &json!({"status": "resolved"}));
    assert_eq!(code(&unknown.by(&owner).send().await), (404, "not_found"));
    let open = server.get("/admin/reports?status=open").by(&owner).send().await;
    open.check(200, &json!({"items": [], "next_cursor": null}));
    let audit = server.get("/admin/audit").by(&owner).send().await;
    let entry = json!({"id": 1, "actor_id": owner.id, "action": "report.handled",
        "subject": {"report_id": 1, "status": "resolved"}, "at": "<time>"});
    audit.check(200, &json!({"items": [entry], "next_cursor": null}));
    server.stop().await;
}

#[tokio::test]
async fn a_suspended_person_is_out_at_every_door_at_once() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    let bea = server.person("bea").await;
    let mut worker = server.worker();
    worker.connect(&bea, "1.1").await;
    let join = json!({"socket_id": "1.1", "channel_name": bea.channel()});
    assert_eq!(
        server.post("/realtime/auth", &join).by(&bea).send().await.status,
        200
    );

    suspend(&server, &owner, &bea).await;
    let told = Heard::LoggedOut("1.1".parse().unwrap(), "account_suspended".to_owned());
    assert_eq!(worker.hear().await, told);

    let suspended = (403, "account_suspended");
    assert_eq!(code(&server.get("/me").by(&bea).send().await), suspended);
    assert_eq!(
        code(&server.post("/realtime/auth", &join).by(&bea).send().await),
        suspended
    );
    let send = json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": "still here"});
    assert_eq!(
        code(
            &server
                .post("/conversations/1/messages", &send)
                .by(&bea)
                .send()
                .await
        ),
        suspended
    );
    let credentials = json!({"username": "bea", "password": "correct horse"});
    assert_eq!(
        code(&server.post("/auth/login", &credentials).send().await),
        suspended
    );
    let session = format!("chinwag_session={}", bea.token);
    let by_cookie = server.get("/me").header("cookie", &session).send().await;
    assert_eq!(code(&by_cookie), suspended);
    let laravel = server
        .ask_exactly(Method::POST, "/broadcasting/auth")
        .body("application/json", join.to_string())
        .header("cookie", &session)
        .send_bare()
        .await;
    assert_eq!(laravel.status, 403, "{}", laravel.text);
    let key = server.get("/users?q=bea").by(&owner).send().await;
    assert_eq!(key.json["items"][0]["suspended"], true, "{}", key.text);

    let path = format!("/admin/users/{}", bea.id);
    let back = server
        .patch(&path, &json!({"status": "active"}))
        .by(&owner)
        .send()
        .await;
    let expected = json!({"id": bea.id, "username": "bea", "display_name": "Bea Whitlock", "kind": "human",
        "deleted": false, "server_role": "member", "status": "active", "devices": 0,
        "created_at": "<time>", "last_seen_at": "<time>"});
    let mut shown = crate::support::timeless(&back.json);
    shown["last_seen_at"] = json!("<time>");
    assert_eq!((back.status, shown), (200, expected), "{}", back.text);
    assert_eq!(
        code(&server.get("/me").by(&bea).send().await),
        (401, "unauthenticated")
    );
    assert_eq!(server.post("/auth/login", &credentials).send().await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn roles_and_devices_are_in_the_hands_of_the_owner() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    let [ann, bea] = [server.person("ann").await, server.person("bea").await];
    let mut worker = server.worker();
    worker.connect(&ann, "1.1").await;
    let promote = json!({"server_role": "admin"});
    let path = format!("/admin/users/{}", ann.id);
    let promoted = server.patch(&path, &promote).by(&owner).send().await;
    assert_eq!(promoted.json["server_role"], "admin", "{}", promoted.text);
    let me = worker.hear_event(&ann, "me.updated").await;
    assert_eq!(
        (&me["user_rev"], &me["me"]["server_role"]),
        (&json!(2), &json!("admin"))
    );
    let other = format!("/admin/users/{}", bea.id);
    assert_eq!(
        code(&server.patch(&other, &promote).by(&ann).send().await),
        (403, "not_allowed")
    );
    let revoked = server.delete(&format!("{other}/devices")).by(&ann).send().await;
    assert_eq!(revoked.status, 204, "{}", revoked.text);
    assert_eq!(
        code(&server.get("/me").by(&bea).send().await),
        (401, "unauthenticated")
    );
    let listed = server.get("/admin/users?q=bea").by(&ann).send().await;
    assert_eq!(listed.json["items"][0]["devices"], 0, "{}", listed.text);
    let audit = server.get("/admin/audit?limit=1").by(&owner).send().await;
    assert_eq!(
        (
            &audit.json["items"][0]["action"],
            &audit.json["items"][0]["actor_id"]
        ),
        (&json!("user.devices_revoked"), &json!(ann.id))
    );
    assert!(audit.json["next_cursor"].is_string());
    server.stop().await;
}

#[tokio::test]
async fn people_register_with_an_invite_to_the_server() {
    let server = Server::start_with(Setup {
        messenger: Options {
            registration: Registration::Invite,
            ..Options::default()
        },
        ..Setup::default()
    })
    .await;
    let owner = server.person("olga").await;
    let config = server.get("/config").send().await;
    assert_eq!(config.json["registration"], "invite");
    let register = |invite: Value| {
        let given = json!({"username": "ann", "password": "correct horse", "invite": invite});
        server.post("/auth/register", &given).send()
    };
    assert_eq!(code(&register(Value::Null).await), (403, "invite_required"));
    assert_eq!(code(&register(json!("no")).await), (403, "invite_required"));
    let made = server
        .post("/admin/server-invites", &json!({"max_uses": 1}))
        .by(&owner)
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(register(made.json["token"].clone()).await.status, 201);
    let listed = server.get("/admin/server-invites").by(&owner).send().await;
    assert_eq!(
        (
            &listed.json["items"][0]["uses"],
            &listed.json["items"][0]["token"]
        ),
        (&json!(1), &Value::Null)
    );
    for (given, wrong) in [
        (json!({"expires_in_s": 0}), "expires_in_invalid"),
        (json!({"max_uses": 0}), "max_uses_invalid"),
    ] {
        let refused = server
            .post("/admin/server-invites", &given)
            .by(&owner)
            .send()
            .await;
        assert_eq!(code(&refused), (422, wrong));
    }
    let path = format!("/admin/server-invites/{}", made.json["id"].as_str().unwrap());
    assert_eq!(server.delete(&path).by(&owner).send().await.status, 204);
    let unknown = server.delete("/admin/server-invites/x").by(&owner).send().await;
    assert_eq!(code(&unknown), (404, "not_found"));
    server.stop().await;
}

#[tokio::test]
async fn what_administrators_do_to_apps_is_logged() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    server
        .post("/admin/apps", &json!({"id": "shop"}))
        .by(&owner)
        .send()
        .await;
    server
        .patch("/admin/apps/shop", &json!({"settings": {"enabled": false}}))
        .by(&owner)
        .send()
        .await;
    server
        .post("/admin/apps/shop/keys", &json!({}))
        .by(&owner)
        .send()
        .await;
    server.delete("/admin/apps/shop").by(&owner).send().await;
    let audit = server.get("/admin/audit").by(&owner).send().await;
    let actions: Vec<_> = audit.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["action"])
        .collect();
    assert_eq!(
        actions,
        ["app.removed", "app.key_added", "app.changed", "app.created"]
    );
    assert_eq!(audit.json["items"][0]["subject"], json!({"app_id": "shop"}));
    server.stop().await;
}
