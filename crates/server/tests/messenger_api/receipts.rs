//! How far messages have come: what authors are told, what is kept private, and who hears of it when.

use axum::http::Method;
use chinwag_server::messenger::RateLimits;
use serde_json::{Value, json};

use crate::support::{Heard, Person, Server, Setup, Worker, timeless};

async fn receipt(server: &Server, by: &Person, item: Value) {
    let given = json!({"items": [item]});
    let answer = server.post("/receipts", &given).by(by).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["items"][0].get("error"), None, "{}", answer.text);
}

async fn delivered(server: &Server, by: &Person, conversation: i64, seq: &Value) {
    receipt(
        server,
        by,
        json!({"conversation_id": conversation, "delivered_seq": seq}),
    )
    .await;
}

async fn seen(server: &Server, by: &Person, conversation: i64, seq: &Value) {
    receipt(
        server,
        by,
        json!({"conversation_id": conversation, "seen_seq": seq}),
    )
    .await;
}

/// The state of one's own message, the same wherever it is read.
async fn status(server: &Server, by: &Person, message: &Value) -> String {
    let (id, seq) = (&message["id"], &message["seq"]);
    let conversation = &message["conversation_id"];
    let one = server.get(&format!("/messages/{id}")).by(by).send().await;
    for path in [
        format!("/conversations/{conversation}/messages?around={seq}"),
        format!("/conversations/{conversation}/changes?after_rev=0"),
        format!(
            "/conversations/{conversation}/search?q={}",
            message["body"].as_str().unwrap()
        ),
    ] {
        let answer = server.get(&path).by(by).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let listed = answer.json["items"].as_array().unwrap().iter();
        let listed = listed.map(|item| item.get("message").unwrap_or(item));
        let listed: Vec<_> = listed.filter(|item| item["id"] == *id).collect();
        assert_eq!(listed.len(), 1, "{path}: {}", answer.text);
        assert_eq!(listed[0]["status"], one.json["status"], "{path}");
    }
    one.json["status"].as_str().unwrap().to_owned()
}

async fn info(server: &Server, by: &Person, message: &Value) -> Value {
    let path = format!("/messages/{}/receipts", message["id"]);
    let answer = server.get(&path).by(by).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["next_cursor"], Value::Null);
    answer.json["items"].clone()
}

/// Who, whether delivered and whether seen.
async fn info_in_short(server: &Server, by: &Person, message: &Value) -> Value {
    let items = info(server, by, message).await;
    let items = items.as_array().unwrap().iter();
    items
        .map(|item| json!([item["user"]["id"], item["delivered"], item["seen"]]))
        .collect()
}

