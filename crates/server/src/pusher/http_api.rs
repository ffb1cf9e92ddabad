//! The endpoints under `/apps/{id}`: signed requests of application servers.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{OriginalUri, Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, get, post};
use chinwag_engine::{App, AppNumber, BrokerError, ChannelName, PublishError, UserId};
use chinwag_protocol::pusher::api::publish::{self, Event};
use chinwag_protocol::pusher::api::query::{self, Attributes, Cached, Info};
use chinwag_protocol::pusher::api::{self, ApiError};
use chinwag_protocol::pusher::{Bucket, Kind};
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::{PusherApi, answer, not_found, refuse};

/// How often each app's servers publish and ask.
#[derive(Default)]
pub struct Rates(Mutex<HashMap<(AppNumber, Asks), Bucket>>);

/// What counts against which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asks {
    Publish,
    Query,
}

impl Rates {
    fn take(&self, app: &App, asks: Asks, times: usize, now: u64) -> Result<(), ApiError> {
        let per_s = match asks {
            Asks::Publish => app.options.published_per_s,
            Asks::Query => app.options.queries_per_s,
        };
        if per_s == 0 {
            return Ok(());
        }
        let mut buckets = self.0.lock();
        let bucket = buckets
            .entry((app.number, asks))
            .or_insert_with(|| Bucket::new(now, per_s));
        // A batch of more than a second's worth must be possible at all.
        if (0..times.min(per_s as usize)).all(|_| bucket.take(now, per_s)) {
            return Ok(());
        }
        let text = format!("The app may do this {per_s} times a second");
        Err(ApiError::new(429, "rate_limited", text))
    }
}

/// The routes of the API.
pub(super) fn routes() -> Router<Arc<PusherApi>> {
    Router::new()
        .route("/apps/{id}/events", post(events))
        .route("/apps/{id}/batch_events", post(batch_events))
        .route("/apps/{id}/channels", get(channels))
        .route("/apps/{id}/channels/{name}", get(channel))
        .route("/apps/{id}/channels/{name}/users", get(users))
        .route("/apps/{id}/channels/{name}/events", post(channel_events))
        .route("/apps/{id}/channels/{name}/stats", get(channel))
        .route("/apps/{id}/users/{user}/terminate_connections", post(terminate))
        .route("/users/{user}/terminate_connections", post(terminate_by_key))
        .route("/apps/{id}/connections", get(connections))
        .route("/apps/{id}/{*rest}", any(not_found))
}

/// A request that its app has signed.
struct Signed {
    app: Arc<App>,
    query: String,
    body: axum::body::Bytes,
}

/// Reads a request and believes it only if its app has signed it.
async fn signed(
    api: &PusherApi,
    app: Option<Arc<App>>,
    uri: &axum::http::Uri,
    request: Request,
) -> Result<Signed, ApiError> {
    let method = request.method().clone();
    let body = axum::body::to_bytes(request.into_body(), api.body_bytes_max)
        .await
        .map_err(|_| {
            let text = format!(
                "The request exceeds the allowed maximum ({} bytes), or did not arrive",
                api.body_bytes_max
            );
            ApiError::new(413, "payload_too_large", text)
        })?;
    let query = uri.query().unwrap_or_default();
    let asked = api::Request {
        method: method.as_str(),
        path: uri.path(),
        query,
        body: &body,
    };
    let app = believe(api, app, &asked)?;
    Ok(Signed {
        app,
        query: query.to_owned(),
        body,
    })
}

