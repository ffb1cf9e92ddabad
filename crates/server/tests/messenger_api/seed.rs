//! A seeded store is like any other.

use std::collections::BTreeMap;

use chinwag_messenger::Timestamp;
use chinwag_messenger::seed::{self, Plan};
use serde_json::{Value, json};

use crate::support::{Person, Server};

async fn read(server: &Server, by: &Person, path: &str) -> Value {
    let answer = server.get(path).by(by).send().await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json
}

/// All items of a list that is paged by cursor.
async fn all(server: &Server, by: &Person, path: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), String::new());
    loop {
        let page = read(server, by, &format!("{path}{next}")).await;
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return items,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_ways_to_read_a_seeded_store_agree() {
    let server = Server::start().await;
    let plan = Plan {
        one_conversation: 300,
        ..Plan::of(2_000, Timestamp::now())
    };
    let mut told = 0;
    seed::fill(&server.messenger, &plan, |sent| told = sent)
        .await
        .unwrap();
    assert_eq!(told, 2_000);
    let given = json!({"username": seed::FIRST_NAME, "password": seed::PASSWORD});
    let answer = server.post("/auth/login", &given).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let demo = Person {
        id: answer.json["user"]["id"].as_i64().unwrap(),
        token: answer.json["token"].as_str().unwrap().to_owned(),
    };

    let list = all(&server, &demo, "/conversations?limit=20").await;
    assert!(list.len() >= 5, "{}", list.len());
    let (mut longest, mut with_the) = (0, 0);
    for item in &list {
        let id = &item["conversation"]["id"];
        let last = item["conversation"]["last_seq"].as_u64().unwrap();
        longest = longest.max(last);
        let mut seqs = Vec::new();
        loop {
            let after = seqs.len();
            let path = format!("/conversations/{id}/messages?after={after}&limit=100");
            let page = read(&server, &demo, &path).await;
            for message in page["items"].as_array().unwrap() {
                seqs.push(message["seq"].as_u64().unwrap());
                let words = message["body"].as_str().unwrap_or_default();
                let mut words = words.split(|c: char| !c.is_alphanumeric());
                with_the += usize::from(words.any(|word| word == "tomorrow"));
            }
            if page["has_more_after"] == false {
                break;
            }
        }
        assert_eq!(seqs, (1..=last).collect::<Vec<_>>());
        if last > 0 {
            assert_eq!(item["last_message"]["seq"], last);
        }
    }
    assert!(longest >= 200, "{longest}");
    let hits = all(&server, &demo, "/search?q=%22tomorrow%22").await;
    assert_eq!(hits.len(), with_the);
    assert!(with_the > 0);

    // Pictures and voice notes are in it like any that were brought.
    let (mut pictures, mut notes) = (0, 0);
    for item in &list {
        let path = format!("/conversations/{}/media?limit=50", item["conversation"]["id"]);
        for kind in ["image", "voice"] {
            let found = all(&server, &demo, &format!("{path}&kind={kind}")).await;
            let Some(first) = found.first().map(|item| &item["attachment"]) else {
                continue;
            };
            let file = server.content(&demo, first).await;
            assert_eq!(
                (file.status, file.bytes.len() as u64),
                (200, first["size"].as_u64().unwrap())
            );
            if kind == "image" {
                pictures += found.len();
                assert!(
                    first["placeholder"].is_string() && first["thumbs"][0]["size"] == 320,
                    "{first}"
                );
            } else {
                notes += found.len();
                assert_eq!(first["waveform"].as_array().unwrap().len(), 64);
                assert!(first["duration_ms"].as_u64().unwrap() >= 1_500, "{first}");
            }
        }
    }
    assert!(
        pictures > notes && notes > 0,
        "{pictures} pictures, {notes} notes"
    );
    assert!(server.stored_files() < 40, "the same few again and again");

    let mut synced = BTreeMap::new();
    let mut path = "/sync?limit=50".to_owned();
    loop {
        let page = read(&server, &demo, &path).await;
        for item in page["items"].as_array().unwrap() {
            synced.insert(item["conversation"]["id"].as_i64().unwrap(), item.clone());
        }
        if page["has_more"] == false {
            break;
        }
        path = format!("/sync?limit=50&cursor={}", page["cursor"].as_str().unwrap());
    }
    let listed = list
        .into_iter()
        .map(|item| (item["conversation"]["id"].as_i64().unwrap(), item));
    assert_eq!(synced, listed.collect());
}
