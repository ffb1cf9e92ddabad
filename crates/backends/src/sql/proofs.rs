//! Tickets and second factors.

use super::people::{raise, read_me};
use super::query::{affected, execute, query, row_places, store_error};
use super::rows::{Columns, corrupt};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    Announce, Purpose, SecondFactors, StoreError, StoredFactor, StoredTicket, TicketRecord, Tickets,
};
use chinwag_messenger::{Me, Timestamp, UserId};
use sea_orm::{DbErr, QueryResult, Value};

/// Tickets of one purpose kept for one user.
const TICKETS_MAX: i64 = 20;

#[async_trait::async_trait]
impl Tickets for SqlStore {
    async fn keep_ticket(&self, record: TicketRecord) -> Result<(), StoreError> {
        let work = self
            .writer
            .run(None, move |group| Box::pin(keep_ticket(group, record)));
        work.await
    }

    async fn ticket(
        &self,
        secret_hash: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<StoredTicket>, StoreError> {
        let sql =
            "SELECT user_id, subject FROM ticket WHERE secret_hash = ? AND purpose = ? AND expires_at > ?";
        let values = vec![secret_hash.into(), number(purpose).into(), now.0.into()];
        let rows = query(&self.readers, sql, values).await.map_err(store_error)?;
        rows.first().map(ticket_of).transpose().map_err(store_error)
    }

    async fn spend_ticket(
        &self,
        secret_hash: String,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<StoredTicket>, StoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(spend_ticket(group, secret_hash, purpose, now))
        });
        work.await
    }
}

