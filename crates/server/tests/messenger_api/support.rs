//! A server to ask, people to ask as, and answers to look at.

#[path = "live.rs"]
pub(crate) mod live;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request};
use bytes::Bytes;
use chinwag_backends::testing::store_in;
use chinwag_backends::{DiskBlobs, SqlStore};
use chinwag_engine::{
    App, AppOptions, Beginning, ChannelName, ConnectionId, Content, Delivery, Engine, Inbox, Inboxed,
    KeyPair, Member, Publication, Publisher, Secret, UserId, WorkerNumber,
};
use chinwag_messenger::{Mailer, Messenger, Options};
use chinwag_server::apps::AppAdmin;
use chinwag_server::laravel;
use chinwag_server::mail::send_mail;
use chinwag_server::messenger::apps::{self, AppsApi};
use chinwag_server::messenger::presence::{Presence, PresenceOptions};
use chinwag_server::messenger::whispers::Whispers;
use chinwag_server::messenger::{ApiOptions, MessengerApi, RateLimits, feed, openapi, router};
use chinwag_server::push::{PushOptions, Pushes, Vapid};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::contract;
use live::Live;

/// Everything that can be set.
pub(crate) struct Setup {
    pub(crate) messenger: Options,
    pub(crate) api: ApiOptions,
    pub(crate) presence: PresenceOptions,
    /// Sends mail as soon as it is asked for.
    pub(crate) mailer: Option<Arc<dyn Mailer>>,
    /// Sends pushes.
    pub(crate) push: Option<PushOptions>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            messenger: Options::default(),
            api: ApiOptions {
                rate_limits: RateLimits::unlimited(),
                ..ApiOptions::default()
            },
            presence: PresenceOptions {
                grace: Duration::ZERO,
                pause: Duration::ZERO,
                writing_pause: Duration::ZERO,
            },
            mailer: None,
            push: None,
        }
    }
}

