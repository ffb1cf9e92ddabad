//! Client events of the messenger's own app that mean something to it: that somebody types, has received or seen
//! messages, and is at the keyboard or not. They are taken out of the clients' way, and told to those who may know.
//! What makes no sense is dropped without a word.

use std::sync::Arc;

use chinwag_engine::{ChannelName, ConnectionId, Content, Gate, Publication};
use chinwag_messenger::store::ThreadAdvance;
use chinwag_messenger::{Advance, ConversationId, TypingSignal, UserId};
use futures_util::future::join_all;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::MessengerApi;
use super::limits::Meter;
use super::presence::Presence;
use super::realtime::{channel_conversation, channel_user};
use super::receipts::acknowledged;
use super::typing::{self, Typing};
use crate::laravel::conversation_of;

/// Signals that may wait. One that finds no room is dropped: the next one comes in three seconds.
const QUEUE_MAX: usize = 1_024;

/// Acknowledgements that may wait. One that finds no room is dropped: the next one says the same and more, as does the
/// next synchronisation.
const ACKS_MAX: usize = 4_096;

/// Acknowledgements carried out together.
const ACKS_AT_ONCE: usize = 256;

/// What was received and seen, on the user's own channel.
const ACK: &str = "client-ack";

/// Whether somebody is at the keyboard, on the user's own channel.
const ACTIVITY: &str = "client-activity";

/// Takes client events. Register it with `Engine::guard`.
pub struct Whispers {
    presence: Arc<Presence>,
    queue: mpsc::Sender<Heard>,
    acks: mpsc::Sender<Ack>,
}

/// Tells of what [`Whispers`] has taken.
#[derive(Debug)]
pub struct WhispersTask {
    queue: mpsc::Receiver<Heard>,
    acks: mpsc::Receiver<Ack>,
}

/// Somebody types.
#[derive(Debug)]
enum Heard {
    /// On the channel of those who have the conversation open.
    Native {
        user: UserId,
        conversation: ConversationId,
        signal: TypingSignal,
        connection: ConnectionId,
    },
    /// On a channel of the conversation as applications for Laravel call it, where it stays as it is.
    Foreign {
        /// Only presence channels know it.
        user: Option<UserId>,
        conversation: ConversationId,
        stop: bool,
        publication: Box<Publication>,
        connection: ConnectionId,
    },
}

/// Somebody got or saw something.
#[derive(Debug)]
struct Ack {
    user: UserId,
    advances: Vec<Advance>,
    in_threads: Vec<ThreadAdvance>,
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
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let (acks_sender, acks) = mpsc::channel(ACKS_MAX);
        let whispers = Self {
            presence,
            queue: sender,
            acks: acks_sender,
        };
        (Arc::new(whispers), WhispersTask { queue, acks })
    }

    fn hear_ack(&self, user: UserId, data: &[u8]) {
        if let Some((advances, in_threads)) = acknowledged(data) {
            let _ = self.acks.try_send(Ack {
                user,
                advances,
                in_threads,
            });
        }
    }

    fn hear_typing(&self, conversation: ConversationId, publication: &Publication, data: &[u8]) {
        let Some(publisher) = &publication.publisher else {
            return;
        };
        let user = publisher.user.as_ref().and_then(|user| user.0.parse().ok());
        let user = user.map(UserId);
        let typing = serde_json::from_slice::<Typing>(data);
        let heard = if channel_conversation(&publication.channel).is_some() {
            let (Some(user), Ok(typing)) = (user, typing) else {
                return;
            };
            Heard::Native {
                user,
                conversation,
                signal: typing.meant(),
                connection: publisher.connection,
            }
        } else {
            Heard::Foreign {
                user,
                conversation,
                // Applications say what they like; when they say that somebody stops, they say it as we do.
                stop: typing.is_ok_and(|typing| typing.meant().stop),
                publication: Box::new(publication.clone()),
                connection: publisher.connection,
            }
        };
        let _ = self.queue.try_send(heard);
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
            typing::EVENT => match conversation_of(&publication.channel) {
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
            // Whoever is on the channel of a user is that user.
            ACK => match (channel_user(&publication.channel), &publication.publisher) {
                (Some(user), Some(_)) => {
                    self.hear_ack(user, data);
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
    /// Shows who types, and notes what was received and seen, until cancelled.
    pub async fn run(self, api: Arc<MessengerApi>, cancellation: CancellationToken) {
        let Self { queue, acks } = self;
        tokio::join!(
            show_typing(queue, &api, &cancellation),
            note_acks(acks, &api, &cancellation)
        );
    }
}

async fn show_typing(mut queue: mpsc::Receiver<Heard>, api: &MessengerApi, cancellation: &CancellationToken) {
    loop {
        let next = tokio::select! {
            () = cancellation.cancelled() => return,
            next = queue.recv() => next,
        };
        let Some(heard) = next else { return };
        match heard {
            Heard::Native {
                user,
                conversation,
                signal,
                connection,
            } => typing::show(api, user, conversation, signal, Some(connection)).await,
            Heard::Foreign {
                user,
                conversation,
                stop,
                publication,
                connection,
            } => {
                let users = match user {
                    Some(user) => vec![user],
                    None => api.sockets.users_of(connection),
                };
                typing::pass_on(api, &users, conversation, stop, *publication).await;
            }
        }
    }
}

/// What waits is carried out together: the store writes it in one go.
async fn note_acks(mut acks: mpsc::Receiver<Ack>, api: &MessengerApi, cancellation: &CancellationToken) {
    let mut waiting = Vec::new();
    loop {
        let count = tokio::select! {
            () = cancellation.cancelled() => return,
            count = acks.recv_many(&mut waiting, ACKS_AT_ONCE) => count,
        };
        if count == 0 {
            return;
        }
        // An acknowledgement costs as much as the request that does the same.
        let allowed = |ack: &Ack| api.limiter.read(ack.user, &Meter::default()).is_ok();
        let noting = waiting.drain(..).filter(allowed).map(async |ack| {
            api.messenger
                .acknowledge(ack.user, &ack.advances, &ack.in_threads)
                .await
        });
        let noted = join_all(noting.collect::<Vec<_>>()).await;
        // When the store is away, that is one fault and not one for each.
        if let Some(error) = noted.into_iter().find_map(Result::err) {
            warn!(%error, "It was not noted what some people have received and seen");
        }
    }
}
