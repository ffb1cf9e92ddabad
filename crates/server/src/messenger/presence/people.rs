//! What holds for each person, and when it is told. Reads no clock.

use std::collections::BTreeSet;

use chinwag_engine::ConnectionId;
use chinwag_messenger::{Timestamp, UserId};
use hashbrown::HashMap;
use tokio::time::Instant;

use super::PresenceOptions;
use crate::messenger::view::PresenceState;

/// Something to tell others, or to write down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) user: UserId,
    /// What others are to hear.
    pub(super) tell: Option<PresenceState>,
    pub(super) last_active: Timestamp,
    /// Whether that is to be written down.
    pub(super) write: bool,
}

/// The people who are there or were a moment ago.
pub(super) struct People {
    options: PresenceOptions,
    all: HashMap<UserId, Person>,
    /// When to look at whom again; one entry per person at most.
    due: BTreeSet<(Instant, UserId)>,
}

#[derive(Debug)]
struct Person {
    connections: usize,
    /// Connections that have said whether somebody is at the keyboard: whether nobody is. No more than there are.
    idle: HashMap<ConnectionId, bool>,
    /// Some connection has said nothing: it counts as active for as long as it is there.
    silent: bool,
    /// What holds while it is connected, and for a grace after that.
    state: PresenceState,
    /// What the others know.
    told: PresenceState,
    /// When an absence stops being short; only while not connected.
    gone_at: Instant,
    /// Until when an end of the last connection is meant: the user has logged out.
    hurried_until: Option<Instant>,
    last_active: Timestamp,
    /// What was written down of that, and when.
    written: Option<(Timestamp, Instant)>,
    /// Nothing is told before.
    quiet_until: Instant,
    due: Option<Instant>,
}

impl Person {
    fn new(now: Instant, clock: Timestamp) -> Self {
        Self {
            connections: 0,
            idle: HashMap::new(),
            silent: false,
            state: PresenceState::Online,
            told: PresenceState::Offline,
            gone_at: now,
            hurried_until: None,
            last_active: clock,
            written: None,
            quiet_until: now,
            due: None,
        }
    }

    fn state_at(&self, now: Instant) -> PresenceState {
        if self.connections > 0 || now < self.gone_at {
            self.state
        } else {
            PresenceState::Offline
        }
    }

    /// Of several connections the most available one counts.
    fn weigh(&mut self) {
        self.silent = self.connections > self.idle.len();
        if self.connections > 0 {
            let idle = !self.silent && self.idle.values().all(|idle| *idle);
            self.state = if idle {
                PresenceState::Away
            } else {
                PresenceState::Online
            };
        }
    }
}

