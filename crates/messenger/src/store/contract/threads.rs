//! Threads.

use super::{Store, World, draft};
use crate::store::ThreadAdvance;
use crate::{
    AdvanceError, Caller, ConversationId, Draft, Event, FollowError, HistoryRange, Message, MessageId,
    SendError, Thread, ThreadChange, ThreadError, ThreadPlace, ThreadSummary, ThreadsError, UserId,
};
use std::sync::Arc;

fn reply(root: MessageId, words: &str) -> Draft {
    Draft {
        thread: Some(ThreadPlace {
            root,
            also_in_timeline: false,
        }),
        ..draft(words)
    }
}

async fn send(world: &World, who: &Caller, id: ConversationId, draft: Draft) -> Message {
    let sent = world.messenger.send(who, id, draft).await.expect("sent");
    sent.message
}

async fn thread(world: &World, who: &Caller, root: MessageId) -> Thread {
    let page = world
        .messenger
        .thread(who, root, HistoryRange::Newest, None)
        .await
        .expect("a thread");
    page.thread
}

async fn see(world: &World, who: &Caller, wish: ThreadAdvance) -> Result<(u64, u32), AdvanceError> {
    let mark = world.messenger.advance_thread(who, wish).await?;
    Ok((mark.seen_seq, mark.unread_count))
}

/// Replies take seqs as all messages do, show only in their thread unless they are to, and change what is said of
/// the root under the reply's rev.
pub async fn replies_add_up_at_their_root(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let root = world.say(&ann, id, "root").await.message;
    world.heard();
    let first = reply(root.id, "first");
    let message = send(&world, &bob, id, first.clone()).await;
    assert_eq!((message.seq, message.rev), (root.seq + 1, root.rev + 1));
    assert_eq!((message.thread_root, message.in_timeline), (Some(root.id), false));
    let summary = ThreadSummary {
        reply_count: 1,
        last_reply_seq: Some(message.seq),
        last_reply_at: Some(message.created_at),
        participants: vec![bob.user],
    };
    let change = ThreadChange {
        root: root.id,
        summary: summary.clone(),
    };
    // The same key again tells the same again.
    assert!(world.messenger.send(&bob, id, first).await.expect("sent").replay);
    let told = world.heard();
    assert_eq!(told.len(), 2);
    for (users, event) in told {
        assert_eq!(users, [ann.user, bob.user, cat.user]);
        assert!(matches!(event, Event::MessageCreated { thread: Some(thread), .. } if thread == change));
    }
    let stored = world.messenger.message(&cat, root.id).await.expect("found");
    assert_eq!((stored.rev, &stored.thread), (message.rev, &summary));
    let changes = world
        .messenger
        .changes(&cat, id, root.rev, 10)
        .await
        .expect("changes");
    let changed: Vec<_> = changes.messages.iter().map(|message| message.id).collect();
    assert_eq!(changed.len(), 2);
    assert!(changed.contains(&root.id) && changed.contains(&message.id));

    // History keeps every seq; the list shows what is in the conversation.
    let page = world
        .messenger
        .history(&cat, id, HistoryRange::Newest, None)
        .await;
    let seqs: Vec<u64> = page.expect("history").messages.iter().map(|m| m.seq).collect();
    assert_eq!(seqs, (1..=message.seq).collect::<Vec<_>>());
    let item = world.item(&cat, id).await;
    assert_eq!(item.last_message.map(|message| message.id), Some(root.id));
    assert_eq!((item.unread_count, item.conversation.last_seq), (1, message.seq));
    assert_eq!(item.conversation.last_activity_at, root.created_at);

    let both = Draft {
        thread: Some(ThreadPlace {
            root: root.id,
            also_in_timeline: true,
        }),
        ..draft("both")
    };
    let both = send(&world, &cat, id, both).await;
    assert!(both.in_timeline);
    let item = world.item(&ann, id).await;
    assert_eq!(item.last_message.map(|message| message.id), Some(both.id));
    assert_eq!(item.unread_count, 1);
    for who in [ann, bob, cat] {
        send(&world, &who, id, reply(root.id, "more")).await;
    }
    let stored = world
        .messenger
        .message(&cat, root.id)
        .await
        .expect("found")
        .thread;
    assert_eq!(
        (stored.reply_count, stored.participants),
        (5, vec![bob.user, cat.user, ann.user])
    );
    // Whoever replies in a thread has not thereby seen what is new in the conversation.
    world.say(&ann, id, "unseen").await;
    send(&world, &bob, id, reply(root.id, "aside")).await;
    assert_eq!(world.item(&bob, id).await.unread_count, 3);
}

