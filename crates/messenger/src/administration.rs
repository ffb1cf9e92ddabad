//! What administrators of the server do: to accounts, with invites, and the log of all of it. They see no
//! conversations.

use crate::report::cut;
use crate::store::{AccountChange, AccountChangeRefusal, AccountChanged, StoreError};
use crate::token::Secret;
use crate::{
    Account, AdminListError, Audience, Caller, Event, LogoutReason, Messenger, Page, StoreResult, Timestamp,
    UserId, text,
};
use std::sync::Arc;

/// An account as administrators see it.
#[derive(Debug, Clone)]
pub struct AdminAccount {
    /// The account.
    pub account: Account,
    /// How many devices it is logged in on.
    pub devices: u64,
}

/// Something an administrator did.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// Its number.
    pub id: i64,
    /// Who.
    pub actor: UserId,
    /// What: `user.suspended`, `report.handled` …
    pub action: String,
    /// To whom or what: JSON.
    pub subject: String,
    /// When.
    pub at: Timestamp,
}

/// How much there is on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Accounts that were not deleted.
    pub accounts: u64,
    /// Of them, suspended ones.
    pub suspended: u64,
    /// Conversations that were not deleted.
    pub conversations: u64,
    /// Messages, tombstones included.
    pub messages: u64,
    /// Reports nobody has handled.
    pub open_reports: u64,
}

/// An invite to this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInvite {
    /// Its public name.
    pub id: uuid::Uuid,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// How many people may register with it.
    pub max_uses: Option<u64>,
    /// How many have.
    pub uses: u64,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// A fresh invite with its secret, which is shown this once.
#[derive(Debug, Clone)]
pub struct CreatedServerInvite {
    /// The invite.
    pub invite: ServerInvite,
    /// What lets people register.
    pub token: String,
}

/// An invite to be stored.
#[derive(Debug, Clone)]
pub struct NewServerInvite {
    /// The invite.
    pub invite: ServerInvite,
    /// SHA-256 of its secret, in hex.
    pub secret_hash: String,
}

/// Why an account is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeAccountError {
    /// There is none.
    #[error("no such account")]
    NotFound,
    /// Oneself, the owner, or an administrator while the caller is not the owner.
    #[error("you may not do this to that account")]
    NotAllowed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why there is no invite to the server.
#[derive(Debug, thiserror::Error)]
pub enum ServerInviteError {
    /// Not between a second and ten years.
    #[error("the life of an invite is out of range")]
    LifeInvalid,
    /// Not between one and a million.
    #[error("the number of uses is out of range")]
    MaxUsesInvalid,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// Accounts by id, deleted and suspended ones included.
    pub async fn admin_accounts(
        &self,
        query: Option<&str>,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<AdminAccount>, AdminListError> {
        let (after, limit) = self.numbered_page(cursor, limit)?;
        let prefix = query.map(text::prefix).filter(|prefix| !prefix.is_empty());
        let items = self
            .store
            .find_accounts(prefix.as_deref(), after.map(UserId), limit + 1)
            .await?;
        Ok(cut(items, limit, |item| item.account.id.to_string()))
    }

    /// Suspends an account or lets it in again, makes it an administrator or a member, ends its logins. Its sockets
    /// are closed when it may no longer use them.
    pub async fn change_account(
        &self,
        actor: &Caller,
        user: UserId,
        change: AccountChange,
    ) -> Result<AdminAccount, ChangeAccountError> {
        let at = Timestamp::now();
        let (feed, cache) = (Arc::clone(&self.feed), Arc::clone(&self.logins));
        let log_out = self.announce_log_outs(user, LogoutReason::DeviceRevoked);
        let announce = move |changed: &AccountChanged| {
            let own = Audience::Users(vec![user]);
            if let Some(me) = &changed.me {
                let me = Box::new(me.clone());
                feed.deliver(&own, &Event::MeUpdated { me, at });
            }
            cache.forget(&changed.suspended);
            for &login in &changed.suspended {
                let reason = LogoutReason::AccountSuspended;
                feed.deliver(&own, &Event::LoggedOut { user, login, reason });
            }
            log_out(&changed.ended);
        };
        let changed = self
            .store
            .change_account(actor.user, user, change, at, Box::new(announce))
            .await?;
        match changed {
            Ok(changed) => Ok(changed.account),
            Err(AccountChangeRefusal::NotFound) => Err(ChangeAccountError::NotFound),
            Err(AccountChangeRefusal::NotAllowed) => Err(ChangeAccountError::NotAllowed),
        }
    }

    /// What administrators did, newest first.
    pub async fn audit(
        &self,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<AuditEntry>, AdminListError> {
        let (before, limit) = self.numbered_page(cursor, limit)?;
        let items = self.store.audit(before, limit + 1).await?;
        Ok(cut(items, limit, |entry| entry.id.to_string()))
    }

    /// Logs what an administrator did elsewhere; `subject` is JSON.
    pub async fn log_action(&self, actor: &Caller, action: &str, subject: &str) -> StoreResult<()> {
        self.store
            .log_action(actor.user, action, subject, Timestamp::now())
            .await
    }

    /// How much there is.
    pub async fn counts(&self) -> StoreResult<Counts> {
        self.store.counts().await
    }

    /// A new invite to this server, and the token that is told this once. `life_s`: `None` as usual, `Some(None)`
    /// without end.
    pub async fn create_server_invite(
        &self,
        actor: &Caller,
        life_s: Option<Option<u64>>,
        max_uses: Option<u64>,
    ) -> Result<CreatedServerInvite, ServerInviteError> {
        let life_s = life_s.unwrap_or(Some(self.options.invite_life_s));
        if life_s.is_some_and(|life| !(1..=crate::invite::LIFE_S_MAX).contains(&life)) {
            return Err(ServerInviteError::LifeInvalid);
        }
        if max_uses.is_some_and(|uses| !(1..=crate::invite::USES_MAX).contains(&uses)) {
            return Err(ServerInviteError::MaxUsesInvalid);
        }
        let secret = Secret::generate()
            .map_err(|error| StoreError::Unavailable(format!("no randomness for an invite: {error}")))?;
        let at = Timestamp::now();
        let invite = ServerInvite {
            id: uuid::Uuid::new_v4(),
            created_by: actor.user,
            created_at: at,
            expires_at: life_s.map(|life| Timestamp(at.0 + life as i64 * 1_000)),
            max_uses,
            uses: 0,
            revoked_at: None,
        };
        let new = NewServerInvite {
            invite,
            secret_hash: secret.hash().as_str().to_owned(),
        };
        let invite = self.store.create_server_invite(new).await?;
        Ok(CreatedServerInvite {
            invite,
            token: secret.reveal().to_owned(),
        })
    }

    /// Takes an invite to this server back; `Ok(false)`: there is none.
    pub async fn revoke_server_invite(&self, actor: &Caller, id: uuid::Uuid) -> StoreResult<bool> {
        self.store
            .revoke_server_invite(actor.user, id, Timestamp::now())
            .await
    }

    /// Invites to this server, newest first.
    pub async fn server_invites(
        &self,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<ServerInvite>, AdminListError> {
        let limit = self.page_limit(limit).ok_or(AdminListError::LimitInvalid)?;
        let after = cursor.map(uuid::Uuid::try_parse).transpose();
        let after = after.map_err(|_| AdminListError::CursorInvalid)?;
        let items = self.store.server_invites(after, limit + 1).await?;
        Ok(cut(items, limit, |invite| invite.id.to_string()))
    }
}
