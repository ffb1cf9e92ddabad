//! Who is there: from subscribers of users' channels, and what these say of themselves, to "online", "away" and
//! "last seen".
//!
//! [`Presence`] is told by the engine that something about a user's channel changed and only notes it;
//! [`Presence::run`] asks the engine what holds now, waits out short absences, writes down when people were
//! last active and tells those who may know. What holds for whom, and when, is `presence/people.rs`.

mod people;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use chinwag_engine::{AppNumber, ChannelName, ConnectionId, Observer};
use chinwag_messenger::{ConversationId, StoreResult, Timestamp, UserId};
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::MessengerApi;
use super::feed::tell;
use super::listeners::Listeners;
use super::realtime::{channel_user, conversation_channel, user_channel};
use super::view::{self, Moment, PresenceOf, PresenceState};
use crate::laravel::notified_user;
use people::{Change, People};
use queue::Queues;

/// How presence behaves.
#[derive(Debug, Clone)]
pub struct PresenceOptions {
    /// How long somebody may be gone without being called offline: a reload, another network.
    pub grace: Duration,
    /// Changes of one person are told at most this often.
    pub pause: Duration,
    /// While somebody is there, the time of its last activity is written down at most this often.
    pub writing_pause: Duration,
}

impl Default for PresenceOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(15),
            pause: Duration::from_secs(5),
            writing_pause: Duration::from_secs(60),
        }
    }
}

/// Who of the messenger's people is connected to this node. Register it with `Engine::observe`.
pub struct Presence {
    app: AppNumber,
    options: PresenceOptions,
    state: Mutex<State>,
    touched: Notify,
    /// Who listens on its own channel.
    listeners: Listeners,
    /// Who listens to notifications as applications for Laravel do.
    notified: Listeners,
    /// How many members of conversations were there, and when that was counted.
    counts: Mutex<HashMap<ConversationId, (Instant, usize)>>,
}

/// How long a count of who is there is good enough.
const COUNT_LIFE: Duration = Duration::from_secs(30);

/// Counts kept; when there are more, all are counted anew.
const COUNTS_MAX: usize = 10_000;

struct State {
    /// Users whose channel changed since the task looked. At most one entry per user.
    touched: HashSet<UserId>,
    people: People,
    queues: Queues,
}

impl Presence {
    /// Presence of the users of `app`.
    pub fn new(app: AppNumber, options: PresenceOptions) -> Arc<Self> {
        let state = State {
            touched: HashSet::new(),
            people: People::new(options.clone()),
            queues: Queues::default(),
        };
        Arc::new(Self {
            app,
            options,
            state: Mutex::new(state),
            touched: Notify::new(),
            listeners: Listeners::default(),
            notified: Listeners::default(),
            counts: Mutex::default(),
        })
    }

    /// How it behaves.
    pub(super) fn options(&self) -> &PresenceOptions {
        &self.options
    }

    /// Whether the user is there; short absences do not count.
    pub(super) fn state_of(&self, user: UserId) -> PresenceState {
        self.state.lock().people.state_of(user, Instant::now())
    }

    /// Whether nobody has been there for a while.
    pub(crate) fn is_offline(&self, user: UserId) -> bool {
        self.state_of(user) == PresenceState::Offline
    }

    /// Whether somebody is there now, and not idle.
    pub(crate) fn at_keyboard(&self, api: &MessengerApi, user: UserId) -> bool {
        self.state_of(user) == PresenceState::Online
            && api.engine.has_subscribers(self.app, &user_channel(user))
    }

    /// Who listens on its own channel.
    pub(super) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Who listens to notifications as applications for Laravel do.
    pub(crate) fn notified(&self) -> &Listeners {
        &self.notified
    }

    /// How many members of the conversation were there when somebody counted them lately.
    pub(super) fn counted(&self, id: ConversationId) -> Option<usize> {
        let counts = self.counts.lock();
        let (at, count) = counts.get(&id)?;
        (at.elapsed() < COUNT_LIFE).then_some(*count)
    }

    pub(super) fn keep_count(&self, id: ConversationId, count: usize) {
        let mut counts = self.counts.lock();
        if counts.len() >= COUNTS_MAX {
            counts.clear();
        }
        counts.insert(id, (Instant::now(), count));
    }

