//! One's own account, contacts and blocks.

use super::{Store, World};
use crate::{ChangeMeError, Event, Openness, Privacy, PrivacyChange, ProfileChange, Timestamp};
use std::sync::Arc;

/// A change is numbered and told once; what changes nothing is neither.
pub async fn ones_own_account_changes_in_numbered_steps(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [sam, anna] = world.people(["sam", "anna"]).await;
    let messenger = &world.messenger;
    let bio = |bio: &str| ProfileChange {
        bio: Some(bio.into()),
        ..ProfileChange::default()
    };
    let before = messenger.me(sam.user).await.expect("read").expect("there");
    assert_eq!(before.privacy, Privacy::default());
    let me = messenger
        .change_profile(&sam, bio("Gardens."))
        .await
        .expect("changed");
    assert_eq!(me.account.user_rev, before.account.user_rev + 1);
    let again = messenger
        .change_profile(&sam, bio("Gardens."))
        .await
        .expect("taken");
    assert_eq!(again, me);
    assert_eq!(messenger.me(sam.user).await.expect("read"), Some(me.clone()));

    let wish = PrivacyChange {
        who_can_dm: Some(Openness::Contacts),
        typing: Some(false),
        ..PrivacyChange::default()
    };
    let private = messenger.change_privacy(&sam, wish).await.expect("changed");
    let expected = Privacy::default().with(wish);
    assert_eq!(private.privacy, expected);
    assert_eq!(
        messenger.privacy(&[sam.user, anna.user]).await.expect("read"),
        [(sam.user, expected), (anna.user, Privacy::default())]
    );

    let settings = |known: &str, new: &str| {
        let (known, new) = (known.to_owned(), new.to_owned());
        async move { messenger.change_settings(&sam, known, new).await }
    };
    settings("{}", r#"{"a":1}"#).await.expect("changed");
    let late = settings("{}", r#"{"b":1}"#).await;
    assert!(matches!(late, Err(ChangeMeError::SettingsChanged)), "{late:?}");

    let me = messenger.me(sam.user).await.expect("read").expect("there");
    let told = |(audience, event): &(_, Event)| {
        assert_eq!(audience, &vec![sam.user]);
        match event {
            Event::MeUpdated { me, .. } => me.account.user_rev,
            other => panic!("{other:?}"),
        }
    };
    let revs: Vec<u64> = world.heard().iter().map(told).collect();
    let first = before.account.user_rev + 1;
    assert_eq!(revs, (first..=me.account.user_rev).collect::<Vec<_>>());
}

/// Whoever keeps, blocks or watches somebody does so alone.
pub async fn contacts_and_blocks_are_one_sided(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [sam, anna, eve] = world.people(["sam", "anna", "eve"]).await;
    let messenger = &world.messenger;
    messenger
        .set_contact(&sam, anna.user, Some("Ann"))
        .await
        .expect("kept");
    let kept = world.store.contact(sam.user, anna.user).await.expect("read");
    let kept = kept.expect("a contact");
    assert_eq!((kept.account.id, kept.alias.as_deref()), (anna.user, Some("Ann")));
    for (owner, user) in [(&anna, &sam), (&sam, &eve), (&eve, &anna)] {
        let none = world.store.contact(owner.user, user.user).await.expect("read");
        assert!(none.is_none());
    }
    messenger.set_contact(&sam, anna.user, None).await.expect("kept");
    messenger.set_block(&sam, eve.user, true).await.expect("blocked");
    let contacts = messenger.contacts(&sam, "").await.expect("listed");
    assert_eq!(contacts.len(), 1);
    assert_eq!((contacts[0].account.id, &contacts[0].alias), (anna.user, &None));
    assert!(messenger.contacts(&anna, "").await.expect("listed").is_empty());
    let owners = world
        .store
        .owners_of_contact(anna.user, &[sam.user, eve.user])
        .await;
    assert_eq!(owners.expect("read"), [sam.user]);
    for (asked, other) in [(sam, eve), (eve, sam)] {
        let blocks = messenger
            .blocks_between(asked.user, &[other.user, anna.user])
            .await;
        assert_eq!(blocks.expect("read"), [(sam.user, eve.user)]);
    }
    assert!(messenger.blocks(&eve).await.expect("listed").is_empty());

    messenger.open_direct(&eve, sam.user).await.expect("opened");
    messenger.set_contact(&anna, sam.user, None).await.expect("kept");
    let watchers = world
        .store
        .watchers(sam.user, Timestamp(0), 10)
        .await
        .expect("read");
    assert_eq!(watchers, [anna.user, eve.user]);
    let later = Timestamp(Timestamp::now().0 + 60_000);
    assert_eq!(
        world.store.watchers(sam.user, later, 10).await.expect("read"),
        [anna.user]
    );
    assert_eq!(
        messenger.watchers(sam.user, &[]).await.expect("read"),
        [anna.user],
        "eve is blocked"
    );
    let admitting = messenger
        .who_admit(eve.user, &[sam.user, anna.user], |privacy| privacy.who_can_add_me)
        .await;
    assert_eq!(admitting.expect("read"), [anna.user].into());

    messenger
        .set_block(&sam, eve.user, false)
        .await
        .expect("unblocked");
    messenger
        .remove_contact(&sam, anna.user)
        .await
        .expect("forgotten");
    let listed = messenger.contacts(&sam, "").await.expect("listed");
    assert_eq!(listed.len(), 1, "the other person of a direct conversation");
    assert_eq!(listed[0].created_at, None);
}
