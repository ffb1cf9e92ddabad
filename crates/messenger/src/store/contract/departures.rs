//! The end of accounts.

use super::{Store, World, draft};
use crate::store::{DeleteAccountRefusal, DepartureRecord};
use crate::{
    AccessError, Caller, DeleteAccountError, Event, HistoryRange, LogoutReason, NewAccount, OpenDirectError,
    PasswordError, ProfileChange, RegisterError, Role, SendError, ServerRole, Timestamp, Username,
};
use std::sync::Arc;

const PASSWORD: &str = "plum-kettle-9";
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn new(username: &str) -> NewAccount {
    NewAccount {
        username: username.into(),
        display_name: Some("Sam Whitlock".into()),
        password: PASSWORD.into(),
        invite: None,
        device_name: "test".into(),
    }
}

async fn registered(world: &World, username: &str) -> Caller {
    let login = world.messenger.register(new(username)).await.expect("registered");
    Caller {
        user: login.account.id,
        login: login.login.id,
    }
}

/// When it read what, in conversations it is still in and in those it left.
pub async fn a_deleted_account_leaves_no_receipt_times(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [_owner, ann] = world.people(["owner", "ann"]).await;
    let sam = registered(&world, "sam").await;
    let rooms = [
        world.direct(&ann, &sam).await,
        world.group(&ann, &[sam]).await,
        world.group(&ann, &[sam]).await,
    ];
    for room in rooms {
        world.say(&ann, room, "read this").await;
    }
    let forget = async || {
        let soon = Timestamp(Timestamp::now().0 + DAY_MS);
        let forgotten = world.store.forget_receipt_times(soon, 1_000).await;
        forgotten.expect("forgotten")
    };
    forget().await;
    for room in rooms {
        world.messenger.read_all(&sam, room).await.expect("read");
    }
    world.messenger.leave(&sam, rooms[2]).await.expect("left");
    let deleted = world.messenger.delete_account(&sam, PASSWORD, None, "here");
    deleted.await.expect("deleted");
    assert_eq!(forget().await, 0, "times that were kept");
}

/// And what others need to read them; nobody sees whose they were.
pub async fn a_deleted_account_leaves_its_words(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [owner, ann, bea] = world.people(["owner", "ann", "bea"]).await;
    let messenger = &world.messenger;
    let sam = registered(&world, "sam").await;
    let profile = ProfileChange {
        bio: Some("I fly kites".into()),
        ..ProfileChange::default()
    };
    messenger.change_profile(&sam, profile).await.expect("changed");
    messenger
        .set_contact(&sam, ann.user, Some("Annie"))
        .await
        .expect("kept");
    messenger.set_block(&sam, bea.user, true).await.expect("blocked");
    let room = world.direct(&sam, &ann).await;
    world.say(&sam, room, "so long").await;
    let shared = world.group(&sam, &[ann, bea]).await;
    let alone = world.group(&sam, &[]).await;
    let notes = world.direct(&sam, &sam).await;
    world.say(&sam, notes, "my secret").await;
    world.say(&sam, shared, "goodbye all").await;
    messenger
        .set_role(&sam, shared, bea.user, Role::Admin)
        .await
        .expect("promoted");
    world.heard();

    let deleted = messenger.delete_account(&sam, PASSWORD, None, "here").await;
    deleted.expect("deleted");
    let account = messenger.account(sam.user).await.expect("asked").expect("there");
    assert!(account.deleted_at.is_some());
    assert_eq!((account.display_name.as_str(), account.avatar), ("", None));
    assert_eq!(account.last_seen_at, None);
    assert!(
        Username::parse(account.username.as_str()).is_err(),
        "nobody can choose it"
    );
    let me = messenger.me(sam.user).await.expect("asked").expect("there");
    assert_eq!(
        (me.bio.as_str(), me.settings.as_str(), me.email),
        ("", "{}", None)
    );
    assert!(world.store.contacts(sam.user).await.expect("listed").is_empty());
    assert!(messenger.blocks(&sam).await.expect("listed").is_empty());
    assert!(messenger.devices(&sam).await.expect("listed").is_empty());
    let found = messenger.search_people(&ann, "whit", 20).await;
    assert!(found.expect("searched").is_empty());

    // Its sockets are sent away, and those who were with it learn it.
    let told = world.heard();
    let ended = told.iter().any(|(to, event)| {
        let reason = LogoutReason::AccountDeleted;
        *to == [sam.user] && matches!(event, Event::LoggedOut { reason: why, .. } if *why == reason)
    });
    assert!(ended, "{told:?}");
    let shown = told.iter().find_map(|(to, event)| match event {
        Event::MembersChanged {
            conversation,
            updated,
            ..
        } if *conversation == room => Some((to, updated)),
        _ => None,
    });
    let (to, updated) = shown.expect("told of the direct conversation");
    assert!(to.contains(&ann.user));
    assert!(updated.len() == 1 && updated[0].account.deleted_at.is_some());

    // What was said stays, and nothing more is.
    let item = world.item(&ann, room).await;
    assert!(item.peer.expect("somebody").deleted_at.is_some());
    let history = messenger.history(&ann, room, HistoryRange::Newest, None).await;
    let history = history.expect("read");
    assert_eq!(history.messages.last().expect("a message").body, "so long");
    let refused = messenger.send(&ann, room, draft("are you there?")).await;
    assert!(matches!(refused, Err(SendError::DmNotAllowed)), "{refused:?}");
    let refused = messenger.open_direct(&bea, sam.user).await;
    assert!(matches!(refused, Err(OpenDirectError::UnknownUser)));

    // The groups go on without it, with an owner, or not at all.
    let group = world.item(&ann, shared).await.conversation;
    assert_eq!((group.owner, group.member_count), (Some(bea.user), 2));
    world.say(&ann, shared, "sam is gone").await;
    for gone in [alone, notes] {
        let looked = messenger.conversation(&sam, gone).await;
        assert!(matches!(looked, Err(AccessError::NotFound)), "{looked:?}");
    }
    assert!(messenger.account(owner.user).await.expect("asked").is_some());
    // Again: nothing happens.
    let record = DepartureRecord {
        user: sam.user,
        at: Timestamp::now(),
        name_held_until: Timestamp::now(),
    };
    let again = world.store.delete_account(record, Box::new(|_| {})).await;
    assert!(again.expect("asked").is_ok());
}

