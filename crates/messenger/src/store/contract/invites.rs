//! Invites, which let people into a group, and bans, which keep them out.

use super::groups::conversation;
use super::{Store, World};
use crate::{
    AddMembersError, Caller, Event, InviteError, InviteId, InviteWish, JoinError, MemberError, MessageKind,
    Options, SystemEvent, Timestamp,
};
use std::sync::Arc;

/// Once each, and as many as they are made for.
pub async fn invites_let_people_in(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat, dan] = world.people(["ann", "bob", "cat", "dan"]).await;
    let id = world.group(&ann, &[]).await;
    let messenger = &world.messenger;
    let once = InviteWish {
        life_s: Some(None),
        max_uses: Some(1),
    };
    let invite = messenger.create_invite(&ann, id, once).await.expect("made");
    let preview = messenger
        .preview_invite(&bob, &invite.token)
        .await
        .expect("previewed");
    assert_eq!(
        (preview.conversation.title.as_deref(), preview.member),
        (Some("Group"), false)
    );
    world.heard();
    let joined = messenger.join(&bob, &invite.token).await.expect("joined");
    assert!(joined.new);
    let told = world.heard();
    assert!(matches!(told[0].1, Event::ConversationAdded { .. }) && told[0].0 == [bob.user]);
    assert_eq!((told.len(), &told[1].0), (2, &vec![ann.user, bob.user]));
    let last = joined.item.last_message.expect("a note");
    assert_eq!(
        (last.kind, last.author),
        (MessageKind::System(SystemEvent::MemberJoined), bob.user)
    );
    assert!(
        !messenger
            .join(&bob, &invite.token)
            .await
            .expect("a member already")
            .new
    );
    assert!(world.heard().is_empty());
    assert!(matches!(
        messenger.join(&cat, &invite.token).await,
        Err(JoinError::UsedUp)
    ));
    assert!(matches!(
        messenger.preview_invite(&cat, &invite.token).await,
        Err(JoinError::UsedUp)
    ));

    // Of many at once only as many come in as it was made for.
    let twice = InviteWish {
        max_uses: Some(2),
        ..InviteWish::default()
    };
    let token = messenger
        .create_invite(&ann, id, twice)
        .await
        .expect("made")
        .token;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let guest = world.person(&format!("guest{n}")).await;
        let (messenger, token) = (Arc::clone(&world.messenger), token.clone());
        tasks.spawn(async move { messenger.join(&guest, &token).await.is_ok() });
    }
    let came = tasks.join_all().await.into_iter().filter(|&came| came).count();
    assert_eq!(came, 2);
    assert_eq!(conversation(&world, &ann, id).await.member_count, 4);
    assert!(matches!(
        messenger.join(&dan, "x").await,
        Err(JoinError::NotFound)
    ));
    let unknown = "a".repeat(48);
    assert!(matches!(
        messenger.join(&dan, &unknown).await,
        Err(JoinError::NotFound)
    ));
}

