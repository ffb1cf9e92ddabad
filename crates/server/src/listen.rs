//! The listener: accepts sockets and speaks HTTP/1.1 on them. In the clear, workers accept for themselves
//! ([`Reception`]), and only what does not begin as a WebSocket comes here.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tower::ServiceExt;

use crate::pusher::PusherApi;
use crate::reception::Reception;
use crate::tls::Certificate;
use crate::transport::Begun;

/// How long requests under way may take when the server stops.
pub(crate) const FINISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence after which the system asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(120);
/// How long to wait when a connection could not be accepted, and how often to say so.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const COMPLAINT_PAUSE: Duration = Duration::from_secs(10);

/// Limits on a connection before it is anything.
#[derive(Debug, Clone, Copy)]
pub struct ListenOptions {
    /// How long a request's head may take to arrive, which is also how long an idle connection is kept.
    pub head_timeout: Duration,
    /// Largest request head, in bytes.
    pub head_bytes_max: usize,
    /// Connections the system may hold for us until we take them.
    pub backlog: i32,
    /// Connections at a time that are no WebSockets, or not yet; more are closed as they come.
    pub connections_max: usize,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            head_bytes_max: 16 * 1024,
            backlog: 4_096,
            connections_max: 10_000,
        }
    }
}

/// Binds the address.
///
/// # Errors
/// When the address is taken or not ours.
pub fn bind(address: SocketAddr, options: &ListenOptions) -> std::io::Result<TcpListener> {
    bind_for(address, options, 1)?.listener()
}

/// Binds the address with a socket for each of several threads, among which the system spreads what comes.
///
/// # Errors
/// When the address is taken or not ours.
pub fn bind_for(address: SocketAddr, options: &ListenOptions, threads: usize) -> std::io::Result<Sockets> {
    let first = prepare(address)?;
    first.bind(&address.into())?;
    if threads > 1 {
        // Only once it is ours: sockets that are shared from the start would join those of another server.
        first.set_reuse_port(true)?;
    }
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..threads {
        let other = prepare(address.as_socket().ok_or(std::io::ErrorKind::AddrNotAvailable)?)?;
        other.set_reuse_port(true)?;
        other.bind(&address)?;
        sockets.push(other);
    }
    for socket in &sockets {
        socket.listen(options.backlog)?;
    }
    Ok(Sockets(sockets.into_iter().map(Into::into).collect()))
}

/// Sockets that listen on one address.
#[derive(Debug)]
pub struct Sockets(pub(crate) Vec<StdListener>);

impl Sockets {
    /// The address.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0[0].local_addr()
    }

    /// The first of them, for this thread's runtime.
    ///
    /// # Errors
    /// When it cannot be registered.
    pub fn listener(mut self) -> std::io::Result<TcpListener> {
        TcpListener::from_std(self.0.swap_remove(0))
    }
}

/// A socket whose connections inherit that small writes go out at once, and that a peer that vanished is noticed.
fn prepare(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    Ok(socket)
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
    let http = Http::new(router, options, stop.clone());
    let mut door = Door::new(listener);
    let mut stopped = pin!(stop.cancelled());
    while let Some((stream, peer)) = door.next_before(stopped.as_mut()).await {
        if let Some(place) = http.place() {
            http.talk_on(Begun::new(stream), peer, place);
        }
    }
    http.close()
}

/// The same over TLS.
pub async fn serve_tls(
    listener: TcpListener,
    certificate: Arc<Certificate>,
    router: Router,
    options: ListenOptions,
    stop: CancellationToken,
) -> Serving {
    let http = Http::new(router, options, stop.clone());
    let mut door = Door::new(listener);
    let mut stopped = pin!(stop.cancelled());
    while let Some((stream, peer)) = door.next_before(stopped.as_mut()).await {
        let Some(place) = http.place() else { continue };
        let (its, acceptor) = (http.clone(), certificate.acceptor());
        http.connections.spawn(async move {
            // A handshake is given no longer than a request's head, and nobody waits for one at the end.
            let shaken = tokio::select! {
                shaken = timeout(its.options.head_timeout, acceptor.accept(stream)) => shaken,
                () = its.stop.cancelled() => return,
            };
            match shaken {
                Ok(Ok(stream)) => its.talk(stream, peer, true, None, place).await,
                Ok(Err(error)) => tracing::debug!(%error, "A TLS handshake failed"),
                Err(_) => tracing::debug!("A TLS handshake took too long"),
            }
        });
    }
    http.close()
}

