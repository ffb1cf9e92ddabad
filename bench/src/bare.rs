//! The limit: a loop of `send` over as many sockets, at the same rate, with frames of the same length.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::{Counter, count};

/// Processor time of the calling thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Microseconds of processor time that one `send` costs.
pub(crate) async fn measure(sockets: usize, rate: u32, length: usize, time: Duration) -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let counter = Counter::new();
    let (latencies, _ignored) = mpsc::unbounded_channel();
    let mut readers = JoinSet::new();
    let mut senders = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        let reader = tokio::net::TcpStream::connect(address).await?;
        let (sender, _) = listener.accept()?;
        sender.set_nodelay(true)?;
        senders.push(sender);
        readers.spawn(count(reader, counter.clone(), latencies.clone()));
    }
    let (sent, took, senders) =
        tokio::task::spawn_blocking(move || send(senders, rate, length, time)).await??;
    let deadline = Instant::now() + Duration::from_secs(10);
    while counter.received.load(Ordering::Relaxed) < sent {
        if Instant::now() > deadline {
            bail!("the bare loop's receivers are behind");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(senders);
    readers.join_all().await;
    Ok(took.as_secs_f64() * 1e6 / sent as f64)
}

type Sent = (u64, Duration, Arc<Vec<TcpStream>>);

fn send(sockets: Vec<TcpStream>, rate: u32, length: usize, time: Duration) -> anyhow::Result<Sent> {
    // A text frame of the same length as the server's, with a place for the time that receivers look for.
    let mut frame = vec![b'x'; length];
    let header = if length < 130 {
        vec![0x81, (length - 2) as u8]
    } else {
        [&[0x81, 126][..], &((length - 4) as u16).to_be_bytes()].concat()
    };
    frame[..header.len()].copy_from_slice(&header);
    frame[header.len()..header.len() + 6].copy_from_slice(b"@at=0 ");
    let (started, period) = (Instant::now(), Duration::from_secs(1) / rate);
    let mut used = Duration::ZERO;
    let mut sent = 0;
    for round in 0.. {
        let due = started + period * round;
        if due >= started + time {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let before = thread_time();
        for mut socket in &sockets {
            socket.write_all(&frame)?;
        }
        used += thread_time() - before;
        sent += sockets.len() as u64;
    }
    Ok((sent, used, Arc::new(sockets)))
}
