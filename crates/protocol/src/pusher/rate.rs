//! How often a client may do what it does.

use chinwag_engine::MessageRate;

use crate::Millis;

/// A token bucket: so many events a second, and as many at once.
pub struct Bucket {
    tokens: f32,
    filled_at: Millis,
}

impl Bucket {
    /// A full one.
    pub fn new(now: Millis, per_s: u32) -> Self {
        Self {
            tokens: per_s as f32,
            filled_at: now,
        }
    }

    /// Takes one, if there is one; 0 a second is no limit.
    pub fn take(&mut self, now: Millis, per_s: u32) -> bool {
        if per_s == 0 {
            return true;
        }
        let gained = (now - self.filled_at) as f32 * per_s as f32 / 1_000.0;
        self.tokens = (self.tokens + gained).min(per_s as f32);
        self.filled_at = now;
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

/// A window: so many messages from its first on, until it has passed.
#[derive(Default)]
pub(super) struct Window {
    taken: u32,
    since: Millis,
}

impl Window {
    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Millis, rate: &MessageRate) -> bool {
        if self.taken == 0 || now >= self.since + rate.window_ms {
            (self.taken, self.since) = (0, now);
        }
        let granted = self.taken < rate.max;
        self.taken += u32::from(granted);
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills_with_time_and_not_beyond_its_size() {
        let mut bucket = Bucket::new(0, 2);
        let taken: Vec<bool> = [0, 0, 0, 500, 500, 60_000, 60_000, 60_000]
            .map(|now| bucket.take(now, 2))
            .to_vec();
        assert_eq!(taken, [true, true, false, true, false, true, true, false]);
    }

    #[test]
    fn a_window_begins_with_its_first_message() {
        let rate = MessageRate {
            max: 2,
            window_ms: 1_000,
            closes: false,
        };
        let mut window = Window::default();
        let taken = [500, 900, 1_499, 1_500, 1_501, 2_400].map(|now| window.take(now, &rate));
        assert_eq!(taken, [true, true, false, true, true, false]);
        let none = MessageRate { max: 0, ..rate };
        assert!(!Window::default().take(0, &none));
    }
}
