//! Edits, deletions and reactions.

use super::{Store, World, draft, of_others, rev_of};
use crate::store::{EditRecord, EditRefusal};
use crate::{
    Caller, ConversationId, DeleteError, Draft, EditError, EditHistory, Event, HistoryRange, Message,
    MessageId, PolicyChange, ReactError, SendError, SettingsWish, Timestamp, VersionsError,
};
use std::sync::Arc;

async fn read(world: &World, who: &Caller, id: MessageId) -> Message {
    world.messenger.message(who, id).await.expect("found")
}

async fn note(world: &World, who: &Caller, id: ConversationId) -> Message {
    let page = world.messenger.history(who, id, HistoryRange::After(0), Some(1));
    page.await.expect("read").messages.remove(0)
}

/// Only its author, only words, only in time; quotes follow, numbers of messages and unread do not move.
pub async fn an_edit_replaces_the_words_everywhere(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.group(&ann, &[bob]).await;
    let first = world.say(&ann, id, "helo").await.message;
    let reply = Draft {
        reply_to: Some(first.id),
        ..draft("what?")
    };
    let reply = world.messenger.send(&bob, id, reply).await.expect("sent").message;
    let unread = world.item(&ann, id).await.unread_count;
    world.heard();

    let edit = async |who: &Caller, id, words: &str, rev| world.messenger.edit(who, id, words, rev).await;
    let edited = edit(&ann, first.id, "hello", Some(first.rev))
        .await
        .expect("edited");
    assert_eq!(
        (edited.body.as_str(), edited.seq, edited.rev),
        ("hello", first.seq, reply.rev + 1)
    );
    assert!(edited.edited_at.is_some() && edited.edit_count == 1);
    let told = world.heard();
    assert!(
        matches!(&told[..], [(users, Event::MessageUpdated { message, .. })]
            if *users == [ann.user, bob.user] && *message == of_others(&edited))
    );
    assert_eq!(read(&world, &bob, first.id).await, of_others(&edited));
    let quote = read(&world, &bob, reply.id).await.reply_to.expect("a quote");
    assert_eq!(quote.excerpt, "hello");
    let item = world.item(&ann, id).await;
    assert_eq!(
        (item.conversation.last_seq, item.conversation.last_rev),
        (reply.seq, edited.rev)
    );
    assert_eq!(item.unread_count, unread);
    let changes = world
        .messenger
        .changes(&bob, id, reply.rev, 10)
        .await
        .expect("changes");
    assert_eq!(changes.messages, [of_others(&edited)]);

    // The same words again are no change, and what was sent under the key is still known.
    assert_eq!(
        edit(&ann, first.id, "hello", None).await.expect("the same").rev,
        edited.rev
    );
    let system = note(&world, &ann, id).await.id;
    assert!(matches!(
        edit(&ann, first.id, "x", Some(first.rev)).await,
        Err(EditError::Stale)
    ));
    assert!(matches!(
        edit(&bob, first.id, "x", None).await,
        Err(EditError::NotAuthor)
    ));
    assert!(matches!(
        edit(&ann, system, "x", None).await,
        Err(EditError::NotEditable)
    ));
    assert!(matches!(
        edit(&ann, first.id, " ", None).await,
        Err(EditError::Empty)
    ));
    assert!(matches!(
        edit(&ann, MessageId(999_999), "x", None).await,
        Err(EditError::NotFound)
    ));
    let late = EditRecord {
        versions_max: 50,
        editor: ann.user,
        message: first.id,
        body: "late".into(),
        mentions: Vec::new(),
        if_rev: None,
        at: Timestamp(first.created_at.0 + 48 * 60 * 60 * 1_000 + 1),
    };
    let refused = world.store.edit(late, Box::new(|_| ())).await.expect("answered");
    assert!(matches!(refused, Err(EditRefusal::WindowClosed)));
    assert!(world.heard().is_empty());
    assert_eq!(read(&world, &ann, first.id).await, edited);
}

