//! Client events: what one client says to the others on a channel.

use chinwag_engine::{Call, ChannelName, ClientEvents, ConnectionId, Content, Publication, Publisher};

use super::channel::{Kind, check_name_for};
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
        let needs_auth = Kind::of(channel).needs_auth;
        let (channel, user) = match self.subscriptions.get_key_value(channel) {
            Some((channel, subscription)) => (channel.clone(), subscription.user().cloned()),
            // What needs a signature to be heard needs it to be spoken on.
            None if options.client_events == ClientEvents::Anybody && !needs_auth => {
                (self.public_channel(channel)?, None)
            }
            None => return Err(Refusal::not_subscribed()),
        };
        if !needs_auth && options.client_events == ClientEvents::Members {
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
            channel,
            content: Content::Message {
                event: Some(name.into()),
                data,
            },
            publisher: Some(Publisher { connection: id, user }),
            except: Some(id),
        })));
        Ok(())
    }

    /// A channel that anybody could subscribe to.
    fn public_channel(&self, name: &str) -> Result<ChannelName, Refusal> {
        check_name_for(&self.app, name).map_err(|_| Refusal::not_subscribed())?;
        Ok(ChannelName::parse(name).expect("names of this protocol are names of the engine"))
    }
}
