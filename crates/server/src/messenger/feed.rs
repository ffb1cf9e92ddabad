//! From what happened in the messenger to publications on users' channels.
//!
//! [`EventFeed`] takes events without blocking; [`FeedTask`] writes each as JSON once and publishes it to those
//! of its audience who are connected, in the order the events came. Receipts go a way of their own (`feed/receipts.rs`).

mod receipts;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chinwag_engine::{Engine, Publication, PublishError};
use chinwag_messenger::{Audience, ConversationId, Event, Feed, UserId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use receipts::Receipts;

use super::realtime::user_channel;
use super::{MessengerApi, view};
use crate::laravel::notification::{self, Notifier};
use crate::push::Occasion;

/// Events that may wait. One that finds no room is dropped and counted: its receivers see the hole in the
/// revs with the next event, or when they synchronise, and fetch what they miss.
const QUEUE_MAX: usize = 16_384;

/// How often, and after which pause, a publication is tried again while the node's workers are behind.
const BUSY_TRIES: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// What became of events.
#[derive(Debug, Default)]
pub struct FeedCounters {
    /// Dropped because the queue was full.
    pub dropped: AtomicU64,
    /// Publications given up because the engine did not take them.
    pub refused: AtomicU64,
}

/// Takes the messenger's events.
#[derive(Debug)]
pub struct EventFeed {
    queue: mpsc::Sender<(Audience, Event)>,
    receipts: Arc<Receipts>,
    counters: Arc<FeedCounters>,
}

/// Publishes what the [`EventFeed`] has taken.
#[derive(Debug)]
pub struct FeedTask {
    queue: mpsc::Receiver<(Audience, Event)>,
    receipts: Arc<Receipts>,
    counters: Arc<FeedCounters>,
}

/// Both ends of the feed: one for `Messenger::new`, one to be run.
pub fn channel() -> (EventFeed, FeedTask) {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    let counters = Arc::new(FeedCounters::default());
    let receipts = Arc::new(Receipts::default());
    (
        EventFeed {
            queue: sender,
            receipts: receipts.clone(),
            counters: counters.clone(),
        },
        FeedTask {
            queue: receiver,
            receipts,
            counters,
        },
    )
}

impl FeedCounters {
    fn refuse(&self, publications: u64) {
        self.refused.fetch_add(publications, Ordering::Relaxed);
    }
}

impl EventFeed {
    /// What became of events.
    pub fn counters(&self) -> &Arc<FeedCounters> {
        &self.counters
    }
}

impl Feed for EventFeed {
    fn deliver(&self, audience: &Audience, event: &Event) {
        let Audience::Users(users) = audience;
        if self.receipts.take(users, event) {
            return;
        }
        if self.queue.try_send((audience.clone(), event.clone())).is_err() {
            let dropped = self.counters.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                warn!(
                    dropped,
                    "The event feed is overrun; clients will catch up by synchronising"
                );
            }
        }
    }
}

impl FeedTask {
    /// Publishes until cancelled; then what waits already, and ends.
    pub async fn run(mut self, api: Arc<MessengerApi>, cancellation: CancellationToken) {
        let (notifier, notifications) = notification::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(notifications.run(api.clone()));
        tasks.spawn(self.receipts.clone().run(api.clone(), self.counters.clone()));
        loop {
            let next = tokio::select! {
                biased;
                () = cancellation.cancelled() => break,
                next = self.queue.recv() => next,
            };
            let Some((audience, event)) = next else { break };
            self.publish(&api, &notifier, &audience, &event).await;
        }
        self.queue.close();
        while let Some((audience, event)) = self.queue.recv().await {
            self.publish(&api, &notifier, &audience, &event).await;
        }
        drop(notifier);
        self.receipts.close();
        while tasks.join_next().await.is_some() {}
    }

    async fn publish(
        &self,
        api: &MessengerApi,
        notifier: &Notifier,
        Audience::Users(users): &Audience,
        event: &Event,
    ) {
        if let Event::LoggedOut { user, login, reason } = event {
            api.presence.leaving(*user);
            api.dismiss(*login, *user, *reason);
        }
        if let Event::ConversationAdded { conversation, .. } = event {
            self.publish_added(api, users, *conversation, event).await;
        } else if let Some(view) = view::Event::of(event) {
            let refused = tell(api, users, view).await;
            self.counters.refuse(refused);
        }
        if let Event::ConversationRemoved {
            conversation, user, ..
        } = event
        {
            api.sockets
                .expel(*user, *conversation, api.app.number, &api.engine);
        }
        let (message, concerned, occasion) = match event {
            Event::MessageCreated { message, .. } => (message, users.clone(), Occasion::Sent),
            Event::MessageUpdated { message, named, .. } if !named.is_empty() => {
                let told = users.iter().copied();
                let concerned = told.filter(|user| named.binary_search(user).is_ok());
                (message, concerned.collect(), Occasion::Edited(message.edit_count))
            }
            _ => return,
        };
        notifier.notify(api, &concerned, message);
        if let Some(push) = &api.options.push {
            push.offer(api, &concerned, message, occasion);
        }
    }
}

