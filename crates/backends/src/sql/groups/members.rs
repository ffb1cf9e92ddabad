//! Who comes, goes and is kept out, and finding those who are there.

use super::roles::{role_of, successor, write_role};
use super::{Scene, Stop, ids};
use crate::sql::list;
use crate::sql::query::{execute, places, query, row_places};
use crate::sql::rows::{self, ACCOUNT, Columns, role_number};
use crate::sql::writer::Group;
use chinwag_messenger::store::{ActRefusal, MemberQuery, StepKind};
use chinwag_messenger::{
    ConversationId, Member, Newcomers, Role, SystemEvent, Timestamp, UserId, may_remove,
};
use sea_orm::{ConnectionTrait, DbErr, Value};

pub(super) async fn add(
    scene: &mut Scene,
    group: &mut Group,
    role: Role,
    users: &[UserId],
    members_max: usize,
) -> Result<(), Stop> {
    scene.require_group()?;
    if !scene.conversation.policies.invite.includes(role) {
        return Err(ActRefusal::NotAllowed.into());
    }
    if users.is_empty() {
        return Ok(());
    }
    let id = scene.conversation.id.0;
    let among = |sql: &str| format!("{sql} IN ({}) ORDER BY user_id", places(users.len()));
    let values = || -> Vec<Value> {
        let users = users.iter().map(|user| user.0.into());
        std::iter::once(id.into()).chain(users).collect()
    };
    let sql = among("SELECT user_id FROM member WHERE conversation_id = ? AND left_at IS NULL AND user_id");
    scene.unchanged = ids(&group.tx, &sql, values()).await?;
    let sql = among("SELECT user_id FROM ban WHERE conversation_id = ? AND user_id");
    scene.banned = ids(&group.tx, &sql, values()).await?;
    let new: Vec<UserId> = users
        .iter()
        .copied()
        .filter(|user| !scene.unchanged.contains(user) && !scene.banned.contains(user))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    if scene.conversation.member_count as usize + new.len() > members_max {
        return Err(ActRefusal::GroupFull.into());
    }
    let note = SystemEvent::MembersAdded { users: new.clone() };
    let invited_by = Some(scene.actor);
    Ok(let_in(scene, group, new, invited_by, note).await?)
}

/// Makes people members, who are not. What came before the note about it was never unread for them.
pub(in crate::sql) async fn let_in(
    scene: &mut Scene,
    group: &mut Group,
    users: Vec<UserId>,
    invited_by: Option<UserId>,
    note: SystemEvent,
) -> Result<(), DbErr> {
    let joined_seq = scene.conversation.last_seq as i64;
    let history_from = match scene.conversation.policies.newcomers {
        Newcomers::SeeAll => 1,
        Newcomers::SinceJoin => joined_seq + 1,
    };
    for part in users.chunks(500) {
        let sql = format!(
            "INSERT INTO member (conversation_id, user_id, role, joined_at, joined_seq, history_from_seq, \
             delivered_seq, seen_seq, invited_by, touched) VALUES {} \
             ON CONFLICT (conversation_id, user_id) DO UPDATE SET role = excluded.role, \
             joined_at = excluded.joined_at, joined_seq = excluded.joined_seq, \
             history_from_seq = excluded.history_from_seq, delivered_seq = excluded.delivered_seq, \
             seen_seq = excluded.seen_seq, invited_by = excluded.invited_by, touched = excluded.touched, \
             left_at = NULL, left_seq = NULL, left_rev = NULL, hidden_seq = NULL",
            row_places(part.len(), 10)
        );
        let mut values: Vec<Value> = Vec::with_capacity(part.len() * 10);
        for user in part {
            values.extend([
                scene.conversation.id.0.into(),
                user.0.into(),
                role_number(Role::Member).into(),
                scene.at.0.into(),
                joined_seq.into(),
                history_from.into(),
                joined_seq.into(),
                joined_seq.into(),
                invited_by.map(|user| user.0).into(),
                group.time.into(),
            ]);
        }
        execute(&group.tx, sql, values).await?;
    }
    scene.conversation.member_count += users.len() as u32;
    let what = StepKind::Members {
        added: some_members(&group.tx, scene.conversation.id, &users).await?,
        removed: Vec::new(),
        updated: Vec::new(),
    };
    scene.arrived = users;
    scene.noted(group, note, what).await
}