/// A messenger with its router and its tasks.
pub(crate) struct Server {
    pub(crate) engine: Arc<Engine>,
    pub(crate) app: Arc<App>,
    pub(crate) messenger: Arc<Messenger>,
    pub(crate) router: Router,
    pub(crate) store: Arc<SqlStore>,
    pub(crate) pushes: Option<Pushes>,
    stop: CancellationToken,
    pub(crate) tasks: JoinSet<()>,
    pub(crate) folder: tempfile::TempDir,
    /// Where it is asked, if not in process.
    pub(crate) live: Option<Live>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub(crate) async fn start_with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(store_in(folder.path()).await);
        Self::start_on(store, folder, setup)
    }

    /// The same again over what is kept: nothing that was in memory is known any more.
    pub(crate) async fn restart(self) -> Self {
        let (store, folder) = self.end().await;
        Self::start_on(store, folder, Setup::default())
    }

    fn start_on(store: Arc<SqlStore>, folder: tempfile::TempDir, setup: Setup) -> Self {
        let engine = Arc::new(Engine::in_memory());
        let keys = KeyPair {
            key: "chinwag-key".to_owned(),
            secret: Secret::new("chinwag-secret"),
        };
        let app = engine
            .apps
            .add("messenger", vec![keys], AppOptions::default(), Vec::new())
            .unwrap();
        let (event_feed, feed_task) = feed::channel();
        let blobs = DiskBlobs::open(&folder.path().join("files")).unwrap();
        let messenger = Messenger::new(store.clone(), Arc::new(event_feed), setup.messenger)
            .with_files(Arc::new(blobs), &folder.path().join("arriving"))
            .unwrap();
        let messenger = Arc::new(messenger);
        let presence = Presence::new(app.number, setup.presence);
        engine.observe(presence.clone());
        let (whispers, whispers_task) = Whispers::new(presence.clone());
        engine.guard(app.number, whispers);
        let push = setup.push.map(|options| {
            let vapid = Vapid::new(&Vapid::generate().unwrap(), "mailto:test@example.org".to_owned());
            chinwag_server::push::channel(vapid.unwrap(), options).unwrap()
        });
        let (pushes, push_task) = push.unzip();
        let api = MessengerApi::new(
            messenger.clone(),
            engine.clone(),
            app.clone(),
            presence.clone(),
            ApiOptions {
                push: pushes.clone(),
                ..setup.api
            },
        );
        let admin = AppAdmin::new(store.clone(), ["messenger".to_owned()]);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(feed_task.run(api.clone(), stop.clone()));
        tasks.spawn(presence.run(api.clone(), stop.clone()));
        if let Some(task) = push_task {
            tasks.spawn(task.run(api.clone(), stop.clone()));
        }
        tasks.spawn(whispers_task.run(api.clone(), stop.clone()));
        if let Some(mailer) = setup.mailer {
            tasks.spawn(send_mail(
                messenger.clone(),
                mailer,
                "Chinwag".to_owned(),
                stop.clone(),
            ));
        }
        Self {
            engine,
            app,
            messenger,
            router: router(api.clone())
                .merge(laravel::router(api.clone()))
                .merge(apps::router(AppsApi::new(api, admin))),
            store,
            pushes,
            stop,
            tasks,
            folder,
            live: None,
        }
    }

    /// Ends the tasks in order, which must not take long.
    pub(crate) async fn stop(self) {
        self.end().await;
    }

    pub(crate) async fn end(mut self) -> (Arc<SqlStore>, tempfile::TempDir) {
        if let Some(live) = self.live.take() {
            live.end().await;
        }
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(5), ended)
            .await
            .expect("the tasks end when told to");
        (self.store, self.folder)
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        self.ask_exactly(method, &format!("/api/v1{path}"))
    }

    /// The same outside of the messenger's own API.
    pub(crate) fn ask_exactly(&self, method: Method, path: &str) -> Ask<'_> {
        Ask {
            server: self,
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Body::empty(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Ask<'_> {
        self.ask(Method::POST, path)
            .body("application/json", body.to_string())
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Ask<'_> {
        self.ask(Method::PATCH, path)
            .body("application/json", body.to_string())
    }

    pub(crate) fn delete(&self, path: &str) -> Ask<'_> {
        self.ask(Method::DELETE, path)
    }

    /// The id of a new group.
    pub(crate) async fn group(&self, by: &Person, others: &[&Person]) -> i64 {
        let ids: Vec<i64> = others.iter().map(|other| other.id).collect();
        let given = json!({"kind": "group", "title": "Group", "member_ids": ids});
        let answer = self.post("/conversations", &given).by(by).send().await;
        answer.json["conversation"]["id"]
            .as_i64()
            .unwrap_or_else(|| panic!("{}", answer.text))
    }

    /// A new account, logged in.
    pub(crate) async fn person(&self, username: &str) -> Person {
        let given =
            json!({"username": username, "password": "correct horse", "display_name": name(username)});
        let answer = self.post("/auth/register", &given).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        Person {
            id: answer.json["user"]["id"].as_i64().unwrap(),
            token: answer.json["token"].as_str().unwrap().to_owned(),
        }
    }

    /// New accounts, logged in, one after the other.
    pub(crate) async fn people<const N: usize>(&self, names: [&str; N]) -> [Person; N] {
        let mut people = Vec::with_capacity(N);
        for name in names {
            people.push(self.person(name).await);
        }
        people.try_into().ok().unwrap()
    }

    /// The id of a direct conversation.
    pub(crate) async fn direct(&self, by: &Person, with: &Person) -> i64 {
        let given = json!({"kind": "direct", "user_id": with.id});
        let answer = self.post("/conversations", &given).by(by).send().await;
        answer.json["conversation"]["id"]
            .as_i64()
            .unwrap_or_else(|| panic!("{}", answer.text))
    }

    /// A message sent under a new key.
    pub(crate) async fn say(&self, by: &Person, conversation: i64, body: &str) -> Value {
        let given = json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": body});
        let answer = self
            .post(&format!("/conversations/{conversation}/messages"), &given)
            .by(by)
            .send()
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json
    }

    /// A worker thread's place in the engine, with us at the receiving end.
    pub(crate) fn worker(&self) -> Worker {
        let (sender, inbox) = mpsc::unbounded_channel();
        let number = self.engine.node().add_worker(Arc::new(Sender(sender)));
        Worker {
            engine: self.engine.clone(),
            app: self.app.clone(),
            number,
            inbox,
        }
    }
}

pub(crate) fn name(username: &str) -> String {
    format!("{}{} Whitlock", username[..1].to_uppercase(), &username[1..])
}

/// Somebody with a token.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) token: String,
}

impl Person {
    pub(crate) fn channel(&self) -> String {
        format!("private-user.{}", self.id)
    }
}

