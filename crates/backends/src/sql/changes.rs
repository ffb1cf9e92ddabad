//! Changes of stored messages: edits, deletions, reactions. Each is a job of its own under the conversation's next
//! rev, which it stamps on every row it touches.

use super::attachments::forget_attachments;
use super::conversations::standing;
use super::heads::HeadMember;
use super::hides::{Place, hidden_from, hidden_of, veil};
use super::mentions::{delete_mentions, insert_mentions};
use super::messages::visible_from;
use super::query::{execute, places, query, row_places, store_error};
use super::rows::{self, ACCOUNT, Columns, MESSAGE, QUOTED, corrupt};
use super::search_index;
use super::store::SqlStore;
use super::threads;
use super::writer::Group;
use chinwag_messenger::store::{
    Announce, DeleteRecord, DeleteRefusal, DeletedIn, EditRecord, EditRefusal, Edited, ForwardRefusal,
    MessageChanges, Messages, PinRefusal, ReactRecord, ReactRefusal, Reacted, StoreError, Told, Version,
    VersionsRefusal,
};
use chinwag_messenger::{
    ConversationId, ConversationKind, EditHistory, Message, MessageId, Policies, Reaction, ReactionSummary,
    Role, Timestamp, UserId,
};
use sea_orm::{ConnectionTrait, DbErr, Value};
use std::collections::{BTreeMap, BTreeSet};

/// People named in the summary of a reaction.
const NAMED_MAX: usize = 3;

#[async_trait::async_trait]
impl MessageChanges for SqlStore {
    async fn edit(
        &self,
        edit: EditRecord,
        announce: Announce<Result<Edited, EditRefusal>>,
    ) -> Result<Result<Edited, EditRefusal>, StoreError> {
        self.writer
            .run(Some(announce), move |group| Box::pin(edit_one(group, edit)))
            .await
    }

    async fn delete(
        &self,
        record: DeleteRecord,
        announce: Announce<Result<Vec<DeletedIn>, DeleteRefusal>>,
    ) -> Result<Result<Vec<DeletedIn>, DeleteRefusal>, StoreError> {
        self.writer
            .run(Some(announce), move |group| Box::pin(delete_all(group, record)))
            .await
    }

    async fn react(
        &self,
        record: ReactRecord,
        announce: Announce<Result<Reacted, ReactRefusal>>,
    ) -> Result<Result<Reacted, ReactRefusal>, StoreError> {
        self.writer
            .run(Some(announce), move |group| Box::pin(react(group, record)))
            .await
    }

    async fn versions(
        &self,
        reader: UserId,
        message: MessageId,
    ) -> Result<Result<Vec<Version>, VersionsRefusal>, StoreError> {
        let tx = self.snapshot().await?;
        versions(&tx, reader, message).await.map_err(store_error)
    }

    async fn reactions(
        &self,
        reader: UserId,
        message: MessageId,
        after_rev: u64,
        limit: usize,
    ) -> Result<Option<Vec<(u64, Reaction)>>, StoreError> {
        if self.message(reader, message).await?.is_none() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT r.rev, r.emoji, r.created_at, {ACCOUNT} FROM reaction r JOIN account a ON a.id = r.user_id \
             WHERE r.message_id = ? AND r.rev > ? ORDER BY r.rev LIMIT ?"
        );
        let values = vec![message.0.into(), (after_rev as i64).into(), (limit as i64).into()];
        let read = async {
            let mut found = Vec::new();
            for row in query(&self.readers, sql, values).await? {
                let mut columns = Columns::of(&row);
                let (rev, emoji) = (columns.count()?, columns.take()?);
                let at = Timestamp(columns.take()?);
                let account = rows::account(&mut columns)?;
                found.push((rev, Reaction { account, emoji, at }));
            }
            Ok(Some(found))
        };
        read.await.map_err(store_error)
    }

    async fn own_reactions(
        &self,
        user: UserId,
        messages: &[MessageId],
    ) -> Result<Vec<(MessageId, String)>, StoreError> {
        let sql = format!(
            "SELECT message_id, emoji FROM reaction WHERE user_id = ? AND message_id IN ({})",
            places(messages.len())
        );
        let mut values: Vec<Value> = vec![user.0.into()];
        values.extend(messages.iter().map(|id| Value::from(id.0)));
        let read = async {
            let mut own = Vec::new();
            for row in query(&self.readers, sql, values).await? {
                let mut columns = Columns::of(&row);
                own.push((MessageId(columns.take()?), columns.take()?));
            }
            Ok(own)
        };
        read.await.map_err(store_error)
    }
}

