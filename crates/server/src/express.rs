//! The express lane: servers that publish one event after another on a connection that they keep.
//!
//! What such a request costs in the layers of an HTTP server is more than what it takes to hand its event to ten
//! connections. So a `POST /apps/{id}/events` that is nothing special is read and answered right here (RFC 9112). At
//! the first request that is anything else the connection goes to HTTP for good, with what was read of that request;
//! so do faulty ones, which HTTP refuses.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::str::from_utf8;
use std::task::Poll;
use std::time::SystemTime;

use axum::http::StatusCode;
use bytes::Bytes;
use chinwag_protocol::pusher::api::{self, ApiError};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::listen::Http;
use crate::pusher::{PusherApi, Trigger, passes};
use crate::worker::Worker;

/// A request with more headers than this is left to HTTP.
const HEADERS_MAX: usize = 32;
/// So is one with a longer body, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What is read and answered with.
pub(crate) struct Express<'a> {
    pusher: &'a PusherApi,
    http: &'a Http,
    worker: &'a Rc<Worker>,
    body_bytes_max: usize,
}

/// What came.
enum Came {
    Trigger(String, Result<Trigger, ApiError>),
    /// Something that HTTP has to deal with.
    Other,
    /// The connection is over, or it is time to stop.
    Over,
}

impl<'a> Express<'a> {
    pub(crate) fn new(pusher: &'a PusherApi, http: &'a Http, worker: &'a Rc<Worker>) -> Self {
        Self {
            pusher,
            http,
            worker,
            body_bytes_max: BODY_BYTES_MAX.min(pusher.body_bytes_max),
        }
    }

    /// Answers triggers until something else comes; returns what was read of that. Nothing, when the connection is over.
    pub(crate) async fn serve(&self, stream: &mut TcpStream, read_ahead: Bytes) -> Option<Bytes> {
        let mut stopped = pin!(self.http.stop.cancelled());
        let mut seen = Vec::from(read_ahead);
        let mut answer = Vec::new();
        loop {
            let came = self.next(stream, &mut seen, stopped.as_mut());
            // As long as HTTP waits for a head, which is also how long an idle connection is kept.
            let came = match timeout(self.http.options.head_timeout, came).await {
                Ok(came) => came.ok()?,
                Err(_) if seen.is_empty() => Came::Over,
                // HTTP has patience of its own, and an answer when it runs out.
                Err(_) => Came::Other,
            };
            match came {
                Came::Trigger(id, read) => {
                    let done = self.pusher.trigger(&id, read).await;
                    // Who reads the answer may take this processor at once, and the event's receivers would wait.
                    self.worker.empty_inbox();
                    write_answer(&mut answer, done.as_deref());
                    stream.write_all(&answer).await.ok()?;
                }
                Came::Other => return Some(seen.into()),
                Came::Over => return None,
            }
        }
    }

