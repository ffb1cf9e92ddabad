//! Notifications by web push, for those who are not there. [`Pushes`] takes messages without blocking; [`PushTask`]
//! waits where somebody may still look, has the messenger say what is to be told, and carries it to push services.
//!
//! What waits is only in memory and bounded: a push that is lost is a sound that is not heard, and the message is
//! there all the same.

mod courier;
mod queue;
mod seal;
mod vapid;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chinwag_messenger::{
    LoginId, Message, MessageId, MessageKind, Notification, PushSubscription, StoreResult, UserId,
};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::messenger::MessengerApi;
use courier::{Carried, HttpCourier, Sealed};
use queue::Queue;

pub(crate) use courier::{EndpointError, endpoint};
pub(crate) use seal::fits;
pub use vapid::{Vapid, VapidError};

/// Messages that may wait to be looked at. One that finds no room is told to nobody.
const QUEUE_MAX: usize = 4_096;
/// People who are looked at again after a while. One who finds no room is looked at at once.
const WAITING_MAX: usize = 16_384;
/// Pushes that may wait to be sent, and to be sent again. The oldest makes room.
const PARCELS_MAX: usize = 4_096;
/// Pushes under way at once.
const FLYING_MAX: usize = 32;
/// Messages that are known again: a message that is sent again by its author is told again.
const KNOWN_MAX: usize = 4_096;
/// How often it is asked who takes pushes at all: other nodes and ended logins change that, too.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Largest payload: push services take 4,096 bytes with what encryption adds.
const PAYLOAD_BYTES_MAX: usize = 3 * 1_024;
/// No push service can have us wait for longer.
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// How pushes behave.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// How long a message may stay unseen by somebody who is connected, but not at the keyboard.
    pub unseen_wait: Duration,
    /// The first pause before a push is tried again; it grows fourfold with every further one.
    pub retry_pause: Duration,
    /// How often a push is tried.
    pub tries: u32,
    /// Pushes may go into our own network, and in the clear.
    pub private_addresses: bool,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            unseen_wait: Duration::from_secs(10),
            retry_pause: Duration::from_secs(2),
            tries: 6,
            private_addresses: false,
        }
    }
}

/// What became of pushes.
#[derive(Debug, Default)]
pub struct PushCounters {
    /// Taken by a push service.
    pub delivered: AtomicU64,
    /// Not taken now, and to be tried again.
    pub postponed: AtomicU64,
    /// Devices that their push service knows no more, and that are forgotten.
    pub gone: AtomicU64,
    /// Refused by a push service for good.
    pub refused: AtomicU64,
    /// Given up after the last try.
    pub given_up: AtomicU64,
    /// Of devices whose keys or address are of no use, the latter perhaps for leading into a private network.
    pub unusable: AtomicU64,
    /// Found no room.
    pub dropped: AtomicU64,
}

/// Takes messages to notify of. Cheap to clone.
#[derive(Clone)]
pub struct Pushes(Arc<Shared>);

struct Shared {
    queue: mpsc::Sender<Offer>,
    vapid: Vapid,
    options: PushOptions,
    /// Who has devices that take pushes, as far as this node knows.
    takers: Mutex<HashSet<UserId>>,
    /// Raised when one joins, so that an answer of the store from before does not forget it.
    joins: AtomicU64,
    counters: PushCounters,
}

impl std::fmt::Debug for Pushes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pushes(…)")
    }
}

/// Notifies of what [`Pushes`] has taken.
pub struct PushTask {
    queue: mpsc::Receiver<Offer>,
    shared: Arc<Shared>,
    courier: Arc<HttpCourier>,
    /// Who is looked at again, and when. All wait equally long.
    waiting: Queue<(UserId, MessageId), Instant>,
    ready: VecDeque<Parcel>,
    later: BTreeMap<(Instant, u64), Parcel>,
    flying: JoinSet<(Parcel, Carried)>,
    known: Queue<MessageId, ()>,
    /// Who was told of which message lately, and after how many edits: one told late was told all.
    told: Queue<(UserId, MessageId), u32>,
    parcels: u64,
}

/// A message, and who may have to be told of it.
struct Offer {
    message: MessageId,
    users: Vec<UserId>,
    occasion: Occasion,
}

/// Why a message is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// It was stored. That is so once, however often it is told.
    Sent,
    /// It was edited, and names people whom it did not name before. How often it has been edited so far.
    Edited(u32),
}

