//! Failed log-ins, counted per account name and address, in memory only.

use hashbrown::HashMap;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Pairs remembered at most. When all are in use the oldest is forgotten, so a flood of names cannot fill memory.
const PAIRS_MAX: usize = 10_000;

/// Counts failures in windows that begin with the first failure.
pub(crate) struct Attempts {
    failures_max: u32,
    window: Duration,
    pairs: Mutex<HashMap<(String, String), Failures>>,
}

struct Failures {
    count: u32,
    since: Instant,
}

impl Attempts {
    pub(crate) fn new(failures_max: u32, window_s: u64) -> Self {
        Self {
            failures_max,
            window: Duration::from_secs(window_s),
            pairs: Mutex::default(),
        }
    }

    /// Whether another attempt is allowed; if not, the seconds to wait.
    pub(crate) fn allowed(&self, name: &str, address: &str, now: Instant) -> Result<(), u64> {
        let mut pairs = self.pairs.lock();
        let key = key(name, address);
        let Some(failures) = pairs.get(&key) else {
            return Ok(());
        };
        let age = now.saturating_duration_since(failures.since);
        if age >= self.window {
            pairs.remove(&key);
            return Ok(());
        }
        if failures.count < self.failures_max {
            return Ok(());
        }
        Err((self.window - age).as_secs() + 1)
    }

    pub(crate) fn failed(&self, name: &str, address: &str, now: Instant) {
        let mut pairs = self.pairs.lock();
        let key = key(name, address);
        if pairs.len() >= PAIRS_MAX && !pairs.contains_key(&key) {
            self.make_room(&mut pairs, now);
        }
        let failures = pairs.entry(key).or_insert(Failures { count: 0, since: now });
        if now.saturating_duration_since(failures.since) >= self.window {
            *failures = Failures { count: 0, since: now };
        }
        failures.count = failures.count.saturating_add(1);
    }

    pub(crate) fn succeeded(&self, name: &str, address: &str) {
        self.pairs.lock().remove(&key(name, address));
    }

    fn make_room(&self, pairs: &mut HashMap<(String, String), Failures>, now: Instant) {
        pairs.retain(|_, failures| now.saturating_duration_since(failures.since) < self.window);
        if pairs.len() < PAIRS_MAX {
            return;
        }
        // Forgetting a tenth at once keeps this scan rare while a flood lasts.
        let mut ages: Vec<Instant> = pairs.values().map(|failures| failures.since).collect();
        let (_, &mut oldest, _) = ages.select_nth_unstable(PAIRS_MAX / 10);
        pairs.retain(|_, failures| failures.since > oldest);
    }
}

/// Names from outside are as long as they like; a prefix is enough to count by.
fn key(name: &str, address: &str) -> (String, String) {
    let name = name.chars().take(64).flat_map(char::to_lowercase).collect();
    (name, address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_close_the_door_until_the_window_ends() {
        let attempts = Attempts::new(3, 60);
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(attempts.allowed("sam", "1.2.3.4", start), Ok(()));
            attempts.failed("Sam", "1.2.3.4", start);
        }
        assert_eq!(
            attempts.allowed("SAM", "1.2.3.4", start + Duration::from_secs(10)),
            Err(51)
        );
        assert_eq!(attempts.allowed("sam", "5.6.7.8", start), Ok(()));
        assert_eq!(attempts.allowed("ann", "1.2.3.4", start), Ok(()));
        assert_eq!(
            attempts.allowed("sam", "1.2.3.4", start + Duration::from_secs(60)),
            Ok(())
        );
    }

    #[test]
    fn success_forgets_failures() {
        let attempts = Attempts::new(1, 60);
        let now = Instant::now();
        attempts.failed("sam", "a", now);
        assert!(attempts.allowed("sam", "a", now).is_err());
        attempts.succeeded("sam", "a");
        assert!(attempts.allowed("sam", "a", now).is_ok());
    }

    #[test]
    fn a_flood_of_names_stays_bounded() {
        let attempts = Attempts::new(1, 60);
        let start = Instant::now();
        for n in 0..(PAIRS_MAX as u64 + 500) {
            attempts.failed(&format!("name{n}"), "a", start + Duration::from_millis(n / 4));
        }
        assert!(attempts.pairs.lock().len() <= PAIRS_MAX);
        assert!(
            attempts
                .allowed(&format!("name{}", PAIRS_MAX + 499), "a", start)
                .is_err()
        );
    }
}
