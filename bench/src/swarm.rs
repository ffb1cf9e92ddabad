//! Many connections that listen. One thread reads them all, counts what arrives, and takes the time from when it was
//! published, which stands in the payload, to when it was read.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use memchr::memmem::Finder;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::session::{Frame, Origin, Session, masked};

/// Marks the place of the publishing time, in microseconds since [`epoch`], in a payload.
const MARK: &[u8] = b"~at=";

/// Bytes read at a time.
const BUFFER: usize = 256 * 1024;

/// When publishing times are counted from.
pub(crate) fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// A payload of this many bytes that says when it was published.
pub(crate) fn payload(length: usize) -> String {
    let mut text = format!("~at={} ", epoch().elapsed().as_micros());
    while text.len() < length {
        text.push('x');
    }
    text
}

/// Latencies in microseconds up to a minute, exact to a tenth of a per cent.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds in order, three digits")
}

struct Shared {
    /// Frames with a publishing time.
    received: AtomicU64,
    /// All text frames.
    frames: AtomicU64,
    /// Connections that the server has closed.
    closed: AtomicU64,
    stop: AtomicBool,
    latencies: Mutex<Histogram<u64>>,
}

/// Connections that listen until this is dropped.
pub(crate) struct Swarm {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<anyhow::Result<()>>>,
    size: usize,
}

impl Swarm {
    /// Listens to what has been opened.
    pub(crate) fn new(sessions: Vec<Session>) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            received: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            latencies: Mutex::new(histogram()),
        });
        let size = sessions.len();
        let reader = Reader::new(sessions, Arc::clone(&shared))?;
        let reader = std::thread::Builder::new()
            .name("listeners".into())
            .spawn(move || reader.run())?;
        Ok(Self {
            shared,
            reader: Some(reader),
            size,
        })
    }

    /// Opens this many connections at once, each on the channel that `channel` names for its number.
    pub(crate) fn subscribed(
        address: SocketAddr,
        size: usize,
        channel: impl Fn(usize) -> String,
    ) -> anyhow::Result<Self> {
        let sessions = (0..size).map(|number| {
            Session::subscribed(address, &channel(number), Origin::default())
                .with_context(|| format!("connection {number}"))
        });
        Self::new(sessions.collect::<anyhow::Result<_>>()?)
    }

    /// Connections it began with.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Publications received so far, by all connections together.
    pub(crate) fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// Text frames received so far, of whatever kind.
    pub(crate) fn frames(&self) -> u64 {
        self.shared.frames.load(Ordering::Relaxed)
    }

    /// Connections that the server has closed.
    pub(crate) fn closed(&self) -> u64 {
        self.shared.closed.load(Ordering::Relaxed)
    }

    /// What was measured since this was last asked.
    pub(crate) fn take_latencies(&self) -> Histogram<u64> {
        let mut latencies = self
            .shared
            .latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *latencies, histogram())
    }

    /// Waits until so many publications have been received.
    pub(crate) fn wait_for(&self, count: u64) -> anyhow::Result<()> {
        self.wait(count, "deliveries", || self.received())
    }

    /// Waits until so many text frames have been received.
    pub(crate) fn wait_for_frames(&self, count: u64) -> anyhow::Result<()> {
        self.wait(count, "frames", || self.frames())
    }

    fn wait(&self, count: u64, of: &str, so_far: impl Fn() -> u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while so_far() < count {
            if Instant::now() > deadline {
                bail!(
                    "of {count} {of} only {} arrived; {} connections were closed",
                    so_far(),
                    self.closed()
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // What it failed with shows as deliveries that did not arrive.
            let _ = reader.join();
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// The beginning of a frame whose end has not arrived.
    partial: Vec<u8>,
}

struct Reader {
    poll: Poll,
    connections: Vec<Option<Connection>>,
    shared: Arc<Shared>,
    mark: Finder<'static>,
    /// Latencies of the events that are being looked at.
    took: Vec<u64>,
    received: u64,
    frames: u64,
}

impl Reader {
    fn new(sessions: Vec<Session>, shared: Arc<Shared>) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(sessions.len());
        for (number, session) in sessions.into_iter().enumerate() {
            session.stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(session.stream);
            poll.registry()
                .register(&mut stream, Token(number), Interest::READABLE)?;
            connections.push(Some(Connection {
                stream,
                partial: session.ahead,
            }));
        }
        Ok(Self {
            poll,
            connections,
            shared,
            mark: Finder::new(MARK),
            took: Vec::new(),
            received: 0,
            frames: 0,
        })
    }

    fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; BUFFER];
        while !self.shared.stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, Some(Duration::from_millis(20))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                self.read(event.token().0, &mut buffer);
            }
            self.tell();
        }
        Ok(())
    }

    /// Reads all that one connection has.
    fn read(&mut self, number: usize, buffer: &mut [u8]) {
        let Some(mut connection) = self.connections[number].take() else {
            return;
        };
        loop {
            let carried = connection.partial.len();
            buffer[..carried].copy_from_slice(&connection.partial);
            match connection.stream.read(&mut buffer[carried..]) {
                Ok(0) => break,
                Ok(length) => {
                    let filled = carried + length;
                    let used = self.look_at(&buffer[..filled], &mut connection.stream);
                    connection.partial.clear();
                    connection.partial.extend_from_slice(&buffer[used..filled]);
                    if filled < buffer.len() {
                        // The socket is empty: the next arrival is a new event.
                        self.connections[number] = Some(connection);
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.connections[number] = Some(connection);
                    return;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.shared.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts whole frames and answers pings; returns how many bytes they were.
    fn look_at(&mut self, bytes: &[u8], stream: &mut TcpStream) -> usize {
        let now = epoch().elapsed().as_micros() as u64;
        let mut at = 0;
        while let Some(frame) = Frame::first(&bytes[at..]) {
            let payload = &bytes[at + frame.payload..at + frame.end];
            match frame.opcode {
                0x1 => {
                    self.frames += 1;
                    match self.mark.find(payload) {
                        Some(mark) => {
                            self.received += 1;
                            self.took
                                .push(now.saturating_sub(number(&payload[mark + MARK.len()..])));
                        }
                        None if payload.starts_with(br#"{"event":"pusher:ping""#) => {
                            answer(stream, 0x1, br#"{"event":"pusher:pong","data":{}}"#);
                        }
                        None => {}
                    }
                }
                0x9 => answer(stream, 0xa, payload),
                _ => {}
            }
            at += frame.end;
        }
        at
    }

    fn tell(&mut self) {
        let mut latencies = self
            .shared
            .latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for took in self.took.drain(..) {
            latencies.saturating_record(took);
        }
        drop(latencies);
        self.shared
            .received
            .fetch_add(std::mem::take(&mut self.received), Ordering::Relaxed);
        self.shared
            .frames
            .fetch_add(std::mem::take(&mut self.frames), Ordering::Relaxed);
    }
}

/// A ping that goes unanswered because the socket is full closes the connection later, which is counted.
fn answer(stream: &mut TcpStream, opcode: u8, payload: &[u8]) {
    let _ = stream.write(&masked(opcode, payload));
}

fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
