//! Watermarks and what is unread.

use super::{Dice, Store, World, draft};
use crate::{
    Advance, AdvanceError, Caller, ConversationId, Draft, Event, HistoryRange, Message, MessageStatus, Moved,
    MyStateWish, PrivacyChange, Timestamp, ToldReceipt, UserId, Watermarks,
};
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
            } => Some((users, delivered_seq, seen_seq, Some(unread))),
            Event::WatermarksMoved(Moved { to, .. }) => Some((users, to.0, to.1, None)),
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
        (5, 5, Some((5, Some(5))))
    );
    let bobs = item
        .members
        .iter()
        .find(|member| member.account.id == bob.user)
        .expect("a member");
    assert_eq!((bobs.delivered_seq, bobs.seen_seq), (5, Some(5)));
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

/// Sees up to there.
async fn see(world: &World, who: &Caller, conversation: ConversationId, seq: u64) {
    advance(world, who, conversation, None, Some(seq))
        .await
        .expect("advanced");
}

/// How far a message of the reader's own has come.
async fn state(world: &World, who: &Caller, message: &Message) -> Option<MessageStatus> {
    let read = world.messenger.message(who, message.id).await.expect("read");
    let page = world
        .messenger
        .history(who, message.conversation, HistoryRange::Around(message.seq), None)
        .await
        .expect("read");
    let listed = page.messages.iter().find(|listed| listed.id == message.id);
    assert_eq!(listed.expect("listed").status, read.status);
    read.status
}

async fn share(world: &World, who: &Caller, read_receipts: bool) {
    let change = PrivacyChange {
        read_receipts: Some(read_receipts),
        ..PrivacyChange::default()
    };
    world
        .messenger
        .change_privacy(who, change)
        .await
        .expect("changed");
}

