//! What happens to conversations besides messages, and the private parts of memberships.

use super::{Dice, Store, World, draft, rev_of, wish};
use crate::{
    AccessError, AddMembersError, Caller, Conversation, ConversationId, CreateGroupError,
    DeleteConversationError, DeleteError, DraftWish, EditError, EditHistory, Event, HistoryRange,
    InviteError, InviteId, InviteWish, JoinError, MemberError, Message, MessageKind, MyStateError,
    MyStateWish, Newcomers, Notify, Options, PinError, PolicyChange, ReactError, ReadAllError, RemovalReason,
    Role, SendError, SettingsWish, SystemEvent, Timestamp, UpdateError, UserId, VersionsError, Who,
};
use std::collections::HashMap;
use std::sync::Arc;

/// What was told of one conversation: rev and audience of each change, in order.
fn changes(world: &World, id: ConversationId) -> Vec<(u64, Vec<UserId>, Event)> {
    let told = world.heard().into_iter();
    told.filter_map(|(users, event)| match rev_of(&event) {
        Some((conversation, rev)) if conversation == id => Some((rev, users, event)),
        _ => None,
    })
    .collect()
}

async fn conversation(world: &World, who: &Caller, id: ConversationId) -> Conversation {
    world.item(who, id).await.conversation
}

async fn history(world: &World, who: &Caller, id: ConversationId) -> Vec<Message> {
    let page = world.messenger.history(who, id, HistoryRange::Newest, None).await;
    page.expect("history").messages
}

fn titled(title: &str) -> SettingsWish {
    SettingsWish {
        title: Some(title.to_owned()),
        ..SettingsWish::default()
    }
}

fn policies(policies: PolicyChange) -> SettingsWish {
    SettingsWish {
        policies,
        ..SettingsWish::default()
    }
}

/// One rev, one note, one event for each of title, description and policies; what is so already is no change.
pub async fn settings_change_with_a_note_each(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.group(&ann, &[bob]).await;
    world.heard();
    let wish = SettingsWish {
        title: Some(" Tea\u{202E} ".into()),
        description: Some(" Leaves.\n ".into()),
        avatar: None,
        policies: PolicyChange {
            post: Some(Who::Admins),
            edit_window_s: Some(None),
            ..PolicyChange::default()
        },
        purge_existing: None,
    };
    let update = async |wish: SettingsWish| world.messenger.update_conversation(&ann, id, wish).await;
    update(wish.clone()).await.expect("updated");
    let told = changes(&world, id);
    let revs: Vec<u64> = told.iter().map(|(rev, ..)| *rev).collect();
    assert_eq!(revs, [3, 4, 5]);
    for (rev, users, event) in &told {
        assert_eq!(users, &[ann.user, bob.user]);
        let Event::ConversationUpdated {
            message: Some(note), ..
        } = event
        else {
            panic!("{event:?}")
        };
        assert_eq!((note.rev, note.seq, note.author), (*rev, *rev, ann.user));
    }
    let notes: Vec<MessageKind> = history(&world, &bob, id).await[2..]
        .iter()
        .map(|message| message.kind.clone())
        .collect();
    let expected = [
        SystemEvent::TitleChanged { title: "Tea".into() },
        SystemEvent::DescriptionChanged {
            description: Some("Leaves.".into()),
        },
        SystemEvent::PolicyChanged {
            policies: wish.policies,
        },
    ];
    assert_eq!(notes, expected.map(MessageKind::System));
    let item = world.item(&bob, id).await;
    let now = item.conversation;
    assert_eq!(
        (now.title.as_deref(), now.description.as_deref()),
        (Some("Tea"), Some("Leaves."))
    );
    assert_eq!(
        (now.settings_rev, now.last_rev, now.policies.edit_window_s),
        (5, 5, None)
    );
    assert_eq!(item.unread_count, 0, "notes are never unread");

    update(wish).await.expect("nothing to do");
    assert!(changes(&world, id).is_empty());
    assert_eq!(conversation(&world, &ann, id).await.last_rev, 5);
    let long = SettingsWish {
        description: Some("x".repeat(513)),
        ..SettingsWish::default()
    };
    assert!(matches!(update(long).await, Err(UpdateError::DescriptionTooLong)));
    assert!(matches!(
        update(titled(" ")).await,
        Err(UpdateError::TitleRequired)
    ));
    let long = titled(&"x".repeat(129));
    assert!(matches!(update(long).await, Err(UpdateError::TitleTooLong)));
    let none = SettingsWish {
        description: Some(String::new()),
        ..SettingsWish::default()
    };
    update(none).await.expect("updated");
    assert_eq!(conversation(&world, &ann, id).await.description, None);
}

