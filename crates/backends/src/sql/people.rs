//! People's own accounts, contacts and blocks.

use super::attachments::{AvatarOf, avatar_value, change_avatar, check_avatar};
use super::conversations::direct_key;
use super::query::{affected, execute, places, query, row_places, store_error};
use super::rows::{ACCOUNT, Columns, account as read_account, corrupt};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{Announce, Contacts, MeChange, MeRefusal, Profiles, StoreError, UserRev};
use chinwag_messenger::{Blocked, Contact, Me, Openness, Privacy, Timestamp, UserId, text};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

const PRIVACY: &str =
    "a.last_seen_for, a.read_receipts, a.typing, a.who_can_dm, a.who_can_add_me, a.discoverable";

/// Contacts, with the columns that follow those of the account.
const CONTACT: &str = "k.alias, k.created_at FROM contact k JOIN account a ON a.id = k.user_id";

#[async_trait::async_trait]
impl Profiles for SqlStore {
    async fn me(&self, user: UserId) -> Result<Option<Me>, StoreError> {
        read_me(&self.readers, user).await.map_err(store_error)
    }

    async fn change_me(
        &self,
        user: UserId,
        change: MeChange,
        announce: Announce<Me>,
    ) -> Result<Result<Me, MeRefusal>, StoreError> {
        let announce = move |outcome: &Result<Changed, MeRefusal>| {
            if let Ok(Changed { me, news: true }) = outcome {
                announce(me);
            }
        };
        let work = self.writer.run(Some(Box::new(announce)), move |group| {
            Box::pin(change_me(group, user, change))
        });
        Ok(work.await?.map(|changed| changed.me))
    }

    async fn bio(&self, user: UserId) -> Result<String, StoreError> {
        let read = async {
            let rows = query(
                &self.readers,
                "SELECT bio FROM account WHERE id = ?",
                vec![user.0.into()],
            )
            .await?;
            match rows.first() {
                Some(row) => row.try_get_by_index(0),
                None => Ok(String::new()),
            }
        };
        read.await.map_err(store_error)
    }

    async fn privacy(&self, users: &[UserId]) -> Result<Vec<(UserId, Privacy)>, StoreError> {
        let sql = format!(
            "SELECT a.id, {PRIVACY} FROM account a WHERE a.id IN ({}) ORDER BY a.id",
            places(users.len())
        );
        let read = |row: &QueryResult| {
            let mut columns = Columns::of(row);
            Ok((UserId(columns.take()?), read_privacy(&mut columns)?))
        };
        let rows = query(&self.readers, sql, ids(users)).await.map_err(store_error)?;
        let all: Result<_, DbErr> = rows.iter().map(read).collect();
        all.map_err(store_error)
    }
}

#[async_trait::async_trait]
impl Contacts for SqlStore {
    async fn contacts(&self, owner: UserId) -> Result<Vec<Contact>, StoreError> {
        let sql = format!("SELECT {ACCOUNT}, {CONTACT} WHERE k.owner_id = ? ORDER BY a.id");
        let rows = query(&self.readers, sql, vec![owner.0.into()])
            .await
            .map_err(store_error)?;
        let all: Result<_, DbErr> = rows.iter().map(read_contact).collect();
        all.map_err(store_error)
    }

    async fn contact(&self, owner: UserId, user: UserId) -> Result<Option<Contact>, StoreError> {
        let sql = format!("SELECT {ACCOUNT}, {CONTACT} WHERE k.owner_id = ? AND k.user_id = ?");
        let rows = query(&self.readers, sql, vec![owner.0.into(), user.0.into()])
            .await
            .map_err(store_error)?;
        rows.first().map(read_contact).transpose().map_err(store_error)
    }

    async fn set_contact(
        &self,
        owner: UserId,
        user: UserId,
        alias: Option<String>,
        at: Timestamp,
        announce: Announce<UserRev>,
    ) -> Result<UserRev, StoreError> {
        let work = self.writer.run(Some(told_if_new(announce)), move |group| {
            Box::pin(async move {
                let known = "SELECT alias FROM contact WHERE owner_id = ? AND user_id = ?";
                let known = query(&group.tx, known, vec![owner.0.into(), user.0.into()]).await?;
                if let Some(row) = known.first()
                    && row.try_get_by_index::<Option<String>>(0)? == alias
                {
                    return Ok(None);
                }
                let sql = "INSERT INTO contact (owner_id, user_id, alias, created_at) VALUES (?, ?, ?, ?) \
                     ON CONFLICT (owner_id, user_id) DO UPDATE SET alias = EXCLUDED.alias";
                let values = vec![owner.0.into(), user.0.into(), alias.into(), at.0.into()];
                execute(&group.tx, sql, values).await?;
                raise(group, owner).await
            })
        });
        work.await
    }

