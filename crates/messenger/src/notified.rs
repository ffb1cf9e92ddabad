//! Whom a message is worth a notification.

use crate::mention::is_named;
use crate::store::Attention;
use crate::{Message, Messenger, Notify, StoreResult, Timestamp, UserId};

impl Messenger {
    /// Those of the users who want to be notified of a message now: members who neither wrote it nor have seen it, nor
    /// have muted the conversation, nor block its author; of a reply that is only in a thread those who follow it, and
    /// those whom it names.
    pub async fn notified(&self, message: &Message, users: &[UserId]) -> StoreResult<Vec<UserId>> {
        if message.is_system() || message.deleted_at.is_some() {
            return Ok(Vec::new());
        }
        let now = Timestamp::now();
        let members = self.store.attention(message, users).await?;
        let wanting = members.iter().filter(|member| wants(member, message, now));
        Ok(wanting.map(|member| member.user).collect())
    }
}

fn wants(member: &Attention, message: &Message, now: Timestamp) -> bool {
    let user = member.user;
    let named = is_named(&message.mentions, user);
    let answered = message
        .reply_to
        .as_ref()
        .is_some_and(|quote| quote.author == user);
    let only_in_thread = message.thread_root.is_some() && !message.in_timeline;
    let seen_seq = match only_in_thread {
        true => member.thread_seen_seq,
        false => Some(member.seen_seq),
    };
    let wished = match member.notify {
        Notify::All => true,
        Notify::Mentions => named || answered,
        Notify::Nothing => false,
    };
    message.author != user
        && !member.blocks
        && wished
        && member.muted_until.is_none_or(|until| until <= now)
        && seen_seq.is_none_or(|seen| seen < message.seq)
        && (!only_in_thread || named || member.thread_seen_seq.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConversationId, Mention, MessageId, MessageKind, Quote};

    const NOW: Timestamp = Timestamp(1_000);

    fn member() -> Attention {
        Attention {
            user: UserId(2),
            muted_until: None,
            notify: Notify::All,
            seen_seq: 9,
            thread_seen_seq: None,
            blocks: false,
        }
    }

    fn message() -> Message {
        let mut message = Message::new(UserId(1), ConversationId(1), MessageKind::Text, NOW);
        message.seq = 10;
        message
    }

    fn naming(user: Option<UserId>, message: Message) -> Message {
        let (offset, length) = (0, 4);
        let mentions = vec![Mention { user, offset, length }];
        Message { mentions, ..message }
    }

    fn in_thread() -> Message {
        Message {
            thread_root: Some(MessageId(1)),
            in_timeline: false,
            ..message()
        }
    }

    #[track_caller]
    fn check(member: &Attention, message: &Message, expected: bool) {
        assert_eq!(wants(member, message, NOW), expected, "{member:?} {message:?}");
    }

    #[test]
    fn what_members_wish_is_kept_to() {
        check(&member(), &message(), true);
        let author = Attention {
            user: UserId(1),
            ..member()
        };
        check(&author, &message(), false);
        let has_seen = Attention {
            seen_seq: 10,
            ..member()
        };
        check(&has_seen, &message(), false);
        let blocks = Attention {
            blocks: true,
            ..member()
        };
        check(&blocks, &naming(Some(UserId(2)), message()), false);
        for (until, expected) in [(1_001, false), (1_000, true)] {
            let muted = Attention {
                muted_until: Some(Timestamp(until)),
                ..member()
            };
            check(&muted, &naming(Some(UserId(2)), message()), expected);
        }
        let nothing = Attention {
            notify: Notify::Nothing,
            ..member()
        };
        check(&nothing, &naming(None, message()), false);
        let mentions = Attention {
            notify: Notify::Mentions,
            ..member()
        };
        check(&mentions, &message(), false);
        check(&mentions, &naming(Some(UserId(3)), message()), false);
        check(&mentions, &naming(Some(UserId(2)), message()), true);
        check(&mentions, &naming(None, message()), true);
        let quote = Quote {
            message: MessageId(1),
            seq: 1,
            author: UserId(2),
            kind: MessageKind::Text,
            excerpt: String::new(),
            deleted: false,
        };
        let answer = Message {
            reply_to: Some(quote),
            ..message()
        };
        check(&mentions, &answer, true);
    }

    #[test]
    fn a_reply_in_a_thread_is_for_those_who_follow_or_are_named() {
        check(&member(), &in_thread(), false);
        check(&member(), &naming(Some(UserId(2)), in_thread()), true);
        let also_outside = Message {
            in_timeline: true,
            ..in_thread()
        };
        check(&member(), &also_outside, true);
        for (seen, expected) in [(9, true), (10, false)] {
            let follower = Attention {
                thread_seen_seq: Some(seen),
                // That the conversation was read says nothing about its threads.
                seen_seq: 10,
                ..member()
            };
            check(&follower, &in_thread(), expected);
        }
    }
}
