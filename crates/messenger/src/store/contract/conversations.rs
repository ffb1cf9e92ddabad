//! Conversations, their members and lists.

use super::{Store, World, of_others, rev_of, wish};
use crate::{
    AccessError, Advance, AdvanceError, ConversationKind, CreateGroupError, Event, HistoryError,
    HistoryRange, ListError, ListMembersError, MessageKind, OpenDirectError, Options, ReadAllError, Role,
    SendError, SystemEvent, UserId,
};
use std::sync::Arc;

/// Whoever opens it, and however often.
pub async fn two_people_have_one_direct_conversation(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, eve] = world.people(["ann", "bob", "eve"]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let messenger = Arc::clone(&world.messenger);
        let (caller, peer) = if n % 2 == 0 {
            (ann, bob.user)
        } else {
            (bob, ann.user)
        };
        tasks.spawn(async move { messenger.open_direct(&caller, peer).await.expect("opened") });
    }
    let opened = tasks.join_all().await;
    assert_eq!(opened.iter().filter(|opened| opened.created).count(), 1);
    let id = opened[0].item.conversation.id;
    assert!(opened.iter().all(|opened| opened.item.conversation.id == id));

    let told = world.heard();
    assert_eq!(told.len(), 2, "each of both once: {told:?}");
    for (users, event) in &told {
        assert!(
            matches!(event, Event::ConversationAdded { user_rev: 1, .. }),
            "{event:?}"
        );
        assert!(users == &[ann.user] || users == &[bob.user]);
    }

    let item = world.item(&bob, id).await;
    assert_eq!(item.conversation.kind, ConversationKind::Direct);
    assert_eq!((item.conversation.last_seq, item.conversation.last_rev), (0, 0));
    assert_eq!(item.conversation.member_count, 2);
    assert_eq!(item.peer.map(|peer| peer.id), Some(ann.user));
    assert_eq!(
        (item.last_message, item.unread_count, item.others),
        (None, 0, Some((0, Some(0))))
    );
    assert_eq!(world.messenger.peers(bob.user).await.expect("asked"), [ann.user]);
    assert_eq!(world.messenger.peers(eve.user).await.expect("asked"), []);
    let unknown = world.messenger.open_direct(&ann, UserId(999)).await;
    assert!(matches!(unknown, Err(OpenDirectError::UnknownUser)));
}

/// And are opened like a conversation with anybody.
pub async fn ones_own_notes_have_one_member(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let notes = world.messenger.open_direct(&ann, ann.user).await.expect("opened");
    let again = world.messenger.open_direct(&ann, ann.user).await.expect("opened");
    let others = world.messenger.open_direct(&bob, bob.user).await.expect("opened");
    assert!(notes.created && !again.created && others.created);
    let id = notes.item.conversation.id;
    assert_eq!(again.item.conversation.id, id);
    assert_ne!(others.item.conversation.id, id);
    assert_eq!(notes.item.conversation.kind, ConversationKind::Own);
    assert_eq!((notes.item.peer, notes.item.others), (None, None));
    world.say(&ann, id, "buy milk").await;
    assert_eq!(world.messenger.member_ids(id).await.expect("asked"), [ann.user]);
    assert_eq!(world.messenger.peers(ann.user).await.expect("asked"), []);
}

/// Rev 1 says that it was created, rev 2 who was added; nothing of it is unread.
pub async fn a_group_begins_with_notes_to_its_members(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let given = [bob.user, cat.user, bob.user, ann.user];
    let item = world
        .messenger
        .create_group(&ann, wish("  Tea\u{202E} ", &given))
        .await
        .expect("created")
        .item;
    let group = &item.conversation;
    assert_eq!(group.title.as_deref(), Some("Tea"));
    assert_eq!(
        (
            group.last_seq,
            group.last_rev,
            group.members_rev,
            group.member_count
        ),
        (2, 2, 2, 3)
    );
    assert_eq!((group.owner, item.my.role), (Some(ann.user), Role::Owner));
    assert_eq!((item.my.seen_seq, item.unread_count), (2, 0));

    let everyone = vec![ann.user, bob.user, cat.user];
    let told = world.heard();
    assert_eq!(told.len(), 5);
    for ((users, event), user) in told.iter().zip(&everyone) {
        assert_eq!(users, &[*user]);
        assert!(matches!(event, Event::ConversationAdded { conversation, .. } if *conversation == group.id));
    }
    let revs: Vec<u64> = told[3..]
        .iter()
        .filter_map(|(_, event)| rev_of(event))
        .map(|(_, rev)| rev)
        .collect();
    assert_eq!(revs, [1, 2]);
    assert!(told[3..].iter().all(|(users, _)| *users == everyone));
    let Event::MessageCreated { message, .. } = &told[3].1 else {
        panic!("{:?}", told[3])
    };
    assert_eq!(
        message.kind,
        MessageKind::System(SystemEvent::Created { title: "Tea".into() })
    );
    let Event::MembersChanged {
        added,
        message: Some(note),
        member_count: 3,
        ..
    } = &told[4].1
    else {
        panic!("{:?}", told[4]);
    };
    let added: Vec<UserId> = added.iter().map(|member| member.account.id).collect();
    assert_eq!(added, [bob.user, cat.user]);
    assert_eq!(
        note.kind,
        MessageKind::System(SystemEvent::MembersAdded { users: added })
    );
    assert_eq!((note.seq, note.rev), (2, 2));

    let item = world.item(&bob, group.id).await;
    assert_eq!(
        (item.my.joined_seq, item.my.delivered_seq, item.my.seen_seq),
        (1, 1, 1)
    );
    assert_eq!((item.unread_count, item.last_message.as_ref()), (0, Some(note)));
    assert_eq!(item.members.len(), 3);
    let alone = world
        .messenger
        .create_group(&bob, wish("Alone", &[]))
        .await
        .expect("created")
        .item;
    assert_eq!(
        (alone.conversation.last_rev, alone.conversation.members_rev),
        (1, 1)
    );
    assert_eq!(alone.others, None);
}