    /// Waits for the next request. `seen` is what was read and not taken.
    async fn next(
        &self,
        stream: &mut TcpStream,
        seen: &mut Vec<u8>,
        mut stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<Came> {
        if let Some((came, length)) = self.take(seen) {
            seen.drain(..length);
            return Ok(came);
        }
        poll_fn(|context| {
            self.worker.with_read_buffer(|buffer| {
                loop {
                    let mut buffer = ReadBuf::new(buffer);
                    let Poll::Ready(read) = Pin::new(&mut *stream).poll_read(context, &mut buffer) else {
                        let over = |()| if seen.is_empty() { Came::Over } else { Came::Other };
                        return stopped.as_mut().poll(context).map(over).map(Ok);
                    };
                    read?;
                    let came = buffer.filled();
                    if came.is_empty() {
                        return Poll::Ready(Ok(Came::Over));
                    }
                    // A request nearly always comes in one piece, and is then looked at where it was read to.
                    if seen.is_empty() {
                        match self.take(came) {
                            Some((what, length)) => {
                                seen.extend_from_slice(&came[length..]);
                                return Poll::Ready(Ok(what));
                            }
                            None => seen.extend_from_slice(came),
                        }
                    } else {
                        seen.extend_from_slice(came);
                        if let Some((what, length)) = self.take(seen) {
                            seen.drain(..length);
                            return Poll::Ready(Ok(what));
                        }
                    }
                }
            })
        })
        .await
    }

    /// Looks at what was read: what it is, and how many bytes of it that takes. Nothing, while that cannot be told.
    fn take(&self, bytes: &[u8]) -> Option<(Came, usize)> {
        let prefix = self.pusher.prefix.as_str();
        match Head::read(
            bytes,
            prefix,
            self.http.options.head_bytes_max,
            self.body_bytes_max,
        ) {
            Head::Unfinished => None,
            Head::Other => Some((Came::Other, 0)),
            Head::Trigger {
                id,
                path,
                query,
                length,
                body,
            } => {
                let body = bytes.get(length..length + body)?;
                let asked = api::Request {
                    method: "POST",
                    path,
                    query,
                    body,
                };
                let read = self.pusher.read_trigger(id, &asked);
                Some((Came::Trigger(id.to_owned(), read), length + body.len()))
            }
        }
    }
}

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
enum Head<'a> {
    /// Not all of it has come.
    Unfinished,
    /// Anything but a plain trigger.
    Other,
    Trigger {
        /// The app's.
        id: &'a str,
        path: &'a str,
        query: &'a str,
        /// Where the head ends.
        length: usize,
        /// Bytes of the body.
        body: usize,
    },
}

impl<'a> Head<'a> {
    fn read(bytes: &'a [u8], prefix: &str, head_bytes_max: usize, body_bytes_max: usize) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length <= head_bytes_max => length,
            Ok(httparse::Status::Partial) if bytes.len() < head_bytes_max => return Self::Unfinished,
            _ => return Self::Other,
        };
        let target = request
            .path
            .filter(|_| request.method == Some("POST") && request.version == Some(1));
        let Some(target) = target else {
            return Self::Other;
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let id = path
            .strip_prefix(prefix)
            .and_then(|path| path.strip_prefix("/apps/")?.strip_suffix("/events"))
            .filter(|id| !id.is_empty() && !id.contains(['/', '%']));
        let mut body = None;
        for header in request.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                let digits = from_utf8(header.value)
                    .ok()
                    .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
                let told = digits.and_then(|text| text.parse::<usize>().ok());
                match told {
                    Some(bytes) if body.is_none() && bytes <= body_bytes_max => body = Some(bytes),
                    _ => return Self::Other,
                }
            } else if is("connection") && !header.value.eq_ignore_ascii_case(b"keep-alive")
                || is("transfer-encoding")
                || is("expect")
                || is("upgrade")
            {
                return Self::Other;
            }
        }
        match (id, body) {
            (Some(id), Some(body)) => Self::Trigger {
                id,
                path,
                query,
                length,
                body,
            },
            _ => Self::Other,
        }
    }
}

