//! Messages that one user does not see: hidden by itself, or said by somebody it blocks.

use super::{Store, World, draft, rev_of};
use crate::{
    AccessError, Advance, Caller, ConversationId, Draft, EditError, Event, HistoryRange, Message, MessageId,
    ReactError, SendError, Timestamp, UserId,
};
use std::sync::Arc;

async fn history(world: &World, who: &Caller, id: ConversationId) -> Vec<Message> {
    let page = world.messenger.history(who, id, HistoryRange::Newest, None);
    page.await.expect("read").messages
}

fn places(messages: &[Message]) -> Vec<(u64, bool, String)> {
    let place = |message: &Message| (message.seq, message.hidden, message.body.clone());
    messages.iter().map(place).collect()
}

async fn seen(world: &World, who: &Caller, id: ConversationId, seq: u64) {
    let wish = Advance {
        conversation: id,
        delivered_seq: None,
        seen_seq: Some(seq),
    };
    let outcome = world.messenger.advance(who, &[wish]).await.remove(0);
    outcome.expect("advanced");
}

/// Its place stays, so that ranges have no hole; others see it and hear nothing.
pub async fn a_message_is_deleted_for_oneself(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, eve] = world.people(["ann", "bob", "eve"]).await;
    let id = world.direct(&ann, &bob).await;
    let first = world.say(&ann, id, "one").await.message;
    let second = world.say(&ann, id, "@bob").await.message;
    let reply = Draft {
        reply_to: Some(second.id),
        ..draft("answer")
    };
    let reply = world.messenger.send(&ann, id, reply).await.expect("sent").message;
    let before = world.item(&bob, id).await;
    assert_eq!((before.unread_count, before.unread_mentions), (3, 1));
    let cursor = world.messenger.sync(&bob, None, None).await.expect("read").cursor;
    world.heard();

    let hide = async |who: &Caller, ids: &[MessageId]| world.messenger.hide(who, ids).await;
    assert!(matches!(
        hide(&eve, &[first.id]).await,
        Err(AccessError::NotFound)
    ));
    assert!(matches!(
        hide(&bob, &[first.id, MessageId(999_999)]).await,
        Err(AccessError::NotFound)
    ));
    assert!(world.heard().is_empty(), "all or none");
    hide(&bob, &[second.id, second.id]).await.expect("hidden");
    let told = world.heard();
    let [
        (
            users,
            Event::MemberStateChanged {
                messages: Some((items, unread)),
                user_rev,
                ..
            },
        ),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(
        (users.as_slice(), items.as_slice()),
        (&[bob.user][..], &[(second.id, 2)][..])
    );
    assert_eq!((unread.messages, unread.mentions), (2, 0));
    hide(&bob, &[second.id]).await.expect("hidden already");
    assert!(world.heard().is_empty());

    let shown = history(&world, &bob, id).await;
    let expected = [
        (1, false, "one".into()),
        (2, true, String::new()),
        (3, false, "answer".into()),
    ];
    assert_eq!(places(&shown), expected);
    assert_eq!(shown[1].mentions, []);
    assert_eq!(
        shown[2].reply_to.as_ref().map(|quote| quote.excerpt.as_str()),
        Some("")
    );
    let changes = world.messenger.changes(&bob, id, 0, 10).await.expect("read");
    assert_eq!(places(&changes.messages), expected);
    assert!(world.messenger.message(&bob, second.id).await.is_err());
    assert_eq!(
        history(&world, &ann, id).await,
        [first.clone(), second.clone(), reply.clone()]
    );
    let item = world.item(&bob, id).await;
    assert_eq!((item.unread_count, item.unread_mentions), (2, 0));
    assert_eq!(
        item.conversation.last_rev, before.conversation.last_rev,
        "nothing happened to it"
    );

    // Another device that heard nothing learns of it by synchronising.
    let page = world
        .messenger
        .sync(&bob, Some(&cursor), None)
        .await
        .expect("read");
    let hidden: Vec<_> = page
        .hidden
        .iter()
        .map(|place| (place.conversation, place.seq))
        .collect();
    assert_eq!((hidden, page.me.account.user_rev), (vec![(id, 2)], *user_rev));
    assert_eq!(page.items.len(), 1);
    let page = world
        .messenger
        .sync(&bob, Some(&page.cursor), None)
        .await
        .expect("read");
    assert!(page.hidden.is_empty() && page.items.is_empty());

    // The last one gone, the one before is the last in the list.
    hide(&bob, &[reply.id]).await.expect("hidden");
    let last = world.item(&bob, id).await.last_message.expect("a message");
    assert_eq!(last.id, first.id);
    assert_eq!(
        world.item(&ann, id).await.last_message.expect("a message").id,
        reply.id
    );
}

