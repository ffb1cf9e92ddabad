//! Typing, from `POST /conversations/{id}/typing` and from the client event `client-typing`: who sees it, and how
//! often. What may not be seen, or comes too often, is dropped without a word.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chinwag_engine::{ConnectionId, Content, Publication, Publisher};
use chinwag_messenger::{ConversationId, MessageId, TypingKind, TypingSignal, UserId};
use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::ToSchema;

use super::auth::{By, OwnPrice};
use super::extract::{Body, PathId};
use super::feed::tell;
use super::limits::Meter;
use super::realtime::conversation_channel;
use super::{MessengerApi, view};
use crate::error::Problem;

/// The client event.
pub(super) const EVENT: &str = "client-typing";

/// No connection has this id: nodes count from one.
const NO_CONNECTION: ConnectionId = ConnectionId { node: 0, number: 0 };

/// What somebody is about to send.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TypingKind)]
pub(super) enum KindWord {
    #[default]
    Text,
    Voice,
    File,
}

/// Somebody begins, goes on, or stops.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub(super) struct Typing {
    #[serde(default)]
    kind: KindWord,
    /// Not any more.
    #[serde(default)]
    stop: bool,
    /// The thread it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread_root_id: Option<i64>,
}

impl Typing {
    pub(super) fn meant(&self) -> TypingSignal {
        TypingSignal {
            kind: match self.kind {
                KindWord::Text => TypingKind::Text,
                KindWord::Voice => TypingKind::Voice,
                KindWord::File => TypingKind::File,
            },
            stop: self.stop,
            thread_root: self.thread_root_id.map(MessageId),
        }
    }
}

impl From<TypingSignal> for Typing {
    fn from(signal: TypingSignal) -> Self {
        Self {
            kind: match signal.kind {
                TypingKind::Text => KindWord::Text,
                TypingKind::Voice => KindWord::Voice,
                TypingKind::File => KindWord::File,
            },
            stop: signal.stop,
            thread_root_id: signal.thread_root.map(|id| id.0),
        }
    }
}

#[utoipa::path(
    post, path = "/conversations/{id}/typing", tag = "messages",
    params(("id" = i64, Path)),
    request_body = Typing,
    responses((status = 204, description = "Shown to whoever may see it, if anybody")),
)]
pub(super) async fn signal(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<OwnPrice>,
    PathId(id): PathId,
    Body(given): Body<Typing>,
) -> Result<Response, Problem> {
    // Asking for what is not one's own costs as much as reading it.
    if api.limiter.read(caller.user, &Meter::default()).is_ok() {
        show(&api, caller.user, ConversationId(id), given.meant(), None).await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Shows the members that the user types: those who have the conversation open, and in small ones everybody.
pub(super) async fn show(
    api: &MessengerApi,
    user: UserId,
    conversation: ConversationId,
    signal: TypingSignal,
    from: Option<ConnectionId>,
) {
    if api.limiter.typing(user, conversation, signal.stop).is_err() {
        return;
    }
    let audience = match api.messenger.typing_audience(user, conversation).await {
        Ok(Some(audience)) => audience,
        Ok(None) => return,
        Err(error) => {
            warn!(%error, "It was shown to nobody that somebody types");
            return;
        }
    };
    let typing = Typing::from(signal);
    if audience.everybody {
        let data = serde_json::to_vec(&typing).expect("words and numbers always become JSON");
        let publication = Publication {
            app: api.app.number,
            channel: conversation_channel(conversation),
            content: Content::Message {
                event: Some(EVENT.into()),
                data: data.into(),
            },
            publisher: Some(Publisher {
                connection: from.unwrap_or(NO_CONNECTION),
                user: Some(chinwag_engine::UserId(user.to_string().into())),
            }),
            except: from,
        };
        // The next signal is three seconds away; nothing is lost but that.
        let _ = api.engine.publish(publication).await;
    }
    // On the channel everybody would see it, so where somebody must not the others are told one by one.
    if audience.users.len() < api.messenger.options().typing_relayed_members_max || !audience.everybody {
        let event = view::Event::typing(conversation, user, typing);
        tell(api, &audience.users, event).await;
    }
}

/// Lets a signal through on the channel it came on, where everybody may see it. The socket may have been let in by
/// several users, when one asked for another's: then all of them must be ones who may be seen.
pub(super) async fn pass_on(
    api: &MessengerApi,
    users: &[UserId],
    conversation: ConversationId,
    stop: bool,
    publication: Publication,
) {
    if users.is_empty() {
        return;
    }
    for &user in users {
        if api.limiter.typing(user, conversation, stop).is_err() {
            return;
        }
        match api.messenger.typing_audience(user, conversation).await {
            Ok(Some(audience)) if audience.everybody => {}
            Ok(_) => return,
            Err(error) => {
                warn!(%error, "It was shown to nobody that somebody types");
                return;
            }
        }
    }
    let _ = api.engine.publish(publication).await;
}
