//! The live log: what is happening on this node, for administrators who watch.
//!
//! When nobody watches it costs one atomic load. When somebody does, no more than so many entries a second are
//! taken, and they leave in batches as publications on a channel of the messenger's app.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chinwag_engine::{AppNumber, ChannelName, ConnectionId, Engine, Observer, Publication};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Who may listen to it is for the messenger to say.
pub const LOG_CHANNEL: &str = "private-admin-log";
const EVENT: &str = "log.entries";

/// Entries taken in one second; the rest are counted only.
const ENTRIES_PER_S: u32 = 200;
/// Longest payload shown.
const PAYLOAD_BYTES_MAX: usize = 2_048;
/// Longest batch, give or take an entry.
const BATCH_BYTES_MAX: usize = 48 * 1_024;
const FLUSH_EVERY: Duration = Duration::from_millis(250);

/// What an entry tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EntryKind {
    Connection,
    Disconnection,
    Occupied,
    Vacated,
    Subscribed,
    Unsubscribed,
    ClientEvent,
    ApiMessage,
    Refusal,
}

/// One thing that happened. Never holds a secret, a signature or the address of a client.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    kind: EntryKind,
    app: AppNumber,
    channel: Option<&'a str>,
    connection: Option<ConnectionId>,
    event: Option<&'a str>,
    detail: Option<&'a str>,
    payload: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(kind: EntryKind, app: AppNumber) -> Self {
        Self {
            kind,
            app,
            channel: None,
            connection: None,
            event: None,
            detail: None,
            payload: None,
        }
    }

    pub(crate) fn on(mut self, channel: &'a str) -> Self {
        self.channel = Some(channel);
        self
    }

    pub(crate) fn of(mut self, connection: ConnectionId) -> Self {
        self.connection = Some(connection);
        self
    }

    pub(crate) fn event(mut self, name: &'a str, payload: &'a [u8]) -> Self {
        self.event = Some(name);
        self.payload = Some(payload);
        self
    }

    pub(crate) fn detail(mut self, detail: &'a str) -> Self {
        self.detail = Some(detail);
        self
    }
}

/// An entry as it waits, with its payload cut to size.
#[derive(Debug)]
struct Taken {
    at_ms: i64,
    kind: EntryKind,
    app: AppNumber,
    channel: Option<String>,
    connection: Option<ConnectionId>,
    event: Option<String>,
    detail: Option<String>,
    bytes: Option<usize>,
    data: Option<String>,
    cut: bool,
}

/// How many entries may still be taken in this second.
#[derive(Debug, Default)]
struct Budget {
    second: i64,
    taken: u32,
}

impl Budget {
    fn take(&mut self, at_ms: i64) -> bool {
        let second = at_ms / 1_000;
        if self.second != second {
            *self = Self { second, taken: 0 };
        }
        self.taken += 1;
        self.taken <= ENTRIES_PER_S
    }
}

#[derive(Debug, Default)]
struct Waiting {
    budget: Budget,
    entries: Vec<Taken>,
    left_out: u64,
}

/// The log. Register it with `Engine::observe`, and let it run.
#[derive(Debug, Default)]
pub struct EventLog {
    watched: AtomicBool,
    /// Bounded by the budget and the time between flushes.
    waiting: Mutex<Waiting>,
    changed: Notify,
    /// The messenger's app. What people say to each other there is not for the log.
    confidential: OnceLock<AppNumber>,
}

