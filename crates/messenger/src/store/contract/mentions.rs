//! Names in messages, and what is unread of them.

use super::{Store, World, draft};
use crate::{
    Advance, Caller, ConversationId, Draft, Event, Mention, MessageId, Options, PolicyChange, SettingsWish,
    UserId,
};
use std::sync::Arc;

fn of(user: &Caller, offset: u32, length: u32) -> Mention {
    Mention {
        user: Some(user.user),
        offset,
        length,
    }
}

fn all(offset: u32) -> Mention {
    Mention {
        user: None,
        offset,
        length: 4,
    }
}

async fn mentions(world: &World, who: &Caller, id: ConversationId, words: &str) -> Vec<Mention> {
    world.say(who, id, words).await.message.mentions
}

async fn read(world: &World, who: &Caller, id: MessageId) -> Vec<Mention> {
    world.messenger.message(who, id).await.expect("found").mentions
}

/// At send and at edit, wherever the message is shown; names of others stay plain text, and so do kept versions'.
pub async fn names_of_members_are_mentions(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, eve] = world.people(["ann", "bob.by", "eve"]).await;
    let id = world.group(&ann, &[bob]).await;
    let versions = SettingsWish {
        policies: PolicyChange {
            edit_history: Some(crate::EditHistory::Members),
            ..PolicyChange::default()
        },
        ..SettingsWish::default()
    };
    world
        .messenger
        .update_conversation(&ann, id, versions)
        .await
        .expect("updated");
    world.heard();
    let sent = world
        .say(&ann, id, "🙂 see @Bob.By. and @eve, @ann")
        .await
        .message;
    let expected = [of(&bob, 7, 7), of(&ann, 26, 4)];
    assert_eq!(sent.mentions, expected, "eve is no member");
    let told = world.heard();
    assert!(matches!(&told[0].1, Event::MessageCreated { message, .. } if message.mentions == expected));
    assert_eq!(read(&world, &bob, sent.id).await, expected);
    let changes = world.messenger.changes(&bob, id, sent.rev - 1, 10).await;
    assert_eq!(changes.expect("read").messages[0].mentions, expected);

    let edited = world.messenger.edit(&ann, sent.id, "only @ann", None).await;
    assert_eq!(edited.expect("edited").mentions, [of(&ann, 5, 4)]);
    assert_eq!(read(&world, &bob, sent.id).await, [of(&ann, 5, 4)]);
    let kept = world.messenger.versions(&bob, sent.id).await.expect("shown");
    assert_eq!(kept[0].mentions, expected);

    world
        .messenger
        .remove_member(&ann, id, bob.user, false)
        .await
        .expect("removed");
    assert_eq!(
        mentions(&world, &ann, id, "@bob.by").await,
        [],
        "a member no more"
    );
    let direct = world.direct(&ann, &eve).await;
    assert_eq!(
        mentions(&world, &ann, direct, "@eve @all").await,
        [of(&eve, 0, 4)],
        "there is no all of two"
    );
}

/// It is news only for those whom the message did not name before, and who see it.
pub async fn an_edit_tells_whom_it_newly_names(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat, dan] = world.people(["ann", "bob", "cat", "dan"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let sent = world.say(&ann, id, "@bob").await.message;
    world
        .messenger
        .add_members(&ann, id, &[dan.user])
        .await
        .expect("added");
    for (words, expected) in [
        ("@bob, come", vec![]),
        ("come", vec![]),
        ("@cat @ann come", vec![ann.user, cat.user]),
        ("@ann @cat @dan come", vec![dan.user]),
        ("@all come, @dan", vec![bob.user]),
        ("come @all", vec![]),
        ("come @bob", vec![]),
    ] {
        world.heard();
        let edited = world.messenger.edit(&ann, sent.id, words, None).await;
        edited.expect("edited");
        let told = world.heard();
        let [(_, Event::MessageUpdated { named, .. })] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(*named, expected, "{words}");
    }
}

/// In small groups by each member, in larger ones by those who run them.
pub async fn everybody_is_named_by_those_who_may(store: Arc<dyn Store>) {
    let options = Options {
        mention_all_members_max: 2,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let small = world.group(&ann, &[bob]).await;
    assert_eq!(mentions(&world, &bob, small, "hey @all").await, [all(4)]);
    let large = world.group(&ann, &[bob, cat]).await;
    assert_eq!(mentions(&world, &bob, large, "hey @all").await, []);
    assert_eq!(mentions(&world, &ann, large, "hey @ALL").await, [all(4)]);
    let unread = world.item(&cat, large).await;
    assert_eq!((unread.unread_count, unread.unread_mentions), (2, 1));
}

/// Counted once per message, until it is seen, deleted or edited away.
pub async fn mentions_are_unread_until_seen(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let unread = async |who: &Caller| {
        let item = world.item(who, id).await;
        (item.unread_count, item.unread_mentions)
    };
    let first = world.say(&ann, id, "@bob @bob @all").await.message;
    let second = world.say(&ann, id, "@bob").await.message;
    let third = world.say(&ann, id, "nobody").await.message;
    let quiet = Draft {
        advance_seen: false,
        ..draft("@bob by myself")
    };
    world.messenger.send(&bob, id, quiet).await.expect("sent");
    assert_eq!((unread(&bob).await, unread(&cat).await), ((3, 2), (4, 1)));

    world
        .messenger
        .edit(&ann, third.id, "@bob after all", None)
        .await
        .expect("edited");
    assert_eq!(unread(&bob).await, (3, 3));
    world
        .messenger
        .edit(&ann, second.id, "nobody", None)
        .await
        .expect("edited");
    assert_eq!(unread(&bob).await, (3, 2));
    world.heard();
    let wish = Advance {
        conversation: id,
        delivered_seq: None,
        seen_seq: Some(first.seq),
    };
    let now = world.messenger.advance(&bob, &[wish]).await.remove(0);
    let now = now.expect("advanced");
    assert_eq!((now.unread_count, now.unread_mentions), (2, 1));
    let own: Vec<UserId> = vec![bob.user];
    assert!(
        world
            .heard()
            .iter()
            .any(|(users, event)| *users == own
                && matches!(event, Event::ReceiptUpdated { unread: (2, 1), .. }))
    );
    world.messenger.delete(&ann, &[third.id]).await.expect("deleted");
    assert_eq!(unread(&bob).await, (1, 0));
    assert_eq!(read(&world, &bob, third.id).await, []);
}
