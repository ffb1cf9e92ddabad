//! Statistics: what an app's traffic came to, minute by minute, kept beyond the life of the process.

pub mod contract;

use async_trait::async_trait;

/// One minute of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The app's public id.
    pub app: String,
    /// When it was taken, in seconds of Unix time.
    pub at_s: i64,
    /// Most connections at a time.
    pub connections_peak: u64,
    /// Frames received from clients.
    pub frames_received: u64,
    /// Publications through an HTTP API, one for each channel.
    pub api_messages: u64,
    /// Frames sent to clients.
    pub messages_sent: u64,
}

/// The samples could not be read or kept. The text is for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct StatisticsError(pub String);

/// Where samples are kept.
#[async_trait]
pub trait Statistics: Send + Sync {
    /// Keeps the samples, all or none. What is there already for the same app and time is added to: the peak is
    /// the higher one, the rest are sums. So a restart within a minute loses nothing.
    async fn keep(&self, samples: &[Sample]) -> Result<(), StatisticsError>;

    /// The app's newest samples, no older than `since_s` and no more than `limit`, in the order of their times.
    async fn newest(&self, app: &str, since_s: i64, limit: usize) -> Result<Vec<Sample>, StatisticsError>;

    /// Forgets all samples older than `at_s`.
    async fn forget_before(&self, at_s: i64) -> Result<(), StatisticsError>;
}