/// A message of the same conversation that is neither note nor reply, and that one sees.
pub async fn only_roots_take_replies(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, eve] = world.people(["ann", "bob", "eve"]).await;
    let id = world.group(&ann, &[bob]).await;
    let other = world.direct(&ann, &bob).await;
    let root = world.say(&ann, id, "root").await.message;
    let elsewhere = world.say(&ann, other, "elsewhere").await.message;
    let nested = send(&world, &bob, id, reply(root.id, "reply")).await;
    let page = world
        .messenger
        .history(&ann, id, HistoryRange::Newest, None)
        .await;
    let note = page.expect("history").messages[0].id;
    let gone = world.say(&ann, id, "gone").await.message;
    world.messenger.delete(&ann, &[gone.id]).await.expect("deleted");
    for target in [elsewhere.id, nested.id, note, gone.id, MessageId(i64::MAX)] {
        let refused = world.messenger.send(&ann, id, reply(target, "no")).await;
        assert!(matches!(refused, Err(SendError::ThreadRootInvalid)));
    }
    // In a thread its own messages are quoted.
    for (quoted, fits) in [(root.id, true), (nested.id, true), (elsewhere.id, false)] {
        let quoting = Draft {
            reply_to: Some(quoted),
            ..reply(root.id, "quoting")
        };
        let outcome = world.messenger.send(&ann, id, quoting).await;
        assert_eq!(outcome.is_ok(), fits);
        assert!(fits || matches!(outcome, Err(SendError::ReplyTargetInvalid)));
    }
    let aside = world.say(&ann, id, "aside").await.message;
    let quoting = Draft {
        reply_to: Some(aside.id),
        ..reply(root.id, "quoting")
    };
    let refused = world.messenger.send(&ann, id, quoting).await;
    assert!(matches!(refused, Err(SendError::ReplyTargetInvalid)));

    for (who, target) in [(eve, root.id), (ann, MessageId(i64::MAX))] {
        let page = world
            .messenger
            .thread(&who, target, HistoryRange::Newest, None)
            .await;
        assert!(matches!(page, Err(ThreadError::NotFound)));
        let followed = world.messenger.follow(&who, target, true).await;
        assert!(matches!(followed, Err(FollowError::NotFound)));
        let wish = ThreadAdvance {
            conversation: id,
            root: target,
            seen_seq: 1,
        };
        assert!(matches!(
            see(&world, &who, wish).await,
            Err(AdvanceError::NotAMember)
        ));
    }
    for target in [nested.id, note] {
        let page = world
            .messenger
            .thread(&ann, target, HistoryRange::Newest, None)
            .await;
        assert!(matches!(page, Err(ThreadError::NoRoot)));
        let followed = world.messenger.follow(&ann, target, true).await;
        assert!(matches!(followed, Err(FollowError::NoRoot)));
    }
    // The root's words may go, its thread lives on.
    world.messenger.delete(&ann, &[root.id]).await.expect("deleted");
    send(&world, &bob, id, reply(root.id, "still here")).await;
    let found = thread(&world, &bob, root.id).await;
    assert!(found.root.deleted_at.is_some());
    assert_eq!(found.root.thread.reply_count, 4);
    // Who was removed still reads, and no more.
    world
        .messenger
        .remove_member(&ann, id, bob.user, false)
        .await
        .expect("removed");
    assert!(!thread(&world, &bob, root.id).await.following);
    let followed = world.messenger.follow(&bob, root.id, true).await;
    assert!(matches!(followed, Err(FollowError::NotAMember)));
    let wish = ThreadAdvance {
        conversation: id,
        root: root.id,
        seen_seq: 1,
    };
    assert!(matches!(
        see(&world, &bob, wish).await,
        Err(AdvanceError::NotAMember)
    ));
    assert!(
        world
            .messenger
            .threads(&bob, false, None, None)
            .await
            .expect("listed")
            .items
            .is_empty()
    );
}