/// Writes an answer over what was there.
fn write_answer(out: &mut Vec<u8>, done: Result<&str, &ApiError>) {
    let (status, body) = match done {
        Ok(body) => (200, Cow::from(body)),
        Err(error) => (error.status, Cow::from(error.body())),
    };
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let again = match done {
        Err(error) if passes(error) => "retry-after: 1\r\n",
        _ => "",
    };
    let (length, date) = (body.len(), httpdate::HttpDate::from(SystemTime::now()));
    out.clear();
    // Writing to memory cannot fail.
    let _ = write!(
        out,
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n{again}content-length: {length}\r\n\
         date: {date}\r\n\r\n{body}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `id path?query length body` of a trigger, or what else it is.
    fn read(text: &str, prefix: &str) -> String {
        match Head::read(text.as_bytes(), prefix, 1_000, 100) {
            Head::Unfinished => "unfinished".to_owned(),
            Head::Other => "other".to_owned(),
            Head::Trigger {
                id,
                path,
                query,
                length,
                body,
            } => {
                assert_eq!(length, text.find("\r\n\r\n").unwrap() + 4);
                format!("{id} {path}?{query} {body}")
            }
        }
    }

    #[test]
    fn only_a_plain_trigger_is_taken_and_the_rest_is_left_to_http() {
        let with = |line: &str, more: &str| format!("{line}\r\nHost: a\r\n{more}\r\n{{}}");
        let length = "Content-Length: 2\r\n";
        let plain = "POST /apps/1/events?a=b HTTP/1.1";
        for (text, prefix, want) in [
            (with(plain, length), "", "1 /apps/1/events?a=b 2"),
            (
                with("POST /ws/apps/1/events HTTP/1.1", length),
                "/ws",
                "1 /ws/apps/1/events? 2",
            ),
            (
                with(plain, "Connection: Keep-Alive\r\ncontent-length: 100\r\n"),
                "",
                "1 /apps/1/events?a=b 100",
            ),
            (with(plain, length), "/ws", "other"),
            (with("POST /ws/apps/1/events HTTP/1.1", length), "", "other"),
            (with("POST /apps//events HTTP/1.1", length), "", "other"),
            (with("POST /apps/a%20b/events HTTP/1.1", length), "", "other"),
            (with("POST /apps/1/2/events HTTP/1.1", length), "", "other"),
            (with("POST /apps/1/batch_events HTTP/1.1", length), "", "other"),
            (with("POST http://a/apps/1/events HTTP/1.1", length), "", "other"),
            (with("GET /apps/1/events HTTP/1.1", length), "", "other"),
            (with("POST /apps/1/events HTTP/1.0", length), "", "other"),
            (with("POST /apps/1/events", length), "", "other"),
            (with(plain, ""), "", "other"),
            (with(plain, "Content-Length: 101\r\n"), "", "other"),
            (with(plain, "Content-Length: -2\r\n"), "", "other"),
            (with(plain, "Content-Length: +2\r\n"), "", "other"),
            (with(plain, "Content-Length:\r\n"), "", "other"),
            (with(plain, "Content-Length: 2, 2\r\n"), "", "other"),
            (with(plain, &length.repeat(2)), "", "other"),
            (
                with(plain, "Content-Length: 99999999999999999999\r\n"),
                "",
                "other",
            ),
            (with(plain, "Transfer-Encoding: chunked\r\n"), "", "other"),
            (
                with(plain, &format!("{length}Transfer-Encoding: chunked\r\n")),
                "",
                "other",
            ),
            (
                with(plain, &format!("{length}Expect: 100-continue\r\n")),
                "",
                "other",
            ),
            (
                with(plain, &format!("{length}Connection: close\r\n")),
                "",
                "other",
            ),
            (
                with(plain, &format!("{length}Connection: upgrade\r\nUpgrade: h2c\r\n")),
                "",
                "other",
            ),
            (with(plain, &format!("{length}no colon\r\n")), "", "other"),
            (
                with(plain, &format!("{length}{}", "a: b\r\n".repeat(HEADERS_MAX))),
                "",
                "other",
            ),
            (
                with(plain, &format!("{length}a: {}\r\n", "b".repeat(1_000))),
                "",
                "other",
            ),
            (format!("POST /{}", "a".repeat(1_000)), "", "other"),
            ("\x16\x03\x01".to_owned(), "", "other"),
        ] {
            assert_eq!(read(&text, prefix), want, "{text}");
        }
    }

    #[test]
    fn a_head_is_unfinished_until_its_last_byte() {
        let whole = "POST /apps/1/events HTTP/1.1\r\nContent-Length: 2\r\n\r\n";
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length], ""), "unfinished", "{length}");
        }
    }
}
