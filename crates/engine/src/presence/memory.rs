//! Presence of a node that is alone.

use std::hash::BuildHasher;
use std::sync::Arc;

use async_trait::async_trait;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::{JoinError, Member, Presence, Roster};
use crate::app::AppNumber;
use crate::broker::Sink;
use crate::channel::ChannelName;
use crate::observer::{Observations, Observed};
use crate::publication::{ConnectionId, Content, Publication, UserId};

const SHARDS: usize = 64;

#[derive(Default)]
struct Present {
    /// Connections in the order of coming, so that the first of a user's is its oldest.
    connections: Vec<(ConnectionId, Member)>,
    /// How many connections each user has.
    users: HashMap<UserId, u32, RandomState>,
}

impl Present {
    fn roster(&self, version: u64) -> Roster {
        let mut members = Vec::with_capacity(self.users.len());
        let mut named =
            hashbrown::HashSet::with_capacity_and_hasher(self.users.len(), RandomState::default());
        for (_, member) in &self.connections {
            if named.insert(&member.user) {
                members.push(member.clone());
            }
        }
        Roster { members, version }
    }
}

#[derive(Default)]
struct Channels {
    /// Counts the changes of all channels in it, so that a channel's version does not fall when it is forgotten.
    version: u64,
    present: HashMap<(AppNumber, ChannelName), Present, RandomState>,
}

type Shard = Mutex<Channels>;

/// Presence in memory.
pub struct MemoryPresence {
    sink: Arc<dyn Sink>,
    observations: Arc<Observations>,
    hasher: RandomState,
    /// The lock of a channel's shard is held while a change is handed to the sink, so that changes are
    /// published in the order of their versions.
    shards: [Shard; SHARDS],
}

impl MemoryPresence {
    /// Presence whose changes are delivered to `sink`.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self {
            sink,
            observations: Arc::default(),
            hasher: RandomState::default(),
            shards,
        }
    }

    /// Also tells of users who come and go.
    #[must_use]
    pub fn observed_by(mut self, observations: Arc<Observations>) -> Self {
        self.observations = observations;
        self
    }

    fn shard(&self, key: &(AppNumber, ChannelName)) -> &Shard {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    fn publish(&self, app: AppNumber, channel: &ChannelName, content: Content) {
        match &content {
            Content::Joined { member, .. } => self.observations.tell(app, channel, || Observed::Joined {
                user: member.user.clone(),
            }),
            Content::Left { user, .. } => self
                .observations
                .tell(app, channel, || Observed::Left { user: user.clone() }),
            Content::Message { .. } | Content::Subscribers { .. } | Content::Disconnect { .. } => {}
        }
        let channel = channel.clone();
        self.sink.deliver(
            Publication {
                app,
                channel,
                content,
                publisher: None,
                except: None,
            },
            None,
        );
    }
}

#[async_trait]
impl Presence for MemoryPresence {
    async fn join(
        &self,
        app: AppNumber,
        channel: &ChannelName,
        connection: ConnectionId,
        member: Member,
        users_max: usize,
    ) -> Result<Roster, JoinError> {
        let key = (app, channel.clone());
        let mut guard = self.shard(&key).lock();
        let shard = &mut *guard;
        let present = shard.present.entry(key.clone()).or_default();
        if present.connections.iter().any(|(id, _)| *id == connection) {
            return Ok(present.roster(shard.version));
        }
        let newcomer = !present.users.contains_key(&member.user);
        if newcomer && users_max > 0 && present.users.len() >= users_max {
            return Err(JoinError::Full);
        }
        *present.users.entry(member.user.clone()).or_default() += 1;
        present.connections.push((connection, member.clone()));
        if newcomer {
            shard.version += 1;
            let version = shard.version;
            self.publish(app, channel, Content::Joined { member, version });
        }
        Ok(present.roster(shard.version))
    }

    async fn leave(
        &self,
        app: AppNumber,
        channel: &ChannelName,
        connection: ConnectionId,
    ) -> Result<(), JoinError> {
        let key = (app, channel.clone());
        let mut guard = self.shard(&key).lock();
        let shard = &mut *guard;
        let Some(present) = shard.present.get_mut(&key) else {
            return Ok(());
        };
        let Some(index) = present.connections.iter().position(|(id, _)| *id == connection) else {
            return Ok(());
        };
        let (_, member) = present.connections.remove(index);
        let left = present
            .users
            .get_mut(&member.user)
            .expect("each connection's user is counted");
        *left -= 1;
        if *left == 0 {
            present.users.remove(&member.user);
            shard.version += 1;
            let (user, version) = (member.user, shard.version);
            self.publish(app, channel, Content::Left { user, version });
        }
        if present.connections.is_empty() {
            shard.present.remove(&key);
        }
        Ok(())
    }

    async fn roster(&self, app: AppNumber, channel: &ChannelName) -> Result<Roster, JoinError> {
        let key = (app, channel.clone());
        let shard = self.shard(&key).lock();
        let nobody = Present::default();
        Ok(shard.present.get(&key).unwrap_or(&nobody).roster(shard.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_contract_of_presence() {
        super::super::contract::check(|sink| Arc::new(MemoryPresence::new(sink))).await;
    }
}
