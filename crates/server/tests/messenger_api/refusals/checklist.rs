//! Every refusal there is for each operation, and the test that shows it. A test that is renamed, or does not ask for
//! the refusal any more, fails here; so does a code that the table forgot.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::refused;
use crate::support::{Server, Setup};

/// Operation, how it comes to it, status, code (none where all is well), and the test.
type Row = (&'static str, &'static str, u16, &'static str, &'static str);

const ROWS: &[Row] = &[
    (
        "everywhere",
        "no token, or none that counts",
        401,
        "unauthenticated",
        "refusals/callers.rs nothing_is_told_without_a_valid_token",
    ),
    (
        "everywhere",
        "the account is suspended",
        403,
        "account_suspended",
        "moderation.rs a_suspended_person_is_out_at_every_door_at_once",
    ),
    (
        "everywhere",
        "what is not there, or not one's own",
        404,
        "not_found",
        "refusals.rs what_is_not_yours_cannot_be_told_from_what_is_not_there",
    ),
    (
        "everywhere",
        "a body that is too large",
        413,
        "payload_too_large",
        "refusals/bodies.rs bodies_that_are_no_json_are_refused_everywhere",
    ),
    (
        "everywhere",
        "a body of another type",
        415,
        "unsupported_media_type",
        "refusals/bodies.rs bodies_that_are_no_json_are_refused_everywhere",
    ),
    (
        "everywhere",
        "a field of a wrong type",
        422,
        "validation_failed",
        "refusals/bodies.rs bodies_that_are_no_json_are_refused_everywhere",
    ),
    (
        "everywhere",
        "too often",
        429,
        "rate_limited",
        "limits.rs so_often_may_one_ask",
    ),
    (
        "everywhere",
        "the store is away",
        503,
        "unavailable",
        "refusals.rs a_store_that_is_away_is_a_reason_to_come_back",
    ),
    (
        "register",
        "nobody may",
        403,
        "registration_closed",
        "refusals/callers.rs a_closed_server_takes_its_owner_and_nobody_else",
    ),
    (
        "register",
        "without an invite",
        403,
        "invite_required",
        "moderation.rs people_register_with_an_invite_to_the_server",
    ),
    (
        "register",
        "a name that somebody has",
        409,
        "username_taken",
        "refusals/callers.rs registering_and_logging_in_have_their_refusals",
    ),
    (
        "register",
        "an address that another has proven, after the proof",
        409,
        "email_taken",
        "mail.rs who_has_an_address_is_only_told_by_mail",
    ),
    (
        "register",
        "a name of other characters",
        422,
        "username_invalid",
        "refusals/callers.rs registering_and_logging_in_have_their_refusals",
    ),
    (
        "register",
        "a short password",
        422,
        "password_too_short",
        "refusals/callers.rs registering_and_logging_in_have_their_refusals",
    ),
    (
        "register",
        "a common password",
        422,
        "password_common",
        "refusals/callers.rs registering_and_logging_in_have_their_refusals",
    ),
    (
        "log in",
        "a wrong password, or nobody of that name",
        401,
        "invalid_credentials",
        "refusals/callers.rs registering_and_logging_in_have_their_refusals",
    ),
    (
        "log in",
        "without the second factor",
        401,
        "second_factor_required",
        "second_factor.rs ticket",
    ),
    (
        "log in",
        "with a wrong second factor",
        401,
        "second_factor_invalid",
        "second_factor.rs logging_in_takes_a_code_once_it_is_confirmed",
    ),
    (
        "log in",
        "a suspended account",
        403,
        "account_suspended",
        "moderation.rs a_suspended_person_is_out_at_every_door_at_once",
    ),
    (
        "log in",
        "after too many failures",
        429,
        "rate_limited",
        "limits.rs so_often_may_one_fail_to_log_in",
    ),
    (
        "start a direct conversation",
        "with nobody",
        404,
        "not_found",
        "refusals.rs what_is_not_yours_cannot_be_told_from_what_is_not_there",
    ),
    (
        "start a direct conversation",
        "with one who does not want it",
        403,
        "dm_not_allowed",
        "people.rs who_can_write_is_for_the_receiver_to_say",
    ),
    (
        "start a direct conversation",
        "again",
        200,
        "",
        "shapes.rs a_direct_conversation_is_opened_once",
    ),
    (
        "create a group",
        "without a title",
        422,
        "title_required",
        "refusals.rs conversations_and_messages_have_their_refusals",
    ),
    (
        "create a group",
        "of too many",
        422,
        "too_many_members",
        "limits.rs there_may_be_so_many",
    ),
    (
        "create a group",
        "with one who does not want it",
        403,
        "cannot_add_user",
        "people.rs who_is_added_to_groups_is_for_them_to_say",
    ),
    (
        "send",
        "after leaving",
        403,
        "not_a_member",
        "refusals/checklist.rs what_only_members_and_posters_may",
    ),
    (
        "send",
        "where only administrators post",
        403,
        "posting_restricted",
        "refusals/checklist.rs what_only_members_and_posters_may",
    ),
    (
        "send",
        "into a deleted conversation",
        404,
        "not_found",
        "refusals/checklist.rs what_only_members_and_posters_may",
    ),
    (
        "send",
        "under a key of another message",
        409,
        "client_id_conflict",
        "refusals.rs conversations_and_messages_have_their_refusals",
    ),
    (
        "send",
        "nothing",
        422,
        "empty_message",
        "refusals.rs conversations_and_messages_have_their_refusals",
    ),
    (
        "send",
        "too much",
        422,
        "body_too_long",
        "refusals.rs conversations_and_messages_have_their_refusals",
    ),
    (
        "send",
        "too many files",
        422,
        "too_many_attachments",
        "media/messages.rs files_that_cannot_be_sent_are_told",
    ),
    (
        "send",
        "a file that is still arriving",
        422,
        "attachment_not_ready",
        "media/messages.rs files_that_cannot_be_sent_are_told",
    ),
    (
        "send",
        "a file of another",
        422,
        "attachment_not_yours",
        "media/messages.rs files_that_cannot_be_sent_are_told",
    ),
    (
        "send",
        "a file that was sent",
        422,
        "attachment_in_use",
        "media/messages.rs files_that_cannot_be_sent_are_told",
    ),
    (
        "send",
        "an answer to what is elsewhere",
        422,
        "reply_target_invalid",
        "refusals.rs conversations_and_messages_have_their_refusals",
    ),
    (
        "send",
        "into the thread of no root",
        422,
        "thread_root_invalid",
        "threads.rs what_is_no_root_has_no_thread",
    ),
    (
        "send",
        "under no key",
        422,
        "client_id_invalid",
        "refusals.rs conversations_and_messages_have_their_refusals",
    ),
    (
        "edit",
        "who left",
        403,
        "not_a_member",
        "refusals/past_members.rs who_left_is_told_so_and_outsiders_hear_of_nothing",
    ),
    (
        "delete",
        "who left",
        403,
        "not_a_member",
        "refusals/past_members.rs who_left_is_told_so_and_outsiders_hear_of_nothing",
    ),
    (
        "react",
        "who left",
        403,
        "not_a_member",
        "refusals/past_members.rs who_left_is_told_so_and_outsiders_hear_of_nothing",
    ),
    (
        "pin",
        "who left",
        403,
        "not_a_member",
        "refusals/past_members.rs who_left_is_told_so_and_outsiders_hear_of_nothing",
    ),
    (
        "forward",
        "who left",
        403,
        "not_a_member",
        "refusals/past_members.rs who_left_is_told_so_and_outsiders_hear_of_nothing",
    ),
    (
        "mark all as read",
        "who left",
        403,
        "not_a_member",
        "refusals/past_members.rs who_left_is_told_so_and_outsiders_hear_of_nothing",
    ),
    (
        "see what a message said before",
        "who left",
        403,
        "not_a_member",
        "refusals/past_members.rs who_left_is_told_so_and_outsiders_hear_of_nothing",
    ),
    (
        "edit",
        "another's message",
        403,
        "not_author",
        "changes.rs a_message_is_edited_and_told",
    ),
    (
        "edit",
        "too late",
        403,
        "edit_window_closed",
        "refusals/checklist.rs windows_close",
    ),
    (
        "edit",
        "where nobody edits",
        403,
        "editing_disabled",
        "limits.rs new_conversations_begin_with_the_windows_that_are_set",
    ),
    (
        "edit",
        "a tombstone",
        409,
        "message_deleted",
        "changes.rs deleted_messages_are_tombstones",
    ),
    (
        "edit",
        "what has changed meanwhile",
        412,
        "stale_revision",
        "changes.rs a_message_is_edited_and_told",
    ),
    (
        "edit",
        "to nothing",
        422,
        "empty_message",
        "changes.rs a_message_is_edited_and_told",
    ),
    (
        "edit",
        "a note",
        422,
        "not_editable",
        "changes.rs a_message_is_edited_and_told",
    ),
    (
        "delete",
        "another's message",
        403,
        "not_allowed",
        "changes.rs deleted_messages_are_tombstones",
    ),
    (
        "delete",
        "too late",
        403,
        "delete_window_closed",
        "refusals/checklist.rs windows_close",
    ),
    (
        "delete",
        "again",
        204,
        "",
        "changes.rs deleted_messages_are_tombstones",
    ),
    (
        "react",
        "with more than one emoji, or with words",
        422,
        "emoji_invalid",
        "changes.rs reactions_are_counted_and_told",
    ),
    (
        "react",
        "with one more than there may be",
        409,
        "too_many_reactions",
        "limits.rs there_may_be_so_many",
    ),
    (
        "react",
        "to a tombstone",
        409,
        "message_deleted",
        "changes.rs deleted_messages_are_tombstones",
    ),
    (
        "react",
        "again",
        200,
        "",
        "changes.rs reactions_are_counted_and_told",
    ),
    (
        "pin",
        "one more than there may be",
        409,
        "too_many_pins",
        "pins.rs messages_are_pinned_and_told",
    ),
    (
        "pin",
        "a tombstone",
        409,
        "message_deleted",
        "pins.rs messages_are_pinned_and_told",
    ),
    ("pin", "again", 200, "", "pins.rs messages_are_pinned_and_told"),
    (
        "receipts",
        "in a conversation of others",
        200,
        "not_a_member",
        "shapes.rs receipts_move_forward_item_by_item",
    ),
    (
        "receipts",
        "beyond the last message",
        200,
        "seq_out_of_range",
        "shapes.rs receipts_move_forward_item_by_item",
    ),
    (
        "who has seen a message",
        "somebody else's",
        403,
        "not_author",
        "receipts.rs a_group_ticks_when_all_have_it_and_when_all_have_seen_it",
    ),
    (
        "who has seen a message",
        "who left",
        403,
        "not_a_member",
        "receipts.rs a_group_ticks_when_all_have_it_and_when_all_have_seen_it",
    ),
    (
        "receipts",
        "a lower one",
        200,
        "",
        "shapes.rs receipts_move_forward_item_by_item",
    ),
    ("typing", "wherever one may not", 204, "", "typing.rs types"),
    (
        "history",
        "from two places",
        422,
        "range_invalid",
        "refusals.rs queries_and_cursors_have_their_refusals",
    ),
    (
        "history",
        "in pages of 0 or 101",
        422,
        "limit_invalid",
        "refusals.rs queries_and_cursors_have_their_refusals",
    ),
    (
        "history",
        "before the first",
        200,
        "",
        "refusals/checklist.rs what_only_members_and_posters_may",
    ),
    (
        "search",
        "for nothing",
        422,
        "empty_query",
        "search.rs searches_are_refused_plainly",
    ),
    (
        "search",
        "for too much",
        422,
        "query_too_long",
        "search.rs searches_are_refused_plainly",
    ),
    (
        "search",
        "with a filter that is none",
        422,
        "filter_invalid",
        "search.rs searches_are_refused_plainly",
    ),
    (
        "search",
        "from a cursor that is none",
        400,
        "cursor_invalid",
        "search.rs searches_are_refused_plainly",
    ),
    (
        "add members",
        "as a member where administrators do",
        403,
        "not_allowed",
        "refusals/groups.rs members_have_their_refusals",
    ),
    (
        "add members",
        "who are banned",
        403,
        "cannot_add_user",
        "refusals/groups.rs members_have_their_refusals",
    ),
    (
        "add members",
        "into a full group",
        409,
        "group_full",
        "refusals/groups.rs members_have_their_refusals",
    ),
    (
        "remove, role, transfer",
        "without the right",
        403,
        "not_allowed",
        "refusals/groups.rs members_have_their_refusals",
    ),
    (
        "remove, role, transfer",
        "of the last owner",
        409,
        "last_owner",
        "refusals/groups.rs members_have_their_refusals",
    ),
    (
        "remove, role, transfer",
        "of one who is no member",
        404,
        "not_found",
        "refusals/groups.rs members_have_their_refusals",
    ),
    (
        "join by link",
        "that is none",
        404,
        "not_found",
        "refusals/groups.rs invites_have_their_refusals",
    ),
    (
        "join by link",
        "that has expired",
        410,
        "invite_expired",
        "refusals/groups.rs an_invite_that_has_expired_is_gone",
    ),
    (
        "join by link",
        "that was used up",
        410,
        "invite_used_up",
        "refusals/groups.rs invites_have_their_refusals",
    ),
    (
        "join by link",
        "that was revoked",
        410,
        "invite_revoked",
        "refusals/groups.rs invites_have_their_refusals",
    ),
    (
        "join by link",
        "though banned",
        403,
        "banned",
        "refusals/groups.rs invites_have_their_refusals",
    ),
    (
        "join by link",
        "a full group",
        409,
        "group_full",
        "refusals/groups.rs invites_have_their_refusals",
    ),
    (
        "join by link",
        "as a member",
        200,
        "",
        "refusals/groups.rs invites_have_their_refusals",
    ),
    (
        "upload",
        "too large",
        413,
        "file_too_large",
        "media.rs files_beyond_the_bounds_are_refused",
    ),
    (
        "upload",
        "something else as a voice note",
        415,
        "type_not_allowed",
        "media.rs voice_notes_are_measured",
    ),
    (
        "upload",
        "an image of too many pixels",
        422,
        "image_too_large",
        "media.rs files_beyond_the_bounds_are_refused",
    ),
    (
        "upload",
        "a broken image",
        422,
        "image_invalid",
        "media.rs files_beyond_the_bounds_are_refused",
    ),
    (
        "upload",
        "a waveform that is none",
        422,
        "waveform_invalid",
        "media.rs voice_notes_are_measured",
    ),
    (
        "upload",
        "a part that does not follow",
        409,
        "offset_mismatch",
        "media/resumable.rs a_file_comes_in_parts_and_goes_on_after_a_restart",
    ),
    (
        "upload",
        "more than one may have",
        507,
        "quota_exceeded",
        "media.rs files_beyond_the_bounds_are_refused",
    ),
    (
        "change policies",
        "to no history without a word about what there is",
        422,
        "purge_existing_required",
        "refusals/groups.rs settings_are_refused_to_those_who_may_not_change_them",
    ),
    (
        "change policies",
        "as a member",
        403,
        "not_allowed",
        "refusals/groups.rs settings_are_refused_to_those_who_may_not_change_them",
    ),
    (
        "synchronise",
        "from a cursor that is none",
        400,
        "cursor_invalid",
        "refusals.rs queries_and_cursors_have_their_refusals",
    ),
    (
        "synchronise",
        "from a cursor that is too old",
        410,
        "cursor_expired",
        "limits.rs a_client_that_missed_too_much_starts_afresh",
    ),
    (
        "join a channel",
        "of another, or of a conversation of others",
        403,
        "forbidden",
        "realtime.rs no_channel_is_signed_for_others",
    ),
];