/// Of one's own messages in a group: all have to have it, who comes later does not count, nor who has gone.
pub async fn states_follow_the_watermarks(store: Arc<dyn Store>) {
    use MessageStatus::{Delivered, Seen, Sent};
    let world = World::new(store);
    let [ann, bob, cat, dan] = world.people(["ann", "bob", "cat", "dan"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let sent = world.say(&ann, id, "one").await.message;
    assert_eq!(sent.status, Some(Sent));
    let state = async || state(&world, &ann, &sent).await;
    assert_eq!(state().await, Some(Sent));
    advance(&world, &bob, id, Some(sent.seq), None)
        .await
        .expect("advanced");
    assert_eq!(state().await, Some(Sent));
    advance(&world, &cat, id, Some(sent.seq), None)
        .await
        .expect("advanced");
    assert_eq!(state().await, Some(Delivered));
    see(&world, &bob, id, sent.seq).await;
    assert_eq!(state().await, Some(Delivered));
    world
        .messenger
        .add_members(&ann, id, &[dan.user])
        .await
        .expect("added");
    assert_eq!(state().await, Some(Delivered));
    let later = world.say(&ann, id, "two").await.message;
    world.messenger.leave(&cat, id).await.expect("left");
    assert_eq!(state().await, Some(Seen), "who has gone does not count");
    see(&world, &bob, id, later.seq).await;
    let of_later = world
        .messenger
        .message(&ann, later.id)
        .await
        .expect("read")
        .status;
    assert_eq!(of_later, Some(Sent), "dan has not got it");

    // Nobody else is told, and of notes and tombstones nothing.
    assert_eq!(
        world.messenger.message(&bob, sent.id).await.expect("read").status,
        None
    );
    world.messenger.delete(&ann, &[sent.id]).await.expect("deleted");
    let page = world
        .messenger
        .history(&ann, id, HistoryRange::Newest, None)
        .await;
    let page = page.expect("read").messages;
    assert!(
        page.iter()
            .all(|message| message.status.is_some() == (message.id == later.id))
    );

    let again = world
        .messenger
        .send(&ann, id, draft("three"))
        .await
        .expect("sent");
    assert_eq!(again.message.status, Some(Sent));
    let notes = world.messenger.open_direct(&ann, ann.user).await.expect("opened");
    let notes = notes.item.conversation.id;
    let note = world.say(&ann, notes, "milk").await.message;
    assert_eq!(
        world.messenger.message(&ann, note.id).await.expect("read").status,
        Some(Sent)
    );
}

/// What is seen is shared by two who both share it, in direct conversations and groups, and at once.
pub async fn who_hides_what_it_has_seen_sees_nothing_of_others(store: Arc<dyn Store>) {
    use MessageStatus::{Delivered, Seen};
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let direct = world.direct(&ann, &bob).await;
    let group = world.group(&ann, &[bob, cat]).await;
    let (one, two) = (
        world.say(&ann, direct, "one").await.message,
        world.say(&ann, group, "two").await.message,
    );
    let bobs = world.say(&bob, direct, "three").await.message;
    see(&world, &ann, direct, bobs.seq).await;
    see(&world, &bob, group, two.seq).await;
    advance(&world, &cat, group, Some(two.seq), None)
        .await
        .expect("advanced");
    let shown = async |viewer: &Caller, id: ConversationId, of: &Caller| {
        let item = world.item(viewer, id).await;
        let listed = world.messenger.members(viewer, id, None, None, None).await;
        let changes = world.messenger.changes(viewer, id, 999, 10).await.expect("read");
        let seen = [
            item.members,
            listed.expect("read").items,
            changes.members.expect("members"),
        ]
        .map(|members| {
            let member = members.iter().find(|member| member.account.id == of.user);
            member.expect("a member").seen_seq
        });
        assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
        (seen[0], item.others.and_then(|(_, seen)| seen))
    };
    assert_eq!(shown(&ann, direct, &bob).await, (Some(2), Some(2)));
    assert_eq!(state(&world, &ann, &one).await, Some(Seen));
    assert_eq!(state(&world, &ann, &two).await, Some(Delivered));

    world.heard();
    share(&world, &cat, false).await;
    let switched = |(users, event): &(Vec<UserId>, Event)| {
        *users == [cat.user] && matches!(event, Event::ReceiptsSwitched { user } if *user == cat.user)
    };
    assert!(world.heard().iter().any(switched));
    let peers = world.messenger.receipt_peers(cat.user).await.expect("read");
    assert_eq!(peers, [ann.user, bob.user, cat.user]);
    // Cat has no say any more.
    assert_eq!(state(&world, &ann, &two).await, Some(Seen));
    assert_eq!(shown(&ann, group, &cat).await, (None, Some(two.seq)));
    assert_eq!(shown(&cat, group, &bob).await, (None, None));
    assert_eq!(
        shown(&cat, group, &cat).await,
        (Some(1), None),
        "one's own is one's own"
    );

    share(&world, &bob, false).await;
    assert_eq!(state(&world, &ann, &one).await, Some(Delivered));
    assert_eq!(state(&world, &ann, &two).await, Some(Delivered));
    assert_eq!(shown(&ann, direct, &bob).await, (None, None));
    assert_eq!(shown(&bob, direct, &ann).await, (None, None));
    assert_eq!(
        state(&world, &bob, &bobs).await,
        Some(Delivered),
        "neither the other way round"
    );
    let item = world.item(&ann, direct).await;
    assert_eq!(item.others, Some((2, None)), "what has arrived is always shared");
    let arrivals = world
        .messenger
        .arrivals(&ann, two.id, None, None)
        .await
        .expect("read");
    let seen: Vec<_> = arrivals
        .items
        .iter()
        .map(|one| (one.delivered, one.seen, one.seen_at))
        .collect();
    assert_eq!(seen, [(true, None, None), (true, None, None)]);

    // Unread goes on as before, and with the switch all comes back.
    assert_eq!(world.item(&cat, group).await.unread_count, 1);
    see(&world, &cat, group, two.seq).await;
    assert_eq!(world.item(&cat, group).await.unread_count, 0);
    for who in [&bob, &cat] {
        share(&world, who, true).await;
    }
    assert_eq!(state(&world, &ann, &one).await, Some(Seen));
    assert_eq!(state(&world, &ann, &two).await, Some(Seen));
    assert_eq!(state(&world, &bob, &bobs).await, Some(Seen));
}

/// For the author only: everybody the message is for, and when, where that is kept.
pub async fn authors_learn_who_has_seen_what_and_when(store: Arc<dyn Store>) {
    use crate::ArrivalsError;
    let options = crate::Options {
        receipt_times_members_max: 3,
        ..crate::Options::default()
    };
    let world = World::with_options(store, options);
    let [ann, bob, cat, dan] = world.people(["ann", "bob", "cat", "dan"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let start = Timestamp::now();
    let one = world.say(&ann, id, "one").await.message;
    let arrivals = async |message: &Message| {
        let page = world.messenger.arrivals(&ann, message.id, None, None).await;
        let items = page.expect("read").items.into_iter();
        items.collect::<Vec<_>>()
    };
    let flags = async |message: &Message| {
        let items = arrivals(message).await.into_iter();
        items
            .map(|one| (one.account.id, one.delivered, one.seen))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        flags(&one).await,
        [(bob.user, false, Some(false)), (cat.user, false, Some(false))]
    );
    advance(&world, &bob, id, Some(one.seq), None)
        .await
        .expect("advanced");
    see(&world, &bob, id, one.seq).await;
    // Cat answers at once, which passes what was said before.
    let answer = world.say(&cat, id, "two").await.message;
    assert_eq!(
        flags(&one).await,
        [(bob.user, true, Some(true)), (cat.user, true, Some(true))]
    );
    let times = |arrivals: Vec<crate::Arrival>| {
        let times = arrivals.into_iter().map(|one| (one.delivered_at, one.seen_at));
        times.collect::<Vec<_>>()
    };
    let known = times(arrivals(&one).await);
    for (delivered_at, seen_at) in &known {
        assert!(
            *delivered_at >= Some(start) && *seen_at >= *delivered_at,
            "{known:?}"
        );
    }
    see(&world, &bob, id, answer.seq).await;
    assert_eq!(
        times(arrivals(&one).await),
        known,
        "what comes later changes nothing"
    );

    // While there are too many no times are kept or told; what was passed then has none afterwards.
    world
        .messenger
        .add_members(&ann, id, &[dan.user])
        .await
        .expect("added");
    assert_eq!(times(arrivals(&one).await), [(None, None); 2]);
    let three = world.say(&ann, id, "three").await.message;
    see(&world, &bob, id, three.seq).await;
    let untimed = arrivals(&three).await;
    assert_eq!(untimed.len(), 3);
    assert_eq!((untimed[0].seen, untimed[0].seen_at), (Some(true), None));
    world.messenger.leave(&dan, id).await.expect("left");
    let four = world.say(&ann, id, "four").await.message;
    see(&world, &bob, id, four.seq).await;
    assert_eq!(times(arrivals(&one).await), known);
    assert_eq!(arrivals(&three).await[0].seen_at, None);
    assert!(arrivals(&four).await[0].seen_at.is_some());

    // In pages.
    let page = world
        .messenger
        .arrivals(&ann, one.id, None, Some(1))
        .await
        .expect("read");
    let cursor = page.next_cursor.expect("there is more");
    let rest = world
        .messenger
        .arrivals(&ann, one.id, Some(&cursor), Some(1))
        .await
        .expect("read");
    assert_eq!(
        (page.items[0].account.id, rest.items[0].account.id),
        (bob.user, cat.user)
    );
    assert_eq!(rest.next_cursor, None);

    let refused = async |who: &Caller, message: &Message| {
        let outcome = world.messenger.arrivals(who, message.id, None, None).await;
        outcome.expect_err("refused")
    };
    let [eve] = world.people(["eve"]).await;
    assert!(matches!(refused(&bob, &one).await, ArrivalsError::NotAuthor));
    assert!(matches!(refused(&eve, &one).await, ArrivalsError::NotFound));
    world.messenger.leave(&cat, id).await.expect("left");
    assert!(matches!(refused(&cat, &answer).await, ArrivalsError::NotAMember));

    // After a month nobody knows.
    world
        .messenger
        .forget_receipt_times(Timestamp::now())
        .await
        .expect("swept");
    assert!(arrivals(&one).await[0].seen_at.is_some());
    let month_ms = 31 * 24 * 60 * 60 * 1_000;
    let later = Timestamp(Timestamp::now().0 + month_ms);
    world.messenger.forget_receipt_times(later).await.expect("swept");
    assert_eq!(arrivals(&one).await[0].seen, Some(true));
    assert_eq!(arrivals(&one).await[0].seen_at, None);
}

/// Authors of what was passed, and each only what may be shared with it.
pub async fn receipts_are_for_those_who_draw_ticks(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat, dan] = world.people(["ann", "bob", "cat", "dan"]).await;
    let id = world.group(&ann, &[bob, cat, dan]).await;
    let all = [ann.user, bob.user, cat.user];
    let one = world.say(&ann, id, "one").await.message.seq;
    let two = world.say(&bob, id, "two").await.message.seq;
    world.say(&cat, id, "three").await;
    let moved = |to: (u64, u64)| Moved {
        conversation: id,
        user: dan.user,
        thread_root: None,
        from: (one - 1, one - 1),
        to,
    };
    let told = async |moved: Moved| {
        let told = world
            .messenger
            .receipts_for(id, &[moved], &all)
            .await
            .expect("read");
        let told = told.into_iter().map(|(users, receipts)| {
            let seen: Vec<_> = receipts
                .iter()
                .map(|one: &ToldReceipt| (one.delivered_seq, one.seen_seq))
                .collect();
            (users, seen)
        });
        told.collect::<Vec<_>>()
    };
    let shared = |delivered, seen| vec![(delivered, seen)];
    assert_eq!(
        told(moved((one, one))).await,
        [(vec![ann.user], shared(one, Some(one)))]
    );
    assert_eq!(
        told(moved((two, one))).await,
        [(vec![ann.user, bob.user], shared(two, Some(one)))]
    );
    share(&world, &bob, false).await;
    assert_eq!(
        told(moved((two, two))).await,
        [
            (vec![ann.user], shared(two, Some(two))),
            (vec![bob.user], shared(two, None))
        ]
    );
    share(&world, &dan, false).await;
    assert_eq!(
        told(moved((two, two))).await,
        [
            (vec![ann.user], shared(two, None)),
            (vec![bob.user], shared(two, None))
        ]
    );
    let own = world
        .messenger
        .receipts_for(
            id,
            &[
                moved((two, two)),
                Moved {
                    user: ann.user,
                    ..moved((two, two))
                },
            ],
            &all,
        )
        .await
        .expect("read");
    let (_, to_ann) = own
        .iter()
        .find(|(users, _)| users.contains(&ann.user))
        .expect("told");
    assert!(
        to_ann.iter().all(|one| one.user == dan.user),
        "nobody is told of itself"
    );
    let only_seen = Moved {
        from: (two, one - 1),
        ..moved((two, two))
    };
    assert_eq!(told(only_seen).await, [], "there is nothing in it for anybody");
}

/// Whatever comes doubled, late or not in order: the state is that of the highest.
pub async fn receipts_merge_in_any_order(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann] = world.people(["ann"]).await;
    for seed in 0..5 {
        let mut dice = Dice::new(seed);
        let eve = world.person(&format!("eve{seed}")).await;
        let room = world.group(&ann, &[eve]).await;
        let mut said = Vec::new();
        for n in 0..8 {
            said.push(world.say(&ann, room, &format!("message {n}")).await.message);
        }
        let last = said[7].seq;
        let mut wishes: Vec<(u64, u64)> = (0..12)
            .map(|_| {
                (
                    dice.below(last as usize + 1) as u64,
                    dice.below(last as usize + 1) as u64,
                )
            })
            .collect();
        let (most_delivered, most_seen) = wishes.iter().fold((0, 0), |most, wish| {
            (most.0.max(wish.0).max(wish.1), most.1.max(wish.1))
        });
        for turn in 0..wishes.len() {
            wishes.rotate_left(turn);
            for &(delivered, seen) in &wishes {
                advance(&world, &eve, room, Some(delivered), Some(seen))
                    .await
                    .expect("advanced");
            }
            let my = world.item(&eve, room).await.my;
            // Whoever joined had nothing to read.
            assert_eq!(
                (my.delivered_seq, my.seen_seq),
                (most_delivered.max(1), most_seen.max(1))
            );
        }
        for message in &said {
            let expected = match message.seq {
                seq if seq <= most_seen => MessageStatus::Seen,
                seq if seq <= most_delivered => MessageStatus::Delivered,
                _ => MessageStatus::Sent,
            };
            assert_eq!(state(&world, &ann, message).await, Some(expected));
        }
    }
}

/// What is muted or in the archive is left out, but for mentions in what is muted.
pub async fn all_that_is_unread_adds_up(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let (direct, group, other) = (
        world.direct(&ann, &bob).await,
        world.group(&ann, &[bob, cat]).await,
        world.direct(&cat, &bob).await,
    );
    let total = async || world.messenger.total_unread(bob.user).await.expect("counted");
    assert_eq!(total().await, 0);
    world.say(&ann, direct, "one").await;
    world.say(&ann, group, "two").await;
    world.say(&ann, group, "three @bob").await;
    world.say(&cat, other, "four").await;
    assert_eq!(total().await, 4);
    let set = async |id, wish| {
        world.messenger.set_my_state(&bob, id, wish).await.expect("set");
    };
    let muted = |until: i64| MyStateWish {
        muted_until: Some(Some(Timestamp(Timestamp::now().0 + until))),
        ..MyStateWish::default()
    };
    set(group, muted(60_000)).await;
    assert_eq!(total().await, 3);
    let archived = MyStateWish {
        archived: Some(true),
        ..MyStateWish::default()
    };
    set(other, archived).await;
    assert_eq!(total().await, 2);
    let spoken = world.item(&bob, group).await.conversation.last_seq;
    see(&world, &bob, group, spoken).await;
    assert_eq!(total().await, 1);
    see(&world, &bob, direct, 1).await;
    assert_eq!(total().await, 0);
}
