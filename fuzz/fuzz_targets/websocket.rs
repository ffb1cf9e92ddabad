//! Bytes of a client as the server's WebSocket reads them: no panic, answers no longer than what was sent, nothing
//! after the end, and the same messages however the bytes are cut.
//!
//! The first byte of an input says how they are cut.
#![no_main]

use websocket::{Incoming, WebSocket};

#[allow(dead_code, unreachable_pub, reason = "the reading half is what is looked at")]
#[path = "../../crates/server/src/websocket.rs"]
mod websocket;

/// Stands in the place of sockets, for which there is nothing to do here.
mod transport {
    use std::io::{self, IoSlice};

    pub(crate) struct Transport;

    #[allow(dead_code, reason = "nothing is written")]
    impl Transport {
        pub(crate) fn try_write(&mut self, _: &[u8]) -> io::Result<usize> {
            Ok(0)
        }

        pub(crate) fn try_write_vectored(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            Ok(0)
        }

        pub(crate) fn try_flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

const MESSAGE_BYTES_MAX: usize = 10_000;
/// A close frame of the server's.
const CLOSE_BYTES_MAX: usize = 127;

fn heard(bytes: &[u8], step: usize) -> Vec<String> {
    let mut socket = WebSocket::new(MESSAGE_BYTES_MAX);
    let mut messages = Vec::new();
    for part in bytes.chunks(step) {
        socket.take_in(part, &mut messages);
    }
    // Pings come back with their payload, a close with its reason or with ours.
    assert!(socket.queued_bytes() <= bytes.len() + CLOSE_BYTES_MAX);
    let said = messages.iter().map(|message| match message {
        Incoming::Text(text) => {
            assert!(text.len() <= MESSAGE_BYTES_MAX);
            format!("text {text}")
        }
        Incoming::Binary(bytes) => {
            assert!(bytes.len() <= MESSAGE_BYTES_MAX);
            format!("binary {bytes:?}")
        }
        Incoming::Control => "control".to_owned(),
        Incoming::Closed => "closed".to_owned(),
        Incoming::Broken(close) => format!("broken {}", close.code),
    });
    let said: Vec<_> = said.collect();
    let end = said
        .iter()
        .position(|one| one == "closed" || one.starts_with("broken "));
    assert!(end.is_none_or(|end| end + 1 == said.len()), "{said:?}");
    said
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_first() else {
        return;
    };
    let whole = heard(bytes, bytes.len().max(1));
    assert_eq!(heard(bytes, usize::from(step).max(1)), whole);
});
