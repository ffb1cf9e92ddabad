//! Subscriptions of one connection: what it may listen to, what follows the confirmation and in which order.

use std::collections::BTreeMap;
use std::sync::Arc;

use chinwag_engine::{
    Answer, Beginning, Call, ChannelName, ConnectionId, Content, Delivery, History, Member, SubscribeRefused,
    Subscribed, UserId,
};
use serde::de::IgnoredAny;

use super::channel::{Kind, check_name_for, user_of};
use super::connection::Open;
use super::error::{self, Refusal, SubscriptionRefusal};
use super::{auth, message};
use crate::{Close, Effect, Frame, Millis};

/// Deliveries held back while a subscription is being made; more than that and the client had better come again.
pub(super) const HELD_MAX: usize = 1_024;
/// Longest id of a user, in bytes.
const USER_ID_BYTES_MAX: usize = 200;

pub(super) enum Subscription {
    /// Asked for: what is delivered meanwhile must follow the confirmation.
    Pending {
        held: Vec<Arc<Delivery>>,
        user: Option<UserId>,
    },
    /// Confirmed; on presence channels with the user and the version of the roster it was told.
    Active { user: Option<UserId>, version: u64 },
}

impl Subscription {
    pub(super) fn user(&self) -> Option<&UserId> {
        match self {
            Self::Pending { user, .. } | Self::Active { user, .. } => user.as_ref(),
        }
    }
}

impl Open {
    pub(super) fn subscribe(
        &mut self,
        id: ConnectionId,
        wish: &message::Subscribe,
        effects: &mut Vec<Effect>,
    ) {
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
        if wish.channel.starts_with('#') && user_of(&wish.channel).is_some() {
            return self.subscribe_to_oneself(&wish.channel);
        }
        check_name_for(&self.app, &wish.channel)
            .map_err(|error| SubscriptionRefusal::bad_name(&error.to_string()))?;
        let kind = Kind::of(&wish.channel);
        let channel_data = wish.channel_data.as_deref();
        if kind.needs_auth {
            let auth = wish.auth.as_deref().unwrap_or_default();
            if !auth::verify_channel(&self.app, auth, &id.to_string(), &wish.channel, channel_data) {
                return Err(SubscriptionRefusal::unauthorized());
            }
            // Signed is `name:data`. Where names may have colons, who may listen to `private-a:b` could present it
            // as `private-a` with the data `b`; data that is an object is never the rest of a name.
            let is_object = |data| message::parse_object::<BTreeMap<String, IgnoredAny>>(data).is_ok();
            if self.app.options.lenient_names && channel_data.is_some_and(|data| !is_object(data)) {
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
        // What a cache channel keeps is for newcomers.
        let newcomer = !self.subscriptions.contains_key(&channel);
        let beginning = Beginning {
            roster: kind.presence,
            recent: usize::from(kind.cache && newcomer),
        };
        self.subscriptions.entry(channel.clone()).or_insert(pending);
        Ok(Effect::Call(Call::Subscribe {
            channel,
            member,
            beginning,
        }))
    }

    /// The member that the signed data names: an id, which is a text or a whole number, and what is told of it.
    fn member(&self, channel_data: Option<&str>) -> Result<Member, SubscriptionRefusal> {
        let refused = |text| Err(SubscriptionRefusal::bad_member(text));
        let limit = self.app.options.presence_member_bytes_max;
        let Some(text) = channel_data else {
            let Some(user) = &self.user else {
                return refused("A presence channel needs channel_data, or a user who is signed in");
            };
            return match user.info.as_deref().map_or(0, str::len) {
                size if size > limit => Err(SubscriptionRefusal::member_too_large(limit, size)),
                _ => Ok(user.member()),
            };
        };
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

    pub(super) fn unsubscribe(&mut self, channel: &str, effects: &mut Vec<Effect>) {
        if let Some((channel, _)) = self.subscriptions.remove_entry(channel) {
            effects.push(Effect::Call(Call::Unsubscribe { channel }));
        }
    }

    pub(super) fn delivered(
        &mut self,
        now: Millis,
        delivery: &Arc<Delivery>,
        channel: &ChannelName,
        effects: &mut Vec<Effect>,
    ) -> Option<Close> {
        let Some(subscription) = self.subscriptions.get_mut(channel.as_str()) else {
            let user = self.user.as_mut()?;
            return user.delivered(now, delivery, channel, effects);
        };
        match subscription {
            Subscription::Active { version, .. } => send_delivery(delivery, channel, *version, effects),
            Subscription::Pending { held, .. } if held.len() < HELD_MAX => held.push(delivery.clone()),
            Subscription::Pending { .. } => return Some(error::OVERTAKEN),
        }
        None
    }

    pub(super) fn answered(&mut self, answer: Answer, effects: &mut Vec<Effect>) -> Option<Close> {
        match answer {
            Answer::Subscribed(Subscribed {
                channel,
                roster,
                history,
            }) => {
                let Some(subscription) = self.subscriptions.get_mut(channel.as_str()) else {
                    self.user_answered(&channel, roster.as_ref(), effects);
                    return None;
                };
                if Kind::of(channel.as_str()).needs_auth {
                    self.authenticate_by = Millis::MAX;
                }
                let version = roster.as_ref().map_or(0, |roster| roster.version);
                let active = Subscription::Active {
                    user: subscription.user().cloned(),
                    version,
                };
                effects.push(Effect::Send(message::subscribed(
                    channel.as_str(),
                    roster.as_ref(),
                )));
                let before = std::mem::replace(subscription, active);
                if let Some(history) = &history {
                    send_kept(&channel, history, effects);
                }
                if let Subscription::Pending { held, .. } = before {
                    let unseen = |delivery: &&Arc<Delivery>| {
                        !matches!((&history, delivery.position), (Some(history), Some(position))
                            if position.epoch == history.top.epoch && position.offset <= history.top.offset)
                    };
                    held.iter()
                        .filter(unseen)
                        .for_each(|delivery| send_delivery(delivery, &channel, version, effects));
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
}

/// Sends it unless it is a join or leave that the roster of this version holds already.
pub(super) fn send_delivery(
    delivery: &Arc<Delivery>,
    channel: &ChannelName,
    roster_version: u64,
    effects: &mut Vec<Effect>,
) {
    if let Content::Joined { version, .. } | Content::Left { version, .. } = &delivery.publication.content
        && *version <= roster_version
    {
        return;
    }
    effects.push(Effect::Send(message::delivery(delivery, channel)));
}

/// Sends a newcomer the event that a cache channel keeps, or says that there is none.
fn send_kept(channel: &ChannelName, history: &History, effects: &mut Vec<Effect>) {
    let frame = match history.publications.last() {
        Some((_, publication)) => Frame::from_bytes(message::publication(publication)),
        None => message::cache_miss(channel.as_str()),
    };
    effects.push(Effect::Send(frame));
}
