//! Groups over HTTP and on the channels of their members: what is answered and what is told.

use serde_json::{Value, json};

use crate::shapes::usual_policies;
use crate::support::{Heard, Person, Server, Worker, timeless};

async fn told(worker: &mut Worker, whose: &Person, event: &str) -> Value {
    timeless(&worker.hear_event(whose, event).await)
}

#[tokio::test]
async fn settings_change_and_are_told() {
    let server = Server::start().await;
    let (sam, mia) = (server.person("sam").await, server.person("mia").await);
    let policies = json!({"kind": "group", "title": "Tea", "member_ids": [mia.id],
        "policies": {"edit_history": "restricted", "delete_window_s": 60}});
    let answer = server.post("/conversations", &policies).by(&sam).send().await;
    let id = answer.json["conversation"]["id"].as_i64().unwrap();
    let mut expected = usual_policies();
    expected["edit_history"] = json!("restricted");
    expected["delete_window_s"] = json!(60);
    assert_eq!(answer.json["conversation"]["policies"], expected);
    let mut worker = server.worker();
    worker.connect(&mia, "1.1").await;

    let wish =
        json!({"title": "Coffee", "description": "Beans", "policies": {"edit_window_s": null, "pin": "all"}});
    let path = format!("/conversations/{id}");
    let answer = server.patch(&path, &wish).by(&sam).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let now = &answer.json["conversation"];
    assert_eq!(
        (&now["title"], &now["description"]),
        (&json!("Coffee"), &json!("Beans"))
    );
    assert_eq!((&now["last_rev"], &now["settings_rev"]), (&json!(5), &json!(5)));
    let changed = [
        (
            json!({"title": "Coffee"}),
            "title_changed",
            json!({"title": "Coffee"}),
        ),
        (
            json!({"description": "Beans"}),
            "description_changed",
            json!({"description": "Beans"}),
        ),
        (
            json!({"policies": {"edit_window_s": null, "pin": "all"}}),
            "policy_changed",
            json!({"policies": {"edit_window_s": null, "pin": "all"}}),
        ),
    ];
    for (rev, (fields, event, data)) in (3..).zip(changed) {
        let mut told = told(&mut worker, &mia, "conversation.updated").await;
        let note = told.as_object_mut().unwrap().remove("message").unwrap();
        assert_eq!(
            note["system"],
            json!({"event": event, "actor_id": sam.id, "data": data})
        );
        assert_eq!((&note["seq"], &note["rev"]), (&json!(rev), &json!(rev)));
        let mut expected = json!({"v": 1, "conversation_id": id, "rev": rev, "at": "<time>"});
        expected
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        assert_eq!(told, expected);
    }
    assert_eq!(server.patch(&path, &wish).by(&sam).send().await.status, 200);
    worker.silence();
    server.stop().await;
}

#[tokio::test]
async fn a_removed_member_hears_nothing_more_and_reads_what_there_was() {
    let server = Server::start().await;
    let (sam, mia) = (server.person("sam").await, server.person("mia").await);
    let id = server.group(&sam, &[&mia]).await;
    server.say(&sam, id, "before").await;
    let mut worker = server.worker();
    worker.connect(&mia, "1.1").await;
    let channel = format!("presence-conversation.{id}");
    let join = json!({"socket_id": "1.1", "channel_name": channel});
    assert_eq!(
        server.post("/realtime/auth", &join).by(&mia).send().await.status,
        200
    );
    worker.join(&channel, "1.1").await;

    let path = format!("/conversations/{id}");
    let remove = server.delete(&format!("{path}/members/{}", mia.id)).by(&sam);
    assert_eq!(remove.send().await.status, 204);
    let removed = told(&mut worker, &mia, "conversation.removed").await;
    let expected = json!({"v": 1, "user_rev": removed["user_rev"], "at": "<time>", "conversation_id": id,
        "reason": "removed"});
    assert_eq!(removed, expected);
    assert_eq!(worker.hear().await, Heard::Renewed("1.1".parse().unwrap()));
    assert_eq!(
        server.post("/realtime/auth", &join).by(&mia).send().await.status,
        403
    );

    server.say(&sam, id, "later words").await;
    let history = server.get(&format!("{path}/messages")).by(&mia).send().await;
    let items = history.json["items"].as_array().unwrap();
    let last = &items.last().unwrap()["system"];
    let expected = json!({"event": "member_removed", "actor_id": sam.id, "data": {"user_id": mia.id}});
    assert_eq!((items.len(), last), (4, &expected));
    assert_eq!(history.json["last_seq"], 4);
    assert!(!history.text.contains("later words"));
    let item = server.get(&path).by(&mia).send().await;
    assert!(item.json["my"]["left_at"].is_string(), "{}", item.text);
    assert!(!item.text.contains("later words"));
    let sending = json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": "hello?"});
    let refused = server
        .post(&format!("{path}/messages"), &sending)
        .by(&mia)
        .send()
        .await;
    assert_eq!(
        (refused.status, &refused.json["code"]),
        (403, &json!("not_a_member"))
    );
    worker.silence();
    server.stop().await;
}

