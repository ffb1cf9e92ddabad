//! A timer wheel: one per worker, so that an idle connection costs one entry and no timer of its own.
//!
//! Entries are not moved when a deadline moves back, as it does with every frame: when an entry comes up, its
//! connection says when it really wants to be woken, and gets a new one.

use chinwag_engine::Slot;
use chinwag_protocol::Millis;

/// How exact it is.
pub(crate) const TICK_MS: Millis = 100;
/// Deadlines further away than this many ticks are looked at once on the way.
const TICKS: usize = 1_024;

/// An entry: a connection's slot, and which of the slot's connections is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub slot: Slot,
    pub generation: u32,
}

pub(crate) struct Wheel {
    ticks: Vec<Vec<Due>>,
    /// The last tick that was taken.
    now: u64,
}

impl Wheel {
    pub(crate) fn new(now: Millis) -> Self {
        Self {
            ticks: (0..TICKS).map(|_| Vec::new()).collect(),
            now: now / TICK_MS,
        }
    }

    /// Adds an entry that comes up at `at` or a little later. Returns the tick at which it does.
    pub(crate) fn add(&mut self, at: Millis, due: Due) -> u64 {
        let tick = at
            .div_ceil(TICK_MS)
            .clamp(self.now + 1, self.now + TICKS as u64 - 1);
        self.ticks[tick as usize % TICKS].push(due);
        tick
    }

    /// Forgets all entries, and the room they took.
    pub(crate) fn clear(&mut self) {
        self.ticks.fill_with(Vec::new);
    }

    /// Takes all entries that have come up.
    pub(crate) fn take(&mut self, now: Millis) -> Vec<(u64, Due)> {
        let until = now / TICK_MS;
        let mut due = Vec::new();
        while self.now < until {
            self.now += 1;
            let slot = &mut self.ticks[self.now as usize % TICKS];
            due.extend(std::mem::take(slot).into_iter().map(|entry| (self.now, entry)));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_up_once_and_never_early() {
        let mut wheel = Wheel::new(5_000);
        let due = |slot| Due {
            slot: Slot(slot),
            generation: 0,
        };
        wheel.add(5_050, due(1));
        wheel.add(6_000, due(2));
        wheel.add(4_000, due(3));
        wheel.add(10_000_000, due(4));
        let mut taken = |now| {
            wheel
                .take(now)
                .into_iter()
                .map(|(_, due)| due.slot.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(taken(5_099), [] as [u32; 0]);
        assert_eq!(taken(5_100), [1, 3], "what is past comes up at the next tick");
        assert_eq!(taken(5_999), [] as [u32; 0]);
        assert_eq!(taken(6_000), [2]);
        assert_eq!(
            taken(5_000 + TICKS as Millis * TICK_MS),
            [4],
            "far ones come up early, to be added again"
        );
        assert_eq!(taken(20_000_000), [] as [u32; 0]);
    }
}