    async fn remove_contact(
        &self,
        owner: UserId,
        user: UserId,
        announce: Announce<UserRev>,
    ) -> Result<UserRev, StoreError> {
        let work = self.writer.run(Some(told_if_new(announce)), move |group| {
            Box::pin(async move {
                let sql = "DELETE FROM contact WHERE owner_id = ? AND user_id = ?";
                match affected(&group.tx, sql, vec![owner.0.into(), user.0.into()]).await? {
                    0 => Ok(None),
                    _ => raise(group, owner).await,
                }
            })
        });
        work.await
    }

    async fn owners_of_contact(&self, user: UserId, among: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let sql = format!(
            "SELECT owner_id FROM contact WHERE user_id = ? AND owner_id IN ({}) ORDER BY owner_id",
            places(among.len())
        );
        let mut values = vec![user.0.into()];
        values.extend(ids(among));
        let rows = query(&self.readers, sql, values).await;
        rows.and_then(|rows| users_of(&rows)).map_err(store_error)
    }

    async fn blocks(&self, owner: UserId) -> Result<Vec<Blocked>, StoreError> {
        let sql = format!(
            "SELECT {ACCOUNT}, b.created_at FROM block b JOIN account a ON a.id = b.user_id \
             WHERE b.owner_id = ? ORDER BY b.created_at DESC, a.id DESC"
        );
        let read = |row: &QueryResult| {
            let mut columns = Columns::of(row);
            Ok(Blocked {
                account: read_account(&mut columns)?,
                created_at: Timestamp(columns.take()?),
            })
        };
        let rows = query(&self.readers, sql, vec![owner.0.into()])
            .await
            .map_err(store_error)?;
        let all: Result<_, DbErr> = rows.iter().map(read).collect();
        all.map_err(store_error)
    }

    async fn set_block(
        &self,
        owner: UserId,
        user: UserId,
        blocked: bool,
        at: Timestamp,
        announce: Announce<UserRev>,
    ) -> Result<UserRev, StoreError> {
        let work = self.writer.run(Some(told_if_new(announce)), move |group| {
            Box::pin(async move {
                let reached = reached(group, owner, user).await?;
                let mut values = vec![owner.0.into(), user.0.into()];
                let sql = if blocked {
                    let (delivered, seen) = reached.map_or((0, 0), |(_, delivered, seen)| (delivered, seen));
                    values.extend([at.0.into(), delivered.into(), seen.into()]);
                    "INSERT INTO block (owner_id, user_id, created_at, delivered_seq, seen_seq) \
                     VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
                } else {
                    "DELETE FROM block WHERE owner_id = ? AND user_id = ?"
                };
                if affected(&group.tx, sql, values).await? == 0 {
                    return Ok(None);
                }
                if let Some((conversation, ..)) = reached {
                    group.heads.forget(conversation);
                    // What is unread changes, and what the other sees of the owner's watermarks.
                    let sql = "UPDATE conversation SET touched = ? WHERE id = ?";
                    execute(&group.tx, sql, vec![group.time.into(), conversation.into()]).await?;
                }
                raise(group, owner).await
            })
        });
        work.await
    }

    async fn blocks_between(
        &self,
        user: UserId,
        others: &[UserId],
    ) -> Result<Vec<(UserId, UserId)>, StoreError> {
        let others_places = places(others.len());
        let sql = format!(
            "SELECT owner_id, user_id FROM block WHERE owner_id = ? AND user_id IN ({others_places}) \
             UNION SELECT owner_id, user_id FROM block WHERE user_id = ? AND owner_id IN ({others_places})"
        );
        let mut values = vec![user.0.into()];
        values.extend(ids(others));
        values.push(user.0.into());
        values.extend(ids(others));
        let read = |row: &QueryResult| {
            let mut columns = Columns::of(row);
            Ok((UserId(columns.take()?), UserId(columns.take()?)))
        };
        let rows = query(&self.readers, sql, values).await.map_err(store_error)?;
        let all: Result<_, DbErr> = rows.iter().map(read).collect();
        all.map_err(store_error)
    }

    async fn watchers(
        &self,
        user: UserId,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT other.user_id FROM member mine \
             JOIN conversation c ON c.id = mine.conversation_id AND c.kind = 0 AND c.last_activity_at >= ? \
             JOIN member other ON other.conversation_id = c.id AND other.user_id <> mine.user_id \
             WHERE mine.user_id = ? \
             UNION SELECT owner_id FROM contact WHERE user_id = ? ORDER BY 1 LIMIT ?";
        let values = vec![
            since.0.into(),
            user.0.into(),
            user.0.into(),
            (limit as i64).into(),
        ];
        let rows = query(&self.readers, sql, values).await;
        rows.and_then(|rows| users_of(&rows)).map_err(store_error)
    }
}

