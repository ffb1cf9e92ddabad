//! Deleting one's own account: the words stay, and everything else that was the person's goes.

use crate::member::announce_acted;
use crate::store::{AccountDeleted, Act, DeleteAccountRefusal, DepartureRecord, StoreError};
use crate::{
    Audience, Caller, Event, LogoutReason, Messenger, PasswordError, SecondFactorError, ServerRole, Timestamp,
};
use std::sync::Arc;

/// How often groups are left again that one was added to meanwhile.
const TRIES: usize = 10;

/// So many members no group has.
const MEMBERS_MAX: usize = i32::MAX as usize;

/// Why an account is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    /// The caller has not shown to know the password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The password is right, and a code of the second factor is wanted, too.
    #[error("a code of the second factor is wanted")]
    CodeRequired,
    /// The code of the second factor does not fit.
    #[error(transparent)]
    Code(SecondFactorError),
    /// Nobody else owns the server.
    #[error("the last owner of the server has to stay")]
    LastOwner,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// Deletes the caller's account, for its password and, with a second factor, a code. It leaves its groups as by
    /// [`Messenger::leave`], and those where nobody else is are deleted; its own notes are. Direct conversations stay
    /// with the other person, who cannot write there any more. Should this fail half-way, groups were left and the
    /// account is still there; it can be tried again.
    pub async fn delete_account(
        &self,
        caller: &Caller,
        password: &str,
        code: Option<&str>,
        address: &str,
    ) -> Result<(), DeleteAccountError> {
        let account = self.prove_password(caller, password, address).await?;
        // A code is good once: whoever has to stay shall keep it.
        if account.server_role == ServerRole::Owner && !self.store.other_owner(caller.user).await? {
            return Err(DeleteAccountError::LastOwner);
        }
        self.prove_second_factor(caller, code).await?;
        for _ in 0..TRIES {
            self.leave_everything(caller).await?;
            match self.forget_account(caller).await? {
                Ok(()) => return Ok(()),
                Err(DeleteAccountRefusal::InGroups) => {}
                Err(DeleteAccountRefusal::LastOwner) => return Err(DeleteAccountError::LastOwner),
            }
        }
        let text = "the account is added to groups faster than it leaves them".to_owned();
        Err(StoreError::Unavailable(text).into())
    }

    async fn prove_second_factor(
        &self,
        caller: &Caller,
        code: Option<&str>,
    ) -> Result<(), DeleteAccountError> {
        let factor = self.store.second_factor(caller.user).await?;
        let Some(factor) = factor.filter(|factor| factor.confirmed) else {
            return Ok(());
        };
        let code = code.ok_or(DeleteAccountError::CodeRequired)?;
        match self.require_code(caller.user, &factor, code).await {
            Ok(()) => Ok(()),
            Err(SecondFactorError::Store(error)) => Err(error.into()),
            Err(error) => Err(DeleteAccountError::Code(error)),
        }
    }

    async fn leave_everything(&self, caller: &Caller) -> Result<(), DeleteAccountError> {
        for group in self.store.small_groups(caller.user, MEMBERS_MAX).await? {
            // Alone, nobody would be left to see it.
            let alone = self.membership(caller.user, group).await? == Some(1);
            let act = if alone { Act::Delete } else { Act::Leave };
            // Refused where one is no member any more; if anything else is wrong, the store says so in the end.
            let _ = self.act(caller, group, act).await?;
        }
        Ok(())
    }

    async fn forget_account(&self, caller: &Caller) -> Result<Result<(), DeleteAccountRefusal>, StoreError> {
        let (user, at) = (caller.user, Timestamp::now());
        let (feed, cache) = (Arc::clone(&self.feed), Arc::clone(&self.logins));
        let announce = move |outcome: &Result<AccountDeleted, DeleteAccountRefusal>| {
            let Ok(deleted) = outcome else { return };
            cache.forget(&deleted.logins);
            let own = Audience::Users(vec![user]);
            for &login in &deleted.logins {
                let reason = LogoutReason::AccountDeleted;
                feed.deliver(&own, &Event::LoggedOut { user, login, reason });
            }
            for acted in &deleted.acted {
                announce_acted(&*feed, acted, at);
            }
        };
        let record = DepartureRecord {
            user,
            at,
            name_held_until: Timestamp(at.0 + crate::people::USERNAME_HELD_MS),
        };
        let outcome = self.store.delete_account(record, Box::new(announce)).await?;
        // The account is deleted; what remains of its notes and groups is found again at the next start.
        if let Err(error) = self.purge_deleted().await {
            tracing::warn!(%error, "What a deleted account had could not be taken out yet");
        }
        Ok(outcome.map(|_| ()))
    }
}
