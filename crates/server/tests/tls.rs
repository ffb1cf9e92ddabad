//! TLS in process: https, WebSockets over it, and a new certificate without a restart.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use chinwag_engine::{AppOptions, ChannelName, Engine, KeyPair, Publication, Secret};
use chinwag_server::listen::{self, ListenOptions};
use chinwag_server::pusher::{self, PusherApi, Rates, nobody};
use chinwag_server::tls::Certificate;
use chinwag_server::{Quota, WorkerOptions, Workers};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Writes a fresh certificate and its key into the folder.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["chat.test".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

struct Server {
    engine: Arc<Engine>,
    workers: Arc<Workers>,
    certificate: Arc<Certificate>,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<listen::Serving>,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let certificate = Certificate::load(folder.join("cert.pem"), folder.join("key.pem")).unwrap();
        let engine = Arc::new(Engine::in_memory());
        let keys = KeyPair {
            key: "key".to_owned(),
            secret: Secret::new("secret"),
        };
        engine
            .apps
            .add("app", vec![keys], AppOptions::default(), Vec::new())
            .unwrap();
        let workers = Arc::new(Workers::start(1, &engine, WorkerOptions::default()).unwrap());
        let api = PusherApi {
            engine: engine.clone(),
            workers: workers.clone(),
            quota: Arc::new(Quota::new(1, 100)),
            prefix: String::new(),
            body_bytes_max: 1_024,
            tasks: TaskTracker::new(),
            nobody: nobody(),
            rates: Rates::default(),
        };
        let router = Router::new()
            .merge(pusher::router(Arc::new(api)))
            .route("/up", get(async || "up"));
        let options = ListenOptions::default();
        let listener = listen::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &options).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = listen::serve_tls(listener, certificate.clone(), router, options, stop.clone());
        let serving = tokio::spawn(serving);
        Self {
            engine,
            workers,
            certificate,
            address,
            stop,
            serving,
        }
    }

    /// A client that trusts only this certificate.
    async fn connect(&self, trusted: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpSocket::new_v4()?;
        // Small, so that the server soon finds that it can write no more.
        socket.set_recv_buffer_size(4_096)?;
        let stream = socket.connect(self.address).await?;
        let name = ServerName::try_from("chat.test").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    async fn stop(self) {
        self.stop.cancel();
        self.workers.stop().await;
        self.serving.await.unwrap();
    }
}

/// What has come once `until` is in it.
async fn read_until(stream: &mut TlsStream<TcpStream>, until: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&read).contains(until) {
            let count = stream.read_buf(&mut read).await.unwrap();
            assert!(count > 0, "ended after {:?}", String::from_utf8_lossy(&read));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .unwrap_or_else(|_| panic!("{until} does not come"));
    String::from_utf8_lossy(&read).into_owned()
}

/// A client's frame, masked with zeros, which change nothing.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match text.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend((long as u16).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    bytes
}

const UPGRADE: &str = "GET /app/key?protocol=7 HTTP/1.1\r\nhost: chat.test\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A WebSocket that listens to the channel `room`.
async fn subscribe(server: &Server, trusted: &CertificateDer<'static>) -> TlsStream<TcpStream> {
    let mut stream = server.connect(trusted).await.unwrap();
    stream.write_all(UPGRADE.as_bytes()).await.unwrap();
    read_until(&mut stream, "connection_established").await;
    let wish = r#"{"event":"pusher:subscribe","data":{"channel":"room"}}"#;
    stream.write_all(&frame(wish)).await.unwrap();
    read_until(&mut stream, "subscription_succeeded").await;
    stream
}

async fn publish(server: &Server, data: String) {
    let app = server.engine.apps.by_id("app").unwrap();
    let room = ChannelName::parse("room").unwrap();
    let publication = Publication::message(app.number, room, "said", data.into_bytes());
    server.engine.publish(publication).await.unwrap();
}

