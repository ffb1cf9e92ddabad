//! A lane: what is to be told to one address of one app, in order, until it is delivered or too old.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use chinwag_engine::{Engine, NewParcel, Parcel, WebhookQueue};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::courier::{Courier, Errand};
use super::{WebhookCounters, WebhookOptions};

/// Parcels read from the outbox at a time. What was delivered of them is forgotten together.
const PAGE: usize = 64;

/// How long a lane waits before it asks an outbox again that failed.
const OUTBOX_PAUSE: Duration = Duration::from_secs(5);

/// How long a delivery under way may go on when the server stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// App and address.
pub(super) type LaneKey = (String, String);

/// What all lanes share.
pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) outbox: Arc<dyn WebhookQueue>,
    pub(super) courier: Arc<dyn Courier>,
    /// Deliveries under way at a time. A lane has at most one, and none while it waits.
    pub(super) permits: Semaphore,
    pub(super) counters: Arc<WebhookCounters>,
    pub(super) options: WebhookOptions,
    pub(super) stop: CancellationToken,
}

pub(super) struct Lane {
    pub(super) key: LaneKey,
    pub(super) shared: Arc<Shared>,
    /// Told when something was put.
    pub(super) wake: Arc<Notify>,
}

/// The lane is to end.
struct Stopped;

/// What is to become of a parcel that was tried.
enum Tried {
    /// Forget it.
    Done,
    /// Try it again at this time.
    Later(u64),
}

impl Lane {
    /// Delivers until told to stop. What was not delivered then stays in the outbox.
    pub(super) async fn run(self) {
        loop {
            let (app, url) = (&self.key.0, &self.key.1);
            let page = match self.shared.outbox.due(app, url, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, app.id = %app, "The outbox of webhooks could not be read");
                    if self.pause(OUTBOX_PAUSE).await.is_err() {
                        return;
                    }
                    continue;
                }
            };
            if page.is_empty() {
                tokio::select! {
                    () = self.shared.stop.cancelled() => return,
                    () = self.wake.notified() => continue,
                }
            }
            if self.deliver(page).await.is_err() {
                return;
            }
        }
    }

    async fn deliver(&self, page: Vec<Parcel>) -> Result<(), Stopped> {
        let mut done = Vec::new();
        for parcel in page {
            if self.shared.stop.is_cancelled() {
                self.forget(&mut done).await;
                return Err(Stopped);
            }
            match self.try_once(&parcel, &mut done).await {
                Ok(Tried::Done) => done.push(parcel.id),
                Ok(Tried::Later(due_ms)) => {
                    self.forget(&mut done).await;
                    // Written down so that a restart does not begin again with impatience.
                    if let Err(error) = self.shared.outbox.postponed(parcel.id, due_ms).await {
                        tracing::warn!(%error, "A webhook could not be postponed");
                    }
                    let now = (self.shared.options.now_ms)();
                    // Read anew, so that what waits behind is not kept in memory.
                    return self
                        .pause(Duration::from_millis(due_ms.saturating_sub(now)))
                        .await;
                }
                Err(Stopped) => {
                    self.forget(&mut done).await;
                    return Err(Stopped);
                }
            }
        }
        if self.forget(&mut done).await {
            return Ok(());
        }
        // They would all be delivered again at once.
        self.pause(OUTBOX_PAUSE).await
    }

    async fn try_once(&self, parcel: &Parcel, done: &mut Vec<i64>) -> Result<Tried, Stopped> {
        let Shared {
            options,
            counters,
            stop,
            ..
        } = &*self.shared;
        let app = &self.key.0;
        let give_up_at = parcel.new.made_ms + options.give_up_after.as_millis() as u64;
        let now = (options.now_ms)();
        if parcel.due_ms > now && parcel.due_ms < give_up_at {
            self.forget(done).await;
            self.pause(Duration::from_millis(parcel.due_ms - now)).await?;
        }
        if (options.now_ms)() >= give_up_at {
            tracing::warn!(app.id = %app, "A webhook could not be delivered in time and was dropped");
            counters.expired.fetch_add(1, Ordering::Relaxed);
            return Ok(Tried::Done);
        }
        let Some(errand) = self.errand(parcel) else {
            counters.unwanted.fetch_add(1, Ordering::Relaxed);
            return Ok(Tried::Done);
        };
        let carried = async {
            let _permit = self.shared.permits.acquire().await;
            self.shared.courier.carry(&errand).await
        };
        tokio::pin!(carried);
        let carried = tokio::select! {
            carried = &mut carried => carried,
            () = stop.cancelled() => match tokio::time::timeout(STOP_GRACE, carried).await {
                Ok(carried) => carried,
                // It may arrive all the same and is delivered again after a restart: at least once.
                Err(_) => return Err(Stopped),
            },
        };
        let Err(error) = carried else {
            counters.delivered.fetch_add(1, Ordering::Relaxed);
            return Ok(Tried::Done);
        };
        counters.failed.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%error, app.id = %app, parcel.attempts, "A webhook was not delivered");
        let due_ms = (options.now_ms)() + back_off_ms(options.retry_after, parcel.attempts, random());
        if due_ms < give_up_at {
            return Ok(Tried::Later(due_ms));
        }
        tracing::warn!(%error, app.id = %app, "A webhook could not be delivered and was dropped");
        counters.expired.fetch_add(1, Ordering::Relaxed);
        Ok(Tried::Done)
    }

    /// What to carry, unless nobody asks for it any more.
    fn errand(&self, parcel: &Parcel) -> Option<Errand> {
        let (app, url) = (&self.key.0, &self.key.1);
        let app = self.shared.engine.apps.by_id(app)?;
        let webhook = app.options.webhooks.iter().find(|webhook| webhook.url == *url)?;
        let (key, signature, body) = open(&parcel.new.payload)?;
        Some(Errand {
            url: url.clone(),
            key,
            signature,
            body,
            headers: webhook.headers.clone(),
        })
    }

    /// Takes what is done out of the outbox. `false`: it is still there and will be delivered again.
    async fn forget(&self, done: &mut Vec<i64>) -> bool {
        let done = std::mem::take(done);
        match self.shared.outbox.done(done).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "Delivered webhooks could not be forgotten and will be sent again");
                false
            }
        }
    }

    async fn pause(&self, pause: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = self.shared.stop.cancelled() => Err(Stopped),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}

