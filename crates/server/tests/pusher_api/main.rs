//! The Pusher protocol over real sockets: two workers, the engine in memory, HTTP and WebSocket.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod arrivals;
mod express;
mod fan_out;
mod requests;
mod support;

use chinwag_engine::AppOptions;
use serde_json::json;

use support::Server;

#[test]
fn a_cache_channel_keeps_the_last_event_of_servers_for_newcomers() {
    let server = Server::start(AppOptions::default());
    let channel = "private-cache-price";
    let mut first = server.connect();
    first.subscribe(channel);
    assert_eq!(first.hear_event("pusher:cache_miss", channel), "{}");
    server.publish(channel, "price", "1");
    server.publish(channel, "price", "{\"eur\": 2}");
    assert_eq!(first.hear_event("price", channel), "1");
    assert_eq!(first.hear_event("price", channel), "{\"eur\": 2}");

    // What a client says is passed on and not kept.
    let mut second = server.connect();
    second.subscribe(channel);
    assert_eq!(second.hear_event("price", channel), "{\"eur\": 2}");
    second.say_frame(&json!({ "event": "client-note", "channel": channel, "data": "passing" }));
    assert_eq!(first.hear_event("client-note", channel), "passing");
    let mut third = server.connect();
    third.subscribe(channel);
    assert_eq!(third.hear_event("price", channel), "{\"eur\": 2}");
    third.silence();

    // It outlives its subscribers, and is kept where there were none.
    drop((first, second, third));
    server.publish("cache-nobody", "e", "kept");
    while server.get(&format!("/apps/100200/channels/{channel}")).1 != r#"{"occupied":false}"# {
        std::thread::yield_now();
    }
    let mut late = server.connect();
    late.subscribe(channel);
    assert_eq!(late.hear_event("price", channel), "{\"eur\": 2}");
    late.subscribe("cache-nobody");
    assert_eq!(late.hear_event("e", "cache-nobody"), "kept");
    let (status, body) = server.get("/apps/100200/channels/cache-nobody?info=cache,subscription_count");
    assert_eq!(
        (status, body.as_str()),
        (
            200,
            r#"{"occupied":true,"subscription_count":1,"cache":{"data":"kept","ttl":1800}}"#
        )
    );
    let empty = server.get("/apps/100200/channels/cache-empty?info=cache");
    assert_eq!(empty.1, r#"{"occupied":false,"cache":null}"#);
}

