//! Receipts: watermarks that say how far messages have reached a member and how far it has read.

use crate::store::{
    AdvanceOutcomes, AdvanceRefusal, AdvanceTerms, Advanced, StoreError, ThreadAdvance, Unread,
};
use crate::{
    AccessError, Audience, Caller, ConversationId, Event, Feed, ListItem, MessageId, Messenger, Moved,
    MyStateError, MyStateWish, StoreResult, Timestamp, UserId,
};
use std::collections::{BTreeMap, HashSet};
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

/// Why a conversation cannot be marked as read.
#[derive(Debug, thiserror::Error)]
pub enum ReadAllError {
    /// None, or none the caller may know of.
    #[error("no such conversation")]
    NotFound,
    /// The caller was a member once.
    #[error("you are no longer a member")]
    NotAMember,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AccessError> for ReadAllError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => Self::NotFound,
            AccessError::Store(error) => Self::Store(error),
        }
    }
}

/// Watermarks of somebody else, as those who draw ticks from them are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToldReceipt {
    /// Where.
    pub conversation: ConversationId,
    /// Whose.
    pub user: UserId,
    /// The thread whose watermark it is.
    pub thread_root: Option<MessageId>,
    /// How far messages have arrived.
    pub delivered_seq: u64,
    /// How far they were shown, unless one of the two keeps that to itself.
    pub seen_seq: Option<u64>,
}

/// Authors of what was passed are looked up for so many messages; of more, all are taken for authors.
const PASSED_MAX: u64 = 1_000;

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

    /// The same for one whose connection says so, who hears of it as its other devices do; what is refused is passed
    /// over.
    pub async fn acknowledge(
        &self,
        user: UserId,
        items: &[Advance],
        threads: &[ThreadAdvance],
    ) -> StoreResult<()> {
        self.try_advance(user, items).await?;
        for &wish in threads {
            match self.advance_thread_of(user, wish).await {
                Err(AdvanceError::Store(error)) => return Err(error),
                Ok(_) | Err(AdvanceError::NotAMember | AdvanceError::SeqOutOfRange) => {}
            }
        }
        Ok(())
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
            for advanced in outcomes.iter().flatten().filter(|advanced| advanced.moved()) {
                announce_move(
                    &*feed,
                    moved(user, advanced),
                    None,
                    &advanced.audience,
                    members_max,
                );
            }
        };
        let terms = AdvanceTerms {
            receipts_members_max: members_max,
            times_members_max: self.options.receipt_times_members_max,
            at: Timestamp::now(),
        };
        let outcomes = self.store.advance(user, items, terms, Box::new(announce)).await?;

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
                if advanced.moved() {
                    tell_own_devices(&*self.feed, moved(user, &advanced), (count, mentions));
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

    /// What the user has to read in all, 999 at most: messages in conversations that are neither muted nor in the
    /// archive, and mentions in muted ones.
    pub async fn total_unread(&self, user: UserId) -> StoreResult<u32> {
        let unread = self.store.total_unread(user, Timestamp::now()).await?;
        Ok((unread.messages + unread.mentions).min(UNREAD_MAX))
    }

    /// Those with whom the user shares watermarks, itself included.
    pub async fn receipt_peers(&self, user: UserId) -> StoreResult<Vec<UserId>> {
        self.store
            .receipt_peers(user, self.options.receipts_members_max)
            .await
    }

    /// What of moves in one conversation is to be told to whom of the `listeners`, who may hear of them: to authors of
    /// what was passed, and in a thread to all. Who does not share what it has seen is told of others only
    /// what has arrived, and the other way round.
    pub async fn receipts_for(
        &self,
        conversation: ConversationId,
        moves: &[Moved],
        listeners: &[UserId],
    ) -> StoreResult<Vec<(Vec<UserId>, Vec<ToldReceipt>)>> {
        let listeners = self.who_draws(conversation, moves, listeners).await?;
        if listeners.is_empty() {
            return Ok(Vec::new());
        }
        let mut people: Vec<UserId> = moves.iter().map(|moved| moved.user).collect();
        people.extend(&listeners);
        people.sort_unstable();
        people.dedup();
        let privacy = self.privacy(&people).await?;
        let sharing: HashSet<UserId> = privacy
            .iter()
            .filter(|(_, privacy)| privacy.read_receipts)
            .map(|(user, _)| *user)
            .collect();
        // Mostly the same for all who share, and for all who do not; but nobody is told of itself.
        let mut groups: BTreeMap<(bool, Option<UserId>), Vec<UserId>> = BTreeMap::new();
        for listener in listeners {
            let moving = moves.iter().any(|moved| moved.user == listener);
            let kind = (!sharing.contains(&listener), moving.then_some(listener));
            groups.entry(kind).or_default().push(listener);
        }
        let told = |(hides, without): (bool, Option<UserId>)| -> Vec<ToldReceipt> {
            let others = moves.iter().filter(|moved| Some(moved.user) != without);
            let told = |moved: &Moved| moved.told(!hides && sharing.contains(&moved.user));
            others.filter_map(told).collect()
        };
        Ok(groups
            .into_iter()
            .map(|(kind, users)| (users, told(kind)))
            .filter(|(_, receipts)| !receipts.is_empty())
            .collect())
    }

    /// Those of the listeners who wrote something that was passed.
    async fn who_draws(
        &self,
        conversation: ConversationId,
        moves: &[Moved],
        listeners: &[UserId],
    ) -> StoreResult<Vec<UserId>> {
        if listeners.is_empty() || moves.iter().any(|moved| moved.thread_root.is_some()) {
            return Ok(listeners.to_vec());
        }
        let after = moves.iter().map(Moved::first_passed).min().unwrap_or(0);
        let up_to = moves
            .iter()
            .map(|moved| moved.to.0.max(moved.to.1))
            .max()
            .unwrap_or(0);
        if up_to.saturating_sub(after) > PASSED_MAX {
            return Ok(listeners.to_vec());
        }
        let authors = self.store.authors(conversation, after, up_to).await?;
        Ok(listeners
            .iter()
            .copied()
            .filter(|user| authors.contains(user))
            .collect())
    }

    /// Marks everything in the conversation as seen.
    pub async fn read_all(
        &self,
        caller: &Caller,
        conversation: ConversationId,
    ) -> Result<ListItem, ReadAllError> {
        let standing = self.store.standing(caller.user, conversation).await?;
        let (found, member) = standing.ok_or(ReadAllError::NotFound)?;
        if member.left_at.is_some() {
            return Err(ReadAllError::NotAMember);
        }
        let (last_seq, marked) = (found.last_seq, member.marked_unread);
        let wish = Advance {
            conversation,
            delivered_seq: None,
            seen_seq: Some(last_seq),
        };
        for outcome in self.try_advance(caller.user, &[wish]).await? {
            outcome.map_err(|error| match error {
                AdvanceError::Store(error) => ReadAllError::Store(error),
                AdvanceError::NotAMember => ReadAllError::NotAMember,
                AdvanceError::SeqOutOfRange => ReadAllError::NotFound,
            })?;
        }
        if marked {
            let unmark = MyStateWish {
                marked_unread: Some(false),
                ..MyStateWish::default()
            };
            let changed = self.set_my_state(caller, conversation, unmark).await;
            return changed.map_err(|error| match error {
                MyStateError::Store(error) => ReadAllError::Store(error),
                _ => ReadAllError::NotFound,
            });
        }
        Ok(self.conversation(caller, conversation).await?)
    }
}

