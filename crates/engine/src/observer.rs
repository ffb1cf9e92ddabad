//! Observers: who wants to know that channels come to life and fall silent.

use crate::app::AppNumber;
use crate::channel::ChannelName;

/// Hears of channels on this node.
///
/// Calls come from many threads and must not block. For one channel they may arrive swapped when the last
/// subscriber goes while another comes: ask [`crate::Engine::has_subscribers`] for what holds now.
pub trait Observer: Send + Sync {
    /// The channel got its first subscriber on this node.
    fn occupied(&self, app: AppNumber, channel: &ChannelName);

    /// The channel lost its last subscriber on this node.
    fn vacated(&self, app: AppNumber, channel: &ChannelName);

    /// One more or fewer connection of this node is subscribed to the channel, the first and the last included.
    fn counted(&self, app: AppNumber, channel: &ChannelName);
}