#[test]
fn joining_a_presence_cache_channel_is_not_what_it_keeps() {
    let server = Server::start(AppOptions::default());
    let channel = "presence-cache-lobby";
    let mut ada = server.connect();
    ada.subscribe_as(channel, Some(r#"{"user_id":1}"#));
    ada.hear_event("pusher:cache_miss", channel);
    let mut bob = server.connect();
    bob.subscribe_as(channel, Some(r#"{"user_id":"2","user_info":true}"#));
    bob.hear_event("pusher:cache_miss", channel);
    assert_eq!(
        ada.hear_event("pusher_internal:member_added", channel),
        r#"{"user_id":"2","user_info":true}"#
    );
}

#[test]
fn servers_speak_to_every_connection_of_a_user_once() {
    let server = Server::start(AppOptions::default());
    let mut phone = server.connect();
    let mut laptop = server.connect();
    let mut stranger = server.connect();
    for client in [&mut phone, &mut laptop] {
        client.sign_in(r#"{"id":"u-1","user_info":{"name":"Ada"}}"#);
    }
    stranger.sign_in(r#"{"id":"u-2"}"#);
    let own = "#server-to-user-u-1";
    phone.subscribe(own);
    server.publish(own, "note", "hello");
    for client in [&mut phone, &mut laptop] {
        assert_eq!(client.hear_event("note", own), "hello");
        client.silence();
    }
    stranger.silence();
    assert_eq!(
        server.get("/apps/100200/channels").1,
        r#"{"channels":{}}"#,
        "never listed"
    );
    // Signed in, no member data is needed.
    let roster = phone.subscribe("presence-room");
    assert_eq!(
        roster,
        r#"{"presence":{"count":1,"ids":["u-1"],"hash":{"u-1":{"name":"Ada"}}}}"#
    );
}

#[test]
fn all_connections_of_a_user_are_ended_and_no_others() {
    let server = Server::start(AppOptions::default());
    let mut signed_in = server.connect();
    signed_in.sign_in(r#"{"id":"u-1"}"#);
    let mut present = server.connect();
    present.subscribe_as("presence-room", Some(r#"{"user_id":"u-1"}"#));
    let mut other = server.connect();
    other.sign_in(r#"{"id":"u-11"}"#);
    let path = "/apps/100200/users/u-1/terminate_connections";
    assert_eq!(server.ask("POST", path, "{}"), (200, "{}".to_owned()));
    for client in [&mut signed_in, &mut present] {
        assert_eq!(
            client.hear(),
            json!({ "event": "pusher:error",
                    "data": { "code": 4009, "message": "You got disconnected by the app." } })
        );
        assert_eq!(client.hear(), json!({ "closed": 4009 }));
    }
    other.silence();
    // A user nobody knows, no body, and the path that one SDK uses.
    let unknown = "/apps/100200/users/nobody/terminate_connections";
    assert_eq!(server.ask("POST", unknown, ""), (200, "{}".to_owned()));
    let alias = "/users/u-11/terminate_connections";
    assert_eq!(server.ask("POST", alias, "{}"), (200, "{}".to_owned()));
    assert_eq!(other.hear()["data"]["code"], 4009);
    assert_eq!(server.http().ask("POST", alias, "{}").0, 401, "not signed");
}

#[test]
fn a_watched_user_comes_and_goes() {
    let options = AppOptions {
        watchlists: true,
        ..AppOptions::default()
    };
    let server = Server::start(options);
    let watch = |events: serde_json::Value| {
        json!({ "event": "pusher_internal:watchlist_events",
        "data": json!({ "events": events }).to_string() })
    };
    let mut ada = server.connect();
    ada.sign_in(r#"{"id":"ada","watchlist":["bob"]}"#);
    assert_eq!(
        ada.hear(),
        watch(json!([{ "name": "offline", "user_ids": ["bob"] }]))
    );
    let mut bob = server.connect();
    bob.sign_in(r#"{"id":"bob","watchlist":["ada"]}"#);
    assert_eq!(
        bob.hear(),
        watch(json!([{ "name": "online", "user_ids": ["ada"] }]))
    );
    assert_eq!(
        ada.hear(),
        watch(json!([{ "name": "online", "user_ids": ["bob"] }]))
    );
    let mut again = server.connect();
    again.sign_in(r#"{"id":"bob"}"#);
    drop(bob);
    ada.silence();
    drop(again);
    assert_eq!(
        ada.hear(),
        watch(json!([{ "name": "offline", "user_ids": ["bob"] }]))
    );
}

#[test]
fn a_watchlist_that_is_too_long_is_cut() {
    let options = AppOptions {
        watchlists: true,
        ..AppOptions::default()
    };
    let server = Server::start(options);
    let ids: Vec<String> = (0..101).map(|n| format!("u{n}")).collect();
    let mut client = server.connect();
    client.sign_in(&json!({ "id": "me", "watchlist": ids }).to_string());
    let error = client.hear();
    assert_eq!(error["data"]["code"], 4302, "{error}");
    let events = client.hear();
    let data: serde_json::Value = serde_json::from_str(events["data"].as_str().unwrap()).unwrap();
    assert_eq!(data["events"][0]["user_ids"].as_array().unwrap().len(), 100);
}

#[test]
fn subscribers_are_told_how_many_they_are() {
    let options = AppOptions {
        subscription_counts: true,
        ..AppOptions::default()
    };
    let server = Server::start(options);
    let count = "pusher_internal:subscription_count";
    let mut ada = server.connect();
    ada.subscribe("room");
    assert_eq!(ada.hear_event(count, "room"), r#"{"subscription_count":1}"#);
    let mut bob = server.connect();
    bob.subscribe("room");
    assert_eq!(bob.hear_event(count, "room"), r#"{"subscription_count":2}"#);
    assert_eq!(ada.hear_event(count, "room"), r#"{"subscription_count":2}"#);
    drop(bob);
    assert_eq!(ada.hear_event(count, "room"), r#"{"subscription_count":1}"#);
    ada.subscribe_as("presence-room", Some(r#"{"user_id":"1"}"#));
    ada.sign_in(r#"{"id":"1"}"#);
    ada.silence();
}