/// Of its changes one hears only that there was one, and cannot answer, edit or react to it.
pub async fn what_is_hidden_cannot_be_reached(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let message = world.say(&ann, id, "secret").await.message;
    let own = world.say(&bob, id, "mine").await.message;
    world
        .messenger
        .hide(&bob, &[message.id, own.id])
        .await
        .expect("hidden");
    world.heard();
    world
        .messenger
        .edit(&ann, message.id, "another", None)
        .await
        .expect("edited");
    world
        .messenger
        .react(&cat, message.id, "👍", true)
        .await
        .expect("taken");
    let quoting = Draft {
        reply_to: Some(message.id),
        ..draft("look")
    };
    let quoting = world.messenger.send(&cat, id, quoting).await.expect("sent");
    world
        .messenger
        .delete(&ann, &[message.id, own.id])
        .await
        .expect("deleted");
    let mut revs: Vec<Vec<u64>> = vec![Vec::new(); 3];
    for (users, event) in world.heard() {
        let Some((_, rev)) = rev_of(&event) else { continue };
        for (index, who) in [ann, bob, cat].iter().enumerate() {
            if users.contains(&who.user) {
                revs[index].push(rev);
                let text = format!("{event:?}");
                assert!(
                    who.user != bob.user || !(text.contains("secret") || text.contains("another")),
                    "{text}"
                );
            }
        }
    }
    let first = own.rev + 1;
    assert_eq!(
        revs,
        vec![(first..first + 4).collect::<Vec<u64>>(); 3],
        "each hears of each once"
    );
    let again = quoting.message;
    assert_eq!(again.seq, own.seq + 1);

    for id in [message.id, own.id] {
        assert!(matches!(
            world.messenger.edit(&bob, id, "x", None).await,
            Err(EditError::NotFound)
        ));
        assert!(matches!(
            world.messenger.react(&bob, id, "👍", true).await,
            Err(ReactError::NotFound)
        ));
        assert!(world.messenger.versions(&bob, id).await.is_err());
    }
    let answer = Draft {
        reply_to: Some(own.id),
        ..draft("answer")
    };
    let refused = world.messenger.send(&bob, id, answer).await;
    assert!(matches!(refused, Err(SendError::ReplyTargetInvalid)));
}

/// They are stored and stay as if they had never arrived, also when the block is lifted; the sender cannot tell.
pub async fn words_of_the_blocked_do_not_arrive(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    let early = world.say(&ann, id, "early").await.message;
    seen(&world, &bob, id, 1).await;
    world.say(&ann, id, "before").await;
    world
        .messenger
        .set_block(&bob, ann.user, true)
        .await
        .expect("blocked");
    let unread = async |who: &Caller| world.item(who, id).await.unread_count;
    assert_eq!(unread(&bob).await, 0, "of somebody blocked nothing is unread");
    world.heard();

    let words = draft("blocked words");
    let sent = world
        .messenger
        .send(&ann, id, words.clone())
        .await
        .expect("sent")
        .message;
    assert!(!sent.receipts);
    let told = world.heard();
    let created: Vec<&[UserId]> = told
        .iter()
        .filter(|(_, event)| matches!(event, Event::MessageCreated { .. }))
        .map(|(users, _)| users.as_slice())
        .collect();
    let noops: Vec<&[UserId]> = told
        .iter()
        .filter(|(_, event)| matches!(event, Event::Noop { rev, .. } if *rev == sent.rev))
        .map(|(users, _)| users.as_slice())
        .collect();
    assert_eq!((created, noops), (vec![&[ann.user][..]], vec![&[bob.user][..]]));
    world.messenger.send(&ann, id, words).await.expect("sent again");
    assert!(
        world
            .heard()
            .iter()
            .all(|(users, event)| !users.contains(&bob.user) || matches!(event, Event::Noop { .. }))
    );

    // The blocker's receipts go to nobody else, and what the other is shown of them stays as it was.
    seen(&world, &bob, id, 3).await;
    world.say(&bob, id, "by the way").await;
    let told = world.heard();
    assert!(
        told.iter()
            .all(|(_, event)| !matches!(event, Event::WatermarksMoved(_)))
    );
    let shown = async || {
        let item = world.item(&ann, id).await;
        let others = item.others;
        let bobs = item
            .members
            .into_iter()
            .find(|member| member.account.id == bob.user);
        (others, bobs.map(|member| (member.delivered_seq, member.seen_seq)))
    };
    assert_eq!(shown().await, (Some((1, Some(1))), Some((1, Some(1)))));
    let changes = world.messenger.changes(&ann, id, 999, 10).await.expect("read");
    let members = changes.members.expect("members");
    assert!(
        members
            .iter()
            .any(|member| member.account.id == bob.user && member.seen_seq == Some(1))
    );

    world
        .messenger
        .set_block(&bob, ann.user, false)
        .await
        .expect("lifted");
    let places = places(&history(&world, &bob, id).await);
    assert_eq!(places[2], (3, true, String::new()));
    assert_eq!(history(&world, &ann, id).await[2].body, "blocked words");
    assert_eq!(unread(&bob).await, 0);
    assert_eq!(shown().await.0, Some((4, Some(4))));
    let after = world.say(&ann, id, "after").await.message;
    assert!(
        after.receipts
            && world
                .heard()
                .iter()
                .any(|(users, event)| users.contains(&bob.user)
                    && matches!(event, Event::MessageCreated { message, .. } if message.id == after.id))
    );
    assert_eq!(unread(&bob).await, 1);
    assert!(early.receipts);
}