/// Why somebody does not change a message.
pub(super) enum NoSubject {
    /// It does not see it.
    NotFound,
    /// It sees it, and was a member once.
    NotAMember,
}

/// Refusals that tell both from each other.
macro_rules! refusals {
    ($($refusal:ident),*) => {
        $(impl From<NoSubject> for $refusal {
            fn from(none: NoSubject) -> Self {
                match none {
                    NoSubject::NotFound => Self::NotFound,
                    NoSubject::NotAMember => Self::NotAMember,
                }
            }
        })*
    };
}
refusals!(
    EditRefusal,
    DeleteRefusal,
    ReactRefusal,
    PinRefusal,
    ForwardRefusal
);

/// A message as an active member who wants to change it sees it.
pub(super) async fn subject(
    group: &mut Group,
    user: UserId,
    id: MessageId,
) -> Result<Result<(Message, HeadMember), NoSubject>, DbErr> {
    let sql = format!("SELECT {MESSAGE} FROM message m {QUOTED} WHERE m.id = ?");
    let Some(row) = query(&group.tx, sql, vec![id.0.into()]).await?.pop() else {
        return Ok(Err(NoSubject::NotFound));
    };
    let message = rows::message(&mut Columns::of(&row))?;
    let conversation = message.conversation.0;
    group.heads.load(&group.tx, &[conversation]).await?;
    let head = group.heads.find(conversation);
    let member = head.and_then(|head| head.members.get(&user).copied());
    let visible_from = match &member {
        Some(member) => Some(member.visible_from),
        None => seen_once(group, user, &message).await?,
    };
    let Some(visible_from) = visible_from.filter(|first| message.seq >= *first) else {
        return Ok(Err(NoSubject::NotFound));
    };
    let mut read = message.clone();
    veil(&group.tx, user, &mut [&mut read], |_| visible_from).await?;
    Ok(match member {
        _ if read.hidden => Err(NoSubject::NotFound),
        Some(member) => Ok((message, member)),
        None => Err(NoSubject::NotAMember),
    })
}

/// From where on somebody sees the conversation who was a member when the message came.
async fn seen_once(group: &Group, user: UserId, message: &Message) -> Result<Option<u64>, DbErr> {
    let standing = standing(&group.tx, user, message.conversation).await?;
    let saw = |left_seq: Option<u64>| left_seq.is_some_and(|left| message.seq <= left);
    Ok(standing
        .filter(|(_, member)| saw(member.left_seq))
        .map(|(_, member)| visible_from(&member)))
}

/// What the conversation of somebody who is in it allows.
async fn policies(group: &Group, user: UserId, id: ConversationId) -> Result<Policies, DbErr> {
    let standing = standing(&group.tx, user, id).await?;
    let (conversation, _) = standing.ok_or_else(|| corrupt("a member who vanished"))?;
    Ok(conversation.policies)
}

/// Whether so many seconds have passed since the message was stored; without a number they never have.
fn is_past(message: &Message, window_s: Option<u64>, now: Timestamp) -> bool {
    let age_ms = u64::try_from(now.0 - message.created_at.0).unwrap_or(0);
    window_s.is_some_and(|window_s| age_ms > window_s.saturating_mul(1_000))
}

/// Takes the conversation's next rev.
pub(super) async fn next_rev(group: &mut Group, conversation: i64) -> Result<u64, DbErr> {
    group.dirty = true;
    let head = group.heads.find(conversation);
    let head = head.ok_or_else(|| corrupt("a conversation that vanished"))?;
    head.last_rev += 1;
    let rev = head.last_rev;
    let sql = "UPDATE conversation SET last_rev = ?, touched = ? WHERE id = ?";
    let values = vec![(rev as i64).into(), group.time.into(), conversation.into()];
    execute(&group.tx, sql, values).await?;
    Ok(rev)
}

