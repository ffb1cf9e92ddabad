//! How often one may ask: token buckets in memory, one set per user, and one per address where nobody is
//! logged in yet.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::{ConversationId, UserId};
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::net::IpAddr;
use tokio::time::Instant;

use crate::error::Problem;

/// Buckets beyond which the full ones are forgotten; a full bucket is the same as none.
const BUCKETS_BEFORE_SWEEP: usize = 16 * 1024;

/// How often one user may do things. Zero means without limit.
#[derive(Debug, Clone)]
pub struct RateLimits {
    /// Messages one user may send into one conversation within five seconds.
    pub sends_per_conversation_5s: u32,
    /// Messages one user may send within a minute.
    pub sends_per_minute: u32,
    /// Other changes one user may make within a minute. Also how often one address may register or log in.
    pub writes_per_minute: u32,
    /// Requests that change nothing, and receipts, one user may make within a minute.
    pub reads_per_minute: u32,
    /// Searches one user may make within a minute.
    pub searches_per_minute: u32,
    /// Seconds between two signals of one user typing in one conversation; those that come sooner are dropped.
    pub typing_pause_s: u32,
    /// Files one user may bring within an hour.
    pub uploads_per_hour: u32,
}

impl RateLimits {
    /// No limits at all, for measuring.
    pub fn unlimited() -> Self {
        Self {
            sends_per_conversation_5s: 0,
            sends_per_minute: 0,
            writes_per_minute: 0,
            reads_per_minute: 0,
            searches_per_minute: 0,
            typing_pause_s: 0,
            uploads_per_hour: 0,
        }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            sends_per_conversation_5s: 10,
            sends_per_minute: 60,
            writes_per_minute: 120,
            reads_per_minute: 600,
            searches_per_minute: 30,
            typing_pause_s: 2,
            uploads_per_hour: 60,
        }
    }
}

/// Whose bucket, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Reads(UserId),
    Writes(UserId),
    Searches(UserId),
    Sends(UserId),
    Uploads(UserId),
    SendsInto(UserId, ConversationId),
    Address(Option<IpAddr>),
    Typing(UserId, ConversationId),
    TypingStops(UserId, ConversationId),
}

impl Key {
    fn name(self) -> &'static str {
        match self {
            Self::Reads(_) => "reads",
            Self::Writes(_) => "writes",
            Self::Searches(_) => "searches",
            Self::Sends(_) => "sends",
            Self::Uploads(_) => "uploads",
            Self::SendsInto(..) => "conversation_sends",
            Self::Address(_) => "address",
            Self::Typing(..) | Self::TypingStops(..) => "typing",
        }
    }
}

/// So many tokens, all of them back after `period`.
#[derive(Debug, Clone, Copy)]
struct Rate {
    capacity: u32,
    period: Duration,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
    rate: Rate,
}

impl Bucket {
    fn refill(&mut self, now: Instant) {
        let per_second = f64::from(self.rate.capacity) / self.rate.period.as_secs_f64();
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * per_second;
        self.tokens = (self.tokens + gained).min(f64::from(self.rate.capacity));
        self.at = now;
    }

    fn seconds_until(&self, tokens: f64) -> u64 {
        let per_second = f64::from(self.rate.capacity) / self.rate.period.as_secs_f64();
        ((tokens - self.tokens).max(0.0) / per_second).ceil() as u64
    }
}

/// What is left in the bucket that a request was charged to: the `X-RateLimit-*` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    bucket: &'static str,
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    reset_s: u64,
}

/// All buckets of this process.
pub(crate) struct Limiter {
    limits: RateLimits,
    buckets: Mutex<HashMap<Key, Bucket>>,
}

