//! What every store keeps, as tests. A store runs them all with [`crate::store_contract`].

pub mod attachments;
pub mod catching_up;
pub mod changes;
pub mod conversations;
pub mod departures;
pub mod forwards;
pub mod groups;
pub mod hides;
pub mod invariants;
pub mod invites;
pub mod members;
pub mod mentions;
pub mod moderation;
pub mod my_states;
pub mod people;
pub mod pins;
pub mod profiles;
pub mod proofs;
pub mod pushes;
pub mod receipts;
pub mod roles;
pub mod search;
pub mod sending;
pub mod threads;

use super::{AccountRecord, Admission, Store};
use crate::{
    AccountKind, Audience, Caller, ClientId, ConversationId, Draft, Event, Feed, GroupWish, ListItem,
    LoginId, Message, Messenger, Options, PolicyChange, Sent, Timestamp, UserId, Username, text,
};
use parking_lot::Mutex;
use std::any::Any;
use std::sync::Arc;

/// An empty store, and what must live as long as it does.
pub type Fresh = (Arc<dyn Store>, Box<dyn Any + Send>);

/// Makes a test of each part of the contract. `$fresh` is an `async fn() -> Fresh`.
#[macro_export]
macro_rules! store_contract {
    ($fresh:path) => {
        $crate::store_contract!($fresh, people:
            the_first_account_owns_the_server, a_name_is_given_out_once, people_are_found_by_their_names,
            a_login_lasts_until_it_is_ended, a_login_that_is_not_used_ends, a_new_password_ends_all_logins, guessing_passwords_is_stopped,
            closed_registration_lets_in_the_first);
        $crate::store_contract!($fresh, profiles:
            ones_own_account_changes_in_numbered_steps, contacts_and_blocks_are_one_sided);
        $crate::store_contract!($fresh, proofs:
            a_ticket_is_good_once_and_for_a_while, a_mail_is_taken_by_one_at_a_time, a_second_factor_takes_each_code_once);
        $crate::store_contract!($fresh, departures:
            a_deleted_account_leaves_its_words, a_deleted_account_leaves_no_receipt_times, the_name_of_a_deleted_account_is_held_for_a_month,
            deleting_an_account_has_its_refusals);
        $crate::store_contract!($fresh, pushes:
            a_key_of_the_server_is_made_once, a_device_takes_pushes_until_its_login_ends,
            who_follows_by_an_edit_is_told_in_its_words);
        $crate::store_contract!($fresh, conversations:
            two_people_have_one_direct_conversation, ones_own_notes_have_one_member,
            a_group_begins_with_notes_to_its_members, groups_refuse_what_does_not_fit,
            the_list_pages_through_everything_newest_first, strangers_see_nothing);
        $crate::store_contract!($fresh, groups:
            settings_change_with_a_note_each, policies_are_for_those_who_may, direct_conversations_keep_both,
            a_deleted_group_is_gone_for_all, limits_of_groups_hold, changing_at_once_keeps_the_invariants);
        $crate::store_contract!($fresh, members:
            people_are_added_and_removed, who_left_sees_what_there_was_then, newcomers_see_what_the_policy_says,
            members_are_found_and_paged);
        $crate::store_contract!($fresh, roles:
            an_owner_is_followed_by_the_oldest, roles_are_given_by_the_owner);
        $crate::store_contract!($fresh, invites:
            invites_let_people_in, invites_end, bans_keep_people_out);
        $crate::store_contract!($fresh, my_states:
            private_parts_are_private, a_cleared_conversation_begins_anew, pinned_conversations_come_first);
        $crate::store_contract!($fresh, sending:
            sending_again_yields_the_same_message, a_key_stands_for_one_message,
            numbers_are_dense_and_told_in_order, replies_quote_what_they_answer,
            history_comes_in_pages, telling_does_not_need_the_sender);
        $crate::store_contract!($fresh, changes:
            an_edit_replaces_the_words_everywhere, old_words_are_kept_where_the_conversation_says_so, a_deleted_message_leaves_a_tombstone, reactions_add_up,
            concurrent_changes_keep_the_revs_dense);
        $crate::store_contract!($fresh, search:
            words_are_found_in_three_languages, every_hit_is_reached_by_paging, edits_and_deletions_are_followed,
            only_what_may_be_seen_is_found, filters_narrow_the_search, searches_that_are_none_are_refused,
            the_index_follows_concurrent_changes);
        $crate::store_contract!($fresh, mentions:
            names_of_members_are_mentions, an_edit_tells_whom_it_newly_names, everybody_is_named_by_those_who_may, mentions_are_unread_until_seen);
        $crate::store_contract!($fresh, hides:
            a_message_is_deleted_for_oneself, what_is_hidden_cannot_be_reached,
            words_of_the_blocked_do_not_arrive, the_blocked_do_not_bring_a_conversation_back,
            the_blocked_do_not_move_a_conversation);
        $crate::store_contract!($fresh, pins:
            pins_are_for_everybody, pins_have_their_limits);
        $crate::store_contract!($fresh, threads:
            replies_add_up_at_their_root, only_roots_take_replies, followers_have_something_to_read,
            deleted_replies_are_not_counted, hidden_replies_are_not_counted_for_who_does_not_see_them,
            threads_come_in_pages,
            concurrent_replies_are_all_counted);
        $crate::store_contract!($fresh, forwards:
            what_was_said_is_said_again_elsewhere, forwarding_has_its_refusals);
        $crate::store_contract!($fresh, invariants:
            everything_at_once_keeps_the_numbers_and_converges, notes_are_the_servers,
            what_one_may_not_see_is_behind_no_door);
        $crate::store_contract!($fresh, attachments:
            files_count_against_a_quota, an_upload_ends_once, a_file_comes_with_one_message,
            bytes_are_freed_with_the_last_reference, a_picture_takes_the_place_of_another);
        $crate::store_contract!($fresh, receipts:
            watermarks_only_move_forward, unread_counts_what_others_said, unread_is_capped,
            sending_moves_the_authors_watermarks, wishes_stand_alone, concurrent_receipts_keep_the_highest,
            states_follow_the_watermarks, who_hides_what_it_has_seen_sees_nothing_of_others,
            authors_learn_who_has_seen_what_and_when, receipts_are_for_those_who_draw_ticks,
            receipts_merge_in_any_order, all_that_is_unread_adds_up);
        $crate::store_contract!($fresh, moderation:
            a_report_carries_what_its_author_sees, a_suspended_account_gets_nowhere,
            administrators_act_on_members_only, invites_to_the_server_let_people_register);
        $crate::store_contract!($fresh, catching_up:
            changes_come_in_order_and_in_pages, all_that_changed_is_found_from_any_rev, too_many_changes_reset,
            a_client_that_only_synchronises_knows_everything,
            synchronising_while_others_write_leaves_nothing_out, cursors_of_another_store_are_refused);
    };
    ($fresh:path, $part:ident: $($name:ident),+) => {
        mod $part {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $name() {
                    let (store, _guard) = $fresh().await;
                    $crate::store::contract::$part::$name(store).await;
                }
            )+
        }
    };
}

