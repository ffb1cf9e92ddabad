//! A group as a whole: its settings and policies, how it ends, how many there may be, and all its changes at once;
//! and what a direct conversation refuses of this.

use super::{Dice, Store, World, draft, rev_of, wish};
use crate::{
    AccessError, AddMembersError, Caller, Conversation, ConversationId, CreateGroupError,
    DeleteConversationError, EditHistory, Event, HistoryRange, InviteError, InviteWish, JoinError,
    MemberError, Message, MessageKind, Options, PolicyChange, RemovalReason, Role, SendError, SettingsWish,
    SystemEvent, UpdateError, UserId, Who,
};
use std::collections::HashMap;
use std::sync::Arc;

/// What was told of one conversation: rev and audience of each change, in order.
pub(super) fn changes(world: &World, id: ConversationId) -> Vec<(u64, Vec<UserId>, Event)> {
    let told = world.heard().into_iter();
    told.filter_map(|(users, event)| match rev_of(&event) {
        Some((conversation, rev)) if conversation == id => Some((rev, users, event)),
        _ => None,
    })
    .collect()
}

pub(super) async fn conversation(world: &World, who: &Caller, id: ConversationId) -> Conversation {
    world.item(who, id).await.conversation
}

pub(super) async fn history(world: &World, who: &Caller, id: ConversationId) -> Vec<Message> {
    let page = world.messenger.history(who, id, HistoryRange::Newest, None).await;
    page.expect("history").messages
}

fn titled(title: &str) -> SettingsWish {
    SettingsWish {
        title: Some(title.to_owned()),
        ..SettingsWish::default()
    }
}

pub(super) fn policies(policies: PolicyChange) -> SettingsWish {
    SettingsWish {
        policies,
        ..SettingsWish::default()
    }
}

pub(super) async fn owner(world: &World, who: &Caller, id: ConversationId) -> Option<UserId> {
    let members = world
        .messenger
        .members(who, id, None, None, None)
        .await
        .expect("members");
    let owners: Vec<UserId> = members
        .items
        .iter()
        .filter(|member| member.role == Role::Owner)
        .map(|member| member.account.id)
        .collect();
    let named = conversation(world, who, id).await.owner;
    assert_eq!(
        owners,
        named.into_iter().collect::<Vec<_>>(),
        "one owner, and it is the one"
    );
    named
}

/// One rev, one note, one event for each of title, description and policies; what is so already is no change.
pub async fn settings_change_with_a_note_each(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.group(&ann, &[bob]).await;
    world.heard();
    let wish = SettingsWish {
        title: Some(" Tea\u{202E} ".into()),
        description: Some(" Leaves.\n ".into()),
        avatar: None,
        policies: PolicyChange {
            post: Some(Who::Admins),
            edit_window_s: Some(None),
            ..PolicyChange::default()
        },
        purge_existing: None,
    };
    let update = async |wish: SettingsWish| world.messenger.update_conversation(&ann, id, wish).await;
    update(wish.clone()).await.expect("updated");
    let told = changes(&world, id);
    let revs: Vec<u64> = told.iter().map(|(rev, ..)| *rev).collect();
    assert_eq!(revs, [3, 4, 5]);
    for (rev, users, event) in &told {
        assert_eq!(users, &[ann.user, bob.user]);
        let Event::ConversationUpdated {
            message: Some(note), ..
        } = event
        else {
            panic!("{event:?}")
        };
        assert_eq!((note.rev, note.seq, note.author), (*rev, *rev, ann.user));
    }
    let notes: Vec<MessageKind> = history(&world, &bob, id).await[2..]
        .iter()
        .map(|message| message.kind.clone())
        .collect();
    let expected = [
        SystemEvent::TitleChanged { title: "Tea".into() },
        SystemEvent::DescriptionChanged {
            description: Some("Leaves.".into()),
        },
        SystemEvent::PolicyChanged {
            policies: wish.policies,
        },
    ];
    assert_eq!(notes, expected.map(MessageKind::System));
    let item = world.item(&bob, id).await;
    let now = item.conversation;
    assert_eq!(
        (now.title.as_deref(), now.description.as_deref()),
        (Some("Tea"), Some("Leaves."))
    );
    assert_eq!(
        (now.settings_rev, now.last_rev, now.policies.edit_window_s),
        (5, 5, None)
    );
    assert_eq!(item.unread_count, 0, "notes are never unread");

    update(wish).await.expect("nothing to do");
    assert!(changes(&world, id).is_empty());
    assert_eq!(conversation(&world, &ann, id).await.last_rev, 5);
    let long = SettingsWish {
        description: Some("x".repeat(513)),
        ..SettingsWish::default()
    };
    assert!(matches!(update(long).await, Err(UpdateError::DescriptionTooLong)));
    assert!(matches!(
        update(titled(" ")).await,
        Err(UpdateError::TitleRequired)
    ));
    let long = titled(&"x".repeat(129));
    assert!(matches!(update(long).await, Err(UpdateError::TitleTooLong)));
    let none = SettingsWish {
        description: Some(String::new()),
        ..SettingsWish::default()
    };
    update(none).await.expect("updated");
    assert_eq!(conversation(&world, &ann, id).await.description, None);
}