impl Limiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            buckets: Mutex::default(),
        }
    }

    pub(crate) fn read(&self, user: UserId, meter: &Meter) -> Result<(), Problem> {
        self.charge(
            &[(Key::Reads(user), per_minute(self.limits.reads_per_minute))],
            meter,
        )
    }

    pub(crate) fn write(&self, user: UserId, meter: &Meter) -> Result<(), Problem> {
        self.charge(
            &[(Key::Writes(user), per_minute(self.limits.writes_per_minute))],
            meter,
        )
    }

    pub(crate) fn search(&self, user: UserId, meter: &Meter) -> Result<(), Problem> {
        self.charge(
            &[(Key::Searches(user), per_minute(self.limits.searches_per_minute))],
            meter,
        )
    }

    pub(crate) fn upload(&self, user: UserId, meter: &Meter) -> Result<(), Problem> {
        let rate = Rate {
            capacity: self.limits.uploads_per_hour,
            period: Duration::from_secs(60 * 60),
        };
        self.charge(&[(Key::Uploads(user), rate)], meter)
    }

    pub(crate) fn send(&self, user: UserId, into: ConversationId, meter: &Meter) -> Result<(), Problem> {
        let burst = Rate {
            capacity: self.limits.sends_per_conversation_5s,
            period: Duration::from_secs(5),
        };
        self.charge(
            &[
                (Key::SendsInto(user, into), burst),
                (Key::Sends(user), per_minute(self.limits.sends_per_minute)),
            ],
            meter,
        )
    }

    /// A message that follows from something else the user did, which has shown its own bucket.
    pub(crate) fn invitation(&self, user: UserId) -> Result<(), Problem> {
        let sends = (Key::Sends(user), per_minute(self.limits.sends_per_minute));
        self.charge(&[sends], &Meter::default())
    }

    /// Whoever stops need not wait until it could begin again.
    pub(crate) fn typing(&self, user: UserId, into: ConversationId, stop: bool) -> Result<(), Problem> {
        let key = match stop {
            true => Key::TypingStops(user, into),
            false => Key::Typing(user, into),
        };
        let pause_s = self.limits.typing_pause_s;
        let rate = Rate {
            capacity: pause_s.min(1),
            period: Duration::from_secs(u64::from(pause_s)),
        };
        self.charge(&[(key, rate)], &Meter::default())?;
        if stop {
            // Who has sent one message may begin the next at once.
            self.buckets.lock().remove(&Key::Typing(user, into));
        }
        Ok(())
    }

    pub(crate) fn address(&self, address: Option<IpAddr>, meter: &Meter) -> Result<(), Problem> {
        self.charge(
            &[(Key::Address(address), per_minute(self.limits.writes_per_minute))],
            meter,
        )
    }

    /// Takes a token from each bucket, or from none. The scarcest one is what the caller is told of.
    fn charge(&self, wanted: &[(Key, Rate)], meter: &Meter) -> Result<(), Problem> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock();
        if buckets.len() >= BUCKETS_BEFORE_SWEEP && buckets.len() == buckets.capacity() {
            buckets.retain(|_, bucket| {
                bucket.refill(now);
                bucket.tokens < f64::from(bucket.rate.capacity)
            });
        }
        let wanted = wanted.iter().filter(|(_, rate)| rate.capacity > 0);
        let mut scarcest: Option<(f64, Quota)> = None;
        let mut wait_s = None;
        for &(key, rate) in wanted.clone() {
            let bucket = buckets.entry(key).or_insert_with(|| Bucket {
                tokens: f64::from(rate.capacity),
                at: now,
                rate,
            });
            bucket.refill(now);
            let short = bucket.tokens < 1.0;
            if short {
                wait_s = wait_s.max(Some(bucket.seconds_until(1.0)));
            }
            let quota = Quota {
                bucket: key.name(),
                limit: rate.capacity,
                remaining: (bucket.tokens - 1.0).max(0.0) as u32,
                reset_s: bucket.seconds_until(f64::from(rate.capacity) + if short { 0.0 } else { 1.0 }),
            };
            if scarcest.is_none_or(|(tokens, _)| bucket.tokens < tokens) {
                scarcest = Some((bucket.tokens, quota));
            }
        }
        if wait_s.is_none() {
            for (key, _) in wanted {
                if let Some(bucket) = buckets.get_mut(key) {
                    bucket.tokens -= 1.0;
                }
            }
        }
        drop(buckets);
        if let Some((_, quota)) = scarcest {
            meter.show(quota);
        }
        wait_s.map_or(Ok(()), |seconds| Err(Problem::rate_limited(seconds)))
    }
}