/// Administrators, and members as far as the policies say; who changes nothing needs no right.
pub async fn policies_are_for_those_who_may(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, eve] = world.people(["ann", "bob", "eve"]).await;
    let id = world.group(&ann, &[bob]).await;
    let update = async |who: &Caller, wish| world.messenger.update_conversation(who, id, wish).await;
    let open = PolicyChange {
        info: Some(Who::All),
        invite: Some(Who::All),
        ..PolicyChange::default()
    };
    assert!(matches!(
        update(&bob, titled("New")).await,
        Err(UpdateError::NotAllowed)
    ));
    assert!(matches!(
        update(&bob, policies(open)).await,
        Err(UpdateError::NotAllowed)
    ));
    assert!(matches!(
        update(&eve, titled("New")).await,
        Err(UpdateError::NotFound)
    ));
    update(&bob, titled("Group")).await.expect("it has this title");
    let refused = world.messenger.add_members(&bob, id, &[eve.user]).await;
    assert!(matches!(refused, Err(AddMembersError::NotAllowed)));
    update(&ann, policies(open)).await.expect("updated");
    update(&bob, titled("New")).await.expect("now everybody may");
    assert!(matches!(update(&bob, policies(open)).await, Ok(()),));
    world
        .messenger
        .add_members(&bob, id, &[eve.user])
        .await
        .expect("now everybody may");

    let history = |edit_history, purge_existing| SettingsWish {
        policies: PolicyChange {
            edit_history: Some(edit_history),
            ..PolicyChange::default()
        },
        purge_existing,
        ..SettingsWish::default()
    };
    update(&ann, history(EditHistory::Off, None))
        .await
        .expect("off already");
    update(&ann, history(EditHistory::Members, None))
        .await
        .expect("on");
    let refused = update(&ann, history(EditHistory::Off, None)).await;
    assert!(matches!(refused, Err(UpdateError::PurgeExistingRequired)));
    update(&ann, history(EditHistory::Off, Some(true)))
        .await
        .expect("off");
    let restricted = PolicyChange {
        post: Some(Who::Admins),
        ..PolicyChange::default()
    };
    update(&ann, policies(restricted)).await.expect("updated");
    let refused = world.messenger.send(&bob, id, draft("hi")).await;
    assert!(matches!(refused, Err(SendError::PostingRestricted)));
    world.say(&ann, id, "as owner").await;
}

