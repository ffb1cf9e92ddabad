//! What holds for every resource: answers that a client has already are not sent again (`ETag`), and a change that is
//! asked for again under the same `Idempotency-Key` is made once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chinwag_messenger::{AuthenticateError, LoginId, Token};
use hashbrown::HashMap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::MessengerApi;
use super::auth::{Presented, presented};
use super::extract::body_bytes_max;
use super::messages::IDEMPOTENT_REPLAY;
use crate::error::Problem;

/// Answers larger than this have no tag and are not kept.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// How long an answer is kept for those who ask again.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Answers that are kept, and their bytes; the oldest make room.
const ANSWERS_MAX: usize = 10_000;
const ANSWERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest key.
const KEY_BYTES_MAX: usize = 255;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Sees to both; a layer around every resource.
pub(super) async fn keep(State(api): State<Arc<MessengerApi>>, request: Request, next: Next) -> Response {
    match *request.method() {
        Method::GET => tag(request, next).await,
        Method::POST => once(&api, request, next).await,
        _ => next.run(request).await,
    }
}

/// Gives answers that are one small document their tag, and leaves out those that the client has.
async fn tag(request: Request, next: Next) -> Response {
    let known = request.headers().get(IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK || !is_small_json(&response) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, ANSWER_BYTES_MAX as usize).await else {
        return Problem::internal().into_response();
    };
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&bytes)[..16]));
    let has_it = known.is_some_and(|known| fits(&known, &tag));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(ETAG, tag);
    }
    if has_it {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(CONTENT_TYPE);
        parts.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn is_small_json(response: &Response) -> bool {
    let json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    let size = response.body().size_hint().exact();
    json && size.is_some_and(|size| size <= ANSWER_BYTES_MAX)
}

/// Whether one of the tags is this one; weak ones are compared like strong ones.
fn fits(known: &HeaderValue, tag: &str) -> bool {
    let Ok(known) = known.to_str() else {
        return false;
    };
    known
        .split(',')
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one == tag)
}

/// Whose request, and under which key.
type Key = (LoginId, String);

/// Answers to requests with a key.
#[derive(Default)]
pub(super) struct Replays(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_key: HashMap<Key, Kind>,
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

enum Kind {
    InProgress,
    Done(Answer),
}

#[derive(Clone)]
struct Answer {
    /// Of method, path and body.
    request: [u8; 32],
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Bytes,
    /// A refusal is written anew, for it names the request. Boxed because it is rare.
    problem: Option<Box<Problem>>,
}

impl Kept {
    fn forget_old(&mut self, now: Instant) {
        while let Some((at, _)) = self.order.front()
            && (now.duration_since(*at) >= KEPT
                || self.order.len() > ANSWERS_MAX
                || self.bytes > ANSWERS_BYTES_MAX)
        {
            if let Some((_, key)) = self.order.pop_front()
                && let Some(Kind::Done(answer)) = self.by_key.remove(&key)
            {
                self.bytes -= answer.body.len();
            }
        }
    }
}

/// The place of a request that is being answered; given up when nobody waits for the answer any more.
struct Place<'a> {
    replays: &'a Replays,
    key: Option<Key>,
}

impl Place<'_> {
    fn keep(mut self, answer: Answer) {
        if let Some(key) = self.key.take() {
            let mut kept = self.replays.0.lock();
            let now = Instant::now();
            kept.bytes += answer.body.len();
            kept.by_key.insert(key.clone(), Kind::Done(answer));
            kept.order.push_back((now, key));
            kept.forget_old(now);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.replays.0.lock().by_key.remove(&key);
        }
    }
}

/// Answers a `POST` under a key that was answered before as it was answered then. Faults of the server's, and
/// refusals that pass, are not kept; nor is what hands out secrets, or brings a file.
async fn once(api: &MessengerApi, request: Request, next: Next) -> Response {
    let key = request.headers().get(IDEMPOTENCY_KEY).cloned();
    let path = request.uri().path();
    let hands_out_secrets = path.contains("/auth/");
    // Not to be held in memory; the same file twice is stored once anyway.
    let is_file = path.ends_with("/attachments");
    let kept = !hands_out_secrets && !is_file;
    let Some(key) = key.filter(|_| kept) else {
        return next.run(request).await;
    };
    let Some(key) = key
        .to_str()
        .ok()
        .filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()))
    else {
        return invalid("idempotency_key_invalid", "A key is 1 to 255 plain characters.").into_response();
    };
    let caller = match caller(api, request.headers()).await {
        Ok(Some(caller)) => caller,
        // Refused by the operation itself.
        Ok(None) => return next.run(request).await,
        Err(problem) => return problem.into_response(),
    };
    let (parts, body) = request.into_parts();
    let bytes_max = body_bytes_max(api.messenger.options().body_bytes_max);
    let Ok(body) = to_bytes(body, bytes_max).await else {
        return Problem::too_large().into_response();
    };
    let asked = fingerprint(&parts.method, parts.uri.path(), &body);
    let key = (caller, key.to_owned());
    let place = {
        let mut kept = api.replays.0.lock();
        kept.forget_old(Instant::now());
        match kept.by_key.get(&key) {
            Some(Kind::InProgress) => {
                return Problem::new(
                    StatusCode::CONFLICT,
                    "idempotency_key_in_use",
                    "The first request under this key is being answered.",
                )
                .into_response();
            }
            Some(Kind::Done(answer)) if answer.request == asked => return replay(answer.clone()),
            Some(Kind::Done(_)) => {
                return invalid("idempotency_key_reused", "The key stands for another request.")
                    .into_response();
            }
            None => {}
        }
        kept.by_key.insert(key.clone(), Kind::InProgress);
        Place {
            replays: &api.replays,
            key: Some(key),
        }
    };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let passes = matches!(response.status().as_u16(), 401 | 403 | 429 | 500..);
    let small = response
        .body()
        .size_hint()
        .exact()
        .is_some_and(|size| size <= ANSWER_BYTES_MAX);
    if passes || !small {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX as usize).await else {
        return Problem::internal().into_response();
    };
    place.keep(Answer {
        request: asked,
        status: parts.status,
        content_type: parts.headers.get(CONTENT_TYPE).cloned(),
        body: body.clone(),
        problem: parts.extensions.get().cloned().map(Box::new),
    });
    Response::from_parts(parts, Body::from(body))
}

fn invalid(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}

async fn caller(api: &MessengerApi, headers: &HeaderMap) -> Result<Option<LoginId>, Problem> {
    let token = match presented(headers) {
        Presented::Bearer(token) | Presented::Cookie(token) => Token::new(token),
        Presented::Nothing => return Ok(None),
    };
    match api.messenger.authenticate(&token).await {
        Ok(caller) => Ok(caller.map(|caller| caller.login)),
        // The handler says so, if it wants to know.
        Err(AuthenticateError::Suspended) => Ok(None),
        Err(AuthenticateError::Store(error)) => Err(error.into()),
    }
}

fn fingerprint(method: &Method, path: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(method.as_str());
    hash.update([0]);
    hash.update(path);
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

fn replay(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    if let Some(problem) = answer.problem {
        response.extensions_mut().insert(*problem);
    }
    let headers = response.headers_mut();
    if let Some(kind) = answer.content_type {
        headers.insert(CONTENT_TYPE, kind);
    }
    headers.insert(IDEMPOTENT_REPLAY, HeaderValue::from_static("true"));
    response
}
