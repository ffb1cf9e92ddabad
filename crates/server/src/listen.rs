//! The listener: accepts sockets, speaks HTTP/1.1 on them, and hands upgraded ones to workers.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::tls::Certificate;

/// How long requests under way may take when the server stops.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Limits on a connection before it is anything.
#[derive(Debug, Clone, Copy)]
pub struct ListenOptions {
    /// How long a request's head may take to arrive, which is also how long an idle connection is kept.
    pub head_timeout: Duration,
    /// Largest request head, in bytes.
    pub head_bytes_max: usize,
    /// Connections the system may hold for us until we take them.
    pub backlog: i32,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            head_bytes_max: 16 * 1024,
            backlog: 4_096,
        }
    }
}

/// Binds the address.
///
/// # Errors
/// When the address is taken or not ours.
pub fn bind(address: SocketAddr, options: &ListenOptions) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    TcpListener::from_std(socket.into())
}

/// Marks a request that came over TLS of our own.
#[derive(Debug, Clone, Copy)]
pub struct OverTls;

/// Serves until `stop`. What is under way then goes on, to be waited for with [`Serving::finish`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ListenOptions,
    stop: CancellationToken,
) -> Serving {
    accept(listener, None, router, options, stop).await
}

/// The same over TLS.
pub async fn serve_tls(
    listener: TcpListener,
    certificate: Arc<Certificate>,
    router: Router,
    options: ListenOptions,
    stop: CancellationToken,
) -> Serving {
    accept(listener, Some(certificate), router, options, stop).await
}

async fn accept(
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    router: Router,
    options: ListenOptions,
    stop: CancellationToken,
) -> Serving {
    let connections = TaskTracker::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely. Waiting lets others finish.
                    tracing::warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        prepare(&stream);
        let (router, stop) = (router.clone(), stop.clone());
        let acceptor = certificate.as_ref().map(|certificate| certificate.acceptor());
        connections.spawn(async move {
            let Some(acceptor) = acceptor else {
                return talk(stream, peer, false, router, options, stop).await;
            };
            // A handshake is given no longer than a request's head, and nobody waits for one at the end.
            let shaken = tokio::select! {
                shaken = timeout(options.head_timeout, acceptor.accept(stream)) => shaken,
                () = stop.cancelled() => return,
            };
            match shaken {
                Ok(Ok(stream)) => talk(stream, peer, true, router, options, stop).await,
                Ok(Err(error)) => tracing::debug!(%error, "A TLS handshake failed"),
                Err(_) => tracing::debug!("A TLS handshake took too long"),
            }
        });
    }
    connections.close();
    Serving(connections)
}

/// HTTP connections that were open when the listener stopped.
#[derive(Debug)]
pub struct Serving(TaskTracker);

impl Serving {
    /// Waits for the requests under way, but not for ever.
    pub async fn finish(self) {
        if timeout(FINISH_TIMEOUT, self.0.wait()).await.is_err() {
            tracing::warn!("Some requests were still under way when the server stopped");
        }
    }
}

/// Speaks HTTP on one connection until it ends or becomes something else.
async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    over_tls: bool,
    router: Router,
    options: ListenOptions,
    stop: CancellationToken,
) {
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        if over_tls {
            request.extensions_mut().insert(OverTls);
        }
        router.clone().oneshot(request)
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .max_buf_size(options.head_bytes_max);
    let served = builder
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = pin!(served);
    let mut stopping = false;
    loop {
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
                continue;
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "An HTTP connection ended early");
        }
        return;
    }
}

/// Small writes go out at once, and a peer that vanished is noticed.
fn prepare(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(120));
    let set = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        tracing::debug!(%error, "A socket option could not be set");
    }
}
