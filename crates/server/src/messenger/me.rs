//! `/me`: one's own account, who may see or do what, settings and the password.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chinwag_messenger::{ChangeMeError, PrivacyChange, ProfileChange};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::{self, By, Origin, Reads, Writes};
use super::extract::{Body, given};
use super::settings::avatar;
use super::view::{Me, OpennessWord};
use super::{MessengerApi, ok};
use crate::error::Problem;

/// How often settings are read and written anew when other devices change them meanwhile.
const SETTINGS_TRIES: u32 = 5;

#[utoipa::path(
    get, path = "/me", tag = "me",
    responses((status = 200, description = "The caller", body = Me)),
)]
pub(super) async fn show(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
) -> Result<Response, Problem> {
    let me = api.messenger.me(caller.user).await?;
    ok(&Me::from(&me.ok_or_else(Problem::unauthenticated)?))
}

/// What is left out, or null, stays, except for the picture.
#[derive(Deserialize, ToSchema)]
pub(super) struct ProfilePatch {
    username: Option<String>,
    display_name: Option<String>,
    bio: Option<String>,
    locale: Option<String>,
    timezone: Option<String>,
    /// Counts once it is proven by a mail that is sent there; null takes it away. Needs `password`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// The caller's, for a change of `email`.
    password: Option<String>,
    /// An image that the caller brought before; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<uuid::Uuid>)]
    avatar_id: Option<Option<String>>,
}

#[utoipa::path(
    patch, path = "/me", tag = "me",
    request_body = ProfilePatch,
    responses((status = 200, description = "The caller", body = Me)),
)]
pub(super) async fn change(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    origin: Origin,
    Body(given): Body<ProfilePatch>,
) -> Result<Response, Problem> {
    if let Some(email) = given.email {
        let password = given
            .password
            .ok_or_else(|| Problem::malformed("password", "required"))?;
        let address = origin.address_text();
        api.messenger
            .change_email(&caller, &password, &address, email.as_deref())
            .await?;
    }
    let wish = ProfileChange {
        username: given.username,
        display_name: given.display_name,
        bio: given.bio,
        locale: given.locale,
        timezone: given.timezone,
        avatar: avatar(given.avatar_id)?,
    };
    ok(&Me::from(&api.messenger.change_profile(&caller, wish).await?))
}

/// What is left out, or null, stays.
#[derive(Deserialize, ToSchema)]
pub(super) struct PrivacyPatch {
    last_seen: Option<OpennessWord>,
    read_receipts: Option<bool>,
    typing: Option<bool>,
    who_can_dm: Option<OpennessWord>,
    who_can_add_me: Option<OpennessWord>,
    discoverable: Option<bool>,
}

#[utoipa::path(
    patch, path = "/me/privacy", tag = "me",
    request_body = PrivacyPatch,
    responses((status = 200, description = "The caller", body = Me)),
)]
pub(super) async fn change_privacy(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    Body(given): Body<PrivacyPatch>,
) -> Result<Response, Problem> {
    let wish = PrivacyChange {
        last_seen: given.last_seen.map(OpennessWord::meant),
        read_receipts: given.read_receipts,
        typing: given.typing,
        who_can_dm: given.who_can_dm.map(OpennessWord::meant),
        who_can_add_me: given.who_can_add_me.map(OpennessWord::meant),
        discoverable: given.discoverable,
    };
    ok(&Me::from(&api.messenger.change_privacy(&caller, wish).await?))
}

#[utoipa::path(
    patch, path = "/me/settings", tag = "me",
    request_body(content = Object, description = "Fields to set; those that are null are taken out"),
    responses((status = 200, description = "The caller", body = Me)),
)]
pub(super) async fn change_settings(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    for _ in 0..SETTINGS_TRIES {
        let me = api.messenger.me(caller.user).await?;
        let known = me.ok_or_else(Problem::unauthenticated)?.settings;
        let changed = api
            .messenger
            .change_settings(&caller, known.clone(), patched(&known, &patch))
            .await;
        match changed {
            Err(ChangeMeError::SettingsChanged) => {}
            outcome => return ok(&Me::from(&outcome?)),
        }
    }
    Err(ChangeMeError::SettingsChanged.into())
}

fn patched(known: &str, patch: &Map<String, Value>) -> String {
    let mut fields: Map<String, Value> = serde_json::from_str(known).unwrap_or_default();
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    Value::from(fields).to_string()
}

#[derive(Deserialize, ToSchema)]
pub(super) struct PasswordChange {
    current_password: String,
    password: String,
}

#[utoipa::path(
    post, path = "/me/password", tag = "me",
    request_body = PasswordChange,
    responses((status = 204, description = "Changed; the caller's other logins have ended")),
)]
pub(super) async fn change_password(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    origin: Origin,
    Body(given): Body<PasswordChange>,
) -> Result<Response, Problem> {
    let address = origin.address_text();
    api.messenger
        .change_password(&caller, &given.current_password, &given.password, &address)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What proves that it is the caller who wants it.
#[derive(Deserialize, ToSchema)]
pub(super) struct Farewell {
    password: String,
    /// Of the second factor, or a recovery code, if there is one.
    code: Option<String>,
}

#[utoipa::path(
    delete, path = "/me", tag = "me",
    request_body = Farewell,
    responses((status = 204, description = "The account is no more")),
)]
pub(super) async fn delete(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    origin: Origin,
    headers: HeaderMap,
    Body(given): Body<Farewell>,
) -> Result<Response, Problem> {
    let address = origin.address_text();
    api.messenger
        .delete_account(&caller, &given.password, given.code.as_deref(), &address)
        .await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if auth::has_session(&headers) {
        auth::end_session(response.headers_mut(), &origin);
    }
    Ok(response)
}