/// Each a note, an event to those who are in it, and a word to whom it concerns.
pub async fn people_are_added_and_removed(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat, dan] = world.people(["ann", "bob", "cat", "dan"]).await;
    let id = world.group(&ann, &[bob]).await;
    world.say(&ann, id, "before").await;
    world.heard();
    let people = [dan.user, bob.user, cat.user, cat.user];
    let added = world.messenger.add_members(&ann, id, &people);
    let added = added.await.expect("added");
    let came: Vec<UserId> = added.added.iter().map(|member| member.account.id).collect();
    assert_eq!(
        (came, added.unchanged),
        (vec![cat.user, dan.user], vec![bob.user])
    );
    let told = world.heard();
    assert!(matches!(told[0].1, Event::ConversationAdded { user_rev: 1, .. }));
    assert_eq!(
        (&told[0].0[..], &told[1].0[..]),
        (&[cat.user][..], &[dan.user][..])
    );
    assert_eq!(told.len(), 3);
    assert_eq!(told[2].0, [ann.user, bob.user, cat.user, dan.user]);
    assert_eq!(rev_of(&told[2].1), Some((id, 4)));
    let item = world.item(&cat, id).await;
    assert_eq!(
        (item.my.joined_seq, item.my.seen_seq, item.unread_count),
        (3, 3, 0)
    );
    assert_eq!(item.conversation.member_count, 4);
    assert_eq!(history(&world, &cat, id).await.len(), 4, "newcomers see it all");

    world
        .messenger
        .remove_member(&ann, id, cat.user, false)
        .await
        .expect("removed");
    let told = world.heard();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].0, [ann.user, bob.user, dan.user]);
    let Event::MembersChanged {
        removed,
        rev: 5,
        member_count: 3,
        message: Some(note),
        ..
    } = &told[0].1
    else {
        panic!("{:?}", told[0])
    };
    assert_eq!(removed, &[cat.user]);
    assert_eq!(
        note.kind,
        MessageKind::System(SystemEvent::MemberRemoved { user: cat.user })
    );
    assert_eq!(told[1].0, [cat.user]);
    let Event::ConversationRemoved {
        reason, user_rev: 2, ..
    } = &told[1].1
    else {
        panic!("{:?}", told[1])
    };
    assert_eq!(*reason, RemovalReason::Removed);

    let remove = async |who: &Caller, user: UserId| world.messenger.remove_member(who, id, user, false).await;
    assert!(matches!(remove(&ann, cat.user).await, Err(MemberError::NotFound)));
    assert!(matches!(
        remove(&bob, dan.user).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        remove(&cat, dan.user).await,
        Err(MemberError::NotAMember)
    ));
    assert!(matches!(
        remove(&ann, ann.user).await,
        Err(MemberError::LastOwner)
    ));
    remove(&dan, dan.user).await.expect("oneself one may");
    let unknown = world.messenger.add_members(&ann, id, &[UserId(999)]).await;
    assert!(matches!(unknown, Err(AddMembersError::NotFound)));
    world
        .messenger
        .add_members(&ann, id, &[cat.user])
        .await
        .expect("again");
    let item = world.item(&cat, id).await;
    assert_eq!(
        (item.my.left_at, item.my.left_seq, item.unread_count),
        (None, None, 0)
    );
}

/// Read-only, up to the note about the leaving; and nothing that came later at any door.
pub async fn who_left_sees_what_there_was_then(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let before = world.say(&ann, id, "before").await.message;
    let cursor = world
        .messenger
        .sync(&bob, None, None)
        .await
        .expect("synchronised")
        .cursor;
    world.messenger.leave(&bob, id).await.expect("left");
    let after = world.say(&ann, id, "after").await.message;
    world.messenger.leave(&cat, id).await.expect("left");

    let messenger = &world.messenger;
    let seen = messenger
        .history(&bob, id, HistoryRange::Newest, None)
        .await
        .expect("history");
    let seqs: Vec<u64> = seen.messages.iter().map(|message| message.seq).collect();
    assert_eq!((seqs, seen.last_seq, seen.last_rev), (vec![1, 2, 3, 4], 4, 4));
    assert!(!seen.has_more_after);
    let beyond = messenger
        .history(&bob, id, HistoryRange::After(4), None)
        .await
        .expect("history");
    assert!(beyond.messages.is_empty() && !beyond.has_more_after);
    assert_eq!(
        messenger.message(&bob, before.id).await.expect("found").body,
        "before"
    );
    assert!(matches!(
        messenger.message(&bob, after.id).await,
        Err(AccessError::NotFound)
    ));
    let changes = messenger.changes(&bob, id, 0, 100).await.expect("changes");
    assert_eq!((changes.upto_rev, changes.messages.len()), (4, 4));
    assert!(changes.members.is_none() && changes.conversation.is_none());
    let item = messenger.conversation(&bob, id).await.expect("still to be seen");
    assert_eq!((item.conversation.last_seq, item.unread_count), (4, 0));
    assert_eq!(item.last_message.map(|message| message.seq), Some(4));
    assert!(item.members.is_empty() && item.my.left_at.is_some());
    let members = messenger
        .members(&bob, id, None, None, None)
        .await
        .expect("members");
    let ids: Vec<UserId> = members.items.iter().map(|member| member.account.id).collect();
    assert!(ids.contains(&ann.user) && ids.contains(&cat.user), "{ids:?}");
    assert!(members.items.iter().all(|member| member.seen_seq <= Some(4)));

    let refused = messenger.send(&bob, id, draft("hi")).await;
    assert!(matches!(refused, Err(SendError::NotAMember)));
    assert!(matches!(
        messenger.leave(&bob, id).await,
        Err(MemberError::NotAMember)
    ));
    assert!(matches!(
        messenger.read_all(&bob, id).await,
        Err(ReadAllError::NotAMember)
    ));
    // What was there when bob went is known to be there; what came later is not.
    for (message, known) in [(before.id, true), (after.id, false)] {
        let react = messenger.react(&bob, message, "👍", true).await.map(drop);
        let pin = messenger.pin(&bob, message, true).await.map(drop);
        let edit = messenger.edit(&bob, message, "x", None).await.map(drop);
        let delete = messenger.delete(&bob, &[message]).await;
        let versions = messenger.versions(&bob, message).await.map(drop);
        let told = match known {
            true => matches!(
                (react, pin, edit, delete, versions),
                (
                    Err(ReactError::NotAMember),
                    Err(PinError::NotAMember),
                    Err(EditError::NotAMember),
                    Err(DeleteError::NotAMember),
                    Err(VersionsError::NotAMember),
                )
            ),
            false => matches!(
                (react, pin, edit, delete, versions),
                (
                    Err(ReactError::NotFound),
                    Err(PinError::NotFound),
                    Err(EditError::NotFound),
                    Err(DeleteError::NotFound),
                    Err(VersionsError::NotFound),
                )
            ),
        };
        assert!(told, "{message:?}");
    }
    assert_eq!(messenger.membership(bob.user, id).await.expect("asked"), None);
    let page = messenger
        .sync(&bob, Some(&cursor), None)
        .await
        .expect("synchronised");
    assert_eq!((page.items.len(), page.removed), (0, vec![id]));
    let list = messenger
        .conversations(&bob, None, None, None)
        .await
        .expect("listed");
    assert!(list.items.is_empty());
}

