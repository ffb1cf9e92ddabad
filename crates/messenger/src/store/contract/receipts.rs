//! Watermarks and what is unread.

use super::{Store, World, draft};
use crate::{Advance, AdvanceError, Caller, ConversationId, Draft, Event, UserId, Watermarks};
use std::sync::Arc;

async fn advance(
    world: &World,
    who: &Caller,
    conversation: ConversationId,
    delivered_seq: Option<u64>,
    seen_seq: Option<u64>,
) -> Result<Watermarks, AdvanceError> {
    let wish = Advance {
        conversation,
        delivered_seq,
        seen_seq,
    };
    world
        .messenger
        .advance(who, &[wish])
        .await
        .pop()
        .expect("one outcome")
}

/// To whom, delivered, seen, unread.
type Told = (Vec<UserId>, u64, u64, Option<(u32, u32)>);

fn told(world: &World) -> Vec<Told> {
    let mut told: Vec<Told> = world
        .heard()
        .into_iter()
        .filter_map(|(users, event)| match event {
            Event::ReceiptUpdated {
                delivered_seq,
                seen_seq,
                unread,
                ..
            } => Some((users, delivered_seq, seen_seq, unread)),
            _ => None,
        })
        .collect();
    told.sort();
    told
}

/// What is seen is delivered, nothing is beyond the last, and only moves are told.
pub async fn watermarks_only_move_forward(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    for n in 0..5 {
        world.say(&ann, id, &format!("message {n}")).await;
    }
    world.heard();
    // Delivered and seen as wished, then as they are, then what is unread and whether it was told.
    let table = [
        (Some(2), None, 2, 0, 5, true),
        (None, Some(3), 3, 3, 2, true),
        (Some(3), Some(3), 3, 3, 2, false),
        (Some(1), Some(1), 3, 3, 2, false),
        (None, None, 3, 3, 2, false),
        (Some(4), Some(2), 4, 3, 2, true),
        (Some(4), Some(5), 5, 5, 0, true),
    ];
    for (delivered, seen, delivered_now, seen_now, unread, moved) in table {
        let now = advance(&world, &bob, id, delivered, seen)
            .await
            .expect("advanced");
        assert_eq!(
            (now.delivered_seq, now.seen_seq, now.unread_count),
            (delivered_now, seen_now, unread)
        );
        let expected = match moved {
            true => vec![
                (vec![ann.user], delivered_now, seen_now, None),
                (vec![bob.user], delivered_now, seen_now, Some((unread, 0))),
            ],
            false => vec![],
        };
        assert_eq!(told(&world), expected);
    }
    for (delivered, seen) in [(Some(6), None), (None, Some(6)), (Some(5), Some(u64::MAX))] {
        let refused = advance(&world, &bob, id, delivered, seen).await;
        assert!(matches!(refused, Err(AdvanceError::SeqOutOfRange)));
    }
    let item = world.item(&ann, id).await;
    assert_eq!(
        (item.my.delivered_seq, item.my.seen_seq, item.others),
        (5, 5, Some((5, 5)))
    );
    let bobs = item
        .members
        .iter()
        .find(|member| member.account.id == bob.user)
        .expect("a member");
    assert_eq!((bobs.delivered_seq, bobs.seen_seq), (5, 5));
}

/// Neither one's own words nor notes, and nothing from before one joined.
pub async fn unread_counts_what_others_said(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let unread = async |who: &Caller| world.item(who, id).await.unread_count;
    assert_eq!((unread(&ann).await, unread(&bob).await), (0, 0));
    world.say(&ann, id, "one").await;
    world.say(&bob, id, "two").await;
    world.say(&ann, id, "three").await;
    assert_eq!(
        (unread(&ann).await, unread(&bob).await, unread(&cat).await),
        (0, 1, 3)
    );
    let unseen = Draft {
        advance_seen: false,
        ..draft("four")
    };
    world.messenger.send(&cat, id, unseen).await.expect("sent");
    assert_eq!(
        (unread(&ann).await, unread(&bob).await, unread(&cat).await),
        (1, 2, 3)
    );
    let read = world.messenger.read_all(&cat, id).await.expect("read");
    assert_eq!(
        (read.unread_count, read.my.seen_seq, read.my.delivered_seq),
        (0, 6, 6)
    );
    assert_eq!(unread(&cat).await, 0);
}