#[tokio::test]
async fn people_come_and_go_and_roles_change() {
    let server = Server::start().await;
    let [sam, mia, leo] = server.people(["sam", "mia", "leo"]).await;
    let id = server.group(&sam, &[]).await;
    let path = format!("/conversations/{id}");
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;
    let given = json!({"user_ids": [mia.id, sam.id]});
    let answer = server
        .post(&format!("{path}/members"), &given)
        .by(&sam)
        .send()
        .await;
    assert_eq!(
        (answer.status, &answer.json["unchanged"]),
        (200, &json!([sam.id])),
        "{}",
        answer.text
    );
    assert_eq!(answer.json["added"][0]["user"]["id"], mia.id);
    let event = told(&mut worker, &sam, "members.changed").await;
    assert_eq!((&event["rev"], &event["member_count"]), (&json!(2), &json!(2)));
    assert_eq!(event["added"][0]["user"]["id"], mia.id);
    assert_eq!((&event["removed"], &event["updated"]), (&json!([]), &json!([])));

    let role = json!({"role": "admin"});
    let set = server
        .patch(&format!("{path}/members/{}", mia.id), &role)
        .by(&sam);
    assert_eq!(set.send().await.status, 204);
    let event = told(&mut worker, &sam, "members.changed").await;
    assert_eq!(
        (&event["rev"], &event["updated"][0]["role"]),
        (&json!(3), &role["role"])
    );
    assert_eq!(event.get("message"), None);

    let invite = server
        .post(&format!("{path}/invites"), &json!({"max_uses": 2}))
        .by(&mia)
        .send()
        .await;
    let token = invite.json["token"].as_str().unwrap();
    let expected = json!({
        "id": invite.json["id"], "conversation_id": id, "created_by": mia.id, "created_at": "<time>",
        "expires_at": "<time>", "max_uses": 2, "uses": 0, "revoked_at": null, "token": token,
    });
    invite.check(201, &expected);
    let preview = json!({"conversation_id": id, "title": "Group", "description": null, "member_count": 2,
        "is_member": false});
    server
        .get(&format!("/invites/{token}"))
        .by(&leo)
        .send()
        .await
        .check(200, &preview);
    let joined = server
        .post(&format!("/invites/{token}/join"), &json!({}))
        .by(&leo)
        .send()
        .await;
    assert_eq!(
        (joined.status, &joined.json["conversation"]["id"]),
        (201, &json!(id))
    );
    let event = told(&mut worker, &sam, "members.changed").await;
    assert_eq!(
        event["message"]["system"],
        json!({"event": "member_joined", "actor_id": leo.id, "data": {}})
    );
    let found = server.get(&format!("{path}/members?q=le")).by(&sam).send().await;
    assert_eq!(found.json["items"].as_array().unwrap().len(), 1);

    let leave = server.post(&format!("{path}/leave"), &json!({})).by(&sam);
    assert_eq!(leave.send().await.status, 204);
    let removed = told(&mut worker, &sam, "conversation.removed").await;
    assert_eq!(removed["reason"], "left");
    let item = server.get(&path).by(&mia).send().await;
    assert_eq!(
        (&item.json["conversation"]["owner_id"], &item.json["my"]["role"]),
        (&json!(mia.id), &json!("owner"))
    );
    server.stop().await;
}

