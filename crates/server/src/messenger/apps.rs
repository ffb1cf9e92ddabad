//! `/api/v1/admin/apps`: the apps of the store, for administrators of this server. Secrets are shown when they are
//! made and never again.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use chinwag_engine::{AppRecord, StoredKey};
use chinwag_messenger::{Caller, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::admin::Admin;
use super::auth::{Budget, Reads, Writes};
use super::extract::{Body, Object};
use super::view::Moment;
use super::{MessengerApi, answer, around, method_not_allowed, ok};
use crate::apps::{AppAdmin, AppAdminError, AppSettings};
use crate::error::Problem;

/// The longest grace of a replaced key, in seconds: ten years.
const KEEP_S_MAX: u64 = 10 * 366 * 24 * 3_600;
/// The grace when none is asked for: a day.
const KEEP_S: u64 = 24 * 3_600;

/// What the handlers work with.
pub struct AppsApi {
    messenger: Arc<MessengerApi>,
    apps: AppAdmin,
}

impl AppsApi {
    /// An API over `apps` for those who administer the messenger's server.
    pub fn new(messenger: Arc<MessengerApi>, apps: AppAdmin) -> Arc<Self> {
        Arc::new(Self { messenger, apps })
    }
}

/// Every route of administration.
pub fn router(api: Arc<AppsApi>) -> Router {
    let admin = Router::from(documented()).method_not_allowed_fallback(method_not_allowed);
    around(Router::new().nest("/api/v1/admin", admin)).with_state(api)
}

/// The routes with their description, below `/admin`.
pub(super) fn documented() -> OpenApiRouter<Arc<AppsApi>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
        .routes(routes!(rotate))
}

impl<B: Budget> FromRequestParts<Arc<AppsApi>> for Admin<B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<AppsApi>) -> Result<Self, Problem> {
        Self::from_request_parts(parts, &api.messenger).await
    }
}

impl AppsApi {
    /// Logs what an administrator did to an app.
    async fn note(&self, admin: &Caller, action: &str, id: &str) -> Result<(), Problem> {
        let subject = json!({"app_id": id});
        self.messenger.note(admin, action, &subject).await
    }
}

impl From<AppAdminError> for Problem {
    fn from(error: AppAdminError) -> Self {
        let detail = error.to_string();
        let conflict = |code| Self::new(StatusCode::CONFLICT, code, detail.clone());
        match error {
            AppAdminError::IdInvalid => Self::field("id", "app_id_invalid", detail),
            AppAdminError::IdTaken => conflict("app_id_taken"),
            AppAdminError::Unknown => Self::not_found(),
            AppAdminError::Changed => conflict("app_changed"),
            AppAdminError::TooManyKeys => conflict("too_many_keys"),
            AppAdminError::Setting(fault) => Self::field_at(fault.field, "setting_invalid", fault.text),
            AppAdminError::Store(error) => {
                tracing::error!(%error, "The apps cannot be read or written");
                Self::unavailable()
            }
            AppAdminError::Random(error) => {
                tracing::error!(error, "There are no random numbers");
                Self::internal()
            }
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = App)]
struct AppView {
    id: String,
    created_at: Moment,
    keys: Vec<KeyView>,
    /// What is set; what is not has its default. Headers of webhooks are named without their values.
    #[schema(value_type = Object)]
    settings: Value,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AppKey)]
struct KeyView {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret: Option<String>,
    retires_at: Option<Moment>,
}

/// Whose secrets to show.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    NoSecret,
    NewestSecret,
}

fn view(app: &AppRecord, shown: Show) -> AppView {
    let moment = |at: u64| Moment(Timestamp(at as i64));
    let key = |(place, key): (usize, &StoredKey)| KeyView {
        key: key.pair.key.clone(),
        secret: (place == 0 && shown == Show::NewestSecret).then(|| key.pair.secret.reveal().to_owned()),
        retires_at: key.retires_ms.map(moment),
    };
    let mut settings: Value = serde_json::from_str(&app.settings).unwrap_or_default();
    let webhooks = settings.get_mut("webhooks").and_then(Value::as_array_mut);
    for webhook in webhooks.into_iter().flatten() {
        if let Some(Value::Object(headers)) = webhook.get_mut("headers") {
            headers.values_mut().for_each(|value| *value = Value::Null);
        }
    }
    AppView {
        id: app.id.clone(),
        created_at: moment(app.created_ms),
        keys: app.keys.iter().enumerate().map(key).collect(),
        settings,
    }
}