/// By time, by being taken back, or because the group is full.
pub async fn invites_end(store: Arc<dyn Store>) {
    let options = Options {
        group_members_max: 3,
        invites_max: 3,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let [ann, bob, cat, eve] = world.people(["ann", "bob", "cat", "eve"]).await;
    let id = world.group(&ann, &[bob]).await;
    let messenger = &world.messenger;
    let create = async |who: &Caller, life_s, max_uses| {
        let wish = InviteWish { life_s, max_uses };
        messenger.create_invite(who, id, wish).await
    };
    assert!(matches!(
        create(&bob, None, None).await,
        Err(InviteError::NotAllowed)
    ));
    assert!(matches!(
        create(&eve, None, None).await,
        Err(InviteError::NotFound)
    ));
    assert!(matches!(
        create(&ann, Some(Some(0)), None).await,
        Err(InviteError::LifeInvalid)
    ));
    assert!(matches!(
        create(&ann, None, Some(0)).await,
        Err(InviteError::MaxUsesInvalid)
    ));
    let week = create(&ann, None, None).await.expect("made");
    let life = week.invite.expires_at.map(|end| end.0 - week.invite.created_at.0);
    assert_eq!(life, Some(7 * 24 * 60 * 60 * 1_000));
    let hash = crate::token::Secret::given(&week.token)
        .expect("well formed")
        .hash();
    let end = week.invite.expires_at.expect("an end");
    for (at, ended) in [(Timestamp(end.0 - 1), false), (end, true)] {
        let preview = world
            .store
            .preview(eve.user, hash.as_str(), at)
            .await
            .expect("asked");
        assert_eq!(preview.err(), ended.then_some(crate::store::JoinRefusal::Expired));
    }
    let other = create(&ann, None, Some(5)).await.expect("made");
    let third = create(&ann, None, None).await.expect("made");
    assert!(matches!(
        create(&ann, None, None).await,
        Err(InviteError::TooMany)
    ));
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let page = messenger
            .invites(&ann, id, cursor.as_deref(), Some(1))
            .await
            .expect("listed");
        listed.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    listed.sort_by_key(|invite| invite.id.0);
    let mut made = vec![week.invite.clone(), other.invite.clone(), third.invite];
    made.sort_by_key(|invite| invite.id.0);
    assert_eq!(listed, made);
    assert!(matches!(
        messenger.invites(&bob, id, None, None).await,
        Err(InviteError::NotAllowed)
    ));

    let revoke = async |who: &Caller, id| messenger.revoke_invite(who, id).await;
    assert!(matches!(
        revoke(&bob, other.invite.id).await,
        Err(InviteError::NotAllowed)
    ));
    assert!(matches!(
        revoke(&eve, other.invite.id).await,
        Err(InviteError::NotFound)
    ));
    let unknown = InviteId(uuid::Uuid::nil());
    assert!(matches!(revoke(&ann, unknown).await, Err(InviteError::NotFound)));
    revoke(&ann, other.invite.id).await.expect("revoked");
    revoke(&ann, other.invite.id).await.expect("again");
    assert!(matches!(
        messenger.join(&cat, &other.token).await,
        Err(JoinError::Revoked)
    ));
    create(&ann, None, None).await.expect("there is room again");
    messenger.join(&cat, &week.token).await.expect("joined");
    assert!(matches!(
        messenger.join(&eve, &week.token).await,
        Err(JoinError::GroupFull)
    ));
    let full = messenger.add_members(&ann, id, &[eve.user]).await;
    assert!(matches!(full, Err(AddMembersError::GroupFull)));
}

/// By invite or by being added, until they are lifted.
pub async fn bans_keep_people_out(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let messenger = &world.messenger;
    let invite = messenger
        .create_invite(&ann, id, InviteWish::default())
        .await
        .expect("made");
    messenger
        .remove_member(&ann, id, cat.user, true)
        .await
        .expect("banned");
    let bans = messenger.bans(&ann, id).await.expect("listed");
    assert_eq!(
        (bans.len(), bans[0].account.id, bans[0].by),
        (1, cat.user, ann.user)
    );
    assert!(matches!(
        messenger.bans(&bob, id).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.bans(&cat, id).await,
        Err(MemberError::NotAMember)
    ));
    assert!(matches!(
        messenger.join(&cat, &invite.token).await,
        Err(JoinError::Banned)
    ));
    assert!(matches!(
        messenger.preview_invite(&cat, &invite.token).await,
        Err(JoinError::Banned)
    ));
    let added = messenger.add_members(&ann, id, &[cat.user]).await.expect("asked");
    assert_eq!((added.added.len(), added.refused), (0, vec![cat.user]));
    assert!(matches!(
        messenger.lift_ban(&bob, id, cat.user).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.lift_ban(&ann, id, bob.user).await,
        Err(MemberError::NotFound)
    ));
    let before = conversation(&world, &ann, id).await.last_rev;
    messenger.lift_ban(&ann, id, cat.user).await.expect("lifted");
    assert_eq!(
        conversation(&world, &ann, id).await.last_rev,
        before,
        "nobody else sees it"
    );
    messenger.join(&cat, &invite.token).await.expect("joined");
}
