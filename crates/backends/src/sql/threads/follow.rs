//! Who follows a thread, how far it has seen it, and what it has still to read.

use super::root_for;
use crate::sql::conversations::raise_user_revs;
use crate::sql::query::{execute, larger, query, row_places};
use crate::sql::rows::Columns;
use crate::sql::writer::Group;
use chinwag_messenger::store::{AdvanceRefusal, Followed, ThreadAdvance, ThreadAdvanced, ThreadRefusal};
use chinwag_messenger::{Mention, Message, MessageId, UserId};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Value};
use std::collections::BTreeMap;

/// Counting stops here, one above what is shown.
const UNREAD_MAX: u32 = 1_000;

/// Those follow the thread of an edited reply whom it names, and did not before.
pub(in crate::sql) async fn follow_named(
    group: &mut Group,
    reply: &Message,
    named_before: &[Mention],
) -> Result<(), DbErr> {
    let (Some(root), Some(head)) = (reply.thread_root, group.heads.find(reply.conversation.0)) else {
        return Ok(());
    };
    let before: Vec<_> = named_before.iter().map(|mention| mention.user).collect();
    let named = reply.mentions.iter().map(|mention| mention.user);
    let begins: BTreeMap<_, _> = named
        .filter(|user| !before.contains(user))
        .flatten()
        .filter(|user| head.members.contains_key(user))
        .map(|user| ((root.0, user), reply.seq - 1))
        .collect();
    if begins.is_empty() {
        return Ok(());
    }
    begin_to_follow(&group.tx, &begins).await
}

/// Those follow who have not yet said whether they want to.
pub(super) async fn begin_to_follow(
    tx: &DatabaseTransaction,
    begins: &BTreeMap<(i64, UserId), u64>,
) -> Result<(), DbErr> {
    let sql = format!(
        "INSERT INTO thread_follow (root_id, user_id, following, seen_seq) VALUES {} \
         ON CONFLICT (root_id, user_id) DO NOTHING",
        row_places(begins.len(), 4)
    );
    let mut values: Vec<Value> = Vec::with_capacity(begins.len() * 4);
    for (&(root, user), &seen) in begins {
        values.extend([root.into(), user.0.into(), true.into(), (seen as i64).into()]);
    }
    execute(tx, sql, values).await
}

/// Who replies follows, whatever it said before, and has seen the thread up to there.
pub(super) async fn follow_again(
    tx: &DatabaseTransaction,
    repliers: &BTreeMap<(i64, UserId), u64>,
) -> Result<(), DbErr> {
    let sql = format!(
        "WITH new (root, who, seen) AS (VALUES {}) UPDATE thread_follow SET following = TRUE, seen_seq = {} \
         FROM new WHERE thread_follow.root_id = new.root AND thread_follow.user_id = new.who",
        row_places(repliers.len(), 3),
        larger("seen_seq", "new.seen")
    );
    let mut values: Vec<Value> = Vec::with_capacity(repliers.len() * 3);
    for (&(root, user), &seen) in repliers {
        values.extend([root.into(), user.0.into(), (seen as i64).into()]);
    }
    execute(tx, sql, values).await
}

/// How many replies to `root` the user has still to read above `seen`: by others, neither deleted, nor hidden, nor
/// of somebody it blocks.
pub(super) fn unread_sql(root: &str, user: &str, seen: &str) -> String {
    format!(
        "SELECT COUNT(*) FROM (SELECT 1 FROM message u WHERE u.thread_root_id = {root} AND u.seq > {seen} \
         AND u.author_id <> {user} AND u.deleted_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM hidden_message h WHERE h.user_id = {user} \
         AND h.conversation_id = u.conversation_id AND h.seq = u.seq) \
         AND NOT EXISTS (SELECT 1 FROM block b WHERE b.owner_id = {user} AND b.user_id = u.author_id) \
         LIMIT {UNREAD_MAX}) counted"
    )
}

