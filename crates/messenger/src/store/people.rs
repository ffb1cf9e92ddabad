//! What people tell of themselves, whom they know and whom they block.

use super::{Announce, StoreError};
use crate::{AttachmentId, AvatarError, Blocked, Contact, Me, PrivacyChange, Timestamp, UserId, Username};
use async_trait::async_trait;

/// A wish to change one's own account; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct MeChange {
    /// The new name and until when the old one is kept from others.
    pub username: Option<(Username, Timestamp)>,
    /// The name to show.
    pub display_name: Option<String>,
    /// Some words.
    pub bio: Option<String>,
    /// Language tag.
    pub locale: Option<String>,
    /// Name of a time zone.
    pub timezone: Option<String>,
    /// The picture, or that there is none.
    pub avatar: Option<Option<AttachmentId>>,
    /// Who may do what.
    pub privacy: PrivacyChange,
    /// When it changes who learns what was seen, conversations of up to so many members are touched for all of them.
    pub receipts_members_max: usize,
    /// The settings as they were read and as they shall be.
    pub settings: Option<(String, String)>,
    /// When.
    pub at: Timestamp,
}

/// Why one's own account was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeRefusal {
    /// Somebody has the name, or gave it up lately.
    UsernameTaken,
    /// The settings are others than those that were read.
    SettingsChanged,
    /// The picture does not fit.
    Avatar(AvatarError),
}

/// The user's new change number, or that nothing changed.
pub type UserRev = Option<u64>;

/// People's own accounts.
#[async_trait]
pub trait Profiles {
    /// The account with all that is the user's own.
    async fn me(&self, user: UserId) -> Result<Option<Me>, StoreError>;
    /// Changes it, which raises the user's number by one and is announced. A wish that changes nothing does
    /// neither. Whoever is found by name is found by the new names.
    async fn change_me(
        &self,
        user: UserId,
        change: MeChange,
        announce: Announce<Me>,
    ) -> Result<Result<Me, MeRefusal>, StoreError>;
    /// The bio of an account.
    async fn bio(&self, user: UserId) -> Result<String, StoreError>;
    /// Who may do what, of those of the users who exist, by id.
    async fn privacy(&self, users: &[UserId]) -> Result<Vec<(UserId, crate::Privacy)>, StoreError>;
}

/// Contacts and blocks. Both are one-sided.
#[async_trait]
pub trait Contacts {
    /// The owner's contacts, by id.
    async fn contacts(&self, owner: UserId) -> Result<Vec<Contact>, StoreError>;
    /// One of them.
    async fn contact(&self, owner: UserId, user: UserId) -> Result<Option<Contact>, StoreError>;
    /// Keeps somebody as contact, under an alias if there is one. Announced when that is news.
    async fn set_contact(
        &self,
        owner: UserId,
        user: UserId,
        alias: Option<String>,
        at: Timestamp,
        announce: Announce<UserRev>,
    ) -> Result<UserRev, StoreError>;
    /// Forgets a contact. Announced when there was one.
    async fn remove_contact(
        &self,
        owner: UserId,
        user: UserId,
        announce: Announce<UserRev>,
    ) -> Result<UserRev, StoreError>;
    /// Those of `among` who have `user` as contact, ascending.
    async fn owners_of_contact(&self, user: UserId, among: &[UserId]) -> Result<Vec<UserId>, StoreError>;
    /// Whom the owner blocks, the newest first.
    async fn blocks(&self, owner: UserId) -> Result<Vec<Blocked>, StoreError>;
    /// Blocks somebody, or no longer. Announced when that is news.
    async fn set_block(
        &self,
        owner: UserId,
        user: UserId,
        blocked: bool,
        at: Timestamp,
        announce: Announce<UserRev>,
    ) -> Result<UserRev, StoreError>;
    /// All blocks between the user and one of `others`, in either direction: who blocks, and whom.
    async fn blocks_between(
        &self,
        user: UserId,
        others: &[UserId],
    ) -> Result<Vec<(UserId, UserId)>, StoreError>;
    /// Who hears when the user comes and goes: owners who have it as contact, and the other person of each direct
    /// conversation with activity since then; ascending, at most so many.
    async fn watchers(&self, user: UserId, since: Timestamp, limit: usize)
    -> Result<Vec<UserId>, StoreError>;
}