/// All, or nothing from before the note about their coming.
pub async fn newcomers_see_what_the_policy_says(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[]).await;
    let secret = world.say(&ann, id, "secret").await.message;
    let since = PolicyChange {
        newcomers: Some(Newcomers::SinceJoin),
        ..PolicyChange::default()
    };
    world
        .messenger
        .update_conversation(&ann, id, policies(since))
        .await
        .expect("updated");
    world
        .messenger
        .add_members(&ann, id, &[bob.user])
        .await
        .expect("added");
    let seqs = |messages: Vec<Message>| -> Vec<u64> { messages.iter().map(|message| message.seq).collect() };
    assert_eq!(seqs(history(&world, &bob, id).await), [4]);
    let messenger = &world.messenger;
    assert!(matches!(
        messenger.message(&bob, secret.id).await,
        Err(AccessError::NotFound)
    ));
    let changes = messenger.changes(&bob, id, 0, 100).await.expect("changes");
    assert_eq!((seqs(changes.messages), changes.upto_rev), (vec![4], 4));
    let mut answer = draft("what did you say?");
    answer.reply_to = Some(secret.id);
    let refused = messenger.send(&bob, id, answer).await;
    assert!(matches!(refused, Err(SendError::ReplyTargetInvalid)));
    world.say(&ann, id, "hello").await;
    assert_eq!(world.item(&bob, id).await.unread_count, 1);

    let all = PolicyChange {
        newcomers: Some(Newcomers::SeeAll),
        ..PolicyChange::default()
    };
    messenger
        .update_conversation(&ann, id, policies(all))
        .await
        .expect("updated");
    messenger.add_members(&ann, id, &[cat.user]).await.expect("added");
    assert_eq!(seqs(history(&world, &cat, id).await), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(
        seqs(history(&world, &bob, id).await),
        [4, 5, 6, 7],
        "as it was when bob came"
    );
}

async fn owner(world: &World, who: &Caller, id: ConversationId) -> Option<UserId> {
    let members = world
        .messenger
        .members(who, id, None, None, None)
        .await
        .expect("members");
    let owners: Vec<UserId> = members
        .items
        .iter()
        .filter(|member| member.role == Role::Owner)
        .map(|member| member.account.id)
        .collect();
    let named = conversation(world, who, id).await.owner;
    assert_eq!(
        owners,
        named.into_iter().collect::<Vec<_>>(),
        "one owner, and it is the one"
    );
    named
}

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

