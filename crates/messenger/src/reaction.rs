//! Reactions: emojis under messages.

use crate::store::{ReactRecord, ReactRefusal, Reacted, StoreError};
use crate::{Account, Caller, Event, Message, MessageId, Messenger, Page, Timestamp, UserId};
use std::sync::Arc;
use unicode_properties::UnicodeEmoji;

/// Longest emoji in bytes: families and flags of regions are around 30.
const EMOJI_BYTES_MAX: usize = 64;

/// Why a reaction is refused.
#[derive(Debug, thiserror::Error)]
pub enum ReactError {
    /// None, or none the caller may know of.
    #[error("no such message")]
    NotFound,
    /// The caller was a member once.
    #[error("you are no longer a member")]
    NotAMember,
    /// Not exactly one emoji.
    #[error("this is not an emoji")]
    EmojiInvalid,
    /// Notes take none.
    #[error("this message takes no reactions")]
    NotAllowed,
    /// Only administrators may post here.
    #[error("posting is restricted")]
    PostingRestricted,
    /// It is a tombstone.
    #[error("the message was deleted")]
    Deleted,
    /// There are too many different ones.
    #[error("there are too many different reactions")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReactRefusal> for ReactError {
    fn from(refusal: ReactRefusal) -> Self {
        match refusal {
            ReactRefusal::NotFound => Self::NotFound,
            ReactRefusal::NotAMember => Self::NotAMember,
            ReactRefusal::NotAllowed => Self::NotAllowed,
            ReactRefusal::PostingRestricted => Self::PostingRestricted,
            ReactRefusal::Deleted => Self::Deleted,
            ReactRefusal::TooMany => Self::TooMany,
        }
    }
}

/// An emoji that somebody put under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Who.
    pub account: Account,
    /// The emoji.
    pub emoji: String,
    /// When.
    pub at: Timestamp,
}

/// Why reactions are not listed.
#[derive(Debug, thiserror::Error)]
pub enum ReactionsError {
    /// No message, or none the caller may know of.
    #[error("no such message")]
    NotFound,
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

impl Messenger {
    /// Who reacted to a message and how, in the order in which they did.
    pub async fn reactions(
        &self,
        caller: &Caller,
        id: MessageId,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<Reaction>, ReactionsError> {
        let limit = self.page_limit(limit).ok_or(ReactionsError::LimitInvalid)?;
        let after = cursor.map(|text| text.parse().ok().filter(|&rev: &u64| rev < 1 << 53));
        let after = after.unwrap_or(Some(0)).ok_or(ReactionsError::CursorInvalid)?;
        let found = self.store.reactions(caller.user, id, after, limit + 1).await?;
        let mut found = found.ok_or(ReactionsError::NotFound)?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        Ok(Page {
            next_cursor: last.map(|(rev, _)| rev.to_string()),
            items: found.into_iter().map(|(_, reaction)| reaction).collect(),
        })
    }

    /// Puts an emoji under a message, or takes the caller's own away. Whether anything changed.
    pub async fn react(
        &self,
        caller: &Caller,
        id: MessageId,
        emoji: &str,
        add: bool,
    ) -> Result<(Message, bool), ReactError> {
        if !is_emoji(emoji) {
            return Err(ReactError::EmojiInvalid);
        }
        let (user, at) = (caller.user, Timestamp::now());
        let record = ReactRecord {
            user,
            message: id,
            emoji: emoji.to_owned(),
            add,
            distinct_max: self.options.reactions_distinct_max,
            at,
        };
        let (feed, emoji) = (Arc::clone(&self.feed), emoji.to_owned());
        let announce = move |reacted: &Result<Reacted, ReactRefusal>| {
            let Ok(reacted) = reacted else { return };
            if reacted.changed {
                let event = Event::ReactionChanged {
                    message: reacted.message.clone(),
                    at,
                    user,
                    emoji,
                    added: add,
                };
                let message = &reacted.message;
                reacted
                    .told
                    .tell(&*feed, &event, (message.conversation, message.rev, at));
            }
        };
        let reacted = self.store.react(record, Box::new(announce)).await??;
        let mut message = reacted.message;
        self.personalise(user, std::slice::from_mut(&mut message)).await?;
        Ok((message, reacted.changed))
    }

    /// Says of each reaction whether the reader is among those who gave it.
    pub(crate) async fn add_own_reactions(
        &self,
        reader: UserId,
        messages: &mut [Message],
    ) -> Result<(), StoreError> {
        let ids: Vec<MessageId> = messages
            .iter()
            .filter(|message| !message.reactions.is_empty())
            .map(|message| message.id)
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let own = self.store.own_reactions(reader, &ids).await?;
        for message in messages {
            for reaction in &mut message.reactions {
                let is_it = |(id, emoji): &(MessageId, String)| *id == message.id && *emoji == reaction.emoji;
                reaction.me = Some(own.iter().any(is_it));
            }
        }
        Ok(())
    }
}

const JOINER: char = '\u{200D}';
const EMOJI_STYLE: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';

/// Whether this is one emoji and nothing else: the `emoji_zwj_sequence` of Unicode's technical standard 51.
fn is_emoji(text: &str) -> bool {
    !text.is_empty() && text.len() <= EMOJI_BYTES_MAX && text.split(JOINER).all(is_element)
}

fn is_element(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    let rest: Vec<char> = chars.collect();
    if is_regional(first) {
        return matches!(rest[..], [second] if is_regional(second));
    }
    if first.is_ascii() {
        return matches!(first, '0'..='9' | '#' | '*')
            && matches!(rest[..], [EMOJI_STYLE, KEYCAP] | [KEYCAP]);
    }
    if !first.is_emoji_char() || is_skin(first) || is_tag(first) {
        return false;
    }
    match rest.as_slice() {
        [] | [EMOJI_STYLE] => true,
        [tone] | [EMOJI_STYLE, tone] if is_skin(*tone) => true,
        [tags @ .., '\u{E007F}'] => !tags.is_empty() && tags.iter().all(|&tag| is_tag(tag)),
        _ => false,
    }
}

fn is_regional(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

fn is_skin(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

fn is_tag(c: char) -> bool {
    matches!(c, '\u{E0020}'..='\u{E007E}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_emoji_and_nothing_else() {
        for emoji in ["👍", "👍🏽", "❤️", "❤", "👩‍🚀", "👨‍👩‍👧‍👦", "🇩🇪", "1️⃣", "#⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏳️‍🌈"]
        {
            assert!(is_emoji(emoji), "{emoji:?}");
        }
        for other in [
            "",
            "a",
            "1",
            "👍👍",
            "👍 ",
            ":)",
            "🇩",
            "🇩🇪🇫🇷",
            "\u{200D}",
            "👍\u{200D}",
            "\u{FE0F}",
            "é",
            "上",
        ] {
            assert!(!is_emoji(other), "{other:?}");
        }
        assert!(!is_emoji(&["👩"; 20].join("\u{200D}")));
    }
}
