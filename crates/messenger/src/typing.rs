//! Typing: who may see that somebody writes. Nothing of it is stored.

use crate::{ConversationId, ConversationKind, MessageId, Messenger, StoreResult, UserId};

/// What somebody is about to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypingKind {
    /// Words.
    Text,
    /// A voice note.
    Voice,
    /// A file.
    File,
}

/// Somebody begins, goes on, or stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypingSignal {
    /// What it will be.
    pub kind: TypingKind,
    /// It will not be, or is.
    pub stop: bool,
    /// The thread it is for.
    pub thread_root: Option<MessageId>,
}

/// Who may see somebody type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypingAudience {
    /// These members, ascending.
    pub users: Vec<UserId>,
    /// That is everybody who is in the conversation.
    pub everybody: bool,
}

impl Messenger {
    /// Who may see the user type in the conversation. Nobody: when it may not post there or is not a member, when it
    /// does not want that seen, in conversations too large for it, and on either side of a block.
    pub async fn typing_audience(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> StoreResult<Option<TypingAudience>> {
        let Some((found, my)) = self.store.standing(user, conversation).await? else {
            return Ok(None);
        };
        let may_post = my.left_at.is_none() && found.policies.post.includes(my.role);
        let too_large = found.member_count as usize > self.options.typing_members_max;
        if !may_post || too_large || found.kind == ConversationKind::Own {
            return Ok(None);
        }
        let privacy = self.privacy(&[user]).await?;
        if !privacy.iter().any(|(_, privacy)| privacy.typing) {
            return Ok(None);
        }
        let mut users = self.store.member_ids(conversation).await?;
        users.retain(|member| *member != user);
        let blocks = self.blocks_between(user, &users).await?;
        let apart = |member: &UserId| blocks.iter().any(|(one, other)| one == member || other == member);
        let all = users.len();
        users.retain(|member| !apart(member));
        let everybody = users.len() == all;
        Ok((!users.is_empty()).then_some(TypingAudience { users, everybody }))
    }
}
