//! What happens to a conversation besides messages. Everything is checked before anything is written, in the
//! transaction that writes it; each step takes the next rev, and with a note the next seq too. [`Scene`] takes the
//! steps; which ones an act is made of is told by the files of this folder.

mod end;
mod members;
mod roles;
mod settings;

pub(super) use end::dissolve;
pub(super) use members::{let_in, some_members};

use end::{delete, purge_deleted};
use members::{add, find_members, leave, lift, remove};
use roles::{set_role, transfer};
use settings::update;

use super::attachments::avatar_value;
use super::conversations::{insert_note, raise_user_revs, standing};
use super::query::{execute, query, store_error};
use super::rows::{self, ACCOUNT, Columns, policy_values};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    Act, ActRefusal, Acted, Acting, Announce, Groups, MemberQuery, Step, StepKind, StoreError,
};
use chinwag_messenger::{
    Ban, Conversation, ConversationId, ConversationKind, Member, SettingsChange, SystemEvent, Timestamp,
    UserId,
};
use sea_orm::{ConnectionTrait, DbErr, Value};

#[async_trait::async_trait]
impl Groups for SqlStore {
    async fn act(
        &self,
        acting: Acting,
        announce: Announce<Acted>,
    ) -> Result<Result<Acted, ActRefusal>, StoreError> {
        self.writer
            .run(Some(announce_done(announce)), move |group| {
                Box::pin(act(group, acting))
            })
            .await
    }

    async fn find_members(&self, id: ConversationId, wanted: MemberQuery) -> Result<Vec<Member>, StoreError> {
        find_members(&self.readers, id, &wanted)
            .await
            .map_err(store_error)
    }

    async fn bans(&self, id: ConversationId) -> Result<Vec<Ban>, StoreError> {
        let sql = format!(
            "SELECT {ACCOUNT}, b.banned_by, b.banned_at FROM ban b JOIN account a ON a.id = b.user_id \
             WHERE b.conversation_id = ? ORDER BY b.user_id"
        );
        let found = query(&self.readers, sql, vec![id.0.into()])
            .await
            .map_err(store_error)?;
        let ban = |row| {
            let mut columns = Columns::of(row);
            Ok(Ban {
                account: rows::account(&mut columns)?,
                by: UserId(columns.take()?),
                at: Timestamp(columns.take()?),
            })
        };
        found
            .iter()
            .map(ban)
            .collect::<Result<_, _>>()
            .map_err(store_error)
    }

    async fn purge_deleted(&self, limit: usize, at: Timestamp) -> Result<bool, StoreError> {
        self.writer
            .run(None, move |group| Box::pin(purge_deleted(group, limit, at)))
            .await
    }
}

/// Announces what was done, and nothing of a refusal.
pub(super) fn announce_done<R: 'static>(announce: Announce<Acted>) -> Announce<Result<Acted, R>> {
    Box::new(move |outcome| {
        if let Ok(acted) = outcome {
            announce(acted);
        }
    })
}

/// Why an act ends early.
pub(super) enum Stop {
    Refused(ActRefusal),
    Failed(DbErr),
}

impl From<DbErr> for Stop {
    fn from(error: DbErr) -> Self {
        Self::Failed(error)
    }
}

impl From<ActRefusal> for Stop {
    fn from(refusal: ActRefusal) -> Self {
        Self::Refused(refusal)
    }
}