/// A notification on its way to a device.
struct Parcel {
    login: LoginId,
    subscription: PushSubscription,
    notification: Arc<Notification>,
    tries: u32,
}

impl Parcel {
    /// A later one for the same device and conversation takes its place.
    fn replaces(&self, other: &Self) -> bool {
        self.login == other.login && self.notification.conversation == other.notification.conversation
    }
}

/// Both ends: one for the API, one to be run.
///
/// # Errors
/// When TLS cannot be set up; the text is for the log.
pub fn channel(vapid: Vapid, options: PushOptions) -> Result<(Pushes, PushTask), String> {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    let courier = Arc::new(HttpCourier::new(options.private_addresses)?);
    let shared = Arc::new(Shared {
        queue: sender,
        vapid,
        options,
        takers: Mutex::default(),
        joins: AtomicU64::new(0),
        counters: PushCounters::default(),
    });
    let task = PushTask {
        queue: receiver,
        shared: shared.clone(),
        courier,
        waiting: Queue::default(),
        ready: VecDeque::new(),
        later: BTreeMap::new(),
        flying: JoinSet::new(),
        known: Queue::default(),
        told: Queue::default(),
        parcels: 0,
    };
    Ok((Pushes(shared), task))
}

impl Pushes {
    /// What browsers subscribe with.
    pub(crate) fn public_key(&self) -> &str {
        self.0.vapid.public()
    }

    pub(crate) fn private_addresses(&self) -> bool {
        self.0.options.private_addresses
    }

    /// What became of pushes.
    pub fn counters(&self) -> &PushCounters {
        &self.0.counters
    }

    /// A device of the user takes pushes from now on.
    pub(crate) fn joined(&self, user: UserId) {
        self.0.takers.lock().insert(user);
        self.0.joins.fetch_add(1, Ordering::Release);
    }

    /// A message is news for these people.
    pub(crate) fn offer(&self, api: &MessengerApi, users: &[UserId], message: &Message, occasion: Occasion) {
        if matches!(message.kind, MessageKind::System(_)) {
            return;
        }
        let mut users: Vec<UserId> = {
            let takers = self.0.takers.lock();
            if takers.is_empty() {
                return;
            }
            users
                .iter()
                .copied()
                .filter(|user| takers.contains(user))
                .collect()
        };
        users.retain(|user| *user != message.author && !api.presence.at_keyboard(api, *user));
        if users.is_empty() {
            return;
        }
        let offer = Offer {
            message: message.id,
            users,
            occasion,
        };
        if self.0.queue.try_send(offer).is_err() {
            self.0.counters.dropped.fetch_add(1, Ordering::Relaxed);
            debug!("A message found no room to be pushed");
        }
    }
}

impl PushTask {
    /// Notifies until cancelled. What waits then is forgotten, and what is under way is cut off.
    pub async fn run(mut self, api: Arc<MessengerApi>, cancellation: CancellationToken) {
        let mut looking = tokio::time::interval(LOOK_AGAIN);
        loop {
            self.launch();
            tokio::select! {
                () = cancellation.cancelled() => break,
                _ = looking.tick() => self.look_again(&api).await,
                Some(landed) = self.flying.join_next() => {
                    if let Ok((parcel, carried)) = landed {
                        self.landed(&api, parcel, carried).await;
                    }
                }
                () = until(self.waiting.first().map(|(_, due)| due)) => {
                    if let Some(((user, message), _)) = self.waiting.pop()
                        && !api.presence.at_keyboard(&api, user)
                    {
                        self.tell(&api, user, message).await;
                    }
                }
                () = until(self.later.keys().next().map(|(at, _)| *at)) => {
                    if let Some((_, parcel)) = self.later.pop_first() {
                        self.try_again(&api, parcel).await;
                    }
                }
                Some(offer) = self.queue.recv() => self.consider(&api, offer).await,
            }
        }
        self.flying.shutdown().await;
    }

    async fn look_again(&self, api: &MessengerApi) {
        let joins = self.shared.joins.load(Ordering::Acquire);
        match api.messenger.push_users().await {
            Ok(users) => {
                let mut takers = self.shared.takers.lock();
                if self.shared.joins.load(Ordering::Acquire) == joins {
                    takers.clear();
                }
                takers.extend(users);
            }
            Err(error) => warn!(%error, "Who takes pushes could not be asked"),
        }
    }