/// Who hears of a change of the message.
pub(super) async fn told(group: &mut Group, message: &Message) -> Result<Told, DbErr> {
    let conversation = message.conversation.0;
    let mut of: Vec<Place> = vec![(conversation, message.seq)];
    of.extend(message.reply_to.as_ref().map(|quote| (conversation, quote.seq)));
    let hidden = hidden_from(&group.tx, &of).await?;
    let at = |seq| hidden.get(&(conversation, seq)).map_or(&[][..], Vec::as_slice);
    let quoted = message.reply_to.as_ref().map(|quote| (quote.seq, at(quote.seq)));
    let head = group.heads.find(conversation);
    let told = head.map(|head| head.told(message.seq, at(message.seq), quoted));
    Ok(told.unwrap_or_default())
}

async fn edit_one(group: &mut Group, edit: EditRecord) -> Result<Result<Edited, EditRefusal>, DbErr> {
    let mut message = match subject(group, edit.editor, edit.message).await? {
        Ok((message, _)) => message,
        Err(none) => return Ok(Err(none.into())),
    };
    let Policies {
        edit_window_s,
        edit_history,
        ..
    } = policies(group, edit.editor, message.conversation).await?;
    let refusal = if message.is_system() {
        Some(EditRefusal::NotEditable)
    } else if message.author != edit.editor {
        Some(EditRefusal::NotAuthor)
    } else if message.deleted_at.is_some() {
        Some(EditRefusal::Deleted)
    } else if message.forwarded_from.is_some() {
        Some(EditRefusal::NotEditable)
    } else if edit_window_s == Some(0) {
        Some(EditRefusal::Disabled)
    } else if is_past(&message, edit_window_s, edit.at) {
        Some(EditRefusal::WindowClosed)
    } else if edit.if_rev.is_some_and(|rev| rev != message.rev) {
        Some(EditRefusal::Stale)
    } else if edit.body.is_empty() && message.attachments.is_empty() {
        Some(EditRefusal::Empty)
    } else {
        None
    };
    if let Some(refusal) = refusal {
        return Ok(Err(refusal));
    }
    if message.body == edit.body {
        return Ok(Ok(Edited {
            message,
            changed: false,
            named_before: Vec::new(),
            told: Told::default(),
        }));
    }
    let conversation = message.conversation.0;
    message.rev = next_rev(group, conversation).await?;
    if edit_history != EditHistory::Off {
        keep_version(group, &message, edit.versions_max, edit.at).await?;
    }
    message.body = edit.body;
    let named_before = std::mem::replace(&mut message.mentions, edit.mentions);
    message.edited_at = Some(edit.at);
    message.edit_count += 1;
    let sql = "UPDATE message SET body = ?, mentions = ?, edited_at = ?, edit_count = edit_count + 1, rev = ? \
         WHERE id = ?";
    let values = vec![
        message.body.clone().into(),
        rows::write_mentions(&message.mentions).into(),
        edit.at.0.into(),
        (message.rev as i64).into(),
        message.id.0.into(),
    ];
    execute(&group.tx, sql, values).await?;
    search_index::renew(group, &[message.id.0]).await?;
    delete_mentions(&group.tx, conversation, &[message.seq]).await?;
    insert_mentions(&group.tx, std::iter::once(&message)).await?;
    threads::follow_named(group, &message, &named_before).await?;
    let told = told(group, &message).await?;
    Ok(Ok(Edited {
        message,
        changed: true,
        named_before,
        told,
    }))
}

