//! The reception: where a connection in the clear comes in, on the worker that accepted it.
//!
//! A WebSocket is answered here and stays: the handshake and the protocol's greeting go out in one write. What begins
//! as a request of the protocol's HTTP API stays too ([`Express`]), for what it publishes goes to the workers anyway.
//! Anything else goes to HTTP on another runtime ([`Http`]), together with what was read of it. A WebSocket that is asked for later on a
//! connection, as proxies do that keep theirs, or over TLS, is handed over by HTTP instead (`pusher.rs`).

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::express::Express;
use crate::listen::{Apart, Door, Http};
use crate::opening::Head;
use crate::pusher::PusherApi;
use crate::transport::{Begun, Transport};
use crate::worker::{Visitor, Worker};

/// What all workers receive with.
pub(crate) struct Reception {
    pub pusher: Arc<PusherApi>,
    pub http: Arc<Http>,
}

/// What a connection turned out to be.
enum Arrival {
    WebSocket {
        visitor: Visitor,
        answer: Bytes,
        read_ahead: Bytes,
    },
    Http {
        read_ahead: Bytes,
        /// It begins with a request of the protocol's HTTP API.
        api: bool,
    },
}

impl Reception {
    /// Accepts on this socket until it is time to stop.
    pub(crate) async fn run(self: Arc<Self>, listener: StdListener, worker: Rc<Worker>) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "A worker cannot accept connections"),
        };
        let mut door = Door::new(listener);
        let mut stopped = pin!(self.http.stop.cancelled());
        while let Some((stream, peer)) = door.next_before(stopped.as_mut()).await {
            if let Some(place) = self.http.place() {
                // Owned by the worker's LocalSet, which lives as long as the thread.
                tokio::task::spawn_local(self.clone().receive(worker.clone(), stream, peer, place));
            }
        }
    }

    async fn receive(
        self: Arc<Self>,
        worker: Rc<Worker>,
        mut stream: TcpStream,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
    ) {
        let arrival = timeout(self.http.options.head_timeout, self.read(&worker, &mut stream));
        match arrival.await {
            Ok(Ok(Arrival::WebSocket {
                visitor,
                answer,
                read_ahead,
            })) => worker.seat(visitor, Transport::Plain(stream), answer, read_ahead),
            Ok(Ok(Arrival::Http {
                read_ahead,
                api: true,
            })) => {
                let (http, pusher, its) = (self.http.clone(), self.pusher.clone(), worker.clone());
                worker.http.spawn_local(async move {
                    let express = Express::new(&pusher, &http, &its);
                    let Some(read_ahead) = express.serve(&mut stream, read_ahead).await else {
                        return;
                    };
                    let apart = Apart {
                        runtime: http.runtime.clone(),
                        pusher,
                    };
                    let stream = Begun { read_ahead, stream };
                    http.talk(stream, peer, false, Some(apart), place).await;
                });
            }
            Ok(Ok(Arrival::Http { read_ahead, .. })) => match stream.into_std() {
                Ok(stream) => self.http.take(stream, read_ahead, peer, place),
                Err(error) => tracing::warn!(%error, "A connection could not be handed over"),
            },
            // It went away, or asked for nothing in time.
            Ok(Err(_)) | Err(_) => {}
        }
    }

    /// Reads until it is clear what the connection is.
    async fn read(&self, worker: &Worker, stream: &mut TcpStream) -> io::Result<Arrival> {
        // A head nearly always comes in one piece, and is then looked at where it was read to.
        let mut seen = Vec::new();
        poll_fn(|context| {
            worker.with_read_buffer(|buffer| {
                loop {
                    let mut buffer = ReadBuf::new(buffer);
                    std::task::ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
                    if buffer.filled().is_empty() {
                        return Err(io::ErrorKind::UnexpectedEof.into()).into();
                    }
                    let bytes = if seen.is_empty() {
                        buffer.filled()
                    } else {
                        seen.extend_from_slice(buffer.filled());
                        &seen
                    };
                    if let Some(arrival) = self.recognise(worker, bytes) {
                        return Ok(arrival).into();
                    }
                    if seen.is_empty() {
                        seen.extend_from_slice(buffer.filled());
                    }
                }
            })
        })
        .await
    }

    fn recognise(&self, worker: &Worker, bytes: &[u8]) -> Option<Arrival> {
        match Head::read(bytes, &self.pusher.prefix) {
            Head::WebSocket {
                key,
                query,
                opening,
                length,
            } if length <= self.http.options.head_bytes_max => Some(Arrival::WebSocket {
                visitor: self.pusher.admit(&key, query, opening.origin, worker.now()),
                answer: opening.answer(),
                read_ahead: Bytes::copy_from_slice(&bytes[length..]),
            }),
            Head::Unfinished if bytes.len() < self.http.options.head_bytes_max => None,
            _ => Some(Arrival::Http {
                read_ahead: Bytes::copy_from_slice(bytes),
                api: begins_api(bytes, &self.pusher),
            }),
        }
    }
}

/// Whether the first line of a request names a path of the HTTP API.
fn begins_api(bytes: &[u8], pusher: &PusherApi) -> bool {
    let path = bytes.splitn(3, |byte| *byte == b' ').nth(1);
    path.and_then(|path| std::str::from_utf8(path).ok())
        .is_some_and(|path| pusher.is_api(path))
}