/// Two for ever; only the edit history is theirs to switch.
pub async fn direct_conversations_keep_both(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.direct(&ann, &bob).await;
    let messenger = &world.messenger;
    assert!(matches!(
        messenger.leave(&ann, id).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.remove_member(&ann, id, bob.user, true).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.add_members(&ann, id, &[cat.user]).await,
        Err(AddMembersError::NotAllowed)
    ));
    assert!(matches!(
        messenger.set_role(&ann, id, bob.user, Role::Admin).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.transfer(&ann, id, bob.user).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.create_invite(&ann, id, InviteWish::default()).await,
        Err(InviteError::NotAllowed)
    ));
    assert!(matches!(
        messenger.update_conversation(&ann, id, titled("Us")).await,
        Err(UpdateError::NotAllowed)
    ));
    let restricted = PolicyChange {
        post: Some(Who::Admins),
        ..PolicyChange::default()
    };
    assert!(matches!(
        messenger
            .update_conversation(&ann, id, policies(restricted))
            .await,
        Err(UpdateError::NotAllowed)
    ));
    let history = PolicyChange {
        edit_history: Some(EditHistory::Members),
        ..PolicyChange::default()
    };
    messenger
        .update_conversation(&bob, id, policies(history))
        .await
        .expect("both may");
    let now = conversation(&world, &ann, id).await;
    assert_eq!(
        (now.member_count, now.last_rev, now.policies.edit_history),
        (2, 1, EditHistory::Members)
    );
}

/// One last event to those who were in it, and nothing of it is left at any door.
pub async fn a_deleted_group_is_gone_for_all(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let message = world.say(&ann, id, "words").await.message;
    let messenger = &world.messenger;
    let invite = messenger
        .create_invite(&ann, id, InviteWish::default())
        .await
        .expect("made");
    messenger.leave(&cat, id).await.expect("left");
    let cursor = messenger
        .sync(&bob, None, None)
        .await
        .expect("synchronised")
        .cursor;
    world.heard();
    assert!(matches!(
        messenger.delete_conversation(&bob, id).await,
        Err(DeleteConversationError::NotAllowed)
    ));
    messenger.delete_conversation(&ann, id).await.expect("deleted");
    let told = world.heard();
    assert_eq!(told.len(), 3);
    assert_eq!(told[0].0, [ann.user, bob.user]);
    assert!(
        matches!(told[0].1, Event::ConversationDeleted { rev: 5, .. }),
        "{:?}",
        told[0]
    );
    for (_, event) in &told[1..] {
        let reason = RemovalReason::Deleted;
        assert!(matches!(event, Event::ConversationRemoved { reason: told, .. } if *told == reason));
    }
    for who in [ann, bob, cat] {
        assert!(matches!(
            messenger.conversation(&who, id).await,
            Err(AccessError::NotFound)
        ));
        assert!(
            messenger
                .history(&who, id, HistoryRange::Newest, None)
                .await
                .is_err()
        );
        assert!(matches!(
            messenger.message(&who, message.id).await,
            Err(AccessError::NotFound)
        ));
        let refused = messenger.send(&who, id, draft("hi")).await;
        assert!(matches!(refused, Err(SendError::NotFound)));
        assert!(matches!(
            messenger.delete_conversation(&who, id).await,
            Err(DeleteConversationError::NotFound)
        ));
        assert!(matches!(
            messenger.changes(&who, id, 0, 10).await,
            Err(AccessError::NotFound)
        ));
    }
    let joined = messenger.join(&bob, &invite.token).await;
    assert!(matches!(joined, Err(JoinError::NotFound)));
    let page = messenger
        .sync(&bob, Some(&cursor), None)
        .await
        .expect("synchronised");
    assert_eq!((page.items.len(), page.removed), (0, vec![id]));
}

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

