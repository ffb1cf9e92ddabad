//! Addresses for mail, and mail that waits to be sent.

use super::people::read_me;
use super::proofs::{changed_me, if_news, spend_ticket};
use super::query::{execute, query, store_error};
use super::rows::{Columns, corrupt};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    Announce, EmailRefusal, Emails, EndedLogin, Mails, Purpose, QueuedMail, ResetRecord, StoreError,
    WantedEmail,
};
use chinwag_messenger::{Email, MailKind, Me, Timestamp, UserId};
use sea_orm::{DbErr, QueryResult};

#[async_trait::async_trait]
impl Emails for SqlStore {
    async fn want_email(&self, wanted: WantedEmail, announce: Announce<Me>) -> Result<(), StoreError> {
        let work = self.writer.run(Some(if_news(announce)), move |group| {
            Box::pin(want_email(group, wanted))
        });
        work.await.map(|_: Option<Me>| ())
    }

    async fn verify_email(
        &self,
        secret_hash: String,
        at: Timestamp,
        announce: Announce<Me>,
    ) -> Result<Result<(), EmailRefusal>, StoreError> {
        let announce = move |outcome: &Result<Me, EmailRefusal>| {
            if let Ok(me) = outcome {
                announce(me);
            }
        };
        let work = self.writer.run(Some(Box::new(announce)), move |group| {
            Box::pin(verify_email(group, secret_hash, at))
        });
        Ok(work.await?.map(|_| ()))
    }

    async fn queue_reset(&self, email_key: String, at: Timestamp) -> Result<(), StoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let sql = "SELECT id, email FROM account WHERE email_key = ? AND deleted_at IS NULL AND NOT suspended";
                let rows = query(&group.tx, sql, vec![email_key.into()]).await?;
                let Some(row) = rows.first() else {
                    return Ok(());
                };
                let mut columns = Columns::of(row);
                let user = UserId(columns.take()?);
                queue(group, user, MailKind::Reset, &columns.take::<String>()?, at).await
            })
        });
        work.await
    }

    async fn reset_password(
        &self,
        record: ResetRecord,
        announce: Announce<Vec<EndedLogin>>,
    ) -> Result<bool, StoreError> {
        let announce = move |outcome: &Option<Vec<EndedLogin>>| {
            if let Some(logins) = outcome {
                announce(logins);
            }
        };
        let work = self.writer.run(Some(Box::new(announce)), move |group| {
            Box::pin(async move {
                let ticket = spend_ticket(group, record.secret_hash, Purpose::Password, record.at).await?;
                let Some(ticket) = ticket else {
                    return Ok(None);
                };
                // A mail went to this address; who has another now shall not lose the account through the old one.
                let sql = "UPDATE account SET password_hash = ? WHERE id = ? AND email = ? AND deleted_at IS NULL \
                     RETURNING id";
                let values = vec![
                    record.password_hash.into(),
                    ticket.user.0.into(),
                    ticket.subject.into(),
                ];
                if query(&group.tx, sql, values).await?.is_empty() {
                    return Ok(None);
                }
                super::accounts::end_logins(group, ticket.user, None).await.map(Some)
            })
        });
        Ok(work.await?.is_some())
    }
}

async fn want_email(group: &mut Group, wanted: WantedEmail) -> Result<Option<Me>, DbErr> {
    let WantedEmail { user, email, at } = wanted;
    let me = read_me(&group.tx, user).await?;
    let me = me.ok_or_else(|| corrupt("a login without its account"))?;
    group.dirty = true;
    // What was sent for another address is void.
    let old = "DELETE FROM ticket WHERE user_id = ? AND purpose = 1";
    execute(&group.tx, old, vec![user.0.into()]).await?;
    let Some(email) = email else {
        let resets = "DELETE FROM ticket WHERE user_id = ? AND purpose = 2";
        execute(&group.tx, resets, vec![user.0.into()]).await?;
        if me.email.is_none() && me.email_wanted.is_none() {
            return Ok(None);
        }
        let sql = "UPDATE account SET email = NULL, email_key = NULL, email_verified_at = NULL, email_wanted = NULL \
             WHERE id = ?";
        execute(&group.tx, sql, vec![user.0.into()]).await?;
        return changed_me(group, user).await.map(Some);
    };
    let is_own = me.email.as_deref() == Some(email.as_str());
    let wish = (!is_own).then(|| email.as_str().to_owned());
    if wish.is_some() {
        let owner = "SELECT id FROM account WHERE email_key = ? AND id <> ?";
        let values = vec![email.key().into(), user.0.into()];
        let kind = match query(&group.tx, owner, values).await?.is_empty() {
            true => MailKind::Verify,
            false => MailKind::Taken,
        };
        queue(group, user, kind, email.as_str(), at).await?;
    }
    if me.email_wanted == wish {
        return Ok(None);
    }
    let sql = "UPDATE account SET email_wanted = ? WHERE id = ?";
    execute(&group.tx, sql, vec![wish.into(), user.0.into()]).await?;
    changed_me(group, user).await.map(Some)
}