impl EventLog {
    /// Whether anybody watches.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Takes an entry, if anybody watches and there is room.
    pub(crate) fn note<'a>(&self, entry: impl FnOnce() -> Entry<'a>) {
        if !self.is_watched() {
            return;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let at_ms = since.map_or(0, |since| since.as_millis() as i64);
        let mut waiting = self.waiting.lock();
        if waiting.budget.take(at_ms) {
            let mut taken = taken(at_ms, &entry());
            if self.confidential.get() == Some(&taken.app) {
                taken.data = None;
            }
            waiting.entries.push(taken);
        } else {
            waiting.left_out += 1;
        }
    }

    /// Publishes what is noted on the log's channel of `app`, while somebody listens to it there.
    pub async fn run(self: Arc<Self>, engine: Arc<Engine>, app: AppNumber, cancellation: CancellationToken) {
        let channel = ChannelName::parse(LOG_CHANNEL).expect("a valid name");
        self.confidential.get_or_init(|| app);
        loop {
            let watched = engine.has_subscribers(app, &channel);
            self.watched.store(watched, Ordering::Relaxed);
            let pause = async {
                if watched {
                    tokio::time::sleep(FLUSH_EVERY).await;
                } else {
                    self.changed.notified().await;
                }
            };
            tokio::select! {
                biased;
                () = cancellation.cancelled() => return,
                () = pause => {}
            }
            self.flush(&engine, app, &channel).await;
        }
    }

    async fn flush(&self, engine: &Engine, app: AppNumber, channel: &ChannelName) {
        let waiting = {
            let mut waiting = self.waiting.lock();
            let entries = std::mem::take(&mut waiting.entries);
            (entries, std::mem::take(&mut waiting.left_out))
        };
        let (entries, left_out) = waiting;
        let id_of = |number| engine.apps.get(number).map(|app| app.id.clone());
        for batch in batches(&entries, left_out, &id_of) {
            let publication = Publication::message(app, channel.clone(), EVENT, batch);
            if let Err(error) = engine.publish(publication).await {
                debug!(%error, "A batch of the live log was lost");
            }
        }
    }
}

impl Observer for EventLog {
    fn occupied(&self, app: AppNumber, channel: &ChannelName) {
        // Whose app it is is asked by the task.
        if channel.as_str() == LOG_CHANNEL {
            self.changed.notify_one();
        }
        self.note(|| Entry::new(EntryKind::Occupied, app).on(channel.as_str()));
    }

    fn counted(&self, _: AppNumber, _: &ChannelName) {}

    fn vacated(&self, app: AppNumber, channel: &ChannelName) {
        self.note(|| Entry::new(EntryKind::Vacated, app).on(channel.as_str()));
    }
}

fn taken(at_ms: i64, entry: &Entry<'_>) -> Taken {
    let data = entry
        .payload
        .map(|payload| cut(&String::from_utf8_lossy(payload)));
    Taken {
        at_ms,
        kind: entry.kind,
        app: entry.app,
        channel: entry.channel.map(str::to_owned),
        connection: entry.connection,
        event: entry.event.map(str::to_owned),
        detail: entry.detail.map(str::to_owned),
        bytes: entry.payload.map(<[u8]>::len),
        cut: data.as_ref().is_some_and(|(_, cut)| *cut),
        data: data.map(|(data, _)| data),
    }
}

/// The text up to the longest payload shown, and whether that is less than all of it.
fn cut(text: &str) -> (String, bool) {
    let end = text.floor_char_boundary(PAYLOAD_BYTES_MAX);
    (text[..end].to_owned(), end < text.len())
}

