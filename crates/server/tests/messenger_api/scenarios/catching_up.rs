//! A client as the documentation has it (docs/API.md, "To catch up after any gap"), away for long or on a bad
//! line, against one that logs in anew.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use super::{done, got, live};
use crate::support::{Person, Server};

/// What a client keeps of one conversation.
#[derive(Debug, Default)]
struct Kept {
    /// All changes up to here are known.
    rev: u64,
    /// The messages by their seq.
    messages: BTreeMap<u64, Value>,
}

/// A client with its cache.
#[derive(Debug, Default)]
struct Client {
    cursor: Option<String>,
    list: BTreeMap<i64, Value>,
    kept: BTreeMap<i64, Kept>,
}

impl Client {
    /// Asks for what it missed: the list, then every conversation that has changed.
    async fn catch_up(&mut self, server: &Server, by: &Person) {
        loop {
            let path = match &self.cursor {
                Some(cursor) => format!("/sync?cursor={cursor}"),
                None => "/sync".to_owned(),
            };
            let page = got(server, by, &path).await;
            for item in page["items"].as_array().unwrap() {
                let id = item["conversation"]["id"].as_i64().unwrap();
                self.list.insert(id, item.clone());
            }
            for id in page["removed"].as_array().unwrap() {
                self.list.remove(&id.as_i64().unwrap());
            }
            self.cursor = page["cursor"].as_str().map(str::to_owned);
            if page["has_more"] == false {
                break;
            }
        }
        let behind: Vec<i64> = self
            .list
            .iter()
            .filter(|(id, item)| {
                let known = self.kept.get(id).map_or(0, |kept| kept.rev);
                item["conversation"]["last_rev"].as_u64().unwrap() > known
            })
            .map(|(id, _)| *id)
            .collect();
        for id in behind {
            self.close_gap(server, by, id).await;
        }
    }

    async fn close_gap(&mut self, server: &Server, by: &Person, id: i64) {
        let kept = self.kept.entry(id).or_default();
        loop {
            let path = format!("/conversations/{id}/changes?after_rev={}", kept.rev);
            let page = got(server, by, &path).await;
            assert_eq!(page["reset"], false);
            for message in page["items"].as_array().unwrap() {
                kept.put(message);
            }
            kept.rev = page["upto_rev"].as_u64().unwrap();
            if page["has_more"] == false {
                return;
            }
        }
    }

    /// Hears of one change; asks when one before it is missing, or when it is not told in full.
    async fn hear(&mut self, server: &Server, by: &Person, name: &str, event: &Value) {
        let (Some(id), Some(rev)) = (event["conversation_id"].as_i64(), event["rev"].as_u64()) else {
            return;
        };
        let kept = self.kept.entry(id).or_default();
        if rev <= kept.rev {
            return;
        }
        let whole = ["message.created", "message.updated"].contains(&name);
        // A reply also changes its root, which the event tells in short.
        if whole && rev == kept.rev + 1 && event.get("thread").is_none() {
            kept.put(&event["message"]);
            kept.rev = rev;
        } else {
            self.close_gap(server, by, id).await;
        }
    }

    /// Everything that is shown. What depends on who looks, and on others' receipts, is not in the messages.
    fn shown(&self) -> Value {
        let conversations = self.kept.iter().map(|(id, kept)| {
            let messages: Vec<Value> = kept.messages.values().map(neutral).collect();
            json!([id, kept.rev, messages])
        });
        json!({
            "list": self.list.values().collect::<Vec<_>>(),
            "conversations": conversations.collect::<Vec<_>>(),
        })
    }
}

impl Kept {
    /// The later state of a message wins.
    fn put(&mut self, message: &Value) {
        let rev = |message: &Value| message["rev"].as_u64().unwrap();
        let place = self.messages.entry(message["seq"].as_u64().unwrap());
        let known = place.or_insert_with(|| message.clone());
        if rev(message) > rev(known) {
            *known = message.clone();
        }
    }
}

fn neutral(message: &Value) -> Value {
    let mut message = message.clone();
    let fields = message.as_object_mut().unwrap();
    fields.remove("status");
    for reaction in fields
        .get_mut("reactions")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        reaction.as_object_mut().unwrap().remove("me");
    }
    message
}

/// Repeatable random numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

