//! Frames as they go out: encoded once, with the WebSocket header in front, and shared by all receivers.
//!
//! What a server sends is not masked, so that the same bytes serve every connection (RFC 6455 §5.1). Reading
//! frames is not done here: that needs a library.

use std::borrow::Cow;

use bytes::Bytes;

/// Room for the longest header (RFC 6455 §5.2).
const HEADER_MAX: usize = 10;
const FINAL_TEXT: u8 = 0x81;
const FINAL_PING: u8 = 0x89;

/// A tail of fewer bytes than this is copied: a second piece to write would cost more.
const SHARED_MIN: usize = 512;

/// A frame ready to be written to a socket. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    /// What follows, shared with frames that begin otherwise. Mostly empty.
    tail: Bytes,
    payload_at: u8,
}

impl Frame {
    /// A text frame whose payload `write` appends to an empty buffer.
    pub fn text_with(capacity: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::build(capacity, Bytes::new(), write)
    }

    /// A text frame whose payload is what `write` appends to an empty buffer, and then `tail`.
    pub fn text_before(tail: &Bytes, capacity: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        if tail.len() >= SHARED_MIN {
            return Self::build(capacity, tail.clone(), write);
        }
        Self::build(capacity + tail.len(), Bytes::new(), |buffer| {
            write(buffer);
            buffer.extend_from_slice(tail);
        })
    }

    fn build(capacity: usize, tail: Bytes, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut buffer = Vec::with_capacity(HEADER_MAX + capacity);
        buffer.resize(HEADER_MAX, 0);
        write(&mut buffer);
        let length = buffer.len() - HEADER_MAX + tail.len();
        let start = match length {
            0..126 => {
                buffer[HEADER_MAX - 1] = length as u8;
                HEADER_MAX - 2
            }
            126..65_536 => {
                buffer[HEADER_MAX - 3] = 126;
                buffer[HEADER_MAX - 2..HEADER_MAX].copy_from_slice(&(length as u16).to_be_bytes());
                HEADER_MAX - 4
            }
            _ => {
                buffer[HEADER_MAX - 9] = 127;
                buffer[HEADER_MAX - 8..HEADER_MAX].copy_from_slice(&(length as u64).to_be_bytes());
                HEADER_MAX - 10
            }
        };
        buffer[start] = FINAL_TEXT;
        Self {
            bytes: Bytes::from(buffer).slice(start..),
            tail,
            payload_at: (HEADER_MAX - start) as u8,
        }
    }

    /// A text frame.
    pub fn text(payload: &str) -> Self {
        Self::text_with(payload.len(), |buffer| buffer.extend(payload.as_bytes()))
    }

    /// A text frame from bytes that another frame gave, in one piece, with [`Frame::into_parts`].
    pub fn from_bytes(bytes: Bytes) -> Self {
        let payload_at = match bytes.get(1) {
            Some(126) => 4,
            Some(127) => 10,
            _ => 2,
        };
        Self {
            bytes,
            tail: Bytes::new(),
            payload_at,
        }
    }

    /// An empty WebSocket ping.
    pub fn ping() -> Self {
        Self {
            bytes: Bytes::from_static(&[FINAL_PING, 0]),
            tail: Bytes::new(),
            payload_at: 2,
        }
    }

    /// The bytes to write, in two pieces, of which the second is mostly empty.
    pub fn into_parts(self) -> (Bytes, Bytes) {
        (self.bytes, self.tail)
    }

    /// What it carries.
    pub fn payload(&self) -> Cow<'_, [u8]> {
        let first = &self.bytes[usize::from(self.payload_at)..];
        if self.tail.is_empty() {
            Cow::Borrowed(first)
        } else {
            Cow::Owned([first, &self.tail].concat())
        }
    }

    /// Whether it carries text, and not a ping.
    pub fn is_text(&self) -> bool {
        self.bytes[0] == FINAL_TEXT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_three_lengths_of_the_standard() {
        for (length, header) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xff, 0xff]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = Frame::text(&"x".repeat(length));
            assert_eq!(frame.payload().len(), length);
            let (bytes, _) = frame.clone().into_parts();
            assert_eq!(bytes[..header.len()], header);
            assert_eq!(Frame::from_bytes(bytes), frame);
        }
    }

    #[test]
    fn a_long_tail_is_shared_and_a_short_one_copied() {
        for length in [0, 10, SHARED_MIN - 1, SHARED_MIN, 70_000] {
            let tail = Bytes::from("x".repeat(length));
            let frame = Frame::text_before(&tail, 5, |buffer| buffer.extend(b"head "));
            let whole = Frame::text(&format!("head {}", "x".repeat(length)));
            assert_eq!(frame.payload(), whole.payload());
            let (first, second) = frame.into_parts();
            assert_eq!([&first[..], &second].concat(), whole.into_parts().0);
            assert_eq!(second.is_empty(), length < SHARED_MIN);
            assert!(second.is_empty() || second.as_ptr() == tail.as_ptr());
        }
    }
}