/// Events as they were delivered.
#[derive(Default)]
pub struct Heard(Mutex<Vec<(Vec<UserId>, Event)>>);

impl Feed for Heard {
    fn deliver(&self, audience: &Audience, event: &Event) {
        let Audience::Users(users) = audience;
        self.0.lock().push((users.clone(), event.clone()));
    }
}

/// A messenger over the store under test, and what it told.
pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    pub(super) messenger: Arc<Messenger>,
    heard: Arc<Heard>,
}

impl World {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self::with_options(store, Options::default())
    }

    pub(super) fn with_options(store: Arc<dyn Store>, options: Options) -> Self {
        let heard = Arc::new(Heard::default());
        let messenger = Messenger::new(Arc::clone(&store), Arc::clone(&heard) as Arc<dyn Feed>, options);
        Self {
            store,
            messenger: Arc::new(messenger),
            heard,
        }
    }

    /// An account without a password worth the name, for hashing one takes long.
    pub(super) async fn person(&self, name: &str) -> Caller {
        let record = AccountRecord {
            username: Username::parse(name).expect("a valid name"),
            display_name: name.to_owned(),
            search_keys: text::search_keys(name, name),
            password_hash: "none".into(),
            kind: AccountKind::Human,
            admission: Admission::Anyone,
            at: Timestamp::now(),
        };
        let account = self
            .store
            .create_account(record)
            .await
            .expect("stored")
            .expect("accepted");
        Caller {
            user: account.id,
            login: LoginId(0),
        }
    }

    pub(super) async fn people<const N: usize>(&self, names: [&str; N]) -> [Caller; N] {
        let mut people = Vec::new();
        for name in names {
            people.push(self.person(name).await);
        }
        people.try_into().expect("as many as there are names")
    }

    pub(super) async fn direct(&self, one: &Caller, other: &Caller) -> ConversationId {
        self.messenger
            .open_direct(one, other.user)
            .await
            .expect("opened")
            .item
            .conversation
            .id
    }

    pub(super) async fn group(&self, owner: &Caller, others: &[Caller]) -> ConversationId {
        let others: Vec<UserId> = others.iter().map(|caller| caller.user).collect();
        self.messenger
            .create_group(owner, wish("Group", &others))
            .await
            .expect("created")
            .item
            .conversation
            .id
    }

    pub(super) async fn say(&self, who: &Caller, conversation: ConversationId, words: &str) -> Sent {
        self.messenger
            .send(who, conversation, draft(words))
            .await
            .expect("sent")
    }

    pub(super) async fn item(&self, viewer: &Caller, id: ConversationId) -> ListItem {
        self.messenger
            .conversation(viewer, id)
            .await
            .expect("in the list")
    }

    /// What was told since the last time.
    pub(super) fn heard(&self) -> Vec<(Vec<UserId>, Event)> {
        std::mem::take(&mut self.heard.0.lock())
    }
}

