//! `PATCH` and `DELETE` of a conversation, and one's own part of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::{
    AttachmentId, AvatarError, ConversationId, DraftWish, MessageId, MyStateWish, PolicyChange, SettingsWish,
    Timestamp,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::{By, Writes};
use super::extract::{self, Body, Object, PathId, given};
use super::view::{EditHistoryWord, ListItem, NewcomersWord, NotifyWord, WhoWord};
use super::{MessengerApi, ok};
use crate::error::Problem;

/// Policies as a client wishes them; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct PolicyWish {
    edit_history: Option<EditHistoryWord>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    edit_window_s: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    delete_window_s: Option<Option<u64>>,
    post: Option<WhoWord>,
    invite: Option<WhoWord>,
    info: Option<WhoWord>,
    pin: Option<WhoWord>,
    history_for_new_members: Option<NewcomersWord>,
}

/// Longest window that is not without end: a hundred years.
const WINDOW_S_MAX: u64 = 100 * 366 * 24 * 60 * 60;

impl PolicyWish {
    pub(super) fn change(self) -> Result<PolicyChange, Problem> {
        let window = |field: &'static str, wish: Option<Option<u64>>| match wish {
            Some(Some(seconds)) if seconds > WINDOW_S_MAX => {
                Err(Problem::field(field, "window_invalid", "The window is too long."))
            }
            wish => Ok(wish),
        };
        Ok(PolicyChange {
            edit_history: self.edit_history.map(Into::into),
            edit_window_s: window("policies.edit_window_s", self.edit_window_s)?,
            delete_window_s: window("policies.delete_window_s", self.delete_window_s)?,
            post: self.post.map(Into::into),
            invite: self.invite.map(Into::into),
            info: self.info.map(Into::into),
            pin: self.pin.map(Into::into),
            newcomers: self.history_for_new_members.map(Into::into),
        })
    }
}

/// What is no id at all is nobody's attachment.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub(super) fn avatar(given: Option<Option<String>>) -> Result<Option<Option<AttachmentId>>, AvatarError> {
    let read = |id: String| {
        let id = extract::uuid(&id).map(AttachmentId);
        id.ok_or(AvatarError::NotYours)
    };
    given.map(|given| given.map(read).transpose()).transpose()
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ConversationUpdate)]
pub(super) struct Update {
    title: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// An image that the caller brought before.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<uuid::Uuid>)]
    avatar_id: Option<Option<String>>,
    #[schema(value_type = Option<PolicyWish>)]
    policies: Option<Object<PolicyWish>>,
    purge_existing: Option<bool>,
}

#[utoipa::path(
    patch, path = "/conversations/{id}", tag = "conversations",
    params(("id" = i64, Path)),
    request_body = Update,
    responses((status = 200, description = "As it is now", body = ListItem)),
)]
pub(super) async fn update(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
    Body(given): Body<Update>,
) -> Result<Response, Problem> {
    let policies = given.policies.map(|Object(wish)| wish.change()).transpose()?;
    let wish = SettingsWish {
        title: given.title,
        description: given.description.map(Option::unwrap_or_default),
        avatar: avatar(given.avatar_id)?,
        policies: policies.unwrap_or_default(),
        purge_existing: given.purge_existing,
    };
    let id = ConversationId(id);
    api.messenger.update_conversation(&caller, id, wish).await?;
    ok(&ListItem::from(&api.messenger.conversation(&caller, id).await?))
}

#[utoipa::path(
    delete, path = "/conversations/{id}", tag = "conversations",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted for all, or for the caller")),
)]
pub(super) async fn delete(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    api.messenger
        .delete_conversation(&caller, ConversationId(id))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, ToSchema)]
#[schema(as = DraftUpdate)]
struct DraftBody {
    #[serde(default)]
    body: String,
    reply_to: Option<i64>,
    #[serde(default)]
    attachments: Vec<uuid::Uuid>,
    based_on: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct MyUpdate {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    muted_until: Option<Option<String>>,
    notify: Option<NotifyWord>,
    archived: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i32>)]
    pinned_order: Option<Option<i32>>,
    marked_unread: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<DraftBody>)]
    draft: Option<Option<Object<DraftBody>>>,
}

#[utoipa::path(
    patch, path = "/conversations/{id}/me", tag = "conversations",
    params(("id" = i64, Path)),
    request_body = MyUpdate,
    responses((status = 200, description = "As it is now", body = ListItem)),
)]
pub(super) async fn update_mine(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
    Body(given): Body<MyUpdate>,
) -> Result<Response, Problem> {
    let muted_until = match given.muted_until {
        Some(Some(text)) => Some(Some(moment("muted_until", &text)?)),
        Some(None) => Some(None),
        None => None,
    };
    let draft = match given.draft {
        Some(Some(Object(draft))) => Some(Some(draft_wish(draft)?)),
        Some(None) => Some(None),
        None => None,
    };
    let wish = MyStateWish {
        muted_until,
        notify: given.notify.map(Into::into),
        archived: given.archived,
        pinned_order: given.pinned_order.map(|order| order.map(i64::from)),
        marked_unread: given.marked_unread,
        draft,
    };
    let item = api
        .messenger
        .set_my_state(&caller, ConversationId(id), wish)
        .await?;
    ok(&ListItem::from(&item))
}

fn draft_wish(draft: DraftBody) -> Result<DraftWish, Problem> {
    let based_on = draft
        .based_on
        .map(|text| moment("draft.based_on", &text))
        .transpose()?;
    Ok(DraftWish {
        body: draft.body,
        reply_to: draft.reply_to.map(MessageId),
        attachments: draft.attachments,
        based_on,
    })
}

/// A moment in RFC 3339.
fn moment(field: &'static str, text: &str) -> Result<Timestamp, Problem> {
    let moment: jiff::Timestamp = text
        .parse()
        .map_err(|_| Problem::malformed(field, "time_invalid"))?;
    Ok(Timestamp(moment.as_millisecond()))
}

#[utoipa::path(
    post, path = "/conversations/{id}/clear", tag = "conversations",
    params(("id" = i64, Path)),
    responses((status = 200, description = "As it is now", body = ListItem)),
)]
pub(super) async fn clear(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let item = api.messenger.clear_history(&caller, ConversationId(id)).await?;
    ok(&ListItem::from(&item.ok_or_else(Problem::not_found)?))
}