/// A request in the making.
pub(crate) struct Ask<'a> {
    server: &'a Server,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Ask<'_> {
    pub(crate) fn by(self, person: &Person) -> Self {
        let token = format!("Bearer {}", person.token);
        self.header("authorization", &token)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, content_type: &str, bytes: impl Into<Body>) -> Self {
        self.headers.retain(|(name, _)| name != "content-type");
        self.body = bytes.into();
        self.header("content-type", content_type)
    }

    pub(crate) async fn send(self) -> Answer {
        let answer = self.send_bare().await;
        assert!(answer.header("x-request-id").is_some(), "every answer has an id");
        answer
    }

    /// The same for what is answered before it is a request of ours.
    pub(crate) async fn send_bare(self) -> Answer {
        let (method, path) = (self.method.clone(), self.path.clone());
        let mut request = Request::builder().method(self.method).uri(&self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(self.body).unwrap();
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 40_000))));
        let (status, headers, bytes) = match &self.server.live {
            Some(live) => live.ask(request).await,
            None => {
                let response = self.server.router.clone().oneshot(request).await.unwrap();
                let (parts, body) = response.into_parts();
                let bytes = body.collect().await.unwrap().to_bytes();
                (parts.status.as_u16(), parts.headers, bytes)
            }
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let content_type = headers.get("content-type").map(|kind| kind.to_str().unwrap());
        contract::check(&method, &path, status, content_type, &text);
        Answer {
            status,
            headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
            bytes,
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
    pub(crate) text: String,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The value of a cookie that was set.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let lines = self
            .headers
            .get_all("set-cookie")
            .iter()
            .map(|line| line.to_str().unwrap());
        lines
            .filter_map(|line| line.split(';').next()?.split_once('='))
            .find_map(|(key, value)| (key == name).then(|| value.to_owned()))
    }

    /// A refusal.
    #[track_caller]
    pub(crate) fn check_code(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.json["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
    }

    /// The whole answer, times aside.
    #[track_caller]
    pub(crate) fn check(&self, status: u16, json: &Value) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(timeless(&self.json), *json, "{}", self.text);
    }
}

/// The same with `<time>` for every time in the one spelling that is allowed.
pub(crate) fn timeless(json: &Value) -> Value {
    match json {
        Value::String(text) if is_time(text) => json!("<time>"),
        Value::Array(items) => items.iter().map(timeless).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), timeless(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// The same of a message without what only its author is told.
pub(crate) fn as_told(message: &Value) -> Value {
    let mut message = timeless(message);
    if let Some(fields) = message.as_object_mut() {
        fields.remove("status");
    }
    message
}

fn is_time(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "0000-00-00T00:00:00.000Z"
}

struct Sender(mpsc::UnboundedSender<Inboxed>);

impl Inbox for Sender {
    /// What goes to many channels at once is looked at as it would be on each.
    fn put(&self, item: Inboxed) {
        let Inboxed::Deliveries(delivery, channels) = item else {
            let _ = self.0.send(item);
            return;
        };
        for channel in channels {
            let mut publication = delivery.publication.clone();
            publication.channel = channel;
            let _ = self.0.send(Inboxed::Delivery(Delivery::new(publication, None)));
        }
    }

    fn is_full(&self) -> bool {
        false
    }
}

/// What a connected client hears.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Event {
        channel: String,
        name: String,
        data: Value,
    },
    Closed(ConnectionId),
    /// Told to log in anew, for this reason, and closed.
    LoggedOut(ConnectionId, String),
    Renewed(ConnectionId),
}

/// Stands in for a worker thread and its sockets.
pub(crate) struct Worker {
    engine: Arc<Engine>,
    app: Arc<App>,
    number: WorkerNumber,
    inbox: mpsc::UnboundedReceiver<Inboxed>,
}

impl Worker {
    /// A socket of the person joins its user channel.
    pub(crate) async fn connect(&self, person: &Person, socket: &str) {
        self.join(&person.channel(), socket).await;
    }

    /// A socket of the person opens a conversation.
    pub(crate) async fn look_at(&self, person: &Person, conversation: i64, socket: &str) {
        let member = Member {
            user: UserId(person.id.to_string().into()),
            info: None,
        };
        let channel = format!("presence-conversation.{conversation}");
        self.join_as(&channel, socket, Some(member)).await;
    }

    /// A socket joins a channel.
    pub(crate) async fn join(&self, channel: &str, socket: &str) {
        self.join_as(channel, socket, None).await;
    }

    async fn join_as(&self, channel: &str, socket: &str, member: Option<Member>) {
        let channel = ChannelName::parse(channel).unwrap();
        self.engine
            .subscribe(
                self.number,
                socket.parse().unwrap(),
                &self.app,
                &channel,
                member,
                Beginning::default(),
            )
            .await
            .unwrap();
    }

    /// A socket of the person says something on a channel, as a client may.
    pub(crate) async fn whisper(
        &self,
        person: &Person,
        socket: &str,
        channel: &str,
        event: &str,
        data: &Value,
    ) {
        let user = UserId(person.id.to_string().into());
        self.whisper_as(Some(user), socket, channel, event, data).await;
    }