async fn act(group: &mut Group, acting: Acting) -> Result<Result<Acted, ActRefusal>, DbErr> {
    let Acting {
        actor,
        conversation,
        act,
        at,
    } = acting;
    let Some((conversation, member)) = standing(&group.tx, actor, conversation).await? else {
        return Ok(Err(ActRefusal::NotFound));
    };
    if member.left_at.is_some() {
        return Ok(Err(ActRefusal::NotAMember));
    }
    let mut scene = Scene::new(conversation, actor, at);
    let done = match act {
        Act::Update {
            title,
            description,
            avatar,
            policies,
            purge_existing,
        } => {
            let wish = SettingsChange {
                title,
                description,
                avatar,
                policies,
            };
            update(&mut scene, group, member.role, wish, purge_existing).await
        }
        Act::Add { users, members_max } => add(&mut scene, group, member.role, &users, members_max).await,
        Act::Remove { user, ban } => remove(&mut scene, group, member.role, user, ban).await,
        Act::Lift { user } => lift(&scene, group, member.role, user).await,
        Act::Leave => leave(&mut scene, group, member.role).await,
        Act::SetRole {
            user,
            role,
            admins_max,
        } => set_role(&mut scene, group, member.role, (user, role), admins_max).await,
        Act::Transfer { to } => transfer(&mut scene, group, member.role, to).await,
        Act::Delete => delete(&mut scene, group, member.role).await,
    };
    match done {
        Ok(()) => scene.finish(group).await.map(Ok),
        Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// A conversation while it is being changed.
pub(super) struct Scene {
    pub(super) conversation: Conversation,
    pub(super) actor: UserId,
    at: Timestamp,
    steps: Vec<Step>,
    audience: Option<Vec<UserId>>,
    arrived: Vec<UserId>,
    departed: Vec<UserId>,
    unchanged: Vec<UserId>,
    banned: Vec<UserId>,
    deleted: bool,
}

impl Scene {
    pub(super) fn new(conversation: Conversation, actor: UserId, at: Timestamp) -> Self {
        Self {
            conversation,
            actor,
            at,
            steps: Vec::new(),
            audience: None,
            arrived: Vec::new(),
            departed: Vec::new(),
            unchanged: Vec::new(),
            banned: Vec::new(),
            deleted: false,
        }
    }

    fn require_group(&self) -> Result<(), ActRefusal> {
        match self.conversation.kind {
            ConversationKind::Group => Ok(()),
            ConversationKind::Direct | ConversationKind::Own => Err(ActRefusal::NotAllowed),
        }
    }

    /// A step with a note about it.
    async fn noted(&mut self, group: &mut Group, note: SystemEvent, what: StepKind) -> Result<(), DbErr> {
        let conversation = &mut self.conversation;
        conversation.last_seq += 1;
        conversation.last_rev += 1;
        conversation.last_activity_at = conversation.last_activity_at.max(self.at);
        let place = (conversation.last_seq, conversation.last_rev);
        let note = insert_note(group, conversation.id, place, self.actor, note, self.at).await?;
        self.push(what, Some(note));
        Ok(())
    }

    /// A step that nothing in the conversation tells of.
    pub(super) fn silent(&mut self, what: StepKind) {
        self.conversation.last_rev += 1;
        self.push(what, None);
    }

    fn push(&mut self, what: StepKind, note: Option<chinwag_messenger::Message>) {
        let rev = self.conversation.last_rev;
        match &what {
            StepKind::Members { .. } => self.conversation.members_rev = rev,
            StepKind::Settings(_) => self.conversation.settings_rev = rev,
            StepKind::Deleted => {}
        }
        self.steps.push(Step { rev, what, note });
    }

    /// Writes the conversation, and finds who is to hear of it.
    pub(super) async fn finish(mut self, group: &mut Group) -> Result<Acted, DbErr> {
        if !self.steps.is_empty() {
            group.dirty = true;
            group.heads.forget(self.conversation.id.0);
            self.save(group).await?;
        }
        let audience = match self.audience.take() {
            Some(audience) => audience,
            None if self.steps.is_empty() => Vec::new(),
            None => active(&group.tx, self.conversation.id).await?,
        };
        let arrived = raise(group, &mut self.arrived).await?;
        let departed = raise(group, &mut self.departed).await?;
        Ok(Acted {
            conversation: self.conversation,
            steps: self.steps,
            audience,
            arrived,
            departed,
            unchanged: self.unchanged,
            banned: self.banned,
        })
    }

    async fn save(&self, group: &mut Group) -> Result<(), DbErr> {
        let sql = "UPDATE conversation SET title = ?, description = ?, owner_id = ?, last_seq = ?, last_rev = ?, \
             members_rev = ?, settings_rev = ?, last_activity_at = ?, member_count = ?, deleted_at = ?, \
             touched = ?, edit_history = ?, edit_window_s = ?, delete_window_s = ?, post = ?, invite = ?, \
             info = ?, pin = ?, newcomers = ?, avatar_id = ? WHERE id = ?";
        let now = &self.conversation;
        let mut values: Vec<Value> = vec![
            now.title.clone().into(),
            now.description.clone().into(),
            now.owner.map(|user| user.0).into(),
            (now.last_seq as i64).into(),
            (now.last_rev as i64).into(),
            (now.members_rev as i64).into(),
            (now.settings_rev as i64).into(),
            now.last_activity_at.0.into(),
            i64::from(now.member_count).into(),
            self.deleted.then_some(self.at.0).into(),
            group.time.into(),
        ];
        values.extend(policy_values(&now.policies));
        values.push(avatar_value(now.avatar));
        values.push(now.id.0.into());
        execute(&group.tx, sql, values).await
    }
}

async fn raise(group: &mut Group, users: &mut [UserId]) -> Result<Vec<(UserId, u64)>, DbErr> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    users.sort_unstable();
    raise_user_revs(group, users).await
}

/// The ids of the active members, ascending.
async fn active(connection: &impl ConnectionTrait, id: ConversationId) -> Result<Vec<UserId>, DbErr> {
    let sql = "SELECT user_id FROM member WHERE conversation_id = ? AND left_at IS NULL ORDER BY user_id";
    ids(connection, sql, vec![id.0.into()]).await
}

async fn ids(connection: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<Vec<UserId>, DbErr> {
    let found = query(connection, sql, values).await?;
    found
        .iter()
        .map(|row| row.try_get_by_index(0).map(UserId))
        .collect()
}
