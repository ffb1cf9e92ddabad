//! What the writer keeps in memory of the conversations it writes to: their counters, members and watermarks.
//!
//! Only the writer changes these, so what it remembers is right as long as nobody else writes to the file, which
//! the commit counter tells, and no transaction failed. In both cases everything is forgotten and read anew.

use super::query::{places, query};
use super::rows::{Columns, conversation_kind, role, who};
use chinwag_messenger::store::{StoreError, Told};
use chinwag_messenger::{ConversationKind, Role, UserId, Who};
use sea_orm::{DatabaseTransaction, DbErr};
use std::collections::HashMap;
use std::sync::Arc;

/// Members remembered at most, some 100 bytes each, over all conversations. When one group of jobs needs more
/// room, all others are forgotten: that costs two queries more for the next jobs.
const MEMBERS_MAX: usize = 200_000;

/// A conversation as the writer knows it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) kind: ConversationKind,
    pub(super) post: Who,
    pub(super) last_seq: u64,
    pub(super) last_rev: u64,
    /// The active members.
    pub(super) members: HashMap<UserId, HeadMember>,
    /// Their ids, ascending.
    pub(super) audience: Arc<[UserId]>,
    /// In a direct conversation, who blocks whom.
    blocks: Vec<(UserId, UserId)>,
}

impl Head {
    /// Who blocks the user here, and so does not see what it says.
    pub(super) fn blocker_of(&self, user: UserId) -> Option<UserId> {
        let block = self.blocks.iter().find(|(_, blocked)| *blocked == user);
        block.map(|(owner, _)| *owner)
    }

    /// Who hears of the user's watermarks.
    pub(super) fn receipts_to(&self, user: UserId) -> Arc<[UserId]> {
        match self.blocks.iter().any(|(owner, _)| *owner == user) {
            true => Arc::new([user]),
            false => Arc::clone(&self.audience),
        }
    }

    /// Who hears of the message at this seq, when it is hidden from some, and of the one it quotes, likewise.
    pub(super) fn told(&self, seq: u64, hidden_from: &[UserId], quoted: Option<(u64, &[UserId])>) -> Told {
        let sees = |user: &UserId, seq: u64, hidden_from: &[UserId]| {
            let member = self.members.get(user);
            member.is_some_and(|member| seq >= member.visible_from) && !hidden_from.contains(user)
        };
        let (audience, blind): (Vec<UserId>, Vec<UserId>) = self
            .audience
            .iter()
            .partition(|user| sees(user, seq, hidden_from));
        let unquoted = match quoted {
            Some((seq, hidden_from)) => {
                let unseen = audience.iter().filter(|user| !sees(user, seq, hidden_from));
                unseen.copied().collect()
            }
            None => Vec::new(),
        };
        Told {
            audience: audience.into(),
            unquoted,
            blind,
        }
    }
}

/// An active member as the writer knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadMember {
    pub(super) role: Role,
    pub(super) delivered_seq: u64,
    pub(super) seen_seq: u64,
    /// The first message it may see.
    pub(super) visible_from: u64,
}

/// The conversations lately written to, by id.
#[derive(Debug, Default)]
pub(super) struct Heads {
    known: HashMap<i64, Head>,
    members: usize,
}

impl Heads {
    pub(super) fn forget_all(&mut self) {
        self.known.clear();
        self.members = 0;
    }

    /// To be read anew: something about the conversation or its members has changed.
    pub(super) fn forget(&mut self, conversation: i64) {
        if let Some(head) = self.known.remove(&conversation) {
            self.members -= head.members.len();
        }
    }

    pub(super) fn find(&mut self, conversation: i64) -> Option<&mut Head> {
        self.known.get_mut(&conversation)
    }

    /// Reads those of the conversations that are not known yet. Ids of none stay unknown.
    pub(super) async fn load(&mut self, tx: &DatabaseTransaction, wanted: &[i64]) -> Result<(), DbErr> {
        let unknown = |known: &HashMap<i64, Head>| {
            let mut ids: Vec<i64> = wanted
                .iter()
                .copied()
                .filter(|id| !known.contains_key(id))
                .collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let mut missing = unknown(&self.known);
        if missing.is_empty() {
            return Ok(());
        }
        if self.members > MEMBERS_MAX {
            self.forget_all();
            missing = unknown(&self.known);
        }
        let ids = || missing.iter().map(|&id| id.into()).collect::<Vec<_>>();
        let in_list = places(missing.len());

        let sql = format!(
            "SELECT id, kind, post, last_seq, last_rev FROM conversation WHERE id IN ({in_list}) \
             AND deleted_at IS NULL"
        );
        let mut loaded: HashMap<i64, Head> = HashMap::new();
        for row in query(tx, sql, ids()).await? {
            let mut columns = Columns::of(&row);
            let id = columns.take()?;
            let head = Head {
                kind: conversation_kind(columns.take()?)?,
                post: who(columns.take()?),
                last_seq: columns.count()?,
                last_rev: columns.count()?,
                members: HashMap::new(),
                audience: Arc::new([]),
                blocks: Vec::new(),
            };
            loaded.insert(id, head);
        }

        let sql = format!(
            "SELECT conversation_id, user_id, role, delivered_seq, seen_seq, history_from_seq, cleared_seq \
             FROM member WHERE conversation_id IN ({in_list}) AND left_at IS NULL"
        );
        for row in query(tx, sql, ids()).await? {
            let mut columns = Columns::of(&row);
            let conversation: i64 = columns.take()?;
            let user = UserId(columns.take()?);
            let member = HeadMember {
                role: role(columns.take()?),
                delivered_seq: columns.count()?,
                seen_seq: columns.count()?,
                visible_from: columns.count()?.max(columns.count()? + 1),
            };
            if let Some(head) = loaded.get_mut(&conversation) {
                head.members.insert(user, member);
            }
        }
        if loaded.values().any(|head| head.kind == ConversationKind::Direct) {
            let sql = format!(
                "SELECT c.id, b.owner_id, b.user_id FROM conversation c \
                 JOIN member o ON o.conversation_id = c.id \
                 JOIN member u ON u.conversation_id = c.id AND u.user_id <> o.user_id \
                 JOIN block b ON b.owner_id = o.user_id AND b.user_id = u.user_id \
                 WHERE c.kind = 0 AND c.id IN ({in_list})"
            );
            for row in query(tx, sql, ids()).await? {
                let mut columns = Columns::of(&row);
                let id: i64 = columns.take()?;
                let block = (UserId(columns.take()?), UserId(columns.take()?));
                if let Some(head) = loaded.get_mut(&id) {
                    head.blocks.push(block);
                }
            }
        }
        for (id, mut head) in loaded {
            let mut audience: Vec<UserId> = head.members.keys().copied().collect();
            audience.sort_unstable();
            head.audience = audience.into();
            self.members += head.members.len();
            self.known.insert(id, head);
        }
        Ok(())
    }
}

/// What a job answers when the store cannot work any more.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}
