//! The same server behind a real port: requests come over HTTP, events over WebSockets.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use chinwag_server::listen::{self, ListenOptions};
use chinwag_server::pusher::{self, PusherApi, Rates, nobody};
use chinwag_server::{Quota, WorkerOptions, Workers};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tungstenite::{Message, WebSocket};

use super::{Person, Server, Setup, check_event};

const PATIENCE: Duration = Duration::from_secs(20);

/// A port, and the threads behind it.
pub(crate) struct Live {
    pub(crate) address: SocketAddr,
    http: reqwest::Client,
    workers: Arc<Workers>,
    stop: CancellationToken,
}

impl Live {
    /// Carries a request over a real connection.
    pub(crate) async fn ask(&self, request: Request<Body>) -> (u16, HeaderMap, Bytes) {
        let (parts, body) = request.into_parts();
        let url = format!("http://{}{}", self.address, parts.uri);
        let body = body.collect().await.unwrap().to_bytes();
        let ask = self.http.request(parts.method, url).headers(parts.headers);
        let answer = ask.body(body).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, answer.bytes().await.unwrap())
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.workers.stop().await;
    }
}

impl Server {
    /// A server that is asked through its port.
    pub(crate) async fn start_live(setup: Setup) -> Self {
        let mut server = Self::start_with(setup).await;
        let workers = Arc::new(Workers::start(1, &server.engine, WorkerOptions::default()).unwrap());
        let api = Arc::new(PusherApi {
            engine: server.engine.clone(),
            workers: workers.clone(),
            quota: Arc::new(Quota::new(7, 1_000)),
            prefix: String::new(),
            body_bytes_max: 64 * 1024,
            tasks: TaskTracker::new(),
            rates: Rates::default(),
            nobody: nobody(),
        });
        let options = ListenOptions::default();
        let sockets = listen::bind_for(SocketAddr::from(([127, 0, 0, 1], 0)), &options, 1).unwrap();
        let address = sockets.local_addr().unwrap();
        let stop = CancellationToken::new();
        let routes = pusher::router(api.clone()).merge(server.router.clone());
        let serving = listen::serve_at_workers(sockets, api, routes, options, stop.clone());
        server.tasks.spawn(async move { serving.await.finish().await });
        server.live = Some(Live {
            address,
            http: reqwest::Client::new(),
            workers,
            stop,
        });
        server
    }

    /// A connection of the person, which listens to its own channel.
    pub(crate) async fn socket(&self, person: &Person) -> Socket {
        let config = self.get("/realtime/config").by(person).send().await.json;
        let live = self.live.as_ref().expect("a server with a port");
        let stream = TcpStream::connect(live.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let key = config["key"].as_str().unwrap();
        let url = format!("ws://{}/app/{key}?protocol=7", live.address);
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        let mut socket = Socket {
            socket,
            id: String::new(),
        };
        let hello = socket.frame();
        let data: Value = serde_json::from_str(hello["data"].as_str().unwrap()).unwrap();
        socket.id = data["socket_id"].as_str().unwrap().to_owned();
        let channel = config["channel"].as_str().unwrap().to_owned();
        assert_eq!(socket.join(self, person, &channel).await, 200);
        socket
    }
}

/// A WebSocket that speaks the Pusher protocol.
pub(crate) struct Socket {
    socket: WebSocket<TcpStream>,
    id: String,
}

impl Socket {
    /// Joins a channel; returns what the server answered to who asked for the signature.
    pub(crate) async fn join(&mut self, server: &Server, person: &Person, channel: &str) -> u16 {
        let given = json!({"socket_id": self.id, "channel_name": channel});
        let signed = server.post("/realtime/auth", &given).by(person).send().await;
        if signed.status != 200 {
            return signed.status;
        }
        let mut data = signed.json;
        data["channel"] = channel.into();
        self.say(&json!({"event": "pusher:subscribe", "data": data}));
        loop {
            let frame = self.frame();
            if frame["event"] == "pusher_internal:subscription_succeeded" && frame["channel"] == channel {
                return 200;
            }
        }
    }

    /// A client event.
    pub(crate) fn whisper(&mut self, channel: &str, event: &str, data: &Value) {
        self.say(&json!({"event": event, "channel": channel, "data": data}));
    }

    fn say(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).unwrap();
    }

    fn frame(&mut self) -> Value {
        loop {
            match self.socket.read().expect("something arrives") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(close) => {
                    let code = close.map_or(0, |frame| u16::from(frame.code));
                    return json!({"event": "closed", "data": code});
                }
                _ => {}
            }
        }
    }

    /// The next event of the messenger, or the end of the connection as the event `closed` with its code.
    pub(crate) fn hear(&mut self) -> (String, Value) {
        loop {
            let frame = self.frame();
            let name = frame["event"].as_str().unwrap();
            if name.starts_with("pusher") {
                continue;
            }
            let data = match &frame["data"] {
                Value::String(text) => serde_json::from_str(text).unwrap(),
                other => other.clone(),
            };
            if name != "closed" {
                check_event(name, &data);
            }
            return (name.to_owned(), data);
        }
    }

    /// The first event of that name; what comes before it is returned by name, too.
    pub(crate) fn hear_until(&mut self, wanted: &str) -> (Value, Vec<String>) {
        let mut before = Vec::new();
        loop {
            let (name, data) = self.hear();
            if name == wanted {
                return (data, before);
            }
            before.push(name);
        }
    }

    /// The first event of that name.
    pub(crate) fn wait_for(&mut self, wanted: &str) -> Value {
        self.hear_until(wanted).0
    }

    /// The message with these words, and the names of all events before it.
    pub(crate) fn wait_for_words(&mut self, words: &str) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let (name, data) = self.hear();
            if name == "message.created" && data["message"]["body"] == words {
                return names;
            }
            names.push(name);
        }
    }
}
