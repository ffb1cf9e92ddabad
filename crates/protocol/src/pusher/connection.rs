//! One client's connection: what it may do, what it is told, when it is asked whether it is still there.

use std::sync::Arc;

use chinwag_engine::{App, ChannelName, ConnectionId, Pings};
use hashbrown::HashMap;

use super::error::{self, Refusal};
use super::handshake::{Handshake, admit};
use super::message;
use super::rate::{Bucket, Window};
use super::subscription::Subscription;
use super::users::User;
use crate::{Close, Connection, Effect, Frame, Input, Millis};

/// Malformed messages within [`GARBAGE_WINDOW_MS`] after which a client is sent away for a while.
const GARBAGE_MAX: u32 = 100;
const GARBAGE_WINDOW_MS: Millis = 10_000;

/// The machine of one connection.
pub struct Pusher {
    id: ConnectionId,
    state: State,
}

enum State {
    /// To be told why, and closed.
    Refused(Close),
    Open(Box<Open>),
    Closed,
}

pub(super) struct Open {
    pub(super) app: Arc<App>,
    pub(super) subscriptions: HashMap<ChannelName, Subscription, foldhash::fast::RandomState>,
    received_at: Millis,
    probed_at: Option<Millis>,
    pub(super) client_events: Bucket,
    pub(super) user: Option<Box<User>>,
    /// By when it must have said who it is; `Millis::MAX` when it has, or need not.
    pub(super) authenticate_by: Millis,
    messages: Window,
    garbage: u32,
    garbage_since: Millis,
}

impl Pusher {
    /// A connection to `app`, which is `None` when no app has the key that the client gave.
    pub fn new(id: ConnectionId, app: Option<Arc<App>>, handshake: &Handshake<'_>, now: Millis) -> Self {
        let state = match admit(app, handshake) {
            Err(close) => State::Refused(close),
            Ok(app) => State::Open(Box::new(Open {
                client_events: Bucket::new(now, app.options.client_events_per_s),
                authenticate_by: match app.options.user_authentication_timeout_ms {
                    0 => Millis::MAX,
                    timeout => now + timeout,
                },
                app,
                user: None,
                subscriptions: HashMap::default(),
                received_at: now,
                probed_at: None,
                messages: Window::default(),
                garbage: 0,
                garbage_since: now,
            })),
        };
        Self { id, state }
    }
}

impl Connection for Pusher {
    fn input(&mut self, now: Millis, input: Input<'_>, effects: &mut Vec<Effect>) {
        let open = match (&mut self.state, &input) {
            (State::Refused(close), Input::Opened) => {
                effects.push(Effect::Send(message::error(&(*close).into())));
                effects.push(Effect::Close(*close));
                self.state = State::Closed;
                return;
            }
            (State::Open(open), _) => open,
            _ => return,
        };
        let ended = match input {
            Input::Opened => {
                let timeout_s = (open.app.options.activity_timeout_ms / 1_000).max(1);
                effects.push(Effect::Send(message::established(
                    &self.id.to_string(),
                    timeout_s,
                )));
                None
            }
            Input::Text(text) => {
                open.heard(now);
                open.text(self.id, now, text, effects)
            }
            Input::Binary(_) => {
                open.heard(now);
                open.malformed(now, effects)
            }
            Input::Control => {
                open.heard(now);
                None
            }
            Input::Delivery(delivery, channel) => open.delivered(now, delivery, channel, effects),
            Input::Answer(answer) => open.answered(answer, effects),
            Input::Wake => open.woken(now, effects),
            Input::DisconnectUser(user) if !open.belongs_to(user) => None,
            Input::Disconnect | Input::DisconnectUser(_) => {
                effects.push(Effect::Send(message::error(&error::DISCONNECTED.into())));
                Some(error::DISCONNECTED)
            }
            Input::AppClosed => {
                let refusal = Refusal {
                    code: Some(error::APP_DISABLED.code),
                    message: error::APP_DISABLED.reason.to_owned(),
                };
                effects.push(Effect::Send(message::error(&refusal)));
                Some(error::APP_DISABLED)
            }
            Input::Renew => Some(error::RENEWED),
            Input::Stop => Some(error::STOPPING),
        };
        if let Some(close) = ended {
            effects.push(Effect::Close(close));
            self.state = State::Closed;
        }
    }