async fn react(server: &Server, by: &Person, message: &Value, emoji: &str) {
    let path = format!("/messages/{}/reactions/{emoji}", message["id"]);
    done(server, by, Method::PUT, &path, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_5_who_was_away_for_long_ends_where_a_new_login_begins() {
    let server = live().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let mut conversations = vec![server.direct(&sam, &anna).await];
    for _ in 1..20 {
        conversations.push(server.group(&sam, &[&anna]).await);
    }
    let mut early = Vec::new();
    for id in &conversations {
        early.push(server.say(&sam, *id, "early").await);
    }
    let mut away = Client::default();
    away.catch_up(&server, &anna).await;

    let mut sent = Vec::new();
    for n in 0..300 {
        let body = format!("message {n}");
        sent.push(server.say(&sam, conversations[n % 20], &body).await);
    }
    for n in 0..5 {
        // One of what was known and one of what was not.
        for (message, offset) in [(&early[n], 0), (&sent[100 + n], 1)] {
            let path = format!("/messages/{}", message["id"]);
            done(
                &server,
                &sam,
                Method::PATCH,
                &path,
                json!({"body": format!("edited {n} {offset}")}),
            )
            .await;
        }
        for message in [&early[5 + n], &sent[150 + n]] {
            let gone = server
                .delete(&format!("/messages/{}?for=everyone", message["id"]))
                .by(&sam);
            assert_eq!(gone.send().await.status, 204);
        }
        react(&server, &sam, &early[10 + n], "👍").await;
        react(&server, &sam, &sent[200 + n], "🎉").await;
    }
    away.catch_up(&server, &anna).await;

    let mut fresh = Client::default();
    fresh.catch_up(&server, &anna).await;
    assert_eq!(away.shown(), fresh.shown());
    let messages: usize = fresh.kept.values().map(|kept| kept.messages.len()).sum();
    // Nineteen groups begin with two notes each.
    assert_eq!(messages, 300 + 20 + 19 * 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_6_events_may_be_dropped_doubled_and_shuffled() {
    let server = live().await;
    let people = [server.person("sam").await, server.person("anna").await];
    let [sam, anna] = &people;
    let rooms = [
        server.direct(sam, anna).await,
        server.group(sam, &[anna]).await,
        server.group(anna, &[sam]).await,
    ];
    let mut clients = [Client::default(), Client::default()];
    for (client, who) in clients.iter_mut().zip(&people) {
        client.catch_up(&server, who).await;
    }
    let mut sockets = [server.socket(sam).await, server.socket(anna).await];
    let seed = 0x1cba_7e55;
    let mut dice = Dice(seed);
    let mut said: Vec<(usize, Value)> = Vec::new();
    for round in 0..12 {
        for n in 0..15 {
            let author = dice.roll(2);
            let who = &people[author];
            match dice.roll(6) {
                0 if !said.is_empty() => {
                    let (_, message) = &said[dice.roll(said.len())];
                    react(&server, who, message, "👍").await;
                }
                1 if said.iter().any(|(by, _)| *by == author) => {
                    let own: Vec<_> = said.iter().filter(|(by, _)| *by == author).collect();
                    let (_, message) = own[dice.roll(own.len())];
                    let path = format!("/messages/{}", message["id"]);
                    let words = json!({"body": format!("edited {round} {n}")});
                    done(&server, who, Method::PATCH, &path, words).await;
                }
                2 if said.iter().filter(|(by, _)| *by == author).count() > 3 => {
                    let place = said.iter().position(|(by, _)| *by == author).unwrap();
                    let (_, message) = said.remove(place);
                    let path = format!("/messages/{}?for=everyone", message["id"]);
                    assert_eq!(server.delete(&path).by(who).send().await.status, 204);
                }
                _ => {
                    let room = rooms[dice.roll(3)];
                    said.push((author, server.say(who, room, &format!("{round} {n}")).await));
                }
            }
        }
        // All that was told in this round, then treated badly on its way.
        let end = format!("end of {round}");
        server.say(sam, rooms[0], &end).await;
        for ((socket, client), who) in sockets.iter_mut().zip(&mut clients).zip(&people) {
            let mut told = Vec::new();
            loop {
                let (name, event) = socket.hear();
                let last = name == "message.created" && event["message"]["body"] == end;
                told.push((name, event));
                if last {
                    break;
                }
            }
            let mut arriving = Vec::new();
            for event in told {
                match dice.roll(5) {
                    0 => {}
                    1 => arriving.extend([event.clone(), event]),
                    2 => {
                        let place = dice.roll(arriving.len() + 1);
                        arriving.insert(place, event);
                    }
                    _ => arriving.push(event),
                }
            }
            for (name, event) in &arriving {
                client.hear(&server, who, name, event).await;
            }
        }
    }
    for (client, who) in clients.iter_mut().zip(&people) {
        // The pass that comes every five minutes finds what was lost at the very end.
        client.catch_up(&server, who).await;
        let mut fresh = Client::default();
        fresh.catch_up(&server, who).await;
        assert_eq!(client.shown(), fresh.shown(), "seed {seed}");
    }
    server.stop().await;
}