/// Keeps what the message says now, and of too many versions all but the oldest ones after the first.
async fn keep_version(group: &Group, message: &Message, max: u64, at: Timestamp) -> Result<(), DbErr> {
    let sql = "SELECT COUNT(*), COALESCE(MIN(version), 0), COALESCE(MAX(version), 0) FROM message_version \
               WHERE message_id = ?";
    let row = query(&group.tx, sql, vec![message.id.0.into()]).await?.pop();
    let row = row.ok_or_else(|| corrupt("a count without a row"))?;
    let mut columns = Columns::of(&row);
    let (kept, first, last): (i64, i64, i64) = (columns.take()?, columns.take()?, columns.take()?);
    let surplus = kept + 1 - max as i64;
    if surplus > 0 {
        // More than one when the bound has been lowered since.
        let sql = "DELETE FROM message_version WHERE message_id = ? AND version IN \
                   (SELECT version FROM message_version WHERE message_id = ? AND version > ? \
                    ORDER BY version LIMIT ?)";
        let values = vec![
            message.id.0.into(),
            message.id.0.into(),
            first.into(),
            surplus.into(),
        ];
        execute(&group.tx, sql, values).await?;
    }
    let sql = format!(
        "INSERT INTO message_version (message_id, version, body, mentions, replaced_at) VALUES {}",
        row_places(1, 5)
    );
    let values = vec![
        message.id.0.into(),
        (last + 1).into(),
        message.body.clone().into(),
        rows::write_mentions(&message.mentions).into(),
        at.0.into(),
    ];
    execute(&group.tx, sql, values).await.map(drop)
}

async fn versions(
    connection: &impl ConnectionTrait,
    reader: UserId,
    id: MessageId,
) -> Result<Result<Vec<Version>, VersionsRefusal>, DbErr> {
    let sql = "SELECT conversation_id, seq, author_id FROM message WHERE id = ?";
    let Some(row) = query(connection, sql, vec![id.0.into()]).await?.pop() else {
        return Ok(Err(VersionsRefusal::NotFound));
    };
    let mut columns = Columns::of(&row);
    let conversation = ConversationId(columns.take()?);
    let (seq, author): (i64, i64) = (columns.take()?, columns.take()?);
    let Some((head, member)) = standing(connection, reader, conversation).await? else {
        return Ok(Err(VersionsRefusal::NotFound));
    };
    let seq = seq as u64;
    let hidden = !hidden_of(connection, reader, &[(conversation.0, seq)])
        .await?
        .is_empty();
    let last = member.left_seq.unwrap_or(head.last_seq);
    if hidden || seq < visible_from(&member) || seq > last {
        return Ok(Err(VersionsRefusal::NotFound));
    }
    if member.left_at.is_some() {
        return Ok(Err(VersionsRefusal::NotAMember));
    }
    let privileged =
        author == reader.0 || (head.kind == ConversationKind::Group && member.role != Role::Member);
    match head.policies.edit_history {
        EditHistory::Off => return Ok(Ok(Vec::new())),
        EditHistory::Restricted if !privileged => return Ok(Err(VersionsRefusal::NotAllowed)),
        EditHistory::Restricted | EditHistory::Members => {}
    }
    let sql = "SELECT version, body, mentions, replaced_at FROM message_version WHERE message_id = ? \
         ORDER BY version";
    let mut kept = Vec::new();
    for row in query(connection, sql, vec![id.0.into()]).await? {
        let mut columns = Columns::of(&row);
        kept.push(Version {
            number: columns.take::<i64>()? as u64,
            body: columns.take()?,
            mentions: rows::read_mentions(columns.take()?)?,
            replaced_at: Timestamp(columns.take()?),
        });
    }
    Ok(Ok(kept))
}

