//! How far a message has come: the state its author sees, and with whom it is where. Nothing of it is
//! stored; it follows from watermarks.

use crate::store::StoreError;
use crate::{
    Account, Caller, ConversationId, Message, MessageId, MessageStatus, Messenger, Page, StoreResult,
    Timestamp, UserId,
};
use std::collections::HashMap;

/// One whom messages of somebody are for, with what that one may know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
    /// Only later messages are for it.
    pub joined_seq: u64,
    /// How far messages have reached it.
    pub delivered_seq: u64,
    /// How far it has seen, unless one of the two keeps that to itself.
    pub seen_seq: Option<u64>,
    /// It blocks the other, who sees where its watermarks were then.
    pub blocks: bool,
}

/// How far a message has come with one of those it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// With whom.
    pub account: Account,
    /// It has arrived on a device.
    pub delivered: bool,
    /// When, if that is known.
    pub delivered_at: Option<Timestamp>,
    /// It was shown; not told where one of the two keeps that to itself.
    pub seen: Option<bool>,
    /// When, if that is known.
    pub seen_at: Option<Timestamp>,
}

/// Why it is not told how far a message has come.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalsError {
    /// No message, or none the caller may know of.
    #[error("no such message")]
    NotFound,
    /// Somebody else's, or the server's own.
    #[error("only its author may know who has seen a message")]
    NotAuthor,
    /// The caller was a member once.
    #[error("you are not a member")]
    NotAMember,
    /// Not one of ours.
    #[error("the cursor is not valid")]
    CursorInvalid,
    /// Outside 1 to the maximum.
    #[error("the limit is out of range")]
    LimitInvalid,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who follows a thread, and how far each has seen it.
type Followers = HashMap<MessageId, HashMap<UserId, u64>>;

impl Messenger {
    /// Adds to messages what only their reader is told: its own reactions, and how far its own messages have come.
    pub(crate) async fn personalise(&self, reader: UserId, messages: &mut [Message]) -> StoreResult<()> {
        self.add_own_reactions(reader, messages).await?;
        self.add_states(reader, messages).await
    }

    /// At most two questions, however many messages there are.
    async fn add_states(&self, reader: UserId, messages: &mut [Message]) -> StoreResult<()> {
        let own = |message: &&mut Message| {
            message.author == reader && !message.is_system() && message.deleted_at.is_none()
        };
        let mut own: Vec<&mut Message> = messages.iter_mut().filter(own).collect();
        let mut conversations: Vec<ConversationId> = own
            .iter()
            .filter(|message| message.receipts)
            .map(|message| message.conversation)
            .collect();
        conversations.sort_unstable();
        conversations.dedup();
        let mut recipients: HashMap<ConversationId, Vec<Recipient>> = HashMap::new();
        if !conversations.is_empty() {
            let members_max = self.options.receipts_members_max;
            let found = self.store.recipients(reader, &conversations, members_max).await?;
            for recipient in found {
                recipients
                    .entry(recipient.conversation)
                    .or_default()
                    .push(recipient);
            }
        }
        let mut roots: Vec<MessageId> = own.iter().filter_map(|message| message.thread_root).collect();
        roots.sort_unstable();
        roots.dedup();
        let mut followers = Followers::new();
        if !roots.is_empty() {
            for (root, user, seen_seq) in self.store.followers(&roots).await? {
                followers.entry(root).or_default().insert(user, seen_seq);
            }
        }
        for message in &mut own {
            let recipients = recipients
                .get(&message.conversation)
                .map_or(&[][..], Vec::as_slice);
            message.status = Some(status(message, recipients, &followers));
        }
        Ok(())
    }