/// Administrators, and members as far as the policies say; who changes nothing needs no right.
pub async fn policies_are_for_those_who_may(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, eve] = world.people(["ann", "bob", "eve"]).await;
    let id = world.group(&ann, &[bob]).await;
    let update = async |who: &Caller, wish| world.messenger.update_conversation(who, id, wish).await;
    let open = PolicyChange {
        info: Some(Who::All),
        invite: Some(Who::All),
        ..PolicyChange::default()
    };
    assert!(matches!(
        update(&bob, titled("New")).await,
        Err(UpdateError::NotAllowed)
    ));
    assert!(matches!(
        update(&bob, policies(open)).await,
        Err(UpdateError::NotAllowed)
    ));
    assert!(matches!(
        update(&eve, titled("New")).await,
        Err(UpdateError::NotFound)
    ));
    update(&bob, titled("Group")).await.expect("it has this title");
    let refused = world.messenger.add_members(&bob, id, &[eve.user]).await;
    assert!(matches!(refused, Err(AddMembersError::NotAllowed)));
    update(&ann, policies(open)).await.expect("updated");
    update(&bob, titled("New")).await.expect("now everybody may");
    assert!(matches!(update(&bob, policies(open)).await, Ok(()),));
    world
        .messenger
        .add_members(&bob, id, &[eve.user])
        .await
        .expect("now everybody may");

    let history = |edit_history, purge_existing| SettingsWish {
        policies: PolicyChange {
            edit_history: Some(edit_history),
            ..PolicyChange::default()
        },
        purge_existing,
        ..SettingsWish::default()
    };
    update(&ann, history(EditHistory::Off, None))
        .await
        .expect("off already");
    update(&ann, history(EditHistory::Members, None))
        .await
        .expect("on");
    let refused = update(&ann, history(EditHistory::Off, None)).await;
    assert!(matches!(refused, Err(UpdateError::PurgeExistingRequired)));
    update(&ann, history(EditHistory::Off, Some(true)))
        .await
        .expect("off");
    let restricted = PolicyChange {
        post: Some(Who::Admins),
        ..PolicyChange::default()
    };
    update(&ann, policies(restricted)).await.expect("updated");
    let refused = world.messenger.send(&bob, id, draft("hi")).await;
    assert!(matches!(refused, Err(SendError::PostingRestricted)));
    world.say(&ann, id, "as owner").await;
}