impl FeedTask {
    /// Each is told what the conversation is in its own list.
    async fn publish_added(
        &self,
        api: &MessengerApi,
        users: &[UserId],
        conversation: ConversationId,
        event: &Event,
    ) {
        for user in users {
            if !api.engine.has_subscribers(api.app.number, &user_channel(*user)) {
                continue;
            }
            let item = match api.messenger.item_of(*user, conversation).await {
                Ok(item) => item,
                Err(error) => {
                    warn!(%error, "An event goes without its list item");
                    None
                }
            };
            if let Some(view) = view::Event::of(event) {
                let view = view.with_item(item.as_ref());
                let refused = tell(api, &[*user], view).await;
                self.counters.refuse(refused);
            }
        }
    }
}

/// Publishes an event to those of the users who are connected. Returns how many publications the engine did
/// not take.
pub(super) async fn tell(api: &MessengerApi, users: &[UserId], event: view::Event<'_>) -> u64 {
    let (engine, app) = (&api.engine, &api.app);
    let listeners = api.presence.listeners();
    let listening = listeners.among(users.iter().copied(), (engine, app.number), user_channel);
    let channels: Vec<_> = listening.into_iter().map(|(_, channel)| channel).collect();
    let Some(first) = channels.first() else { return 0 };
    let (name, data) = encode(event, api.options.event_bytes_max);
    let publication = Publication::message(app.number, first.clone(), name, data);
    let listening = channels.len() as u64;
    match waiting(|| engine.publish_each(publication.clone(), channels.clone())).await {
        Ok(()) => 0,
        Err(error) => {
            warn!(%error, "An event could not be published; clients will catch up by synchronising");
            listening
        }
    }
}

/// Waits while the node's workers are behind, which also holds back the events after this one.
pub(crate) async fn publish(engine: &Engine, publication: Publication) -> Result<(), PublishError> {
    waiting(|| engine.publish(publication.clone())).await.map(drop)
}

/// For one socket that is closed right after it.
pub(super) fn farewell(api: &MessengerApi, user: UserId, event: view::Event<'_>) -> Publication {
    let (name, data) = encode(event, api.options.event_bytes_max);
    Publication::message(api.app.number, user_channel(user), name, data)
}

async fn waiting<T, F: Future<Output = Result<T, PublishError>>>(
    mut publish: impl FnMut() -> F,
) -> Result<T, PublishError> {
    for _ in 1..BUSY_TRIES {
        match publish().await {
            Err(PublishError::Busy) => tokio::time::sleep(BUSY_PAUSE).await,
            outcome => return outcome,
        }
    }
    publish().await
}

/// The event as JSON of at most so many bytes. Of a longer message as much is told as fits; what cannot be cut
/// makes receivers synchronise instead.
fn encode(mut event: view::Event<'_>, bytes_max: usize) -> (&'static str, Bytes) {
    let reason = loop {
        match serde_json::to_vec(&event) {
            Ok(json) if json.len() <= bytes_max => return (event.name(), json.into()),
            Ok(_) if event.cut() => {}
            Ok(_) => break "payload_too_large",
            Err(error) => {
                error!(%error, "An event could not be written as JSON");
                break "event_failed";
            }
        }
    };
    let event = view::Event::sync_required(reason);
    let json = serde_json::to_vec(&event).expect("words and numbers always become JSON");
    (event.name(), json.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chinwag_messenger::Timestamp;

    #[test]
    fn an_overrun_feed_drops_and_counts_and_never_blocks() {
        let (feed, _task) = channel();
        let event = Event::ConversationAdded {
            conversation: ConversationId(1),
            user_rev: 1,
            at: Timestamp(0),
        };
        for _ in 0..QUEUE_MAX + 3 {
            feed.deliver(&Audience::Users(vec![UserId(1)]), &event);
        }
        assert_eq!(feed.counters().dropped.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn what_is_too_large_to_publish_tells_clients_to_synchronise() {
        let event = Event::MembersChanged {
            conversation: ConversationId(1),
            rev: 1,
            at: Timestamp(0),
            added: Vec::new(),
            removed: (0..20_000).map(UserId).collect(),
            updated: Vec::new(),
            member_count: 1,
            message: None,
        };
        let (name, data) = encode(view::Event::of(&event).unwrap(), 64 * 1024);
        assert_eq!(
            (name, &*data),
            ("sync.required", &br#"{"v":1,"reason":"payload_too_large"}"#[..])
        );
    }
}