async fn privacy(server: &Server, who: &Person, read_receipts: bool) {
    let change = json!({"read_receipts": read_receipts});
    let answer = server.patch("/me/privacy", &change).by(who).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// What the viewer is shown of the seen watermark of another, in the list item and in the list of members.
async fn seen_of(server: &Server, viewer: &Person, conversation: i64, of: &Person) -> Value {
    let item = server
        .get(&format!("/conversations/{conversation}"))
        .by(viewer)
        .send()
        .await;
    let members = server
        .get(&format!("/conversations/{conversation}/members"))
        .by(viewer)
        .send()
        .await;
    let find = |members: &Value| {
        let mut members = members.as_array().unwrap().iter();
        let member = members.find(|member| member["user"]["id"] == of.id);
        member.unwrap()["seen_seq"].clone()
    };
    let shown = find(&item.json["members"]);
    assert_eq!(shown, find(&members.json["items"]));
    shown
}

#[tokio::test]
async fn a_group_ticks_when_all_have_it_and_when_all_have_seen_it() {
    let server = Server::start().await;
    let [sam, anna, eve, kim] = server.people(["sam", "anna", "eve", "kim"]).await;
    let id = server.group(&sam, &[&anna, &eve]).await;
    let said = server.say(&sam, id, "hello").await;
    assert_eq!(said["status"], "sent");
    let seq = &said["seq"];
    delivered(&server, &anna, id, seq).await;
    assert_eq!(status(&server, &sam, &said).await, "sent");
    delivered(&server, &eve, id, seq).await;
    assert_eq!(status(&server, &sam, &said).await, "delivered");
    seen(&server, &anna, id, seq).await;
    assert_eq!(status(&server, &sam, &said).await, "delivered");

    let items = info(&server, &sam, &said).await;
    let user = |id: i64, username: &str, name: &str| {
        json!({
            "id": id, "username": username, "display_name": name, "kind": "human", "deleted": false,
        })
    };
    let expected = json!([
        {
            "user": user(anna.id, "anna", "Anna Whitlock"), "delivered": true, "delivered_at": "<time>",
            "seen": true, "seen_at": "<time>",
        },
        {
            "user": user(eve.id, "eve", "Eve Whitlock"), "delivered": true, "delivered_at": "<time>",
            "seen": false, "seen_at": null,
        },
    ]);
    assert_eq!(timeless(&items), expected);

    let adding = json!({"user_ids": [kim.id]});
    let path = format!("/conversations/{id}/members");
    assert_eq!(server.post(&path, &adding).by(&sam).send().await.status, 200);
    assert_eq!(status(&server, &sam, &said).await, "delivered");
    assert_eq!(
        info(&server, &sam, &said).await,
        items,
        "who came later is no recipient"
    );
    let leaving = format!("/conversations/{id}/leave");
    assert_eq!(
        server.post(&leaving, &json!({})).by(&eve).send().await.status,
        204
    );
    assert_eq!(status(&server, &sam, &said).await, "seen");

    // Others read no state, and are not told who has seen it.
    let read = server
        .get(&format!("/messages/{}", said["id"]))
        .by(&anna)
        .send()
        .await;
    assert_eq!(read.json.get("status"), None);
    let path = format!("/messages/{}/receipts", said["id"]);
    server
        .get(&path)
        .by(&anna)
        .send()
        .await
        .check_code(403, "not_author");
    let stranger = server.person("mallory").await;
    server
        .get(&path)
        .by(&stranger)
        .send()
        .await
        .check_code(404, "not_found");
    let wrong = server.get(&format!("{path}?cursor=x")).by(&sam).send().await;
    wrong.check_code(400, "cursor_invalid");
    let wrong = server.get(&format!("{path}?limit=0")).by(&sam).send().await;
    assert_eq!(wrong.status, 422);
    let page = server.get(&format!("{path}?limit=1")).by(&sam).send().await;
    assert_eq!(
        (
            page.json["items"].as_array().unwrap().len(),
            &page.json["next_cursor"]
        ),
        (1, &Value::Null)
    );
    assert_eq!(
        server.post(&leaving, &json!({})).by(&sam).send().await.status,
        204
    );
    server
        .get(&path)
        .by(&sam)
        .send()
        .await
        .check_code(403, "not_a_member");
    server.stop().await;
}

#[tokio::test]
async fn a_large_group_keeps_to_sent_and_tells_names_on_request() {
    let mut setup = Setup::default();
    setup.messenger.receipts_members_max = 2;
    setup.messenger.receipt_times_members_max = 2;
    let server = Server::start_with(setup).await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.group(&sam, &[&anna, &eve]).await;
    let said = server.say(&sam, id, "hello").await;
    for who in [&anna, &eve] {
        seen(&server, who, id, &said["seq"]).await;
    }
    assert_eq!(status(&server, &sam, &said).await, "sent");
    let items = info(&server, &sam, &said).await;
    for item in items.as_array().unwrap() {
        assert_eq!(
            (&item["seen"], &item["seen_at"], &item["delivered_at"]),
            (&json!(true), &Value::Null, &Value::Null)
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn who_hides_receipts_neither_shows_nor_sees_them() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let start = server.get("/sync").by(&sam).send().await;
    let said = server.say(&sam, id, "hello").await;
    let answer = server.say(&anna, id, "you").await;
    seen(&server, &sam, id, &answer["seq"]).await;
    assert_eq!(status(&server, &sam, &said).await, "seen");
    assert_eq!(seen_of(&server, &sam, id, &anna).await, answer["seq"]);

    let mut sams = server.worker();
    sams.connect(&sam, "1.1").await;
    privacy(&server, &anna, false).await;
    let told = sams.hear_event(&sam, "sync.required").await;
    assert_eq!(told, json!({"v": 1, "reason": "receipts_switched"}));
    let cursor = start.json["cursor"].as_str().unwrap();
    let page = server
        .get(&format!("/sync?cursor={cursor}"))
        .by(&sam)
        .send()
        .await;
    let item = &page.json["items"][0];
    assert_eq!(
        item["receipts"],
        json!({"others_delivered_seq": 2, "others_seen_seq": null})
    );
    assert_eq!(status(&server, &sam, &said).await, "delivered");
    assert_eq!(status(&server, &anna, &answer).await, "delivered");
    for (viewer, of) in [(&sam, &anna), (&anna, &sam)] {
        assert_eq!(seen_of(&server, viewer, id, of).await, Value::Null);
    }
    assert_eq!(
        info_in_short(&server, &sam, &said).await,
        json!([[anna.id, true, null]])
    );
    assert_eq!(
        info_in_short(&server, &anna, &answer).await,
        json!([[sam.id, true, null]])
    );

    // What has arrived is told, what was seen is not, and unread goes on.
    let more = server.say(&sam, id, "more").await;
    sams.hear_event(&sam, "message.created").await;
    delivered(&server, &anna, id, &more["seq"]).await;
    let told = sams.hear_event(&sam, "receipt.updated").await;
    let item = json!({"conversation_id": id, "user_id": anna.id, "delivered_seq": 3, "seen_seq": null});
    assert_eq!(told, json!({"v": 1, "items": [item]}));
    let unread = async || {
        let item = server.get(&format!("/conversations/{id}")).by(&anna).send().await;
        item.json["unread_count"].clone()
    };
    assert_eq!(unread().await, 1);
    seen(&server, &anna, id, &more["seq"]).await;
    assert_eq!(unread().await, 0);
    privacy(&server, &anna, true).await;
    sams.hear_event(&sam, "sync.required").await;
    assert_eq!(status(&server, &sam, &more).await, "seen");
    assert_eq!(seen_of(&server, &sam, id, &anna).await, more["seq"]);
    server.stop().await;
}

#[tokio::test]
async fn a_blocker_sends_no_receipts() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let before = server.say(&sam, id, "before").await;
    delivered(&server, &anna, id, &before["seq"]).await;
    let block = format!("/blocks/{}", sam.id);
    assert_eq!(server.ask(Method::PUT, &block).by(&anna).send().await.status, 204);
    let during = server.say(&sam, id, "during").await;
    let mut sams = server.worker();
    sams.connect(&sam, "1.1").await;
    seen(&server, &anna, id, &during["seq"]).await;
    assert_eq!(
        status(&server, &sam, &before).await,
        "delivered",
        "it stays as it was"
    );
    assert_eq!(status(&server, &sam, &during).await, "sent");
    assert_eq!(
        info_in_short(&server, &sam, &before).await,
        json!([[anna.id, true, false]])
    );
    assert_eq!(
        info_in_short(&server, &sam, &during).await,
        json!([[anna.id, false, false]])
    );
    assert_eq!(
        server.ask(Method::DELETE, &block).by(&anna).send().await.status,
        204
    );
    assert_eq!(status(&server, &sam, &before).await, "seen");
    assert_eq!(status(&server, &sam, &during).await, "sent", "it is never ticked");
    server.stop().await;
    sams.silence();
}

#[tokio::test]
async fn a_reply_in_a_thread_is_seen_by_those_who_follow_it() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.group(&sam, &[&anna, &eve]).await;
    let root = server.say(&anna, id, "root").await;
    let given = json!({
        "client_id": uuid::Uuid::new_v4().to_string(), "body": "reply", "thread_root_id": root["id"],
    });
    let path = format!("/conversations/{id}/messages");
    let reply = server.post(&path, &given).by(&sam).send().await.json;
    let in_thread = async || {
        let answer = server
            .get(&format!("/messages/{}/thread", root["id"]))
            .by(&sam)
            .send()
            .await;
        answer.json["items"][0]["status"].clone()
    };
    for who in [&anna, &eve] {
        seen(&server, who, id, &reply["seq"]).await;
    }
    assert_eq!(
        in_thread().await,
        "delivered",
        "nobody has looked into the thread"
    );
    let mut sams = server.worker();
    sams.connect(&sam, "1.1").await;
    let mark = json!({"conversation_id": id, "thread_root_id": root["id"], "seen_seq": reply["seq"]});
    receipt(&server, &anna, mark).await;
    assert_eq!(in_thread().await, "seen");
    let told = sams.hear_event(&sam, "receipt.updated").await;
    assert_eq!(
        (&told["items"][0]["thread_root_id"], &told["items"][0]["user_id"]),
        (&root["id"], &json!(anna.id))
    );
    assert_eq!(
        info_in_short(&server, &sam, &reply).await,
        json!([[anna.id, true, true], [eve.id, true, false]])
    );
    server.stop().await;
}

#[tokio::test]
async fn authors_hear_of_receipts_and_in_the_end_of_the_last() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.group(&sam, &[&anna, &eve]).await;
    let mut last = Value::Null;
    for n in 0..20 {
        last = server.say(&sam, id, &n.to_string()).await["seq"].clone();
    }
    let (mut sams, mut eves) = (server.worker(), server.worker());
    sams.connect(&sam, "1.1").await;
    eves.connect(&eve, "2.1").await;
    for seq in 3..=last.as_u64().unwrap() {
        delivered(&server, &anna, id, &json!(seq)).await;
        seen(&server, &anna, id, &json!(seq)).await;
    }
    let (mut at, mut events) = (0, 0);
    while at < last.as_u64().unwrap() {
        let told = sams.hear_event(&sam, "receipt.updated").await;
        let item = &told["items"][0];
        assert_eq!(item["user_id"], anna.id);
        assert!(item["seen_seq"].as_u64().unwrap() >= at);
        at = item["seen_seq"].as_u64().unwrap();
        events += 1;
    }
    assert!(events < 36, "they are merged: {events}");
    server.stop().await;
    sams.silence();
    eves.silence();
}

