//! Channels: their names, and options shared by a name prefix.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name of a channel: 1 to 255 bytes of UTF-8 without control characters. Protocols are stricter.
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Arc<str>);

/// Why a text cannot name a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a channel name has 1 to 255 bytes and no control characters")]
pub struct ChannelNameError;

impl ChannelName {
    /// Checks the text.
    pub fn parse(text: &str) -> Result<Self, ChannelNameError> {
        if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
            return Err(ChannelNameError);
        }
        Ok(Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// How a channel keeps publications for those who come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryOptions {
    /// Publications kept.
    pub size: usize,
    /// Milliseconds after the last publication until all are forgotten.
    pub ttl_ms: u64,
}

/// Options of all channels whose name begins alike.
#[derive(Debug, Clone)]
pub struct Namespace {
    /// How those names begin.
    pub prefix: String,
    /// Whether and how they keep history.
    pub history: Option<HistoryOptions>,
    /// Whether what connections publish is kept too, or only what servers do.
    pub history_of_connections: bool,
}
