//! One client's connection: what it may do, what it is told, when it is asked whether it is still there.

use std::sync::Arc;

use chinwag_engine::{
    Answer, App, Call, ChannelName, ClientEvents, ConnectionId, Content, Delivery, Member, Publication,
    Publisher, SubscribeRefused, Subscribed, UserId,
};
use hashbrown::HashMap;

use super::channel::{Kind, check_name};
use super::error::{self, Refusal, SubscriptionRefusal};
use super::{auth, message};
use crate::{Close, Connection, Effect, Frame, Input, Millis};

/// Deliveries held back while a subscription is being made; more than that and the client had better come again.
const HELD_MAX: usize = 1_024;
/// Malformed messages within [`GARBAGE_WINDOW_MS`] after which a client is sent away for a while.
const GARBAGE_MAX: u32 = 100;
const GARBAGE_WINDOW_MS: Millis = 10_000;
/// Longest id of a user, in bytes.
const USER_ID_BYTES_MAX: usize = 200;

/// How a client came, beyond its key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Handshake<'a> {
    /// The query of the address it opened.
    pub query: &'a str,
    /// Its `Origin` header.
    pub origin: Option<&'a str>,
    /// The app has all the connections it may have.
    pub over_quota: bool,
    /// The node has all the connections it may have.
    pub node_full: bool,
}

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

struct Open {
    app: Arc<App>,
    subscriptions: HashMap<ChannelName, Subscription, foldhash::fast::RandomState>,
    received_at: Millis,
    probed_at: Option<Millis>,
    client_events: Bucket,
    garbage: u32,
    garbage_since: Millis,
}

enum Subscription {
    /// Asked for: what is delivered meanwhile must follow the confirmation.
    Pending {
        held: Vec<Arc<Delivery>>,
        user: Option<UserId>,
    },
    /// Confirmed; on presence channels with the user and the version of the roster it was told.
    Active { user: Option<UserId>, version: u64 },
}

impl Subscription {
    fn user(&self) -> Option<&UserId> {
        match self {
            Self::Pending { user, .. } | Self::Active { user, .. } => user.as_ref(),
        }
    }
}

/// A token bucket: so many events a second, and as many at once.
struct Bucket {
    tokens: f32,
    filled_at: Millis,
}

impl Bucket {
    fn take(&mut self, now: Millis, per_s: u32) -> bool {
        if per_s == 0 {
            return true;
        }
        let gained = (now - self.filled_at) as f32 * per_s as f32 / 1_000.0;
        self.tokens = (self.tokens + gained).min(per_s as f32);
        self.filled_at = now;
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

impl Pusher {
    /// A connection to `app`, which is `None` when no app has the key that the client gave.
    pub fn new(id: ConnectionId, app: Option<Arc<App>>, handshake: &Handshake<'_>, now: Millis) -> Self {
        let state = match admit(app, handshake) {
            Err(close) => State::Refused(close),
            Ok(app) => State::Open(Box::new(Open {
                client_events: Bucket {
                    tokens: app.options.client_events_per_s as f32,
                    filled_at: now,
                },
                app,
                subscriptions: HashMap::default(),
                received_at: now,
                probed_at: None,
                garbage: 0,
                garbage_since: now,
            })),
        };
        Self { id, state }
    }
}

/// The checks of the handshake, in the order that decides which of several faults is told.
fn admit(app: Option<Arc<App>>, handshake: &Handshake<'_>) -> Result<Arc<App>, Close> {
    let app = app.ok_or(error::UNKNOWN_APP)?;
    if !app.options.enabled {
        return Err(error::APP_DISABLED);
    }
    let protocol = handshake
        .query
        .split('&')
        .find_map(|pair| pair.strip_prefix("protocol="));
    if protocol.is_some_and(|version| !["5", "6", "7"].contains(&version)) {
        return Err(error::BAD_PROTOCOL);
    }
    if !origin_allowed(&app.options.allowed_origins, handshake.origin) {
        return Err(error::BAD_ORIGIN);
    }
    if handshake.over_quota {
        return Err(error::OVER_QUOTA);
    }
    if handshake.node_full {
        return Err(error::NODE_FULL);
    }
    Ok(app)
}

/// Only the host of the origin counts. `*` admits everything, also clients that name no origin; within an entry
/// it stands for any text.
fn origin_allowed(allowed: &[String], origin: Option<&str>) -> bool {
    let host_of = |text: &str| -> String {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let rest = rest.split('/').next().unwrap_or_default();
        let host = match rest.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => rest.split(':').next().unwrap_or_default(),
        };
        host.to_ascii_lowercase()
    };
    allowed.iter().any(|entry| entry == "*")
        || origin.is_some_and(|origin| {
            let host = host_of(origin);
            allowed
                .iter()
                .any(|entry| matches_pattern(&host_of(entry), &host))
        })
}

fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    (0..=text.len()).any(|at| text.is_char_boundary(at) && matches_pattern(rest, &text[at..]))
}

