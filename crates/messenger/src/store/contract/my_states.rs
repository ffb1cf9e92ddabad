//! What a member keeps for itself: how a conversation stands in its own list, its draft, and from where on it sees it.

use super::groups::history;
use super::{Store, World, draft};
use crate::{AccessError, Caller, DraftWish, Event, MyStateError, MyStateWish, Notify, SendError, Timestamp};
use std::sync::Arc;

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
