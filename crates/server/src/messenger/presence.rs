//! Who is there: from first and last subscribers of users' channels to "online" and "last seen".
//!
//! [`Presence`] is told by the engine that something about a user's channel changed and only notes it;
//! [`Presence::run`] asks the engine what holds now, waits out short absences, writes down when people were
//! last seen and tells their peers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chinwag_engine::{AppNumber, ChannelName, Observer};
use chinwag_messenger::{Timestamp, UserId};
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::MessengerApi;
use super::feed::tell;
use super::realtime::{channel_user, user_channel};
use super::view::{self, Moment, PresenceOf, PresenceState};

/// How presence behaves.
#[derive(Debug, Clone)]
pub struct PresenceOptions {
    /// How long somebody may be gone without being called offline: a reload, another network.
    pub grace: Duration,
    /// Changes of one person are told at most this often.
    pub pause: Duration,
}

impl Default for PresenceOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(15),
            pause: Duration::from_secs(5),
        }
    }
}

/// Who of the messenger's people is connected to this node. Register it with `Engine::observe`.
pub struct Presence {
    app: AppNumber,
    state: Mutex<State>,
    touched: Notify,
}

struct State {
    /// Users whose channel changed since the task looked. At most one entry per user.
    touched: HashSet<UserId>,
    people: People,
}

impl Presence {
    /// Presence of the users of `app`.
    pub fn new(app: AppNumber, options: PresenceOptions) -> Arc<Self> {
        let state = State {
            touched: HashSet::new(),
            people: People::new(options),
        };
        Arc::new(Self {
            app,
            state: Mutex::new(state),
            touched: Notify::new(),
        })
    }

    /// Whether the user counts as online, short absences included.
    pub(super) fn is_online(&self, user: UserId) -> bool {
        self.state.lock().people.is_present(user, Instant::now())
    }

    /// The user logs out somewhere: if that was the last connection, it is offline without delay.
    pub(super) fn leaving(&self, user: UserId) {
        self.state.lock().people.hurry(user, Instant::now());
        self.touched.notify_one();
    }

    fn touch(&self, app: AppNumber, channel: &ChannelName) {
        if app != self.app {
            return;
        }
        if let Some(user) = channel_user(channel) {
            self.state.lock().touched.insert(user);
            self.touched.notify_one();
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
            .map(|user| (user, api.engine.has_subscribers(self.app, &user_channel(user))))
            .collect::<Vec<_>>();
        let (now, clock) = (Instant::now(), Timestamp::now());
        let people = &mut self.state.lock().people;
        for (user, connected) in touched {
            people.touch(user, connected, now, clock);
        }
        people.due(now)
    }
}

impl Observer for Presence {
    fn occupied(&self, app: AppNumber, channel: &ChannelName) {
        self.touch(app, channel);
    }

    fn vacated(&self, app: AppNumber, channel: &ChannelName) {
        self.touch(app, channel);
    }

