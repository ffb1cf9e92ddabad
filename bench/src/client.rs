//! A client that costs little: connects, subscribes, and counts frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// What all subscribers of a measurement share.
pub(crate) struct Counter {
    /// Deliveries received.
    pub(crate) received: AtomicU64,
    /// When publishing times are counted from.
    pub(crate) epoch: Instant,
}

impl Counter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            received: AtomicU64::new(0),
            epoch: Instant::now(),
        })
    }
}

/// Marks the place of the publishing time, in microseconds, in a payload.
pub(crate) const MARK: &[u8] = b"@at=";

/// Opens a WebSocket and subscribes to a channel; returns when that is confirmed.
pub(crate) async fn subscribe(address: SocketAddr, key: &str, channel: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET /app/{key}?protocol=7&client=bench HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut seen = Vec::with_capacity(512);
    read_until(&mut stream, &mut seen, b"connection_established").await?;
    let wish = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"}}}}"#);
    // Masked with zeros, which is a mask like any other.
    let mut frame = vec![
        0x81,
        0x80 | u8::try_from(wish.len()).context("a short channel name")?,
    ];
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(wish.as_bytes());
    stream.write_all(&frame).await?;
    seen.clear();
    read_until(&mut stream, &mut seen, b"subscription_succeeded").await?;
    Ok(stream)
}

async fn read_until(stream: &mut TcpStream, seen: &mut Vec<u8>, text: &[u8]) -> anyhow::Result<()> {
    let mut buffer = [0; 512];
    while !seen.windows(text.len()).any(|window| window == text) {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            bail!(
                "the server closed the connection: {}",
                String::from_utf8_lossy(seen)
            );
        }
        seen.extend_from_slice(&buffer[..length]);
    }
    Ok(())
}

/// Counts the frames that arrive until the other side closes, and reports how long each took, in microseconds.
pub(crate) async fn count(
    mut stream: TcpStream,
    counter: Arc<Counter>,
    latencies: mpsc::UnboundedSender<Vec<u64>>,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut filled = 0;
    let mut took = Vec::new();
    while let Ok(length) = stream.read(&mut buffer[filled..]).await {
        if length == 0 {
            break;
        }
        let now = counter.epoch.elapsed().as_micros() as u64;
        filled += length;
        let mut at = 0;
        let mut frames = 0;
        while let Some(end) = frame_end(&buffer[at..filled]) {
            if let Some(sent) = published_at(&buffer[at..at + end]) {
                took.push(now.saturating_sub(sent));
                frames += 1;
            }
            at += end;
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
        counter.received.fetch_add(frames, Ordering::Relaxed);
    }
    // Nobody waits for them any more when the measurement failed.
    let _ = latencies.send(took);
}

fn frame_end(bytes: &[u8]) -> Option<usize> {
    let length = match *bytes.get(1)? {
        126 => 4 + usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
        127 => return None,
        short => 2 + usize::from(short),
    };
    (bytes.len() >= length).then_some(length)
}

fn published_at(frame: &[u8]) -> Option<u64> {
    let at = frame.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let digits = frame[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
