//! Short absences are not told: who goes waits to be told, and who comes back within that time was never away.
//!
//! The order of a channel is kept: what follows somebody who has gone waits behind, so nothing is told more than
//! [`ABSENCE_MS`] late.

use std::collections::VecDeque;

use chinwag_engine::{AppNumber, ChannelName, Observation, Observed, UserId};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::Millis;

/// How long somebody may be away without a word.
const ABSENCE_MS: Millis = 3_000;

/// An empty channel is told once while it stays empty, but again after this long, in case nobody listened.
const MISS_AGAIN_MS: Millis = 30 * 60 * 1_000;

/// Observations that may wait. When so many do, those that have waited longest are told early.
const WAITING_MAX: usize = 65_536;

/// Channels whose miss is remembered. When there are more, the oldest are forgotten, and may be told twice.
const MISSES_MAX: usize = 65_536;

type Key = (AppNumber, ChannelName);

/// Holds back what may be taken back.
#[derive(Default)]
pub struct Debounce {
    channels: HashMap<Key, VecDeque<Waiting>, RandomState>,
    waiting: usize,
    /// When to look at which channel. All wait equally long, so this is in order. An entry whose observation was
    /// taken back stays and does no harm.
    due: VecDeque<(Millis, Key)>,
    misses: HashMap<Key, Millis, RandomState>,
    /// The same in the order in which they were told. An entry that is no longer true is passed over.
    missed: VecDeque<(Millis, Key)>,
}

struct Waiting {
    ready_at: Millis,
    what: Observed,
}

impl Debounce {
    /// Takes in what happened at `now`, which never goes back, and adds what is to be told by now.
    pub fn take_in(&mut self, now: Millis, observation: Observation, told: &mut Vec<Observation>) {
        self.due(now, told);
        let Observation { app, channel, what } = observation;
        let key = (app, channel);
        match what {
            Observed::CacheFilled => {
                self.misses.remove(&key);
                return;
            }
            Observed::CacheMiss if !self.first_miss(now, &key) => return,
            _ => {}
        }
        if self.returned(&key, &what) {
            self.tell(now, &key, told);
            return;
        }
        let ready_at = match what {
            Observed::Vacated | Observed::Left { .. } => now + ABSENCE_MS,
            _ => now,
        };
        if ready_at > now {
            self.due.push_back((ready_at, key.clone()));
        }
        self.waiting += 1;
        let waiting = self.channels.entry(key.clone()).or_default();
        waiting.push_back(Waiting { ready_at, what });
        self.tell(now, &key, told);
        while self.waiting > WAITING_MAX
            && let Some((at, key)) = self.due.pop_front()
        {
            self.tell(at, &key, told);
        }
    }

    /// Adds what is to be told by now.
    pub fn due(&mut self, now: Millis, told: &mut Vec<Observation>) {
        while let Some((_, key)) = self.due.pop_front_if(|(at, _)| *at <= now) {
            self.tell(now, &key, told);
        }
    }

    /// Adds all that waits: nobody will come back any more.
    pub fn finish(&mut self, told: &mut Vec<Observation>) {
        self.due(Millis::MAX, told);
    }

    /// When [`Debounce::due`] has something to do; `None` for never.
    pub fn wake_at(&self) -> Option<Millis> {
        self.due.front().map(|(at, _)| *at)
    }

    /// Whether this takes back that somebody has gone, who then was never away.
    fn returned(&mut self, key: &Key, what: &Observed) -> bool {
        let Some(waiting) = self.channels.get_mut(key) else {
            return false;
        };
        let gone: Box<dyn Fn(&Observed) -> bool> = match what {
            Observed::Occupied => Box::new(|what| *what == Observed::Vacated),
            Observed::Joined { user } => Box::new(|what| left(what) == Some(user)),
            _ => return false,
        };
        // Who is away has not come back before, so there is one at most.
        let Some(place) = waiting.iter().position(|one| gone(&one.what)) else {
            return false;
        };
        waiting.remove(place);
        self.waiting -= 1;
        true
    }

