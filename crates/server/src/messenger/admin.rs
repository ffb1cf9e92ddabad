//! `/admin`: the server as its administrators see it, the engine first of all. Nothing here shows a secret, and
//! nothing a conversation: of those there is only what was copied into reports.

pub(super) mod audit;
mod dashboard;
pub(super) mod reports;
pub(super) mod server_invites;
mod stats;
pub(super) mod users;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{Redirect, Response};
use axum::routing::get;
use chinwag_engine::{App, PublishError, Statistics};
use chinwag_messenger::{Caller, ServerRole, UserId};
use chinwag_protocol::pusher::api::ApiError;
use chinwag_protocol::pusher::api::publish::trigger;
use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Budget, By, Reads, Writes};
use super::extract::{self, Body, Query};
use super::{MessengerApi, around, method_not_allowed, ok, view};
use crate::error::Problem;
use crate::pusher::PusherApi;

const PAGE_SIZE_MAX: usize = 100;

/// What the console works with: the messenger knows who asks, the rest is what they ask about.
pub struct Console {
    /// Knows who is an administrator.
    pub messenger: Arc<MessengerApi>,
    /// The engine's HTTP side, with its workers and their traffic.
    pub pusher: Arc<PusherApi>,
    /// What was counted earlier.
    pub statistics: Arc<dyn Statistics>,
}

/// Every route of the console.
pub fn router(console: Arc<Console>) -> Router {
    let admin = Router::from(documented()).method_not_allowed_fallback(method_not_allowed);
    let old_dashboard = Router::new()
        .route("/", get(async || Redirect::to("/admin")))
        .route("/api/{id}/statistics", get(dashboard::statistics))
        .method_not_allowed_fallback(method_not_allowed);
    let routes = Router::new()
        .nest("/api/v1/admin", admin)
        .nest("/laravel-websockets", old_dashboard);
    around(routes).with_state(console)
}

/// The routes with their description, below `/admin`.
pub(super) fn documented() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new()
        .routes(routes!(stats::show))
        .routes(routes!(apps))
        .routes(routes!(publish))
        .routes(routes!(channels))
}

/// Whether the user may see the console.
pub(super) async fn is_admin(api: &MessengerApi, user: UserId) -> Result<bool, Problem> {
    let account = api.messenger.account(user).await?;
    Ok(account.is_some_and(|account| matches!(account.server_role, ServerRole::Owner | ServerRole::Admin)))
}

/// An administrator who asks, charged to the budget `B`.
pub(super) struct Admin<B>(By<B>);

impl<B> Deref for Admin<B> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0.caller
    }
}

impl<B: Budget> FromRequestParts<Arc<MessengerApi>> for Admin<B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<MessengerApi>) -> Result<Self, Problem> {
        let by = By::<B>::from_request_parts(parts, api).await?;
        if is_admin(api, by.caller.user).await? {
            Ok(Self(by))
        } else {
            Err(Problem::forbidden())
        }
    }
}

impl<B: Budget> FromRequestParts<Arc<Console>> for Admin<B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Problem> {
        Self::from_request_parts(parts, &console.messenger).await
    }
}

impl Console {
    fn app(&self, id: &str) -> Result<Arc<App>, Problem> {
        let app = self.pusher.engine.apps.by_id(id);
        app.ok_or_else(Problem::not_found)
    }

    /// The messenger's own app: what is published there is taken for the messenger's word.
    fn is_internal(&self, app: &App) -> bool {
        app.number == self.messenger.app.number
    }
}

/// An app as the engine runs it.
#[derive(Serialize, ToSchema)]
struct EngineApp {
    id: String,
    key: String,
    enabled: bool,
    internal: bool,
    connections: u64,
    channels: usize,
}

#[utoipa::path(
    get, path = "/engine/apps", tag = "console",
    responses((status = 200, description = "The apps of this node", body = view::List<EngineApp>)),
)]
async fn apps(State(console): State<Arc<Console>>, _: Admin<Reads>) -> Result<Response, Problem> {
    let engine = &console.pusher.engine;
    let apps = engine.apps.all();
    let items = apps.iter().map(|app| EngineApp {
        id: app.id.clone(),
        key: app.key().to_owned(),
        enabled: app.options.enabled,
        internal: console.is_internal(app),
        connections: console.pusher.workers.traffic().totals(app.number).connections,
        channels: shown_channels(&console, app, "").len(),
    });
    ok(&view::List::whole(items.collect::<Vec<_>>()))
}

