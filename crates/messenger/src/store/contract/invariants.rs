//! What holds whatever people do, and however many at once.

use super::{Dice, Store, World, draft, rev_of};
use crate::{
    Advance, Caller, ConversationId, DeleteError, Draft, EditError, Event, HistoryRange, Message, MessageId,
    Messenger, PinError, PolicyChange, ReactError, SendError, SettingsWish, Who,
};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// All that the reader is shown of a conversation, as it is now.
async fn everything(world: &World, who: &Caller, id: ConversationId) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    loop {
        let after = all.last().map_or(0, |last| last.seq);
        let page = world
            .messenger
            .history(who, id, HistoryRange::After(after), Some(100));
        let page = page.await.expect("read");
        all.extend(page.messages);
        if !page.has_more_after {
            return all;
        }
    }
}

/// Somebody does something to the conversation. What is refused is nobody's fault here: others were faster.
async fn act(messenger: &Messenger, who: &Caller, id: ConversationId, dice: &mut Dice) {
    let page = messenger.history(who, id, HistoryRange::Newest, Some(12)).await;
    let known = page.expect("read").messages;
    let any = known[dice.below(known.len())].clone();
    let failed = match dice.below(9) {
        0 => matches!(
            messenger.edit(who, any.id, "@bob other words", None).await,
            Err(EditError::Store(_))
        ),
        1 => matches!(messenger.delete(who, &[any.id]).await, Err(DeleteError::Store(_))),
        2 => {
            let add = dice.below(3) > 0;
            matches!(
                messenger.react(who, any.id, "👍", add).await,
                Err(ReactError::Store(_))
            )
        }
        3 => {
            let pinned = dice.below(2) > 0;
            matches!(messenger.pin(who, any.id, pinned).await, Err(PinError::Store(_)))
        }
        4 if dice.below(3) == 0 => {
            let hidden = messenger.hide(who, &[any.id]).await;
            matches!(hidden, Err(crate::AccessError::Store(_)))
        }
        5 => {
            let wish = Advance {
                conversation: id,
                delivered_seq: Some(any.seq),
                seen_seq: Some(any.seq.saturating_sub(1)),
            };
            messenger.advance(who, &[wish]).await.remove(0).is_err()
        }
        n => {
            let words = Draft {
                reply_to: (n == 6).then_some(any.id),
                advance_seen: n != 7,
                ..draft("words for @ann")
            };
            matches!(messenger.send(who, id, words).await, Err(SendError::Store(_)))
        }
    };
    assert!(!failed, "the store failed");
}

/// A client that applies what it hears by the numbers, and asks for what it missed.
struct Client {
    who: Caller,
    rev: u64,
    messages: BTreeMap<u64, Message>,
    early: BTreeMap<u64, Event>,
    hidden: HashSet<u64>,
}

impl Client {
    fn put(&mut self, message: Message) {
        let newer = |held: &Message| held.rev < message.rev;
        if self.messages.get(&message.seq).is_none_or(newer) {
            self.messages.insert(message.seq, message);
        }
    }

    fn hear(&mut self, event: &Event) {
        if let Event::MemberStateChanged {
            messages: Some((items, _)),
            ..
        } = event
        {
            self.hidden.extend(items.iter().map(|(_, seq)| *seq));
        }
        let Some((_, rev)) = rev_of(event) else { return };
        if rev > self.rev {
            self.early.insert(rev, event.clone());
        }
        while let Some(next) = self.early.remove(&(self.rev + 1)) {
            self.apply(&next);
            self.rev += 1;
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::MessageCreated { message, .. }
            | Event::MessageUpdated { message, .. }
            | Event::MembersChanged {
                message: Some(message),
                ..
            }
            | Event::ConversationUpdated {
                message: Some(message),
                ..
            } => {
                self.put(message.clone());
            }
            Event::ReactionChanged { message, .. } => {
                if let Some(held) = self.messages.get_mut(&message.seq) {
                    held.reactions = message.reactions.clone();
                    held.rev = message.rev;
                }
            }
            Event::PinChanged { message, .. } => {
                if let Some(held) = self.messages.get_mut(&message.seq) {
                    (held.pinned, held.rev) = (message.pinned, message.rev);
                }
            }
            Event::MessagesDeleted {
                items, rev, by, at, ..
            } => {
                for (_, seq) in items {
                    let Some(held) = self.messages.get_mut(seq) else {
                        continue;
                    };
                    let mut tombstone =
                        Message::new(held.author, held.conversation, held.kind.clone(), held.created_at);
                    (tombstone.id, tombstone.seq, tombstone.rev) = (held.id, *seq, *rev);
                    (tombstone.client_id, tombstone.receipts) = (held.client_id, held.receipts);
                    (tombstone.deleted_at, tombstone.deleted_by) = (Some(*at), Some(*by));
                    *held = tombstone;
                }
            }
            _ => {}
        }
    }

