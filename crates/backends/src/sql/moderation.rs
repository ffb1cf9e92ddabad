//! Reports, what administrators do to accounts, and the log of it.

use super::conversations::raise_user_revs;
use super::logins::end_logins_where;
use super::people::read_me;
use super::query::{execute, query, store_error};
use super::rows::{self, ACCOUNT, Columns, corrupt, server_role_number};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    AccountChange, AccountChangeRefusal, AccountChanged, Administration, Announce, ReportRefusal, Reported,
    Reports, StoreError,
};
use chinwag_messenger::{
    Account, AdminAccount, AuditEntry, ConversationId, Counts, LoginId, MessageId, Report, ReportStatus,
    ReportWish, ReportedMessage, ServerRole, Timestamp, UserId,
};
use sea_orm::{ConnectionTrait, DbErr, Value};
use serde_json::{Value as Json, json};

/// Messages before the reported one that go with it.
const CONTEXT: i64 = 5;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

const REPORT: &str = "r.id, r.reporter_id, r.message_id, r.conversation_id, r.reported_id, r.reason, r.copy, \
     r.created_at, r.status, r.handled_by, r.handled_at";

#[async_trait::async_trait]
impl Reports for SqlStore {
    async fn report(&self, wish: ReportWish) -> Result<Result<Reported, ReportRefusal>, StoreError> {
        self.writer
            .run(None, move |group| Box::pin(report(group, wish)))
            .await
    }

