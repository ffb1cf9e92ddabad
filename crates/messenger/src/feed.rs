//! Where events go. The store is the truth, the feed is speed.

use crate::{Audience, Event};

/// Carries events to the connected devices of an audience.
///
/// `deliver` is called after the change is committed, in commit order for each conversation. It must not
/// block and cannot fail: what it loses is found again by synchronising.
pub trait Feed: Send + Sync {
    /// Hands the event over.
    fn deliver(&self, audience: &Audience, event: &Event);
}

/// A feed nobody listens to: for the command line.
#[derive(Debug, Default)]
pub struct NoFeed;

impl Feed for NoFeed {
    fn deliver(&self, _audience: &Audience, _event: &Event) {}
}