/// Believes a request only if its app, which must be there, has signed it.
fn believe(api: &PusherApi, app: Option<Arc<App>>, asked: &api::Request<'_>) -> Result<Arc<App>, ApiError> {
    let app = app.ok_or_else(|| ApiError::new(404, "unknown_app", "No matching application"))?;
    if !app.options.enabled {
        return Err(ApiError::new(403, "app_disabled", "The application is disabled"));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970")
        .as_secs();
    api::authenticate(&app, asked, now, &api.prefix)?;
    Ok(app)
}

type Api = State<Arc<PusherApi>>;

fn reply(result: Result<String, ApiError>) -> Response {
    match result {
        Ok(body) => answer(StatusCode::OK, body),
        Err(error) => refuse(&error),
    }
}

fn unavailable(error: &BrokerError) -> ApiError {
    tracing::warn!(%error, "A request could not be carried out");
    let text = "The server cannot do this now; try again in a moment";
    ApiError::new(503, "unavailable", text)
}

/// Publishes, and returns on which channels.
async fn publish(api: &PusherApi, app: &App, event: Event) -> Result<Vec<ChannelName>, ApiError> {
    let Event {
        publication,
        channels,
        ..
    } = event;
    api.note_published(app, &publication, &channels);
    let published = match channels.as_slice() {
        [_] => api.engine.publish(publication).await.map(drop),
        _ => api.engine.publish_each(publication, channels.clone()).await,
    };
    published.map_err(|error| match error {
        PublishError::Busy => ApiError::new(503, "busy", "The server is busy; try again in a moment"),
        PublishError::Broker(error) => unavailable(&error),
    })?;
    Ok(channels)
}

/// What is known of a channel, as far as it was asked and applies.
async fn attributes(
    api: &PusherApi,
    app: &App,
    channel: &ChannelName,
    info: Info,
) -> Result<Attributes, ApiError> {
    let kind = Kind::of(channel.as_str());
    let mut found = Attributes::default();
    if info.user_count && kind.presence {
        let roster = api.engine.roster(app.number, channel).await;
        let roster = roster.map_err(|error| unavailable(&BrokerError(error.to_string())))?;
        found.user_count = Some(roster.members.len());
    }
    if info.subscription_count && !channel.as_str().starts_with('#') {
        found.subscription_count = Some(api.engine.subscriber_count(app.number, channel));
    }
    if info.cache && kind.cache {
        let history = api.engine.history(app.number, channel, None, 1).await;
        found.cache = Some(Cached::of(&history.map_err(|error| unavailable(&error))?));
    }
    Ok(found)
}

async fn events(
    State(api): Api,
    Path(id): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let read = async {
        let Signed { app, body, .. } = signed(&api, api.engine.apps.by_id(&id), &uri, request).await?;
        let event = publish::trigger(&app, &body)?;
        Ok(Trigger { app, event })
    };
    reply(api.trigger(&id, read.await).await)
}

/// An event that its app's server has asked to publish.
pub(crate) struct Trigger {
    app: Arc<App>,
    event: Event,
}

impl PusherApi {
    /// Reads a request to `POST /apps/{id}/events` that is there whole.
    pub(crate) fn read_trigger(&self, id: &str, asked: &api::Request<'_>) -> Result<Trigger, ApiError> {
        let app = believe(self, self.engine.apps.by_id(id), asked)?;
        let event = publish::trigger(&app, asked.body)?;
        Ok(Trigger { app, event })
    }

    /// Carries it out; the answer's body.
    pub(crate) async fn trigger(
        &self,
        id: &str,
        read: Result<Trigger, ApiError>,
    ) -> Result<String, ApiError> {
        let done = async {
            let Trigger { app, event } = read?;
            self.rates.take(&app, Asks::Publish, 1, self.workers.now())?;
            let info = event.info;
            let channels = publish(self, &app, event).await?;
            if !info.is_asked() {
                return Ok("{}".to_owned());
            }
            let mut found = Vec::with_capacity(channels.len());
            for channel in channels {
                let of_channel = attributes(self, &app, &channel, info).await?;
                found.push((channel, of_channel));
            }
            Ok(query::channels_body(found))
        };
        let done = done.await;
        if let Err(error) = &done {
            self.note_refused(id, error);
        }
        done
    }
}

async fn batch_events(
    State(api): Api,
    Path(id): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let done = async {
        let Signed { app, body, .. } = signed(&api, api.engine.apps.by_id(&id), &uri, request).await?;
        let events = publish::batch(&app, &body)?;
        api.rates
            .take(&app, Asks::Publish, events.len(), api.workers.now())?;
        let asked = events.iter().any(|event| event.info.is_asked());
        let mut found = Vec::with_capacity(events.len());
        for event in events {
            let info = event.info;
            let channels = publish(&api, &app, event).await?;
            found.push(attributes(&api, &app, &channels[0], info).await?);
        }
        Ok(if asked {
            query::batch_body(&found)
        } else {
            "{}".to_owned()
        })
    };
    let done = done.await;
    if let Err(error) = &done {
        api.note_refused(&id, error);
    }
    reply(done)
}

/// The way to publish before there were `events`. Answered with 202.
async fn channel_events(
    State(api): Api,
    Path((id, name)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let done = async {
        let asked = signed(&api, api.engine.apps.by_id(&id), &uri, request).await?;
        let event = publish::on_channel(&asked.app, &name, &asked.query, &asked.body)?;
        api.rates.take(&asked.app, Asks::Publish, 1, api.workers.now())?;
        publish(&api, &asked.app, event).await
    };
    match done.await {
        Ok(_) => answer(StatusCode::ACCEPTED, "{}".to_owned()),
        Err(error) => {
            api.note_refused(&id, &error);
            refuse(&error)
        }
    }
}

async fn channels(
    State(api): Api,
    Path(id): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let done = async {
        let Signed { app, query, .. } = signed(&api, api.engine.apps.by_id(&id), &uri, request).await?;
        let (prefix, info) = query::channels(&query)?;
        api.rates.take(&app, Asks::Query, 1, api.workers.now())?;
        let mut found = Vec::new();
        for (channel, count) in api.engine.channels(app.number, &prefix) {
            // What begins with # is the server's own.
            if channel.as_str().starts_with('#') {
                continue;
            }
            let users_only = Info {
                subscription_count: false,
                ..info
            };
            let mut of_channel = attributes(&api, &app, &channel, users_only).await?;
            of_channel.subscription_count = info.subscription_count.then_some(count);
            found.push((channel, of_channel));
        }
        Ok(query::channels_body(found))
    };
    reply(done.await)
}

async fn channel(
    State(api): Api,
    Path((id, name)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let done = async {
        let Signed { app, query, .. } = signed(&api, api.engine.apps.by_id(&id), &uri, request).await?;
        let (channel, info) = query::channel(&name, &query, &app)?;
        api.rates.take(&app, Asks::Query, 1, api.workers.now())?;
        let mut found = attributes(&api, &app, &channel, info).await?;
        found.occupied = Some(api.engine.has_subscribers(app.number, &channel));
        Ok(query::channel_body(&found))
    };
    reply(done.await)
}

async fn users(
    State(api): Api,
    Path((id, name)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let done = async {
        let Signed { app, query, .. } = signed(&api, api.engine.apps.by_id(&id), &uri, request).await?;
        let (channel, with_info) = query::users(&name, &query, &app)?;
        api.rates.take(&app, Asks::Query, 1, api.workers.now())?;
        let roster = api.engine.roster(app.number, &channel).await;
        let roster = roster.map_err(|error| unavailable(&BrokerError(error.to_string())))?;
        Ok(query::users_body(&roster, with_info))
    };
    reply(done.await)
}

async fn connections(
    State(api): Api,
    Path(id): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let done = async {
        let Signed { app, .. } = signed(&api, api.engine.apps.by_id(&id), &uri, request).await?;
        api.rates.take(&app, Asks::Query, 1, api.workers.now())?;
        Ok(format!(r#"{{"connections":{}}}"#, api.quota.of_app(&app)))
    };
    reply(done.await)
}

async fn terminate(
    State(api): Api,
    Path((id, user)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let app = api.engine.apps.by_id(&id);
    reply(end_connections(&api, app, &user, &uri, request).await)
}

/// The same by an SDK that leaves the app out of the path: its key tells which app is meant.
async fn terminate_by_key(
    State(api): Api,
    Path(user): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let key = api::parameter(uri.query().unwrap_or_default(), "auth_key");
    let Some(app) = key.and_then(|key| api.engine.apps.by_key(&key)) else {
        let text = "Parameter auth_key is missing or not a key of any app";
        return refuse(&ApiError::new(401, "auth_key", text));
    };
    let app = Some(app);
    reply(end_connections(&api, app, &user, &uri, request).await)
}

async fn end_connections(
    api: &PusherApi,
    app: Option<Arc<App>>,
    user: &str,
    uri: &axum::http::Uri,
    request: Request,
) -> Result<String, ApiError> {
    let Signed { app, .. } = signed(api, app, uri, request).await?;
    api.rates.take(&app, Asks::Publish, 1, api.workers.now())?;
    let ended = api.engine.disconnect_user(app.number, UserId(user.into())).await;
    ended.map_err(|error| unavailable(&error))?;
    Ok("{}".to_owned())
}
