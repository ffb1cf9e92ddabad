//! Forwarded messages.

use super::{Store, World, of_others, rev_of};
use crate::{
    ConversationId, EditError, Event, ForwardError, HistoryRange, MessageId, PolicyChange, SettingsWish, Who,
};
use std::sync::Arc;

/// In their order, all or none, under the first one's name; they name nobody, quote nothing and are not edited.
pub async fn what_was_said_is_said_again_elsewhere(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let from = world.group(&ann, &[bob]).await;
    let first = world.say(&bob, from, "@ann one").await.message;
    let second = world.say(&ann, from, "two").await.message;
    let (own, direct) = (world.direct(&ann, &ann).await, world.direct(&ann, &cat).await);
    world.say(&cat, direct, "before").await;
    world.heard();
    let forward = async |messages: &[MessageId], to: &[ConversationId]| {
        world.messenger.forward(&ann, messages, to).await
    };
    let copies = forward(&[second.id, first.id, second.id], &[own, direct, own])
        .await
        .expect("forwarded");
    let shown: Vec<_> = copies
        .iter()
        .map(|copy| {
            (
                copy.conversation,
                copy.seq,
                copy.body.as_str(),
                copy.forwarded_from.as_deref(),
            )
        })
        .collect();
    let expected = [
        (own, 1, "two", Some("ann")),
        (own, 2, "@ann one", Some("bob")),
        (direct, 2, "two", Some("ann")),
        (direct, 3, "@ann one", Some("bob")),
    ];
    assert_eq!(shown, expected);
    assert!(
        copies
            .iter()
            .all(|copy| copy.author == ann.user && copy.mentions.is_empty())
    );
    let told = world.heard();
    let told: Vec<_> = told
        .iter()
        .map(|(users, event)| (users.len(), rev_of(event)))
        .collect();
    let expected = [(1, own, 1), (1, own, 2), (2, direct, 2), (2, direct, 3)];
    assert_eq!(told, expected.map(|(users, id, rev)| (users, Some((id, rev)))));
    let history = world
        .messenger
        .history(&cat, direct, HistoryRange::Newest, None)
        .await
        .expect("read");
    let copies: Vec<_> = copies.iter().map(of_others).collect();
    assert_eq!(history.messages[1..], copies[2..]);
    assert_eq!(
        world.item(&ann, direct).await.unread_count,
        1,
        "forwarding is not reading"
    );
    assert_eq!(world.item(&cat, direct).await.unread_count, 2);

    let again = world
        .messenger
        .forward(&cat, &[copies[3].id], &[direct])
        .await
        .expect("forwarded");
    assert_eq!(
        again[0].forwarded_from.as_deref(),
        Some("bob"),
        "the first one's name stays"
    );
    let edited = world.messenger.edit(&ann, copies[0].id, "another", None).await;
    assert!(matches!(edited, Err(EditError::NotEditable)));
}

/// Of messages that cannot be said again and to places where one cannot speak; nothing is stored then.
pub async fn forwarding_has_its_refusals(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let from = world.group(&ann, &[bob]).await;
    let message = world.say(&ann, from, "one").await.message;
    let deleted = world.say(&ann, from, "two").await.message;
    world
        .messenger
        .delete(&ann, &[deleted.id])
        .await
        .expect("deleted");
    let hidden = world.say(&ann, from, "three").await.message;
    world.messenger.hide(&bob, &[hidden.id]).await.expect("hidden");
    let notes = world
        .messenger
        .history(&ann, from, HistoryRange::After(0), Some(1))
        .await
        .expect("read");
    let note = notes.messages[0].id;
    let to = world.direct(&bob, &cat).await;
    let quiet = world.group(&ann, &[bob]).await;
    let policies = PolicyChange {
        post: Some(Who::Admins),
        ..PolicyChange::default()
    };
    let wish = SettingsWish {
        policies,
        ..SettingsWish::default()
    };
    world
        .messenger
        .update_conversation(&ann, quiet, wish)
        .await
        .expect("updated");
    let left = world.group(&ann, &[bob]).await;
    world.messenger.leave(&bob, left).await.expect("left");
    let foreign = world.direct(&ann, &cat).await;
    world.heard();

    let forward = async |messages: &[MessageId], to: &[ConversationId]| {
        let refused = world.messenger.forward(&bob, messages, to).await;
        refused.expect_err("refused")
    };
    let fine = message.id;
    assert!(matches!(
        forward(&[fine, deleted.id], &[to]).await,
        ForwardError::Deleted
    ));
    assert!(matches!(
        forward(&[fine, note], &[to]).await,
        ForwardError::NotForwardable
    ));
    assert!(matches!(
        forward(&[fine, hidden.id], &[to]).await,
        ForwardError::NotFound
    ));
    assert!(matches!(
        forward(&[MessageId(999_999)], &[to]).await,
        ForwardError::NotFound
    ));
    assert!(matches!(
        forward(&[fine], &[to, foreign]).await,
        ForwardError::NotFound
    ));
    assert!(matches!(
        forward(&[fine], &[to, left]).await,
        ForwardError::NotAMember
    ));
    assert!(matches!(
        forward(&[fine], &[to, quiet]).await,
        ForwardError::PostingRestricted
    ));
    assert!(matches!(forward(&[], &[to]).await, ForwardError::MessagesInvalid));
    let many: Vec<MessageId> = (1..=21).map(MessageId).collect();
    assert!(matches!(
        forward(&many, &[to]).await,
        ForwardError::MessagesInvalid
    ));
    assert!(matches!(
        forward(&[fine], &[]).await,
        ForwardError::TargetsInvalid
    ));
    let told = world.heard();
    assert!(
        !told
            .iter()
            .any(|(_, event)| matches!(event, Event::MessageCreated { .. })),
        "{told:?}"
    );
    assert!(world.item(&cat, to).await.last_message.is_none());
}