/// Nothing of what it said is left, what quotes it says so, and it is unread no more. Its key stays taken.
pub async fn a_deleted_message_leaves_a_tombstone(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let words = draft("secret");
    let first = world
        .messenger
        .send(&bob, id, words.clone())
        .await
        .expect("sent")
        .message;
    let second = world.say(&bob, id, "another").await.message;
    let reply = Draft {
        reply_to: Some(first.id),
        ..draft("what?")
    };
    let reply = world.messenger.send(&cat, id, reply).await.expect("sent").message;
    world
        .messenger
        .react(&cat, first.id, "👍", true)
        .await
        .expect("taken");
    assert_eq!(world.item(&ann, id).await.unread_count, 3);
    world.heard();

    let delete = async |who: &Caller, ids: &[MessageId]| world.messenger.delete(who, ids).await;
    assert!(matches!(
        delete(&cat, &[first.id]).await,
        Err(DeleteError::NotAllowed)
    ));
    let system = note(&world, &ann, id).await.id;
    assert!(matches!(
        delete(&ann, &[first.id, system]).await,
        Err(DeleteError::NotAllowed)
    ));
    assert!(matches!(
        delete(&bob, &[first.id, MessageId(999_999)]).await,
        Err(DeleteError::NotFound)
    ));
    assert!(world.heard().is_empty(), "all or none");

    let before = world.item(&ann, id).await.conversation.last_rev;
    delete(&bob, &[second.id, first.id, first.id])
        .await
        .expect("deleted");
    let told = world.heard();
    let [(users, Event::MessagesDeleted { rev, items, by, .. })] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((users.len(), *rev, *by), (3, before + 1, bob.user));
    assert_eq!(*items, [(first.id, first.seq), (second.id, second.seq)]);
    delete(&bob, &[first.id]).await.expect("deleted already");
    assert!(world.heard().is_empty());

    let tombstone = read(&world, &ann, first.id).await;
    assert_eq!(
        (tombstone.seq, tombstone.rev, tombstone.deleted_by),
        (first.seq, before + 1, Some(bob.user))
    );
    assert!(tombstone.body.is_empty() && tombstone.reactions.is_empty() && tombstone.reply_to.is_none());
    let quote = read(&world, &ann, reply.id).await.reply_to.expect("a quote");
    assert!(quote.deleted && quote.excerpt.is_empty());
    assert_eq!(world.item(&ann, id).await.unread_count, 1);
    // Both share a rev, and a page does not tear them apart.
    let changes = world
        .messenger
        .changes(&ann, id, before, 1)
        .await
        .expect("changes");
    assert_eq!(
        (changes.messages.len(), changes.upto_rev, changes.has_more),
        (2, before + 1, false)
    );
    let again = world.messenger.send(&bob, id, words).await.expect("sent before");
    assert!(again.replay && again.message.deleted_at.is_some());

    assert!(matches!(
        world.messenger.edit(&bob, first.id, "x", None).await,
        Err(EditError::Deleted)
    ));
    assert!(matches!(
        world.messenger.react(&bob, first.id, "👍", true).await,
        Err(ReactError::Deleted)
    ));
    let answer = Draft {
        reply_to: Some(first.id),
        ..draft("answer")
    };
    let refused = world.messenger.send(&ann, id, answer).await;
    assert!(matches!(refused, Err(SendError::ReplyTargetInvalid)));
    // The owner may delete what others said, in a direct conversation nobody may.
    delete(&ann, &[reply.id]).await.expect("the owner's right");
    let direct = world.direct(&ann, &bob).await;
    let theirs = world.say(&bob, direct, "mine").await.message.id;
    assert!(matches!(
        delete(&ann, &[theirs]).await,
        Err(DeleteError::NotAllowed)
    ));
}

/// By first use, with their number; each person gives each emoji once.
pub async fn reactions_add_up(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, eve] = world.people(["ann", "bob", "eve"]).await;
    let id = world.group(&ann, &[bob]).await;
    let message = world.say(&ann, id, "good?").await.message;
    let activity = world.item(&bob, id).await.conversation.last_activity_at;
    world.heard();
    let react =
        async |who: &Caller, emoji: &str, add| world.messenger.react(who, message.id, emoji, add).await;
    for (who, emoji) in [(&ann, "👍"), (&bob, "❤️"), (&bob, "👍")] {
        assert!(react(who, emoji, true).await.expect("taken").1);
    }
    assert!(!react(&bob, "👍", true).await.expect("taken").1, "once");
    let shown: Vec<_> = read(&world, &ann, message.id)
        .await
        .reactions
        .into_iter()
        .map(|one| (one.emoji, one.count, one.users, one.me))
        .collect();
    assert_eq!(
        shown,
        [
            ("👍".to_owned(), 2, vec![ann.user, bob.user], Some(true)),
            ("❤️".to_owned(), 1, vec![bob.user], Some(false)),
        ]
    );
    assert!(react(&bob, "👍", false).await.expect("gone").1);
    assert!(!react(&bob, "👍", false).await.expect("gone").1);
    let revs: Vec<u64> = world
        .heard()
        .iter()
        .filter_map(|(_, event)| rev_of(event))
        .map(|(_, rev)| rev)
        .collect();
    assert_eq!(revs, (message.rev + 1..=message.rev + 4).collect::<Vec<_>>());
    assert_eq!(world.item(&bob, id).await.conversation.last_activity_at, activity);

    assert!(matches!(react(&eve, "👍", true).await, Err(ReactError::NotFound)));
    assert!(matches!(
        react(&ann, "good", true).await,
        Err(ReactError::EmojiInvalid)
    ));
    let system = note(&world, &ann, id).await.id;
    let refused = world.messenger.react(&ann, system, "👍", true).await;
    assert!(matches!(refused, Err(ReactError::NotAllowed)));
    for n in 0..18 {
        let emoji = char::from_u32(0x1F600 + n).expect("a face").to_string();
        react(&ann, &emoji, true).await.expect("taken");
    }
    assert!(matches!(react(&ann, "🚀", true).await, Err(ReactError::TooMany)));
    react(&bob, "👍", true).await.expect("it is there already");
}

