//! What happens to a conversation besides messages. Everything is checked before anything is written, in the
//! transaction that writes it; each step takes the next rev, and with a note the next seq too.

use super::attachments::{AvatarOf, avatar_value, change_avatar, check_avatar, forget_attachments};
use super::conversations::{insert_note, raise_user_revs, standing};
use super::list;
use super::query::{execute, places, query, row_places, store_error};
use super::rows::{self, ACCOUNT, Columns, policy_values, role_number};
use super::search_index;
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    Act, ActRefusal, Acted, Acting, Announce, Groups, MemberQuery, Step, StepKind, StoreError,
};
use chinwag_messenger::{
    Ban, Conversation, ConversationId, ConversationKind, EditHistory, Member, Newcomers, Role,
    SettingsChange, SystemEvent, Timestamp, UserId, may_remove,
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

async fn update(
    scene: &mut Scene,
    group: &mut Group,
    role: Role,
    wish: SettingsChange,
    purge_existing: Option<bool>,
) -> Result<(), Stop> {
    let now = scene.conversation.clone();
    let title = wish.title.filter(|title| now.title.as_ref() != Some(title));
    let description = wish.description.filter(|given| now.description != *given);
    let avatar = wish.avatar.filter(|given| now.avatar != *given);
    let policies = wish.policies.beyond(&now.policies);
    if title.is_some() || description.is_some() || avatar.is_some() {
        scene.require_group()?;
        if !now.policies.info.includes(role) {
            return Err(ActRefusal::NotAllowed.into());
        }
    }
    if !policies.is_empty() && !policies.allowed(now.kind, role) {
        return Err(ActRefusal::NotAllowed.into());
    }
    if let Some(Some(avatar)) = avatar {
        let checked = check_avatar(group, scene.actor, avatar).await?;
        checked.map_err(ActRefusal::Avatar)?;
    }
    let switched_off = policies.edit_history == Some(EditHistory::Off);
    if switched_off && purge_existing.is_none() {
        return Err(ActRefusal::PurgeExistingRequired.into());
    }
    if let Some(title) = title {
        scene.conversation.title = Some(title.clone());
        let what = StepKind::Settings(SettingsChange {
            title: Some(title.clone()),
            ..SettingsChange::default()
        });
        scene
            .noted(group, SystemEvent::TitleChanged { title }, what)
            .await?;
    }
    if let Some(description) = description {
        scene.conversation.description.clone_from(&description);
        let what = StepKind::Settings(SettingsChange {
            description: Some(description.clone()),
            ..SettingsChange::default()
        });
        scene
            .noted(group, SystemEvent::DescriptionChanged { description }, what)
            .await?;
    }
    if let Some(avatar) = avatar {
        let of = AvatarOf::Conversation(now.id);
        change_avatar(group, of, now.avatar, avatar, scene.at).await?;
        scene.conversation.avatar = avatar;
        let what = StepKind::Settings(SettingsChange {
            avatar: Some(avatar),
            ..SettingsChange::default()
        });
        scene.noted(group, SystemEvent::AvatarChanged, what).await?;
    }
    if switched_off && purge_existing == Some(true) {
        let sql = "DELETE FROM message_version WHERE message_id IN \
             (SELECT id FROM message WHERE conversation_id = ?)";
        execute(&group.tx, sql, vec![now.id.0.into()]).await?;
    }
    if !policies.is_empty() {
        scene.conversation.policies = policies.applied_to(&now.policies);
        let what = StepKind::Settings(SettingsChange {
            policies,
            ..SettingsChange::default()
        });
        scene
            .noted(group, SystemEvent::PolicyChanged { policies }, what)
            .await?;
    }
    Ok(())
}

async fn add(
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
pub(super) async fn let_in(
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

async fn remove(
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

async fn lift(scene: &Scene, group: &mut Group, role: Role, user: UserId) -> Result<(), Stop> {
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

async fn leave(scene: &mut Scene, group: &mut Group, role: Role) -> Result<(), Stop> {
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

/// Who has the group when its owner is gone: the oldest administrator, else the oldest member. Deleted accounts
/// come last.
async fn successor(group: &Group, id: ConversationId, owner: UserId) -> Result<Option<UserId>, DbErr> {
    let sql = "SELECT m.user_id FROM member m JOIN account a ON a.id = m.user_id \
         WHERE m.conversation_id = ? AND m.left_at IS NULL AND m.user_id <> ? \
         ORDER BY CASE WHEN a.deleted_at IS NULL THEN 0 ELSE 1 END, m.role DESC, m.joined_at, m.user_id LIMIT 1";
    let found = ids(&group.tx, sql, vec![id.0.into(), owner.0.into()]).await?;
    Ok(found.first().copied())
}

async fn set_role(
    scene: &mut Scene,
    group: &mut Group,
    role: Role,
    (user, wished): (UserId, Role),
    admins_max: usize,
) -> Result<(), Stop> {
    scene.require_group()?;
    if role != Role::Owner {
        return Err(ActRefusal::NotAllowed.into());
    }
    let id = scene.conversation.id;
    let now = role_of(group, id, user).await?.ok_or(ActRefusal::NoSuchMember)?;
    if now == Role::Owner {
        return Err(ActRefusal::LastOwner.into());
    }
    if now == wished {
        return Ok(());
    }
    if wished == Role::Admin {
        let sql = "SELECT count(*) FROM member WHERE conversation_id = ? AND left_at IS NULL AND role = ?";
        let admin = role_number(Role::Admin).into();
        let counted = query(&group.tx, sql, vec![id.0.into(), admin]).await?;
        let counted = counted.first().map(|row| Columns::of(row).count()).transpose()?;
        if counted.unwrap_or(0) as usize >= admins_max {
            return Err(ActRefusal::TooManyAdmins.into());
        }
    }
    write_role(group, id, user, wished).await?;
    let updated = some_members(&group.tx, id, &[user]).await?;
    scene.silent(StepKind::Members {
        added: Vec::new(),
        removed: Vec::new(),
        updated,
    });
    Ok(())
}

async fn transfer(scene: &mut Scene, group: &mut Group, role: Role, to: UserId) -> Result<(), Stop> {
    scene.require_group()?;
    if role != Role::Owner {
        return Err(ActRefusal::NotAllowed.into());
    }
    if to == scene.actor {
        return Ok(());
    }
    let id = scene.conversation.id;
    if role_of(group, id, to).await?.is_none() {
        return Err(ActRefusal::NoSuchMember.into());
    }
    write_role(group, id, scene.actor, Role::Admin).await?;
    write_role(group, id, to, Role::Owner).await?;
    scene.conversation.owner = Some(to);
    let what = StepKind::Members {
        added: Vec::new(),
        removed: Vec::new(),
        updated: some_members(&group.tx, id, &[scene.actor, to]).await?,
    };
    Ok(scene
        .noted(group, SystemEvent::OwnerChanged { user: to }, what)
        .await?)
}

async fn delete(scene: &mut Scene, group: &mut Group, role: Role) -> Result<(), Stop> {
    scene.require_group()?;
    if role != Role::Owner {
        return Err(ActRefusal::NotAllowed.into());
    }
    Ok(dissolve(scene, group).await?)
}

/// Ends the conversation for everybody. What was said goes later, bit by bit.
pub(super) async fn dissolve(scene: &mut Scene, group: &mut Group) -> Result<(), DbErr> {
    let id = scene.conversation.id;
    let members = active(&group.tx, id).await?;
    scene.silent(StepKind::Deleted);
    scene.deleted = true;
    scene.conversation.owner = None;
    scene.conversation.member_count = 0;
    let sql = "UPDATE member SET left_at = ?, left_seq = 0, left_rev = ?, draft = NULL, touched = ? \
         WHERE conversation_id = ? AND left_at IS NULL";
    let rev = scene.conversation.last_rev as i64;
    let values = vec![scene.at.0.into(), rev.into(), group.time.into(), id.0.into()];
    execute(&group.tx, sql, values).await?;
    for table in ["invite", "ban"] {
        let sql = format!("DELETE FROM {table} WHERE conversation_id = ?");
        execute(&group.tx, sql, vec![id.0.into()]).await?;
    }
    scene.departed.clone_from(&members);
    scene.audience = Some(members);
    Ok(())
}

/// The role of an active member.
async fn role_of(group: &Group, id: ConversationId, user: UserId) -> Result<Option<Role>, DbErr> {
    let sql = "SELECT role FROM member WHERE conversation_id = ? AND user_id = ? AND left_at IS NULL";
    let found = query(&group.tx, sql, vec![id.0.into(), user.0.into()]).await?;
    found
        .first()
        .map(|row| Columns::of(row).take().map(rows::role))
        .transpose()
}

async fn write_role(group: &mut Group, id: ConversationId, user: UserId, role: Role) -> Result<(), DbErr> {
    let sql = "UPDATE member SET role = ?, touched = ? WHERE conversation_id = ? AND user_id = ?";
    let values = vec![
        role_number(role).into(),
        group.time.into(),
        id.0.into(),
        user.0.into(),
    ];
    execute(&group.tx, sql, values).await
}

/// Those of the users who are active members, by id.
pub(super) async fn some_members(
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

async fn find_members(
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

/// Leaves tombstones: the keys of messages are never used again.
async fn purge_deleted(group: &mut Group, limit: usize, at: Timestamp) -> Result<bool, DbErr> {
    let sql = "SELECT id, purged_before_seq, last_seq FROM conversation \
         WHERE deleted_at IS NOT NULL AND purged_before_seq <= last_seq ORDER BY id LIMIT 1";
    let found = query(&group.tx, sql, Vec::new()).await?;
    let Some(row) = found.first() else {
        return Ok(false);
    };
    let mut columns = Columns::of(row);
    let (id, from, last): (i64, i64, i64) = (columns.take()?, columns.take()?, columns.take()?);
    let end = (from + limit as i64).min(last + 1);
    group.dirty = true;
    let range = || -> Vec<Value> { vec![id.into(), from.into(), end.into()] };
    let within = "(SELECT id FROM message WHERE conversation_id = ? AND seq >= ? AND seq < ?)";
    for sql in [
        format!("DELETE FROM message_version WHERE message_id IN {within}"),
        format!("DELETE FROM reaction WHERE message_id IN {within}"),
        format!("DELETE FROM thread_follow WHERE root_id IN {within}"),
        "DELETE FROM mention WHERE conversation_id = ? AND seq >= ? AND seq < ?".to_owned(),
        "DELETE FROM hidden_message WHERE conversation_id = ? AND seq >= ? AND seq < ?".to_owned(),
    ] {
        execute(&group.tx, sql, range()).await?;
    }
    let sql = "DELETE FROM receipt_advance WHERE conversation_id = ?";
    execute(&group.tx, sql, vec![id.into()]).await?;
    let within = "conversation_id = ? AND seq >= ? AND seq < ?";
    forget_attachments(group, within, range(), at).await?;
    forget_attachments(group, "avatar_conversation_id = ?", vec![id.into()], at).await?;
    let sql = "UPDATE message SET body = '', note = NULL, mentions = NULL, attachments = NULL, forwarded_from = NULL, \
         participants = NULL, reactions = NULL, pinned_at = NULL, deleted_at = ? \
         WHERE conversation_id = ? AND seq >= ? AND seq < ?";
    let values = std::iter::once(at.0.into()).chain(range()).collect();
    execute(&group.tx, sql, values).await?;
    let sql = "SELECT id FROM message WHERE conversation_id = ? AND seq >= ? AND seq < ?";
    let gone = query(&group.tx, sql, range()).await?;
    let gone: Result<Vec<i64>, DbErr> = gone.iter().map(|row| row.try_get_by_index(0)).collect();
    search_index::renew(group, &gone?).await?;
    let sql = "UPDATE conversation SET purged_before_seq = ? WHERE id = ?";
    execute(&group.tx, sql, vec![end.into(), id.into()]).await?;
    Ok(true)
}