fn read_contact(row: &QueryResult) -> Result<Contact, DbErr> {
    let mut columns = Columns::of(row);
    Ok(Contact {
        account: read_account(&mut columns)?,
        alias: columns.take()?,
        created_at: columns.time()?,
    })
}

/// One's own account after a wish to change it.
struct Changed {
    me: Me,
    /// Whether anything was.
    news: bool,
}

fn told_if_new(announce: Announce<UserRev>) -> Announce<UserRev> {
    Box::new(move |rev: &UserRev| {
        if rev.is_some() {
            announce(rev);
        }
    })
}

fn ids(users: &[UserId]) -> Vec<Value> {
    users.iter().map(|user| user.0.into()).collect()
}

fn users_of(rows: &[QueryResult]) -> Result<Vec<UserId>, DbErr> {
    rows.iter()
        .map(|row| row.try_get_by_index(0).map(UserId))
        .collect()
}

/// The direct conversation of two people, and how far it has reached the first of them.
async fn reached(group: &Group, user: UserId, peer: UserId) -> Result<Option<(i64, i64, i64)>, DbErr> {
    let sql = "SELECT m.conversation_id, m.delivered_seq, m.seen_seq FROM member m \
         JOIN conversation c ON c.id = m.conversation_id WHERE c.direct_key = ? AND m.user_id = ?";
    let values = vec![direct_key(user, peer).into(), user.0.into()];
    let rows = query(&group.tx, sql, values).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut columns = Columns::of(row);
    Ok(Some((columns.take()?, columns.take()?, columns.take()?)))
}

/// Counts a change of the user's private state.
pub(super) async fn raise(group: &mut Group, user: UserId) -> Result<UserRev, DbErr> {
    raise_by(group, user, 1).await.map(Some)
}

/// Counts several changes of the user's private state; the number of the last one.
pub(super) async fn raise_by(group: &mut Group, user: UserId, changes: u64) -> Result<u64, DbErr> {
    group.dirty = true;
    let sql = "UPDATE account SET user_rev = user_rev + ? WHERE id = ? RETURNING user_rev";
    let rows = query(&group.tx, sql, vec![(changes as i64).into(), user.0.into()]).await?;
    let row = rows
        .first()
        .ok_or_else(|| corrupt("a login without its account"))?;
    Columns::of(row).count()
}