#[derive(Serialize, ToSchema)]
struct Apps {
    items: Vec<AppView>,
}

#[utoipa::path(
    get, path = "/apps", tag = "apps",
    responses((status = 200, description = "The apps of the store", body = Apps)),
)]
async fn list(State(api): State<Arc<AppsApi>>, _: Admin<Reads>) -> Result<Response, Problem> {
    let apps = api.apps.list().await?;
    let items = apps.iter().map(|app| view(app, Show::NoSecret)).collect();
    ok(&Apps { items })
}

#[utoipa::path(
    get, path = "/apps/{id}", tag = "apps",
    params(("id" = String, Path)),
    responses((status = 200, description = "An app", body = AppView)),
)]
async fn show(
    State(api): State<Arc<AppsApi>>,
    _: Admin<Reads>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    ok(&view(&api.apps.show(&id).await?, Show::NoSecret))
}

#[derive(Deserialize, ToSchema)]
struct NewApp {
    id: String,
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
}

#[utoipa::path(
    post, path = "/apps", tag = "apps",
    request_body = NewApp,
    responses((status = 201, description = "Created; the secret is shown this once", body = AppView)),
)]
async fn create(
    State(api): State<Arc<AppsApi>>,
    admin: Admin<Writes>,
    Body(new): Body<NewApp>,
) -> Result<Response, Problem> {
    let settings = AppSettings::from_fields(new.settings).map_err(AppAdminError::from)?;
    let app = api.apps.create(&new.id, &settings).await?;
    api.note(&admin, "app.created", &app.id).await?;
    answer(StatusCode::CREATED, &view(&app, Show::NewestSecret))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = AppChange)]
struct Change {
    #[schema(value_type = Object)]
    settings: Object<Map<String, Value>>,
}

#[utoipa::path(
    patch, path = "/apps/{id}", tag = "apps",
    params(("id" = String, Path)),
    request_body = Change,
    responses((status = 200, description = "Changed", body = AppView)),
)]
async fn change(
    State(api): State<Arc<AppsApi>>,
    admin: Admin<Writes>,
    Path(id): Path<String>,
    Body(change): Body<Change>,
) -> Result<Response, Problem> {
    let app = api.apps.change(&id, &change.settings.0).await?;
    api.note(&admin, "app.changed", &id).await?;
    ok(&view(&app, Show::NoSecret))
}

#[derive(Deserialize, ToSchema)]
struct Rotation {
    #[serde(default)]
    keep_s: Option<u64>,
}

#[utoipa::path(
    post, path = "/apps/{id}/keys", tag = "apps",
    params(("id" = String, Path)),
    request_body = Rotation,
    responses((status = 201, description = "A new key; the secret is shown this once", body = AppView)),
)]
async fn rotate(
    State(api): State<Arc<AppsApi>>,
    admin: Admin<Writes>,
    Path(id): Path<String>,
    Body(rotation): Body<Rotation>,
) -> Result<Response, Problem> {
    let keep_s = rotation.keep_s.unwrap_or(KEEP_S).min(KEEP_S_MAX);
    let app = api.apps.rotate(&id, Duration::from_secs(keep_s)).await?;
    api.note(&admin, "app.key_added", &id).await?;
    answer(StatusCode::CREATED, &view(&app, Show::NewestSecret))
}

#[utoipa::path(
    delete, path = "/apps/{id}", tag = "apps",
    params(("id" = String, Path)),
    responses((status = 204, description = "The app is gone")),
)]
async fn remove(
    State(api): State<Arc<AppsApi>>,
    admin: Admin<Writes>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    api.apps.remove(&id).await?;
    api.note(&admin, "app.removed", &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
