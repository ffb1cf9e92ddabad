//! New messages as Laravel's notifications, for recipients who listen for them.
//!
//! They are made beside the feed, which does not wait: whoever follows the messenger's own events misses nothing when
//! a notification is lost.

use std::sync::Arc;

use chinwag_engine::Publication;
use chinwag_messenger::{Message, UserId};
use serde::Serialize;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::rules::{NOTIFIED_PATTERN, private_channel};
use crate::messenger::MessengerApi;
use crate::messenger::feed::publish;

/// Messages that may wait. One that finds no room notifies nobody.
const QUEUE_MAX: usize = 1_024;
/// Characters of a message that a notification quotes.
const EXCERPT_CHARS: usize = 140;

const EVENT: &str = r"Illuminate\Notifications\Events\BroadcastNotificationCreated";
const TYPE: &str = r"App\Notifications\NewMessage";

/// Takes messages to notify of.
pub(crate) struct Notifier(mpsc::Sender<Note>);

/// Notifies of what the [`Notifier`] has taken.
pub(crate) struct Notifications(mpsc::Receiver<Note>);

struct Note {
    message: Message,
    to: Vec<UserId>,
}

/// Both ends.
pub(crate) fn channel() -> (Notifier, Notifications) {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    (Notifier(sender), Notifications(receiver))
}

impl Notifier {
    /// Notifies those of the users who listen and want it, the author aside. Nobody is told of what nobody wrote.
    pub(crate) fn notify(&self, api: &MessengerApi, users: &[UserId], message: &Message) {
        if message.is_system() {
            return;
        }
        let others = users.iter().copied().filter(|user| *user != message.author);
        let channel_of = |user: UserId| private_channel(NOTIFIED_PATTERN, user.0);
        let engine = (&*api.engine, api.app.number);
        let listening = api.presence.notified().among(others, engine, channel_of);
        let to: Vec<_> = listening.into_iter().map(|(user, _)| user).collect();
        if to.is_empty() {
            return;
        }
        let message = message.clone();
        if self.0.try_send(Note { message, to }).is_err() {
            debug!("A notification found no room and is left out");
        }
    }
}

impl Notifications {
    /// Notifies until the [`Notifier`] is gone.
    pub(crate) async fn run(mut self, api: Arc<MessengerApi>) {
        while let Some(note) = self.0.recv().await {
            if let Err(error) = tell(&api, &note).await {
                warn!(%error, "A notification was not sent");
            }
        }
    }
}

#[derive(Serialize)]
struct NewMessage<'a> {
    conversation_id: i64,
    message_id: i64,
    seq: u64,
    excerpt: &'a str,
    sender: Sender<'a>,
    id: &'a str,
    r#type: &'static str,
}

#[derive(Serialize, Clone, Copy)]
struct Sender<'a> {
    id: i64,
    name: &'a str,
    avatar: Option<&'a str>,
}

async fn tell(
    api: &MessengerApi,
    Note { message, to }: &Note,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let to = api.messenger.notified(message, to).await?;
    if to.is_empty() {
        return Ok(());
    }
    let author = api.messenger.account(message.author).await?;
    let end = message.body.char_indices().nth(EXCERPT_CHARS);
    let excerpt = end.map_or(message.body.as_str(), |(end, _)| &message.body[..end]);
    for user in to {
        let data = serde_json::to_vec(&NewMessage {
            conversation_id: message.conversation.0,
            message_id: message.id.0,
            seq: message.seq,
            excerpt,
            sender: Sender {
                id: message.author.0,
                name: author.as_ref().map_or("", |author| &author.display_name),
                avatar: None,
            },
            id: &uuid::Uuid::new_v4().to_string(),
            r#type: TYPE,
        })?;
        let channel = private_channel(NOTIFIED_PATTERN, user.0);
        publish(
            &api.engine,
            Publication::message(api.app.number, channel, EVENT, data),
        )
        .await?;
    }
    Ok(())
}