/// A conversation that was taken from the list does not come back for words of somebody blocked.
pub async fn the_blocked_do_not_bring_a_conversation_back(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    world.say(&ann, id, "before").await;
    world
        .messenger
        .set_block(&bob, ann.user, true)
        .await
        .expect("blocked");
    world
        .messenger
        .delete_conversation(&bob, id)
        .await
        .expect("hidden");
    for n in 0..3 {
        world.say(&ann, id, &format!("blocked {n}")).await;
    }
    let list = world
        .messenger
        .conversations(&bob, None, None, None)
        .await
        .expect("read");
    assert!(list.items.is_empty());
    world
        .messenger
        .set_block(&bob, ann.user, false)
        .await
        .expect("lifted");
    world.say(&ann, id, "after").await;
    let list = world
        .messenger
        .conversations(&bob, None, None, None)
        .await
        .expect("read");
    assert_eq!(list.items.len(), 1);
}

/// Nor does it move in the blocker's list, by whichever way that is read; words that arrive move it.
pub async fn the_blocked_do_not_move_a_conversation(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let (anns, cats) = (world.direct(&ann, &bob).await, world.direct(&cat, &bob).await);
    let before = world.say(&ann, anns, "before").await.message;
    tick(before.created_at);
    let later = world.say(&cat, cats, "later").await.message;
    tick(later.created_at);
    world
        .messenger
        .set_block(&bob, ann.user, true)
        .await
        .expect("blocked");
    let order = async || {
        let list = world
            .messenger
            .conversations(&bob, None, None, None)
            .await
            .expect("read");
        let first = world
            .messenger
            .conversations(&bob, None, None, Some(1))
            .await
            .expect("read");
        let rest = world
            .messenger
            .conversations(&bob, None, first.next_cursor.as_deref(), Some(1))
            .await
            .expect("read");
        let synced = world.messenger.sync(&bob, None, None).await.expect("read");
        let paged = [first.items, rest.items].concat();
        let ids =
            |items: &[crate::ListItem]| items.iter().map(|item| item.conversation.id).collect::<Vec<_>>();
        assert_eq!(ids(&paged), ids(&list.items));
        assert_eq!(ids(&synced.items), ids(&list.items));
        ids(&list.items)
    };
    for n in 0..3 {
        world.say(&ann, anns, &format!("blocked {n}")).await;
        assert_eq!(order().await, [cats, anns]);
    }
    let activity = async |who: &Caller| {
        let item = world.item(who, anns).await.conversation.last_activity_at;
        let changes = world.messenger.changes(who, anns, 0, 10).await.expect("read");
        assert_eq!(changes.conversation.expect("changed").last_activity_at, item);
        item
    };
    assert_eq!(activity(&bob).await, before.created_at);
    assert!(activity(&ann).await > later.created_at, "its author sees it move");

    // The blocker's own words bring it up, and what is kept back afterwards leaves it there.
    let own = world.say(&bob, anns, "mine").await.message;
    assert_eq!(order().await, [anns, cats]);
    tick(own.created_at);
    world.say(&ann, anns, "blocked again").await;
    assert_eq!(activity(&bob).await, own.created_at);
    world
        .messenger
        .set_block(&bob, ann.user, false)
        .await
        .expect("lifted");
    assert_eq!(
        activity(&bob).await,
        own.created_at,
        "what was kept back stays so"
    );
    let after = world.say(&ann, anns, "after").await.message;
    assert_eq!(activity(&bob).await, after.created_at);
}

/// Returns once it is later than that.
fn tick(than: Timestamp) {
    while Timestamp::now() <= than {
        std::thread::yield_now();
    }
}