    /// Fetches what is missing.
    async fn repair(&mut self, world: &World, id: ConversationId) {
        loop {
            let changes = world
                .messenger
                .changes(&self.who, id, self.rev, 20)
                .await
                .expect("read");
            for message in changes.messages {
                match message.hidden {
                    true => drop(self.hidden.insert(message.seq)),
                    false => self.put(message),
                }
            }
            self.rev = self.rev.max(changes.upto_rev);
            if !changes.has_more {
                break;
            }
        }
        let known = self.rev;
        self.early.retain(|rev, _| *rev > known);
    }
}

/// What does not depend on when and how it was read: quotes follow what they quote.
fn plain(mut message: Message) -> Message {
    if let Some(quote) = &mut message.reply_to {
        quote.excerpt.clear();
        quote.deleted = false;
    }
    for reaction in &mut message.reactions {
        reaction.me = None;
    }
    message.status = None;
    message
}

/// Numbers are dense, in the order of the commits and told once to each; quotes point back, tombstones are empty,
/// watermarks in order. A client that hears everything in disorder, twice or not at all ends like a fresh one.
pub async fn everything_at_once_keeps_the_numbers_and_converges(store: Arc<dyn Store>) {
    let world = World::new(store);
    let people @ [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
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
    let start = world.messenger.sync(&bob, None, None).await.expect("read").cursor;
    let mut tasks = tokio::task::JoinSet::new();
    for (seed, who) in (1..).zip(people.iter().cycle().take(6).copied()) {
        let messenger = Arc::clone(&world.messenger);
        tasks.spawn(async move {
            let mut dice = Dice::new(seed);
            for _ in 0..40 {
                act(&messenger, &who, id, &mut dice).await;
            }
        });
    }
    tasks.join_all().await;
    let told = world.heard();

    let item = world.item(&ann, id).await;
    let (last_seq, last_rev) = (item.conversation.last_seq, item.conversation.last_rev);
    let mut created: Vec<(u64, u64)> = Vec::new();
    for who in &people {
        let heard = told.iter().filter(|(users, _)| users.contains(&who.user));
        let revs: Vec<u64> = heard
            .filter_map(|(_, event)| rev_of(event).map(|(_, rev)| rev))
            .collect();
        assert_eq!(
            revs,
            (1..=last_rev).collect::<Vec<u64>>(),
            "each change once, in order"
        );
        let all = everything(&world, who, id).await;
        let seqs: Vec<u64> = all.iter().map(|message| message.seq).collect();
        assert_eq!(seqs, (1..=last_seq).collect::<Vec<u64>>());
        for message in &all {
            assert!(message.rev <= last_rev);
            assert!(
                message
                    .reply_to
                    .as_ref()
                    .is_none_or(|quote| quote.seq < message.seq)
            );
            if message.deleted_at.is_some() {
                assert!(
                    message.body.is_empty() && message.mentions.is_empty() && message.reactions.is_empty()
                );
                assert!(message.reply_to.is_none() && !message.pinned && !message.is_system());
            }
        }
    }
    for (users, event) in &told {
        if let (Event::MessageCreated { message, .. }, true) = (event, users.contains(&ann.user)) {
            created.push((message.seq, message.rev));
        }
    }
    assert!(created.is_sorted() && created.iter().map(|(_, rev)| rev).is_sorted());
    for member in &item.members {
        assert!(member.seen_seq <= Some(member.delivered_seq) && member.delivered_seq <= last_seq);
    }

    for (seed, who) in (7..).zip(people) {
        let mut dice = Dice::new(seed);
        let heard = told.iter().filter(|(users, _)| users.contains(&who.user));
        let mut wire: Vec<&Event> = Vec::new();
        for (_, event) in heard {
            let times = [0, 1, 1, 1, 2][dice.below(5)];
            for _ in 0..times {
                let at = wire.len() - dice.below(8).min(wire.len());
                wire.insert(at, event);
            }
        }
        let mut client = Client {
            who,
            rev: 0,
            messages: BTreeMap::new(),
            early: BTreeMap::new(),
            hidden: HashSet::new(),
        };
        for event in wire {
            client.hear(event);
            if client.early.len() > 10 {
                client.repair(&world, id).await;
            }
        }
        client.repair(&world, id).await;
        let page = world
            .messenger
            .sync(&who, Some(&start), None)
            .await
            .expect("read");
        client.hidden.extend(page.hidden.iter().map(|place| place.seq));
        let hidden = client.hidden;
        let held = client
            .messages
            .into_values()
            .filter(|message| !hidden.contains(&message.seq));
        let held: Vec<Message> = held.map(plain).collect();
        let fresh = everything(&world, &who, id)
            .await
            .into_iter()
            .filter(|message| !message.hidden);
        assert_eq!(held, fresh.map(plain).collect::<Vec<_>>());
        assert_eq!(client.rev, last_rev);
    }
}

/// Nobody edits, answers, reacts to, pins or deletes what the server wrote.
pub async fn notes_are_the_servers(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.group(&ann, &[bob]).await;
    let notes = everything(&world, &ann, id).await;
    world.heard();
    for note in &notes {
        assert!(note.is_system());
        for who in [&ann, &bob] {
            assert!(world.messenger.edit(who, note.id, "words", None).await.is_err());
            assert!(matches!(
                world.messenger.delete(who, &[note.id]).await,
                Err(DeleteError::NotAllowed)
            ));
            assert!(matches!(
                world.messenger.react(who, note.id, "👍", true).await,
                Err(ReactError::NotAllowed)
            ));
            assert!(matches!(
                world.messenger.pin(who, note.id, true).await,
                Err(PinError::NotAllowed)
            ));
            let answer = Draft {
                reply_to: Some(note.id),
                ..draft("answer")
            };
            let refused = world.messenger.send(who, id, answer).await;
            assert!(matches!(refused, Err(SendError::ReplyTargetInvalid)));
        }
    }
    assert!(world.heard().is_empty());
    assert_eq!(everything(&world, &ann, id).await, notes);
}

/// Behind none of the doors is anything from before one came or cleared it, or from after one left.
pub async fn what_one_may_not_see_is_behind_no_door(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat, dan] = world.people(["ann", "bob", "cat", "dan"]).await;
    let id = world.group(&ann, &[bob, dan]).await;
    let policies = PolicyChange {
        newcomers: Some(crate::Newcomers::SinceJoin),
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
    let early = world.say(&ann, id, "early secret").await.message;
    world.messenger.pin(&ann, early.id, true).await.expect("pinned");
    world
        .messenger
        .add_members(&ann, id, &[cat.user])
        .await
        .expect("added");
    world.messenger.clear_history(&bob, id).await.expect("cleared");
    world.messenger.leave(&dan, id).await.expect("left");
    world.heard();
    let quoting = Draft {
        reply_to: Some(early.id),
        ..draft("late words")
    };
    let quoting = world
        .messenger
        .send(&ann, id, quoting)
        .await
        .expect("sent")
        .message;
    world
        .messenger
        .edit(&ann, quoting.id, "late words, edited", None)
        .await
        .expect("edited");
    world
        .messenger
        .edit(&ann, early.id, "early secret, edited", None)
        .await
        .expect("edited");
    world
        .messenger
        .react(&ann, early.id, "👍", true)
        .await
        .expect("taken");
    let told = world.heard();

    for (who, forbidden) in [(cat, "early secret"), (bob, "early secret"), (dan, "late words")] {
        let shown = async |what: &str, text: String| {
            assert!(
                !text.contains(forbidden),
                "{what} shows {:?} to {}: {text}",
                forbidden,
                who.user
            );
        };
        let heard = told.iter().filter(|(users, _)| users.contains(&who.user));
        let heard: Vec<_> = heard.map(|(_, event)| event).collect();
        shown("an event", format!("{heard:?}")).await;
        shown("history", format!("{:?}", everything(&world, &who, id).await)).await;
        for after in [0, 1, quoting.rev - 1, quoting.rev, 999] {
            let changes = world.messenger.changes(&who, id, after, 100).await.expect("read");
            shown("changes", format!("{changes:?}")).await;
        }
        for range in [
            HistoryRange::Newest,
            HistoryRange::Around(early.seq),
            HistoryRange::Before(99),
        ] {
            let page = world
                .messenger
                .history(&who, id, range, None)
                .await
                .expect("read");
            shown("a page", format!("{page:?}")).await;
        }
        for message in [early.id, quoting.id] {
            let found = world.messenger.message(&who, message).await.ok();
            shown("a message", format!("{found:?}")).await;
            shown(
                "versions",
                format!("{:?}", world.messenger.versions(&who, message).await.ok()),
            )
            .await;
        }
        shown(
            "pins",
            format!("{:?}", world.messenger.pins(&who, id).await.expect("read")),
        )
        .await;
        shown("the list item", format!("{:?}", world.item(&who, id).await)).await;
        shown(
            "the list",
            format!(
                "{:?}",
                world.messenger.sync(&who, None, None).await.expect("read")
            ),
        )
        .await;
    }
    for who in [bob, cat] {
        let refused = world.messenger.react(&who, early.id, "👍", true).await;
        assert!(matches!(refused, Err(ReactError::NotFound)));
        let forwarded = world.messenger.forward(&who, &[early.id], &[id]).await;
        assert!(forwarded.is_err());
    }
    let unknown = MessageId(999_999);
    assert!(world.messenger.message(&ann, unknown).await.is_err());
}
