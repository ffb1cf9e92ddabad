//! Frames as they go out: encoded once, with the WebSocket header in front, and shared by all receivers.
//!
//! What a server sends is not masked, so that the same bytes serve every connection (RFC 6455 §5.1). Reading
//! frames is not done here: that needs a library.

use bytes::Bytes;

/// Room for the longest header (RFC 6455 §5.2).
const HEADER_MAX: usize = 10;
const FINAL_TEXT: u8 = 0x81;
const FINAL_PING: u8 = 0x89;

/// A frame ready to be written to a socket. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    payload_at: u8,
}

impl Frame {
    /// A text frame whose payload `write` appends to an empty buffer.
    pub fn text_with(capacity: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut buffer = Vec::with_capacity(HEADER_MAX + capacity);
        buffer.resize(HEADER_MAX, 0);
        write(&mut buffer);
        let length = buffer.len() - HEADER_MAX;
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
            payload_at: (HEADER_MAX - start) as u8,
        }
    }

    /// A text frame.
    pub fn text(payload: &str) -> Self {
        Self::text_with(payload.len(), |buffer| buffer.extend(payload.as_bytes()))
    }

    /// A text frame from bytes that another frame gave with [`Frame::into_bytes`].
    pub fn from_bytes(bytes: Bytes) -> Self {
        let payload_at = match bytes.get(1) {
            Some(126) => 4,
            Some(127) => 10,
            _ => 2,
        };
        Self { bytes, payload_at }
    }

    /// An empty WebSocket ping.
    pub fn ping() -> Self {
        Self {
            bytes: Bytes::from_static(&[FINAL_PING, 0]),
            payload_at: 2,
        }
    }

    /// The bytes to write.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// What it carries.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[usize::from(self.payload_at)..]
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
            assert_eq!(frame.clone().into_bytes()[..header.len()], header);
            assert_eq!(Frame::from_bytes(frame.clone().into_bytes()), frame);
        }
    }
}
