//! `/users` and `/presence`: other people.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chinwag_messenger::{ConversationId, Openness, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{By, Reads};
use super::extract::{self, PathId, Query};
use super::view::{Items, List, Moment, Person, PresenceOf, PresenceState, User};
use super::{MessengerApi, ok};
use crate::error::Problem;

/// Most people a search shows.
const FOUND_MAX: usize = 20;
/// Most people whose presence is told at once.
const PRESENCES_MAX: usize = 200;
/// People whose privacy is asked for by one query.
const ASKED_AT_ONCE: usize = 500;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// The beginning of a username, or of a word of a display name.
    #[param(required, max_length = 200)]
    q: Option<String>,
    /// Most people found; 20 at most.
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
}

#[utoipa::path(
    get, path = "/users", tag = "people",
    params(Search),
    responses((status = 200, description = "People found", body = List<User>)),
)]
pub(super) async fn search(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    Query(given): Query<Search>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?
        .unwrap_or(FOUND_MAX)
        .min(FOUND_MAX);
    let found = api
        .messenger
        .search_people(&caller, given.q.as_deref().unwrap_or_default(), limit)
        .await?;
    ok(&List::whole(found.iter().map(User::from).collect()))
}

#[utoipa::path(
    get, path = "/users/{id}", tag = "people",
    params(("id" = i64, Path)),
    responses((status = 200, description = "A person", body = Person)),
)]
pub(super) async fn show(
    State(api): State<Arc<MessengerApi>>,
    _: By<Reads>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let account = api
        .messenger
        .account(UserId(id))
        .await?
        .ok_or_else(Problem::not_found)?;
    let bio = api.messenger.bio(account.id).await?;
    ok(&Person {
        user: (&account).into(),
        bio: &bio,
    })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// Ids separated by commas, 200 at most.
    #[param(example = "1,2")]
    user_ids: Option<String>,
}

/// People who are unknown, or do not show themselves to the caller, are left out.
#[utoipa::path(
    get, path = "/presence", tag = "people",
    params(Whose),
    responses((status = 200, description = "Who is there", body = Items<PresenceOf>)),
)]
pub(super) async fn presence(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    Query(given): Query<Whose>,
) -> Result<Response, Problem> {
    let ids = user_ids(given.user_ids.as_deref().unwrap_or_default())?;
    let mut accounts = api.messenger.accounts_by_id(&ids).await?;
    let shown = api.messenger.shown_to(caller.user, &ids).await?;
    accounts.retain(|account| shown.contains(&account.id));
    let items = accounts
        .iter()
        .map(|account| {
            let state = api.presence.state_of(account.id);
            let gone = state == PresenceState::Offline;
            PresenceOf {
                user_id: account.id.0,
                state,
                last_seen_at: account.last_seen_at.filter(|_| gone).map(Moment),
            }
        })
        .collect();
    ok(&Items { items })
}

/// How many of a conversation's members are there.
#[derive(Serialize, ToSchema)]
pub(super) struct OnlineCount {
    online_count: usize,
}

/// For conversations too large to follow everybody. Who shows itself to nobody is not counted.
#[utoipa::path(
    get, path = "/conversations/{id}/presence", tag = "people",
    params(("id" = i64, Path)),
    responses((status = 200, description = "How many of its members are there, as of the last half minute", body = OnlineCount)),
)]
pub(super) async fn online_count(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let id = ConversationId(id);
    if api.messenger.membership(caller.user, id).await?.is_none() {
        return Err(Problem::not_found());
    }
    if let Some(online_count) = api.presence.counted(id) {
        return ok(&OnlineCount { online_count });
    }
    let mut members = api.messenger.member_ids(id).await?;
    members.retain(|member| api.presence.state_of(*member) != PresenceState::Offline);
    let mut online_count = 0;
    for part in members.chunks(ASKED_AT_ONCE) {
        let privacy = api.messenger.privacy(part).await?;
        let shown = privacy
            .iter()
            .filter(|(_, privacy)| privacy.last_seen != Openness::Nobody);
        online_count += shown.count();
    }
    api.presence.keep_count(id, online_count);
    ok(&OnlineCount { online_count })
}

/// `1,2,3`; empty is nobody.
fn user_ids(given: &str) -> Result<Vec<UserId>, Problem> {
    let split = given.split(',').map(str::trim).filter(|part| !part.is_empty());
    let malformed = || Problem::malformed("user_ids", "type_invalid");
    let mut ids = split
        .map(|part| extract::id(part).map(UserId).ok_or_else(malformed))
        .collect::<Result<Vec<_>, _>>()?;
    if ids.len() > PRESENCES_MAX {
        return Err(Problem::malformed("user_ids", "too_many"));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