/// Whether the user follows the thread, how far it has seen it, and what it has still to read.
pub(super) async fn following(
    connection: &impl ConnectionTrait,
    user: UserId,
    root: MessageId,
) -> Result<(bool, u64, u32), DbErr> {
    let sql = format!(
        "SELECT f.following, f.seen_seq, ({}) FROM thread_follow f WHERE f.root_id = ? AND f.user_id = ?",
        unread_sql("f.root_id", "f.user_id", "f.seen_seq")
    );
    let row = query(connection, sql, vec![root.0.into(), user.0.into()])
        .await?
        .pop();
    let Some(row) = row else { return Ok((false, 0, 0)) };
    let mut columns = Columns::of(&row);
    let (following, seen) = (columns.take()?, columns.count()?);
    let unread = columns.count()? as u32;
    Ok(if following {
        (true, seen, unread)
    } else {
        (false, 0, 0)
    })
}

pub(super) async fn follow(
    group: &mut Group,
    user: UserId,
    root: MessageId,
    wished: bool,
) -> Result<Result<Followed, ThreadRefusal>, DbErr> {
    let (root, member, last) = match root_for(&group.tx, user, root).await? {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if member.left_at.is_some() {
        return Ok(Err(ThreadRefusal::NotAMember));
    }
    let (before, _, _) = following(&group.tx, user, root.id).await?;
    let mut user_rev = None;
    if before != wished {
        group.dirty = true;
        let sql = format!(
            "INSERT INTO thread_follow (root_id, user_id, following, seen_seq) VALUES {} \
             ON CONFLICT (root_id, user_id) DO UPDATE SET following = excluded.following, \
             seen_seq = excluded.seen_seq",
            row_places(1, 4)
        );
        let values = vec![
            root.id.0.into(),
            user.0.into(),
            wished.into(),
            (last as i64).into(),
        ];
        execute(&group.tx, sql, values).await?;
        let raised = raise_user_revs(group, &[user]).await?;
        user_rev = raised.first().map(|&(_, rev)| rev);
    }
    let (_, seen_seq, unread) = following(&group.tx, user, root.id).await?;
    Ok(Ok(Followed {
        conversation: root.conversation,
        seen_seq,
        unread,
        user_rev,
    }))
}

pub(super) async fn advance_thread(
    group: &mut Group,
    user: UserId,
    wish: ThreadAdvance,
) -> Result<Result<ThreadAdvanced, AdvanceRefusal>, DbErr> {
    let found = root_for(&group.tx, user, wish.root).await?;
    let Ok((root, member, last)) = found else {
        return Ok(Err(AdvanceRefusal::NotAMember));
    };
    if root.conversation != wish.conversation || member.left_at.is_some() {
        return Ok(Err(AdvanceRefusal::NotAMember));
    }
    if wish.seen_seq > last {
        return Ok(Err(AdvanceRefusal::SeqOutOfRange));
    }
    let (followed, before, unread) = following(&group.tx, user, root.id).await?;
    let mut advanced = ThreadAdvanced {
        seen_seq: before,
        delivered_seq: member.delivered_seq,
        from: (followed && wish.seen_seq > before).then_some(before),
        unread,
        authors: Vec::new(),
        members: 0,
    };
    if advanced.from.is_none() {
        return Ok(Ok(advanced));
    }
    group.dirty = true;
    let sql = "UPDATE thread_follow SET seen_seq = ? WHERE root_id = ? AND user_id = ?";
    let values = vec![(wish.seen_seq as i64).into(), root.id.0.into(), user.0.into()];
    execute(&group.tx, sql, values).await?;
    let (_, seen_seq, unread) = following(&group.tx, user, root.id).await?;
    advanced.seen_seq = seen_seq;
    advanced.unread = unread;
    let sql = "SELECT DISTINCT u.author_id, c.member_count FROM message u JOIN member r \
               ON r.conversation_id = u.conversation_id AND r.user_id = u.author_id AND r.left_at IS NULL \
               JOIN conversation c ON c.id = u.conversation_id \
               WHERE u.thread_root_id = ? AND u.seq > ? AND u.seq <= ? AND u.author_id <> ? \
               AND u.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM block b WHERE c.kind = 0 \
               AND b.owner_id = ? AND b.user_id = u.author_id) ORDER BY u.author_id";
    let values = vec![
        root.id.0.into(),
        (before as i64).into(),
        (seen_seq as i64).into(),
        user.0.into(),
        user.0.into(),
    ];
    for row in query(&group.tx, sql, values).await? {
        let mut columns = Columns::of(&row);
        advanced.authors.push(UserId(columns.take()?));
        advanced.members = columns.count()? as usize;
    }
    Ok(Ok(advanced))
}
