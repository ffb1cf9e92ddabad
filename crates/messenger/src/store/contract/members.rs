//! Who comes into a group and who goes, what each of them sees of it, and how members are found.

use super::groups::{history, policies};
use super::{Store, World, draft, rev_of};
use crate::{
    AccessError, AddMembersError, Caller, DeleteError, EditError, Event, HistoryRange, MemberError, Message,
    MessageKind, Newcomers, PinError, PolicyChange, ReactError, ReadAllError, RemovalReason, SendError,
    SystemEvent, UserId, VersionsError,
};
use std::sync::Arc;

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
