//! Webhooks as an app asks for them: which observations to tell to which address. Who tells them is not the engine.

use std::fmt;

use crate::observer::Observed;

/// A kind of [`Observed`] that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObservedKind {
    /// [`Observed::Occupied`]
    Occupied,
    /// [`Observed::Vacated`]
    Vacated,
    /// [`Observed::Joined`]
    Joined,
    /// [`Observed::Left`]
    Left,
    /// [`Observed::ClientEvent`]
    ClientEvent,
    /// [`Observed::CacheMiss`]
    CacheMiss,
    /// [`Observed::SubscriptionCount`]
    SubscriptionCount,
}

impl Observed {
    /// Its kind; none for what is only of use within the server.
    pub fn kind(&self) -> Option<ObservedKind> {
        Some(match self {
            Self::Occupied => ObservedKind::Occupied,
            Self::Vacated => ObservedKind::Vacated,
            Self::Joined { .. } => ObservedKind::Joined,
            Self::Left { .. } => ObservedKind::Left,
            Self::ClientEvent { .. } => ObservedKind::ClientEvent,
            Self::CacheMiss => ObservedKind::CacheMiss,
            Self::SubscriptionCount { .. } => ObservedKind::SubscriptionCount,
            Self::CacheFilled => return None,
        })
    }
}

/// An address that is told, and of what. Its address and headers may hold secrets and do not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to.
    pub url: String,
    /// Of what; empty is of everything.
    pub kinds: Vec<ObservedKind>,
    /// Only of channels whose names begin so.
    pub channel_starts_with: String,
    /// Only of channels whose names end so.
    pub channel_ends_with: String,
    /// Names and values to be sent along.
    pub headers: Vec<(String, String)>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("url", &"…")
            .field("kinds", &self.kinds)
            .field("channel_starts_with", &self.channel_starts_with)
            .field("channel_ends_with", &self.channel_ends_with)
            .field("headers", &self.headers.len())
            .finish()
    }
}