async fn delete_all(
    group: &mut Group,
    record: DeleteRecord,
) -> Result<Result<Vec<DeletedIn>, DeleteRefusal>, DbErr> {
    let mut living: BTreeMap<i64, Vec<(MessageId, u64)>> = BTreeMap::new();
    let mut roots: BTreeMap<i64, BTreeSet<MessageId>> = BTreeMap::new();
    for &id in &record.messages {
        let (message, member) = match subject(group, record.by, id).await? {
            Ok(found) => found,
            Err(none) => return Ok(Err(none.into())),
        };
        let own = message.author == record.by;
        if message.is_system() || (!own && !may_delete(group, &message, member).await?) {
            return Ok(Err(DeleteRefusal::NotAllowed));
        }
        let by_role = member.role != Role::Member;
        if !by_role && message.deleted_at.is_none() {
            let window_s = policies(group, record.by, message.conversation)
                .await?
                .delete_window_s;
            if is_past(&message, window_s, record.at) {
                return Ok(Err(DeleteRefusal::WindowClosed));
            }
        }
        if message.deleted_at.is_none() {
            let items = living.entry(message.conversation.0).or_default();
            items.push((message.id, message.seq));
            let roots = roots.entry(message.conversation.0).or_default();
            roots.extend(message.thread_root);
        }
    }
    let mut deleted = Vec::with_capacity(living.len());
    for (conversation, items) in living {
        let rev = next_rev(group, conversation).await?;
        let ids = || items.iter().map(|(id, _)| Value::from(id.0));
        let in_list = places(items.len());
        let sql = format!(
            "UPDATE message SET body = '', mentions = NULL, attachments = NULL, reply_to_id = NULL, forwarded_from = NULL, \
             reactions = NULL, pinned_at = NULL, kind = 0, edited_at = NULL, edit_count = 0, deleted_at = ?, \
             deleted_by = ?, rev = ? WHERE id IN ({in_list})"
        );
        let mut values: Vec<Value> = vec![record.at.0.into(), record.by.0.into(), (rev as i64).into()];
        values.extend(ids());
        execute(&group.tx, sql, values).await?;
        for table in ["reaction", "message_version"] {
            let sql = format!("DELETE FROM {table} WHERE message_id IN ({in_list})");
            execute(&group.tx, sql, ids().collect()).await?;
        }
        let deleted_ids: Vec<i64> = items.iter().map(|(id, _)| id.0).collect();
        search_index::renew(group, &deleted_ids).await?;
        let roots = roots.remove(&conversation).unwrap_or_default();
        let threads = threads::recount(group, &roots, rev).await?;
        let seqs: Vec<u64> = items.iter().map(|(_, seq)| *seq).collect();
        delete_mentions(&group.tx, conversation, &seqs).await?;
        let of_messages = format!("message_id IN ({in_list})");
        forget_attachments(group, &of_messages, ids().collect(), record.at).await?;
        let told = told_deleted(group, ConversationId(conversation), rev, items).await?;
        deleted.push(DeletedIn { threads, ..told });
    }
    Ok(Ok(deleted))
}

/// Tells each member of those that it saw.
async fn told_deleted(
    group: &mut Group,
    conversation: ConversationId,
    rev: u64,
    items: Vec<(MessageId, u64)>,
) -> Result<DeletedIn, DbErr> {
    let of: Vec<Place> = items.iter().map(|(_, seq)| (conversation.0, *seq)).collect();
    let hidden = hidden_from(&group.tx, &of).await?;
    let mut deleted = DeletedIn {
        conversation,
        rev,
        items,
        threads: Vec::new(),
        audience: Vec::new(),
        partly: Vec::new(),
    };
    let Some(head) = group.heads.find(conversation.0) else {
        return Ok(deleted);
    };
    for &user in head.audience.iter() {
        let from = head
            .members
            .get(&user)
            .map_or(u64::MAX, |member| member.visible_from);
        let sees = |(_, seq): &&(MessageId, u64)| {
            let hidden = hidden.get(&(conversation.0, *seq));
            *seq >= from && !hidden.is_some_and(|users| users.contains(&user))
        };
        let seen: Vec<_> = deleted.items.iter().filter(sees).copied().collect();
        match seen.len() == deleted.items.len() {
            true => deleted.audience.push(user),
            false => deleted.partly.push((user, seen)),
        }
    }
    Ok(deleted)
}