/// For those who remember it, nobody else has it at once.
pub async fn the_name_of_a_deleted_account_is_held_for_a_month(store: Arc<dyn Store>) {
    let world = World::new(store);
    world.person("owner").await;
    let sam = registered(&world, "sam").await;
    let messenger = &world.messenger;
    let deleted = messenger.delete_account(&sam, PASSWORD, None, "here").await;
    deleted.expect("deleted");
    let refused = messenger.register(new("sam")).await;
    assert!(
        matches!(refused, Err(RegisterError::UsernameTaken)),
        "{refused:?}"
    );
    let login = messenger.log_in("sam", PASSWORD, "x", "here").await;
    assert!(matches!(login, Err(crate::LogInError::InvalidCredentials)));
    let later = |days: i64| super::AccountRecord {
        username: Username::parse("sam").expect("a name"),
        display_name: "Another".into(),
        search_keys: vec!["sam".into()],
        password_hash: "none".into(),
        kind: crate::AccountKind::Human,
        admission: super::Admission::Anyone,
        at: Timestamp(Timestamp::now().0 + days * DAY_MS),
    };
    let early = world.store.create_account(later(29)).await.expect("asked");
    assert!(early.is_err());
    let late = world.store.create_account(later(31)).await.expect("asked");
    assert_ne!(late.expect("free").id, sam.user);
}

/// Not without the password, not the last owner, and not while it is in groups.
pub async fn deleting_an_account_has_its_refusals(store: Arc<dyn Store>) {
    let world = World::new(store);
    let messenger = &world.messenger;
    let owner = registered(&world, "owner").await;
    let wrong = messenger.delete_account(&owner, "wrong", None, "here").await;
    assert!(matches!(
        wrong,
        Err(DeleteAccountError::Password(PasswordError::Wrong))
    ));
    let last = messenger.delete_account(&owner, PASSWORD, None, "here").await;
    assert!(matches!(last, Err(DeleteAccountError::LastOwner)), "{last:?}");

    let ann = world.person("ann").await;
    let group = world.group(&owner, &[ann]).await;
    let record = DepartureRecord {
        user: ann.user,
        at: Timestamp::now(),
        name_held_until: Timestamp::now(),
    };
    let refused = world.store.delete_account(record, Box::new(|_| {})).await;
    assert_eq!(
        refused.expect("asked").err(),
        Some(DeleteAccountRefusal::InGroups)
    );
    assert!(
        messenger
            .account(ann.user)
            .await
            .expect("asked")
            .is_some_and(|ann| ann.deleted_at.is_none())
    );

    // With another owner it may go, and what it had goes on.
    let other = messenger.add_account(new("other"), Some(ServerRole::Owner)).await;
    other.expect("added");
    world.heard();
    let gone = messenger.delete_account(&owner, PASSWORD, None, "here").await;
    gone.expect("deleted");
    assert_eq!(world.item(&ann, group).await.conversation.owner, Some(ann.user));
}
