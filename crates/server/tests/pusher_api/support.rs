//! A server of its own for each test, and the simplest clients: a WebSocket that is read line by line, and HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use chinwag_engine::{App, AppOptions, Engine, KeyPair, Secret};
use chinwag_protocol::pusher::{auth, cache_namespaces};
use chinwag_server::listen::{self, ListenOptions};
use chinwag_server::pusher::{PusherApi, Rates, nobody, router};
use chinwag_server::{Counts, Quota, WorkerOptions, Workers};
use md5::{Digest, Md5};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tungstenite::{Message, WebSocket};

pub(crate) const KEY: &str = "chinwag-key";
pub(crate) const SECRET: &str = "chinwag-secret";
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    prefix: &'static str,
    stop: CancellationToken,
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start(options: AppOptions) -> Self {
        Self::start_under("", options)
    }

    pub(crate) fn start_under(prefix: &'static str, options: AppOptions) -> Self {
        Self::start_with(prefix, options, ListenOptions::default())
    }

    pub(crate) fn start_with(
        prefix: &'static str,
        options: AppOptions,
        listen_options: ListenOptions,
    ) -> Self {
        let runtime = Runtime::new().unwrap();
        let stop = CancellationToken::new();
        let engine = Arc::new(Engine::in_memory());
        add(&engine, "100200", KEY, SECRET, options);
        add(&engine, "2", "other-key", "other-secret", AppOptions::default());
        let closed = AppOptions {
            enabled: false,
            ..AppOptions::default()
        };
        add(&engine, "3", "closed-key", "closed-secret", closed);
        let workers = Arc::new(Workers::start(2, &engine, WorkerOptions::default()).unwrap());
        let counts = Counts::new(&engine);
        engine.observe(counts.clone());
        let address = runtime.block_on(async {
            let api = Arc::new(PusherApi {
                engine: engine.clone(),
                workers,
                quota: Arc::new(Quota::new(7, 1_000)),
                prefix: prefix.to_owned(),
                body_bytes_max: 100_000,
                tasks: TaskTracker::new(),
                rates: Rates::default(),
                nobody: nobody(),
            });
            tokio::spawn(counts.run(stop.clone()));
            let sockets =
                listen::bind_for(SocketAddr::from(([127, 0, 0, 1], 0)), &listen_options, 2).unwrap();
            let address = sockets.local_addr().unwrap();
            let stop = stop.clone();
            tokio::spawn(async move {
                // The engine lives as long as the listener.
                let _engine = engine;
                listen::serve_at_workers(sockets, api.clone(), router(api), listen_options, stop).await;
            });
            address
        });
        Self {
            address,
            prefix,
            stop,
            _runtime: runtime,
        }
    }

    pub(crate) fn connect(&self) -> Client {
        self.connect_with(KEY)
    }

    pub(crate) fn connect_with(&self, key: &str) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{}{}/app/{key}?protocol=7", self.address, self.prefix);
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        let mut client = Client {
            socket,
            id: String::new(),
        };
        let hello = client.hear();
        assert_eq!(hello["event"], "pusher:connection_established", "{hello}");
        let data: Value = serde_json::from_str(hello["data"].as_str().unwrap()).unwrap();
        client.id = data["socket_id"].as_str().unwrap().to_owned();
        client
    }

    pub(crate) fn http(&self) -> Http {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Http(BufReader::new(stream))
    }

    /// A signed request of the app on a connection of its own. `path` may hold a query.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.http()
            .ask(method, &sign(method, path, body, (KEY, SECRET)), body)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "")
    }

    pub(crate) fn publish(&self, channel: &str, event: &str, data: &str) {
        let body = serde_json::json!({ "name": event, "channel": channel, "data": data }).to_string();
        let answer = self.ask("POST", "/apps/100200/events", &body);
        assert_eq!(answer, (200, "{}".to_owned()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn add(engine: &Engine, id: &str, key: &str, secret: &str, options: AppOptions) -> Arc<App> {
    let pair = KeyPair {
        key: key.to_owned(),
        secret: Secret::new(secret),
    };
    let namespaces = cache_namespaces(1_800_000);
    engine.apps.add(id, vec![pair], options, namespaces).unwrap()
}

/// The path and query of a signed request. The prefix is not signed.
pub(crate) fn sign(method: &str, path: &str, body: &str, (key, secret): (&str, &str)) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    sign_at(now.as_secs(), method, path, body, (key, secret))
}

pub(crate) fn sign_at(now: u64, method: &str, path: &str, body: &str, (key, secret): (&str, &str)) -> String {
    let (path, more) = path.split_once('?').unwrap_or((path, ""));
    let mut query = format!("auth_key={key}&auth_timestamp={now}&auth_version=1.0");
    if !body.is_empty() {
        query += &format!("&body_md5={}", hex::encode(Md5::digest(body)));
    }
    if !more.is_empty() {
        query += &format!("&{more}");
    }
    let mut parts: Vec<_> = query.split('&').collect();
    parts.sort_unstable();
    let query = parts.join("&");
    let signature = auth::sign(&Secret::new(secret), &[method, "\n", path, "\n", &query]);
    format!("{path}?{query}&auth_signature={signature}")
}

/// An HTTP connection that is kept.
pub(crate) struct Http(BufReader<TcpStream>);

impl Http {
    pub(crate) fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn ask(&mut self, method: &str, target: &str, body: &str) -> (u16, String) {
        let length = body.len();
        self.send(&format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> (u16, String) {
        let (status, headers) = self.head();
        let length = headers
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        if status == 429 || status == 503 {
            assert!(headers.iter().any(|line| line.starts_with("retry-after: ")));
        }
        if status < 300 {
            assert!(
                headers.contains(&"content-type: application/json".to_owned()),
                "{headers:?}"
            );
        }
        (status, String::from_utf8(body).unwrap())
    }

    pub(crate) fn head(&mut self) -> (u16, Vec<String>) {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        (
            status,
            lines[1..].iter().map(|line| line.to_ascii_lowercase()).collect(),
        )
    }
}

pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
    pub(crate) id: String,
}

impl Client {
    pub(crate) fn say(&mut self, event: &str, data: &Value) {
        let frame = serde_json::json!({ "event": event, "data": data });
        self.say_frame(&frame);
    }

    pub(crate) fn say_frame(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).unwrap();
    }

    pub(crate) fn hear(&mut self) -> Value {
        loop {
            match self.socket.read().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(close) => {
                    let code = close.map_or(0, |frame| u16::from(frame.code));
                    return serde_json::json!({ "closed": code });
                }
                _ => {}
            }
        }
    }

    /// The next frame, which must be this event on this channel; returns its data.
    pub(crate) fn hear_event(&mut self, event: &str, channel: &str) -> String {
        let frame = self.hear();
        assert_eq!(
            (frame["event"].as_str(), frame["channel"].as_str()),
            (Some(event), Some(channel)),
            "{frame}"
        );
        frame["data"].as_str().unwrap().to_owned()
    }

    /// Everything before the answer to this ping has been heard: nothing else was there.
    pub(crate) fn silence(&mut self) {
        self.say("pusher:ping", &serde_json::json!({}));
        let frame = self.hear();
        assert_eq!(frame["event"], "pusher:pong", "{frame}");
    }

    pub(crate) fn subscribe(&mut self, channel: &str) -> String {
        self.subscribe_as(channel, None)
    }

    pub(crate) fn subscribe_as(&mut self, channel: &str, member: Option<&str>) -> String {
        let auth = auth::sign_channel(KEY, &Secret::new(SECRET), &self.id, channel, member);
        let data = serde_json::json!({ "channel": channel, "auth": auth, "channel_data": member });
        self.say("pusher:subscribe", &data);
        self.hear_event("pusher_internal:subscription_succeeded", channel)
    }

    pub(crate) fn sign_in(&mut self, user_data: &str) {
        let auth = auth::sign_user(KEY, &Secret::new(SECRET), &self.id, user_data);
        self.say(
            "pusher:signin",
            &serde_json::json!({ "auth": auth, "user_data": user_data }),
        );
        let frame = self.hear();
        assert_eq!(frame["event"], "pusher:signin_success", "{frame}");
        assert_eq!(frame["data"]["user_data"], user_data);
    }
}
