//! The user that is signed in on a connection: what servers tell it, and who of those it watches comes and goes.
//!
//! Signed in, a connection listens to its user's own channel, whether the client asks for it or not, so that what is
//! published there reaches each of the user's connections once. Where watchlists are on it is also present on a
//! channel that only tells whether the user is there, and listens to those of the users it watches.

use std::sync::Arc;

use chinwag_engine::{Beginning, Call, ChannelName, ConnectionId, Content, Delivery, Member, Roster, UserId};

use super::channel::{online_channel, user_channel, user_of};
use super::connection::Open;
use super::error::{self, Refusal, SubscriptionRefusal};
use super::subscription::HELD_MAX;
use super::{auth, message};
use crate::{Close, Effect, Millis};

/// Most users that one may watch.
const WATCHED_MAX: usize = 100;
/// How long a watched user may be away before it is told: as long as going from one page to another takes.
const AWAY_MS: Millis = 3_000;

/// Who a connection is.
pub(super) struct User {
    pub id: UserId,
    /// What the application says of it, as JSON text.
    pub info: Option<Arc<str>>,
    channel: ChannelName,
    /// Until the engine has confirmed.
    pending: Option<Pending>,
    watchlist: Option<Box<Watchlist>>,
}

struct Pending {
    user_data: String,
    held: Vec<Arc<Delivery>>,
}

struct Watchlist {
    watched: Vec<Watched>,
    /// So many have been asked for.
    asked: usize,
    told: bool,
    too_long: bool,
}

struct Watched {
    id: Box<str>,
    /// The channel on which it is present; `None` for what cannot be a user, and for oneself.
    channel: Option<ChannelName>,
    /// The newest version of the roster that is known.
    version: u64,
    online: bool,
    /// When it counts as gone, if it does not come back.
    gone_at: Millis,
}

impl User {
    pub(super) fn member(&self) -> Member {
        Member {
            user: self.id.clone(),
            info: self.info.clone(),
        }
    }

    pub(super) fn wake_at(&self) -> Millis {
        let watched = self.watchlist.iter().flat_map(|list| &list.watched);
        watched.map(|one| one.gone_at).min().unwrap_or(Millis::MAX)
    }

    pub(super) fn delivered(
        &mut self,
        now: Millis,
        delivery: &Arc<Delivery>,
        channel: &ChannelName,
        effects: &mut Vec<Effect>,
    ) -> Option<Close> {
        let publication = &delivery.publication;
        if *channel == self.channel {
            match &mut self.pending {
                None => effects.push(Effect::Send(message::delivery(delivery, channel))),
                Some(pending) if pending.held.len() < HELD_MAX => pending.held.push(delivery.clone()),
                Some(_) => return Some(error::OVERTAKEN),
            }
            return None;
        }
        let (online, version) = match &publication.content {
            Content::Joined { version, .. } => (true, *version),
            Content::Left { version, .. } => (false, *version),
            _ => return None,
        };
        let list = self.watchlist.as_mut()?;
        let told = list.told;
        let mut watched = list.watched.iter_mut();
        let one = watched.find(|one| one.channel.as_ref() == Some(channel))?;
        if version <= one.version {
            return None;
        }
        one.version = version;
        if !told {
            one.online = online;
        } else if !online {
            one.gone_at = now + AWAY_MS;
        } else {
            one.gone_at = Millis::MAX;
            if !std::mem::replace(&mut one.online, true) {
                effects.extend(message::watchlist_events(&[&*one.id], &[]).map(Effect::Send));
            }
        }
        None
    }

    /// Tells who has been away for long enough.
    pub(super) fn woken(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        if self.wake_at() > now {
            return;
        }
        let Some(list) = &mut self.watchlist else { return };
        let mut gone = Vec::new();
        for one in list.watched.iter_mut().filter(|one| one.gone_at <= now) {
            one.gone_at = Millis::MAX;
            one.online = false;
            gone.push(&*one.id);
        }
        effects.extend(message::watchlist_events(&[], &gone).map(Effect::Send));
    }
}

impl Watchlist {
    fn new(own: &str, ids: Vec<String>) -> Self {
        let too_long = ids.len() > WATCHED_MAX;
        let mut watched: Vec<Watched> = Vec::with_capacity(ids.len().min(WATCHED_MAX));
        for id in ids.into_iter().take(WATCHED_MAX) {
            if watched.iter().any(|known| *known.id == *id) {
                continue;
            }
            watched.push(Watched {
                channel: online_channel(&id).filter(|_| id != own),
                online: id == own,
                id: id.into(),
                version: 0,
                gone_at: Millis::MAX,
            });
        }
        Self {
            watched,
            asked: 0,
            told: false,
            too_long,
        }
    }

    /// The next channel to ask for.
    fn next(&mut self) -> Option<ChannelName> {
        while let Some(one) = self.watched.get(self.asked) {
            self.asked += 1;
            if one.channel.is_some() {
                return one.channel.clone();
            }
        }
        None
    }

    /// Tells how things stand when everything has been answered.
    fn tell(&mut self, effects: &mut Vec<Effect>) {
        self.told = true;
        let ids = |online| -> Vec<&str> {
            let those = self.watched.iter().filter(|one| one.online == online);
            those.map(|one| &*one.id).collect()
        };
        effects.extend(message::watchlist_events(&ids(true), &ids(false)).map(Effect::Send));
    }
}