async fn verify_email(
    group: &mut Group,
    secret_hash: String,
    at: Timestamp,
) -> Result<Result<Me, EmailRefusal>, DbErr> {
    let ticket = spend_ticket(group, secret_hash, Purpose::Email, at).await?;
    let Some(ticket) = ticket else {
        return Ok(Err(EmailRefusal::Invalid));
    };
    let me = read_me(&group.tx, ticket.user).await?;
    let wanted = me.and_then(|me| me.email_wanted);
    let email = Email::parse(&ticket.subject).filter(|email| wanted.as_deref() == Some(email.as_str()));
    let Some(email) = email else {
        return Ok(Err(EmailRefusal::Invalid));
    };
    let user = ticket.user;
    let owner = "SELECT id FROM account WHERE email_key = ? AND id <> ?";
    let values = vec![email.key().into(), user.0.into()];
    if !query(&group.tx, owner, values).await?.is_empty() {
        return Ok(Err(EmailRefusal::Taken));
    }
    let resets = "DELETE FROM ticket WHERE user_id = ? AND purpose = 2";
    execute(&group.tx, resets, vec![user.0.into()]).await?;
    let sql = "UPDATE account SET email = ?, email_key = ?, email_verified_at = ?, email_wanted = NULL WHERE id = ?";
    let values = vec![
        email.as_str().into(),
        email.key().into(),
        at.0.into(),
        user.0.into(),
    ];
    execute(&group.tx, sql, values).await?;
    changed_me(group, user).await.map(Ok)
}

/// Puts a mail into the queue, unless the same waits there already.
async fn queue(
    group: &mut Group,
    user: UserId,
    kind: MailKind,
    address: &str,
    at: Timestamp,
) -> Result<(), DbErr> {
    let waits = "SELECT id FROM mail WHERE user_id = ? AND kind = ? AND address = ?";
    let values = vec![user.0.into(), number(kind).into(), address.into()];
    if !query(&group.tx, waits, values).await?.is_empty() {
        return Ok(());
    }
    group.dirty = true;
    let sql = "INSERT INTO mail (user_id, kind, address, created_at, due_at) VALUES (?, ?, ?, ?, ?)";
    let values = vec![
        user.0.into(),
        number(kind).into(),
        address.into(),
        at.0.into(),
        at.0.into(),
    ];
    execute(&group.tx, sql, values).await
}

#[async_trait::async_trait]
impl Mails for SqlStore {
    async fn take_mails(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<QueuedMail>, StoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let sql = "UPDATE mail SET due_at = ?, tries = tries + 1 WHERE id IN \
                     (SELECT id FROM mail WHERE due_at <= ? ORDER BY due_at, id LIMIT ?) \
                     RETURNING id, user_id, kind, address, created_at, tries";
                let values = vec![until.0.into(), now.0.into(), (limit as i64).into()];
                let rows = query(&group.tx, sql, values).await?;
                group.dirty |= !rows.is_empty();
                let mut mails = rows.iter().map(read).collect::<Result<Vec<_>, DbErr>>()?;
                mails.sort_by_key(|mail| mail.id);
                Ok(mails)
            })
        });
        work.await
    }

    async fn next_mail_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT due_at FROM mail ORDER BY due_at LIMIT 1";
        let rows = query(&self.readers, sql, Vec::new()).await.map_err(store_error)?;
        let at = rows.first().map(|row| row.try_get_by_index(0).map(Timestamp));
        at.transpose().map_err(store_error)
    }

    async fn mail_done(&self, id: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM mail WHERE id = ?";
        self.change(sql, vec![id.into()]).await.map(|_| ())
    }

    async fn mail_later(&self, id: i64, due_at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE mail SET due_at = ? WHERE id = ?";
        self.change(sql, vec![due_at.0.into(), id.into()])
            .await
            .map(|_| ())
    }
}

fn read(row: &QueryResult) -> Result<QueuedMail, DbErr> {
    let mut columns = Columns::of(row);
    Ok(QueuedMail {
        id: columns.take()?,
        user: UserId(columns.take()?),
        kind: match columns.take::<i64>()? {
            0 => MailKind::Verify,
            1 => MailKind::Taken,
            2 => MailKind::Reset,
            _ => return Err(corrupt("an unknown kind of mail")),
        },
        address: columns.take()?,
        created_at: Timestamp(columns.take()?),
        tries: columns.count()? as u32,
    })
}

fn number(kind: MailKind) -> i64 {
    match kind {
        MailKind::Verify => 0,
        MailKind::Taken => 1,
        MailKind::Reset => 2,
    }
}