    /// With whom one of the caller's messages is where, by the recipients' ids.
    pub async fn arrivals(
        &self,
        caller: &Caller,
        id: MessageId,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<Arrival>, ArrivalsError> {
        let limit = self.page_limit(limit).ok_or(ArrivalsError::LimitInvalid)?;
        let after = match cursor {
            Some(text) => Some(UserId(text.parse().map_err(|_| ArrivalsError::CursorInvalid)?)),
            None => None,
        };
        let message = self.store.message(caller.user, id).await?;
        let message = message.ok_or(ArrivalsError::NotFound)?;
        if message.author != caller.user || message.is_system() {
            return Err(ArrivalsError::NotAuthor);
        }
        let standing = self.store.standing(caller.user, message.conversation).await?;
        if standing.is_none_or(|(_, my)| my.left_at.is_some()) {
            return Err(ArrivalsError::NotAMember);
        }
        let times_members_max = self.options.receipt_times_members_max;
        let mut items = self
            .store
            .arrivals(&message, after, limit + 1, times_members_max)
            .await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        Ok(Page {
            next_cursor: last.map(|arrival| arrival.account.id.to_string()),
            items,
        })
    }

    /// Forgets when watermarks were where, once that is no longer told.
    pub async fn forget_receipt_times(&self, now: Timestamp) -> StoreResult<()> {
        /// Rows in one transaction.
        const BATCH: usize = 1_000;
        let kept_ms = self.options.receipt_times_s.saturating_mul(1_000);
        let before = Timestamp(now.0.saturating_sub_unsigned(kept_ms));
        while self.store.forget_receipt_times(before, BATCH).await? == BATCH as u64 {}
        Ok(())
    }
}

/// The state of a message, given the recipients in its conversation, as far as receipts are shared there.
fn status(message: &Message, recipients: &[Recipient], followers: &Followers) -> MessageStatus {
    let seq = message.seq;
    let mut recipients = recipients.iter().filter(|one| one.joined_seq < seq).peekable();
    if !message.receipts || recipients.peek().is_none() {
        return MessageStatus::Sent;
    }
    let followers = message.thread_root.map(|root| followers.get(&root));
    // Who keeps it private has no say, nor in a thread who does not follow it.
    let seen = |one: &Recipient| match followers {
        None => one.seen_seq,
        Some(followers) => {
            let of_thread = *followers?.get(&one.user)?;
            let shared = one.seen_seq?;
            Some(if one.blocks {
                of_thread.min(shared)
            } else {
                of_thread
            })
        }
    };
    let (mut all_have_it, mut last_to_see) = (true, None);
    for one in recipients {
        all_have_it &= one.delivered_seq >= seq;
        last_to_see = match (last_to_see, seen(one)) {
            (Some(last), Some(seen)) => Some(seen.min(last)),
            (last, seen) => last.or(seen),
        };
    }
    match last_to_see {
        Some(last) if last >= seq => MessageStatus::Seen,
        _ if all_have_it => MessageStatus::Delivered,
        _ => MessageStatus::Sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageKind;

    const ROOT: MessageId = MessageId(1);

    fn one(user: i64, joined_seq: u64, delivered_seq: u64, seen_seq: Option<u64>) -> Recipient {
        Recipient {
            conversation: ConversationId(1),
            user: UserId(user),
            joined_seq,
            delivered_seq,
            seen_seq,
            blocks: false,
        }
    }

    fn message() -> Message {
        let mut message = Message::new(UserId(1), ConversationId(1), MessageKind::Text, Timestamp(0));
        message.seq = 10;
        message
    }

    #[test]
    fn all_have_to_have_it_and_all_who_tell_to_have_seen_it() {
        use MessageStatus::{Delivered, Seen, Sent};
        let check = |recipients: &[Recipient], expected| {
            assert_eq!(
                status(&message(), recipients, &Followers::new()),
                expected,
                "{recipients:?}"
            );
        };
        check(&[], Sent);
        check(&[one(2, 10, 10, Some(10))], Sent);
        check(&[one(2, 9, 9, Some(9))], Sent);
        check(&[one(2, 9, 10, Some(9))], Delivered);
        check(&[one(2, 9, 10, Some(10))], Seen);
        check(&[one(2, 0, 12, Some(12)), one(3, 0, 9, Some(0))], Sent);
        check(&[one(2, 0, 12, Some(12)), one(3, 0, 10, Some(9))], Delivered);
        check(&[one(2, 0, 12, Some(12)), one(3, 12, 12, Some(12))], Seen);
        check(&[one(2, 0, 12, None)], Delivered);
        check(&[one(2, 0, 9, None)], Sent);
        check(&[one(2, 0, 12, None), one(3, 0, 10, Some(10))], Seen);
        check(&[one(2, 0, 9, None), one(3, 0, 10, Some(10))], Seen);
    }

    #[test]
    fn what_was_said_to_a_blocker_is_never_ticked() {
        let message = Message {
            receipts: false,
            ..message()
        };
        let recipients = [one(2, 0, 12, Some(12))];
        assert_eq!(
            status(&message, &recipients, &Followers::new()),
            MessageStatus::Sent
        );
    }

    #[test]
    fn a_reply_is_seen_by_those_who_follow_its_thread() {
        use MessageStatus::{Delivered, Seen, Sent};
        let reply = Message {
            thread_root: Some(ROOT),
            ..message()
        };
        let check = |recipients: &[Recipient], followers: &[(i64, u64)], expected| {
            let following = followers.iter().map(|&(user, seen)| (UserId(user), seen));
            let followers = Followers::from([(ROOT, following.collect())]);
            assert_eq!(
                status(&reply, recipients, &followers),
                expected,
                "{recipients:?} {followers:?}"
            );
        };
        let (bob, cat) = (one(2, 0, 12, Some(12)), one(3, 0, 12, Some(0)));
        check(&[bob, cat], &[(1, 10)], Delivered);
        check(&[bob, cat], &[(1, 10), (2, 9)], Delivered);
        check(&[bob, cat], &[(1, 9), (2, 10)], Seen);
        check(&[bob, cat], &[(2, 10), (3, 9)], Delivered);
        check(&[bob, cat], &[(2, 10), (4, 9)], Seen);
        check(&[one(2, 0, 9, Some(0))], &[(1, 10)], Sent);
        check(&[one(2, 0, 12, None), cat], &[(2, 9), (3, 10)], Seen);
        check(&[one(2, 0, 12, None)], &[(2, 10)], Delivered);
        let blocking = Recipient {
            blocks: true,
            ..one(2, 0, 12, Some(9))
        };
        check(&[blocking], &[(2, 10)], Delivered);
    }
}
