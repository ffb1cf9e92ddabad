//! Whom one knows and whom one blocks, and what follows for presence.

use crate::store::{StoreError, UserRev};
use crate::{
    Account, Audience, Caller, ConversationId, Event, Messenger, Openness, Privacy, StoreResult, Timestamp,
    UserId, text,
};
use std::collections::HashSet;
use std::sync::Arc;

/// Whoever had a direct conversation with activity within this time hears of it.
const WATCHED_MS: i64 = 90 * 24 * 60 * 60 * 1_000;

/// Somebody whom the owner knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Who.
    pub account: Account,
    /// What the owner calls them.
    pub alias: Option<String>,
    /// Since when; `None` for the other person of a direct conversation who is not kept as contact.
    pub created_at: Option<Timestamp>,
}

/// Somebody whom the owner blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Who.
    pub account: Account,
    /// Since when.
    pub created_at: Timestamp,
}

/// Why a contact or a block is refused.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// No such account, or the caller's own.
    #[error("there is no such person")]
    UnknownUser,
    /// Longer than a display name.
    #[error("the alias is too long")]
    AliasTooLong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// The caller's contacts and the other people of its direct conversations, by the name they are known by; of
    /// those whom a prefix of username, alias or a word of them fits.
    pub async fn contacts(&self, caller: &Caller, query: &str) -> StoreResult<Vec<Contact>> {
        let mut contacts = self.store.contacts(caller.user).await?;
        let kept: HashSet<UserId> = contacts.iter().map(|contact| contact.account.id).collect();
        let mut peers = self.store.peers(caller.user).await?;
        peers.retain(|peer| !kept.contains(peer));
        contacts.extend(
            self.accounts_by_id(&peers)
                .await?
                .into_iter()
                .map(|account| Contact {
                    account,
                    alias: None,
                    created_at: None,
                }),
        );
        contacts.retain(|contact| contact.account.deleted_at.is_none());
        let prefix = text::folded(&text::name(query.trim().trim_start_matches('@')));
        contacts.retain(|contact| prefix.is_empty() || is_found(contact, &prefix));
        contacts.sort_by_cached_key(|contact| {
            let name = contact.alias.as_deref().unwrap_or(&contact.account.display_name);
            (text::folded(name), contact.account.id)
        });
        Ok(contacts)
    }

    /// Keeps somebody as contact.
    pub async fn set_contact(
        &self,
        caller: &Caller,
        user: UserId,
        alias: Option<&str>,
    ) -> Result<Contact, ContactError> {
        let account = self.someone_else(caller, user).await?;
        let alias = alias.map(text::name).filter(|alias| !alias.is_empty());
        if alias
            .as_ref()
            .is_some_and(|alias| alias.chars().count() > self.options.display_name_chars_max)
        {
            return Err(ContactError::AliasTooLong);
        }
        let at = Timestamp::now();
        let (feed, owner, named) = (Arc::clone(&self.feed), caller.user, alias.clone());
        let announce = move |rev: &UserRev| {
            let Some(user_rev) = *rev else { return };
            let event = Event::ContactChanged {
                user,
                user_rev,
                at,
                contact: Some(named),
            };
            feed.deliver(&Audience::Users(vec![owner]), &event);
        };
        self.store
            .set_contact(caller.user, user, alias.clone(), at, Box::new(announce))
            .await?;
        let kept = self.store.contact(caller.user, user).await?;
        Ok(kept.unwrap_or(Contact {
            account,
            alias,
            created_at: Some(at),
        }))
    }

    /// Forgets a contact; nothing happens when there is none.
    pub async fn remove_contact(&self, caller: &Caller, user: UserId) -> StoreResult<()> {
        let (feed, owner, at) = (Arc::clone(&self.feed), caller.user, Timestamp::now());
        let announce = move |rev: &UserRev| {
            let Some(user_rev) = *rev else { return };
            let event = Event::ContactChanged {
                user,
                user_rev,
                at,
                contact: None,
            };
            feed.deliver(&Audience::Users(vec![owner]), &event);
        };
        self.store
            .remove_contact(caller.user, user, Box::new(announce))
            .await?;
        Ok(())
    }

    /// Whom the caller blocks, the newest first.
    pub async fn blocks(&self, caller: &Caller) -> StoreResult<Vec<Blocked>> {
        self.store.blocks(caller.user).await
    }

    /// Blocks somebody, or no longer. The other is not told.
    pub async fn set_block(&self, caller: &Caller, user: UserId, blocked: bool) -> Result<(), ContactError> {
        if blocked {
            self.someone_else(caller, user).await?;
        }
        let (feed, owner, at) = (Arc::clone(&self.feed), caller.user, Timestamp::now());
        let announce = move |rev: &UserRev| {
            let Some(user_rev) = *rev else { return };
            let event = Event::BlockChanged {
                user,
                blocked,
                user_rev,
                at,
            };
            feed.deliver(&Audience::Users(vec![owner]), &event);
        };
        self.store
            .set_block(caller.user, user, blocked, at, Box::new(announce))
            .await?;
        Ok(())
    }

    /// All blocks between the user and one of the others: who blocks, and whom.
    pub async fn blocks_between(
        &self,
        user: UserId,
        others: &[UserId],
    ) -> StoreResult<Vec<(UserId, UserId)>> {
        if others.is_empty() {
            return Ok(Vec::new());
        }
        self.store.blocks_between(user, others).await
    }

    /// Those of `users` who let `actor` do what `rule` is about, and do not block it: ask with
    /// `|privacy| privacy.who_can_add_me` whom the actor may add to a group.
    pub async fn who_admit(
        &self,
        actor: UserId,
        users: &[UserId],
        rule: impl Fn(&Privacy) -> Openness + Send,
    ) -> StoreResult<HashSet<UserId>> {
        let privacy = self.privacy(users).await?;
        let asking = privacy
            .iter()
            .filter(|(_, privacy)| rule(privacy) == Openness::Contacts);
        let asking: Vec<UserId> = asking.map(|(user, _)| *user).collect();
        let contacts: HashSet<UserId> = match asking.as_slice() {
            [] => HashSet::new(),
            asking => self
                .store
                .owners_of_contact(actor, asking)
                .await?
                .into_iter()
                .collect(),
        };
        let blocks: HashSet<_> = self.blocks_between(actor, users).await?.into_iter().collect();
        let admits = |(user, privacy): &(UserId, Privacy)| {
            rule(privacy).admits(contacts.contains(user)) && !blocks.contains(&(*user, actor))
        };
        let admitting = privacy.into_iter().filter(admits).map(|(user, _)| user);
        Ok(admitting.collect())
    }

    /// Those of `users` whose presence the viewer may know.
    pub async fn shown_to(&self, viewer: UserId, users: &[UserId]) -> StoreResult<HashSet<UserId>> {
        let own = self.privacy(&[viewer]).await?;
        let mut shown = if own.iter().any(|(_, own)| own.last_seen == Openness::Nobody) {
            HashSet::new()
        } else {
            self.who_admit(viewer, users, |privacy| privacy.last_seen).await?
        };
        if users.contains(&viewer) {
            shown.insert(viewer);
        }
        Ok(shown)
    }

    /// Who hears when the user comes and goes, ascending: people of direct conversations of the last 90 days, those who
    /// have it as contact, and the `others`; as far as the user shows itself to them and they show themselves.
    pub async fn watchers(&self, user: UserId, others: &[UserId]) -> StoreResult<Vec<UserId>> {
        let own = self.privacy(&[user]).await?;
        let Some(&(_, own)) = own.first() else {
            return Ok(Vec::new());
        };
        if own.last_seen == Openness::Nobody {
            return Ok(Vec::new());
        }
        let since = Timestamp(Timestamp::now().0 - WATCHED_MS);
        let limit = self.options.presence_watchers_max;
        let mut watchers = self.store.watchers(user, since, limit).await?;
        watchers.extend(others.iter().filter(|other| **other != user));
        watchers.sort_unstable();
        watchers.dedup();
        if own.last_seen == Openness::Contacts {
            let contacts = self.store.contacts(user).await?;
            let contacts: HashSet<_> = contacts.iter().map(|contact| contact.account.id).collect();
            watchers.retain(|watcher| contacts.contains(watcher));
        }
        let blocks: HashSet<_> = self.blocks_between(user, &watchers).await?.into_iter().collect();
        let hidden: HashSet<_> = self
            .privacy(&watchers)
            .await?
            .into_iter()
            .filter(|(_, privacy)| privacy.last_seen == Openness::Nobody)
            .map(|(watcher, _)| watcher)
            .collect();
        watchers.retain(|watcher| !blocks.contains(&(user, *watcher)) && !hidden.contains(watcher));
        Ok(watchers)
    }

    /// The groups of the user in which members hear of each other's coming and going while they look at them.
    pub async fn small_groups(&self, user: UserId) -> StoreResult<Vec<ConversationId>> {
        self.store
            .small_groups(user, self.options.presence_members_max)
            .await
    }

    async fn someone_else(&self, caller: &Caller, user: UserId) -> Result<Account, ContactError> {
        let account = self.account(user).await?;
        account
            .filter(|account| account.deleted_at.is_none() && account.id != caller.user)
            .ok_or(ContactError::UnknownUser)
    }
}

/// Whether one of a contact's names, or a word of one, begins so.
pub(crate) fn is_found(contact: &Contact, prefix: &str) -> bool {
    let name = contact.account.username.as_str();
    let mut keys = text::search_keys(name, &contact.account.display_name);
    if let Some(alias) = &contact.alias {
        keys.extend(text::search_keys(name, alias));
    }
    keys.iter().any(|key| key.starts_with(prefix))
}