async fn acknowledge(worker: &Worker, who: &Person, socket: &str, data: Value) {
    let channel = who.channel();
    worker
        .whisper_unnamed(socket, &channel, "client-ack", &data)
        .await;
}

#[tokio::test]
async fn a_socket_acknowledges_as_a_request_does() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    for words in ["one", "two", "three"] {
        server.say(&sam, id, words).await;
    }
    let mut annas = server.worker();
    annas.connect(&anna, "1.1").await;
    annas.connect(&anna, "1.2").await;
    let item = json!({"conversation_id": id, "delivered_seq": 3, "seen_seq": 2});
    acknowledge(&annas, &anna, "1.1", json!({"items": [item]})).await;
    let told = annas.hear_event(&anna, "receipt.updated").await;
    let own = json!({
        "conversation_id": id, "user_id": anna.id, "delivered_seq": 3, "seen_seq": 2, "unread_count": 1,
        "unread_mentions": 0, "total_unread": 1,
    });
    assert_eq!(told, json!({"v": 1, "items": [own]}));

    // What makes no sense, is not for anna to say, or says nothing new, is passed over.
    let many: Vec<Value> = vec![json!({"conversation_id": id, "seen_seq": 3}); 101];
    for data in [
        json!({"items": [{"conversation_id": id, "seen_seq": 4}]}),
        json!({"items": [{"conversation_id": id, "seen_seq": "3"}]}),
        json!({"items": [{"conversation_id": id + 1, "seen_seq": 1}]}),
        json!({"items": many}),
        json!({"items": []}),
        json!({"conversation_id": id, "seen_seq": 3}),
        json!([]),
        json!({"items": [{"conversation_id": id, "delivered_seq": 1, "seen_seq": 1}]}),
    ] {
        acknowledge(&annas, &anna, "1.1", data).await;
    }
    acknowledge(
        &annas,
        &anna,
        "1.1",
        json!({"items": [{"conversation_id": id, "seen_seq": 3}]}),
    )
    .await;
    let told = annas.hear_event(&anna, "receipt.updated").await;
    assert_eq!(told["items"][0]["seen_seq"], 3);
    let item = server.get(&format!("/conversations/{id}")).by(&sam).send().await;
    assert_eq!(
        item.json["receipts"],
        json!({"others_delivered_seq": 3, "others_seen_seq": 3})
    );
    server.stop().await;
    annas.silence();
}

#[tokio::test]
async fn acknowledging_is_limited_like_reading() {
    let mut setup = Setup::default();
    setup.api.rate_limits = RateLimits {
        reads_per_minute: 1,
        ..RateLimits::unlimited()
    };
    let server = Server::start_with(setup).await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    for words in ["one", "two"] {
        server.say(&sam, id, words).await;
    }
    let mut annas = server.worker();
    annas.connect(&anna, "1.1").await;
    for seq in 1..=2 {
        let item = json!({"conversation_id": id, "seen_seq": seq});
        acknowledge(&annas, &anna, "1.1", json!({"items": [item]})).await;
    }
    let told = annas.hear_event(&anna, "receipt.updated").await;
    assert_eq!(told["items"][0]["seen_seq"], 1);
    server.say(&sam, id, "three").await;
    match annas.hear().await {
        Heard::Event { name, .. } => assert_eq!(name, "message.created"),
        other => panic!("{other:?}"),
    }
    server.stop().await;
    annas.silence();
}