pub(super) async fn read_me(connection: &impl ConnectionTrait, user: UserId) -> Result<Option<Me>, DbErr> {
    let sql = format!(
        "SELECT {ACCOUNT}, a.bio, a.timezone, a.settings, {PRIVACY}, a.email, \
         a.email_verified_at, a.email_wanted, EXISTS (SELECT 1 FROM second_factor f \
         WHERE f.user_id = a.id AND f.confirmed_at IS NOT NULL) FROM account a WHERE a.id = ?"
    );
    let rows = query(connection, sql, vec![user.0.into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut columns = Columns::of(row);
    Ok(Some(Me {
        account: read_account(&mut columns)?,
        bio: columns.take()?,
        timezone: columns.take()?,
        settings: columns.take()?,
        privacy: read_privacy(&mut columns)?,
        email: columns.take()?,
        email_verified_at: columns.time()?,
        email_wanted: columns.take()?,
        second_factor: columns.take()?,
    }))
}

async fn change_me(
    group: &mut Group,
    user: UserId,
    change: MeChange,
) -> Result<Result<Changed, MeRefusal>, DbErr> {
    let me = read_me(&group.tx, user).await?;
    let before = me.ok_or_else(|| corrupt("a login without its account"))?;
    let mut me = before.clone();
    if let Some(Some(avatar)) = change.avatar
        && Some(avatar) != before.account.avatar
        && let Err(error) = check_avatar(group, user, avatar).await?
    {
        return Ok(Err(MeRefusal::Avatar(error)));
    }
    if let Some((username, held_until)) = change.username
        && username != before.account.username
    {
        if !is_free(group, user, username.as_str(), change.at).await? {
            return Ok(Err(MeRefusal::UsernameTaken));
        }
        let sql = "INSERT INTO former_username (username, user_id, held_until) VALUES (?, ?, ?) \
             ON CONFLICT (username) DO UPDATE SET user_id = EXCLUDED.user_id, held_until = EXCLUDED.held_until";
        let old = before.account.username.as_str();
        execute(
            &group.tx,
            sql,
            vec![old.into(), user.0.into(), held_until.0.into()],
        )
        .await?;
        let sql = "DELETE FROM former_username WHERE username = ?";
        execute(&group.tx, sql, vec![username.as_str().into()]).await?;
        me.account.username = username;
    }
    if let Some((known, settings)) = change.settings {
        if known != before.settings {
            return Ok(Err(MeRefusal::SettingsChanged));
        }
        me.settings = settings;
    }
    if let Some(avatar) = change.avatar
        && avatar != before.account.avatar
    {
        change_avatar(
            group,
            AvatarOf::User(user),
            before.account.avatar,
            avatar,
            change.at,
        )
        .await?;
        me.account.avatar = avatar;
    }
    me.account.display_name = change.display_name.unwrap_or(me.account.display_name);
    me.account.locale = change.locale.unwrap_or(me.account.locale);
    me.bio = change.bio.unwrap_or(me.bio);
    me.timezone = change.timezone.unwrap_or(me.timezone);
    me.privacy = me.privacy.with(change.privacy);
    if me == before {
        return Ok(Ok(Changed { me, news: false }));
    }
    let names = |me: &Me| (me.account.username.clone(), me.account.display_name.clone());
    if names(&me) != names(&before) {
        find_by(group, &me).await?;
    }
    group.dirty = true;
    let sql = "UPDATE account SET username = ?, display_name = ?, locale = ?, bio = ?, timezone = ?, settings = ?, \
         last_seen_for = ?, read_receipts = ?, typing = ?, who_can_dm = ?, who_can_add_me = ?, discoverable = ?, \
         avatar_id = ?, user_rev = user_rev + 1 WHERE id = ?";
    me.account.user_rev += 1;
    let values = vec![
        me.account.username.as_str().into(),
        me.account.display_name.as_str().into(),
        me.account.locale.as_str().into(),
        me.bio.as_str().into(),
        me.timezone.as_str().into(),
        me.settings.as_str().into(),
        openness_number(me.privacy.last_seen).into(),
        me.privacy.read_receipts.into(),
        me.privacy.typing.into(),
        openness_number(me.privacy.who_can_dm).into(),
        openness_number(me.privacy.who_can_add_me).into(),
        me.privacy.discoverable.into(),
        avatar_value(me.account.avatar),
        user.0.into(),
    ];
    execute(&group.tx, sql, values).await?;
    if me.privacy.read_receipts != before.privacy.read_receipts {
        let sql = "UPDATE conversation SET touched = ? WHERE member_count <= ? AND id IN \
             (SELECT conversation_id FROM member WHERE user_id = ? AND left_at IS NULL)";
        let members_max = change.receipts_members_max as i64;
        execute(
            &group.tx,
            sql,
            vec![group.time.into(), members_max.into(), user.0.into()],
        )
        .await?;
    }
    Ok(Ok(Changed { me, news: true }))
}

/// Whether nobody else has the name, or gave it up lately.
pub(super) async fn is_free(
    group: &mut Group,
    user: UserId,
    name: &str,
    at: Timestamp,
) -> Result<bool, DbErr> {
    let sql = "SELECT id FROM account WHERE username = ? AND id <> ? \
         UNION SELECT user_id FROM former_username WHERE username = ? AND user_id <> ? AND held_until > ?";
    let values = vec![
        name.into(),
        user.0.into(),
        name.into(),
        user.0.into(),
        at.0.into(),
    ];
    Ok(query(&group.tx, sql, values).await?.is_empty())
}

/// Lets the account be found by the names it has now.
async fn find_by(group: &mut Group, me: &Me) -> Result<(), DbErr> {
    let user = me.account.id.0;
    execute(
        &group.tx,
        "DELETE FROM account_key WHERE user_id = ?",
        vec![user.into()],
    )
    .await?;
    let keys = text::search_keys(me.account.username.as_str(), &me.account.display_name);
    let sql = format!(
        "INSERT INTO account_key (search_key, user_id) VALUES {}",
        row_places(keys.len(), 2)
    );
    let values = keys.into_iter().flat_map(|key| [key.into(), user.into()]);
    execute(&group.tx, sql, values.collect()).await
}

fn read_privacy(columns: &mut Columns<'_>) -> Result<Privacy, DbErr> {
    Ok(Privacy {
        last_seen: openness(columns.take()?)?,
        read_receipts: columns.take()?,
        typing: columns.take()?,
        who_can_dm: openness(columns.take()?)?,
        who_can_add_me: openness(columns.take()?)?,
        discoverable: columns.take()?,
    })
}

fn openness(number: i64) -> Result<Openness, DbErr> {
    match number {
        0 => Ok(Openness::Everyone),
        1 => Ok(Openness::Contacts),
        2 => Ok(Openness::Nobody),
        _ => Err(corrupt("an unknown degree of privacy")),
    }
}

fn openness_number(openness: Openness) -> i64 {
    match openness {
        Openness::Everyone => 0,
        Openness::Contacts => 1,
        Openness::Nobody => 2,
    }
}
