//! Sending and reading messages.

use super::{Store, World, draft, of_others, rev_of};
use crate::{ClientId, ConversationId, Draft, Event, HistoryError, HistoryRange, SendError};
use std::collections::HashMap;
use std::sync::Arc;

/// However many try at once, and each time everybody is told.
pub async fn sending_again_yields_the_same_message(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    world.heard();
    let words = draft("once");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (messenger, words) = (Arc::clone(&world.messenger), words.clone());
        tasks.spawn(async move { messenger.send(&ann, id, words).await.expect("sent") });
    }
    let sent = tasks.join_all().await;
    assert_eq!(sent.iter().filter(|sent| !sent.replay).count(), 1);
    assert!(sent.iter().all(|one| one.message == sent[0].message));
    let later = world.messenger.send(&ann, id, words.clone()).await.expect("sent");
    assert!(later.replay && later.message == sent[0].message);

    let item = world.item(&bob, id).await;
    assert_eq!((item.conversation.last_seq, item.conversation.last_rev), (1, 1));
    let message = of_others(&later.message);
    assert_eq!(item.last_message.as_ref(), Some(&message));
    let told = world.heard();
    assert_eq!(told.len(), 33);
    assert!(told.iter().all(|(users, event)| {
        *users == [ann.user, bob.user]
            && matches!(event, Event::MessageCreated { message: told, .. } if *told == message)
    }));
}

