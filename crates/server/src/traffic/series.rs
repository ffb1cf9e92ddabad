//! Numbers over time: rings of buckets, as pure functions of the time they are given.

use std::collections::VecDeque;

/// What happened in one step of time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// When the step began, in seconds of Unix time.
    pub at_s: u64,
    /// Most connections at a time.
    pub connections_peak: u64,
    /// Frames from clients.
    pub frames_received: u64,
    /// What servers published, one for each channel.
    pub api_messages: u64,
    /// Frames to clients.
    pub messages_sent: u64,
}

impl Bucket {
    /// Takes in another one: the higher peak, the sums of the rest.
    pub(super) fn merge(&mut self, other: &Self) {
        self.connections_peak = self.connections_peak.max(other.connections_peak);
        self.frames_received += other.frames_received;
        self.api_messages += other.api_messages;
        self.messages_sent += other.messages_sent;
    }

    /// Nothing happened and nobody was there.
    pub(super) fn is_idle(&self) -> bool {
        *self
            == Self {
                at_s: self.at_s,
                ..Self::default()
            }
    }
}

/// The newest buckets, each of one step, ascending. Steps without a bucket were not observed.
#[derive(Debug)]
pub(super) struct Ring {
    step_s: u64,
    steps: u64,
    buckets: VecDeque<Bucket>,
}

impl Ring {
    pub(super) fn new(step_s: u64, steps: u64) -> Self {
        Self {
            step_s,
            steps,
            buckets: VecDeque::new(),
        }
    }

    /// Puts what was observed at its time into the step it belongs to, and forgets what has become too old.
    /// A clock that was set back adds to the newest step.
    pub(super) fn add(&mut self, observed: &Bucket) {
        let at_s = observed.at_s - observed.at_s % self.step_s;
        match self.buckets.back_mut() {
            Some(newest) if newest.at_s >= at_s => newest.merge(observed),
            _ => self.buckets.push_back(Bucket { at_s, ..*observed }),
        }
        let newest = self.buckets.back().map_or(0, |bucket| bucket.at_s);
        let oldest = (newest + self.step_s).saturating_sub(self.steps * self.step_s);
        while self.buckets.front().is_some_and(|bucket| bucket.at_s < oldest) {
            self.buckets.pop_front();
        }
    }

    /// One place for each of the newest steps up to `now_s`; none where nothing was observed.
    pub(super) fn window(&self, now_s: u64, steps: u64) -> Vec<Option<Bucket>> {
        let newest = now_s - now_s % self.step_s;
        let oldest = (newest + self.step_s).saturating_sub(steps * self.step_s);
        let mut places = vec![None; steps as usize];
        for bucket in self.buckets.iter().filter(|bucket| bucket.at_s >= oldest) {
            let place = (bucket.at_s - oldest) / self.step_s;
            if let Some(place) = places.get_mut(place as usize) {
                *place = Some(*bucket);
            }
        }
        places
    }
}

/// How far back to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// An hour, in steps of 10 seconds.
    Hour,
    /// Six hours, in steps of 10 minutes, like those below.
    SixHours,
    /// A day.
    Day,
    /// Seven days.
    Week,
}

impl Period {
    /// As it is written in requests.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1h" => Some(Self::Hour),
            "6h" => Some(Self::SixHours),
            "24h" => Some(Self::Day),
            "7d" => Some(Self::Week),
            _ => None,
        }
    }

    /// Length of a step, in seconds.
    pub fn step_s(self) -> u64 {
        match self {
            Self::Hour => FINE_STEP_S,
            _ => COARSE_STEP_S,
        }
    }

    /// Number of steps.
    pub fn steps(self) -> u64 {
        let hours = match self {
            Self::Hour => 1,
            Self::SixHours => 6,
            Self::Day => 24,
            Self::Week => 7 * 24,
        };
        hours * 3_600 / self.step_s()
    }
}

const FINE_STEP_S: u64 = 10;
const COARSE_STEP_S: u64 = 600;

