//! Receipts: watermarks that say how far messages have reached a member and how far it has read.

use crate::store::{AdvanceOutcomes, AdvanceRefusal, Advanced, StoreError, Unread};
use crate::{
    AccessError, Audience, Caller, ConversationId, Event, Feed, ListItem, Messenger, MyStateError,
    MyStateWish, UserId,
};
use std::sync::Arc;

/// Unread messages are counted up to here.
pub(crate) const UNREAD_MAX: u32 = 999;

/// A wish to move the caller's watermarks forward.
#[derive(Debug, Clone, Copy)]
pub struct Advance {
    /// Where.
    pub conversation: ConversationId,
    /// Everything up to here has arrived.
    pub delivered_seq: Option<u64>,
    /// Everything up to here was shown.
    pub seen_seq: Option<u64>,
}

/// Where the caller stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// Where.
    pub conversation: ConversationId,
    /// How far messages have arrived.
    pub delivered_seq: u64,
    /// How far they were shown.
    pub seen_seq: u64,
    /// Messages to read, 999 at most.
    pub unread_count: u32,
    /// Of them, those that mention the caller.
    pub unread_mentions: u32,
}

/// Why a watermark cannot be moved.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// Not a member, or no such conversation.
    #[error("you are not a member")]
    NotAMember,
    /// Beyond the last message.
    #[error("no message has this number yet")]
    SeqOutOfRange,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AdvanceRefusal> for AdvanceError {
    fn from(refusal: AdvanceRefusal) -> Self {
        match refusal {
            AdvanceRefusal::NotAMember => Self::NotAMember,
            AdvanceRefusal::SeqOutOfRange => Self::SeqOutOfRange,
        }
    }
}

impl Messenger {
    /// Moves watermarks forward, never back; each item stands alone. Seen implies delivered. Those who draw
    /// ticks from it, and the caller's own devices, are told.
    pub async fn advance(&self, caller: &Caller, items: &[Advance]) -> Vec<Result<Watermarks, AdvanceError>> {
        match self.try_advance(caller.user, items).await {
            Ok(outcomes) => outcomes,
            Err(error) => items
                .iter()
                .map(|_| Err(AdvanceError::Store(error.clone())))
                .collect(),
        }
    }

    async fn try_advance(
        &self,
        user: UserId,
        items: &[Advance],
    ) -> Result<Vec<Result<Watermarks, AdvanceError>>, StoreError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let members_max = self.options.receipts_members_max;
        let feed = Arc::clone(&self.feed);
        let announce = move |outcomes: &AdvanceOutcomes| {
            for advanced in outcomes.iter().flatten() {
                announce_to_others(&*feed, user, advanced, members_max);
            }
        };
        let outcomes = self
            .store
            .advance(user, items, members_max, Box::new(announce))
            .await?;

        let unseen = |advanced: &&Advanced| advanced.seen_seq < advanced.last_seq;
        let mut to_count: Vec<ConversationId> = outcomes
            .iter()
            .flatten()
            .filter(unseen)
            .map(|advanced| advanced.conversation)
            .collect();
        to_count.sort();
        to_count.dedup();
        let counted = match to_count.is_empty() {
            true => Vec::new(),
            false => self.store.unread(user, &to_count).await?,
        };
        let unread = |id| {
            counted
                .iter()
                .find(|(counted, _)| *counted == id)
                .map_or(Unread::default(), |(_, unread)| *unread)
        };

        Ok(outcomes
            .into_iter()
            .map(|outcome| {
                let advanced = outcome.map_err(AdvanceError::from)?;
                let unread = unread(advanced.conversation);
                let (count, mentions) = (unread.messages.min(UNREAD_MAX), unread.mentions.min(UNREAD_MAX));
                if advanced.moved {
                    let own_devices = Audience::Users(vec![user]);
                    let counts = Some((count, mentions));
                    self.feed.deliver(&own_devices, &updated(user, &advanced, counts));
                }
                Ok(Watermarks {
                    conversation: advanced.conversation,
                    delivered_seq: advanced.delivered_seq,
                    seen_seq: advanced.seen_seq,
                    unread_count: count,
                    unread_mentions: mentions,
                })
            })
            .collect())
    }

    /// Marks everything in the conversation as seen.
    pub async fn read_all(
        &self,
        caller: &Caller,
        conversation: ConversationId,
    ) -> Result<ListItem, AccessError> {
        let (last_seq, marked) = match self.store.standing(caller.user, conversation).await? {
            Some((conversation, member)) if member.left_at.is_none() => {
                (conversation.last_seq, member.marked_unread)
            }
            _ => return Err(AccessError::NotFound),
        };
        let wish = Advance {
            conversation,
            delivered_seq: None,
            seen_seq: Some(last_seq),
        };
        for outcome in self.try_advance(caller.user, &[wish]).await? {
            outcome.map_err(|error| match error {
                AdvanceError::Store(error) => AccessError::Store(error),
                AdvanceError::NotAMember | AdvanceError::SeqOutOfRange => AccessError::NotFound,
            })?;
        }
        if marked {
            let unmark = MyStateWish {
                marked_unread: Some(false),
                ..MyStateWish::default()
            };
            let changed = self.set_my_state(caller, conversation, unmark).await;
            return changed.map_err(|error| match error {
                MyStateError::Store(error) => AccessError::Store(error),
                _ => AccessError::NotFound,
            });
        }
        self.conversation(caller, conversation).await
    }
}

fn announce_to_others(feed: &dyn Feed, user: UserId, advanced: &Advanced, members_max: usize) {
    if !advanced.moved || advanced.audience.len() > members_max {
        return;
    }
    let others: Vec<UserId> = advanced
        .audience
        .iter()
        .copied()
        .filter(|&other| other != user)
        .collect();
    if !others.is_empty() {
        feed.deliver(&Audience::Users(others), &updated(user, advanced, None));
    }
}

fn updated(user: UserId, advanced: &Advanced, unread: Option<(u32, u32)>) -> Event {
    Event::ReceiptUpdated {
        conversation: advanced.conversation,
        user,
        delivered_seq: advanced.delivered_seq,
        seen_seq: advanced.seen_seq,
        thread_root: None,
        unread,
    }
}
