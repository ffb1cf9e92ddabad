//! Limits of what is told to whom, and of how much of it.

use serde_json::json;

use super::{people, server_with};
use crate::support::{Heard, Server, Setup, Worker};

/// The names of all that arrives until the end of the given message.
async fn names_until(worker: &mut Worker, body: &str) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        if let Heard::Event { name, data, .. } = worker.hear().await {
            let ends = name == "message.created" && data["message"]["body"] == body;
            names.push(name);
            if ends {
                return names;
            }
        }
    }
}

#[tokio::test]
async fn receipts_are_shared_in_small_conversations_only() {
    let server = server_with(|options| options.receipts_members_max = 2).await;
    let [sam, anna, eve] = people(&server, ["sam", "anna", "eve"]).await;
    for (others, shared) in [(vec![&anna], true), (vec![&anna, &eve], false)] {
        let group = server.group(&sam, &others).await;
        let mut sams = server.worker();
        sams.connect(&sam, "1.1").await;
        let message = server.say(&sam, group, "hello").await;
        let receipts = json!({"items": [{"conversation_id": group, "seen_seq": message["seq"]}]});
        for other in others {
            let answer = server.post("/receipts", &receipts).by(other).send().await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        server.say(&sam, group, "end").await;
        let names = names_until(&mut sams, "end").await;
        assert_eq!(names.contains(&"receipt.updated".to_owned()), shared, "{names:?}");
        sams.disconnect(&sam, "1.1").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn typing_is_shown_in_small_conversations_only() {
    let server = server_with(|options| {
        options.typing_relayed_members_max = 2;
        options.typing_members_max = 3;
    })
    .await;
    let [sam, anna, eve, leo] = people(&server, ["sam", "anna", "eve", "leo"]).await;
    let relayed = server.group(&sam, &[&anna]).await;
    let shown = server.group(&sam, &[&anna, &eve]).await;
    let hidden = server.group(&sam, &[&anna, &eve, &leo]).await;
    let mut annas = server.worker();
    for (group, on_channel, on_own) in [
        (relayed, true, true),
        (shown, true, false),
        (hidden, false, false),
    ] {
        let (own, open) = (format!("1.{group}"), format!("2.{group}"));
        annas.connect(&anna, &own).await;
        annas.look_at(&anna, group, &open).await;
        let path = format!("/conversations/{group}/typing");
        let answer = server.post(&path, &json!({})).by(&sam).send().await;
        assert_eq!(answer.status, 204);
        server.say(&sam, group, "end").await;
        let names = names_until(&mut annas, "end").await;
        assert_eq!(
            (
                names.contains(&"client-typing".to_owned()),
                names.contains(&"typing.changed".to_owned())
            ),
            (on_channel, on_own),
            "{names:?}"
        );
        annas.disconnect(&anna, &own).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn presence_is_told_to_so_many() {
    let server = server_with(|options| {
        options.presence_watchers_max = 1;
        options.presence_members_max = 2;
    })
    .await;
    let [sam, anna, eve, leo] = people(&server, ["sam", "anna", "eve", "leo"]).await;
    let large = server.group(&sam, &[&anna, &eve, &leo]).await;
    let small = server.group(&sam, &[&leo]).await;
    for peer in [&anna, &eve] {
        server.direct(&sam, peer).await;
    }
    let mut workers = [server.worker(), server.worker(), server.worker()];
    for ((worker, who), group) in workers.iter().zip([&anna, &eve, &leo]).zip([large, large, small]) {
        worker.connect(who, &format!("1.{}", who.id)).await;
        worker.look_at(who, group, &format!("1.{}", who.id)).await;
    }
    let sams = server.worker();
    sams.connect(&sam, "2.1").await;
    // Who looks at the small group always hears it; those who hear it do so at once.
    while !matches!(workers[2].hear().await, Heard::Event { name, data, .. }
        if name == "presence.changed" && data["items"][0]["user_id"] == sam.id)
    {}
    server.say(&sam, large, "end").await;
    let mut heard = 0;
    for worker in &mut workers[..2] {
        let names = names_until(worker, "end").await;
        heard += names.iter().filter(|name| *name == "presence.changed").count();
    }
    assert_eq!(heard, 1, "one of two friends, and nobody for the large group");
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_long_to_tell_is_told_in_part() {
    let mut setup = Setup::default();
    setup.api.event_bytes_max = 4_096;
    setup.messenger.receipts_members_max = 1_000;
    let server = Server::start_with(setup).await;
    let [sam, anna] = people(&server, ["sam", "anna"]).await;
    let id = server.direct(&sam, &anna).await;
    let mut annas = server.worker();
    annas.connect(&anna, "1.1").await;
    // Quotes take two bytes each on the wire, and the names are told of beside the words.
    let words = format!("{}{}", "@anna \"é\" ".repeat(400), "end");
    let message = server.say(&sam, id, &words).await;
    let event = annas.hear_event(&anna, "message.created").await;
    assert!(event.to_string().len() <= 4_096, "{}", event.to_string().len());
    let told = &event["message"];
    assert_eq!(
        (&told["id"], &told["rev"], &told["truncated"]),
        (&message["id"], &message["rev"], &json!(true))
    );
    let body = told["body"].as_str().unwrap();
    assert!(!body.is_empty() && words.starts_with(body));
    let units = body.encode_utf16().count() as u64;
    let mentions = told["mentions"].as_array().unwrap();
    assert!(!mentions.is_empty());
    for mention in mentions {
        assert!(mention["offset"].as_u64().unwrap() + mention["length"].as_u64().unwrap() <= units);
    }
    let path = format!("/messages/{}", message["id"]);
    let whole = server.get(&path).by(&anna).send().await;
    assert_eq!(
        (&whole.json["body"], whole.json.get("truncated")),
        (&json!(words), None)
    );

    let edited = server
        .patch(&path, &json!({"body": "ш".repeat(9_000)}))
        .by(&sam)
        .send()
        .await;
    assert_eq!(edited.status, 200);
    let event = annas.hear_event(&anna, "message.updated").await;
    assert_eq!(event["message"]["truncated"], true);
    let edited = server
        .patch(&path, &json!({"body": "short"}))
        .by(&sam)
        .send()
        .await;
    assert_eq!(edited.status, 200);
    let event = annas.hear_event(&anna, "message.updated").await;
    assert_eq!(
        (&event["message"]["body"], event["message"].get("truncated")),
        (&json!("short"), None)
    );
    server.stop().await;
}