impl Connection for Pusher {
    fn input(&mut self, now: Millis, input: Input<'_>, effects: &mut Vec<Effect>) {
        let open = match (&mut self.state, &input) {
            (State::Refused(close), Input::Opened) => {
                let refusal = Refusal {
                    code: Some(close.code),
                    message: close.reason.to_owned(),
                };
                effects.push(Effect::Send(message::error(&refusal)));
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
            Input::Delivery(delivery) => open.delivered(delivery, effects),
            Input::Answer(answer) => open.answered(answer, effects),
            Input::Wake => open.woken(now, effects),
            Input::Disconnect => {
                let refusal = Refusal {
                    code: Some(error::DISCONNECTED.code),
                    message: error::DISCONNECTED.reason.to_owned(),
                };
                effects.push(Effect::Send(message::error(&refusal)));
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
            Input::Stop => Some(error::STOPPING),
        };
        if let Some(close) = ended {
            effects.push(Effect::Close(close));
            self.state = State::Closed;
        }
    }

    fn wake_at(&self) -> Millis {
        match &self.state {
            State::Open(open) => match open.probed_at {
                Some(at) => at + open.app.options.pong_timeout_ms,
                None => open.received_at + open.app.options.ping_interval_ms,
            },
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
        let Ok(incoming) = message::parse_object::<message::Incoming<'_>>(text) else {
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

    fn subscribe(&mut self, id: ConnectionId, wish: &message::Subscribe, effects: &mut Vec<Effect>) {
        match self.try_subscribe(id, wish) {
            Ok(effect) => effects.push(effect),
            Err(refused) => {
                effects.push(Effect::Send(message::error(&refused.refusal)));
                effects.push(Effect::Send(message::subscription_error(&wish.channel, &refused)));
            }
        }
    }

    fn try_subscribe(
        &mut self,
        id: ConnectionId,
        wish: &message::Subscribe,
    ) -> Result<Effect, SubscriptionRefusal> {
        check_name(&wish.channel).map_err(|error| SubscriptionRefusal::bad_name(&error.to_string()))?;
        let kind = Kind::of(&wish.channel);
        let channel_data = wish.channel_data.as_deref();
        if kind.needs_auth {
            let auth = wish.auth.as_deref().unwrap_or_default();
            if !auth::verify_channel(&self.app, auth, &id.to_string(), &wish.channel, channel_data) {
                return Err(SubscriptionRefusal::unauthorized());
            }
        }
        let member = if kind.presence {
            Some(self.member(channel_data)?)
        } else {
            None
        };
        let user = member.as_ref().map(|member| member.user.clone());

        // Subscribing again is confirmed again and changes nothing; a presence channel's roster is asked for anew.
        if let Some(there) = self.subscriptions.get(wish.channel.as_str()) {
            if there.user() != user.as_ref() {
                let refusal = Refusal::other_member();
                return Err(SubscriptionRefusal {
                    refusal,
                    kind: "AuthError",
                    status: 4009,
                });
            }
            if !kind.presence {
                return Ok(Effect::Send(message::subscribed(&wish.channel, None)));
            }
        } else if self.subscriptions.len() >= self.app.options.subscriptions_max {
            return Err(SubscriptionRefusal::too_many_subscriptions(
                self.app.options.subscriptions_max,
            ));
        }
        let channel =
            ChannelName::parse(&wish.channel).expect("names of this protocol are names of the engine");
        let pending = Subscription::Pending {
            held: Vec::new(),
            user,
        };
        self.subscriptions.entry(channel.clone()).or_insert(pending);
        Ok(Effect::Call(Call::Subscribe { channel, member }))
    }

    /// The member that the signed data names: an id, which is a text or a whole number, and what is told of it.
    fn member(&self, channel_data: Option<&str>) -> Result<Member, SubscriptionRefusal> {
        let refused = |text| Err(SubscriptionRefusal::bad_member(text));
        let Some(text) = channel_data else {
            return refused("A presence channel needs channel_data");
        };
        let limit = self.app.options.presence_member_bytes_max;
        if text.len() > limit {
            return Err(SubscriptionRefusal::member_too_large(limit, text.len()));
        }
        let Ok(data) = message::parse_object::<message::ChannelData<'_>>(text) else {
            return refused("channel_data must be an object with a user_id");
        };
        let id = data.user_id.get();
        let id = match id.as_bytes() {
            [b'"', ..] => serde_json::from_str::<String>(id).unwrap_or_default(),
            _ if id.parse::<i128>().is_ok() => id.to_owned(),
            _ => return refused("user_id must be a string or a whole number"),
        };
        if id.is_empty() || id.len() > USER_ID_BYTES_MAX {
            return refused("user_id must have 1 to 200 bytes");
        }
        Ok(Member {
            user: UserId(id.into()),
            info: data.user_info.map(|info| info.get().into()),
        })
    }

    fn unsubscribe(&mut self, channel: &str, effects: &mut Vec<Effect>) {
        if let Some((channel, _)) = self.subscriptions.remove_entry(channel) {
            effects.push(Effect::Call(Call::Unsubscribe { channel }));
        }
    }

    fn client_event(
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

    fn delivered(&mut self, delivery: &Arc<Delivery>, effects: &mut Vec<Effect>) -> Option<Close> {
        match self
            .subscriptions
            .get_mut(delivery.publication.channel.as_str())?
        {
            Subscription::Active { version, .. } => send_delivery(delivery, *version, effects),
            Subscription::Pending { held, .. } if held.len() < HELD_MAX => held.push(delivery.clone()),
            Subscription::Pending { .. } => return Some(error::OVERTAKEN),
        }
        None
    }

    fn answered(&mut self, answer: Answer, effects: &mut Vec<Effect>) -> Option<Close> {
        match answer {
            Answer::Subscribed(Subscribed { channel, roster }) => {
                let subscription = self.subscriptions.get_mut(channel.as_str())?;
                let version = roster.as_ref().map_or(0, |roster| roster.version);
                let active = Subscription::Active {
                    user: subscription.user().cloned(),
                    version,
                };
                effects.push(Effect::Send(message::subscribed(
                    channel.as_str(),
                    roster.as_ref(),
                )));
                if let Subscription::Pending { held, .. } = std::mem::replace(subscription, active) {
                    held.iter()
                        .for_each(|delivery| send_delivery(delivery, version, effects));
                }
                None
            }
            Answer::SubscribeRefused {
                channel,
                why: SubscribeRefused::ChannelFull,
            } => {
                self.subscriptions.remove(channel.as_str());
                let refused = SubscriptionRefusal::channel_full();
                effects.push(Effect::Send(message::error(&refused.refusal)));
                effects.push(Effect::Send(message::subscription_error(
                    channel.as_str(),
                    &refused,
                )));
                None
            }
            // A client never asks again for a channel it was refused, so a passing fault must not refuse it.
            Answer::SubscribeRefused {
                why: SubscribeRefused::Unavailable(_),
                ..
            } => Some(error::UNAVAILABLE),
            Answer::PublishRefused => {
                effects.push(Effect::Send(message::error(&Refusal::busy())));
                None
            }
        }
    }

    fn woken(&mut self, now: Millis, effects: &mut Vec<Effect>) -> Option<Close> {
        let options = &self.app.options;
        match self.probed_at {
            Some(at) if now >= at + options.pong_timeout_ms => {
                let refusal = Refusal {
                    code: Some(error::NO_PONG.code),
                    message: error::NO_PONG.reason.to_owned(),
                };
                effects.push(Effect::Send(message::error(&refusal)));
                return Some(error::NO_PONG);
            }
            None if now >= self.received_at + options.ping_interval_ms => {
                self.probed_at = Some(now);
                effects.push(Effect::Send(Frame::ping()));
            }
            _ => {}
        }
        None
    }
}

/// Sends it unless it is a join or leave that the roster of this version holds already.
fn send_delivery(delivery: &Arc<Delivery>, roster_version: u64, effects: &mut Vec<Effect>) {
    if let Content::Joined { version, .. } | Content::Left { version, .. } = &delivery.publication.content
        && *version <= roster_version
    {
        return;
    }
    let bytes = delivery.encoded(message::WIRE, message::delivery).clone();
    effects.push(Effect::Send(Frame::from_bytes(bytes)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_by_host_with_wildcards() {
        let list = |entries: &[&str]| entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>();
        for (allowed, origin, want) in [
            (list(&["*"]), None, true),
            (list(&["*"]), Some("https://any.where"), true),
            (list(&["example.com"]), None, false),
            (list(&["example.com"]), Some("https://example.com:8443"), true),
            (list(&["https://example.com"]), Some("http://example.com"), true),
            (list(&["example.com"]), Some("https://EXAMPLE.com"), true),
            (
                list(&["example.com"]),
                Some("https://example.com.evil.org"),
                false,
            ),
            (list(&["*.example.com"]), Some("https://a.b.example.com"), true),
            (list(&["*.example.com"]), Some("https://example.com"), false),
            (list(&["*.example.com"]), Some("https://evilexample.com"), false),
            (list(&["[::1]"]), Some("http://[::1]:3000"), true),
            (list(&[]), Some("https://example.com"), false),
        ] {
            assert_eq!(origin_allowed(&allowed, origin), want, "{allowed:?} {origin:?}");
        }
    }

    #[test]
    fn a_bucket_refills_with_time_and_not_beyond_its_size() {
        let mut bucket = Bucket {
            tokens: 2.0,
            filled_at: 0,
        };
        let taken: Vec<bool> = [0, 0, 0, 500, 500, 60_000, 60_000, 60_000]
            .map(|now| bucket.take(now, 2))
            .to_vec();
        assert_eq!(taken, [true, true, false, true, false, true, true, false]);
    }
}
