//! The broker of a node that is alone: everything stays in memory.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::{Broker, BrokerError, History, Sink};
use crate::app::AppNumber;
use crate::channel::{ChannelName, HistoryOptions};
use crate::publication::{Position, Publication};

const SHARDS: usize = 64;
/// How often a shard is looked through for what is to be forgotten.
const SWEEP_PAUSE: Duration = Duration::from_secs(10);

/// What one channel remembers.
struct Kept {
    epoch: u64,
    offset: u64,
    publications: VecDeque<(u64, Publication)>,
    forget_at: Instant,
}

#[derive(Default)]
struct Keeping {
    channels: HashMap<(AppNumber, ChannelName), Kept, RandomState>,
    swept_at: Option<Instant>,
}

type Shard = Mutex<Keeping>;

/// Keeps history in memory and delivers on the publisher's own thread.
pub struct MemoryBroker {
    sink: Arc<dyn Sink>,
    hasher: RandomState,
    /// The lock of a channel's shard is held while the sink is called: that is what keeps one order for all
    /// workers. The sink only appends to inboxes.
    shards: [Shard; SHARDS],
}

impl MemoryBroker {
    /// A broker that delivers to `sink`.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self {
            sink,
            hasher: RandomState::default(),
            shards,
        }
    }

    fn place(&self, key: &(AppNumber, ChannelName)) -> usize {
        self.hasher.hash_one(key) as usize % SHARDS
    }

    fn shard(&self, key: &(AppNumber, ChannelName)) -> &Shard {
        &self.shards[self.place(key)]
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn publish(
        &self,
        publication: Publication,
        history: Option<HistoryOptions>,
    ) -> Result<Option<Position>, BrokerError> {
        let key = (publication.app, publication.channel.clone());
        let mut guard = self.shard(&key).lock();
        let Some(options) = history else {
            self.sink.deliver(publication, None);
            return Ok(None);
        };
        let now = Instant::now();
        // Nothing sweeps by itself: what a shard holds is looked through when something is kept in it, and not
        // every time, since it may be much.
        let shard = &mut *guard;
        if shard.swept_at.is_none_or(|at| now - at > SWEEP_PAUSE) {
            shard.swept_at = Some(now);
            shard.channels.retain(|_, kept| kept.forget_at > now);
        }
        let fresh = || Kept {
            epoch: self.hasher.hash_one(now) >> 11,
            offset: 0,
            publications: VecDeque::new(),
            forget_at: now,
        };
        let kept = shard.channels.entry(key).or_insert_with(fresh);
        // A forgotten history begins again under another epoch.
        if kept.offset > 0 && kept.forget_at <= now {
            *kept = fresh();
        }
        kept.offset += 1;
        kept.forget_at = now + Duration::from_millis(options.ttl_ms);
        kept.publications.push_back((kept.offset, publication.clone()));
        while kept.publications.len() > options.size {
            kept.publications.pop_front();
        }
        let position = Position {
            epoch: kept.epoch,
            offset: kept.offset,
        };
        self.sink.deliver(publication, Some(position));
        Ok(Some(position))
    }

    async fn publish_each(
        &self,
        publication: Publication,
        channels: Vec<ChannelName>,
    ) -> Result<(), BrokerError> {
        // The locks of all their shards, always in the same order, so that two publishers never wait for each other.
        let app = publication.app;
        let touched = channels.iter().fold(0_u64, |touched, channel| {
            touched | 1 << self.place(&(app, channel.clone()))
        });
        let shards = self.shards.iter().enumerate();
        let _held: Vec<_> = shards
            .filter(|(place, _)| touched >> place & 1 == 1)
            .map(|(_, shard)| shard.lock())
            .collect();
        self.sink.deliver_each(publication, &channels);
        Ok(())
    }

    async fn listen(&self, _app: AppNumber, _channel: &ChannelName) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn unlisten(&self, _app: AppNumber, _channel: &ChannelName) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn history(
        &self,
        app: AppNumber,
        channel: &ChannelName,
        since: Option<Position>,
        limit: usize,
    ) -> Result<History, BrokerError> {
        let key = (app, channel.clone());
        let now = Instant::now();
        let shard = self.shard(&key).lock();
        let Some(kept) = shard.channels.get(&key).filter(|kept| kept.forget_at > now) else {
            let top = Position { epoch: 0, offset: 0 };
            return Ok(History {
                publications: Vec::new(),
                top,
                complete: since.is_none(),
                ttl_ms: 0,
            });
        };
        let top = Position {
            epoch: kept.epoch,
            offset: kept.offset,
        };
        let first_kept = kept
            .publications
            .front()
            .map_or(kept.offset + 1, |(offset, _)| *offset);
        let (skip, complete) = match since {
            None => (kept.publications.len().saturating_sub(limit), true),
            Some(since) if since.epoch != kept.epoch || since.offset > kept.offset => (0, false),
            Some(since) => (
                (since.offset + 1).saturating_sub(first_kept) as usize,
                since.offset + 1 >= first_kept,
            ),
        };
        let publications = kept.publications.iter().skip(skip).take(limit).cloned().collect();
        Ok(History {
            publications,
            top,
            complete,
            ttl_ms: (kept.forget_at - now).as_millis() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_contract_of_brokers() {
        super::super::contract::check(|sink| Arc::new(MemoryBroker::new(sink))).await;
    }
}
