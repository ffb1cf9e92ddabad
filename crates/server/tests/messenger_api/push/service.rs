//! A push service on loopback, which answers as it is told and opens what it gets.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ece::EcKeyComponents;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The receiver of RFC 8291, appendix A.
const PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
pub(super) const PUBLIC: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
pub(super) const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

/// What came to the push service.
pub(super) struct Pushed {
    pub(super) path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Pushed {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// What the browser reads.
    pub(super) fn opened(&self) -> Value {
        let bytes = |text: &str| BASE64.decode(text).unwrap();
        let keys = EcKeyComponents::new(bytes(PRIVATE), bytes(PUBLIC));
        let opened = ece::decrypt(&keys, &bytes(AUTH), &self.body).unwrap();
        serde_json::from_slice(&opened).unwrap()
    }
}

struct Desk {
    pushed: mpsc::UnboundedSender<Pushed>,
    /// What to answer next; 201 when there is nothing.
    answers: Mutex<VecDeque<(u16, Option<&'static str>)>>,
}

/// A push service on loopback.
pub(super) struct Service {
    pub(super) origin: String,
    desk: Arc<Desk>,
    pushed: mpsc::UnboundedReceiver<Pushed>,
    _task: JoinSet<()>,
}

async fn take(
    State(desk): State<Arc<Desk>>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap) {
    let path = uri.path().to_owned();
    let (status, wait) = desk.answers.lock().pop_front().unwrap_or((201, None));
    let _ = desk.pushed.send(Pushed { path, headers, body });
    let mut headers = HeaderMap::new();
    if let Some(wait) = wait {
        headers.insert("retry-after", wait.parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), headers)
}

impl Service {
    pub(super) async fn start() -> Self {
        let (sender, pushed) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk {
            pushed: sender,
            answers: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/{device}", post(take))
            .with_state(desk.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            origin,
            desk,
            pushed,
            _task: task,
        }
    }

    pub(super) fn answer_next(&self, answers: &[(u16, Option<&'static str>)]) {
        self.desk.answers.lock().extend(answers.iter().copied());
    }

    pub(super) async fn next(&mut self) -> Pushed {
        let next = tokio::time::timeout(Duration::from_secs(10), self.pushed.recv()).await;
        next.expect("a push comes").unwrap()
    }

    /// The next push, which must be of this message.
    pub(super) async fn expect(&mut self, message: &Value) -> Value {
        let opened = self.next().await.opened();
        assert_eq!(opened["seq"], message["seq"], "{opened}");
        opened
    }

    /// The next push is zed's, of this message.
    pub(super) async fn only_zed(&mut self, message: &Value) {
        let pushed = self.next().await;
        assert_eq!(
            (pushed.path.as_str(), &pushed.opened()["seq"]),
            ("/zed", &message["seq"])
        );
    }

    /// The next two are of this message, one of them zed's; returns the other.
    pub(super) async fn both(&mut self, message: &Value) -> Value {
        let (one, other) = (self.next().await, self.next().await);
        let (zeds, others) = if one.path == "/zed" {
            (one, other)
        } else {
            (other, one)
        };
        assert_eq!((zeds.path.as_str(), others.path.as_str()), ("/zed", "/phone"));
        assert_eq!(zeds.opened()["seq"], message["seq"]);
        let opened = others.opened();
        assert_eq!(opened["seq"], message["seq"], "{opened}");
        opened
    }

    pub(super) fn silence(&mut self) {
        if let Ok(pushed) = self.pushed.try_recv() {
            panic!("{}", pushed.opened());
        }
    }
}