    fn counted(&self, _: AppNumber, _: &ChannelName) {}
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn announce(api: &MessengerApi, change: Change) {
    if let Err(error) = api.messenger.saw(change.user, change.last_seen).await {
        warn!(%error, "It could not be written down when somebody was last seen");
    }
    let peers = match api.messenger.watchers(change.user).await {
        Ok(peers) => peers,
        Err(error) => {
            warn!(%error, "A change of presence was told to nobody");
            return;
        }
    };
    let event = view::Event::presence(PresenceOf {
        user_id: change.user.0,
        state: if change.online {
            PresenceState::Online
        } else {
            PresenceState::Offline
        },
        last_seen_at: (!change.online).then_some(Moment(change.last_seen)),
    });
    tell(&api.engine, &api.app, &peers, &event).await;
}

/// Something to tell others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    user: UserId,
    online: bool,
    last_seen: Timestamp,
}

/// The people who are there or were a moment ago. Reads no clock.
struct People {
    options: PresenceOptions,
    all: HashMap<UserId, Person>,
    /// When to look at whom again; one entry per person at most.
    due: BTreeSet<(Instant, UserId)>,
}

#[derive(Debug)]
struct Person {
    connected: bool,
    /// What the others know.
    told_online: bool,
    /// When an absence stops being short; only while not connected.
    gone_at: Instant,
    /// Until when an end of the last connection is meant: the user has logged out.
    hurried_until: Option<Instant>,
    /// When the last connection came or went.
    last_seen: Timestamp,
    /// Nothing is told before.
    quiet_until: Instant,
    due: Option<Instant>,
}

impl Person {
    fn is_present(&self, now: Instant) -> bool {
        self.connected || now < self.gone_at
    }
}

impl People {
    fn new(options: PresenceOptions) -> Self {
        Self {
            options,
            all: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    fn is_present(&self, user: UserId, now: Instant) -> bool {
        self.all.get(&user).is_some_and(|person| person.is_present(now))
    }

    /// The user's channel has subscribers, or has none.
    fn touch(&mut self, user: UserId, connected: bool, now: Instant, clock: Timestamp) {
        if !connected && !self.all.contains_key(&user) {
            return;
        }
        let person = self.all.entry(user).or_insert(Person {
            connected: false,
            told_online: false,
            gone_at: now,
            hurried_until: None,
            last_seen: clock,
            quiet_until: now,
            due: None,
        });
        if person.connected == connected {
            return;
        }
        person.connected = connected;
        person.last_seen = clock;
        if !connected {
            let hurried = person.hurried_until.take().is_some_and(|until| now < until);
            person.gone_at = if hurried { now } else { now + self.options.grace };
        }
        self.look_again(user, Some(now));
    }

    /// The end of the user's last connection is meant, whether it came just now or comes soon.
    fn hurry(&mut self, user: UserId, now: Instant) {
        let Some(person) = self.all.get_mut(&user) else {
            return;
        };
        if person.connected {
            person.hurried_until = Some(now + self.options.grace);
        } else {
            person.gone_at = person.gone_at.min(now);
            self.look_again(user, Some(now));
        }
    }

    fn look_again(&mut self, user: UserId, at: Option<Instant>) {
        let Some(person) = self.all.get_mut(&user) else {
            return;
        };
        if let Some(old) = person.due.take() {
            self.due.remove(&(old, user));
        }
        person.due = at;
        if let Some(at) = at {
            self.due.insert((at, user));
        }
    }

    fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Looks at everyone whose time has come, and says what others should hear.
    fn due(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(&(at, user)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            let Some(person) = self.all.get_mut(&user) else {
                continue;
            };
            person.due = None;
            let online = person.is_present(now);
            if online != person.told_online && now >= person.quiet_until {
                person.told_online = online;
                person.quiet_until = now + self.options.pause;
                changes.push(Change {
                    user,
                    online,
                    last_seen: person.last_seen,
                });
            }
            let again = if online != person.told_online {
                Some(person.quiet_until)
            } else if person.connected {
                None
            } else if online {
                Some(person.gone_at)
            } else if now < person.quiet_until {
                // Kept so that a quick return is not told too soon.
                Some(person.quiet_until)
            } else {
                self.all.remove(&user);
                continue;
            };
            self.look_again(user, again);
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAM: UserId = UserId(1);

    /// Plays `+` (connects), `-` (loses its last connection), `!` (logs out) and `?` (somebody looks) at
    /// seconds, and collects what is told.
    fn play(script: &[(u64, char)]) -> Vec<(u64, bool)> {
        let mut people = People::new(PresenceOptions::default());
        let start = Instant::now();
        let mut told = Vec::new();
        let mut script = script.iter().peekable();
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            while let Some((_, what)) = script.next_if(|(at, _)| *at == second) {
                match what {
                    '+' => people.touch(SAM, true, now, Timestamp(second as i64)),
                    '-' => people.touch(SAM, false, now, Timestamp(second as i64)),
                    '!' => people.hurry(SAM, now),
                    _ => assert!(people.is_present(SAM, now)),
                }
            }
            told.extend(people.due(now).into_iter().map(|change| (second, change.online)));
        }
        assert!(
            people.all.len() == people.all.values().filter(|p| p.connected).count(),
            "{:?}",
            people.all
        );
        told
    }

    #[test]
    fn absences_are_told_late_and_short_ones_not_at_all() {
        let check =
            |script: &[(u64, char)], told: &[(u64, bool)]| assert_eq!(play(script), told, "{script:?}");
        check(&[(1, '+')], &[(1, true)]);
        check(&[(1, '+'), (30, '-'), (44, '?')], &[(1, true), (45, false)]);
        check(&[(1, '+'), (30, '-'), (44, '+')], &[(1, true)]);
        check(&[(1, '+'), (30, '-'), (45, '+')], &[(1, true)]);
        check(
            &[(1, '+'), (30, '-'), (46, '+')],
            &[(1, true), (45, false), (50, true)],
        );
        check(&[(1, '-')], &[]);
    }

    #[test]
    fn logging_out_is_told_at_once() {
        let check =
            |script: &[(u64, char)], told: &[(u64, bool)]| assert_eq!(play(script), told, "{script:?}");
        check(&[(1, '+'), (30, '!'), (31, '-')], &[(1, true), (31, false)]);
        check(&[(1, '+'), (30, '-'), (31, '!')], &[(1, true), (31, false)]);
        // Another device keeps the user there, and much later goes without a word.
        check(&[(1, '+'), (30, '!'), (60, '-')], &[(1, true), (75, false)]);
    }

    #[test]
    fn changes_of_one_person_keep_a_distance() {
        let check =
            |script: &[(u64, char)], told: &[(u64, bool)]| assert_eq!(play(script), told, "{script:?}");
        check(&[(1, '+'), (2, '!'), (2, '-')], &[(1, true), (6, false)]);
        check(&[(1, '+'), (2, '!'), (2, '-'), (3, '+')], &[(1, true)]);
        check(
            &[(1, '+'), (20, '!'), (20, '-'), (22, '+')],
            &[(1, true), (20, false), (25, true)],
        );
    }

    #[test]
    fn last_seen_is_when_the_connection_went_not_when_the_grace_ended() {
        let mut people = People::new(PresenceOptions::default());
        let start = Instant::now();
        people.touch(SAM, true, start, Timestamp(10));
        people.due(start);
        people.touch(SAM, false, start, Timestamp(20));
        let changes = people.due(start + Duration::from_secs(15));
        assert_eq!(
            changes,
            [Change {
                user: SAM,
                online: false,
                last_seen: Timestamp(20)
            }]
        );
    }
}