/// The same in the clear, with each worker accepting for itself: a WebSocket then stays where it came in, and only
/// the rest comes to this runtime.
pub async fn serve_at_workers(
    sockets: Sockets,
    pusher: Arc<PusherApi>,
    router: Router,
    options: ListenOptions,
    stop: CancellationToken,
) -> Serving {
    let http = Http::new(router, options, stop.clone());
    let workers = pusher.workers.clone();
    let reception = Arc::new(Reception {
        pusher,
        http: http.clone(),
    });
    workers.receive(sockets, &reception);
    stop.cancelled().await;
    http.close()
}

/// Where connections come in.
pub(crate) struct Door {
    listener: TcpListener,
    complained_at: Option<Instant>,
}

impl Door {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            complained_at: None,
        }
    }

    /// The next connection, or nothing once it is time to stop.
    pub(crate) async fn next_before(
        &mut self,
        mut stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopped.as_mut() => return None,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => return Some(accepted),
                Err(error) => self.complain(&error),
            }
            // Out of descriptors, most likely. Waiting lets others finish, and does not turn in a circle.
            tokio::select! {
                () = stopped.as_mut() => return None,
                () = tokio::time::sleep(ACCEPT_PAUSE) => {}
            }
        }
    }

    fn complain(&mut self, error: &std::io::Error) {
        let now = Instant::now();
        if self.complained_at.is_none_or(|at| now - at > COMPLAINT_PAUSE) {
            self.complained_at = Some(now);
            tracing::warn!(%error, "Connections cannot be accepted; trying on");
        }
    }
}

/// HTTP/1.1 for connections that are not, or not yet, WebSockets.
pub(crate) struct Http {
    router: Router,
    pub(crate) options: ListenOptions,
    pub(crate) stop: CancellationToken,
    connections: TaskTracker,
    places: Arc<Semaphore>,
    /// Workers hand over to it.
    pub(crate) runtime: Handle,
}

/// For a connection that stays on its worker: where requests go that are none of the protocol's HTTP API, for they may
/// keep a thread busy, and what is published must not wait for that.
pub(crate) struct Apart {
    pub(crate) runtime: Handle,
    pub(crate) pusher: Arc<PusherApi>,
}

impl Apart {
    async fn answer(self: Arc<Self>, router: Router, request: Request) -> Response {
        if self.pusher.is_api(request.uri().path()) {
            return never_fails(router.oneshot(request).await);
        }
        let answered = AbortOnDropHandle::new(self.runtime.spawn(router.oneshot(request)));
        match answered.await {
            Ok(answer) => never_fails(answer),
            Err(error) => {
                tracing::error!(%error, "A request could not be answered");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

fn never_fails(answer: Result<Response, Infallible>) -> Response {
    match answer {
        Ok(answer) => answer,
    }
}

impl Http {
    fn new(router: Router, options: ListenOptions, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            router,
            options,
            stop,
            connections: TaskTracker::new(),
            places: Arc::new(Semaphore::new(options.connections_max)),
            runtime: Handle::current(),
        })
    }

    /// A place for one more connection, to be given back when it ends or becomes a WebSocket.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.places.clone().try_acquire_owned().ok();
        if place.is_none() {
            tracing::debug!("A connection was turned away: too many that are no WebSockets");
        }
        place
    }

    /// Takes over a connection that belongs to no runtime, with what was read of it already.
    pub(crate) fn take(
        self: &Arc<Self>,
        stream: StdStream,
        read_ahead: Bytes,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
    ) {
        let http = self.clone();
        let talk = async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => {
                    let stream = Begun { read_ahead, stream };
                    http.talk(stream, peer, false, None, place).await;
                }
                Err(error) => tracing::warn!(%error, "A connection could not be registered"),
            }
        };
        self.connections.spawn_on(talk, &self.runtime);
    }

    fn talk_on(self: &Arc<Self>, stream: Begun, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let http = self.clone();
        self.connections
            .spawn(async move { http.talk(stream, peer, false, None, place).await });
    }

    /// Speaks HTTP on one connection until it ends or becomes something else.
    pub(crate) async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        peer: SocketAddr,
        over_tls: bool,
        apart: Option<Apart>,
        _place: OwnedSemaphorePermit,
    ) {
        let (router, apart) = (self.router.clone(), apart.map(Arc::new));
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            if over_tls {
                request.extensions_mut().insert(OverTls);
            }
            let (router, apart) = (router.clone(), apart.clone());
            async move {
                Ok::<_, Infallible>(match apart {
                    Some(apart) => apart.answer(router, request).await,
                    None => never_fails(router.oneshot(request).await),
                })
            }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.head_timeout)
            .max_buf_size(self.options.head_bytes_max);
        let served = builder
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut served = pin!(served);
        let mut stopping = false;
        loop {
            let ended = tokio::select! {
                ended = served.as_mut() => ended,
                () = self.stop.cancelled(), if !stopping => {
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

    /// Nothing new from here on.
    fn close(&self) -> Serving {
        self.connections.close();
        Serving(self.connections.clone())
    }
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