impl People {
    pub(super) fn new(options: PresenceOptions) -> Self {
        Self {
            options,
            all: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    pub(super) fn state_of(&self, user: UserId, now: Instant) -> PresenceState {
        let person = self.all.get(&user);
        person.map_or(PresenceState::Offline, |person| person.state_at(now))
    }

    /// The user's channel has so many subscribers.
    pub(super) fn touch(&mut self, user: UserId, connections: usize, now: Instant, clock: Timestamp) {
        if connections == 0 && !self.all.contains_key(&user) {
            return;
        }
        let person = self.all.entry(user).or_insert_with(|| Person::new(now, clock));
        let before = std::mem::replace(&mut person.connections, connections);
        if before == connections {
            return;
        }
        if connections > before || person.silent {
            person.last_active = person.last_active.max(clock);
        }
        if connections == 0 {
            let hurried = person.hurried_until.take().is_some_and(|until| now < until);
            person.gone_at = if hurried { now } else { now + self.options.grace };
        }
        person.weigh();
        self.look_again(user, Some(now));
    }

    /// A connection, which is subscribed to the user's channel, says whether nobody is at the keyboard.
    pub(super) fn report(
        &mut self,
        user: UserId,
        connection: ConnectionId,
        idle: bool,
        now: Instant,
        clock: Timestamp,
    ) {
        let person = self.all.entry(user).or_insert_with(|| Person::new(now, clock));
        person.idle.insert(connection, idle);
        if !idle {
            person.last_active = person.last_active.max(clock);
        }
        person.weigh();
        self.look_again(user, Some(now));
    }

    /// The connection is no more; how many are left is told by [`People::touch`].
    pub(super) fn left(&mut self, user: UserId, connection: ConnectionId) {
        if let Some(person) = self.all.get_mut(&user) {
            person.idle.remove(&connection);
        }
    }

    /// The end of the user's last connection is meant, whether it came just now or comes soon.
    pub(super) fn hurry(&mut self, user: UserId, now: Instant) {
        let Some(person) = self.all.get_mut(&user) else {
            return;
        };
        if person.connections > 0 {
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

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Looks at everyone whose time has come, and says what others should hear.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(&(at, user)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            let Some(person) = self.all.get_mut(&user) else {
                continue;
            };
            person.due = None;
            let state = person.state_at(now);
            let tell = (state != person.told && now >= person.quiet_until).then_some(state);
            if tell.is_some() {
                person.told = state;
                person.quiet_until = now + self.options.pause;
            }
            let write = match person.written {
                Some((written, _)) if written >= person.last_active => false,
                Some((_, at)) => {
                    tell == Some(PresenceState::Offline) || now >= at + self.options.writing_pause
                }
                None => true,
            };
            if write {
                person.written = Some((person.last_active, now));
            }
            if tell.is_some() || write {
                changes.push(Change {
                    user,
                    tell,
                    last_active: person.last_active,
                    write,
                });
            }
            let again = if state != person.told {
                Some(person.quiet_until)
            } else if person.connections > 0 {
                None
            } else if state != PresenceState::Offline {
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
    use std::time::Duration;

    use super::*;

    const SAM: UserId = UserId(1);

    /// Plays `+` (connects), `-` (loses its last connection), `!` (logs out) and `?` (somebody looks) at
    /// seconds, and collects what is told.
    fn play(script: &[(u64, char)]) -> Vec<(u64, bool)> {
        let told = play_all(script).into_iter();
        let told = told.filter_map(|(second, change)| Some((second, change.tell?)));
        told.map(|(second, state)| (second, state != PresenceState::Offline))
            .collect()
    }

    fn connection(number: u32) -> ConnectionId {
        ConnectionId { node: 1, number }
    }

    /// Also `2` and `1` (so many connections), `i` and `a` (the first one is idle, active), `j` and `b` (the second
    /// one).
    fn play_all(script: &[(u64, char)]) -> Vec<(u64, Change)> {
        let mut people = People::new(PresenceOptions::default());
        let start = Instant::now();
        let mut told = Vec::new();
        let mut script = script.iter().peekable();
        for second in 0..400 {
            let now = start + Duration::from_secs(second);
            while let Some((_, what)) = script.next_if(|(at, _)| *at == second) {
                let clock = Timestamp(second as i64);
                let mut report = |number, idle| people.report(SAM, connection(number), idle, now, clock);
                match what {
                    'i' => report(1, true),
                    'a' => report(1, false),
                    'j' => report(2, true),
                    'b' => report(2, false),
                    '+' => people.touch(SAM, 1, now, clock),
                    '2' => people.touch(SAM, 2, now, clock),
                    '1' => {
                        people.left(SAM, connection(2));
                        people.touch(SAM, 1, now, clock);
                    }
                    '-' => {
                        people.left(SAM, connection(1));
                        people.touch(SAM, 0, now, clock);
                    }
                    '!' => people.hurry(SAM, now),
                    _ => assert_ne!(people.state_of(SAM, now), PresenceState::Offline),
                }
            }
            told.extend(people.due(now).into_iter().map(|change| (second, change)));
        }
        assert!(
            people.all.len() == people.all.values().filter(|p| p.connections > 0).count(),
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
    fn away_is_when_all_devices_are_idle() {
        use PresenceState::{Away, Offline, Online};
        let check = |script: &[(u64, char)], expected: &[(u64, PresenceState)]| {
            let told = play_all(script).into_iter();
            let told: Vec<_> = told
                .filter_map(|(second, change)| Some((second, change.tell?)))
                .collect();
            assert_eq!(told, expected, "{script:?}");
        };
        check(&[(1, '+'), (20, 'i')], &[(1, Online), (20, Away)]);
        check(
            &[(1, '+'), (20, 'i'), (30, 'a')],
            &[(1, Online), (20, Away), (30, Online)],
        );
        // Changes that follow each other are one.
        check(
            &[(1, '+'), (20, 'i'), (21, 'a'), (22, 'i')],
            &[(1, Online), (20, Away)],
        );
        check(&[(1, '+'), (2, 'i')], &[(1, Online), (6, Away)]);
        // A second device, whether it says something or not, has to be idle, too.
        check(&[(1, '+'), (9, '2'), (20, 'i')], &[(1, Online)]);
        check(
            &[(1, '+'), (9, '2'), (20, 'i'), (30, 'j'), (40, 'b')],
            &[(1, Online), (30, Away), (40, Online)],
        );
        check(
            &[(1, '+'), (9, '2'), (20, 'i'), (30, 'b'), (40, '1')],
            &[(1, Online), (40, Away)],
        );
        check(
            &[(1, '+'), (20, 'i'), (30, '2')],
            &[(1, Online), (20, Away), (30, Online)],
        );
        // Short absences do not change what it was.
        check(
            &[(1, '+'), (20, 'i'), (30, '-'), (31, '?')],
            &[(1, Online), (20, Away), (45, Offline)],
        );
    }

    #[test]
    fn last_seen_is_the_last_activity_and_written_once_a_minute() {
        let check = |script: &[(u64, char)], expected: &[(u64, i64)]| {
            let written = play_all(script).into_iter().filter(|(_, change)| change.write);
            let written: Vec<_> = written
                .map(|(second, change)| (second, change.last_active.0))
                .collect();
            assert_eq!(written, expected, "{script:?}");
        };
        // Who says nothing was active for as long as it was there; the grace is not part of that.
        check(&[(1, '+'), (30, '-')], &[(1, 1), (45, 30)]);
        check(
            &[(1, '+'), (30, 'a'), (50, 'a'), (61, 'a'), (70, 'a')],
            &[(1, 1), (61, 61)],
        );
        check(&[(1, '+'), (30, 'a'), (40, '-')], &[(1, 1), (55, 30)]);
        check(
            &[(1, '+'), (30, 'a'), (50, 'i'), (330, '-')],
            &[(1, 1), (330, 30)],
        );
    }
}
