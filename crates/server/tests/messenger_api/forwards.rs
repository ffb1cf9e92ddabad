//! Forwarding: the copies, and every refusal.

use serde_json::{Value, json};

use crate::support::{Answer, Person, Server};

#[tokio::test]
async fn messages_are_forwarded_under_the_first_ones_name() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let from = server.group(&sam, &[&anna]).await;
    let said = server.say(&anna, from, "@sam look").await;
    let deleted = server.say(&sam, from, "gone").await;
    server
        .delete(&format!("/messages/{}", deleted["id"]))
        .by(&sam)
        .send()
        .await;
    let to = server.direct(&sam, &eve).await;
    let foreign = server.direct(&anna, &eve).await;
    let mut worker = server.worker();
    worker.connect(&eve, "1.1").await;

    let forward = async |by: &Person, messages: Value, to: Value| {
        let ask = server.post("/messages/forward", &json!({"message_ids": messages, "to": to}));
        ask.by(by).send().await
    };
    let refused = |answer: Answer, status: u16, code: &str| {
        let told = (answer.status, answer.json["code"].as_str());
        assert_eq!(told, (status, Some(code)), "{}", answer.text);
    };
    let one = &said["id"];
    let page = server
        .get(&format!("/conversations/{from}/messages?limit=1&after=0"))
        .by(&sam)
        .send()
        .await;
    let note = &page.json["items"][0]["id"];
    refused(
        forward(&sam, json!([one, deleted["id"]]), json!([to])).await,
        409,
        "message_deleted",
    );
    refused(
        forward(&sam, json!([note]), json!([to])).await,
        422,
        "not_forwardable",
    );
    refused(
        forward(&sam, json!([one]), json!([to, foreign])).await,
        404,
        "not_found",
    );
    refused(forward(&eve, json!([one]), json!([to])).await, 404, "not_found");
    refused(
        forward(&sam, json!([]), json!([to])).await,
        422,
        "message_ids_invalid",
    );
    refused(forward(&sam, json!([one]), json!([])).await, 422, "to_invalid");
    refused(
        forward(&sam, json!((1..=21).collect::<Vec<i64>>()), json!([to])).await,
        422,
        "message_ids_invalid",
    );
    refused(
        forward(&sam, json!([one]), json!((1..=11).collect::<Vec<i64>>())).await,
        422,
        "to_invalid",
    );
    refused(
        forward(&sam, json!("x"), json!([to])).await,
        422,
        "validation_failed",
    );
    let left = server.group(&anna, &[&sam]).await;
    server
        .post(&format!("/conversations/{left}/leave"), &json!({}))
        .by(&sam)
        .send()
        .await;
    refused(
        forward(&sam, json!([one]), json!([left])).await,
        403,
        "not_a_member",
    );
    let quiet =
        json!({"kind": "group", "title": "Quiet", "member_ids": [sam.id], "policies": {"post": "admins"}});
    let quiet = server.post("/conversations", &quiet).by(&anna).send().await;
    let quiet = &quiet.json["conversation"]["id"];
    refused(
        forward(&sam, json!([one]), json!([quiet])).await,
        403,
        "posting_restricted",
    );
    worker.silence();

    let answer = forward(&sam, json!([one]), json!([to])).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let copy = &answer.json["items"][0];
    let expected = json!({"author_name": "Anna Whitlock"});
    assert_eq!(
        (&copy["forwarded_from"], &copy["author_id"]),
        (&expected, &json!(sam.id))
    );
    assert_eq!(
        (&copy["body"], &copy["mentions"]),
        (&json!("@sam look"), &json!([]))
    );
    let told = worker.hear_event(&eve, "message.created").await;
    assert_eq!(told["message"]["forwarded_from"], expected);
    let edit = server.patch(&format!("/messages/{}", copy["id"]), &json!({"body": "x"}));
    refused(edit.by(&sam).send().await, 422, "not_editable");
    server.stop().await;
}
