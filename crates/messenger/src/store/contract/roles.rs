//! Who owns a group, who follows, and who administers it.

use super::groups::{changes, conversation, owner};
use super::{Store, World};
use crate::{Caller, Event, MemberError, MessageKind, Options, Role, SystemEvent, UserId};
use std::sync::Arc;

/// Administrators first; and a group may be given on before.
pub async fn an_owner_is_followed_by_the_oldest(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat, dan] = world.people(["ann", "bob", "cat", "dan"]).await;
    let id = world.group(&ann, &[bob, cat, dan]).await;
    let messenger = &world.messenger;
    messenger
        .set_role(&ann, id, cat.user, Role::Admin)
        .await
        .expect("made one");
    world.heard();
    messenger.leave(&ann, id).await.expect("left");
    let (_, users, event) = changes(&world, id).pop().expect("told");
    assert_eq!(users, [bob.user, cat.user, dan.user]);
    let Event::MembersChanged {
        removed,
        updated,
        message: Some(note),
        ..
    } = event
    else {
        panic!("{event:?}")
    };
    assert_eq!((removed, updated.len()), (vec![ann.user], 1));
    assert_eq!((updated[0].account.id, updated[0].role), (cat.user, Role::Owner));
    let new_owner = Some(cat.user);
    assert_eq!(
        note.kind,
        MessageKind::System(SystemEvent::MemberLeft { new_owner })
    );
    assert_eq!(owner(&world, &bob, id).await, Some(cat.user));

    messenger.transfer(&cat, id, dan.user).await.expect("given on");
    assert_eq!(owner(&world, &bob, id).await, Some(dan.user));
    assert_eq!(world.item(&cat, id).await.my.role, Role::Admin);
    assert!(matches!(
        messenger.transfer(&cat, id, bob.user).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.transfer(&dan, id, ann.user).await,
        Err(MemberError::NotFound)
    ));
    messenger
        .remove_member(&dan, id, cat.user, false)
        .await
        .expect("removed");
    messenger.leave(&dan, id).await.expect("left");
    assert_eq!(owner(&world, &bob, id).await, Some(bob.user));
    messenger.leave(&bob, id).await.expect("the last one left");
    assert_eq!(conversation(&world, &bob, id).await.member_count, 0);
}

/// Each a change without a note; and there are not too many administrators.
pub async fn roles_are_given_by_the_owner(store: Arc<dyn Store>) {
    let options = Options {
        group_admins_max: 1,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let [ann, bob, cat, dan] = world.people(["ann", "bob", "cat", "dan"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    world.heard();
    let role = async |who: &Caller, user: UserId, role| world.messenger.set_role(who, id, user, role).await;
    role(&ann, bob.user, Role::Admin).await.expect("made one");
    role(&ann, bob.user, Role::Admin).await.expect("nothing to do");
    let told = changes(&world, id);
    assert_eq!(told.len(), 1);
    assert!(
        matches!(&told[0].2, Event::MembersChanged { message: None, rev: 3, updated, .. } if updated.len() == 1)
    );
    let now = conversation(&world, &ann, id).await;
    assert_eq!((now.last_seq, now.last_rev, now.members_rev), (2, 3, 3));

    assert!(matches!(
        role(&ann, cat.user, Role::Admin).await,
        Err(MemberError::TooManyAdmins)
    ));
    assert!(matches!(
        role(&bob, cat.user, Role::Admin).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        role(&ann, ann.user, Role::Member).await,
        Err(MemberError::LastOwner)
    ));
    assert!(matches!(
        role(&ann, dan.user, Role::Admin).await,
        Err(MemberError::NotFound)
    ));
    let remove = async |who: &Caller, user: UserId| world.messenger.remove_member(who, id, user, false).await;
    assert!(matches!(
        remove(&bob, ann.user).await,
        Err(MemberError::NotAllowed)
    ));
    remove(&bob, cat.user)
        .await
        .expect("administrators remove members");
    role(&ann, bob.user, Role::Member).await.expect("no longer one");
    assert_eq!(world.item(&bob, id).await.my.role, Role::Member);
}