/// Doubles with each attempt; up to a quarter less at random, so that lanes do not keep in step.
fn back_off_ms(first: Duration, attempts: u32, random: u8) -> u64 {
    let whole = (first.as_millis() as u64) << attempts.min(20);
    whole - whole / 4 * u64::from(random) / 255
}

fn random() -> u8 {
    let mut byte = [0];
    // Without random numbers there is just no jitter.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

/// Key, signature and body as they are kept: computed once, and sent the same however often it is tried.
pub(super) fn pack(lane: &LaneKey, key: &str, signature: &str, body: &str, made_ms: u64) -> NewParcel {
    NewParcel {
        app: lane.0.clone(),
        destination: lane.1.clone(),
        payload: format!("{key}\n{signature}\n{body}").into(),
        made_ms,
    }
}

fn open(payload: &Bytes) -> Option<(String, String, Bytes)> {
    let text = std::str::from_utf8(payload).ok()?;
    let mut parts = text.splitn(3, '\n');
    let (key, signature, body) = (parts.next()?, parts.next()?, parts.next()?);
    let body = payload.slice_ref(body.as_bytes());
    Some((key.to_owned(), signature.to_owned(), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_and_is_at_most_a_quarter_shorter() {
        let second = Duration::from_secs(1);
        let whole: Vec<u64> = (0..9).map(|n| back_off_ms(second, n, 0)).collect();
        assert_eq!(
            whole,
            [
                1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000
            ]
        );
        assert_eq!(back_off_ms(second, 1, 255), 1_500);
        assert!(back_off_ms(second, u32::MAX, 0) > 0);
    }

    #[test]
    fn what_is_packed_opens_again() {
        let lane = ("7".to_owned(), "u".to_owned());
        let parcel = pack(&lane, "key", "signature", "{\"a\":\n1}", 5);
        let (key, signature, body) = open(&parcel.payload).unwrap();
        assert_eq!(
            (&*key, &*signature, &*body),
            ("key", "signature", &b"{\"a\":\n1}"[..])
        );
        assert_eq!(open(&Bytes::from_static(b"key\nsignature")), None);
    }
}