pub(super) async fn spend_ticket(
    group: &mut Group,
    secret_hash: String,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<StoredTicket>, DbErr> {
    let sql = "DELETE FROM ticket WHERE secret_hash = ? AND purpose = ? AND expires_at > ? \
         RETURNING user_id, subject";
    let values = vec![secret_hash.into(), number(purpose).into(), now.0.into()];
    let rows = query(&group.tx, sql, values).await?;
    group.dirty |= !rows.is_empty();
    rows.first().map(ticket_of).transpose()
}

fn ticket_of(row: &QueryResult) -> Result<StoredTicket, DbErr> {
    let mut columns = Columns::of(row);
    Ok(StoredTicket {
        user: UserId(columns.take()?),
        subject: columns.take()?,
    })
}

pub(super) async fn keep_ticket(group: &mut Group, record: TicketRecord) -> Result<(), DbErr> {
    group.dirty = true;
    let expired = "DELETE FROM ticket WHERE expires_at <= ?";
    execute(&group.tx, expired, vec![record.at.0.into()]).await?;
    let (user, purpose) = (record.user.0, number(record.purpose));
    let surplus = "DELETE FROM ticket WHERE secret_hash IN (SELECT secret_hash FROM ticket \
         WHERE user_id = ? AND purpose = ? ORDER BY expires_at DESC, secret_hash LIMIT 1000 OFFSET ?)";
    let values = vec![user.into(), purpose.into(), (TICKETS_MAX - 1).into()];
    execute(&group.tx, surplus, values).await?;
    let sql =
        "INSERT INTO ticket (secret_hash, user_id, purpose, subject, expires_at) VALUES (?, ?, ?, ?, ?)";
    let values = vec![
        record.secret_hash.into(),
        user.into(),
        purpose.into(),
        record.subject.into(),
        record.expires_at.0.into(),
    ];
    execute(&group.tx, sql, values).await
}

fn number(purpose: Purpose) -> i64 {
    match purpose {
        Purpose::SecondFactor => 0,
        Purpose::Email => 1,
        Purpose::Password => 2,
    }
}

#[async_trait::async_trait]
impl SecondFactors for SqlStore {
    async fn second_factor(&self, user: UserId) -> Result<Option<StoredFactor>, StoreError> {
        let sql = "SELECT secret, confirmed_at FROM second_factor WHERE user_id = ?";
        let rows = query(&self.readers, sql, vec![user.0.into()])
            .await
            .map_err(store_error)?;
        let read = |row: &QueryResult| {
            let mut columns = Columns::of(row);
            Ok(StoredFactor {
                secret: columns.take()?,
                confirmed: columns.time()?.is_some(),
            })
        };
        rows.first().map(read).transpose().map_err(store_error)
    }

    async fn offer_second_factor(&self, user: UserId, secret: Vec<u8>) -> Result<bool, StoreError> {
        let sql = "INSERT INTO second_factor (user_id, secret) VALUES (?, ?) ON CONFLICT (user_id) \
             DO UPDATE SET secret = EXCLUDED.secret WHERE second_factor.confirmed_at IS NULL";
        self.change(sql, vec![user.0.into(), secret.into()]).await
    }

    async fn confirm_second_factor(
        &self,
        user: UserId,
        secret: Vec<u8>,
        step: u64,
        recovery_hashes: Vec<String>,
        at: Timestamp,
        announce: Announce<Me>,
    ) -> Result<bool, StoreError> {
        let work = self.writer.run(Some(if_news(announce)), move |group| {
            Box::pin(async move {
                let sql = "UPDATE second_factor SET confirmed_at = ?, last_step = ? \
                     WHERE user_id = ? AND secret = ? AND confirmed_at IS NULL";
                let values = vec![at.0.into(), (step as i64).into(), user.0.into(), secret.into()];
                if affected(&group.tx, sql, values).await? == 0 {
                    return Ok(None);
                }
                let old = "DELETE FROM recovery_code WHERE user_id = ?";
                execute(&group.tx, old, vec![user.0.into()]).await?;
                let sql = format!(
                    "INSERT INTO recovery_code (user_id, code_hash) VALUES {}",
                    row_places(recovery_hashes.len(), 2)
                );
                let values = recovery_hashes
                    .into_iter()
                    .flat_map(|hash| [user.0.into(), hash.into()]);
                execute(&group.tx, sql, values.collect()).await?;
                changed_me(group, user).await.map(Some)
            })
        });
        Ok(work.await?.is_some())
    }

    async fn remove_second_factor(&self, user: UserId, announce: Announce<Me>) -> Result<bool, StoreError> {
        let work = self.writer.run(Some(if_news(announce)), move |group| {
            Box::pin(async move {
                let codes = "DELETE FROM recovery_code WHERE user_id = ?";
                execute(&group.tx, codes, vec![user.0.into()]).await?;
                let sql = "DELETE FROM second_factor WHERE user_id = ? RETURNING confirmed_at";
                let rows = query(&group.tx, sql, vec![user.0.into()]).await?;
                let Some(row) = rows.first() else {
                    return Ok(None);
                };
                group.dirty = true;
                match Columns::of(row).time()? {
                    Some(_) => changed_me(group, user).await.map(Some),
                    None => Ok(None),
                }
            })
        });
        Ok(work.await?.is_some())
    }

    async fn spend_step(&self, user: UserId, step: u64) -> Result<bool, StoreError> {
        let sql = "UPDATE second_factor SET last_step = ? WHERE user_id = ? AND last_step < ?";
        let step = step as i64;
        self.change(sql, vec![step.into(), user.0.into(), step.into()])
            .await
    }

    async fn spend_recovery_code(&self, user: UserId, code_hash: String) -> Result<bool, StoreError> {
        let sql = "DELETE FROM recovery_code WHERE user_id = ? AND code_hash = ?";
        self.change(sql, vec![user.0.into(), code_hash.into()]).await
    }
}

impl SqlStore {
    /// Runs one statement; whether it changed anything.
    pub(super) async fn change(&self, sql: &'static str, values: Vec<Value>) -> Result<bool, StoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let changed = affected(&group.tx, sql, values).await? > 0;
                group.dirty |= changed;
                Ok(changed)
            })
        });
        work.await
    }
}

/// Announces what became of the account, if anything.
pub(super) fn if_news(announce: Announce<Me>) -> Announce<Option<Me>> {
    Box::new(move |me: &Option<Me>| {
        if let Some(me) = me {
            announce(me);
        }
    })
}

/// Counts a change of the account that is already made; as it is now.
pub(super) async fn changed_me(group: &mut Group, user: UserId) -> Result<Me, DbErr> {
    raise(group, user).await?;
    let me = read_me(&group.tx, user).await?;
    me.ok_or_else(|| corrupt("a proof without its account"))
}