/// Authors of roots and of replies follow by themselves; reading the conversation clears no thread.
pub async fn followers_have_something_to_read(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let root = world.say(&ann, id, "root").await.message;
    let state = async |who: &Caller| {
        let thread = thread(&world, who, root.id).await;
        (thread.following, thread.seen_seq, thread.unread_count)
    };
    assert_eq!(state(&ann).await, (false, 0, 0));
    let one = send(&world, &bob, id, reply(root.id, "one")).await;
    assert_eq!(state(&ann).await, (true, root.seq, 1));
    assert_eq!(state(&bob).await, (true, one.seq, 0));
    assert_eq!(state(&cat).await, (false, 0, 0));
    let two = send(&world, &bob, id, reply(root.id, "two")).await;
    world.messenger.read_all(&ann, id).await.expect("read");
    assert_eq!(world.item(&ann, id).await.unread_count, 0);
    assert_eq!(state(&ann).await, (true, root.seq, 2));

    let see = async |who: &Caller, seen_seq| {
        let wish = ThreadAdvance {
            conversation: id,
            root: root.id,
            seen_seq,
        };
        see(&world, who, wish).await
    };
    world.heard();
    assert!(matches!(see(&ann, one.seq).await, Ok((seq, 1)) if seq == one.seq));
    let told = world.heard();
    let to_ann: Vec<_> = told
        .iter()
        .filter(|(users, _)| *users == vec![ann.user])
        .collect();
    assert_eq!(to_ann.len(), 1);
    assert!(matches!(
        to_ann[0].1,
        Event::ReceiptUpdated { seen_seq, thread_root: Some(of), unread: (1, 0), .. }
            if of == root.id && seen_seq == one.seq
    ));
    assert!(matches!(see(&ann, root.seq).await, Ok((seq, 1)) if seq == one.seq));
    assert!(world.heard().is_empty());
    assert!(matches!(
        see(&ann, two.seq + 1).await,
        Err(AdvanceError::SeqOutOfRange)
    ));
    assert!(matches!(see(&ann, two.seq).await, Ok((_, 0))));
    // Who does not follow has no watermark there.
    assert!(matches!(see(&cat, two.seq).await, Ok((0, 0))));

    // Whoever begins to follow has seen what there is, and hears of it once.
    world.heard();
    for changed in [true, false] {
        let mark = world
            .messenger
            .follow(&cat, root.id, true)
            .await
            .expect("followed");
        assert_eq!((mark.seen_seq, mark.unread_count), (two.seq, 0));
        let told = world.heard();
        assert_eq!(told.len(), usize::from(changed));
        let right = |(users, event): &(Vec<UserId>, Event)| {
            *users == [cat.user] && matches!(event, Event::ThreadFollowed { following: true, .. })
        };
        assert!(told.iter().all(right));
    }
    let three = send(&world, &bob, id, reply(root.id, "three")).await;
    assert_eq!(state(&cat).await, (true, two.seq, 1));
    world
        .messenger
        .follow(&ann, root.id, false)
        .await
        .expect("unfollowed");
    send(&world, &bob, id, reply(root.id, "four")).await;
    assert_eq!(state(&ann).await, (false, 0, 0));
    let unread = async |who: &Caller, unread_only| {
        let page = world.messenger.threads(who, unread_only, None, None).await;
        let items = page.expect("listed").items;
        items
            .iter()
            .map(|thread| (thread.root.id, thread.unread_count))
            .collect::<Vec<_>>()
    };
    assert!(unread(&ann, false).await.is_empty());
    assert_eq!(unread(&cat, true).await, [(root.id, 2)]);
    assert!(unread(&bob, true).await.is_empty());
    assert_eq!(unread(&bob, false).await, [(root.id, 0)]);
    // An answer follows again. A bot's answer has not seen what came before.
    let unseen = Draft {
        advance_seen: false,
        ..reply(root.id, "five")
    };
    send(&world, &cat, id, unseen).await;
    assert_eq!(state(&cat).await, (true, two.seq, 2));
    world.messenger.delete(&bob, &[three.id]).await.expect("deleted");
    assert_eq!(state(&cat).await, (true, two.seq, 1));
    let five = send(&world, &ann, id, reply(root.id, "six")).await;
    assert_eq!(state(&ann).await, (true, five.seq, 0));
    // Who is named follows and has the naming to read.
    let dan = world.person("dan").await;
    world
        .messenger
        .add_members(&ann, id, &[dan.user])
        .await
        .expect("added");
    let named = send(&world, &ann, id, reply(root.id, "what says @dan")).await;
    assert_eq!(state(&dan).await, (true, named.seq - 1, 1));
    let followers = world.store.followers(&[root.id]).await.expect("read");
    let users: Vec<_> = followers.iter().map(|(_, user, _)| *user).collect();
    assert_eq!(users, [ann.user, bob.user, cat.user, dan.user]);
}