impl Moved {
    /// The last message before those that were passed.
    fn first_passed(&self) -> u64 {
        let delivered = (self.to.0 > self.from.0).then_some(self.from.0);
        let seen = (self.to.1 > self.from.1).then_some(self.from.1);
        delivered.into_iter().chain(seen).min().unwrap_or(self.to.0)
    }

    /// As others are told of it, if there is anything for them.
    fn told(&self, seen: bool) -> Option<ToldReceipt> {
        let news = self.to.0 > self.from.0 || (seen && self.to.1 > self.from.1);
        news.then_some(ToldReceipt {
            conversation: self.conversation,
            user: self.user,
            thread_root: self.thread_root,
            delivered_seq: self.to.0,
            seen_seq: seen.then_some(self.to.1),
        })
    }
}

fn moved(user: UserId, advanced: &Advanced) -> Moved {
    Moved {
        conversation: advanced.conversation,
        user,
        thread_root: None,
        from: advanced.from,
        to: (advanced.delivered_seq, advanced.seen_seq),
    }
}

/// Tells the others of the audience, unless they are too many, and with numbers for them also the user's own devices.
pub(crate) fn announce_move(
    feed: &dyn Feed,
    moved: Moved,
    unread: Option<(u32, u32)>,
    audience: &[UserId],
    members_max: usize,
) {
    if let Some(unread) = unread {
        tell_own_devices(feed, moved, unread);
    }
    let others: Vec<UserId> = audience
        .iter()
        .copied()
        .filter(|&other| other != moved.user)
        .collect();
    if !others.is_empty() && audience.len() <= members_max {
        feed.deliver(&Audience::Users(others), &Event::WatermarksMoved(moved));
    }
}

pub(crate) fn tell_own_devices(feed: &dyn Feed, moved: Moved, unread: (u32, u32)) {
    let event = Event::ReceiptUpdated {
        conversation: moved.conversation,
        user: moved.user,
        delivered_seq: moved.to.0,
        seen_seq: moved.to.1,
        thread_root: moved.thread_root,
        unread,
    };
    feed.deliver(&Audience::Users(vec![moved.user]), &event);
}