/// Told to one's own devices only, each change with the next `user_rev`.
pub async fn private_parts_are_private(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, eve] = world.people(["ann", "bob", "eve"]).await;
    let id = world.direct(&ann, &bob).await;
    world.heard();
    let set = async |who: &Caller, wish| world.messenger.set_my_state(who, id, wish).await;
    let until = Timestamp(4_102_444_800_000);
    let wish = MyStateWish {
        muted_until: Some(Some(until)),
        notify: Some(Notify::Mentions),
        archived: Some(true),
        pinned_order: Some(Some(3)),
        marked_unread: Some(true),
        draft: None,
    };
    let item = set(&ann, wish.clone()).await.expect("set");
    let my = &item.my;
    assert_eq!(
        (my.muted_until, my.notify, my.archived),
        (Some(until), Notify::Mentions, true)
    );
    assert_eq!((my.pinned_order, my.marked_unread), (Some(3), true));
    let told = world.heard();
    assert_eq!((told.len(), &told[0].0), (1, &vec![ann.user]));
    assert!(matches!(
        told[0].1,
        Event::MemberStateChanged {
            user_rev: 2,
            hidden: false,
            ..
        }
    ));
    set(&ann, wish).await.expect("nothing to do");
    assert!(world.heard().is_empty());
    let account = world
        .messenger
        .account(ann.user)
        .await
        .expect("asked")
        .expect("found");
    assert_eq!(account.user_rev, 2);
    assert_eq!(world.item(&bob, id).await.my.notify, Notify::All);
    assert_eq!(world.item(&ann, id).await.conversation.last_rev, 0);
    let read = world.messenger.read_all(&ann, id).await.expect("read");
    assert!(!read.my.marked_unread, "reading takes the mark away");

    let write = |body: &str, based_on| MyStateWish {
        draft: Some(Some(DraftWish {
            body: body.to_owned(),
            reply_to: None,
            attachments: Vec::new(),
            based_on,
        })),
        ..MyStateWish::default()
    };
    let first = set(&ann, write("Dear", None))
        .await
        .expect("kept")
        .my
        .draft
        .expect("a draft");
    assert_eq!(first.body, "Dear");
    let base = Some(first.updated_at);
    let second = set(&ann, write("Dear Bob", base))
        .await
        .expect("kept")
        .my
        .draft
        .expect("a draft");
    assert!(second.updated_at > first.updated_at);
    let refused = set(&ann, write("Dear Eve", base)).await;
    assert!(matches!(refused, Err(MyStateError::DraftConflict)));
    assert_eq!(world.item(&ann, id).await.my.draft, Some(second));
    let item = set(&ann, write(" \n", None))
        .await
        .expect("an empty draft is none");
    assert_eq!(item.my.draft, None);
    let refused = set(&ann, write(&"x".repeat(10_001), None)).await;
    assert!(matches!(refused, Err(MyStateError::DraftTooLong)));
    let stranger = set(&eve, MyStateWish::default()).await;
    assert!(matches!(stranger, Err(MyStateError::NotFound)));
}

/// For oneself; and it comes back with the next message.
pub async fn a_cleared_conversation_begins_anew(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    let old = world.say(&ann, id, "old").await.message;
    let messenger = &world.messenger;
    let cursor = messenger
        .sync(&bob, None, None)
        .await
        .expect("synchronised")
        .cursor;
    let item = messenger
        .clear_history(&bob, id)
        .await
        .expect("cleared")
        .expect("found");
    assert_eq!(
        (item.my.cleared_seq, item.unread_count, item.last_message),
        (1, 0, None)
    );
    assert!(history(&world, &bob, id).await.is_empty());
    assert!(matches!(
        messenger.message(&bob, old.id).await,
        Err(AccessError::NotFound)
    ));
    assert!(
        messenger
            .changes(&bob, id, 0, 10)
            .await
            .expect("changes")
            .messages
            .is_empty()
    );
    assert_eq!(history(&world, &ann, id).await.len(), 1, "the other still has it");
    let mut answer = draft("to what?");
    answer.reply_to = Some(old.id);
    let refused = messenger.send(&bob, id, answer).await;
    assert!(matches!(refused, Err(SendError::ReplyTargetInvalid)));
    let page = messenger
        .sync(&bob, Some(&cursor), None)
        .await
        .expect("synchronised");
    assert_eq!(page.items.len(), 1);

    world.heard();
    messenger.delete_conversation(&bob, id).await.expect("hidden");
    let told = world.heard();
    assert!(
        matches!(told[0].1, Event::MemberStateChanged { hidden: true, .. }),
        "{told:?}"
    );
    assert!(
        messenger
            .conversations(&bob, None, None, None)
            .await
            .expect("listed")
            .items
            .is_empty()
    );
    assert!(
        messenger
            .sync(&bob, None, None)
            .await
            .expect("synchronised")
            .items
            .is_empty()
    );
    let page = messenger
        .sync(&bob, Some(&page.cursor), None)
        .await
        .expect("synchronised");
    assert_eq!((page.items.len(), page.removed.as_slice()), (0, &[id][..]));
    assert_eq!(world.item(&ann, id).await.conversation.member_count, 2);

    world.say(&ann, id, "new").await;
    let page = messenger
        .sync(&bob, Some(&page.cursor), None)
        .await
        .expect("synchronised");
    assert_eq!((page.items.len(), page.removed.len()), (1, 0));
    let list = messenger
        .conversations(&bob, None, None, None)
        .await
        .expect("listed");
    assert_eq!((list.items.len(), list.items[0].unread_count), (1, 1));
    assert_eq!(history(&world, &bob, id).await.len(), 1);
}