/// The last reply and the faces are those of what is left, told with the deletion.
pub async fn deleted_replies_are_not_counted(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    let root = world.say(&ann, id, "root").await.message;
    let one = send(&world, &bob, id, reply(root.id, "one")).await;
    let two = send(&world, &ann, id, reply(root.id, "two")).await;
    world.heard();
    world.messenger.delete(&bob, &[one.id]).await.expect("deleted");
    let summary = ThreadSummary {
        reply_count: 1,
        last_reply_seq: Some(two.seq),
        last_reply_at: Some(two.created_at),
        participants: vec![ann.user],
    };
    let told = world.heard();
    let change = ThreadChange {
        root: root.id,
        summary: summary.clone(),
    };
    assert!(matches!(&told[..], [(_, Event::MessagesDeleted { threads, .. })] if *threads == [change]));
    let stored = world.messenger.message(&bob, root.id).await.expect("found");
    assert_eq!((stored.rev, stored.thread), (two.rev + 1, summary));
    world.messenger.delete(&ann, &[two.id]).await.expect("deleted");
    let stored = world.messenger.message(&bob, root.id).await.expect("found");
    assert_eq!(stored.thread, ThreadSummary::default());
    let page = world
        .messenger
        .thread(&bob, root.id, HistoryRange::Newest, None)
        .await
        .expect("a thread");
    assert_eq!(page.messages.len(), 2);
    assert!(page.messages.iter().all(|message| message.deleted_at.is_some()));
}

