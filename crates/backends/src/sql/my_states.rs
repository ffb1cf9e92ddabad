//! The private parts of memberships.

use super::conversations::{raise_user_revs, standing};
use super::query::{execute, places, query, store_error};
use super::rows::{self, Columns, write_draft};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    Announce, Attention, MyStateChange, MyStateRefusal, MyStateSet, MyStates, StoreError,
};
use chinwag_messenger::{
    ConversationId, KeptDraft, MemberState, Message, MyStateWish, Notify, Timestamp, UserId,
};
use sea_orm::{DbErr, Value};

#[async_trait::async_trait]
impl MyStates for SqlStore {
    async fn change_my_state(
        &self,
        user: UserId,
        conversation: ConversationId,
        change: MyStateChange,
        at: Timestamp,
        announce: Announce<MyStateSet>,
    ) -> Result<Result<MyStateSet, MyStateRefusal>, StoreError> {
        let announce = move |outcome: &Result<MyStateSet, MyStateRefusal>| {
            if let Ok(set) = outcome {
                announce(set);
            }
        };
        self.writer
            .run(Some(Box::new(announce)), move |group| {
                Box::pin(change_my_state(group, user, conversation, change, at))
            })
            .await
    }

    async fn attention(&self, message: &Message, users: &[UserId]) -> Result<Vec<Attention>, StoreError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT m.user_id, m.muted_until, m.notify, m.seen_seq, f.seen_seq, b.owner_id IS NOT NULL FROM member m \
             LEFT JOIN thread_follow f ON f.root_id = ? AND f.user_id = m.user_id AND f.following \
             LEFT JOIN block b ON b.owner_id = m.user_id AND b.user_id = ? \
             WHERE m.conversation_id = ? AND m.left_at IS NULL AND m.user_id IN ({}) ORDER BY m.user_id",
            places(users.len())
        );
        let mut values: Vec<Value> = vec![
            message.thread_root.map_or(0, |root| root.0).into(),
            message.author.0.into(),
            message.conversation.0.into(),
        ];
        values.extend(users.iter().map(|user| Value::from(user.0)));
        let read = async {
            let mut attention = Vec::new();
            for row in query(&self.readers, sql, values).await? {
                let mut columns = Columns::of(&row);
                attention.push(Attention {
                    user: UserId(columns.take()?),
                    muted_until: columns.time()?,
                    notify: rows::notify(columns.take()?),
                    seen_seq: columns.count()?,
                    thread_seen_seq: columns.maybe_count()?,
                    blocks: columns.take()?,
                });
            }
            Ok(attention)
        };
        read.await.map_err(store_error)
    }
}

async fn change_my_state(
    group: &mut Group,
    user: UserId,
    id: ConversationId,
    change: MyStateChange,
    at: Timestamp,
) -> Result<Result<MyStateSet, MyStateRefusal>, DbErr> {
    let Some((conversation, before)) = standing(&group.tx, user, id).await? else {
        return Ok(Err(MyStateRefusal::NotFound));
    };
    let last_seq = before.left_seq.unwrap_or(conversation.last_seq);
    let mut my = before.clone();
    match change {
        MyStateChange::Set(wish) => {
            if !apply(&mut my, *wish, at) {
                return Ok(Err(MyStateRefusal::DraftConflict));
            }
        }
        MyStateChange::Clear { hide } => {
            my.cleared_seq = last_seq;
            if hide {
                my.hidden_seq = Some(last_seq);
            }
        }
    }
    let hidden = my.hidden(conversation.last_seq);
    if my == before {
        let user_rev = None;
        return Ok(Ok(MyStateSet { my, hidden, user_rev }));
    }
    group.dirty = true;
    if my.cleared_seq != before.cleared_seq {
        group.heads.forget(id.0);
    }
    save(group, &my).await?;
    let raised = raise_user_revs(group, &[user]).await?;
    let user_rev = raised.first().map(|&(_, rev)| rev);
    Ok(Ok(MyStateSet { my, hidden, user_rev }))
}

/// Changes what is wished; `false` when the kept draft is newer than the one that the wish goes on from.
fn apply(my: &mut MemberState, wish: MyStateWish, at: Timestamp) -> bool {
    if let Some(draft) = wish.draft {
        if let (Some(kept), Some(based_on)) = (&my.draft, draft.as_ref().and_then(|draft| draft.based_on))
            && kept.updated_at > based_on
        {
            return false;
        }
        my.draft = draft.map(|draft| KeptDraft {
            body: draft.body,
            reply_to: draft.reply_to,
            attachments: draft.attachments,
            // Later than the one before, so that devices can tell them apart.
            updated_at: my
                .draft
                .as_ref()
                .map_or(at, |kept| at.max(Timestamp(kept.updated_at.0 + 1))),
        });
    }
    my.muted_until = wish.muted_until.unwrap_or(my.muted_until);
    my.notify = wish.notify.unwrap_or(my.notify);
    my.archived = wish.archived.unwrap_or(my.archived);
    my.pinned_order = wish.pinned_order.unwrap_or(my.pinned_order);
    my.marked_unread = wish.marked_unread.unwrap_or(my.marked_unread);
    true
}

async fn save(group: &mut Group, my: &MemberState) -> Result<(), DbErr> {
    let sql = "UPDATE member SET muted_until = ?, notify = ?, archived = ?, pinned_order = ?, marked_unread = ?, \
         cleared_seq = ?, hidden_seq = ?, draft = ?, draft_at = ?, touched = ? \
         WHERE conversation_id = ? AND user_id = ?";
    let notify: i64 = match my.notify {
        Notify::All => 0,
        Notify::Mentions => 1,
        Notify::Nothing => 2,
    };
    let values: Vec<Value> = vec![
        my.muted_until.map(|at| at.0).into(),
        notify.into(),
        my.archived.into(),
        my.pinned_order.into(),
        my.marked_unread.into(),
        (my.cleared_seq as i64).into(),
        my.hidden_seq.map(|seq| seq as i64).into(),
        my.draft.as_ref().map(write_draft).into(),
        my.draft.as_ref().map(|draft| draft.updated_at.0).into(),
        group.time.into(),
        my.conversation.0.into(),
        my.user.0.into(),
    ];
    execute(&group.tx, sql, values).await
}
