//! Sanctum's tokens, which are the messenger's own, and whose they are.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::{Account, Timestamp};
use serde::{Serialize, Serializer};

use super::error::Refusal;
use super::guard::{Guard, Head};
use super::input::{Input, Rules};
use crate::messenger::MessengerApi;
use crate::messenger::auth::Origin;

const WRONG: &str = "The provided credentials are incorrect.";
/// Longest text of a field.
const CHARS_MAX: usize = 255;

/// A user as a Laravel application shows its own. Accounts have no e-mail address.
#[derive(Serialize)]
struct User<'a> {
    id: i64,
    name: &'a str,
    username: &'a str,
    email: Option<&'a str>,
    avatar: Option<&'a str>,
    #[serde(serialize_with = "moment")]
    created_at: Timestamp,
    #[serde(serialize_with = "moment")]
    updated_at: Timestamp,
}

impl<'a> From<&'a Account> for User<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            id: account.id.0,
            name: &account.display_name,
            username: account.username.as_str(),
            email: None,
            avatar: None,
            created_at: account.created_at,
            // Not kept; it is never before.
            updated_at: account.created_at,
        }
    }
}

/// In UTC with six digits behind the second.
fn moment<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::from_millisecond(time.0) {
        Ok(moment) => serializer.collect_str(&format_args!("{moment:.6}")),
        Err(error) => Err(serde::ser::Error::custom(error)),
    }
}

/// `POST /sanctum/token`: the token as plain text, or with `?format=json` with its user.
pub(super) async fn issue(
    State(api): State<Arc<MessengerApi>>,
    head: Head,
    origin: Origin,
    input: Input,
) -> Result<Response, Refusal> {
    api.limiter.address(origin.address, &head.meter)?;
    let mut rules = Rules::of(&input);
    let name = rules.required("email", CHARS_MAX);
    let password = rules.required("password", usize::MAX);
    let device_name = rules.required("device_name", CHARS_MAX);
    rules.check()?;
    let logged_in = api
        .messenger
        .log_in(name, password, device_name, &origin.address_text())
        .await
        .map_err(|error| Refusal::of_log_in(error, WRONG))?;
    let token = logged_in.token.reveal();
    if input.text("format") != Some("json") {
        let content_type = [(CONTENT_TYPE, "text/html; charset=UTF-8")];
        return Ok((content_type, token.to_owned()).into_response());
    }
    #[derive(Serialize)]
    struct Issued<'a> {
        token: &'a str,
        user: User<'a>,
    }
    json(&Issued {
        token,
        user: (&logged_in.account).into(),
    })
}

/// `GET /api/user`.
pub(super) async fn user(State(api): State<Arc<MessengerApi>>, head: Head) -> Result<Response, Refusal> {
    let caller = head.caller(&api, Guard::Sanctum).await?;
    let caller = caller.ok_or_else(Refusal::unauthenticated)?;
    let account = api.messenger.account(caller.user).await?;
    let account = account.ok_or_else(Refusal::unauthenticated)?;
    json(&User::from(&account))
}

/// The usual answer.
pub(super) fn json(body: &impl Serialize) -> Result<Response, Refusal> {
    match serde_json::to_vec(body) {
        Ok(body) => Ok(([(CONTENT_TYPE, "application/json")], body).into_response()),
        Err(error) => {
            tracing::error!(%error, "An answer could not be written as JSON");
            Err(Refusal::server_error())
        }
    }
}