    /// The same on a channel that does not know its listeners.
    pub(crate) async fn whisper_unnamed(&self, socket: &str, channel: &str, event: &str, data: &Value) {
        self.whisper_as(None, socket, channel, event, data).await;
    }

    async fn whisper_as(&self, user: Option<UserId>, socket: &str, channel: &str, event: &str, data: &Value) {
        let connection: ConnectionId = socket.parse().unwrap();
        let publication = Publication {
            app: self.app.number,
            channel: ChannelName::parse(channel).unwrap(),
            content: Content::Message {
                event: Some(event.into()),
                data: data.to_string().into(),
            },
            publisher: Some(Publisher { connection, user }),
            except: Some(connection),
        };
        self.engine.publish_of_client(publication).await.unwrap();
    }

    pub(crate) async fn disconnect(&self, person: &Person, socket: &str) {
        let channel = ChannelName::parse(&person.channel()).unwrap();
        self.engine
            .unsubscribe(
                self.number,
                socket.parse().unwrap(),
                self.app.number,
                &channel,
                false,
            )
            .await;
    }

    /// The next thing in the inbox, as it is.
    pub(crate) async fn next(&mut self) -> Inboxed {
        let next = tokio::time::timeout(Duration::from_secs(5), self.inbox.recv()).await;
        next.expect("something arrives").unwrap()
    }

    /// The next thing that arrives, besides who looks at what.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            return match self.next().await {
                Inboxed::Disconnect {
                    connection,
                    farewell: None,
                    ..
                } => Heard::Closed(connection),
                Inboxed::Disconnect {
                    connection,
                    farewell: Some(farewell),
                    ..
                } => logged_out(connection, &farewell),
                Inboxed::Renew { connection, .. } => Heard::Renewed(connection),
                Inboxed::Delivery(delivery) => match &delivery.publication.content {
                    Content::Joined { .. } | Content::Left { .. } => continue,
                    _ => event(&delivery),
                },
                order @ Inboxed::DisconnectUser { .. } => panic!("{order:?}"),
                Inboxed::CloseApp(app) => unreachable!("nobody closes {app:?}"),
                Inboxed::Deliveries(..) => unreachable!("they were taken apart"),
            };
        }
    }

    /// The next event, which must have this name and be for this person.
    pub(crate) async fn hear_event(&mut self, whose: &Person, expected: &str) -> Value {
        match self.hear().await {
            Heard::Event { channel, name, data } => {
                assert_eq!((name.as_str(), channel), (expected, whose.channel()), "{data}");
                data
            }
            closed @ (Heard::Closed(_) | Heard::LoggedOut(..) | Heard::Renewed(_)) => {
                panic!("{closed:?} instead of {expected}")
            }
        }
    }

    /// Nothing has arrived.
    pub(crate) fn silence(&mut self) {
        if let Ok(item) = self.inbox.try_recv() {
            panic!("{item:?}");
        }
    }
}

/// Panics when the document knows no such event, or not with such a payload.
#[track_caller]
pub(crate) fn check_event(name: &str, data: &Value) {
    let Some(schema) = openapi::document()["x-events"].get(name) else {
        // What clients say to each other is theirs, and Laravel has its own.
        if name.starts_with("client-") || name.contains('\\') {
            return;
        }
        panic!("{name} is not in the document")
    };
    let key = ("EVENT".to_owned(), name.to_owned(), 0);
    let faults = contract::faults(&key, schema, data);
    assert!(
        faults.is_empty(),
        "{name} is not as documented: {faults:#?}\n{data:#}"
    );
}

fn logged_out(connection: ConnectionId, farewell: &Delivery) -> Heard {
    let Heard::Event { channel, name, data } = event(farewell) else {
        unreachable!("a message is an event")
    };
    assert!(channel.starts_with("private-user."), "{channel}");
    assert_eq!((name.as_str(), &data["v"]), ("logout.required", &json!(1)));
    Heard::LoggedOut(connection, data["reason"].as_str().unwrap().to_owned())
}

fn event(delivery: &Delivery) -> Heard {
    let Content::Message { event, data } = &delivery.publication.content else {
        panic!("{delivery:?}")
    };
    let channel = delivery.publication.channel.as_str().to_owned();
    let name = event.as_deref().unwrap().to_owned();
    let data = serde_json::from_slice(data).unwrap();
    // On the channels of other applications everybody says what it likes.
    let own = ["private-user.", "presence-conversation.", "private-conversation."];
    if own.iter().any(|prefix| channel.starts_with(prefix)) {
        check_event(&name, &data);
    }
    Heard::Event { channel, name, data }
}
