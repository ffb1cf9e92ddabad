//! One client of a Pusher server: opens a WebSocket, says what it is told to, and yields frames. It costs little, so
//! that many fit beside the server that is measured.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use chinwag_engine::Secret;
use chinwag_protocol::pusher::auth::sign_channel;
use socket2::{Domain, Socket, Type};

use crate::target::{APP_KEY, APP_SECRET};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a client comes from and how much it takes in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Origin {
    /// Last part of the loopback address it uses; addresses are changed so that ports do not run out.
    pub(crate) address: u8,
    /// Size of its receive buffer, when it is not the system's choice.
    pub(crate) receive_buffer: Option<usize>,
}

/// An open connection.
pub(crate) struct Session {
    pub(crate) stream: TcpStream,
    /// Bytes that were read and not looked at yet.
    pub(crate) ahead: Vec<u8>,
    /// The name that the server gave it.
    pub(crate) socket_id: String,
}

impl Session {
    /// Connects, with the handshake done and the connection established.
    pub(crate) fn open(address: SocketAddr, key: &str, origin: Origin) -> anyhow::Result<Self> {
        let mut session = Self {
            stream: connect(address, origin)?,
            ahead: Vec::with_capacity(512),
            socket_id: String::new(),
        };
        let request = format!(
            "GET /app/{key}?protocol=7&client=bench&version=1 HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        session.stream.write_all(request.as_bytes())?;
        session.skip_head()?;
        let hello = session.wait_for("connection_established")?;
        let digits = hello.split("socket_id").nth(1).context("a socket id")?;
        let digits = digits.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = digits
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(digits.len());
        digits[..end].clone_into(&mut session.socket_id);
        Ok(session)
    }

    /// Connects with the benchmark's app and joins one channel.
    pub(crate) fn subscribed(address: SocketAddr, channel: &str, origin: Origin) -> anyhow::Result<Self> {
        let mut session = Self::open(address, APP_KEY, origin)?;
        session.subscribe(channel)?;
        Ok(session)
    }

    /// Joins a channel that needs no signature, and waits for the confirmation.
    pub(crate) fn subscribe(&mut self, channel: &str) -> anyhow::Result<()> {
        self.say(&format!(
            r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"}}}}"#
        ))?;
        self.wait_for("subscription_succeeded")?;
        Ok(())
    }

    /// Joins a presence channel of the benchmark's app as this user.
    pub(crate) fn join(&mut self, channel: &str, user: &str) -> anyhow::Result<()> {
        let member = format!(r#"{{"user_id":"{user}"}}"#);
        let secret = Secret::new(APP_SECRET);
        let auth = sign_channel(APP_KEY, &secret, &self.socket_id, channel, Some(&member));
        let wish = serde_json::json!({
            "event": "pusher:subscribe",
            "data": { "channel": channel, "auth": auth, "channel_data": member },
        });
        self.say(&wish.to_string())?;
        self.wait_for("subscription_succeeded")?;
        Ok(())
    }

    /// Sends a text frame.
    pub(crate) fn say(&mut self, text: &str) -> anyhow::Result<()> {
        self.stream.write_all(&masked(0x1, text.as_bytes()))?;
        Ok(())
    }

    /// Reads frames until one holds this text; returns that one.
    pub(crate) fn wait_for(&mut self, text: &str) -> anyhow::Result<String> {
        loop {
            let frame = self.next_frame()?;
            let frame = String::from_utf8_lossy(&frame);
            if frame.contains(text) {
                return Ok(frame.into_owned());
            }
            if frame.contains("pusher:error") {
                bail!("the server refused: {frame}");
            }
        }
    }

    /// The payload of the next frame.
    fn next_frame(&mut self) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some(frame) = Frame::first(&self.ahead) {
                let payload = self.ahead[frame.payload..frame.end].to_vec();
                self.ahead.drain(..frame.end);
                return Ok(payload);
            }
            self.read_more()?;
        }
    }

    fn skip_head(&mut self) -> anyhow::Result<()> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.ahead, b"\r\n\r\n") {
                if !self.ahead.starts_with(b"HTTP/1.1 101") {
                    bail!("no WebSocket: {}", String::from_utf8_lossy(&self.ahead[..end]));
                }
                self.ahead.drain(..end + 4);
                return Ok(());
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; 2048];
        let length = self.stream.read(&mut buffer).context("waiting for the server")?;
        if length == 0 {
            bail!("the server closed the connection");
        }
        self.ahead.extend_from_slice(&buffer[..length]);
        Ok(())
    }
}

fn connect(address: SocketAddr, origin: Origin) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(size) = origin.receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    if origin.address != 0 && address.ip().is_loopback() {
        socket.set_reuse_address(true)?;
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, origin.address));
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect(&address.into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}

/// Where a frame from a server lies (RFC 6455, section 5.2; servers do not mask).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: usize,
    pub(crate) end: usize,
}

impl Frame {
    /// The frame at the beginning of the bytes, if it is all there.
    pub(crate) fn first(bytes: &[u8]) -> Option<Self> {
        let (payload, length): (usize, usize) = match *bytes.get(1)? {
            126 => (
                4,
                usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
            ),
            127 => (
                10,
                u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
            ),
            short => (2, usize::from(short & 0x7f)),
        };
        let end = payload.checked_add(length)?;
        (bytes.len() >= end).then_some(Self {
            opcode: bytes[0] & 0x0f,
            payload,
            end,
        })
    }
}

/// A client's frame. Masked with zeros, which is a mask like any other.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_when_it_is_all_there() {
        let long = [&[0x81, 126, 0, 200][..], &[b'x'; 200]].concat();
        let frame = |opcode, payload, end| Some(Frame { opcode, payload, end });
        assert_eq!(Frame::first(b"\x81\x02hi\x81"), frame(1, 2, 4));
        assert_eq!(Frame::first(&long), frame(1, 4, 204));
        assert_eq!(Frame::first(&long[..203]), None);
        assert_eq!(Frame::first(b"\x89\x00"), frame(9, 2, 2));
        assert_eq!(Frame::first(b"\x81"), None);
    }
}