/// In their own order, on every page; the archive is a list of its own.
pub async fn pinned_conversations_come_first(store: Arc<dyn Store>) {
    let world = World::new(store);
    let ann = world.person("ann").await;
    let mut ids = Vec::new();
    for n in 0..6 {
        let peer = world.person(&format!("peer{n}")).await;
        ids.push(world.direct(&ann, &peer).await);
    }
    let set = async |n: usize, wish| {
        world
            .messenger
            .set_my_state(&ann, ids[n], wish)
            .await
            .expect("set");
    };
    let pinned = |order| MyStateWish {
        pinned_order: Some(Some(order)),
        ..MyStateWish::default()
    };
    set(4, pinned(1)).await;
    set(1, pinned(2)).await;
    set(0, pinned(1)).await;
    let archived = MyStateWish {
        archived: Some(true),
        ..MyStateWish::default()
    };
    set(3, archived).await;
    let list = async |archived| {
        let mut listed = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = world
                .messenger
                .conversations(&ann, archived, cursor.as_deref(), Some(2));
            let page = page.await.expect("listed");
            listed.extend(page.items.iter().map(|item| item.conversation.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return listed;
            }
        }
    };
    let all = list(None).await;
    assert_eq!((all.len(), &all[..3]), (6, &[ids[0], ids[4], ids[1]][..]));
    assert_eq!(list(Some(true)).await, [ids[3]]);
    let rest = list(Some(false)).await;
    assert_eq!((rest.len(), rest.contains(&ids[3])), (5, false));
}

/// By the beginning of any of their names.
pub async fn members_are_found_and_paged(store: Arc<dyn Store>) {
    let world = World::new(store);
    let ann = world.person("ann").await;
    let mut others = Vec::new();
    for n in 0..5 {
        others.push(world.person(&format!("guest{n}")).await);
    }
    let id = world.group(&ann, &others).await;
    let find = async |query: Option<&str>| {
        let mut found = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = world
                .messenger
                .members(&ann, id, query, cursor.as_deref(), Some(2));
            let page = page.await.expect("found");
            found.extend(page.items.iter().map(|member| member.account.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return found;
            }
        }
    };
    let guests: Vec<UserId> = others.iter().map(|guest| guest.user).collect();
    assert_eq!(find(Some("GUE")).await, guests);
    assert_eq!(find(Some("guest3")).await, [guests[3]]);
    assert_eq!(find(Some("nobody")).await, []);
    assert_eq!(find(Some(" ")).await.len(), 6);
    assert_eq!(find(None).await.len(), 6);
}

