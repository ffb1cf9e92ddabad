//! Where one is logged in: devices, their connections, and how they end.

use axum::http::Method;
use serde_json::{Value, json};

use crate::people::refused;
use crate::support::{Answer, Heard, Person, Server, Setup, Worker, timeless};

pub(crate) async fn log_in(server: &Server, username: &str, password: &str, device: &str) -> Answer {
    let given = json!({"username": username, "password": password, "device_name": device});
    server.post("/auth/login", &given).send().await
}

pub(crate) fn person(answer: &Answer) -> Person {
    Person {
        id: answer.json["user"]["id"].as_i64().unwrap(),
        token: answer.json["token"].as_str().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn devices_are_listed_and_ended_with_their_sockets() {
    let server = Server::start().await;
    let desk = server.person("sam").await;
    let phone = person(&log_in(&server, "sam", "correct horse", "phone").await);
    let eve = server.person("eve").await;
    let mut worker = server.worker();
    let joining = json!({"socket_id": "7.7", "channel_name": phone.channel()});
    server.post("/realtime/auth", &joining).by(&phone).send().await;
    worker.connect(&phone, "7.7").await;

    let devices = server.get("/me/devices").by(&desk).send().await;
    let items = devices.json["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let other = items.iter().find(|device| device["current"] == false).unwrap();
    assert_eq!(
        timeless(other),
        json!({"id": other["id"], "name": "phone", "current": false, "created_at": "<time>",
            "last_used_at": "<time>", "expires_at": "<time>"})
    );
    let path = format!("/me/devices/{}", other["id"].as_str().unwrap());
    refused(
        &server.ask(Method::DELETE, &path).by(&eve).send().await,
        404,
        "not_found",
    );
    assert_eq!(
        server.ask(Method::DELETE, &path).by(&desk).send().await.status,
        204
    );
    let told = Heard::LoggedOut("7.7".parse().unwrap(), "device_revoked".to_owned());
    assert_eq!(worker.hear().await, told);
    let gone = worker.hear_event(&desk, "device.changed").await;
    assert_eq!(
        (&gone["device_id"], &gone["device"]),
        (&other["id"], &json!(null))
    );
    refused(&server.get("/me").by(&phone).send().await, 401, "unauthenticated");
    for path in [path.as_str(), "/me/devices/x"] {
        refused(
            &server.ask(Method::DELETE, path).by(&desk).send().await,
            404,
            "not_found",
        );
    }

    let tablet = person(&log_in(&server, "sam", "correct horse", "tablet").await);
    assert_eq!(
        server
            .ask(Method::DELETE, "/me/devices")
            .by(&tablet)
            .send()
            .await
            .status,
        204
    );
    refused(&server.get("/me").by(&desk).send().await, 401, "unauthenticated");
    assert_eq!(server.get("/me").by(&tablet).send().await.status, 200);
    assert_eq!(server.get("/me").by(&eve).send().await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn there_are_only_so_many_devices() {
    let mut setup = Setup::default();
    setup.messenger.devices_max = 2;
    let server = Server::start_with(setup).await;
    let first = server.person("sam").await;
    let second = person(&log_in(&server, "sam", "correct horse", "second").await);
    let third = person(&log_in(&server, "sam", "correct horse", "third").await);
    refused(&server.get("/me").by(&first).send().await, 401, "unauthenticated");
    for kept in [&second, &third] {
        assert_eq!(server.get("/me").by(kept).send().await.status, 200);
    }
    server.stop().await;
}

/// A socket of the device joins the user's channel, as it may.
async fn connect(server: &Server, worker: &Worker, device: &Person, socket: &str) {
    let joining = json!({"socket_id": socket, "channel_name": device.channel()});
    let answer = server.post("/realtime/auth", &joining).by(device).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    worker.connect(device, socket).await;
}

fn logged_out(socket: &str, reason: &str) -> Heard {
    Heard::LoggedOut(socket.parse().unwrap(), reason.to_owned())
}

async fn user_rev(server: &Server, person: &Person) -> u64 {
    let page = server.get("/sync").by(person).send().await;
    page.json["user"]["rev"]
        .as_u64()
        .unwrap_or_else(|| panic!("{}", page.text))
}

#[tokio::test]
async fn devices_hear_of_each_other() {
    let server = Server::start().await;
    let desk = server.person("sam").await;
    let mut worker = server.worker();
    connect(&server, &worker, &desk, "1.1").await;
    let before = user_rev(&server, &desk).await;

    let phone = person(&log_in(&server, "sam", "correct horse", "phone").await);
    let told = worker.hear_event(&desk, "device.changed").await;
    let devices = server.get("/me/devices").by(&phone).send().await;
    let listed = &devices.json["items"][0];
    assert_eq!(
        timeless(&told),
        json!({"v": 1, "user_rev": before + 1, "at": "<time>", "device_id": listed["id"],
            "device": {"id": listed["id"], "name": "phone", "created_at": "<time>"}})
    );
    for socket in ["1.2", "1.3"] {
        connect(&server, &worker, &phone, socket).await;
    }
    let tablet = person(&log_in(&server, "sam", "correct horse", "tablet").await);
    worker.hear_event(&desk, "device.changed").await;

    // Those that end are told why, and nobody else is; then the others learn of each.
    let others = server.delete("/me/devices").by(&desk).send().await;
    assert_eq!(others.status, 204);
    let mut revs = Vec::new();
    let mut ended = Vec::new();
    for _ in 0..4 {
        match worker.hear().await {
            Heard::Event { name, data, .. } => {
                assert_eq!((name.as_str(), &data["device"]), ("device.changed", &Value::Null));
                revs.push(data["user_rev"].as_u64().unwrap());
            }
            other => ended.push(other),
        }
    }
    assert_eq!(revs, [before + 3, before + 4]);
    assert_eq!(
        ended,
        ["1.2", "1.3"].map(|socket| logged_out(socket, "device_revoked"))
    );
    assert_eq!(user_rev(&server, &desk).await, before + 4);
    refused(
        &server.get("/me").by(&tablet).send().await,
        401,
        "unauthenticated",
    );
    server.stop().await;
    worker.silence();
}

#[tokio::test]
async fn a_new_password_sends_the_other_devices_away() {
    let server = Server::start().await;
    let desk = server.person("sam").await;
    let phone = person(&log_in(&server, "sam", "correct horse", "phone").await);
    let mut worker = server.worker();
    connect(&server, &worker, &desk, "1.1").await;
    connect(&server, &worker, &phone, "1.2").await;
    let given = json!({"current_password": "correct horse", "password": "plum kettle nine"});
    assert_eq!(
        server.post("/me/password", &given).by(&desk).send().await.status,
        204
    );
    assert_eq!(worker.hear().await, logged_out("1.2", "password_changed"));
    worker.hear_event(&desk, "device.changed").await;
    server.stop().await;
    worker.silence();
}

#[tokio::test]
async fn the_first_of_too_many_connections_makes_room() {
    let mut setup = Setup::default();
    setup.api.user_connections_max = 2;
    let server = Server::start_with(setup).await;
    let limits = &server.get("/config").send().await.json["limits"];
    assert_eq!(limits["connections"], 2);
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let mut worker = server.worker();
    for (person, socket) in [(&anna, "1.1"), (&sam, "1.2"), (&sam, "1.3")] {
        connect(&server, &worker, person, socket).await;
    }
    worker.silence();
    connect(&server, &worker, &sam, "1.4").await;
    assert_eq!(worker.hear().await, Heard::Closed("1.2".parse().unwrap()));
    worker.disconnect(&sam, "1.2").await;
    // One that ends by itself makes room, too.
    worker.disconnect(&sam, "1.3").await;
    connect(&server, &worker, &sam, "1.5").await;
    worker.silence();
    connect(&server, &worker, &sam, "1.6").await;
    assert_eq!(worker.hear().await, Heard::Closed("1.4".parse().unwrap()));
    server.stop().await;
    worker.silence();
}