/// Entries as JSON documents of a bearable size each.
fn batches(
    entries: &[Taken],
    mut left_out: u64,
    id_of: &impl Fn(AppNumber) -> Option<String>,
) -> Vec<Vec<u8>> {
    #[derive(Serialize)]
    struct View<'a> {
        at: String,
        r#type: EntryKind,
        app: Option<String>,
        channel: Option<&'a str>,
        socket_id: Option<String>,
        event: Option<&'a str>,
        detail: Option<&'a str>,
        bytes: Option<usize>,
        data: Option<&'a str>,
        cut: bool,
    }
    let mut batches = Vec::new();
    let mut batch: Vec<Vec<u8>> = Vec::new();
    let mut size = 0;
    let mut close = |batch: &mut Vec<Vec<u8>>, size: &mut usize| {
        if batch.is_empty() && left_out == 0 {
            return;
        }
        let mut document = br#"{"v":1,"entries":["#.to_vec();
        document.extend(batch.join(&b','));
        document.extend(format!(r#"],"left_out":{left_out}}}"#).bytes());
        batches.push(document);
        (left_out, *size) = (0, 0);
        batch.clear();
    };
    for entry in entries {
        let at = jiff::Timestamp::from_millisecond(entry.at_ms).unwrap_or_default();
        let view = View {
            at: format!("{at:.3}"),
            r#type: entry.kind,
            app: id_of(entry.app),
            channel: entry.channel.as_deref(),
            socket_id: entry.connection.map(|id| id.to_string()),
            event: entry.event.as_deref(),
            detail: entry.detail.as_deref(),
            bytes: entry.bytes,
            data: entry.data.as_deref(),
            cut: entry.cut,
        };
        let json = serde_json::to_vec(&view).expect("strings and numbers always become JSON");
        size += json.len();
        batch.push(json);
        if size > BATCH_BYTES_MAX {
            close(&mut batch, &mut size);
        }
    }
    close(&mut batch, &mut size);
    batches
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn log() -> EventLog {
        let log = EventLog::default();
        log.watched.store(true, Ordering::Relaxed);
        log
    }

    fn written(log: &EventLog) -> Vec<Value> {
        let waiting = std::mem::take(&mut *log.waiting.lock());
        let batches = batches(&waiting.entries, waiting.left_out, &|_| Some("shop".to_owned()));
        batches
            .iter()
            .map(|batch| serde_json::from_slice(batch).unwrap())
            .collect()
    }

    #[test]
    fn nothing_is_even_made_when_nobody_watches() {
        let log = EventLog::default();
        log.note(|| panic!("nobody watches"));
        assert!(written(&log).is_empty());
    }

    #[test]
    fn a_second_has_room_for_so_many() {
        let mut budget = Budget::default();
        let taken = |budget: &mut Budget, at_ms| (0..1_000).filter(|_| budget.take(at_ms)).count();
        assert_eq!(taken(&mut budget, 5_000), 200);
        assert_eq!(taken(&mut budget, 5_999), 0);
        assert_eq!(taken(&mut budget, 6_000), 200);
    }

    #[test]
    fn an_entry_says_what_it_knows_and_long_payloads_are_cut() {
        let log = log();
        let payload = "é".repeat(3_000);
        let socket = "7.8".parse().unwrap();
        log.note(|| {
            let entry = Entry::new(EntryKind::ClientEvent, AppNumber(0))
                .on("room")
                .of(socket);
            entry.event("client-move", payload.as_bytes())
        });
        let batches = written(&log);
        let entry = &batches[0]["entries"][0];
        let field = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            [
                field("type"),
                field("app"),
                field("channel"),
                field("socket_id"),
                field("event")
            ],
            ["client_event", "shop", "room", "7.8", "client-move"]
        );
        assert_eq!(
            (field("data").len(), &entry["bytes"], &entry["cut"]),
            (2_048, &6_000.into(), &true.into())
        );
    }

    #[test]
    fn what_people_say_to_each_other_is_not_shown() {
        let log = log();
        log.confidential.set(AppNumber(1)).unwrap();
        for app in [AppNumber(0), AppNumber(1)] {
            log.note(|| Entry::new(EntryKind::ClientEvent, app).event("client-typing", b"hush"));
        }
        let batches = written(&log);
        let shown = |n: usize| {
            (
                &batches[0]["entries"][n]["data"],
                &batches[0]["entries"][n]["bytes"],
            )
        };
        assert_eq!(shown(0), (&"hush".into(), &4.into()));
        assert_eq!(shown(1), (&Value::Null, &4.into()));
    }

    #[test]
    fn many_entries_leave_in_several_batches() {
        let log = log();
        let payload = [b'x'; 2_000];
        for _ in 0..60 {
            log.note(|| Entry::new(EntryKind::ApiMessage, AppNumber(0)).event("e", &payload));
        }
        log.waiting.lock().left_out = 5;
        let batches = written(&log);
        assert_eq!(batches.len(), 3);
        assert_eq!(
            (&batches[0]["left_out"], &batches[1]["left_out"]),
            (&5.into(), &0.into())
        );
        let all: usize = batches
            .iter()
            .map(|b| b["entries"].as_array().unwrap().len())
            .sum();
        assert_eq!(all, 60);
    }
}