/// Two for ever; only the edit history is theirs to switch.
pub async fn direct_conversations_keep_both(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.direct(&ann, &bob).await;
    let messenger = &world.messenger;
    assert!(matches!(
        messenger.leave(&ann, id).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.remove_member(&ann, id, bob.user, true).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.add_members(&ann, id, &[cat.user]).await,
        Err(AddMembersError::NotAllowed)
    ));
    assert!(matches!(
        messenger.set_role(&ann, id, bob.user, Role::Admin).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.transfer(&ann, id, bob.user).await,
        Err(MemberError::NotAllowed)
    ));
    assert!(matches!(
        messenger.create_invite(&ann, id, InviteWish::default()).await,
        Err(InviteError::NotAllowed)
    ));
    assert!(matches!(
        messenger.update_conversation(&ann, id, titled("Us")).await,
        Err(UpdateError::NotAllowed)
    ));
    let restricted = PolicyChange {
        post: Some(Who::Admins),
        ..PolicyChange::default()
    };
    assert!(matches!(
        messenger
            .update_conversation(&ann, id, policies(restricted))
            .await,
        Err(UpdateError::NotAllowed)
    ));
    let history = PolicyChange {
        edit_history: Some(EditHistory::Members),
        ..PolicyChange::default()
    };
    messenger
        .update_conversation(&bob, id, policies(history))
        .await
        .expect("both may");
    let now = conversation(&world, &ann, id).await;
    assert_eq!(
        (now.member_count, now.last_rev, now.policies.edit_history),
        (2, 1, EditHistory::Members)
    );
}

/// One last event to those who were in it, and nothing of it is left at any door.
pub async fn a_deleted_group_is_gone_for_all(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat] = world.people(["ann", "bob", "cat"]).await;
    let id = world.group(&ann, &[bob, cat]).await;
    let message = world.say(&ann, id, "words").await.message;
    let messenger = &world.messenger;
    let invite = messenger
        .create_invite(&ann, id, InviteWish::default())
        .await
        .expect("made");
    messenger.leave(&cat, id).await.expect("left");
    let cursor = messenger
        .sync(&bob, None, None)
        .await
        .expect("synchronised")
        .cursor;
    world.heard();
    assert!(matches!(
        messenger.delete_conversation(&bob, id).await,
        Err(DeleteConversationError::NotAllowed)
    ));
    messenger.delete_conversation(&ann, id).await.expect("deleted");
    let told = world.heard();
    assert_eq!(told.len(), 3);
    assert_eq!(told[0].0, [ann.user, bob.user]);
    assert!(
        matches!(told[0].1, Event::ConversationDeleted { rev: 5, .. }),
        "{:?}",
        told[0]
    );
    for (_, event) in &told[1..] {
        let reason = RemovalReason::Deleted;
        assert!(matches!(event, Event::ConversationRemoved { reason: told, .. } if *told == reason));
    }
    for who in [ann, bob, cat] {
        assert!(matches!(
            messenger.conversation(&who, id).await,
            Err(AccessError::NotFound)
        ));
        assert!(
            messenger
                .history(&who, id, HistoryRange::Newest, None)
                .await
                .is_err()
        );
        assert!(matches!(
            messenger.message(&who, message.id).await,
            Err(AccessError::NotFound)
        ));
        let refused = messenger.send(&who, id, draft("hi")).await;
        assert!(matches!(refused, Err(SendError::NotFound)));
        assert!(matches!(
            messenger.delete_conversation(&who, id).await,
            Err(DeleteConversationError::NotFound)
        ));
        assert!(matches!(
            messenger.changes(&who, id, 0, 10).await,
            Err(AccessError::NotFound)
        ));
    }
    let joined = messenger.join(&bob, &invite.token).await;
    assert!(matches!(joined, Err(JoinError::NotFound)));
    let page = messenger
        .sync(&bob, Some(&cursor), None)
        .await
        .expect("synchronised");
    assert_eq!((page.items.len(), page.removed), (0, vec![id]));
}

