//! Connections on which servers publish one event after another.

use std::time::{Duration, Instant};

use chinwag_engine::AppOptions;
use chinwag_server::listen::ListenOptions;

use crate::support::{KEY, SECRET, Server, sign};

/// A signed request; with another secret than the app's it is signed wrongly.
fn request(method: &str, path: &str, body: &str, secret: &str, headers: &str) -> String {
    let target = sign(method, path, body, (KEY, secret));
    let length = body.len();
    format!("{method} {target} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

fn event(number: usize) -> String {
    format!(r#"{{"name":"e","channel":"room","data":"{number}"}}"#)
}

#[test]
fn what_a_server_asks_in_a_row_is_answered_in_order_however_it_is_cut() {
    let server = Server::start(AppOptions::default());
    let mut client = server.connect();
    client.subscribe("room");
    let events = "/apps/100200/events";
    let counted = r#"{"name":"e","channel":"room","data":"2","info":"subscription_count"}"#;
    let row = [
        request("POST", events, &event(1), SECRET, ""),
        request("POST", events, counted, SECRET, "connection: keep-alive\r\n"),
        request("POST", events, &event(0), "another", ""),
        request("POST", events, "{", SECRET, ""),
        request("POST", "/apps/nobody/events", &event(0), SECRET, ""),
        request("POST", events, &event(3), SECRET, ""),
        // From here on it is HTTP that answers.
        request("GET", "/apps/100200/channels", "", SECRET, ""),
        request("POST", events, &event(4), SECRET, ""),
    ];
    let bytes = row.concat();
    for step in [1, 97, bytes.len()] {
        let mut http = server.http();
        for part in bytes.as_bytes().chunks(step) {
            http.send(std::str::from_utf8(part).unwrap());
        }
        let answers: Vec<_> = row.iter().map(|_| http.answer()).collect();
        let statuses: Vec<_> = answers.iter().map(|answer| answer.0).collect();
        assert_eq!(statuses, [200, 200, 401, 400, 404, 200, 200, 200]);
        assert_eq!(answers[0].1, "{}");
        assert_eq!(answers[1].1, r#"{"channels":{"room":{"subscription_count":1}}}"#);
        assert!(answers[2].1.contains("auth_signature"), "{}", answers[2].1);
        for data in ["1", "2", "3", "4"] {
            assert_eq!(client.hear_event("e", "room"), data);
        }
        client.silence();
    }
}

#[test]
fn a_request_that_asks_for_more_than_an_answer_gets_it() {
    let server = Server::start(AppOptions::default());
    let events = "/apps/100200/events";
    let plain = request("POST", events, &event(1), SECRET, "");

    let mut http = server.http();
    http.send(&plain);
    assert_eq!(http.answer().0, 200);
    let waits = request("POST", events, &event(1), SECRET, "expect: 100-continue\r\n");
    let (head, body) = waits.split_once("\r\n\r\n").unwrap();
    http.send(&format!("{head}\r\n\r\n"));
    assert_eq!(http.head().0, 100);
    http.send(body);
    assert_eq!(http.answer().0, 200);

    let mut http = server.http();
    http.send(&plain);
    assert_eq!(http.answer().0, 200);
    http.send(&request(
        "POST",
        events,
        &event(1),
        SECRET,
        "connection: close\r\n",
    ));
    let (status, headers) = http.head();
    assert_eq!(status, 200);
    assert!(headers.contains(&"connection: close".to_owned()), "{headers:?}");

    let mut http = server.http();
    http.send(&plain);
    let (status, headers) = http.head();
    assert_eq!(status, 200);
    assert!(
        headers.iter().any(|line| line.starts_with("date: ")),
        "{headers:?}"
    );
}

#[test]
fn a_body_may_take_longer_than_a_head() {
    let options = ListenOptions {
        head_timeout: Duration::from_millis(200),
        ..ListenOptions::default()
    };
    let server = Server::start_with("", AppOptions::default(), options);
    let whole = request("POST", "/apps/100200/events", &event(1), SECRET, "");
    let (head, body) = whole.split_at(whole.len() - 10);
    let mut http = server.http();
    http.send(head);
    // Byte by byte, and slowly enough for three times as long.
    let begun = Instant::now();
    for (number, byte) in body.chars().enumerate() {
        let due = begun + options.head_timeout * 3 * number as u32 / 10;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        http.send(&byte.to_string());
    }
    assert_eq!(http.answer(), (200, "{}".to_owned()));
}