pub(super) fn wish(title: &str, members: &[UserId]) -> GroupWish {
    GroupWish {
        title: title.to_owned(),
        members: members.to_vec(),
        policies: PolicyChange::default(),
    }
}

pub(super) fn draft(words: &str) -> Draft {
    Draft {
        client_id: ClientId(uuid::Uuid::new_v4()),
        body: words.to_owned(),
        attachments: Vec::new(),
        reply_to: None,
        thread: None,
        advance_seen: true,
    }
}

/// A message of one's own as others are told of it.
pub(super) fn of_others(message: &Message) -> Message {
    Message {
        status: None,
        ..message.clone()
    }
}

/// The conversation and rev of a durable event of a conversation.
pub(super) fn rev_of(event: &Event) -> Option<(ConversationId, u64)> {
    match event {
        Event::MessageCreated { message, .. } => Some((message.conversation, message.rev)),
        Event::MessageUpdated { message, .. }
        | Event::ReactionChanged { message, .. }
        | Event::PinChanged { message, .. } => Some((message.conversation, message.rev)),
        Event::MembersChanged {
            conversation, rev, ..
        }
        | Event::MessagesDeleted {
            conversation, rev, ..
        }
        | Event::Noop {
            conversation, rev, ..
        }
        | Event::ConversationUpdated {
            conversation, rev, ..
        }
        | Event::ConversationDeleted {
            conversation, rev, ..
        } => Some((*conversation, *rev)),
        _ => None,
    }
}

/// Numbers that look random and are the same every time (xorshift).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