/// Every rev is told once, in order, and stands on what it changed, however many change things at once.
pub async fn concurrent_changes_keep_the_revs_dense(store: Arc<dyn Store>) {
    const EACH: usize = 12;
    let world = World::new(store);
    let people = world.people(["ann", "bob", "cat", "dan"]).await;
    let id = world.group(&people[0], &people[1..]).await;
    world.heard();
    let target = world.say(&people[0], id, "target").await.message;
    let mut tasks = tokio::task::JoinSet::new();
    for (n, who) in people.into_iter().enumerate() {
        let messenger = Arc::clone(&world.messenger);
        tasks.spawn(async move {
            for k in 0..EACH {
                let own = messenger
                    .send(&who, id, draft(&format!("{n}.{k}")))
                    .await
                    .expect("sent");
                messenger
                    .react(&who, target.id, "👍", k % 2 == 0)
                    .await
                    .expect("taken");
                let words = format!("{n}.{k}, better");
                messenger
                    .edit(&who, own.message.id, &words, None)
                    .await
                    .expect("edited");
                if k % 3 == 0 {
                    messenger.delete(&who, &[own.message.id]).await.expect("deleted");
                }
            }
        });
    }
    tasks.join_all().await;
    let told: Vec<u64> = world
        .heard()
        .iter()
        .filter_map(|(_, event)| rev_of(event))
        .map(|(_, rev)| rev)
        .collect();
    let item = world.item(&people[1], id).await;
    let last = item.conversation.last_rev;
    assert_eq!(told, (target.rev..=last).collect::<Vec<_>>());
    assert_eq!(item.conversation.last_seq, target.seq + 4 * EACH as u64);
    let mut known = std::collections::BTreeMap::new();
    let (mut after, mut more) = (0, true);
    while more {
        let page = world
            .messenger
            .changes(&people[1], id, after, 7)
            .await
            .expect("changes");
        known.extend(page.messages.into_iter().map(|message| (message.seq, message)));
        (after, more) = (page.upto_rev, page.has_more);
    }
    assert_eq!(
        known.keys().copied().collect::<Vec<_>>(),
        (1..=item.conversation.last_seq).collect::<Vec<_>>()
    );
    for message in known.values().filter(|message| message.seq > target.seq) {
        let right = message.deleted_at.is_some() == message.body.is_empty();
        assert!(
            right && (message.body.is_empty() || message.body.ends_with("better")),
            "{message:?}"
        );
    }
}

/// Off keeps nothing, restricted shows them to author and administrators, members to all who see the message; a
/// deletion takes them with it, and so does switching off with a purge.
pub async fn old_words_are_kept_where_the_conversation_says_so(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let set = async |edit_history, purge_existing| {
        let wish = SettingsWish {
            policies: PolicyChange {
                edit_history: Some(edit_history),
                ..PolicyChange::default()
            },
            purge_existing,
            ..SettingsWish::default()
        };
        let updated = world.messenger.update_conversation(&ann, id, wish).await;
        updated.expect("updated");
    };
    let message = world.say(&bob, id, "one").await.message.id;
    let edit = async |words: &str| {
        let edited = world.messenger.edit(&bob, message, words, None).await;
        edited.expect("edited");
    };
    let words = async |who: &Caller, message| {
        let versions = world.messenger.versions(who, message).await?;
        let words = versions.into_iter().map(|version| (version.number, version.body));
        Ok::<_, VersionsError>(words.collect::<Vec<_>>())
    };
    edit("two").await;
    assert_eq!(words(&bob, message).await.expect("none"), []);

    set(EditHistory::Restricted, None).await;
    assert_eq!(words(&bob, message).await.expect("what was before is gone"), []);
    edit("three").await;
    for who in [&bob, &ann] {
        assert_eq!(words(who, message).await.expect("shown"), [(1, "two".to_owned())]);
    }
    assert!(matches!(
        words(&cat, message).await,
        Err(VersionsError::NotAllowed)
    ));
    set(EditHistory::Members, None).await;
    for number in 0..60 {
        edit(&format!("word {number}")).await;
    }
    let shown = words(&cat, message).await.expect("shown to all");
    assert_eq!(shown.len(), 50);
    assert_eq!(shown[0], (1, "two".to_owned()), "the first stays");
    assert_eq!(shown[49], (61, "word 58".to_owned()));
    let stranger = world.people(["dan"]).await;
    assert!(matches!(
        words(&stranger[0], message).await,
        Err(VersionsError::NotFound)
    ));

    let other = world.say(&bob, id, "here").await.message.id;
    let edited = world.messenger.edit(&bob, other, "there", None).await;
    edited.expect("edited");
    world.messenger.delete(&bob, &[other]).await.expect("deleted");
    assert_eq!(words(&bob, other).await.expect("gone with it"), []);
    set(EditHistory::Off, Some(true)).await;
    set(EditHistory::Members, None).await;
    assert_eq!(words(&bob, message).await.expect("purged"), []);
}