    /// Tells those who are away, and waits for those who may come back.
    async fn consider(&mut self, api: &MessengerApi, offer: Offer) {
        let Offer { message, users, .. } = offer;
        if offer.occasion == Occasion::Sent {
            if self.known.get(message).is_some() {
                return;
            }
            if self.known.len() >= KNOWN_MAX {
                self.known.pop();
            }
            self.known.push(message, ());
        }
        let due = Instant::now() + self.shared.options.unseen_wait;
        for user in users {
            if let Occasion::Edited(edits) = offer.occasion
                && self.knows_edit(user, message, edits)
            {
                continue;
            }
            if api.presence.is_offline(user) || self.waiting.len() >= WAITING_MAX {
                self.tell(api, user, message).await;
            } else {
                self.waiting.push((user, message), due);
            }
        }
    }

    /// Whether the user was told of these words already, or will be: what waits is told in its newest words.
    fn knows_edit(&self, user: UserId, message: MessageId, edits: u32) -> bool {
        let about = (user, message);
        self.waiting.get(about).is_some() || self.told.get(about).is_some_and(|then| then >= edits)
    }

    async fn tell(&mut self, api: &MessengerApi, user: UserId, message: MessageId) {
        match self.parcels_for(api, user, message).await {
            Ok(parcels) => parcels.into_iter().for_each(|parcel| self.enqueue(parcel)),
            Err(error) => warn!(%error, "What to push could not be looked up"),
        }
    }

    async fn parcels_for(
        &self,
        api: &MessengerApi,
        user: UserId,
        message: MessageId,
    ) -> StoreResult<Vec<Parcel>> {
        let devices = api.messenger.push_devices(user).await?;
        if devices.is_empty() {
            return Ok(Vec::new());
        }
        let told = api
            .messenger
            .notification(user, message, &api.options.name)
            .await?;
        let Some(notification) = told.map(Arc::new) else {
            return Ok(Vec::new());
        };
        let parcel = |device: chinwag_messenger::PushDevice| Parcel {
            login: device.login,
            subscription: device.subscription,
            notification: notification.clone(),
            tries: 0,
        };
        Ok(devices.into_iter().map(parcel).collect())
    }

