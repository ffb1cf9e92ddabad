//! Client events: what one client says to the others on a channel.

use chinwag_engine::{Call, ClientEvents, ConnectionId, Content, Publication, Publisher};

use super::channel::Kind;
use super::connection::Open;
use super::error::Refusal;
use super::message;
use crate::{Effect, Millis};

impl Open {
    pub(super) fn client_event(
        &mut self,
        id: ConnectionId,
        now: Millis,
        name: &str,
        channel: &str,
        data: Option<&serde_json::value::RawValue>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let options = &self.app.options;
        if options.client_events == ClientEvents::Refused {
            return Err(Refusal::client_events_off());
        }
        if name.chars().count() > options.event_name_chars_max {
            return Err(Refusal::event_name_too_long(options.event_name_chars_max));
        }
        let Some((channel, subscription)) = self.subscriptions.get_key_value(channel) else {
            return Err(Refusal::not_subscribed());
        };
        if !Kind::of(channel.as_str()).needs_auth && options.client_events != ClientEvents::MembersAndPublic {
            return Err(Refusal::client_event_on_public());
        }
        let Some(data) = message::client_data(data) else {
            return Err(Refusal::malformed());
        };
        if data.len() > options.event_bytes_max {
            return Err(Refusal::event_too_large(options.event_bytes_max, data.len()));
        }
        if !self.client_events.take(now, options.client_events_per_s) {
            return Err(Refusal::client_event_rate());
        }
        effects.push(Effect::Call(Call::Publish(Publication {
            app: self.app.number,
            channel: channel.clone(),
            content: Content::Message {
                event: Some(name.into()),
                data,
            },
            publisher: Some(Publisher {
                connection: id,
                user: subscription.user().cloned(),
            }),
            except: Some(id),
        })));
        Ok(())
    }
}
