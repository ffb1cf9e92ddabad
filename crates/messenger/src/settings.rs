//! Changing what a conversation is called and what it allows, and ending it.

use crate::member::announce_acted;
use crate::store::{Act, ActRefusal, Acted, Acting, StoreError};
use crate::{
    AttachmentId, AvatarError, Caller, ConversationId, ConversationKind, Messenger, PolicyChange, Timestamp,
    text,
};
use std::sync::Arc;

/// Messages whose content is taken out in one transaction, so that others are served in between.
const PURGE_BATCH: usize = 1_000;

/// A wish to change settings; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct SettingsWish {
    /// The new title.
    pub title: Option<String>,
    /// The new description; an empty one is none.
    pub description: Option<String>,
    /// The new picture, or that there is none.
    pub avatar: Option<Option<AttachmentId>>,
    /// The policies to change.
    pub policies: PolicyChange,
    /// Whether old versions of edited messages go when the edit history is switched off.
    pub purge_existing: Option<bool>,
}

/// What of the settings changed; the new values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// The title.
    pub title: Option<String>,
    /// The description, or that there is none.
    pub description: Option<Option<String>>,
    /// The picture, or that there is none.
    pub avatar: Option<Option<AttachmentId>>,
    /// Policies.
    pub policies: PolicyChange,
}

/// Why settings are not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// No such conversation, or none the caller may know of.
    #[error("no such conversation")]
    NotFound,
    /// The caller was a member once.
    #[error("you are not a member")]
    NotAMember,
    /// The caller's role does not allow it, or a direct conversation does not have it.
    #[error("you may not change this")]
    NotAllowed,
    /// Nothing left after trimming.
    #[error("a group needs a title")]
    TitleRequired,
    /// Over the limit.
    #[error("the title is too long")]
    TitleTooLong,
    /// Over the limit.
    #[error("the description is too long")]
    DescriptionTooLong,
    /// The picture does not fit.
    #[error(transparent)]
    Avatar(#[from] AvatarError),
    /// Switching the edit history off needs to say what becomes of old versions.
    #[error("say whether existing versions are purged")]
    PurgeExistingRequired,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a conversation is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteConversationError {
    /// No such conversation, or none the caller may know of.
    #[error("no such conversation")]
    NotFound,
    /// Only the owner may delete a group for all.
    #[error("only the owner may delete the group")]
    NotAllowed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// Changes title, description, picture and policies, as far as the caller may; each that differs is one change with a
    /// note about it.
    pub async fn update_conversation(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        wish: SettingsWish,
    ) -> Result<(), UpdateError> {
        let title = wish.title.map(|title| text::name(&title));
        if title.as_ref().is_some_and(String::is_empty) {
            return Err(UpdateError::TitleRequired);
        }
        let longer = |text: &String, max: usize| text.chars().count() > max;
        if title
            .as_ref()
            .is_some_and(|title| longer(title, self.options.title_chars_max))
        {
            return Err(UpdateError::TitleTooLong);
        }
        let description = wish.description.map(|given| text::paragraph(&given));
        if description
            .as_ref()
            .is_some_and(|given| longer(given, self.options.description_chars_max))
        {
            return Err(UpdateError::DescriptionTooLong);
        }
        let act = Act::Update {
            title,
            description: description.map(|given| Some(given).filter(|given| !given.is_empty())),
            avatar: wish.avatar,
            policies: wish.policies,
            purge_existing: wish.purge_existing,
        };
        match self.act(caller, conversation, act).await? {
            Ok(_) => {
                if wish.avatar.is_some() {
                    self.release_files();
                }
                Ok(())
            }
            Err(ActRefusal::Avatar(error)) => Err(error.into()),
            Err(ActRefusal::NotFound) => Err(UpdateError::NotFound),
            Err(ActRefusal::NotAMember) => Err(UpdateError::NotAMember),
            Err(ActRefusal::PurgeExistingRequired) => Err(UpdateError::PurgeExistingRequired),
            Err(_) => Err(UpdateError::NotAllowed),
        }
    }

    /// Deletes a group for all, which only its owner may. Any other conversation, and a group that was left, is
    /// cleared and taken from the caller's own list until something is said in it.
    pub async fn delete_conversation(
        &self,
        caller: &Caller,
        conversation: ConversationId,
    ) -> Result<(), DeleteConversationError> {
        let standing = self.store.standing(caller.user, conversation).await?;
        let (found, member) = standing.ok_or(DeleteConversationError::NotFound)?;
        if found.kind != ConversationKind::Group || member.left_at.is_some() {
            return match self.clear_and_hide(caller, conversation).await? {
                Some(_) => Ok(()),
                None => Err(DeleteConversationError::NotFound),
            };
        }
        match self.act(caller, conversation, Act::Delete).await? {
            Ok(_) => {
                // It is deleted; what remains of its content is found again at the next start.
                if let Err(error) = self.purge_deleted().await {
                    tracing::warn!(%error, "The content of a deleted group could not be taken out yet");
                }
                Ok(())
            }
            Err(ActRefusal::NotFound | ActRefusal::NotAMember) => Err(DeleteConversationError::NotFound),
            Err(_) => Err(DeleteConversationError::NotAllowed),
        }
    }

    /// Takes the content out of deleted conversations, until nothing is left. What a crash interrupts is finished
    /// by the next call: there is one at the start.
    pub async fn purge_deleted(&self) -> Result<(), StoreError> {
        while self.store.purge_deleted(PURGE_BATCH, Timestamp::now()).await? {}
        self.release_files();
        Ok(())
    }

    /// Lets the store do it, and tells of it.
    pub(crate) async fn act(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        act: Act,
    ) -> Result<Result<Acted, ActRefusal>, StoreError> {
        let at = Timestamp::now();
        let acting = Acting {
            actor: caller.user,
            conversation,
            act,
            at,
        };
        let feed = Arc::clone(&self.feed);
        let announce = move |acted: &Acted| announce_acted(&*feed, acted, at);
        self.store.act(acting, Box::new(announce)).await
    }
}