/// Both rings of one app.
#[derive(Debug)]
pub(super) struct Rings {
    fine: Ring,
    coarse: Ring,
}

impl Default for Rings {
    fn default() -> Self {
        Self {
            fine: Ring::new(FINE_STEP_S, Period::Hour.steps()),
            coarse: Ring::new(COARSE_STEP_S, Period::Week.steps()),
        }
    }
}

impl Rings {
    pub(super) fn add(&mut self, observed: &Bucket) {
        self.fine.add(observed);
        self.coarse.add(observed);
    }

    /// What was kept of an earlier life is too coarse for the finer ring.
    pub(super) fn recall(&mut self, kept: &Bucket) {
        self.coarse.add(kept);
    }

    pub(super) fn window(&self, now_s: u64, period: Period) -> Vec<Option<Bucket>> {
        match period {
            Period::Hour => self.fine.window(now_s, period.steps()),
            _ => self.coarse.window(now_s, period.steps()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(at_s: u64, n: u64) -> Bucket {
        Bucket {
            at_s,
            connections_peak: n,
            frames_received: n,
            api_messages: n,
            messages_sent: n,
        }
    }

    fn shown(places: &[Option<Bucket>]) -> Vec<Option<(u64, u64, u64)>> {
        let show = |b: &Bucket| (b.at_s, b.connections_peak, b.frames_received);
        places.iter().map(|place| place.as_ref().map(show)).collect()
    }

    #[test]
    fn what_falls_into_one_step_is_one_bucket() {
        let mut ring = Ring::new(10, 6);
        for (at_s, n) in [(100, 1), (109, 3), (110, 2), (135, 5)] {
            ring.add(&bucket(at_s, n));
        }
        let expected = [Some((100, 3, 4)), Some((110, 2, 2)), None, Some((130, 5, 5))];
        assert_eq!(shown(&ring.window(137, 4)), expected);
        assert_eq!(shown(&ring.window(137, 2)), expected[2..], "a shorter look back");
        assert_eq!(
            shown(&ring.window(150, 3)),
            [Some((130, 5, 5)), None, None],
            "time goes on"
        );
    }

    #[test]
    fn a_ring_forgets_and_never_grows() {
        let mut ring = Ring::new(10, 6);
        for at_s in (0..10_000).step_by(10) {
            ring.add(&bucket(at_s, 1));
            assert!(ring.buckets.len() <= 6);
        }
        assert!(ring.window(9_990, 6).iter().all(Option::is_some));
        ring.add(&bucket(20_000, 1));
        assert_eq!(ring.buckets.len(), 1, "all the rest is too old");
        assert_eq!(ring.window(90_000, 6), [None; 6]);
    }

    #[test]
    fn a_clock_set_back_adds_to_the_newest_step() {
        let mut ring = Ring::new(10, 6);
        ring.add(&bucket(100, 1));
        ring.add(&bucket(50, 2));
        assert_eq!(shown(&ring.window(100, 1)), [Some((100, 2, 3))]);
    }

    #[test]
    fn each_period_has_its_steps() {
        let check = |text: &str, step_s: u64, steps: u64| {
            let period = Period::parse(text).unwrap();
            assert_eq!((period.step_s(), period.steps()), (step_s, steps), "{text}");
            assert_eq!(Rings::default().window(1_700_000_000, period).len() as u64, steps);
        };
        check("1h", 10, 360);
        check("6h", 600, 36);
        check("24h", 600, 144);
        check("7d", 600, 1_008);
        assert_eq!(Period::parse("10min"), None);
    }

    #[test]
    fn both_resolutions_hear_of_everything() {
        let mut rings = Rings::default();
        for at_s in (60_000..60_600).step_by(10) {
            rings.add(&bucket(at_s, 1));
        }
        let fine = rings.window(60_599, Period::Hour);
        assert_eq!(fine.iter().flatten().count(), 60);
        let coarse = rings.window(60_599, Period::SixHours);
        assert_eq!(shown(&coarse[35..]), [Some((60_000, 1, 60))]);
    }
}