    fn enqueue(&mut self, parcel: Parcel) {
        let Notification {
            user, message, edits, ..
        } = *parcel.notification;
        self.told.push((user, message), edits);
        if self.told.len() > KNOWN_MAX {
            self.told.pop();
        }
        self.ready.retain(|other| !parcel.replaces(other));
        self.later.retain(|_, other| !parcel.replaces(other));
        if self.ready.len() >= PARCELS_MAX {
            self.ready.pop_front();
            self.shared.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.ready.push_back(parcel);
    }

    fn launch(&mut self) {
        while self.flying.len() < FLYING_MAX
            && let Some(mut parcel) = self.ready.pop_front()
        {
            parcel.tries += 1;
            let Some(sealed) = self.seal(&parcel) else {
                self.shared.counters.unusable.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let courier = self.courier.clone();
            self.flying.spawn(async move {
                let carried = courier.carry(sealed).await;
                (parcel, carried)
            });
        }
    }

    fn seal(&self, parcel: &Parcel) -> Option<Sealed> {
        let PushSubscription {
            endpoint,
            p256dh,
            auth,
        } = &parcel.subscription;
        let url = self::endpoint(endpoint, self.shared.options.private_addresses).ok()?;
        let now_s = jiff::Timestamp::now().as_second();
        let origin = url.origin().ascii_serialization();
        Some(Sealed {
            authorization: self.shared.vapid.authorization(&origin, now_s).ok()?,
            body: seal::seal(p256dh, auth, &payload(&parcel.notification))?.into(),
            topic: topic(&parcel.notification),
            urgent: parcel.notification.urgent,
            url,
        })
    }

    async fn landed(&mut self, api: &MessengerApi, parcel: Parcel, carried: Carried) {
        let counters = &self.shared.counters;
        match carried {
            Carried::Delivered => {
                counters.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Carried::Gone => {
                counters.gone.fetch_add(1, Ordering::Relaxed);
                if let Err(error) = api.messenger.push_gone(&parcel.subscription.endpoint).await {
                    warn!(%error, "A device that takes no more pushes could not be forgotten");
                }
            }
            Carried::Refused(reason) => {
                counters.refused.fetch_add(1, Ordering::Relaxed);
                warn!(reason, "A push was refused for good");
            }
            Carried::Later(_) if parcel.tries >= self.shared.options.tries => {
                counters.given_up.fetch_add(1, Ordering::Relaxed);
                warn!(tries = parcel.tries, "A push could not be sent and is given up");
            }
            Carried::Later(wait) => {
                counters.postponed.fetch_add(1, Ordering::Relaxed);
                self.postpone(parcel, wait);
            }
        }
    }

    fn postpone(&mut self, parcel: Parcel, wait: Option<Duration>) {
        let newer = |other: &Parcel| other.replaces(&parcel);
        if self.ready.iter().any(newer) || self.later.values().any(newer) {
            return;
        }
        if self.later.len() >= PARCELS_MAX {
            self.later.pop_first();
            self.shared.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let grown = 4_u32.saturating_pow(parcel.tries.saturating_sub(1));
        let pause = self.shared.options.retry_pause.saturating_mul(grown);
        let pause = pause.max(wait.unwrap_or_default()).min(PAUSE_MAX);
        self.parcels += 1;
        self.later.insert((Instant::now() + pause, self.parcels), parcel);
    }

    /// By now it may be seen, or muted, or deleted; and the device may be gone.
    async fn try_again(&mut self, api: &MessengerApi, parcel: Parcel) {
        let (user, message) = (parcel.notification.user, parcel.notification.message);
        if api.presence.at_keyboard(api, user) {
            return;
        }
        match self.parcels_for(api, user, message).await {
            Ok(parcels) => {
                let same = parcels.into_iter().find(|fresh| fresh.login == parcel.login);
                if let Some(fresh) = same {
                    let tries = parcel.tries;
                    self.enqueue(Parcel { tries, ..fresh });
                }
            }
            Err(error) => {
                debug!(%error, "What to push again could not be looked up");
                self.postpone(parcel, None);
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// One notification for each conversation, also where the push service keeps it.
fn topic(notification: &Notification) -> String {
    format!("c{}", notification.conversation)
}

/// What the service worker gets.
#[derive(Serialize)]
struct Payload<'a> {
    v: u8,
    tag: &'a str,
    title: &'a str,
    body: &'a str,
    count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    count_text: Option<&'a str>,
    user_id: i64,
    conversation_id: i64,
    message_id: i64,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_root_id: Option<i64>,
    at_ms: i64,
    /// Where a click leads, from the root of the web UI.
    path: &'a str,
}

fn payload(notification: &Notification) -> Vec<u8> {
    let tag = topic(notification);
    let path = format!("/c/{}/m/{}", notification.conversation, notification.seq);
    let mut body = notification.body.as_str();
    loop {
        let payload = Payload {
            v: 1,
            tag: &tag,
            title: &notification.title,
            body,
            count: notification.count,
            count_text: notification.count_text.as_deref(),
            user_id: notification.user.0,
            conversation_id: notification.conversation.0,
            message_id: notification.message.0,
            seq: notification.seq,
            thread_root_id: notification.thread_root.map(|root| root.0),
            at_ms: notification.at.0,
            path: &path,
        };
        let json = serde_json::to_vec(&payload).expect("strings and numbers always become JSON");
        if json.len() <= PAYLOAD_BYTES_MAX || body.is_empty() {
            return json;
        }
        let half = body.chars().count() / 2;
        body = body.char_indices().nth(half).map_or("", |(end, _)| &body[..end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chinwag_messenger::{ConversationId, Timestamp};

    #[test]
    fn a_payload_fits_whatever_it_says() {
        let notification = Notification {
            user: UserId(1),
            conversation: ConversationId(138),
            message: MessageId(93_120),
            edits: 0,
            seq: 812,
            thread_root: None,
            at: Timestamp(0),
            urgent: true,
            title: "\u{1F468}".repeat(100),
            body: "\u{1}".repeat(2_000),
            count: 3,
            count_text: Some("3 new messages".to_owned()),
        };
        let json = payload(&notification);
        assert!(json.len() <= PAYLOAD_BYTES_MAX, "{}", json.len());
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            (&read["tag"], &read["path"], &read["count"]),
            (&"c138".into(), &"/c/138/m/812".into(), &3.into())
        );
        assert!(!read["body"].as_str().unwrap().is_empty());
    }
}