    fn wake_at(&self) -> Millis {
        match &self.state {
            State::Open(open) => {
                let liveness = match open.probed_at {
                    Some(at) => at + open.app.options.pong_timeout_ms,
                    None => open.received_at + open.app.options.ping_interval_ms,
                };
                let user = open.user.as_ref().map_or(Millis::MAX, |user| user.wake_at());
                liveness.min(open.authenticate_by).min(user)
            }
            _ => Millis::MAX,
        }
    }
}

impl Open {
    fn heard(&mut self, now: Millis) {
        self.received_at = now;
        self.probed_at = None;
    }

    fn text(
        &mut self,
        id: ConnectionId,
        now: Millis,
        text: &str,
        effects: &mut Vec<Effect>,
    ) -> Option<Close> {
        let incoming = message::parse_object::<message::Incoming<'_>>(text).ok();
        let event = incoming.as_ref().map(|incoming| &*incoming.event);
        if let Some(rate) = self.app.options.message_rate
            && !matches!(event, Some("pusher:ping" | "pusher:pong"))
            && !self.messages.take(now, &rate)
        {
            effects.push(Effect::Send(message::error(&Refusal::message_rate())));
            return rate.closes.then_some(error::TOO_MANY_MESSAGES);
        }
        let Some(incoming) = incoming else {
            return self.malformed(now, effects);
        };
        match &*incoming.event {
            "pusher:ping" => effects.push(Effect::Send(message::pong())),
            "pusher:pong" => {}
            "pusher:subscribe" => match message::parse_data(incoming.data) {
                Some(wish) => self.subscribe(id, &wish, effects),
                None => return self.malformed(now, effects),
            },
            "pusher:unsubscribe" => match message::parse_data::<message::Unsubscribe>(incoming.data) {
                Some(wish) => self.unsubscribe(&wish.channel, effects),
                None => return self.malformed(now, effects),
            },
            "pusher:signin" => match message::parse_data(incoming.data) {
                Some(wish) => self.sign_in(id, &wish, effects),
                None => return self.malformed(now, effects),
            },
            name if name.starts_with("client-") => match incoming.channel {
                Some(channel) => {
                    if let Err(refusal) = self.client_event(id, now, name, &channel, incoming.data, effects) {
                        effects.push(Effect::Send(message::error(&refusal)));
                    }
                }
                None => return self.malformed(now, effects),
            },
            name if name.starts_with("pusher:") || name.starts_with("pusher_internal:") => {
                return self.malformed(now, effects);
            }
            _ => effects.push(Effect::Send(message::error(&Refusal::not_a_client_event()))),
        }
        None
    }

    fn malformed(&mut self, now: Millis, effects: &mut Vec<Effect>) -> Option<Close> {
        if now - self.garbage_since > GARBAGE_WINDOW_MS {
            (self.garbage, self.garbage_since) = (0, now);
        }
        self.garbage += 1;
        effects.push(Effect::Send(message::error(&Refusal::malformed())));
        (self.garbage >= GARBAGE_MAX).then_some(error::TOO_MUCH_GARBAGE)
    }

    fn woken(&mut self, now: Millis, effects: &mut Vec<Effect>) -> Option<Close> {
        if now >= self.authenticate_by {
            effects.push(Effect::Send(message::error(&error::NOBODY.into())));
            return Some(error::NOBODY);
        }
        if let Some(user) = &mut self.user {
            user.woken(now, effects);
        }
        let options = &self.app.options;
        match self.probed_at {
            Some(at) if now >= at + options.pong_timeout_ms => {
                effects.push(Effect::Send(message::error(&error::NO_PONG.into())));
                return Some(error::NO_PONG);
            }
            None if now >= self.received_at + options.ping_interval_ms => {
                self.probed_at = Some(now);
                effects.push(Effect::Send(match options.pings {
                    Pings::Frames => Frame::ping(),
                    Pings::Messages => message::ping(),
                }));
            }
            _ => {}
        }
        None
    }
}
