//! Client events of the messenger's own app that mean something to it: that somebody types, and that somebody is
//! at the keyboard or not. They are taken out of the clients' way, and told to those who may know.

use std::sync::Arc;

use chinwag_engine::{ChannelName, ConnectionId, Content, Gate, Publication};
use chinwag_messenger::{ConversationId, TypingSignal, UserId};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::MessengerApi;
use super::presence::Presence;
use super::realtime::{channel_conversation, channel_user};
use super::typing::{self, Typing};

/// Signals that may wait. One that finds no room is dropped: the next one comes in three seconds.
const QUEUE_MAX: usize = 1_024;

/// Whether somebody is at the keyboard, on the user's own channel.
const ACTIVITY: &str = "client-activity";

/// Takes client events. Register it with `Engine::guard`.
pub struct Whispers {
    presence: Arc<Presence>,
    queue: mpsc::Sender<Heard>,
}

/// Tells of what [`Whispers`] has taken.
#[derive(Debug)]
pub struct WhispersTask {
    queue: mpsc::Receiver<Heard>,
}

/// Somebody types.
#[derive(Debug)]
struct Heard {
    user: UserId,
    conversation: ConversationId,
    signal: TypingSignal,
    connection: ConnectionId,
}

#[derive(Deserialize)]
struct Activity {
    state: ActivityWord,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActivityWord {
    Active,
    Idle,
}

impl Whispers {
    /// Both ends: one for the engine, one to be run.
    pub fn new(presence: Arc<Presence>) -> (Arc<Self>, WhispersTask) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let whispers = Self {
            presence,
            queue: sender,
        };
        (Arc::new(whispers), WhispersTask { queue: receiver })
    }

    fn hear_typing(&self, conversation: ConversationId, publication: &Publication, data: &[u8]) {
        let Some(publisher) = &publication.publisher else {
            return;
        };
        let user = publisher.user.as_ref().and_then(|user| user.0.parse().ok());
        let (Some(user), Ok(typing)) = (user, serde_json::from_slice::<Typing>(data)) else {
            return;
        };
        let _ = self.queue.try_send(Heard {
            user: UserId(user),
            conversation,
            signal: typing.meant(),
            connection: publisher.connection,
        });
    }
}

impl Gate for Whispers {
    fn keeps(&self, publication: &Publication) -> bool {
        let Content::Message {
            event: Some(event),
            data,
        } = &publication.content
        else {
            return false;
        };
        match &**event {
            typing::EVENT => match channel_conversation(&publication.channel) {
                Some(conversation) => {
                    self.hear_typing(conversation, publication, data);
                    true
                }
                None => false,
            },
            ACTIVITY => match (channel_user(&publication.channel), &publication.publisher) {
                (Some(user), Some(publisher)) => {
                    if let Ok(activity) = serde_json::from_slice::<Activity>(data) {
                        let idle = matches!(activity.state, ActivityWord::Idle);
                        self.presence.reported(user, publisher.connection, idle);
                    }
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn left(&self, channel: &ChannelName, connection: ConnectionId) {
        if let Some(user) = channel_user(channel) {
            self.presence.left(user, connection);
        }
    }
}

impl WhispersTask {
    /// Shows who types until cancelled.
    pub async fn run(mut self, api: Arc<MessengerApi>, cancellation: CancellationToken) {
        loop {
            let next = tokio::select! {
                () = cancellation.cancelled() => return,
                next = self.queue.recv() => next,
            };
            let Some(heard) = next else { return };
            let Heard {
                user,
                conversation,
                signal,
                connection,
            } = heard;
            typing::show(&api, user, conversation, signal, Some(connection)).await;
        }
    }
}