/// Groups within a day, and conversations in all.
pub async fn limits_of_groups_hold(store: Arc<dyn Store>) {
    let options = Options {
        groups_per_day_max: 2,
        conversations_max: 3,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    for _ in 0..2 {
        world.group(&ann, &[]).await;
    }
    let refused = world.messenger.create_group(&ann, wish("Third", &[])).await;
    let Err(CreateGroupError::TooManyToday { retry_after_s }) = refused else {
        panic!("{refused:?}")
    };
    assert!((86_000..=86_400).contains(&retry_after_s), "{retry_after_s}");
    for n in 0..3 {
        let peer = world.person(&format!("peer{n}")).await;
        world.direct(&bob, &peer).await;
    }
    let refused = world.messenger.create_group(&bob, wish("Fourth", &[])).await;
    assert!(matches!(refused, Err(CreateGroupError::TooManyConversations)));
}

/// I3 to I7 while many do everything at once.
pub async fn changing_at_once_keeps_the_invariants(store: Arc<dyn Store>) {
    let options = Options {
        groups_per_day_max: 1_000,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let mut people = Vec::new();
    for n in 0..8 {
        people.push(world.person(&format!("person{n}")).await);
    }
    let id = world.group(&people[0], &people[1..]).await;
    let direct = world.direct(&people[0], &people[1]).await;
    let token = world
        .messenger
        .create_invite(&people[0], id, InviteWish::default())
        .await
        .expect("made")
        .token;
    world.heard();
    let before = conversation(&world, &people[0], id).await.last_rev;
    let mut tasks = tokio::task::JoinSet::new();
    for (n, &me) in people.iter().enumerate() {
        let (messenger, token, people) = (Arc::clone(&world.messenger), token.clone(), people.clone());
        tasks.spawn(async move {
            let mut dice = Dice::new(n as u64 + 1);
            for turn in 0..30 {
                let other = people[dice.below(people.len())].user;
                // Most are refused, depending on who owns it by then; what is done must be done whole.
                match dice.below(9) {
                    0 => drop(messenger.leave(&me, id).await),
                    1 => drop(messenger.join(&me, &token).await),
                    2 => drop(messenger.remove_member(&me, id, other, false).await),
                    3 => drop(messenger.add_members(&me, id, &[other]).await),
                    4 => drop(messenger.transfer(&me, id, other).await),
                    5 => drop(messenger.set_role(&me, id, other, Role::Admin).await),
                    6 => {
                        let title = titled(&format!("Title {n} {turn}"));
                        drop(messenger.update_conversation(&me, id, title).await);
                    }
                    7 => drop(messenger.leave(&me, direct).await),
                    _ => drop(messenger.send(&me, id, draft("hello")).await),
                }
            }
        });
    }
    tasks.join_all().await;

    let told = changes(&world, id);
    let revs: Vec<u64> = told.iter().map(|(rev, ..)| *rev).collect();
    let last = before + revs.len() as u64;
    assert_eq!(
        revs,
        (before + 1..=last).collect::<Vec<_>>(),
        "each rev once, in order"
    );
    let mut owner_now = Some(people[0].user);
    let mut members: HashMap<UserId, ()> = people.iter().map(|caller| (caller.user, ())).collect();
    for (_, users, event) in &told {
        if let Event::MembersChanged {
            added,
            removed,
            updated,
            ..
        } = event
        {
            members.extend(added.iter().map(|member| (member.account.id, ())));
            members.retain(|user, ()| !removed.contains(user));
            let new = updated.iter().find(|member| member.role == Role::Owner);
            owner_now = new.map(|member| member.account.id).or(owner_now);
        }
        let mut expected: Vec<UserId> = members.keys().copied().collect();
        expected.sort_unstable();
        assert_eq!(
            *users, expected,
            "every active member hears of it, and nobody else"
        );
    }
    let mut witnesses = 0;
    for who in &people {
        let item = world.messenger.conversation(who, id).await.expect("seen");
        let (my, now) = (&item.my, &item.conversation);
        assert!(my.seen_seq <= my.delivered_seq && my.delivered_seq <= world.last_seq(id, &people).await);
        assert_eq!(members.contains_key(&who.user), my.left_at.is_none());
        if my.left_at.is_none() {
            witnesses += 1;
            assert_eq!((now.last_rev, now.member_count as usize), (last, members.len()));
            assert_eq!(owner(&world, who, id).await, owner_now);
            let messages = world.messenger.changes(who, id, 0, 200).await.expect("changes");
            assert_eq!(messages.upto_rev.min(last), messages.upto_rev);
        }
    }
    assert_eq!(witnesses, members.len());
    let item = world.item(&people[0], direct).await;
    assert_eq!(
        (item.conversation.member_count, item.conversation.last_rev),
        (2, 0)
    );
}

impl World {
    /// The conversation's last seq, whoever of them still sees it.
    async fn last_seq(&self, id: ConversationId, people: &[Caller]) -> u64 {
        let mut last = 0;
        for who in people {
            last = last.max(conversation(self, who, id).await.last_seq);
        }
        last
    }
}