pub(super) async fn remove(
    scene: &mut Scene,
    group: &mut Group,
    role: Role,
    user: UserId,
    ban: bool,
) -> Result<(), Stop> {
    scene.require_group()?;
    if user == scene.actor {
        return match role {
            Role::Owner => Err(ActRefusal::LastOwner.into()),
            Role::Admin | Role::Member => leave(scene, group, role).await,
        };
    }
    if role == Role::Member {
        return Err(ActRefusal::NotAllowed.into());
    }
    let target = role_of(group, scene.conversation.id, user).await?;
    let target = target.ok_or(ActRefusal::NoSuchMember)?;
    if !may_remove(role, target) {
        return Err(ActRefusal::NotAllowed.into());
    }
    if ban {
        let sql = "INSERT INTO ban (conversation_id, user_id, banned_by, banned_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (conversation_id, user_id) DO NOTHING";
        let values = vec![
            scene.conversation.id.0.into(),
            user.0.into(),
            scene.actor.0.into(),
            scene.at.0.into(),
        ];
        execute(&group.tx, sql, values).await?;
    }
    let what = StepKind::Members {
        added: Vec::new(),
        removed: vec![user],
        updated: Vec::new(),
    };
    Ok(let_out(scene, group, user, SystemEvent::MemberRemoved { user }, what).await?)
}

/// Ends a membership. The note about it is the last that the member may read.
async fn let_out(
    scene: &mut Scene,
    group: &mut Group,
    user: UserId,
    note: SystemEvent,
    what: StepKind,
) -> Result<(), DbErr> {
    scene.conversation.member_count = scene.conversation.member_count.saturating_sub(1);
    scene.noted(group, note, what).await?;
    let sql = "UPDATE member SET left_at = ?, left_seq = ?, left_rev = ?, role = ?, touched = ? \
         WHERE conversation_id = ? AND user_id = ?";
    let values = vec![
        scene.at.0.into(),
        (scene.conversation.last_seq as i64).into(),
        (scene.conversation.last_rev as i64).into(),
        role_number(Role::Member).into(),
        group.time.into(),
        scene.conversation.id.0.into(),
        user.0.into(),
    ];
    execute(&group.tx, sql, values).await?;
    scene.departed.push(user);
    Ok(())
}

pub(super) async fn lift(scene: &Scene, group: &mut Group, role: Role, user: UserId) -> Result<(), Stop> {
    scene.require_group()?;
    if role == Role::Member {
        return Err(ActRefusal::NotAllowed.into());
    }
    let sql = "DELETE FROM ban WHERE conversation_id = ? AND user_id = ? RETURNING user_id";
    let lifted = query(
        &group.tx,
        sql,
        vec![scene.conversation.id.0.into(), user.0.into()],
    )
    .await?;
    if lifted.is_empty() {
        return Err(ActRefusal::NoSuchMember.into());
    }
    group.dirty = true;
    Ok(())
}

pub(super) async fn leave(scene: &mut Scene, group: &mut Group, role: Role) -> Result<(), Stop> {
    scene.require_group()?;
    let user = scene.actor;
    let mut updated = Vec::new();
    let mut new_owner = None;
    if role == Role::Owner {
        new_owner = successor(group, scene.conversation.id, user).await?;
        scene.conversation.owner = new_owner;
        if let Some(heir) = new_owner {
            write_role(group, scene.conversation.id, heir, Role::Owner).await?;
            updated = some_members(&group.tx, scene.conversation.id, &[heir]).await?;
        }
    }
    let what = StepKind::Members {
        added: Vec::new(),
        removed: vec![user],
        updated,
    };
    Ok(let_out(scene, group, user, SystemEvent::MemberLeft { new_owner }, what).await?)
}

