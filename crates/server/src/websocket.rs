//! One WebSocket without its socket: bytes in, messages out, and a queue of what is to be written.
//!
//! Reading frames, fragments, control frames, UTF-8 and the closing handshake are tungstenite's; it is fed from the
//! worker's read buffer and what it wants to say (pong, close) is put into the queue. Frames of the application
//! do not pass through it: they come encoded and are shared by all receivers.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};

use bytes::Bytes;
use chinwag_protocol::Close;
use tungstenite::error::{CapacityError, Error};
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Message, Utf8Bytes};

use crate::transport::Transport;

/// Bytes a connection keeps of its own for a frame that has not come whole. Larger frames grow it.
const READ_AHEAD_BYTES: usize = 512;
/// Chunks written with one call.
const CHUNKS_PER_WRITE: usize = 64;
/// A queue that had more chunks than this gives its memory back when it is empty.
const QUEUE_KEPT: usize = 16;

/// The state of one WebSocket.
pub(crate) struct WebSocket {
    context: WebSocketContext,
    queue: VecDeque<Chunk>,
    /// Bytes of the first chunk that are written already.
    written: usize,
    /// The first chunk is the rest of a frame of which chunks are written already.
    within: bool,
    queued_bytes: usize,
    /// The client broke the rules or said goodbye: nothing of what still comes is looked at.
    deaf: bool,
}

/// Bytes that wait to be written.
struct Chunk {
    bytes: Bytes,
    /// They end in the middle of a frame, and the next chunk goes on with it.
    goes_on: bool,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// A ping, which has been answered, or a pong.
    Control,
    /// The client closes; the answer is in the queue.
    Closed,
    /// The client broke the rules of WebSocket and is to be closed with this code.
    Broken(Close),
}

/// What a write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing waits any more.
    All,
    /// The socket takes no more for now.
    Blocked,
    /// The socket is gone.
    Gone,
}

impl WebSocket {
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_AHEAD_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(4_096)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            queue: VecDeque::new(),
            written: 0,
            within: false,
            queued_bytes: 0,
            deaf: false,
        }
    }

    /// Takes in bytes from the socket and appends the messages that are complete.
    pub(crate) fn take_in(&mut self, bytes: &[u8], messages: &mut Vec<Incoming>) {
        if self.deaf {
            return;
        }
        let mut adapter = Adapter {
            input: bytes,
            output: Vec::new(),
        };
        loop {
            let message = match self.context.read(&mut adapter) {
                Ok(Message::Text(text)) => Incoming::Text(text),
                Ok(Message::Binary(bytes)) => Incoming::Binary(bytes),
                Ok(Message::Ping(_) | Message::Pong(_)) => Incoming::Control,
                // Reading once more sends the answer.
                Ok(Message::Close(_) | Message::Frame(_)) => continue,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => Incoming::Closed,
                Err(error) => Incoming::Broken(close_for(&error)),
            };
            self.deaf = matches!(message, Incoming::Closed | Incoming::Broken(_));
            messages.push(message);
            if self.deaf {
                break;
            }
        }
        if !adapter.output.is_empty() {
            self.push(adapter.output.into());
        }
    }

    /// Queues bytes that are whole frames.
    pub(crate) fn push(&mut self, frames: Bytes) {
        self.push_parts(frames, Bytes::new());
    }

    /// Queues bytes that are whole frames only together.
    pub(crate) fn push_parts(&mut self, first: Bytes, second: Bytes) {
        self.queued_bytes += first.len() + second.len();
        self.queue.push_back(Chunk {
            bytes: first,
            goes_on: !second.is_empty(),
        });
        if !second.is_empty() {
            self.queue.push_back(Chunk {
                bytes: second,
                goes_on: false,
            });
        }
    }

    /// Queues a close frame; nothing may be pushed after it.
    pub(crate) fn close(&mut self, close: Close) {
        let mut adapter = Adapter {
            input: &[],
            output: Vec::new(),
        };
        let frame = CloseFrame {
            code: CloseCode::from(close.code),
            reason: close.reason.into(),
        };
        // Writing to memory cannot fail, and when the client has closed already there is nothing to say.
        let _ = self.context.close(&mut adapter, Some(frame));
        if !adapter.output.is_empty() {
            self.push(adapter.output.into());
        }
    }

    /// Forgets all that waits except for the rest of a frame that is half written.
    pub(crate) fn drop_queue(&mut self) {
        let begun = self.written > 0 || self.within;
        let end = self.queue.iter().position(|chunk| !chunk.goes_on);
        let keep = end.filter(|_| begun).map_or(0, |end| end + 1);
        self.queue.truncate(keep);
        let kept: usize = self.queue.iter().map(|chunk| chunk.bytes.len()).sum();
        self.queued_bytes = kept - self.written;
    }

    /// Bytes that wait to be written.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self, stream: &mut Transport) -> Flushed {
        while let Some(first) = self.queue.front() {
            let result = if self.queue.len() == 1 {
                stream.try_write(&first.bytes[self.written..])
            } else {
                let mut chunks = [IoSlice::new(&[]); CHUNKS_PER_WRITE];
                let mut count = 0;
                for (chunk, queued) in chunks.iter_mut().zip(&self.queue) {
                    let skip = if count == 0 { self.written } else { 0 };
                    *chunk = IoSlice::new(&queued.bytes[skip..]);
                    count += 1;
                }
                stream.try_write_vectored(&chunks[..count])
            };
            match result {
                Ok(0) => return Flushed::Gone,
                Ok(written) => self.wrote(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flushed::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Flushed::Gone,
            }
        }
        if self.queue.capacity() > QUEUE_KEPT {
            self.queue = VecDeque::new();
        }
        match stream.try_flush() {
            Ok(()) => Flushed::All,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Flushed::Blocked,
            Err(_) => Flushed::Gone,
        }
    }

    fn wrote(&mut self, mut bytes: usize) {
        self.queued_bytes -= bytes;
        while let Some(first) = self.queue.front() {
            let left = first.bytes.len() - self.written;
            if bytes < left {
                self.written += bytes;
                return;
            }
            bytes -= left;
            self.written = 0;
            self.within = first.goes_on;
            self.queue.pop_front();
        }
    }
}

