//! One payload to many channels, and channels with many subscribers.

use chinwag_engine::AppOptions;
use serde_json::json;

use crate::support::Server;

fn trigger(server: &Server, channels: &[String], data: &str, except: Option<&str>) {
    let mut body = json!({ "name": "e", "channels": channels, "data": data });
    if let Some(except) = except {
        body["socket_id"] = json!(except);
    }
    let (status, answer) = server.ask("POST", "/apps/100200/events", &body.to_string());
    assert_eq!((status, answer.as_str()), (200, "{}"));
}

#[test]
fn one_payload_reaches_each_of_many_channels_whole_and_in_order() {
    let server = Server::start(AppOptions::default());
    let channels: Vec<String> = (0..20)
        .map(|n| format!("room-{n}"))
        .chain(["cache-room".to_owned()])
        .collect();
    let mut clients: Vec<_> = channels.iter().map(|_| server.connect()).collect();
    for (client, channel) in clients.iter_mut().zip(&channels) {
        client.subscribe(channel);
    }
    // One who listens to several of them hears it on each.
    let mut greedy = server.connect();
    greedy.subscribe("room-0");
    greedy.subscribe("room-1");
    // Short ones are copied and long ones shared; what they say does not differ.
    let long = "\"\\ long text, каждому, 每个人 ".repeat(40);
    for data in ["short", long.as_str(), "", "{\"last\":true}"] {
        trigger(&server, &channels, data, None);
        server.publish("room-3", "alone", data);
    }
    for (client, channel) in clients.iter_mut().zip(&channels) {
        if channel == "cache-room" {
            assert_eq!(client.hear_event("pusher:cache_miss", channel), "{}");
        }
        for data in ["short", long.as_str(), "", "{\"last\":true}"] {
            assert_eq!(client.hear_event("e", channel), data);
            if channel == "room-3" {
                assert_eq!(client.hear_event("alone", channel), data);
            }
        }
        client.silence();
    }
    let mut heard: Vec<String> = (0..8)
        .map(|_| greedy.hear()["channel"].as_str().unwrap().to_owned())
        .collect();
    heard.sort();
    assert_eq!(heard, [["room-0"; 4], ["room-1"; 4]].concat());
    let (_, kept) = server.get("/apps/100200/channels/cache-room?info=cache");
    assert!(kept.contains("last"), "{kept}");
}

#[test]
fn a_channel_of_many_subscribers_loses_nothing_and_keeps_its_order_beside_others() {
    let server = Server::start(AppOptions::default());
    // More than are served in one go, on each of the workers.
    let mut crowd: Vec<_> = (0..900).map(|_| server.connect()).collect();
    for client in &mut crowd {
        client.subscribe("stadium");
    }
    let mut few = server.connect();
    few.subscribe("corner");
    for n in 0..30 {
        server.publish("stadium", "e", &n.to_string());
        // The same channel, among others.
        trigger(
            &server,
            &["corner".into(), "stadium".into()],
            &format!("both {n}"),
            None,
        );
    }
    drop(crowd.split_off(890));
    server.publish("stadium", "e", "end");
    for client in &mut crowd {
        for n in 0..30 {
            assert_eq!(client.hear_event("e", "stadium"), n.to_string());
            assert_eq!(client.hear_event("e", "stadium"), format!("both {n}"));
        }
        assert_eq!(client.hear_event("e", "stadium"), "end");
    }
    for n in 0..30 {
        assert_eq!(few.hear_event("e", "corner"), format!("both {n}"));
    }
}