/// At 999.
pub async fn unread_is_capped(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    let send = async |count: usize| {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..count {
            let messenger = Arc::clone(&world.messenger);
            tasks.spawn(async move {
                messenger
                    .send(&ann, id, draft(&n.to_string()))
                    .await
                    .expect("sent")
            });
        }
        tasks.join_all().await;
    };
    send(999).await;
    let item = world.item(&bob, id).await;
    assert_eq!((item.unread_count, item.unread_capped), (999, false));
    send(2).await;
    let item = world.item(&bob, id).await;
    assert_eq!((item.unread_count, item.unread_capped), (999, true));
    let now = advance(&world, &bob, id, Some(1), None).await.expect("advanced");
    assert_eq!(now.unread_count, 999);
}

/// Unless they do not wish it; members are told when that passes over what others said.
pub async fn sending_moves_the_authors_watermarks(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    world.say(&ann, id, "one").await;
    assert_eq!(told(&world), []);
    world
        .messenger
        .send(
            &bob,
            id,
            Draft {
                advance_seen: false,
                ..draft("two")
            },
        )
        .await
        .expect("sent");
    assert_eq!(told(&world), []);
    assert_eq!(world.item(&bob, id).await.my.seen_seq, 0);
    world.say(&bob, id, "three").await;
    assert_eq!(
        told(&world),
        [(vec![ann.user], 3, 3, None), (vec![bob.user], 3, 3, Some((0, 0)))]
    );
    let item = world.item(&bob, id).await;
    assert_eq!(
        (item.my.delivered_seq, item.my.seen_seq, item.unread_count),
        (3, 3, 0)
    );
}

/// A faulty one does not stop the others.
pub async fn wishes_stand_alone(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let (one, two) = (world.direct(&ann, &bob).await, world.direct(&ann, &cat).await);
    let foreign = world.direct(&bob, &cat).await;
    world.say(&bob, one, "hello").await;
    world.say(&cat, two, "hello").await;
    let wish = |conversation, seq| Advance {
        conversation,
        delivered_seq: None,
        seen_seq: Some(seq),
    };
    let wishes = [
        wish(one, 2),
        wish(foreign, 0),
        wish(two, 1),
        wish(ConversationId(999), 1),
    ];
    let outcomes = world.messenger.advance(&ann, &wishes).await;
    assert!(matches!(outcomes[0], Err(AdvanceError::SeqOutOfRange)));
    assert!(matches!(outcomes[1], Err(AdvanceError::NotAMember)));
    assert!(matches!(
        outcomes[2],
        Ok(Watermarks {
            seen_seq: 1,
            unread_count: 0,
            ..
        })
    ));
    assert!(matches!(outcomes[3], Err(AdvanceError::NotAMember)));
    assert_eq!(
        (
            world.item(&ann, one).await.unread_count,
            world.item(&ann, two).await.unread_count
        ),
        (1, 0)
    );
    assert!(world.messenger.advance(&ann, &[]).await.is_empty());
}

/// In whichever order they come.
pub async fn concurrent_receipts_keep_the_highest(store: Arc<dyn Store>) {
    let world = Arc::new(World::new(store));
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    for n in 0..20 {
        world.say(&ann, id, &format!("message {n}")).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40_u64 {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            let seq = n * 8 % 21;
            let now = advance(&world, &bob, id, Some(seq), Some(seq / 2))
                .await
                .expect("advanced");
            assert!(now.delivered_seq >= seq && now.seen_seq >= seq / 2);
        });
    }
    tasks.join_all().await;
    let my = world.item(&bob, id).await.my;
    assert_eq!((my.delivered_seq, my.seen_seq), (20, 10));
}
