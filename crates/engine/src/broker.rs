//! Brokers carry publications between nodes and keep history.

pub mod contract;
pub(crate) mod memory;

use async_trait::async_trait;

use crate::app::AppNumber;
use crate::channel::{ChannelName, HistoryOptions};
use crate::publication::{Position, Publication};

/// Takes what a broker hands back to a node that listens: the only way by which anything is delivered.
pub trait Sink: Send + Sync {
    /// Delivers to this node's connections. Must not block.
    fn deliver(&self, publication: Publication, position: Option<Position>);

    /// Delivers the same on each of these channels, of which it names the first. Must not block.
    fn deliver_each(&self, publication: Publication, channels: &[ChannelName]);
}

/// The broker could not do it now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the broker is unavailable: {0}")]
pub struct BrokerError(pub String);

/// What a channel still remembers.
#[derive(Debug, Clone)]
pub struct History {
    /// Publications with their offsets, ascending.
    pub publications: Vec<(u64, Publication)>,
    /// The channel's newest position.
    pub top: Position,
    /// Whether nothing is missing between the position asked for and the first of them.
    pub complete: bool,
    /// Milliseconds until all of it is forgotten, unless something is published before.
    pub ttl_ms: u64,
}

/// Carries publications to every node that listens, this one included, and keeps history.
///
/// For one channel, every node's sink sees publications in one order, and with history in the order of their
/// offsets without a gap. A publication is accepted before it is delivered; delivery is at most once.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Accepts a publication; with `history` it is kept first, and gets a position.
    async fn publish(
        &self,
        publication: Publication,
        history: Option<HistoryOptions>,
    ) -> Result<Option<Position>, BrokerError>;

    /// Accepts the same publication for each of these different channels, at least one, of which it names the first.
    /// Nothing of it is kept. In each channel it has its place in the order like any other.
    async fn publish_each(
        &self,
        publication: Publication,
        channels: Vec<ChannelName>,
    ) -> Result<(), BrokerError>;

    /// This node listens to the channel when this returns.
    async fn listen(&self, app: AppNumber, channel: &ChannelName) -> Result<(), BrokerError>;

    /// This node need not hear of the channel any more.
    async fn unlisten(&self, app: AppNumber, channel: &ChannelName) -> Result<(), BrokerError>;

    /// What is kept after `since`, or the newest `limit` publications.
    async fn history(
        &self,
        app: AppNumber,
        channel: &ChannelName,
        since: Option<Position>,
        limit: usize,
    ) -> Result<History, BrokerError>;
}