/// Replies by seq, threads by their last reply.
pub async fn threads_come_in_pages(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    let root = world.say(&ann, id, "root").await.message;
    let mut seqs = Vec::new();
    for n in 0..6 {
        seqs.push(
            send(&world, &bob, id, reply(root.id, &format!("reply {n}")))
                .await
                .seq,
        );
        world.say(&bob, id, "between").await;
    }
    let page = async |range, limit| {
        let page = world.messenger.thread(&ann, root.id, range, Some(limit)).await;
        let page = page.expect("a page");
        let seqs: Vec<u64> = page.messages.iter().map(|message| message.seq).collect();
        (seqs, page.has_more_before, page.has_more_after)
    };
    let table = [
        (HistoryRange::Newest, 2, 4..6, true, false),
        (HistoryRange::Newest, 10, 0..6, false, false),
        (HistoryRange::Before(seqs[4]), 2, 2..4, true, true),
        (HistoryRange::Before(seqs[1]), 2, 0..1, false, true),
        (HistoryRange::Before(seqs[0]), 2, 0..0, false, true),
        (HistoryRange::After(seqs[0]), 2, 1..3, true, true),
        (HistoryRange::After(seqs[5]), 2, 0..0, true, false),
        (HistoryRange::After(u64::MAX), 2, 0..0, true, false),
        (HistoryRange::Around(seqs[3]), 2, 2..4, true, true),
        (HistoryRange::Around(seqs[0]), 3, 0..3, false, true),
    ];
    for (range, limit, expected, before, after) in table {
        let expected = (seqs[expected].to_vec(), before, after);
        assert_eq!(page(range, limit).await, expected, "{range:?} {limit}");
    }
    for limit in [0, 101] {
        let refused = world
            .messenger
            .thread(&ann, root.id, HistoryRange::Newest, Some(limit))
            .await;
        assert!(matches!(refused, Err(ThreadError::LimitInvalid)));
        let refused = world.messenger.threads(&ann, false, None, Some(limit)).await;
        assert!(matches!(refused, Err(ThreadsError::LimitInvalid)));
    }
    let refused = world.messenger.threads(&ann, false, Some("x"), None).await;
    assert!(matches!(refused, Err(ThreadsError::CursorInvalid)));

    let mut expected = vec![root.id];
    for n in 0..4 {
        let root = world.say(&ann, id, &format!("root {n}")).await.message;
        send(&world, &bob, id, reply(root.id, "reply")).await;
        expected.insert(0, root.id);
    }
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = world
            .messenger
            .threads(&ann, true, cursor.as_deref(), Some(2))
            .await;
        let page = page.expect("a page");
        found.extend(page.items.iter().map(|thread| thread.root.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, expected);
}

/// However many reply at once, every reply is counted and told with a count of its own.
pub async fn concurrent_replies_are_all_counted(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let root = world.say(&ann, id, "root").await.message;
    world.heard();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..30 {
        let messenger = Arc::clone(&world.messenger);
        let who = [ann, bob, cat][n % 3];
        let draft = reply(root.id, &format!("reply {n}"));
        tasks.spawn(async move { messenger.send(&who, id, draft).await.expect("sent") });
    }
    tasks.join_all().await;
    let mut counts = Vec::new();
    for (_, event) in world.heard() {
        if let Event::MessageCreated {
            thread: Some(thread), ..
        } = event
        {
            counts.push(thread.summary.reply_count);
        }
    }
    assert_eq!(counts, (1..=30).collect::<Vec<_>>());
    let stored = world.messenger.message(&bob, root.id).await.expect("found");
    assert_eq!(stored.thread.reply_count, 30);
    assert_eq!(stored.rev, root.rev + 30);
}

/// A reply that somebody does not see counts for the others only.
pub async fn hidden_replies_are_not_counted_for_who_does_not_see_them(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let mut roots = Vec::new();
    for words in ["first", "second", "third"] {
        let root = world.say(&ann, id, words).await.message;
        send(&world, &cat, id, reply(root.id, "early")).await;
        roots.push((root.id, send(&world, &bob, id, reply(root.id, "late")).await));
    }
    let (root, last) = (roots[0].0, roots[0].1.clone());
    world.messenger.hide(&ann, &[last.id]).await.expect("hidden");
    let summary = async |who: &Caller| {
        let message = world.messenger.message(who, root).await.expect("read");
        let page = world.messenger.history(who, id, HistoryRange::Newest, None).await;
        let listed = page
            .expect("read")
            .messages
            .into_iter()
            .find(|listed| listed.id == root);
        let thread = world
            .messenger
            .thread(who, root, HistoryRange::Newest, None)
            .await
            .expect("read");
        assert_eq!(listed.expect("listed").thread, message.thread);
        assert_eq!(thread.thread.root.thread, message.thread);
        let summary = message.thread;
        (summary.reply_count, summary.last_reply_seq, summary.participants)
    };
    assert_eq!(summary(&ann).await, (1, Some(last.seq - 1), vec![cat.user]));
    assert_eq!(summary(&bob).await, (2, Some(last.seq), vec![cat.user, bob.user]));

    // Pages of followed threads stay whole.
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let page = world
            .messenger
            .threads(&ann, false, cursor.as_deref(), Some(1))
            .await
            .expect("read");
        listed.extend(page.items.iter().map(|thread| thread.root.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, [roots[2].0, roots[1].0, roots[0].0]);
}
