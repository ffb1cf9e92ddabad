//! Deleting one's own account, as clients see it.

use axum::http::Method;
use serde_json::{Value, json};

use crate::people::refused;
use crate::second_factor::guard;
use crate::support::{Answer, Heard, Person, Server, Setup};

const PASSWORD: &str = "correct horse";

async fn delete_me(server: &Server, who: &Person, given: &Value) -> Answer {
    let asked = server.ask(Method::DELETE, "/me").by(who);
    asked.body("application/json", given.to_string()).send().await
}

async fn send(server: &Server, who: &Person, conversation: i64, words: &str) -> Answer {
    let given = json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": words});
    let path = format!("/conversations/{conversation}/messages");
    server.post(&path, &given).by(who).send().await
}

#[tokio::test]
async fn a_deleted_person_is_gone_from_every_list() {
    let server = Server::start().await;
    let olga = server.person("olga").await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let room = server.direct(&sam, &anna).await;
    assert_eq!(send(&server, &sam, room, "so long").await.status, 201);
    let group = server.group(&sam, &[&anna]).await;
    let joining = json!({"socket_id": "1.1", "channel_name": sam.channel()});
    server.post("/realtime/auth", &joining).by(&sam).send().await;
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;
    let mut annas = server.worker();
    annas.connect(&anna, "2.1").await;

    let answer = delete_me(&server, &sam, &json!({"password": PASSWORD})).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    loop {
        if let Heard::LoggedOut(socket, reason) = worker.hear().await {
            assert_eq!(
                (socket.to_string().as_str(), reason.as_str()),
                ("1.1", "account_deleted")
            );
            break;
        }
    }
    // Anna hears of the group, and that the direct conversation takes nothing more.
    let mut changed = Vec::new();
    while changed.len() < 3 {
        if let Heard::Event { name, data, channel } = annas.hear().await
            && channel == anna.channel()
            && name != "presence.changed"
        {
            changed.push((name, data));
        }
    }
    let names: Vec<&str> = changed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["members.changed", "conversation.updated", "members.changed"]
    );
    assert_eq!(changed[0].1["conversation_id"], group);
    assert_eq!(changed[1].1["policies"]["post"], "admins");
    let user = &changed[2].1["updated"][0]["user"];
    assert_eq!(
        (&user["id"], &user["deleted"], &user["display_name"]),
        (&json!(sam.id), &json!(true), &json!("")),
        "{user}"
    );

    refused(&server.get("/me").by(&sam).send().await, 401, "unauthenticated");
    let given = json!({"username": "sam", "password": PASSWORD});
    refused(
        &server.post("/auth/login", &given).send().await,
        401,
        "invalid_credentials",
    );
    let given = json!({"username": "sam", "password": PASSWORD});
    refused(
        &server.post("/auth/register", &given).send().await,
        409,
        "username_taken",
    );
    let user = server.get(&format!("/users/{}", sam.id)).by(&anna).send().await;
    assert_eq!(
        (&user.json["deleted"], &user.json["bio"]),
        (&json!(true), &json!(""))
    );
    let item = server
        .get(&format!("/conversations/{room}"))
        .by(&anna)
        .send()
        .await;
    assert_eq!(item.json["peer"]["deleted"], true, "{}", item.text);
    let history = server
        .get(&format!("/conversations/{room}/messages"))
        .by(&anna)
        .send()
        .await;
    let last = history.json["items"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["body"], &last["author_id"]),
        (&json!("so long"), &json!(sam.id))
    );
    refused(&send(&server, &anna, room, "hello?").await, 403, "dm_not_allowed");
    let given = json!({"kind": "direct", "user_id": sam.id});
    refused(
        &server.post("/conversations", &given).by(&olga).send().await,
        404,
        "not_found",
    );
    let group = server
        .get(&format!("/conversations/{group}"))
        .by(&anna)
        .send()
        .await;
    assert_eq!(group.json["conversation"]["owner_id"], anna.id, "{}", group.text);
    let listed = server.get("/admin/users").by(&olga).send().await;
    let row = listed.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["id"] == sam.id)
        .unwrap();
    assert_eq!((&row["status"], &row["devices"]), (&json!("deleted"), &json!(0)));
    server.stop().await;
}

#[tokio::test]
async fn deleting_an_account_wants_proof() {
    let mut setup = Setup::default();
    setup.messenger.login_failures_max = 2;
    let server = Server::start_with(setup).await;
    let olga = server.person("olga").await;
    refused(
        &delete_me(&server, &olga, &json!({})).await,
        422,
        "validation_failed",
    );
    refused(
        &delete_me(&server, &olga, &json!({"password": PASSWORD})).await,
        409,
        "last_owner",
    );
    assert_eq!(server.get("/me").by(&olga).send().await.status, 200);

    let sam = guard(&server, "sam").await;
    let delete = async |given: Value| delete_me(&server, &sam.person, &given).await;
    refused(
        &delete(json!({"password": PASSWORD})).await,
        422,
        "second_factor_required",
    );
    let wrong = json!({"password": PASSWORD, "code": "000 00x"});
    refused(&delete(wrong.clone()).await, 422, "second_factor_invalid");
    refused(
        &delete(json!({"password": "wrong", "code": sam.recovery[0]})).await,
        422,
        "password_wrong",
    );
    let right = delete(json!({"password": PASSWORD, "code": sam.recovery[0]})).await;
    assert_eq!(right.status, 204, "{}", right.text);

    let eve = guard(&server, "eve").await;
    for _ in 0..2 {
        refused(
            &delete_me(&server, &eve.person, &wrong).await,
            422,
            "second_factor_invalid",
        );
    }
    refused(
        &delete_me(&server, &eve.person, &wrong).await,
        429,
        "rate_limited",
    );
    for _ in 0..2 {
        refused(
            &delete_me(&server, &eve.person, &json!({"password": "wrong"})).await,
            422,
            "password_wrong",
        );
    }
    refused(
        &delete_me(&server, &eve.person, &json!({"password": PASSWORD})).await,
        429,
        "rate_limited",
    );
    refused(
        &server.ask(Method::DELETE, "/me").send().await,
        401,
        "unauthenticated",
    );
    server.stop().await;
}