fn per_minute(capacity: u32) -> Rate {
    Rate {
        capacity,
        period: Duration::from_secs(60),
    }
}

/// Carries a request's [`Quota`] from where it is charged to where the headers are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<OnceLock<Quota>>);

impl Meter {
    /// What the request was charged to, if it was.
    pub(crate) fn quota(&self) -> Option<Quota> {
        self.0.get().copied()
    }

    fn show(&self, quota: Quota) {
        // A request is charged once; were it charged twice, the first bucket is the one it tells of.
        let _ = self.0.set(quota);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Meter {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Writes the `X-RateLimit-*` headers; a layer around the router.
pub(crate) async fn report(mut request: Request, next: Next) -> Response {
    let meter = Meter::default();
    request.extensions_mut().insert(meter.clone());
    let mut response = next.run(request).await.into_response();
    if let Some(quota) = meter.0.get() {
        quota.write(response.headers_mut());
    }
    response
}

impl Quota {
    fn write(&self, headers: &mut HeaderMap) {
        let numbers = [
            ("x-ratelimit-limit", u64::from(self.limit)),
            ("x-ratelimit-remaining", u64::from(self.remaining)),
            ("x-ratelimit-reset", self.reset_s),
        ];
        for (name, number) in numbers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
        }
        headers.insert("x-ratelimit-bucket", HeaderValue::from_static(self.bucket));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAM: UserId = UserId(1);
    const ROOM: ConversationId = ConversationId(7);

    fn allowed(limiter: &Limiter, into: ConversationId) -> bool {
        limiter.send(SAM, into, &Meter::default()).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_allowed_and_then_the_rate() {
        let limiter = Limiter::new(RateLimits::default());
        assert_eq!((0..20).filter(|_| allowed(&limiter, ROOM)).count(), 10);
        tokio::time::advance(Duration::from_millis(499)).await;
        assert!(!allowed(&limiter, ROOM));
        tokio::time::advance(Duration::from_millis(2)).await;
        assert!(allowed(&limiter, ROOM));
        assert!(!allowed(&limiter, ROOM));
        assert!(allowed(&limiter, ConversationId(8)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_send_costs_nothing() {
        let limiter = Limiter::new(RateLimits {
            sends_per_minute: 12,
            ..RateLimits::default()
        });
        assert_eq!((0..50).filter(|_| allowed(&limiter, ROOM)).count(), 10);
        assert_eq!(
            (0..50).filter(|_| allowed(&limiter, ConversationId(8))).count(),
            2
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_headers_tell_what_is_left() {
        let limiter = Limiter::new(RateLimits {
            reads_per_minute: 2,
            ..RateLimits::default()
        });
        let check = |remaining: u32, reset_s: u64, refused: Option<u64>| {
            let meter = Meter::default();
            let outcome = limiter.read(SAM, &meter);
            assert_eq!(
                meter.0.get(),
                Some(&Quota {
                    bucket: "reads",
                    limit: 2,
                    remaining,
                    reset_s
                })
            );
            assert_eq!(outcome.err(), refused.map(Problem::rate_limited));
        };
        check(1, 30, None);
        check(0, 60, None);
        check(0, 60, Some(30));
        assert!(limiter.write(SAM, &Meter::default()).is_ok());
        assert!(limiter.read(UserId(2), &Meter::default()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_without_limit_and_shows_no_headers() {
        let limiter = Limiter::new(RateLimits::unlimited());
        let meter = Meter::default();
        for _ in 0..1_000 {
            assert!(limiter.send(SAM, ROOM, &meter).is_ok());
        }
        assert_eq!(meter.0.get(), None);
    }
}
