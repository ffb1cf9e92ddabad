//! The opening handshake of a WebSocket (RFC 6455 §4.2), as it comes over a socket and as it is answered.

use std::borrow::Cow;
use std::str::from_utf8;

use bytes::Bytes;
use chinwag_protocol::pusher::api::percent_decode;
use tungstenite::handshake::derive_accept_key;

/// A subprotocol that one client offers, and that must be chosen when it is offered.
pub(crate) const SUBPROTOCOL: &str = "pusher-channels-protocol-7";
/// A request with more headers than this is left to HTTP, which has limits of its own.
const HEADERS_MAX: usize = 64;

/// A proper wish to open a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opening<'a> {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// Whether [`SUBPROTOCOL`] was offered.
    pub subprotocol: bool,
    /// Where the page comes from that asks.
    pub origin: Option<&'a str>,
}

impl<'a> Opening<'a> {
    /// Reads the headers; `None` when they do not open a WebSocket.
    pub(crate) fn of(header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let has = |name, token: &str| {
            header(name).is_some_and(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(token)))
        };
        let proper =
            has("connection", "upgrade") && has("upgrade", "websocket") && has("sec-websocket-version", "13");
        let key = header("sec-websocket-key").filter(|key| proper && key.len() == 24)?;
        let offered = header("sec-websocket-protocol").unwrap_or_default();
        Some(Self {
            accept: derive_accept_key(key.as_bytes()),
            subprotocol: offered.split(',').any(|one| one.trim() == SUBPROTOCOL),
            origin: header("origin"),
        })
    }

    /// The answer, for whoever writes it to a socket.
    pub(crate) fn answer(&self) -> Bytes {
        let chosen = if self.subprotocol {
            ["sec-websocket-protocol: ", SUBPROTOCOL, "\r\n"]
        } else {
            [""; 3]
        };
        let head = [
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ",
            &self.accept,
            "\r\n",
        ];
        [head, chosen, ["\r\n", "", ""]].concat().concat().into()
    }
}

/// What the beginning of a connection is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head<'a> {
    /// Not enough of it has come to tell.
    Unfinished,
    /// Nothing that is answered here: HTTP has to deal with it, and be it by an error.
    Http,
    /// A WebSocket of the Pusher protocol.
    WebSocket {
        /// The app's key, decoded.
        key: Cow<'a, str>,
        /// The query, not decoded.
        query: &'a str,
        /// How it asks.
        opening: Opening<'a>,
        /// Where the head ends.
        length: usize,
    },
}

impl<'a> Head<'a> {
    /// Reads what has come. Everything but a sound `GET {prefix}/app/{key}` that opens a WebSocket is left to HTTP,
    /// at the first byte that tells.
    pub(crate) fn read(bytes: &'a [u8], prefix: &str) -> Self {
        let mut expected = ["GET ", prefix, "/app/"].into_iter().flat_map(str::bytes);
        let same = bytes
            .iter()
            .zip(expected.by_ref())
            .all(|(&came, due)| came == due);
        if !same {
            return Self::Http;
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Self::Unfinished,
            Err(_) => return Self::Http,
        };
        let Some(target) = request.path.filter(|_| request.version == Some(1)) else {
            return Self::Http;
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let key = path
            .strip_prefix(prefix)
            .and_then(|path| path.strip_prefix("/app/"))
            .filter(|key| !key.is_empty() && !key.contains('/'));
        let header = |name: &str| {
            let named = |header: &&httparse::Header<'a>| header.name.eq_ignore_ascii_case(name);
            from_utf8(request.headers.iter().find(named)?.value).ok()
        };
        let has_body = header("content-length").is_some() || header("transfer-encoding").is_some();
        match (key, Opening::of(header)) {
            (Some(key), Some(opening)) if !has_body => Self::WebSocket {
                key: if key.contains('%') {
                    percent_decode(key).into()
                } else {
                    key.into()
                },
                query,
                opening,
                length,
            },
            _ => Self::Http,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: &str = "Host: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    /// `key?query` of a WebSocket, or what else it is.
    fn read(text: &str, prefix: &str) -> String {
        match Head::read(text.as_bytes(), prefix) {
            Head::Unfinished => "unfinished".to_owned(),
            Head::Http => "http".to_owned(),
            Head::WebSocket { key, query, .. } => format!("{key}?{query}"),
        }
    }

    #[test]
    fn only_a_sound_wish_for_a_websocket_is_taken_and_the_rest_is_left_to_http() {
        let with = |line: &str, more: &str| format!("{line}\r\n{HEADERS}{more}\r\n");
        for (text, prefix, want) in [
            (with("GET /app/k?protocol=7&x HTTP/1.1", ""), "", "k?protocol=7&x"),
            (with("GET /app/a%2Db HTTP/1.1", ""), "", "a-b?"),
            (with("GET /ws/app/k HTTP/1.1", ""), "/ws", "k?"),
            (with("GET /app/k HTTP/1.1", ""), "/ws", "http"),
            (with("GET /ws/app/k HTTP/1.1", ""), "", "http"),
            (with("GET /app/ HTTP/1.1", ""), "", "http"),
            (with("GET /app/k/l HTTP/1.1", ""), "", "http"),
            (with("GET /apps/k HTTP/1.1", ""), "", "http"),
            (with("POST /app/k HTTP/1.1", ""), "", "http"),
            (with("GET /app/k HTTP/1.0", ""), "", "http"),
            (with("GET /app/k", ""), "", "http"),
            (with("GET /app/k HTTP/1.1", "Content-Length: 1\r\n"), "", "http"),
            (with("GET /app/k HTTP/1.1", "no colon\r\n"), "", "http"),
            (
                with("GET /app/k HTTP/1.1", &"a: b\r\n".repeat(HEADERS_MAX)),
                "",
                "http",
            ),
            ("GET /app/k HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "", "http"),
            (with("GET /app/k HTTP/1.1", "").replace("13", "12"), "", "http"),
            (with("GET /app/k HTTP/1.1", "").replace("b25j", ""), "", "http"),
            ("\x16\x03\x01".to_owned(), "", "http"),
        ] {
            assert_eq!(read(&text, prefix), want, "{text}");
        }
    }

    #[test]
    fn a_head_is_unfinished_until_its_last_byte_and_http_at_the_first_that_differs() {
        let whole = format!("GET /app/k HTTP/1.1\r\n{HEADERS}\r\n");
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length], ""), "unfinished", "{length}");
        }
        assert_eq!(read("GET /api", ""), "http");
        assert_eq!(read("P", ""), "http");
        let ahead = format!("{whole}\u{1}\u{2}");
        assert!(matches!(
            Head::read(ahead.as_bytes(), ""),
            Head::WebSocket { length, .. } if length == whole.len()
        ));
    }

    #[test]
    fn the_answer_names_the_subprotocol_only_when_it_was_offered() {
        let mut opening = Opening {
            accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(),
            subprotocol: false,
            origin: None,
        };
        let plain = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
            sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        assert_eq!(opening.answer(), format!("{plain}\r\n"));
        opening.subprotocol = true;
        let chosen = format!("{plain}sec-websocket-protocol: {SUBPROTOCOL}\r\n\r\n");
        assert_eq!(opening.answer(), chosen);
    }
}