    /// The user logs out somewhere: if that was the last connection, it is offline without delay.
    pub(super) fn leaving(&self, user: UserId) {
        self.state.lock().people.hurry(user, Instant::now());
        self.touched.notify_one();
    }

    /// A connection of the user says that somebody is at the keyboard, or that nobody is.
    pub(super) fn reported(&self, user: UserId, connection: ConnectionId, idle: bool) {
        let (now, clock) = (Instant::now(), Timestamp::now());
        self.state
            .lock()
            .people
            .report(user, connection, idle, now, clock);
        self.touched.notify_one();
    }

    /// A connection of the user's is gone from its channel.
    pub(super) fn left(&self, user: UserId, connection: ConnectionId) {
        let mut state = self.state.lock();
        state.people.left(user, connection);
        state.queues.left(user, connection);
    }

    /// Another connection of the user's is let onto its channel. Returns the `surplus` ones that came first, which are
    /// to go.
    pub(super) fn admit(&self, user: UserId, connection: ConnectionId, surplus: usize) -> Vec<ConnectionId> {
        self.state.lock().queues.admit(user, connection, surplus)
    }

    fn touch(&self, app: AppNumber, channel: &ChannelName) {
        if app != self.app {
            return;
        }
        if let Some(user) = channel_user(channel) {
            self.listeners.note(user);
            self.state.lock().touched.insert(user);
            self.touched.notify_one();
        } else if let Some(user) = notified_user(channel) {
            self.notified.note(user);
        }
    }

    /// Tells people of each other until cancelled.
    pub async fn run(self: Arc<Self>, api: Arc<MessengerApi>, cancellation: CancellationToken) {
        loop {
            for change in self.settle(&api) {
                announce(&api, change).await;
            }
            let due = self.state.lock().people.next_due();
            tokio::select! {
                () = cancellation.cancelled() => return,
                () = self.touched.notified() => {}
                () = sleep_until(due) => {}
            }
        }
    }

    /// What is to be told now.
    fn settle(&self, api: &MessengerApi) -> Vec<Change> {
        let touched = std::mem::take(&mut self.state.lock().touched);
        // Notes may come swapped; what the engine says now is what counts.
        let touched = touched
            .into_iter()
            .map(|user| {
                let connections = api.engine.subscriber_count(self.app, &user_channel(user));
                (user, connections)
            })
            .collect::<Vec<_>>();
        let (now, clock) = (Instant::now(), Timestamp::now());
        let people = &mut self.state.lock().people;
        for (user, connections) in touched {
            people.touch(user, connections, now, clock);
        }
        people.due(now)
    }
}

impl Observer for Presence {
    fn occupied(&self, _: AppNumber, _: &ChannelName) {}

    fn vacated(&self, _: AppNumber, _: &ChannelName) {}

    fn counted(&self, app: AppNumber, channel: &ChannelName) {
        self.touch(app, channel);
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn announce(api: &MessengerApi, change: Change) {
    if change.write
        && let Err(error) = api.messenger.saw(change.user, change.last_active).await
    {
        warn!(%error, "It could not be written down when somebody was last active");
    }
    let Some(state) = change.tell else { return };
    let watchers = match watchers(api, change.user).await {
        Ok(watchers) => watchers,
        Err(error) => {
            warn!(%error, "A change of presence was told to nobody");
            return;
        }
    };
    let event = view::Event::presence(PresenceOf {
        user_id: change.user.0,
        state,
        last_seen_at: (state == PresenceState::Offline).then_some(Moment(change.last_active)),
    });
    tell(api, &watchers, event).await;
}

/// Those who know the user and may hear of it, and those who have a small group of the user's open.
async fn watchers(api: &MessengerApi, user: UserId) -> StoreResult<Vec<UserId>> {
    let mut looking = Vec::new();
    for group in api.messenger.small_groups(user).await? {
        let channel = conversation_channel(group);
        if !api.engine.has_subscribers(api.app.number, &channel) {
            continue;
        }
        match api.engine.roster(api.app.number, &channel).await {
            Ok(roster) => {
                let ids = roster
                    .members
                    .iter()
                    .filter_map(|member| member.user.0.parse().ok());
                looking.extend(ids.map(UserId));
            }
            Err(error) => warn!(%error, "Who has a group open could not be asked"),
        }
    }
    api.messenger.watchers(user, &looking).await
}