    /// Tells what is at the front of the channel and waits no longer.
    fn tell(&mut self, now: Millis, key: &Key, told: &mut Vec<Observation>) {
        let Some(waiting) = self.channels.get_mut(key) else {
            return;
        };
        while let Some(Waiting { what, .. }) = waiting.pop_front_if(|one| one.ready_at <= now) {
            self.waiting -= 1;
            told.push(Observation {
                app: key.0,
                channel: key.1.clone(),
                what,
            });
        }
        if waiting.is_empty() {
            self.channels.remove(key);
        }
    }

    fn first_miss(&mut self, now: Millis, key: &Key) -> bool {
        if self
            .misses
            .get(key)
            .is_some_and(|told_at| now < told_at + MISS_AGAIN_MS)
        {
            return false;
        }
        self.misses.insert(key.clone(), now);
        self.missed.push_back((now, key.clone()));
        while let Some((at, key)) = self
            .missed
            .pop_front_if(|(at, _)| *at + MISS_AGAIN_MS <= now)
            .or_else(|| (self.missed.len() > MISSES_MAX).then(|| self.missed.pop_front())?)
        {
            if self.misses.get(&key) == Some(&at) {
                self.misses.remove(&key);
            }
        }
        true
    }
}

fn left(what: &Observed) -> Option<&UserId> {
    match what {
        Observed::Left { user } => Some(user),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user(number: u8) -> UserId {
        UserId(number.to_string().into())
    }

    fn observation(channel: u8, what: Observed) -> Observation {
        Observation {
            app: AppNumber(0),
            channel: ChannelName::parse(&format!("c{channel}")).unwrap(),
            what,
        }
    }

    /// Plays what happens when, waking the machine when it asks, and collects what is told when.
    fn play(script: &[(Millis, Observation)]) -> Vec<(Millis, Observation)> {
        let mut debounce = Debounce::default();
        let (mut told, mut batch) = (Vec::new(), Vec::new());
        let mut keep = |at, batch: &mut Vec<_>| told.extend(batch.drain(..).map(|o| (at, o)));
        for (at, observation) in script {
            while let Some(due) = debounce.wake_at().filter(|due| due <= at) {
                debounce.due(due, &mut batch);
                keep(due, &mut batch);
            }
            debounce.take_in(*at, observation.clone(), &mut batch);
            keep(*at, &mut batch);
        }
        while let Some(due) = debounce.wake_at() {
            debounce.due(due, &mut batch);
            keep(due, &mut batch);
        }
        assert!(debounce.channels.is_empty() && debounce.waiting == 0 && debounce.due.is_empty());
        told
    }

    /// The same from the whole story at once: going is settled after three seconds or by coming back, coming back
    /// in time is struck out with it, and everything on a channel waits until all before it is settled.
    fn model(script: &[(Millis, Observation)]) -> Vec<(Millis, Observation)> {
        let mut struck = vec![false; script.len()];
        let mut settled: Vec<Millis> = script.iter().map(|(at, _)| *at).collect();
        for (index, (at, one)) in script.iter().enumerate() {
            let back = match &one.what {
                Observed::Vacated => Observed::Occupied,
                Observed::Left { user } => Observed::Joined { user: user.clone() },
                Observed::CacheMiss => {
                    let before = script[..index].iter().enumerate().rev();
                    let same =
                        |(_, (_, other)): &(usize, &(Millis, Observation))| other.channel == one.channel;
                    let last = before.filter(same).find(|(place, (_, other))| {
                        other.what == Observed::CacheFilled
                            || (other.what == Observed::CacheMiss && !struck[*place])
                    });
                    struck[index] = last.is_some_and(|(_, (then, other))| {
                        other.what == Observed::CacheMiss && at - then < MISS_AGAIN_MS
                    });
                    continue;
                }
                Observed::CacheFilled => {
                    struck[index] = true;
                    continue;
                }
                _ => continue,
            };
            settled[index] = at + ABSENCE_MS;
            let after = script.iter().enumerate().skip(index + 1);
            let mut returns = after.filter(|(_, (_, o))| o.channel == one.channel && o.what == back);
            if let Some((place, (then, _))) = returns.next()
                && *then < at + ABSENCE_MS
            {
                (struck[index], struck[place]) = (true, true);
                settled[index] = *then;
            }
        }
        let told_at = |index: usize| {
            let before = script[..=index].iter().enumerate();
            let same = before.filter(|(_, (_, o))| o.channel == script[index].1.channel);
            same.map(|(place, _)| settled[place]).max().unwrap_or_default()
        };
        (0..script.len())
            .filter(|index| !struck[*index])
            .map(|index| (told_at(index), script[index].1.clone()))
            .collect()
    }

    /// What can happen in this order: who comes was away, and who goes was there.
    fn story(steps: &[(Millis, u8, u8)]) -> Vec<(Millis, Observation)> {
        let mut there = std::collections::HashSet::new();
        let mut now = 0;
        let mut script = Vec::new();
        for (pause, channel, what) in steps {
            now += pause;
            let mut toggle = |who: Option<u8>, came: Observed, went: Observed| {
                let came_now = there.insert((*channel, who));
                if !came_now {
                    there.remove(&(*channel, who));
                }
                if came_now { came } else { went }
            };
            let what = match what {
                0 => toggle(None, Observed::Occupied, Observed::Vacated),
                1..=3 => {
                    let user = user(*what);
                    toggle(
                        Some(*what),
                        Observed::Joined { user: user.clone() },
                        Observed::Left { user },
                    )
                }
                4 => Observed::CacheMiss,
                5 => Observed::CacheFilled,
                _ => Observed::SubscriptionCount { count: now },
            };
            script.push((now, observation(*channel, what)));
        }
        script
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_model(
            steps in prop::collection::vec((0_u64..2_500, 0_u8..2, 0_u8..7), 0..60)
        ) {
            let script = story(&steps);
            for channel in ["c0", "c1"] {
                let of = |all: Vec<(Millis, Observation)>| -> Vec<_> {
                    all.into_iter().filter(|(_, o)| o.channel.as_str() == channel).collect()
                };
                prop_assert_eq!(of(play(&script)), of(model(&script)));
            }
        }
    }

    #[test]
    fn who_comes_back_in_time_was_never_away() {
        let (came, went) = (Observed::Occupied, Observed::Vacated);
        let play = |steps: &[(Millis, &Observed)]| {
            let script: Vec<_> = steps
                .iter()
                .map(|(at, what)| (*at, observation(0, (*what).clone())))
                .collect();
            play(&script)
                .into_iter()
                .map(|(at, told)| (at, told.what))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            play(&[(0, &came), (10, &went), (3_009, &came)]),
            [(0, came.clone())]
        );
        assert_eq!(
            play(&[(0, &came), (10, &went), (3_010, &came)]),
            [(0, came.clone()), (3_010, went.clone()), (3_010, came.clone())]
        );
        let count = Observed::SubscriptionCount { count: 1 };
        assert_eq!(
            play(&[(0, &went), (10, &count), (20, &came)]),
            [(20, count.clone())],
            "what waited behind goes on at once"
        );
        assert_eq!(play(&[(0, &went), (10, &count)]), [(3_000, went), (3_000, count)]);
    }

    #[test]
    fn a_miss_is_told_once_while_the_channel_is_empty() {
        let mut debounce = Debounce::default();
        let mut told = Vec::new();
        let mut play = |at, what| {
            debounce.take_in(at, observation(0, what), &mut told);
            told.drain(..).count()
        };
        let counts = [
            play(0, Observed::CacheMiss),
            play(1, Observed::CacheMiss),
            play(2, Observed::CacheFilled),
            play(3, Observed::CacheMiss),
            play(2 + MISS_AGAIN_MS, Observed::CacheMiss),
            play(3 + MISS_AGAIN_MS, Observed::CacheMiss),
        ];
        assert_eq!(counts, [1, 0, 0, 1, 0, 1]);
        assert_eq!((debounce.misses.len(), debounce.missed.len()), (1, 1));
    }

    #[test]
    fn too_much_waiting_is_told_early() {
        let mut debounce = Debounce::default();
        let mut told = Vec::new();
        for index in 0..=WAITING_MAX {
            let channel = ChannelName::parse(&format!("c{index}")).unwrap();
            let gone = Observation {
                app: AppNumber(0),
                channel,
                what: Observed::Vacated,
            };
            debounce.take_in(0, gone, &mut told);
        }
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].channel.as_str(), "c0");
        debounce.finish(&mut told);
        assert_eq!(told.len(), WAITING_MAX + 1);
    }
}