/// Groups within a day, and conversations in all.
pub async fn limits_of_groups_hold(store: Arc<dyn Store>) {
    let options = Options {
        groups_per_day_max: 2,
        conversations_max: 3,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    for _ in 0..2 {
        world.group(&ann, &[]).await;
    }
    let refused = world.messenger.create_group(&ann, wish("Third", &[])).await;
    let Err(CreateGroupError::TooManyToday { retry_after_s }) = refused else {
        panic!("{refused:?}")
    };
    assert!((86_000..=86_400).contains(&retry_after_s), "{retry_after_s}");
    for n in 0..3 {
        let peer = world.person(&format!("peer{n}")).await;
        world.direct(&bob, &peer).await;
    }
    let refused = world.messenger.create_group(&bob, wish("Fourth", &[])).await;
    assert!(matches!(refused, Err(CreateGroupError::TooManyConversations)));
}

/// I3 to I7 while many do everything at once.
pub async fn changing_at_once_keeps_the_invariants(store: Arc<dyn Store>) {
    let options = Options {
        groups_per_day_max: 1_000,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let mut people = Vec::new();
    for n in 0..8 {
        people.push(world.person(&format!("person{n}")).await);
    }
    let id = world.group(&people[0], &people[1..]).await;
    let direct = world.direct(&people[0], &people[1]).await;
    let token = world
        .messenger
        .create_invite(&people[0], id, InviteWish::default())
        .await
        .expect("made")
        .token;
    world.heard();
    let before = conversation(&world, &people[0], id).await.last_rev;
    let mut tasks = tokio::task::JoinSet::new();
    for (n, &me) in people.iter().enumerate() {
        let (messenger, token, people) = (Arc::clone(&world.messenger), token.clone(), people.clone());
        tasks.spawn(async move {
            let mut dice = Dice::new(n as u64 + 1);
            for turn in 0..30 {
                let other = people[dice.below(people.len())].user;
                // Most are refused, depending on who owns it by then; what is done must be done whole.
                match dice.below(9) {
                    0 => drop(messenger.leave(&me, id).await),
                    1 => drop(messenger.join(&me, &token).await),
                    2 => drop(messenger.remove_member(&me, id, other, false).await),
                    3 => drop(messenger.add_members(&me, id, &[other]).await),
                    4 => drop(messenger.transfer(&me, id, other).await),
                    5 => drop(messenger.set_role(&me, id, other, Role::Admin).await),
                    6 => {
                        let title = titled(&format!("Title {n} {turn}"));
                        drop(messenger.update_conversation(&me, id, title).await);
                    }
                    7 => drop(messenger.leave(&me, direct).await),
                    _ => drop(messenger.send(&me, id, draft("hello")).await),
                }
            }
        });
    }
    tasks.join_all().await;

    let told = changes(&world, id);
    let revs: Vec<u64> = told.iter().map(|(rev, ..)| *rev).collect();
    let last = before + revs.len() as u64;
    assert_eq!(
        revs,
        (before + 1..=last).collect::<Vec<_>>(),
        "each rev once, in order"
    );
    let mut owner_now = Some(people[0].user);
    let mut members: HashMap<UserId, ()> = people.iter().map(|caller| (caller.user, ())).collect();
    for (_, users, event) in &told {
        if let Event::MembersChanged {
            added,
            removed,
            updated,
            ..
        } = event
        {
            members.extend(added.iter().map(|member| (member.account.id, ())));
            members.retain(|user, ()| !removed.contains(user));
            let new = updated.iter().find(|member| member.role == Role::Owner);
            owner_now = new.map(|member| member.account.id).or(owner_now);
        }
        let mut expected: Vec<UserId> = members.keys().copied().collect();
        expected.sort_unstable();
        assert_eq!(
            *users, expected,
            "every active member hears of it, and nobody else"
        );
    }
    let mut witnesses = 0;
    for who in &people {
        let item = world.messenger.conversation(who, id).await.expect("seen");
        let (my, now) = (&item.my, &item.conversation);
        assert!(my.seen_seq <= my.delivered_seq && my.delivered_seq <= world.last_seq(id, &people).await);
        assert_eq!(members.contains_key(&who.user), my.left_at.is_none());
        if my.left_at.is_none() {
            witnesses += 1;
            assert_eq!((now.last_rev, now.member_count as usize), (last, members.len()));
            assert_eq!(owner(&world, who, id).await, owner_now);
            let messages = world.messenger.changes(who, id, 0, 200).await.expect("changes");
            assert_eq!(messages.upto_rev.min(last), messages.upto_rev);
        }
    }
    assert_eq!(witnesses, members.len());
    let item = world.item(&people[0], direct).await;
    assert_eq!(
        (item.conversation.member_count, item.conversation.last_rev),
        (2, 0)
    );
}

impl World {
    /// The conversation's last seq, whoever of them still sees it.
    async fn last_seq(&self, id: ConversationId, people: &[Caller]) -> u64 {
        let mut last = 0;
        for who in people {
            last = last.max(conversation(self, who, id).await.last_seq);
        }
        last
    }
}