#[tokio::test]
async fn a_deleted_group_is_told_once_and_gone() {
    let server = Server::start().await;
    let (sam, mia) = (server.person("sam").await, server.person("mia").await);
    let id = server.group(&sam, &[&mia]).await;
    let message = server.say(&sam, id, "words").await;
    let mut worker = server.worker();
    worker.connect(&mia, "1.1").await;
    let path = format!("/conversations/{id}");
    assert_eq!(server.delete(&path).by(&sam).send().await.status, 204);
    let expected = json!({"v": 1, "conversation_id": id, "rev": 4, "at": "<time>"});
    assert_eq!(told(&mut worker, &mia, "conversation.deleted").await, expected);
    assert_eq!(
        told(&mut worker, &mia, "conversation.removed").await["reason"],
        "deleted"
    );
    for path in [
        path.clone(),
        format!("{path}/messages"),
        format!("/messages/{}", message["id"]),
    ] {
        assert_eq!(server.get(&path).by(&mia).send().await.status, 404, "{path}");
    }
    let sending = json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": "hello?"});
    let refused = server
        .post(&format!("{path}/messages"), &sending)
        .by(&mia)
        .send()
        .await;
    assert_eq!(refused.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn ones_own_part_is_told_to_ones_own_devices() {
    let server = Server::start().await;
    let (sam, mia) = (server.person("sam").await, server.person("mia").await);
    let id = server.direct(&sam, &mia).await;
    server.say(&sam, id, "hello").await;
    let mut worker = server.worker();
    worker.connect(&mia, "1.2").await;
    let path = format!("/conversations/{id}");
    let given = json!({
        "muted_until": "2100-01-01T00:00:00Z", "notify": "mentions", "archived": true, "pinned_order": 2,
        "marked_unread": true, "draft": {"body": "Dear", "reply_to": 5},
    });
    let answer = server.patch(&format!("{path}/me"), &given).by(&mia).send().await;
    let my = timeless(&answer.json["my"]);
    let expected = json!({
        "role": "member", "joined_seq": 0, "delivered_seq": 0, "seen_seq": 0, "history_from_seq": 1,
        "cleared_seq": 0, "muted_until": "<time>", "archived": true, "pinned_order": 2, "marked_unread": true,
        "notify": "mentions", "hidden_from_list": false, "left_at": null,
        "draft": {"body": "Dear", "reply_to": 5, "attachments": [], "updated_at": "<time>"},
    });
    assert_eq!(my, expected);
    let event = told(&mut worker, &mia, "member_state.changed").await;
    let expected =
        json!({"v": 1, "user_rev": event["user_rev"], "at": "<time>", "conversation_id": id, "my": my});
    assert_eq!(event, expected);
    let list = server.get("/conversations?archived=true").by(&mia).send().await;
    assert_eq!(list.json["items"].as_array().unwrap().len(), 1);
    let list = server.get("/conversations?archived=false").by(&mia).send().await;
    assert_eq!(list.json["items"], json!([]));
    let given = json!({"muted_until": null, "pinned_order": null, "draft": null});
    let answer = server.patch(&format!("{path}/me"), &given).by(&mia).send().await;
    let my = &answer.json["my"];
    assert_eq!(
        (&my["muted_until"], &my["pinned_order"], &my["draft"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(my["archived"], true);
    told(&mut worker, &mia, "member_state.changed").await;

    let answer = server
        .post(&format!("{path}/clear"), &json!({}))
        .by(&mia)
        .send()
        .await;
    assert_eq!(
        (&answer.json["my"]["cleared_seq"], &answer.json["unread_count"]),
        (&json!(1), &json!(0))
    );
    told(&mut worker, &mia, "member_state.changed").await;
    assert_eq!(server.delete(&path).by(&mia).send().await.status, 204);
    let event = told(&mut worker, &mia, "member_state.changed").await;
    assert_eq!(event["my"]["hidden_from_list"], true);
    let list = server.get("/conversations").by(&mia).send().await;
    assert_eq!(list.json["items"], json!([]));
    let list = server.get("/conversations").by(&sam).send().await;
    assert_eq!(list.json["items"][0]["last_message"]["body"], "hello");
    worker.silence();
    server.stop().await;
}