/// Those of the users who are active members, by id.
pub(in crate::sql) async fn some_members(
    connection: &impl ConnectionTrait,
    id: ConversationId,
    users: &[UserId],
) -> Result<Vec<Member>, DbErr> {
    let filter = format!(
        "m.left_at IS NULL AND m.user_id IN ({}) ORDER BY m.user_id",
        places(users.len())
    );
    let values = users.iter().map(|user| Value::from(user.0)).collect();
    read_members(connection, id, &filter, values, (None, u64::MAX)).await
}

pub(super) async fn find_members(
    connection: &impl ConnectionTrait,
    id: ConversationId,
    wanted: &MemberQuery,
) -> Result<Vec<Member>, DbErr> {
    let mut filter = String::new();
    let mut values: Vec<Value> = Vec::new();
    match wanted.until {
        None => filter.push_str("m.left_at IS NULL"),
        Some((left_at, _)) => {
            filter.push_str("m.joined_at <= ? AND (m.left_at IS NULL OR m.left_at >= ?)");
            values.extend([left_at.0.into(), left_at.0.into()]);
        }
    }
    if let Some(after) = wanted.after {
        filter.push_str(" AND m.user_id > ?");
        values.push(after.0.into());
    }
    if let Some(prefix) = &wanted.prefix {
        filter.push_str(
            " AND EXISTS (SELECT 1 FROM account_key k WHERE k.user_id = m.user_id AND k.search_key >= ? \
             AND k.search_key < ?)",
        );
        let end = format!("{prefix}\u{10FFFF}");
        values.extend([prefix.clone().into(), end.into()]);
    }
    filter.push_str(" ORDER BY m.user_id LIMIT ?");
    values.push((wanted.limit as i64).into());
    let seq_max = wanted.until.map_or(u64::MAX, |(_, seq)| seq);
    let viewer = wanted.viewer;
    let mut members = read_members(connection, id, &filter, values, (Some(viewer), seq_max)).await?;
    if wanted.direct {
        list::keep_back(connection, viewer, &mut members.iter_mut().collect::<Vec<_>>()).await?;
    }
    Ok(members)
}

/// Members as one of them sees them, with watermarks up to a seq; without a viewer as everybody may.
async fn read_members(
    connection: &impl ConnectionTrait,
    id: ConversationId,
    filter: &str,
    values: Vec<Value>,
    (viewer, seq_max): (Option<UserId>, u64),
) -> Result<Vec<Member>, DbErr> {
    let sql = format!(
        "SELECT {ACCOUNT}, a.read_receipts, COALESCE((SELECT v.read_receipts FROM account v WHERE v.id = ?), TRUE), \
         m.role, m.joined_at, m.joined_seq, m.delivered_seq, m.seen_seq FROM member m \
         JOIN account a ON a.id = m.user_id WHERE m.conversation_id = ? AND {filter}"
    );
    let asking = [viewer.map(|viewer| viewer.0).into(), id.0.into()];
    let values = asking.into_iter().chain(values).collect();
    let found = query(connection, sql, values).await?;
    let member = |row| {
        let mut columns = Columns::of(row);
        let account = rows::account(&mut columns)?;
        let shares = (account.id, columns.take()?);
        let viewer_shares = columns.take()?;
        Ok(Member {
            account,
            role: rows::role(columns.take()?),
            joined_at: Timestamp(columns.take()?),
            joined_seq: columns.count()?,
            delivered_seq: columns.count()?.min(seq_max),
            seen_seq: list::shown_seen(
                viewer.map(|viewer| (viewer, viewer_shares)),
                shares,
                columns.count()?.min(seq_max),
            ),
        })
    };
    found.iter().map(member).collect()
}
