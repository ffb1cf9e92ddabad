//! How often a client may do what it does.

use crate::Millis;

/// A token bucket: so many events a second, and as many at once.
pub(super) struct Bucket {
    pub tokens: f32,
    pub filled_at: Millis,
}

impl Bucket {
    pub(super) fn take(&mut self, now: Millis, per_s: u32) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills_with_time_and_not_beyond_its_size() {
        let mut bucket = Bucket {
            tokens: 2.0,
            filled_at: 0,
        };
        let taken: Vec<bool> = [0, 0, 0, 500, 500, 60_000, 60_000, 60_000]
            .map(|now| bucket.take(now, 2))
            .to_vec();
        assert_eq!(taken, [true, true, false, true, false, true, true, false]);
    }
}
