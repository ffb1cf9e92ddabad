//! How connections come in: as WebSockets at once, later, or never.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use chinwag_engine::AppOptions;
use chinwag_server::listen::{self, ListenOptions};

use crate::support::{KEY, Server};

fn opening(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

fn stream(server: &Server) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_nodelay(true).unwrap();
    BufReader::new(stream)
}

/// The lines of an answer's head.
fn head(stream: &mut BufReader<TcpStream>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => return lines,
            line => lines.push(line.to_ascii_lowercase()),
        }
    }
}

/// The payload of the next short text frame.
fn text(stream: &mut BufReader<TcpStream>) -> String {
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    assert!(header[0] == 0x81 && header[1] < 126, "{header:?}");
    let mut payload = vec![0; usize::from(header[1])];
    stream.read_exact(&mut payload).unwrap();
    String::from_utf8(payload).unwrap()
}

#[test]
fn a_websocket_opens_however_its_head_is_cut_and_hears_what_was_sent_ahead() {
    let server = Server::start(AppOptions::default());
    let mut bytes = opening(
        &format!("/app/{KEY}?protocol=7"),
        "sec-websocket-protocol: a, pusher-channels-protocol-7\r\n",
    )
    .into_bytes();
    // A ping of the protocol, masked with zeros.
    let ping = br#"{"event":"pusher:ping"}"#;
    bytes.extend([0x81, 0x80 | ping.len() as u8, 0, 0, 0, 0]);
    bytes.extend(ping);
    for step in [1, 100, bytes.len()] {
        let mut stream = stream(&server);
        for part in bytes.chunks(step) {
            stream.get_mut().write_all(part).unwrap();
        }
        let lines = head(&mut stream);
        assert_eq!(lines[0], "http/1.1 101 switching protocols");
        assert!(lines.contains(&"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=".to_owned()));
        assert!(lines.contains(&"sec-websocket-protocol: pusher-channels-protocol-7".to_owned()));
        assert!(text(&mut stream).contains("pusher:connection_established"));
        assert!(text(&mut stream).contains("pusher:pong"));
    }
}

#[test]
fn a_kept_connection_may_become_a_websocket_later() {
    let server = Server::start_under("/ws", AppOptions::default());
    let up = ("/ws/up", "http/1.1 200 ok");
    let api = ("/ws/apps/nobody/channels", "http/1.1 404 not found");
    // One that begins with the HTTP API stays on its worker, and is answered everything all the same.
    for asked in [vec![up], vec![up, api], vec![api, up, api]] {
        let mut stream = stream(&server);
        for (path, answer) in asked {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
            stream.get_mut().write_all(request.as_bytes()).unwrap();
            let lines = head(&mut stream);
            assert_eq!(lines[0], answer);
            let length = lines
                .iter()
                .find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
        }
        stream
            .get_mut()
            .write_all(opening("/ws/app/nobody", "").as_bytes())
            .unwrap();
        let lines = head(&mut stream);
        assert_eq!(lines[0], "http/1.1 101 switching protocols");
        let subprotocol = |line: &String| line.starts_with("sec-websocket-protocol");
        assert!(!lines.iter().any(subprotocol));
        assert!(
            text(&mut stream).contains("4001"),
            "the key is not one of any app"
        );
    }
}

#[test]
fn what_does_not_open_a_websocket_is_answered_as_http() {
    let server = Server::start(AppOptions::default());
    let long = format!("x: {}\r\n", "y".repeat(20_000));
    for (request, status) in [
        (format!("GET /app/{KEY} HTTP/1.1\r\nhost: x\r\n\r\n"), "426"),
        (opening(&format!("/app/{KEY}"), "").replace(": 13", ": 8"), "426"),
        (opening("/app/a/b", ""), "404"),
        (opening("/apps/100200", ""), "404"),
        (opening(&format!("/app/{KEY}"), "no colon\r\n"), "400"),
        (opening(&format!("/app/{KEY}"), &long), "431"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
    ] {
        let mut stream = stream(&server);
        stream.get_mut().write_all(request.as_bytes()).unwrap();
        let lines = head(&mut stream);
        assert_eq!(lines[0].split(' ').nth(1), Some(status), "{request}");
    }
}

#[test]
fn connections_that_are_no_websockets_have_a_limit_of_their_own() {
    let options = ListenOptions {
        connections_max: 2,
        ..ListenOptions::default()
    };
    let server = Server::start_with("", AppOptions::default(), options);
    // WebSockets do not count once they are open.
    let _clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    let ask = b"GET /apps/100200 HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut kept: Vec<_> = (0..2).map(|_| stream(&server)).collect();
    for one in &mut kept {
        one.get_mut().write_all(ask).unwrap();
        assert_eq!(head(one)[0], "http/1.1 404 not found");
    }
    let mut third = stream(&server);
    let mut nothing = String::new();
    assert!(
        matches!(third.read_line(&mut nothing), Ok(0) | Err(_)),
        "{nothing}"
    );
    // A place is free again once one of them is gone; a client that comes too early tries again.
    kept.pop();
    loop {
        let mut next = stream(&server);
        let mut line = String::new();
        let asked = next.get_mut().write_all(ask);
        if asked.is_ok() && next.read_line(&mut line).is_ok_and(|length| length > 0) {
            assert_eq!(line, "HTTP/1.1 404 Not Found\r\n");
            return;
        }
    }
}

#[tokio::test]
async fn an_address_that_is_served_is_not_shared_with_another_server() {
    let options = ListenOptions::default();
    let sockets = listen::bind_for(([127, 0, 0, 1], 0).into(), &options, 3).unwrap();
    let address = sockets.local_addr().unwrap();
    assert!(listen::bind_for(address, &options, 3).is_err());
    assert!(listen::bind(address, &options).is_err());
    let listener = sockets.listener().unwrap();
    let (_client, accepted) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
    let (accepted, _) = accepted.unwrap();
    assert!(accepted.nodelay().unwrap(), "inherited from the listener");
}