impl Open {
    /// Whether an order to this user is for this connection.
    pub(super) fn belongs_to(&self, user: &UserId) -> bool {
        let mut present = self.subscriptions.values();
        self.user.as_ref().is_some_and(|signed_in| signed_in.id == *user)
            || self.app.options.disconnect_by_presence && present.any(|there| there.user() == Some(user))
    }

    pub(super) fn sign_in(&mut self, id: ConnectionId, wish: &message::SignIn, effects: &mut Vec<Effect>) {
        let effect = match self.try_sign_in(id, wish) {
            Ok(effect) => effect,
            Err(refusal) => Effect::Send(message::error(&refusal)),
        };
        effects.push(effect);
    }

    fn try_sign_in(&mut self, id: ConnectionId, wish: &message::SignIn) -> Result<Effect, Refusal> {
        if !auth::verify_user(&self.app, &wish.auth, &id.to_string(), &wish.user_data) {
            return Err(Refusal::signin_refused());
        }
        let data: message::UserData<'_> =
            message::parse_object(&wish.user_data).map_err(|_| Refusal::signin_refused())?;
        let channel = user_channel(&data.id).ok_or_else(Refusal::signin_refused)?;
        if let Some(user) = &self.user {
            if *user.id.0 != *data.id {
                return Err(Refusal::other_user());
            }
            return Ok(Effect::Send(message::signed_in(&wish.user_data)));
        }
        let watchlist = match data.watchlist {
            Some(list) if self.app.options.watchlists => {
                serde_json::from_str(list.get()).map_err(|_| Refusal::signin_refused())?
            }
            _ => Vec::new(),
        };
        let watches = self.app.options.watchlists;
        self.user = Some(Box::new(User {
            watchlist: watches.then(|| Box::new(Watchlist::new(&data.id, watchlist))),
            info: data.user_info.map(|info| info.get().into()),
            id: UserId(data.id.into()),
            channel: channel.clone(),
            pending: Some(Pending {
                user_data: wish.user_data.clone(),
                held: Vec::new(),
            }),
        }));
        Ok(Effect::Call(Call::Subscribe {
            channel,
            member: None,
            beginning: Beginning::default(),
        }))
    }

    /// Goes on with signing in: first the user's own channel, then its presence, then those it watches.
    pub(super) fn user_answered(
        &mut self,
        channel: &ChannelName,
        roster: Option<&Roster>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(user) = &mut self.user else { return };
        if let Some(Pending { user_data, held }) = user.pending.take() {
            self.authenticate_by = Millis::MAX;
            effects.push(Effect::Send(message::signed_in(&user_data)));
            effects.extend(
                held.iter()
                    .map(|delivery| Effect::Send(message::delivery(delivery, channel))),
            );
            let Some(list) = &user.watchlist else { return };
            if list.too_long {
                let accepted: Vec<_> = list.watched.iter().map(|one| &*one.id).collect();
                let refusal = Refusal::watchlist_too_long(WATCHED_MAX, &accepted.join(", "));
                effects.push(Effect::Send(message::error(&refusal)));
            }
            let online = online_channel(&user.id.0).expect("ids of users name channels");
            effects.push(Effect::Call(Call::Subscribe {
                channel: online,
                member: Some(Member {
                    user: user.id.clone(),
                    info: None,
                }),
                beginning: Beginning::default(),
            }));
            return;
        }
        let Some(list) = &mut user.watchlist else { return };
        let mut watched = list.watched.iter_mut();
        let answered = watched.find(|one| one.channel.as_ref() == Some(channel));
        if let (Some(one), Some(roster)) = (answered, roster)
            && roster.version >= one.version
        {
            one.version = roster.version;
            one.online = !roster.members.is_empty();
        }
        match list.next() {
            Some(channel) => effects.push(Effect::Call(Call::Subscribe {
                channel,
                member: None,
                beginning: Beginning {
                    roster: true,
                    recent: 0,
                },
            })),
            None => list.tell(effects),
        }
    }

    /// A client asks for its user's own channel, which it listens to already. Nobody else may.
    pub(super) fn subscribe_to_oneself(&self, channel: &str) -> Result<Effect, SubscriptionRefusal> {
        let own = self.user.as_ref().map(|user| &*user.id.0);
        if own.is_none() || own != user_of(channel) {
            return Err(SubscriptionRefusal::unauthorized());
        }
        Ok(Effect::Send(message::subscribed(channel, None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_of_a_long_watchlist_are_watched() {
        let ids = |count: usize| (0..count).map(|n| format!("u-{n}")).collect::<Vec<_>>();
        let just = Watchlist::new("me", ids(100));
        assert_eq!((just.watched.len(), just.too_long), (100, false));
        let mut over = Watchlist::new("me", ids(101));
        assert_eq!((over.watched.len(), over.too_long), (100, true));
        assert_eq!(over.next().unwrap().as_str(), "#online-u-0");
        assert_eq!(std::iter::from_fn(|| over.next()).count(), 99);
    }
}
