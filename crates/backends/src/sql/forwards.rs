//! Forwarding: copies of messages, stored as others are.

use super::append::append_all;
use super::attachments::copy_attachment;
use super::changes::subject;
use super::conversations::standing;
use super::query::query;
use super::rows::{Columns, corrupt};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    Announce, Appended, ForwardRecord, ForwardRefusal, Forwards, NewMessage, StoreError,
};
use chinwag_messenger::{ConversationId, Message, MessageId, UserId};
use sea_orm::{ConnectionTrait, DbErr};

type Outcome<T> = Result<Result<T, ForwardRefusal>, DbErr>;

#[async_trait::async_trait]
impl Forwards for SqlStore {
    async fn forward(
        &self,
        record: ForwardRecord,
        announce: Announce<Result<Vec<Appended>, ForwardRefusal>>,
    ) -> Result<Result<Vec<Appended>, ForwardRefusal>, StoreError> {
        self.writer
            .run(Some(announce), move |group| Box::pin(forward(group, record)))
            .await
    }
}

async fn forward(group: &mut Group, record: ForwardRecord) -> Outcome<Vec<Appended>> {
    let mut sources = Vec::with_capacity(record.messages.len());
    for &id in &record.messages {
        match source(group, record.by, id).await? {
            Ok(source) => sources.push(source),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    for &id in &record.to {
        if let Err(refusal) = check(group, record.by, id).await? {
            return Ok(Err(refusal));
        }
    }
    let mut client_ids = record.client_ids.into_iter();
    let mut news: Vec<NewMessage> = Vec::with_capacity(client_ids.len());
    for &conversation in &record.to {
        for (message, author_name) in &sources {
            let mut attachments = Vec::with_capacity(message.attachments.len());
            for attachment in &message.attachments {
                let copy = (record.attachment_id)();
                copy_attachment(group, attachment.id, copy, record.by, record.at).await?;
                attachments.push(copy);
            }
            news.push(NewMessage {
                author: record.by,
                conversation,
                client_id: client_ids
                    .next()
                    .ok_or_else(|| corrupt("fewer keys than copies"))?,
                // Of no draft: whoever sends under this key sends something else.
                content_hash: [0; 16],
                body: message.body.clone(),
                mentions: Vec::new(),
                attachments,
                reply_to: None,
                thread: None,
                forwarded_from: Some(author_name.clone()),
                advance_seen: false,
                times_members_max: 0,
                at: record.at,
            });
        }
    }
    let outcomes = append_all(group, &news.iter().collect::<Vec<_>>()).await?;
    let forwarded: Result<Vec<Appended>, _> = outcomes.into_iter().collect();
    // All was checked above, in the same transaction.
    forwarded
        .map(Ok)
        .map_err(|_| corrupt("a copy that cannot be stored"))
}

/// The message, and the name of who said it first.
async fn source(group: &mut Group, by: UserId, id: MessageId) -> Outcome<(Message, String)> {
    let message = match subject(group, by, id).await? {
        Ok((message, _)) => message,
        Err(none) => return Ok(Err(none.into())),
    };
    if message.deleted_at.is_some() {
        return Ok(Err(ForwardRefusal::Deleted));
    }
    if message.is_system() {
        return Ok(Err(ForwardRefusal::NotForwardable));
    }
    let name = match &message.forwarded_from {
        Some(name) => name.clone(),
        None => display_name(&group.tx, message.author).await?,
    };
    Ok(Ok((message, name)))
}

async fn display_name(connection: &impl ConnectionTrait, user: UserId) -> Result<String, DbErr> {
    let sql = "SELECT display_name FROM account WHERE id = ?";
    let rows = query(connection, sql, vec![user.0.into()]).await?;
    let row = rows
        .first()
        .ok_or_else(|| corrupt("a message without its author"))?;
    Columns::of(row).take()
}

/// Whether the user may post there.
async fn check(group: &mut Group, by: UserId, id: ConversationId) -> Outcome<()> {
    group.heads.load(&group.tx, &[id.0]).await?;
    let head = group.heads.find(id.0);
    let member = head.and_then(|head| {
        head.members
            .get(&by)
            .map(|member| head.post.includes(member.role))
    });
    Ok(match member {
        Some(true) => Ok(()),
        Some(false) => Err(ForwardRefusal::PostingRestricted),
        None => match standing(&group.tx, by, id).await? {
            Some(_) => Err(ForwardRefusal::NotAMember),
            None => Err(ForwardRefusal::NotFound),
        },
    })
}
