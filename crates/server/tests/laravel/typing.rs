//! Typing on Laravel's channels.

use crate::post;
use crate::support::{Heard, Server};
use serde_json::json;

#[tokio::test]
async fn who_does_not_show_typing_does_not_on_laravels_channels_either() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let channel = format!("private-chat.{id}");
    let (sams, mut annas) = (server.worker(), server.worker());
    let whisper = async |event: &str| {
        let given = json!({"name": "Sam", "typing": true});
        sams.whisper_unnamed("1.1", &channel, event, &given).await;
    };
    for (worker, who, socket) in [(&sams, &sam, "1.1"), (&annas, &anna, "2.1")] {
        let given = json!({"socket_id": socket, "channel_name": channel});
        let answer = post(&server, "/broadcasting/auth", &given).by(who).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        worker.join(&channel, socket).await;
    }
    let hidden = json!({"typing": false});
    let answer = server.patch("/me/privacy", &hidden).by(&sam).send().await;
    assert_eq!(answer.status, 200);
    whisper("client-typing").await;
    // What is nothing to the messenger passes as it is, and at once.
    whisper("client-wave").await;
    let expected = |name: &str| Heard::Event {
        channel: channel.clone(),
        name: name.to_owned(),
        data: json!({"name": "Sam", "typing": true}),
    };
    assert_eq!(annas.hear().await, expected("client-wave"));
    server.stop().await;
    annas.silence();
}

#[tokio::test]
async fn typing_on_laravels_channels_passes_as_it_is() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let channel = format!("private-chat.{id}");
    let (sams, mut annas) = (server.worker(), server.worker());
    let given = json!({"socket_id": "1.1", "channel_name": channel});
    post(&server, "/broadcasting/auth", &given).by(&sam).send().await;
    sams.join(&channel, "1.1").await;
    annas.join(&channel, "2.1").await;
    let data = json!({"name": "Sam", "typing": true});
    sams.whisper_unnamed("1.1", &channel, "client-typing", &data)
        .await;
    let expected = Heard::Event {
        channel: channel.clone(),
        name: "client-typing".to_owned(),
        data,
    };
    assert_eq!(annas.hear().await, expected);
    // Of a socket that nobody knows nothing is shown.
    let data = json!({"name": "Anna"});
    annas
        .whisper_unnamed("2.1", &channel, "client-typing", &data)
        .await;
    server.stop().await;
    annas.silence();
}
