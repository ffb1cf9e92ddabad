//! Pinned messages.

use super::{Store, World, rev_of};
use crate::{
    Caller, ConversationId, Event, HistoryRange, MessageId, MessageKind, Options, PinError, PolicyChange,
    SettingsWish, SystemEvent, Who,
};
use std::sync::Arc;

async fn pins(world: &World, who: &Caller, id: ConversationId) -> Vec<MessageId> {
    let pins = world.messenger.pins(who, id).await.expect("read");
    assert!(pins.iter().all(|message| message.pinned));
    pins.into_iter().map(|message| message.id).collect()
}

/// With a note when it begins; each change is told, and who does not see the message hears only that.
pub async fn pins_are_for_everybody(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, eve] = world.people(["ann", "bob", "eve"]).await;
    let id = world.direct(&ann, &bob).await;
    let first = world.say(&ann, id, "one").await.message;
    let second = world.say(&bob, id, "two").await.message;
    world.messenger.hide(&bob, &[first.id]).await.expect("hidden");
    world.heard();
    let pin = async |who: &Caller, id: MessageId, pinned| world.messenger.pin(who, id, pinned).await;
    let (pinned, changed) = pin(&ann, first.id, true).await.expect("pinned");
    assert!(changed && pinned.pinned && pinned.rev == second.rev + 1);
    let told = world.heard();
    let revs: Vec<_> = told
        .iter()
        .map(|(users, event)| (users.clone(), rev_of(event).expect("a rev").1))
        .collect();
    let both = vec![ann.user, bob.user];
    let rev = pinned.rev;
    assert_eq!(
        revs,
        [
            (vec![ann.user], rev),
            (vec![bob.user], rev),
            (both.clone(), rev + 1)
        ]
    );
    assert!(matches!(&told[0].1, Event::PinChanged { message, by, .. } if *by == ann.user && message.pinned));
    assert!(matches!(&told[1].1, Event::Noop { .. }));
    let Event::MessageCreated { message: note, .. } = &told[2].1 else {
        panic!("{told:?}")
    };
    let expected = SystemEvent::Pinned {
        message: first.id,
        seq: 1,
    };
    assert_eq!(
        (&note.kind, note.seq, note.author),
        (&MessageKind::System(expected), 3, ann.user)
    );
    assert!(
        !pin(&bob, second.id, true)
            .await
            .expect("pinned")
            .0
            .id
            .eq(&first.id)
    );
    assert!(!pin(&ann, second.id, true).await.expect("pinned already").1);
    assert_eq!(pins(&world, &ann, id).await, [second.id, first.id]);
    assert_eq!(pins(&world, &bob, id).await, [second.id], "the other is hidden");
    assert_eq!(
        world.item(&bob, id).await.unread_count,
        0,
        "notes are never unread"
    );
    assert!(world.messenger.pins(&eve, id).await.is_err());

    world.heard();
    assert!(pin(&bob, second.id, false).await.expect("no longer").1);
    assert!(!pin(&bob, second.id, false).await.expect("no longer").1);
    let told = world.heard();
    assert!(
        matches!(&told[..], [(users, Event::PinChanged { message, .. })]
        if *users == both && !message.pinned),
        "without a note"
    );
    let changes = world.messenger.changes(&ann, id, 0, 50).await.expect("read");
    let last = changes.messages.last().expect("a change");
    assert_eq!(
        (last.id, last.pinned, last.rev),
        (second.id, false, changes.upto_rev)
    );
    world.messenger.delete(&ann, &[first.id]).await.expect("deleted");
    assert_eq!(pins(&world, &ann, id).await, [], "a tombstone is not pinned");
    assert!(matches!(pin(&ann, first.id, true).await, Err(PinError::Deleted)));
    let history = world
        .messenger
        .history(&ann, id, HistoryRange::Newest, None)
        .await
        .expect("read");
    let note = history
        .messages
        .iter()
        .find(|message| message.is_system())
        .expect("a note");
    assert!(matches!(
        pin(&ann, note.id, true).await,
        Err(PinError::NotAllowed)
    ));
    assert!(matches!(
        pin(&eve, second.id, true).await,
        Err(PinError::NotFound)
    ));
}

/// In groups by those whom the policy names, and only so many.
pub async fn pins_have_their_limits(store: Arc<dyn Store>) {
    let options = Options {
        pins_max: 2,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.group(&ann, &[bob]).await;
    let mut messages = Vec::new();
    for words in ["one", "two", "three"] {
        messages.push(world.say(&bob, id, words).await.message.id);
    }
    let refused = world.messenger.pin(&bob, messages[0], true).await;
    assert!(matches!(refused, Err(PinError::NotAllowed)));
    let policies = PolicyChange {
        pin: Some(Who::All),
        ..PolicyChange::default()
    };
    let wish = SettingsWish {
        policies,
        ..SettingsWish::default()
    };
    world
        .messenger
        .update_conversation(&ann, id, wish)
        .await
        .expect("updated");
    for &message in &messages[..2] {
        assert!(world.messenger.pin(&bob, message, true).await.expect("pinned").1);
    }
    let refused = world.messenger.pin(&ann, messages[2], true).await;
    assert!(matches!(refused, Err(PinError::TooMany)));
    world
        .messenger
        .pin(&bob, messages[0], false)
        .await
        .expect("no longer");
    world
        .messenger
        .pin(&ann, messages[2], true)
        .await
        .expect("pinned");
    assert_eq!(pins(&world, &bob, id).await, [messages[2], messages[1]]);
}
