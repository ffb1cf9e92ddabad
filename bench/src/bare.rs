//! The limit: a loop of `send` over as many sockets, at the same rate, with frames of the same length, read by the same
//! listeners.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use crate::pace;
use crate::session::Session;
use crate::swarm::{Swarm, payload};

/// What the loop is to do.
pub(crate) struct Loop {
    /// Sockets there are.
    pub(crate) sockets: usize,
    /// Sockets each publication goes to, in turn.
    pub(crate) receivers: usize,
    /// Publications a second.
    pub(crate) rate: u32,
    /// Bytes of a frame.
    pub(crate) length: usize,
    /// Frames in one write.
    pub(crate) together: usize,
    pub(crate) time: Duration,
}

/// Processor time of the calling thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

impl Loop {
    /// Microseconds of processor time that one frame costs, and how long frames took to be read.
    pub(crate) fn measure(&self) -> anyhow::Result<(f64, Histogram<u64>)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (mut sessions, mut senders) = (Vec::new(), Vec::new());
        for _ in 0..self.sockets {
            sessions.push(Session {
                stream: TcpStream::connect(address)?,
                ahead: Vec::new(),
                socket_id: String::new(),
            });
            let (sender, _) = listener.accept()?;
            sender.set_nodelay(true)?;
            senders.push(sender);
        }
        let listeners = Swarm::new(sessions)?;
        let mut used = Duration::ZERO;
        let mut next = 0;
        let publications = pace::at_rate(self.rate, self.time, |_| {
            let frame = frame(self.length).repeat(self.together);
            let before = thread_time();
            for _ in 0..self.receivers {
                (&senders[next]).write_all(&frame)?;
                next = (next + 1) % senders.len();
            }
            used += thread_time() - before;
            Ok(())
        })?;
        let sent = publications * self.receivers as u64 * self.together as u64;
        listeners.wait_for(sent)?;
        let cost = used.as_secs_f64() * 1e6 / sent as f64;
        Ok((cost, listeners.take_latencies()))
    }
}

/// A text frame of this length that says when it was sent.
fn frame(length: usize) -> Vec<u8> {
    let header = if length < 128 { 2 } else { 4 };
    let text = payload(length - header);
    let mut frame = match header {
        2 => vec![0x81, text.len() as u8],
        _ => [&[0x81, 126][..], &(text.len() as u16).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(text.as_bytes());
    frame
}