/// With other words, as another answer or elsewhere it is refused; it is the author's own.
pub async fn a_key_stands_for_one_message(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let (id, other) = (world.direct(&ann, &bob).await, world.direct(&ann, &cat).await);
    let first = world.say(&ann, id, "first").await;
    let words = draft("words");
    world.messenger.send(&ann, id, words.clone()).await.expect("sent");
    world.heard();
    let conflicting = [
        (
            id,
            Draft {
                body: "other words".into(),
                ..words.clone()
            },
        ),
        (
            id,
            Draft {
                reply_to: Some(first.message.id),
                ..words.clone()
            },
        ),
        (other, words.clone()),
    ];
    for (id, draft) in conflicting {
        let refused = world.messenger.send(&ann, id, draft).await;
        assert!(matches!(refused, Err(SendError::ClientIdConflict)));
    }
    assert!(world.heard().is_empty());
    assert!(
        !world
            .messenger
            .send(&bob, id, words.clone())
            .await
            .expect("sent")
            .replay
    );
    let unseen = Draft {
        advance_seen: false,
        ..words
    };
    assert!(world.messenger.send(&ann, id, unseen).await.expect("sent").replay);

    // Different words under one key at once: one of them is stored, the others conflict.
    let key = ClientId(uuid::Uuid::new_v4());
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let messenger = Arc::clone(&world.messenger);
        let draft = Draft {
            client_id: key,
            body: format!("variant {n}"),
            attachments: Vec::new(),
            reply_to: None,
            thread: None,
            advance_seen: true,
        };
        tasks.spawn(async move { messenger.send(&ann, id, draft).await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let conflict = |outcome: &&Result<_, _>| matches!(outcome, Err(SendError::ClientIdConflict));
    assert_eq!(outcomes.iter().filter(conflict).count(), 15);
}

/// Each seq and rev comes once, and each member hears of every rev once, in order, in every conversation.
pub async fn numbers_are_dense_and_told_in_order(store: Arc<dyn Store>) {
    const SENDERS: usize = 16;
    const EACH: usize = 20;
    let world = World::new(store);
    let mut senders = Vec::new();
    for n in 0..SENDERS {
        senders.push(world.person(&format!("sender{n}")).await);
    }
    let mut groups = Vec::new();
    for _ in 0..3 {
        groups.push(world.group(&senders[0], &senders[1..]).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (n, &sender) in senders.iter().enumerate() {
        let (messenger, groups) = (Arc::clone(&world.messenger), groups.clone());
        tasks.spawn(async move {
            for k in 0..EACH {
                let id = groups[(n + k) % groups.len()];
                let sent = messenger
                    .send(&sender, id, draft(&format!("{n}.{k}")))
                    .await
                    .expect("sent");
                assert!(!sent.replay);
            }
        });
    }
    tasks.join_all().await;

    let mut told: HashMap<ConversationId, Vec<u64>> = HashMap::new();
    for (users, event) in world.heard() {
        if let Some((id, rev)) = rev_of(&event) {
            assert_eq!(users.len(), SENDERS);
            told.entry(id).or_default().push(rev);
        }
    }
    let mut total = 0;
    for &id in &groups {
        let item = world.item(&senders[1], id).await;
        let last = item.conversation.last_seq;
        assert_eq!(item.conversation.last_rev, last);
        assert_eq!(told[&id], (1..=last).collect::<Vec<u64>>());
        let mut seen = Vec::new();
        loop {
            let after = HistoryRange::After(seen.len() as u64);
            let page = world
                .messenger
                .history(&senders[1], id, after, Some(100))
                .await
                .expect("read");
            seen.extend(page.messages);
            if !page.has_more_after {
                break;
            }
        }
        let numbers: Vec<(u64, u64)> = seen.iter().map(|message| (message.seq, message.rev)).collect();
        assert_eq!(numbers, (1..=last).map(|n| (n, n)).collect::<Vec<_>>());
        total += last - 2;
    }
    assert_eq!(total, (SENDERS * EACH) as u64);
}

/// And only what is there to be answered.
pub async fn replies_quote_what_they_answer(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let (id, elsewhere) = (
        world.group(&ann, &[bob, cat]).await,
        world.direct(&ann, &bob).await,
    );
    let question = world.say(&ann, id, &"é".repeat(200)).await.message;
    let foreign = world.say(&ann, elsewhere, "elsewhere").await.message;
    let notes = world
        .messenger
        .history(&bob, id, HistoryRange::Newest, None)
        .await
        .expect("read");

    let reply = Draft {
        reply_to: Some(question.id),
        ..draft("answer")
    };
    let answer = world
        .messenger
        .send(&bob, id, reply.clone())
        .await
        .expect("sent")
        .message;
    let quote = answer.reply_to.clone().expect("a quote");
    assert_eq!(
        (quote.message, quote.seq, quote.author),
        (question.id, question.seq, ann.user)
    );
    assert_eq!(
        (quote.excerpt.as_str(), quote.deleted),
        ("é".repeat(160).as_str(), false)
    );
    assert_eq!(
        world.messenger.message(&cat, answer.id).await.expect("found"),
        of_others(&answer)
    );
    assert_eq!(
        world.messenger.send(&bob, id, reply).await.expect("sent").message,
        answer
    );
    assert_eq!(world.item(&cat, id).await.last_message, Some(of_others(&answer)));

    for target in [foreign.id, notes.messages[0].id, crate::MessageId(999_999)] {
        let reply = Draft {
            reply_to: Some(target),
            ..draft("answer")
        };
        let refused = world.messenger.send(&bob, id, reply).await;
        assert!(matches!(refused, Err(SendError::ReplyTargetInvalid)), "{target}");
    }
}

/// In every direction, and says what lies beyond.
pub async fn history_comes_in_pages(store: Arc<dyn Store>) {
    use HistoryRange::{After, Around, Before, Newest};
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    let empty = world
        .messenger
        .history(&ann, id, Newest, None)
        .await
        .expect("read");
    assert!(empty.messages.is_empty() && !empty.has_more_before && !empty.has_more_after);
    for n in 1..=10 {
        world.say(&ann, id, &format!("message {n}")).await;
    }
    type Row = (HistoryRange, usize, std::ops::RangeInclusive<u64>, bool, bool);
    let table: [Row; 8] = [
        (Newest, 3, 8..=10, true, false),
        (Newest, 50, 1..=10, false, false),
        (Before(8), 3, 5..=7, true, true),
        (Before(3), 5, 1..=2, false, true),
        (After(8), 5, 9..=10, true, false),
        (After(0), 4, 1..=4, false, true),
        (Around(5), 4, 3..=6, true, true),
        (Around(10), 4, 7..=10, true, false),
    ];
    for (range, limit, seqs, before, after) in table {
        let page = world
            .messenger
            .history(&bob, id, range, Some(limit))
            .await
            .expect("read");
        let read: Vec<u64> = page.messages.iter().map(|message| message.seq).collect();
        assert_eq!(read, seqs.collect::<Vec<u64>>(), "{range:?}");
        assert_eq!(
            (page.has_more_before, page.has_more_after),
            (before, after),
            "{range:?}"
        );
        assert_eq!((page.last_seq, page.last_rev), (10, 10));
        assert!(
            page.messages
                .iter()
                .all(|message| message.body == format!("message {}", message.seq))
        );
    }
    for (range, before, after) in [(Before(1), false, true), (After(10), true, false)] {
        let page = world
            .messenger
            .history(&bob, id, range, None)
            .await
            .expect("read");
        assert!(page.messages.is_empty(), "{range:?}");
        assert_eq!(
            (page.has_more_before, page.has_more_after),
            (before, after),
            "{range:?}"
        );
    }
    for limit in [0, 101] {
        let refused = world.messenger.history(&bob, id, Newest, Some(limit)).await;
        assert!(matches!(refused, Err(HistoryError::LimitInvalid)));
    }
}

/// A request that was given up after it reached the store is told of all the same, and repeating it is harmless.
pub async fn telling_does_not_need_the_sender(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    world.heard();
    for n in 0..20 {
        let words = draft(&format!("message {n}"));
        let mut sending = Box::pin(world.messenger.send(&ann, id, words.clone()));
        // Polled once it has handed the message over; then its sender is gone.
        let handed_over =
            std::future::poll_fn(|context| std::task::Poll::Ready(sending.as_mut().poll(context)));
        let _ = handed_over.await;
        drop(sending);
        let again = world.messenger.send(&ann, id, words).await.expect("sent");
        assert!(again.replay, "the first attempt was stored");
        assert_eq!(again.message.seq, n + 1);
    }
    let told: Vec<u64> = world
        .heard()
        .iter()
        .filter_map(|(_, event)| rev_of(event))
        .map(|(_, rev)| rev)
        .collect();
    assert_eq!(told, (1..=20).flat_map(|rev| [rev, rev]).collect::<Vec<u64>>());
}