/// Without leaving anything behind.
pub async fn groups_refuse_what_does_not_fit(store: Arc<dyn Store>) {
    let world = World::with_options(
        store,
        Options {
            group_members_max: 2,
            ..Options::default()
        },
    );
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let long = "x".repeat(129);
    let create = |title: &'static str, members: Vec<UserId>| {
        let messenger = Arc::clone(&world.messenger);
        async move {
            messenger
                .create_group(&ann, wish(title, &members))
                .await
                .expect_err("refused")
        }
    };
    assert!(matches!(
        create(" \u{200B} ", vec![]).await,
        CreateGroupError::TitleRequired
    ));
    assert!(matches!(
        create("T", vec![bob.user, cat.user]).await,
        CreateGroupError::TooManyMembers
    ));
    assert!(matches!(
        create("T", vec![UserId(999)]).await,
        CreateGroupError::UnknownUser
    ));
    let too_long = world.messenger.create_group(&ann, wish(&long, &[])).await;
    assert!(matches!(too_long, Err(CreateGroupError::TitleTooLong)));
    let page = world
        .messenger
        .conversations(&ann, None, None, None)
        .await
        .expect("listed");
    assert!(page.items.is_empty() && world.heard().is_empty());
}

/// Each once.
pub async fn the_list_pages_through_everything_newest_first(store: Arc<dyn Store>) {
    let world = World::new(store);
    let ann = world.person("ann").await;
    let mut ids = Vec::new();
    for n in 0..7 {
        let peer = world.person(&format!("peer{n}")).await;
        ids.push(world.direct(&peer, &ann).await);
    }
    for n in [3, 0, 5] {
        // Sent at later and later times, as the clock has milliseconds.
        let before = crate::Timestamp::now();
        while crate::Timestamp::now() == before {
            tokio::task::yield_now().await;
        }
        world.say(&ann, ids[n], "hello").await;
    }
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let page = world
            .messenger
            .conversations(&ann, None, cursor.as_deref(), Some(2))
            .await
            .expect("listed");
        assert!(page.items.len() <= 2);
        listed.extend(page.items.iter().map(|item| item.conversation.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed[..3], [ids[5], ids[0], ids[3]]);
    listed.sort();
    ids.sort();
    assert_eq!(listed, ids);
    let faulty = world.messenger.conversations(&ann, None, Some("x"), None).await;
    assert!(matches!(faulty, Err(ListError::CursorInvalid)));
    for limit in [0, 101] {
        let refused = world.messenger.conversations(&ann, None, None, Some(limit)).await;
        assert!(matches!(refused, Err(ListError::LimitInvalid)));
    }
}

/// Not even whether there is something.
pub async fn strangers_see_nothing(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, eve] = world.people(["ann", "bob", "eve"]).await;
    let id = world.direct(&ann, &bob).await;
    let sent = world.say(&ann, id, "between us").await;
    let messenger = &world.messenger;
    for id in [id, crate::ConversationId(999)] {
        assert!(matches!(
            messenger.conversation(&eve, id).await,
            Err(AccessError::NotFound)
        ));
        assert!(matches!(
            messenger.members(&eve, id, None, None, None).await,
            Err(ListMembersError::NotFound)
        ));
        assert!(matches!(
            messenger.read_all(&eve, id).await,
            Err(ReadAllError::NotFound)
        ));
        assert!(matches!(
            messenger.changes(&eve, id, 0, 10).await,
            Err(AccessError::NotFound)
        ));
        let history = messenger.history(&eve, id, HistoryRange::Newest, None).await;
        assert!(matches!(history, Err(HistoryError::NotFound)));
        let refused = messenger.send(&eve, id, super::draft("hi")).await;
        assert!(matches!(refused, Err(SendError::NotFound)));
        let wish = Advance {
            conversation: id,
            delivered_seq: Some(1),
            seen_seq: None,
        };
        let outcome = messenger.advance(&eve, &[wish]).await.pop().expect("one outcome");
        assert!(matches!(outcome, Err(AdvanceError::NotAMember)));
        assert_eq!(messenger.membership(eve.user, id).await.expect("asked"), None);
    }
    assert!(matches!(
        messenger.message(&eve, sent.message.id).await,
        Err(AccessError::NotFound)
    ));
    assert_eq!(
        messenger.message(&bob, sent.message.id).await.expect("found"),
        of_others(&sent.message)
    );
    assert_eq!(messenger.membership(bob.user, id).await.expect("asked"), Some(2));
    assert!(
        messenger
            .sync(&eve, None, None)
            .await
            .expect("synchronised")
            .items
            .is_empty()
    );
}
