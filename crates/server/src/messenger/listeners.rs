//! Who of many people listens on this node. An event for a large group costs a look-up for each member, and only for
//! those who are connected the name of a channel and a question to the engine.

use chinwag_engine::{AppNumber, ChannelName, Engine};
use chinwag_messenger::UserId;
use hashbrown::HashSet;
use parking_lot::Mutex;

/// People whose channel of one kind somebody listens to, and some whose no longer is.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<HashSet<UserId>>);

impl Listeners {
    /// Somebody has come to the user's channel, or gone. The engine knows of it already.
    pub(super) fn note(&self, user: UserId) {
        self.0.lock().insert(user);
    }

    /// Those of the users who listen, with their channels.
    pub(crate) fn among<'a>(
        &'a self,
        users: impl Iterator<Item = UserId> + 'a,
        (engine, app): (&'a Engine, AppNumber),
        channel_of: impl Fn(UserId) -> ChannelName + 'a,
    ) -> Vec<(UserId, ChannelName)> {
        let mut noted = self.0.lock();
        let mut found = Vec::new();
        for user in users {
            if !noted.contains(&user) {
                continue;
            }
            let channel = channel_of(user);
            if engine.has_subscribers(app, &channel) {
                found.push((user, channel));
            } else {
                // Who comes back at this moment is noted again when this lock is free.
                noted.remove(&user);
            }
        }
        found
    }
}
