//! How often a client may do what it does.

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
}
