//! Pins, and who reacted: the answers, the refusals, and what members hear.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Person, Server, Setup, timeless};

#[tokio::test]
async fn messages_are_pinned_and_told() {
    let mut setup = Setup::default();
    setup.messenger.pins_max = 1;
    let server = Server::start_with(setup).await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.group(&sam, &[&anna]).await;
    let (one, two) = (
        server.say(&anna, id, "one").await,
        server.say(&anna, id, "two").await,
    );
    let mut worker = server.worker();
    worker.connect(&anna, "1.1").await;
    let pin = async |method: Method, by: &Person, id: &Value| {
        let ask = server.ask(method, &format!("/messages/{id}/pin"));
        ask.by(by).send().await
    };
    let refused = async |by: &Person, id: &Value, status: u16, code: &str| {
        let answer = pin(Method::PUT, by, id).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (status, &json!(code)),
            "{}",
            answer.text
        );
    };
    refused(&anna, &one["id"], 403, "not_allowed").await;
    refused(&eve, &one["id"], 404, "not_found").await;
    refused(&sam, &json!(424_242), 404, "not_found").await;
    worker.silence();

    let answer = pin(Method::PUT, &sam, &one["id"]).await;
    assert_eq!((answer.status, &answer.json["pinned"]), (201, &json!(true)));
    assert_eq!(pin(Method::PUT, &sam, &one["id"]).await.status, 200);
    let told = worker.hear_event(&anna, "pin.changed").await;
    let expected = json!({
        "v": 1, "conversation_id": id, "rev": 5, "at": "<time>", "message_id": one["id"], "seq": 3,
        "pinned": true, "by": sam.id,
    });
    assert_eq!(timeless(&told), expected);
    let note = worker.hear_event(&anna, "message.created").await["message"].clone();
    let expected = json!({
        "event": "pinned", "actor_id": sam.id, "data": {"message_id": one["id"], "seq": 3},
    });
    assert_eq!((&note["system"], &note["rev"]), (&expected, &json!(6)));
    refused(&sam, &note["id"], 403, "not_allowed").await;
    refused(&sam, &two["id"], 409, "too_many_pins").await;
    let pins = server.get(&format!("/conversations/{id}/pins"));
    let pins = pins.by(&anna).send().await;
    let ids: Vec<&Value> = pins.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["id"])
        .collect();
    assert_eq!(ids, [&one["id"]]);
    let pins = server
        .get(&format!("/conversations/{id}/pins"))
        .by(&eve)
        .send()
        .await;
    assert_eq!(pins.status, 404);

    assert_eq!(pin(Method::DELETE, &sam, &one["id"]).await.status, 204);
    assert_eq!(pin(Method::DELETE, &sam, &one["id"]).await.status, 204);
    assert_eq!(worker.hear_event(&anna, "pin.changed").await["pinned"], false);
    worker.silence();
    let deleted = server
        .delete(&format!("/messages/{}", two["id"]))
        .by(&anna)
        .send()
        .await;
    assert_eq!(deleted.status, 204);
    refused(&sam, &two["id"], 409, "message_deleted").await;
    server.stop().await;
}

#[tokio::test]
async fn reactions_are_listed_with_their_people() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let id = server.direct(&sam, &anna).await;
    let message = server.say(&sam, id, "good?").await["id"].clone();
    for (by, emoji) in [(&anna, "%E2%9D%A4"), (&sam, "%E2%9D%A4"), (&anna, "%F0%9F%91%8D")] {
        let ask = server.ask(Method::PUT, &format!("/messages/{message}/reactions/{emoji}"));
        assert_eq!(ask.by(by).send().await.status, 201);
    }
    let page = async |by: &Person, query: &str| {
        let ask = server.get(&format!("/messages/{message}/reactions{query}"));
        ask.by(by).send().await
    };
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = page(&sam, &format!("?limit=2{cursor}")).await.json;
        for item in answer["items"].as_array().unwrap() {
            found.push((
                item["user"]["id"].as_i64().unwrap(),
                item["emoji"].as_str().unwrap().to_owned(),
            ));
        }
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected = [
        (anna.id, "❤".to_owned()),
        (sam.id, "❤".to_owned()),
        (anna.id, "👍".to_owned()),
    ];
    assert_eq!(found, expected);
    assert_eq!(page(&eve, "").await.json["code"], "not_found");
    assert_eq!(page(&sam, "?limit=0").await.json["code"], "limit_invalid");
    assert_eq!(page(&sam, "?cursor=x").await.json["code"], "cursor_invalid");
    server.stop().await;
}
