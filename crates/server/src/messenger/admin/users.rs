//! `/admin/users`: everybody's accounts, as administrators see and change them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::store::AccountChange;
use chinwag_messenger::{ServerRole, UserId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use crate::error::Problem;
use crate::messenger::auth::{Reads, Writes};
use crate::messenger::extract::{self, Body, PathId, Query};
use crate::messenger::view::{AdminUser, List};
use crate::messenger::{MessengerApi, ok};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::messenger) struct UserQuery {
    /// How a username, or a word of a display name, begins.
    q: Option<String>,
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
}

#[utoipa::path(
    get, path = "/admin/users", tag = "moderation",
    params(UserQuery),
    responses((status = 200, description = "Accounts by id, deleted ones too", body = List<AdminUser>)),
)]
pub(in crate::messenger) async fn list(
    State(api): State<Arc<MessengerApi>>,
    _: Admin<Reads>,
    Query(given): Query<UserQuery>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?;
    let (query, cursor) = (given.q.as_deref(), given.cursor.as_deref());
    let page = api.messenger.admin_accounts(query, cursor, limit).await?;
    ok(&List {
        items: page.items.iter().map(AdminUser::from).collect(),
        next_cursor: page.next_cursor,
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::messenger) enum StatusWish {
    Active,
    Suspended,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::messenger) enum ServerRoleWish {
    Admin,
    Member,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::messenger) struct UserChange {
    status: Option<StatusWish>,
    server_role: Option<ServerRoleWish>,
}

#[utoipa::path(
    patch, path = "/admin/users/{id}", tag = "moderation",
    params(("id" = i64, Path)),
    request_body = UserChange,
    responses((status = 200, description = "As it is now", body = AdminUser)),
)]
pub(in crate::messenger) async fn change(
    State(api): State<Arc<MessengerApi>>,
    admin: Admin<Writes>,
    PathId(id): PathId,
    Body(given): Body<UserChange>,
) -> Result<Response, Problem> {
    let change = AccountChange {
        suspended: given.status.map(|status| matches!(status, StatusWish::Suspended)),
        role: given.server_role.map(|role| match role {
            ServerRoleWish::Admin => ServerRole::Admin,
            ServerRoleWish::Member => ServerRole::Member,
        }),
        revoke_devices: false,
    };
    let changed = api.messenger.change_account(&admin, UserId(id), change).await?;
    ok(&AdminUser::from(&changed))
}

#[utoipa::path(
    delete, path = "/admin/users/{id}/devices", tag = "moderation",
    params(("id" = i64, Path)),
    responses((status = 204, description = "All logins of the user have ended")),
)]
pub(in crate::messenger) async fn revoke_devices(
    State(api): State<Arc<MessengerApi>>,
    admin: Admin<Writes>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let change = AccountChange {
        revoke_devices: true,
        ..AccountChange::default()
    };
    api.messenger.change_account(&admin, UserId(id), change).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