    async fn reports(
        &self,
        status: Option<ReportStatus>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Report>, StoreError> {
        let mut sql = format!("SELECT {REPORT} FROM report r WHERE r.id < ?");
        let mut values: Vec<Value> = vec![before.unwrap_or(i64::MAX).into()];
        if let Some(status) = status {
            sql.push_str(" AND r.status = ?");
            values.push(status_number(status).into());
        }
        sql.push_str(" ORDER BY r.id DESC LIMIT ?");
        values.push((limit as i64).into());
        let found = query(&self.readers, sql, values).await.map_err(store_error)?;
        let reports = found.iter().map(|row| read_report(&mut Columns::of(row)));
        reports.collect::<Result<_, _>>().map_err(store_error)
    }

    async fn handle_report(
        &self,
        actor: UserId,
        id: i64,
        status: ReportStatus,
        at: Timestamp,
    ) -> Result<Option<Report>, StoreError> {
        self.writer
            .run(None, move |group| Box::pin(handle(group, actor, id, status, at)))
            .await
    }
}

fn status_number(status: ReportStatus) -> i64 {
    match status {
        ReportStatus::Open => 0,
        ReportStatus::Resolved => 1,
        ReportStatus::Dismissed => 2,
    }
}

fn read_report(columns: &mut Columns<'_>) -> Result<Report, DbErr> {
    let (id, reporter, message) = (
        columns.take()?,
        UserId(columns.take()?),
        MessageId(columns.take()?),
    );
    let conversation = ConversationId(columns.take()?);
    let (reported, reason) = (UserId(columns.take()?), columns.take()?);
    let copy: String = columns.take()?;
    Ok(Report {
        id,
        reporter,
        message,
        conversation,
        reported,
        reason,
        copy: read_copy(&copy).ok_or_else(|| corrupt("a report whose copy cannot be read"))?,
        created_at: Timestamp(columns.take()?),
        status: match columns.take::<i64>()? {
            2 => ReportStatus::Dismissed,
            1 => ReportStatus::Resolved,
            _ => ReportStatus::Open,
        },
        handled: columns.take::<Option<i64>>()?.map(UserId).zip(columns.time()?),
    })
}

fn read_copy(text: &str) -> Option<Vec<ReportedMessage>> {
    let copy: Json = serde_json::from_str(text).ok()?;
    let message = |message: &Json| {
        Some(ReportedMessage {
            id: MessageId(message.get("id")?.as_i64()?),
            seq: message.get("seq")?.as_u64()?,
            author: UserId(message.get("author")?.as_i64()?),
            body: message.get("body")?.as_str()?.to_owned(),
            created_at: Timestamp(message.get("at")?.as_i64()?),
        })
    };
    copy.as_array()?.iter().map(message).collect()
}

async fn report(group: &mut Group, wish: ReportWish) -> Result<Result<Reported, ReportRefusal>, DbErr> {
    let sql = "SELECT m.conversation_id, m.seq, m.author_id, r.history_from_seq, r.cleared_seq FROM message m \
         JOIN member r ON r.conversation_id = m.conversation_id AND r.user_id = ? \
         JOIN conversation c ON c.id = m.conversation_id AND c.deleted_at IS NULL \
         WHERE m.id = ? AND m.note IS NULL AND m.deleted_at IS NULL AND m.seq >= r.history_from_seq \
         AND m.seq > r.cleared_seq AND (r.left_seq IS NULL OR m.seq <= r.left_seq) \
         AND NOT EXISTS (SELECT 1 FROM hidden_message h WHERE h.user_id = r.user_id \
         AND h.conversation_id = m.conversation_id AND h.seq = m.seq)";
    let values = vec![wish.reporter.0.into(), wish.message.0.into()];
    let found = query(&group.tx, sql, values).await?;
    let Some(row) = found.first() else {
        return Ok(Err(ReportRefusal::NotFound));
    };
    let mut columns = Columns::of(row);
    let (conversation, seq): (i64, i64) = (columns.take()?, columns.take()?);
    let reported: i64 = columns.take()?;
    let (history_from, cleared): (i64, i64) = (columns.take()?, columns.take()?);

    let sql = format!("SELECT {REPORT} FROM report r WHERE r.reporter_id = ? AND r.message_id = ?");
    let values = vec![wish.reporter.0.into(), wish.message.0.into()];
    if let Some(row) = query(&group.tx, sql, values).await?.first() {
        let report = read_report(&mut Columns::of(row))?;
        let created = false;
        return Ok(Ok(Reported { report, created }));
    }
    if let Some(refusal) = too_many(group, &wish).await? {
        return Ok(Err(refusal));
    }

    let first = history_from.max(cleared + 1);
    let sql = "SELECT m.id, m.seq, m.author_id, m.body, m.created_at FROM message m \
         WHERE m.conversation_id = ? AND m.seq >= ? AND m.seq <= ? AND m.note IS NULL \
         AND m.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM hidden_message h WHERE h.user_id = ? \
         AND h.conversation_id = m.conversation_id AND h.seq = m.seq) ORDER BY m.seq DESC LIMIT ?";
    let values = vec![
        conversation.into(),
        first.into(),
        seq.into(),
        wish.reporter.0.into(),
        (CONTEXT + 1).into(),
    ];
    let mut copy = Vec::new();
    for row in query(&group.tx, sql, values).await? {
        let mut columns = Columns::of(&row);
        let (id, seq, author): (i64, i64, i64) = (columns.take()?, columns.take()?, columns.take()?);
        let (body, at): (String, i64) = (columns.take()?, columns.take()?);
        copy.push(json!({"id": id, "seq": seq, "author": author, "body": body, "at": at}));
    }
    copy.reverse();
    group.dirty = true;
    let sql = "INSERT INTO report (reporter_id, message_id, conversation_id, reported_id, reason, copy, created_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id";
    let values = vec![
        wish.reporter.0.into(),
        wish.message.0.into(),
        conversation.into(),
        reported.into(),
        wish.reason.into(),
        Json::from(copy).to_string().into(),
        wish.at.0.into(),
    ];
    let stored = query(&group.tx, sql, values).await?;
    let row = stored.first().ok_or_else(|| corrupt("no row just stored"))?;
    let report = find_report(&group.tx, row.try_get_by_index(0)?).await?;
    let report = report.ok_or_else(|| corrupt("no row just stored"))?;
    let created = true;
    Ok(Ok(Reported { report, created }))
}

/// Whether the reporter has reported enough lately.
async fn too_many(group: &Group, wish: &ReportWish) -> Result<Option<ReportRefusal>, DbErr> {
    let sql = "SELECT created_at FROM report WHERE reporter_id = ? AND created_at > ? \
         ORDER BY created_at DESC LIMIT 1 OFFSET ?";
    let values = vec![
        wish.reporter.0.into(),
        (wish.at.0 - DAY_MS).into(),
        (wish.per_day_max.saturating_sub(1) as i64).into(),
    ];
    let found = query(&group.tx, sql, values).await?;
    let Some(row) = found.first() else {
        return Ok(None);
    };
    let created_at: i64 = row.try_get_by_index(0)?;
    let wait_ms = (created_at + DAY_MS - wish.at.0).max(0);
    let retry_after_s = (wait_ms as u64).div_ceil(1_000);
    Ok(Some(ReportRefusal::TooManyToday { retry_after_s }))
}

async fn find_report(connection: &impl ConnectionTrait, id: i64) -> Result<Option<Report>, DbErr> {
    let sql = format!("SELECT {REPORT} FROM report r WHERE r.id = ?");
    let found = query(connection, sql, vec![id.into()]).await?;
    found
        .first()
        .map(|row| read_report(&mut Columns::of(row)))
        .transpose()
}

async fn handle(
    group: &mut Group,
    actor: UserId,
    id: i64,
    status: ReportStatus,
    at: Timestamp,
) -> Result<Option<Report>, DbErr> {
    let Some(before) = find_report(&group.tx, id).await? else {
        return Ok(None);
    };
    if before.status == status {
        return Ok(Some(before));
    }
    group.dirty = true;
    let sql = "UPDATE report SET status = ?, handled_by = ?, handled_at = ? WHERE id = ?";
    let values = vec![
        status_number(status).into(),
        actor.0.into(),
        at.0.into(),
        id.into(),
    ];
    execute(&group.tx, sql, values).await?;
    let word = match status {
        ReportStatus::Open => "open",
        ReportStatus::Resolved => "resolved",
        ReportStatus::Dismissed => "dismissed",
    };
    let subject = json!({"report_id": id, "status": word});
    log(group, actor, "report.handled", &subject.to_string(), at).await?;
    find_report(&group.tx, id).await
}

pub(super) async fn log(
    group: &mut Group,
    actor: UserId,
    action: &str,
    subject: &str,
    at: Timestamp,
) -> Result<(), DbErr> {
    group.dirty = true;
    let sql = "INSERT INTO audit (actor_id, action, subject, at) VALUES (?, ?, ?, ?)";
    let values = vec![actor.0.into(), action.into(), subject.into(), at.0.into()];
    execute(&group.tx, sql, values).await
}

#[async_trait::async_trait]
impl Administration for SqlStore {
    async fn find_accounts(
        &self,
        prefix: Option<&str>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<AdminAccount>, StoreError> {
        let mut sql = format!(
            "SELECT {ACCOUNT}, (SELECT count(*) FROM login l WHERE l.user_id = a.id) FROM account a WHERE a.id > ?"
        );
        let mut values: Vec<Value> = vec![after.map_or(0, |user| user.0).into()];
        if let Some(prefix) = prefix {
            sql.push_str(
                " AND EXISTS (SELECT 1 FROM account_key k WHERE k.user_id = a.id AND k.search_key >= ? \
                 AND k.search_key < ?)",
            );
            values.extend([prefix.into(), format!("{prefix}\u{10FFFF}").into()]);
        }
        sql.push_str(" ORDER BY a.id LIMIT ?");
        values.push((limit as i64).into());
        let found = query(&self.readers, sql, values).await.map_err(store_error)?;
        let account = |row| {
            let mut columns = Columns::of(row);
            Ok(AdminAccount {
                account: rows::account(&mut columns)?,
                devices: columns.count()?,
            })
        };
        found
            .iter()
            .map(account)
            .collect::<Result<_, _>>()
            .map_err(store_error)
    }

    async fn change_account(
        &self,
        actor: UserId,
        user: UserId,
        change: AccountChange,
        at: Timestamp,
        announce: Announce<AccountChanged>,
    ) -> Result<Result<AccountChanged, AccountChangeRefusal>, StoreError> {
        let announce = move |outcome: &Result<AccountChanged, AccountChangeRefusal>| {
            if let Ok(changed) = outcome {
                announce(changed);
            }
        };
        self.writer
            .run(Some(Box::new(announce)), move |group| {
                Box::pin(change_account(group, actor, user, change, at))
            })
            .await
    }

    async fn log_action(
        &self,
        actor: UserId,
        action: &str,
        subject: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (action, subject) = (action.to_owned(), subject.to_owned());
        self.writer
            .run(None, move |group| {
                Box::pin(async move { log(group, actor, &action, &subject, at).await })
            })
            .await
    }

    async fn audit(&self, before: Option<i64>, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = "SELECT id, actor_id, action, subject, at FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?";
        let values = vec![before.unwrap_or(i64::MAX).into(), (limit as i64).into()];
        let found = query(&self.readers, sql, values).await.map_err(store_error)?;
        let entry = |row| {
            let mut columns = Columns::of(row);
            Ok(AuditEntry {
                id: columns.take()?,
                actor: UserId(columns.take()?),
                action: columns.take()?,
                subject: columns.take()?,
                at: Timestamp(columns.take()?),
            })
        };
        found
            .iter()
            .map(entry)
            .collect::<Result<_, _>>()
            .map_err(store_error)
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        // Messages are counted by the numbers of their conversations: counting rows would read them all.
        let sql = "SELECT (SELECT count(*) FROM account WHERE deleted_at IS NULL), \
             (SELECT count(*) FROM account WHERE deleted_at IS NULL AND suspended), \
             (SELECT count(*) FROM conversation WHERE deleted_at IS NULL), \
             (SELECT CAST(COALESCE(sum(last_seq), 0) AS BIGINT) FROM conversation WHERE deleted_at IS NULL), \
             (SELECT count(*) FROM report WHERE status = 0)";
        let found = query(&self.readers, sql, Vec::new()).await.map_err(store_error)?;
        let read = || {
            let row = found.first().ok_or_else(|| corrupt("no counts"))?;
            let mut columns = Columns::of(row);
            Ok(Counts {
                accounts: columns.count()?,
                suspended: columns.count()?,
                conversations: columns.count()?,
                messages: columns.count()?,
                open_reports: columns.count()?,
            })
        };
        read().map_err(store_error)
    }
}

async fn find_account(group: &Group, user: UserId) -> Result<Option<Account>, DbErr> {
    let sql = format!("SELECT {ACCOUNT} FROM account a WHERE a.id = ? AND a.deleted_at IS NULL");
    let found = query(&group.tx, sql, vec![user.0.into()]).await?;
    found
        .first()
        .map(|row| rows::account(&mut Columns::of(row)))
        .transpose()
}

/// Whether one may do something to the other: the owner to everybody else, administrators to members.
fn may_change(actor: &Account, account: &Account) -> bool {
    match (actor.server_role, account.server_role) {
        (ServerRole::Owner, ServerRole::Admin | ServerRole::Member)
        | (ServerRole::Admin, ServerRole::Member) => true,
        (_, ServerRole::Owner) | (ServerRole::Admin, ServerRole::Admin) | (ServerRole::Member, _) => false,
    }
}

async fn change_account(
    group: &mut Group,
    actor: UserId,
    user: UserId,
    change: AccountChange,
    at: Timestamp,
) -> Result<Result<AccountChanged, AccountChangeRefusal>, DbErr> {
    let Some(account) = find_account(group, user).await? else {
        return Ok(Err(AccountChangeRefusal::NotFound));
    };
    let by = find_account(group, actor).await?;
    let allowed = by.is_some_and(|by| {
        let gives_role = change.role.is_some_and(|role| role != account.server_role);
        let owner = by.server_role == ServerRole::Owner;
        may_change(&by, &account) && (owner || !gives_role) && change.role != Some(ServerRole::Owner)
    });
    if !allowed {
        return Ok(Err(AccountChangeRefusal::NotAllowed));
    }
    let subject = json!({"user_id": user.0});
    let suspended = change.suspended.filter(|wish| *wish != account.suspended);
    if let Some(suspended) = suspended {
        group.dirty = true;
        let sql = "UPDATE account SET suspended = ? WHERE id = ?";
        execute(&group.tx, sql, vec![suspended.into(), user.0.into()]).await?;
        let action = match suspended {
            true => "user.suspended",
            false => "user.reinstated",
        };
        log(group, actor, action, &subject.to_string(), at).await?;
    }
    let role = change.role.filter(|wish| *wish != account.server_role);
    if let Some(role) = role {
        let sql = "UPDATE account SET server_role = ? WHERE id = ?";
        execute(
            &group.tx,
            sql,
            vec![server_role_number(role).into(), user.0.into()],
        )
        .await?;
        raise_user_revs(group, &[user]).await?;
        let word = match role {
            ServerRole::Owner => "owner",
            ServerRole::Admin => "admin",
            ServerRole::Member => "member",
        };
        let subject = json!({"user_id": user.0, "server_role": word});
        log(group, actor, "user.role_changed", &subject.to_string(), at).await?;
    }
    let (mut ended, mut useless) = (Vec::new(), Vec::new());
    if change.revoke_devices || suspended == Some(false) {
        ended = end_logins_where(group, user, "user_id = ?", vec![user.0.into()]).await?;
    } else if suspended == Some(true) {
        useless = login_ids(group, user).await?;
    }
    if change.revoke_devices && !ended.is_empty() {
        log(group, actor, "user.devices_revoked", &subject.to_string(), at).await?;
    }
    let me = read_me(&group.tx, user).await?;
    let me = me.ok_or_else(|| corrupt("an account that vanished"))?;
    Ok(Ok(AccountChanged {
        account: AdminAccount {
            account: me.account.clone(),
            devices: count_devices(group, user).await?,
        },
        ended,
        suspended: useless,
        me: role.is_some().then_some(me),
    }))
}

async fn count_devices(group: &Group, user: UserId) -> Result<u64, DbErr> {
    let sql = "SELECT count(*) FROM login WHERE user_id = ?";
    let found = query(&group.tx, sql, vec![user.0.into()]).await?;
    let row = found.first().ok_or_else(|| corrupt("no count"))?;
    Columns::of(row).count()
}

async fn login_ids(group: &Group, user: UserId) -> Result<Vec<LoginId>, DbErr> {
    let sql = "SELECT id FROM login WHERE user_id = ?";
    let found = query(&group.tx, sql, vec![user.0.into()]).await?;
    found
        .iter()
        .map(|row| row.try_get_by_index(0).map(LoginId))
        .collect()
}