#[tokio::test]
async fn requests_and_web_sockets_go_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start(folder.path());
    let mut https = server.connect(&trusted).await.unwrap();
    let request = "GET /up HTTP/1.1\r\nhost: chat.test\r\nconnection: close\r\n\r\n";
    https.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    https.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("up"),
        "{answer}"
    );

    let mut socket = subscribe(&server, &trusted).await;
    publish(&server, r#""over tls""#.to_owned()).await;
    read_until(&mut socket, "over tls").await;
    // A ping and a frame that follows at once, in one record: nothing of it may stay behind in the session.
    let both = [frame(r#"{"event":"pusher:ping","data":{}}"#), frame("nonsense")].concat();
    socket.write_all(&both).await.unwrap();
    read_until(&mut socket, "pusher:error").await;
    drop(socket);
    server.stop().await;
}

/// What comes before the handshake is answered stays partly with hyper, partly decrypted in the session, and partly in
/// the socket.
#[tokio::test]
async fn a_client_that_does_not_wait_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start(folder.path());
    let ping = format!(r#"{{"event":"pusher:ping","data":"{}"}}"#, "x".repeat(9_000));
    for pings in [0, 1, 5] {
        let mut socket = server.connect(&trusted).await.unwrap();
        let mut all = UPGRADE.as_bytes().to_vec();
        for _ in 0..pings {
            all.extend(frame(&ping));
        }
        all.extend(frame(r#"{"event":"pusher:subscribe","data":{"channel":"room"}}"#));
        socket.write_all(&all).await.unwrap();
        read_until(&mut socket, "subscription_succeeded").await;
    }
    server.stop().await;
}

/// More than a socket and a session take at once, from a client that reads late, and cut nowhere.
#[tokio::test]
async fn a_backlog_arrives_whole() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start(folder.path());
    let mut socket = subscribe(&server, &trusted).await;
    let filler = "x".repeat(9_000);
    for number in 0..100 {
        publish(&server, format!(r#""<{number}> {filler}""#)).await;
    }
    publish(&server, r#""the end""#.to_owned()).await;
    let all = read_until(&mut socket, "the end").await;
    let mut rest = all.as_str();
    for number in 0..100 {
        let at = rest.find(&format!("<{number}>"));
        rest = &rest[at.unwrap_or_else(|| panic!("{number} is missing"))..];
    }
    assert!(all.len() > 100 * 9_000);
    drop(socket);
    server.stop().await;
}

#[tokio::test]
async fn a_hangup_brings_the_new_certificate_and_keeps_connections() {
    let folder = tempfile::tempdir().unwrap();
    let old = certify(folder.path());
    let server = Server::start(folder.path());
    let stop = CancellationToken::new();
    let reloading = server.certificate.clone().reload_on_hangup(stop.clone()).unwrap();
    let reloading = tokio::spawn(reloading);
    let mut socket = subscribe(&server, &old).await;

    // A damaged file changes nothing.
    fs::write(folder.path().join("cert.pem"), "nonsense").unwrap();
    assert!(server.certificate.reload().is_err());
    assert!(server.connect(&old).await.is_ok());
    // Nor does a certificate without its key.
    let key = fs::read(folder.path().join("key.pem")).unwrap();
    certify(folder.path());
    fs::write(folder.path().join("key.pem"), key).unwrap();
    assert!(server.certificate.reload().is_err());
    assert!(server.connect(&old).await.is_ok());

    let new = certify(folder.path());
    assert!(server.connect(&new).await.is_err(), "not before it is told to");
    let told = std::process::Command::new("kill")
        .args(["-HUP", &std::process::id().to_string()])
        .status()
        .unwrap();
    assert!(told.success());
    let arrived = async { while server.connect(&new).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), arrived)
        .await
        .unwrap();
    assert!(server.connect(&old).await.is_err());
    publish(&server, r#""still here""#.to_owned()).await;
    read_until(&mut socket, "still here").await;
    drop(socket);
    stop.cancel();
    reloading.await.unwrap();
    server.stop().await;
}