/// The close code for a breach of RFC 6455 (§7.4.1).
fn close_for(error: &Error) -> Close {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Close {
            code: 1009,
            reason: "Maximum message size exceeded",
        },
        Error::Utf8(_) => Close {
            code: 1007,
            reason: "Text must be UTF-8",
        },
        _ => Close {
            code: 1002,
            reason: "Protocol error",
        },
    }
}

/// Memory in the place of a socket.
struct Adapter<'a> {
    input: &'a [u8],
    output: Vec<u8>,
}

impl Read for Adapter<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(buffer)
    }
}

impl Write for Adapter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame, masked with zeros, which change nothing.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            n @ 0..126 => bytes.push(0x80 | n as u8),
            n => {
                bytes.push(0x80 | 126);
                bytes.extend((n as u16).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes
    }

    /// What the WebSocket makes of the bytes, and what it answers.
    fn heard(bytes: &[u8], step: usize) -> (Vec<String>, Vec<u8>) {
        let mut socket = WebSocket::new(1_000);
        let mut messages = Vec::new();
        for part in bytes.chunks(step) {
            socket.take_in(part, &mut messages);
        }
        let said = socket
            .queue
            .iter()
            .flat_map(|chunk| chunk.bytes.to_vec())
            .collect();
        let heard = messages.iter().map(|message| match message {
            Incoming::Text(text) => format!("text {text}"),
            Incoming::Binary(bytes) => format!("binary {}", bytes.len()),
            Incoming::Control => "control".to_owned(),
            Incoming::Closed => "closed".to_owned(),
            Incoming::Broken(close) => format!("broken {}", close.code),
        });
        (heard.collect(), said)
    }

    /// The groups of the Autobahn suite: framing, pings, reserved bits, opcodes, fragments, UTF-8, close, limits.
    #[test]
    fn frames_are_taken_as_the_standard_says_however_they_are_cut() {
        let long = vec![b'x'; 1_001];
        let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
            ("text", frame(0x81, b"hi"), &["text hi"]),
            ("empty text", frame(0x81, b""), &["text "]),
            (
                "126 bytes",
                frame(0x81, &[b'x'; 126]),
                &[
                    "text xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                ],
            ),
            ("binary", frame(0x82, &[0, 255]), &["binary 2"]),
            (
                "two in a row",
                [frame(0x81, b"a"), frame(0x81, b"b")].concat(),
                &["text a", "text b"],
            ),
            (
                "fragments",
                [frame(0x01, b"a"), frame(0x00, b"b"), frame(0x80, b"c")].concat(),
                &["text abc"],
            ),
            (
                "a ping between fragments",
                [frame(0x01, b"a"), frame(0x89, b""), frame(0x80, b"c")].concat(),
                &["control", "text ac"],
            ),
            (
                "a character cut by a fragment",
                [frame(0x01, &[0xc3]), frame(0x80, &[0xab])].concat(),
                &["text ë"],
            ),
            ("pong", frame(0x8a, b"x"), &["control"]),
            ("not UTF-8", frame(0x81, &[0xff]), &["broken 1007"]),
            ("a surrogate", frame(0x81, &[0xed, 0xa0, 0x80]), &["broken 1007"]),
            ("reserved bit", frame(0xc1, b"a"), &["broken 1002"]),
            ("reserved opcode", frame(0x83, b"a"), &["broken 1002"]),
            ("reserved control opcode", frame(0x8b, b"a"), &["broken 1002"]),
            ("fragmented ping", frame(0x09, b"a"), &["broken 1002"]),
            ("long ping", frame(0x89, &[b'x'; 126]), &["broken 1002"]),
            ("continuation of nothing", frame(0x80, b"a"), &["broken 1002"]),
            (
                "new message within a message",
                [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
                &["broken 1002"],
            ),
            ("not masked", vec![0x81, 1, b'a'], &["broken 1002"]),
            ("too long", frame(0x81, &long), &["broken 1009"]),
            (
                "too long in fragments",
                [frame(0x01, &long[..600]), frame(0x80, &long[..600])].concat(),
                &["broken 1009"],
            ),
            ("close", frame(0x88, &[0x03, 0xe8]), &["closed"]),
            ("close without a code", frame(0x88, b""), &["closed"]),
        ];
        for (name, bytes, want) in cases {
            for step in [1, 3, 7, 4_096] {
                assert_eq!(heard(&bytes, step).0, want, "{name} in steps of {step}");
            }
        }
    }

    #[test]
    fn pings_are_answered_with_their_payload_and_closes_with_their_code() {
        assert_eq!(heard(&frame(0x89, b"abc"), 64).1, [0x8a, 3, b'a', b'b', b'c']);
        assert_eq!(heard(&frame(0x88, &[0x03, 0xe8]), 64).1, [0x88, 2, 0x03, 0xe8]);
    }

    /// What `fuzz/fuzz_targets/websocket.rs` looks for, over a fixed few of its inputs.
    #[test]
    fn spoilt_bytes_are_taken_alike_however_they_are_cut() {
        let whole = [
            frame(0x01, "ë".as_bytes()),
            frame(0x89, b"abc"),
            frame(0x80, &[b'x'; 130]),
            frame(0x82, &[0, 255]),
            frame(0x88, &[0x03, 0xe8, b'!']),
        ];
        let whole = whole.concat();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let (messages, said) = heard(&bytes, bytes.len());
                assert!(said.len() <= bytes.len(), "byte {at}, bit {bit}");
                let end = messages
                    .iter()
                    .position(|one| one == "closed" || one.starts_with("broken"));
                assert!(end.is_none_or(|end| end + 1 == messages.len()), "{messages:?}");
                for step in [1, 5] {
                    assert_eq!(heard(&bytes, step).0, messages, "byte {at}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn dropping_the_queue_keeps_the_rest_of_a_half_written_frame() {
        let mut socket = WebSocket::new(1_000);
        for text in ["first", "second", "third"] {
            socket.push(Bytes::from_static(text.as_bytes()));
        }
        socket.wrote(2);
        assert_eq!(socket.queued_bytes(), 14);
        socket.drop_queue();
        assert_eq!((socket.queue.len(), socket.queued_bytes()), (1, 3));
        socket.wrote(3);
        assert_eq!((socket.queue.len(), socket.queued_bytes()), (0, 0));
    }

    #[test]
    fn a_frame_in_two_pieces_is_kept_or_dropped_as_a_whole() {
        for (written, left) in [(0, 0), (2, 8), (4, 6), (5, 5), (10, 0), (11, 9), (14, 6)] {
            let mut socket = WebSocket::new(1_000);
            for _ in 0..3 {
                socket.push_parts(Bytes::from_static(b"head"), Bytes::from_static(b"shared"));
            }
            socket.wrote(written);
            socket.drop_queue();
            assert_eq!(socket.queued_bytes(), left, "{written} bytes written");
            socket.push(Bytes::from_static(b"end"));
            socket.wrote(left + 3);
            assert_eq!((socket.queue.len(), socket.queued_bytes()), (0, 0));
        }
    }
}