/// Channels without those that nodes and protocols use among themselves.
fn shown_channels(console: &Console, app: &App, prefix: &str) -> Vec<(chinwag_engine::ChannelName, usize)> {
    let mut channels = console.pusher.engine.channels(app.number, prefix);
    channels.retain(|(channel, _)| !channel.as_str().starts_with('#'));
    channels
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
    /// The name that the page before ended with.
    cursor: Option<String>,
    /// How the names begin.
    prefix: Option<String>,
}

/// A channel of this node, and for how many.
#[derive(Serialize, ToSchema)]
#[schema(as = EngineChannel)]
struct ChannelView {
    name: String,
    subscribers: usize,
}

#[utoipa::path(
    get, path = "/apps/{id}/channels", tag = "console",
    params(("id" = String, Path), Page),
    responses((status = 200, description = "Channels by name", body = view::List<ChannelView>)),
)]
async fn channels(
    State(console): State<Arc<Console>>,
    _: Admin<Reads>,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let limit = extract::limit_up_to(page.limit.as_deref(), PAGE_SIZE_MAX)?;
    let app = console.app(&id)?;
    let prefix = page.prefix.unwrap_or_default();
    let mut channels = shown_channels(&console, &app, &prefix);
    channels.retain(|(channel, _)| {
        let name = channel.as_str();
        name.starts_with(&prefix) && page.cursor.as_deref().is_none_or(|cursor| name > cursor)
    });
    channels.sort();
    let more = channels.len() > limit;
    channels.truncate(limit);
    let items = channels.iter().map(|(channel, subscribers)| ChannelView {
        name: channel.to_string(),
        subscribers: *subscribers,
    });
    let items: Vec<_> = items.collect();
    let next_cursor = items.last().filter(|_| more).map(|last| last.name.clone());
    ok(&view::List { items, next_cursor })
}

#[derive(Deserialize, ToSchema)]
struct NewEvent {
    channel: String,
    name: String,
    data: serde_json::Value,
}

/// What was published, and for how many.
#[derive(Serialize, ToSchema)]
#[schema(as = Published)]
struct PublishedView {
    channel: String,
    subscribers: usize,
}

/// Publishes through the same checks as the HTTP API, signature aside: the caller has shown who it is.
#[utoipa::path(
    post, path = "/apps/{id}/events", tag = "console",
    params(("id" = String, Path)),
    request_body = NewEvent,
    responses((status = 200, description = "Published", body = PublishedView)),
)]
async fn publish(
    State(console): State<Arc<Console>>,
    admin: Admin<Writes>,
    Path(id): Path<String>,
    Body(new): Body<NewEvent>,
) -> Result<Response, Problem> {
    let app = console.app(&id)?;
    if console.is_internal(&app) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "app_internal",
            "Nobody may speak in the messenger's name.",
        ));
    }
    if !app.options.enabled {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "app_disabled",
            "The app is disabled.",
        ));
    }
    let body = serde_json::json!({"name": new.name, "channels": [&new.channel], "data": new.data});
    let event = trigger(&app, body.to_string().as_bytes()).map_err(refused)?;
    let pusher = &console.pusher;
    pusher.note_published(&app, &event.publication, &event.channels);
    let subscribers = pusher.engine.subscriber_count(app.number, &event.channels[0]);
    let published = pusher.engine.publish(event.publication).await;
    published.map_err(|error| match error {
        PublishError::Busy => Problem::unavailable(),
        PublishError::Broker(error) => {
            warn!(%error, "A publication was not accepted");
            Problem::unavailable()
        }
    })?;
    let subject = serde_json::json!({"app_id": id, "channel": new.channel, "name": new.name});
    console
        .messenger
        .note(&admin, "event.published", &subject)
        .await?;
    ok(&PublishedView {
        channel: new.channel,
        subscribers,
    })
}

/// The HTTP API's refusal, with the field of ours that is at fault.
fn refused(error: ApiError) -> Problem {
    let field = match error.code {
        "invalid_name" => ("name", "event_name_invalid"),
        "payload_too_large" => ("data", "event_too_large"),
        "invalid_data" => ("data", "event_data_invalid"),
        "invalid_channel" | "invalid_channels" => ("channel", "channel_invalid"),
        _ => return Problem::bad_request("The event cannot be published."),
    };
    Problem::field(field.0, field.1, error.message)
}