/// Whether a member may delete what another said: in a group the owner anything, administrators all but the owner's.
async fn may_delete(group: &Group, message: &Message, by: HeadMember) -> Result<bool, DbErr> {
    if by.role == Role::Member {
        return Ok(false);
    }
    let sql = "SELECT kind, owner_id FROM conversation WHERE id = ?";
    let Some(row) = query(&group.tx, sql, vec![message.conversation.0.into()])
        .await?
        .pop()
    else {
        return Ok(false);
    };
    let mut columns = Columns::of(&row);
    let kind = rows::conversation_kind(columns.take()?)?;
    let owner = columns.take::<Option<i64>>()?.map(UserId);
    let the_owners = owner == Some(message.author);
    Ok(kind == ConversationKind::Group && (by.role == Role::Owner || !the_owners))
}

async fn react(group: &mut Group, record: ReactRecord) -> Result<Result<Reacted, ReactRefusal>, DbErr> {
    let (mut message, member) = match subject(group, record.user, record.message).await? {
        Ok(found) => found,
        Err(none) => return Ok(Err(none.into())),
    };
    let conversation = message.conversation.0;
    let post = group.heads.find(conversation).map(|head| head.post);
    if post.is_some_and(|post| !post.includes(member.role)) {
        return Ok(Err(ReactRefusal::PostingRestricted));
    }
    if message.is_system() {
        return Ok(Err(ReactRefusal::NotAllowed));
    }
    if message.deleted_at.is_some() {
        return Ok(Err(ReactRefusal::Deleted));
    }
    let sql = "SELECT user_id, emoji FROM reaction WHERE message_id = ? ORDER BY rev";
    let mut all: Vec<(UserId, String)> = Vec::new();
    for row in query(&group.tx, sql, vec![message.id.0.into()]).await? {
        let mut columns = Columns::of(&row);
        all.push((UserId(columns.take()?), columns.take()?));
    }
    let there = |one: &(UserId, String)| one.0 == record.user && one.1 == record.emoji;
    if all.iter().any(there) == record.add {
        return Ok(Ok(Reacted {
            message,
            changed: false,
            told: Told::default(),
        }));
    }
    let known = message.reactions.iter().any(|one| one.emoji == record.emoji);
    if record.add && !known && message.reactions.len() >= record.distinct_max {
        return Ok(Err(ReactRefusal::TooMany));
    }
    message.rev = next_rev(group, conversation).await?;
    if record.add {
        let sql = format!(
            "INSERT INTO reaction (message_id, user_id, emoji, rev, created_at) VALUES {}",
            row_places(1, 5)
        );
        let values = vec![
            message.id.0.into(),
            record.user.0.into(),
            record.emoji.clone().into(),
            (message.rev as i64).into(),
            record.at.0.into(),
        ];
        execute(&group.tx, sql, values).await?;
        all.push((record.user, record.emoji));
    } else {
        let sql = "DELETE FROM reaction WHERE message_id = ? AND user_id = ? AND emoji = ?";
        let values = vec![
            message.id.0.into(),
            record.user.0.into(),
            record.emoji.clone().into(),
        ];
        execute(&group.tx, sql, values).await?;
        all.retain(|one| !(one.0 == record.user && one.1 == record.emoji));
    }
    message.reactions = summary(&all);
    let sql = "UPDATE message SET reactions = ?, rev = ? WHERE id = ?";
    let values = vec![
        rows::write_reactions(&message.reactions).into(),
        (message.rev as i64).into(),
        message.id.0.into(),
    ];
    execute(&group.tx, sql, values).await?;
    let told = told(group, &message).await?;
    Ok(Ok(Reacted {
        message,
        changed: true,
        told,
    }))
}

/// Emojis by first use, each with how many used it and the first of them.
fn summary(all: &[(UserId, String)]) -> Vec<ReactionSummary> {
    let mut summary: Vec<ReactionSummary> = Vec::new();
    for (user, emoji) in all {
        let at = summary.iter().position(|one| one.emoji == *emoji);
        let at = at.unwrap_or_else(|| {
            summary.push(ReactionSummary {
                emoji: emoji.clone(),
                count: 0,
                users: Vec::new(),
                me: None,
            });
            summary.len() - 1
        });
        let one = &mut summary[at];
        one.count += 1;
        if one.users.len() < NAMED_MAX {
            one.users.push(*user);
        }
    }
    summary
}