/// The body of a test of this suite, by its file and name.
fn source_of(test: &str) -> Option<String> {
    let (file, name) = test.split_once(' ')?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/messenger_api")
        .join(file);
    let text = std::fs::read_to_string(path).ok()?;
    let (_, body) = text.split_once(&format!("async fn {name}("))?;
    let end = body.find("\n}\n").unwrap_or(body.len());
    Some(body[..end].to_owned())
}

#[test]
fn every_refusal_has_its_test() {
    let mut faults = Vec::new();
    for (operation, how, status, code, test) in ROWS {
        let Some(source) = source_of(test) else {
            faults.push(format!("{operation}, {how}: there is no {test}"));
            continue;
        };
        let asked = source.contains(&format!("\"{code}\"")) || code.is_empty();
        // Receipts are refused one by one, in an answer that is none.
        let answered = source.contains(&status.to_string()) || *status == 200;
        if !asked || !answered {
            faults.push(format!(
                "{operation}, {how}: {test} does not ask for {status} {code}"
            ));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let different: BTreeSet<_> = ROWS.iter().map(|(operation, how, ..)| (operation, how)).collect();
    assert_eq!(different.len(), ROWS.len(), "a row is there twice");
}

#[tokio::test]
async fn what_only_members_and_posters_may() {
    let server = Server::start().await;
    let [sam, mia, leo] = server.people(["sam", "mia", "leo"]).await;
    let group = server.group(&sam, &[&mia, &leo]).await;
    let path = format!("/conversations/{group}");
    let messages = format!("{path}/messages");
    server.say(&sam, group, "words").await;
    let sending = || json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": "hi"});
    let empty = server.get(&format!("{messages}?before=1")).by(&mia).send().await;
    assert_eq!((empty.status, &empty.json["items"]), (200, &json!([])));

    let left = server
        .post(&format!("{path}/leave"), &json!({}))
        .by(&leo)
        .send()
        .await;
    assert_eq!(left.status, 204);
    let policy = json!({"policies": {"post": "admins"}});
    assert_eq!(server.patch(&path, &policy).by(&sam).send().await.status, 200);
    for (who, code) in [(&leo, "not_a_member"), (&mia, "posting_restricted")] {
        let send = server.post(&messages, &sending()).by(who).send().await;
        refused(&send, 403, code, None);
    }
    assert_eq!(server.delete(&path).by(&sam).send().await.status, 204);
    let send = server.post(&messages, &sending()).by(&sam).send().await;
    refused(&send, 404, "not_found", None);
    server.stop().await;
}

#[tokio::test]
async fn windows_close() {
    let mut setup = Setup::default();
    setup.messenger.policies.edit_window_s = Some(1);
    setup.messenger.policies.delete_window_s = Some(1);
    let server = Server::start_with(setup).await;
    let (sam, mia) = (server.person("sam").await, server.person("mia").await);
    let id = server.direct(&sam, &mia).await;
    let message = server.say(&sam, id, "words").await;
    let path = format!("/messages/{}", message["id"]);
    let end = chinwag_messenger::Timestamp::now().0 + 1_001;
    while chinwag_messenger::Timestamp::now().0 <= end {
        tokio::task::yield_now().await;
    }
    let edit = server
        .patch(&path, &json!({"body": "other words"}))
        .by(&sam)
        .send()
        .await;
    refused(&edit, 403, "edit_window_closed", None);
    let delete = server
        .delete(&format!("{path}?for=everyone"))
        .by(&sam)
        .send()
        .await;
    refused(&delete, 403, "delete_window_closed", None);
    let shown: Value = server.get(&path).by(&mia).send().await.json;
    assert_eq!(shown["body"], "words");
    // From one's own view it goes at any time.
    let mine = server.delete(&format!("{path}?for=me")).by(&sam).send().await;
    assert_eq!(mine.status, 204);
    server.stop().await;
}
