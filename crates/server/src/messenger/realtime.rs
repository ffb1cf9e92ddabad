//! `/realtime`: how to connect, and which channels one may join.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use chinwag_engine::{App, AppNumber, ChannelName, ConnectionId, Engine, Publication};
use chinwag_messenger::{Caller, ConversationId, LoginId, UserId};
use chinwag_protocol::pusher::auth::sign_channel;
use hashbrown::HashMap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::admin::is_admin;
use super::auth::{By, Reads};
use super::extract;
use super::{MessengerApi, ok};
use crate::error::Problem;
use crate::traffic::LOG_CHANNEL;

const USER_CHANNEL: &str = "private-user.";
const SMALL_CONVERSATION_CHANNEL: &str = "presence-conversation.";
const LARGE_CONVERSATION_CHANNEL: &str = "private-conversation.";

/// The channel of everything that concerns one user.
pub(crate) fn user_channel(user: UserId) -> ChannelName {
    ChannelName::parse(&format!("{USER_CHANNEL}{user}")).expect("a prefix and a number name a channel")
}

/// Whose channel this is, if it is a user's.
pub(crate) fn channel_user(channel: &ChannelName) -> Option<UserId> {
    extract::id(channel.as_str().strip_prefix(USER_CHANNEL)?).map(UserId)
}

/// The channel of those who have a conversation open, unless it is a large one.
pub(crate) fn conversation_channel(id: ConversationId) -> ChannelName {
    ChannelName::parse(&format!("{SMALL_CONVERSATION_CHANNEL}{id}"))
        .expect("a prefix and a number name a channel")
}

/// Which conversation's channel this is, if it is one's.
pub(crate) fn channel_conversation(channel: &ChannelName) -> Option<ConversationId> {
    extract::id(channel.as_str().strip_prefix(SMALL_CONVERSATION_CHANNEL)?).map(ConversationId)
}

/// How to connect.
#[derive(Serialize, ToSchema)]
#[schema(as = RealtimeConfig)]
pub(crate) struct Config {
    /// The key of the app to connect to.
    key: String,
    path: &'static str,
    auth_endpoint: &'static str,
    user_id: i64,
    /// The caller's own channel.
    channel: String,
}

#[utoipa::path(
    get, path = "/realtime/config", tag = "realtime",
    responses((status = 200, description = "How to connect", body = Config)),
)]
pub(crate) async fn config(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
) -> Result<Response, Problem> {
    ok(&Config {
        key: api.app.key().to_owned(),
        path: "",
        auth_endpoint: "/api/v1/realtime/auth",
        user_id: caller.user.0,
        channel: user_channel(caller.user).to_string(),
    })
}

/// A client's wish to join a channel.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Joining {
    socket_id: String,
    channel_name: String,
}

#[utoipa::path(
    post, path = "/realtime/auth", tag = "realtime",
    request_body = Joining,
    responses((status = 200, description = "The channel may be joined", body = Grant)),
)]
pub(crate) async fn authorise(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    request: Request,
) -> Result<Response, Problem> {
    grant(&api, &caller, joining(request).await?).await
}

/// From JSON or a form.
async fn joining(request: Request) -> Result<Joining, Problem> {
    if extract::is_json(request.headers()) {
        return extract::parse_json(&extract::read(request, &()).await?);
    }
    match Form::<Joining>::from_request(request, &()).await {
        Ok(Form(joining)) => Ok(joining),
        Err(rejection) => Err(match rejection.status().as_u16() {
            413 => Problem::too_large(),
            415 => Problem::unsupported_media_type(),
            _ => Problem::malformed("channel_name", "required"),
        }),
    }
}

/// Signs the wish when the channel is the caller's to join.
async fn grant(api: &MessengerApi, caller: &Caller, wish: Joining) -> Result<Response, Problem> {
    let socket: ConnectionId = wish
        .socket_id
        .parse()
        .map_err(|_| Problem::malformed("socket_id", "socket_id_invalid"))?;
    let channel = ChannelName::parse(&wish.channel_name)
        .map_err(|_| Problem::malformed("channel_name", "channel_name_invalid"))?;
    let channel_data = match admission(api, caller, channel.as_str()).await? {
        Admission::Refused => return Err(Problem::forbidden()),
        Admission::Granted => None,
        Admission::Present => Some(member_data(api, caller).await?),
    };
    let app = &api.app;
    ok(&sign(api, app, caller, socket, channel.as_str(), channel_data))
}

/// What lets a socket onto a channel.
#[derive(Serialize, ToSchema)]
pub(crate) struct Grant {
    pub(crate) auth: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) channel_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) shared_secret: Option<String>,
}

/// Signs for one socket of the caller on the app, which goes when the caller's login ends.
pub(crate) fn sign(
    api: &MessengerApi,
    app: &App,
    caller: &Caller,
    socket: ConnectionId,
    channel: &str,
    channel_data: Option<String>,
) -> Grant {
    // Before the client can use the signature, or a log-out in between would miss the socket.
    api.sockets.remember(caller, socket, app.number, channel);
    if app.number == api.app.number && channel.starts_with(USER_CHANNEL) {
        make_room(api, caller.user, socket);
    }
    let keys = &app.keys[0];
    let name = socket.to_string();
    let auth = sign_channel(&keys.key, &keys.secret, &name, channel, channel_data.as_deref());
    Grant {
        auth,
        channel_data,
        shared_secret: None,
    }
}

/// Closes the user's first connections when another one would be too many: whoever opens a window wants that one to
/// work, and connections that are dead without knowing it would else keep it out.
fn make_room(api: &MessengerApi, user: UserId, newcomer: ConnectionId) {
    let channel = user_channel(user);
    let app = api.app.number;
    let open = api.engine.subscriber_count(app, &channel);
    let surplus = (open + 1).saturating_sub(api.options.user_connections_max.max(1));
    for first in api.presence.admit(user, newcomer, surplus) {
        api.engine.disconnect(first, app, &channel);
    }
}

/// May the caller join, and does it show there.
enum Admission {
    Refused,
    Granted,
    Present,
}

async fn admission(api: &MessengerApi, caller: &Caller, channel: &str) -> Result<Admission, Problem> {
    let id_after = |prefix: &str| channel.strip_prefix(prefix).and_then(extract::id);
    if let Some(id) = id_after(USER_CHANNEL) {
        return Ok(if id == caller.user.0 {
            Admission::Granted
        } else {
            Admission::Refused
        });
    }
    if channel == LOG_CHANNEL {
        return Ok(match is_admin(api, caller.user).await? {
            true => Admission::Granted,
            false => Admission::Refused,
        });
    }
    // Large conversations have a channel that does not tell who has them open.
    let small = id_after(SMALL_CONVERSATION_CHANNEL);
    let Some(id) = small.or_else(|| id_after(LARGE_CONVERSATION_CHANNEL)) else {
        return Ok(Admission::Refused);
    };
    let Some(members) = api.messenger.membership(caller.user, ConversationId(id)).await? else {
        return Ok(Admission::Refused);
    };
    let is_small = members as usize <= api.messenger.options().receipts_members_max;
    Ok(match (small.is_some(), is_small) {
        (true, true) => Admission::Present,
        (false, false) => Admission::Granted,
        _ => Admission::Refused,
    })
}

/// How the caller shows on presence channels.
async fn member_data(api: &MessengerApi, caller: &Caller) -> Result<String, Problem> {
    #[derive(Serialize)]
    struct Member<'a> {
        user_id: String,
        user_info: MemberInfo<'a>,
    }
    #[derive(Serialize)]
    struct MemberInfo<'a> {
        id: i64,
        name: &'a str,
        username: &'a str,
    }
    let account = api
        .messenger
        .account(caller.user)
        .await?
        .ok_or_else(Problem::unauthenticated)?;
    let member = Member {
        user_id: account.id.to_string(),
        user_info: MemberInfo {
            id: account.id.0,
            name: &account.display_name,
            username: account.username.as_str(),
        },
    };
    Ok(serde_json::to_string(&member).expect("strings and numbers always become JSON"))
}

/// Sockets kept for one login; the oldest are forgotten first, most of them gone long since.
const SOCKETS_PER_LOGIN_MAX: usize = 20;
/// Channels kept for one socket beside the user's own; the oldest are forgotten first.
const CHANNELS_PER_SOCKET_MAX: usize = 4;
/// Logins whose sockets are kept; the ones that came first are forgotten first.
const LOGINS_MAX: usize = 64 * 1024;

/// Which sockets were let onto channels by which login, so that they can go with it.
#[derive(Default)]
pub(crate) struct Sockets(Mutex<SocketsInner>);

#[derive(Default)]
struct SocketsInner {
    by_login: HashMap<LoginId, Held>,
    order: VecDeque<LoginId>,
    /// The same the other way round.
    by_socket: HashMap<ConnectionId, Vec<LoginId>>,
}

impl SocketsInner {
    fn forget(&mut self, login: LoginId) -> Option<Held> {
        let held = self.by_login.remove(&login)?;
        for admitted in &held.sockets {
            self.unlink(admitted.socket, login);
        }
        Some(held)
    }

    fn unlink(&mut self, socket: ConnectionId, login: LoginId) {
        if let Some(logins) = self.by_socket.get_mut(&socket) {
            logins.retain(|known| *known != login);
            if logins.is_empty() {
                self.by_socket.remove(&socket);
            }
        }
    }
}

/// What is held for one login.
struct Held {
    user: UserId,
    sockets: VecDeque<Admitted>,
}

/// A socket, and channels that several users may be on that it was let onto.
#[derive(Debug, PartialEq)]
struct Admitted {
    socket: ConnectionId,
    channels: VecDeque<(AppNumber, Box<str>)>,
}

impl Sockets {
    fn remember(&self, caller: &Caller, socket: ConnectionId, app: AppNumber, channel: &str) {
        let login = caller.login;
        let mut guard = self.0.lock();
        let inner = &mut *guard;
        if !inner.by_login.contains_key(&login) {
            inner.order.push_back(login);
        }
        let held = inner.by_login.entry(login).or_insert_with(|| Held {
            user: caller.user,
            sockets: VecDeque::new(),
        });
        let sockets = &mut held.sockets;
        let known = sockets.iter().position(|known| known.socket == socket);
        let place = known.unwrap_or(sockets.len());
        if known.is_none() {
            let channels = VecDeque::new();
            sockets.push_back(Admitted { socket, channels });
            inner.by_socket.entry(socket).or_default().push(login);
        }
        // The user's own need not be kept: they follow from the user.
        let channels = &mut sockets[place].channels;
        let own = channel.starts_with(USER_CHANNEL);
        let known = |(of, name): &(AppNumber, Box<str>)| *of == app && **name == *channel;
        if !own && !channels.iter().any(known) {
            channels.push_back((app, channel.into()));
        }
        if channels.len() > CHANNELS_PER_SOCKET_MAX {
            channels.pop_front();
        }
        if sockets.len() > SOCKETS_PER_LOGIN_MAX
            && let Some(oldest) = sockets.pop_front()
        {
            inner.unlink(oldest.socket, login);
        }
        if inner.order.len() > LOGINS_MAX
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.forget(oldest);
        }
    }

    fn take(&self, login: LoginId) -> VecDeque<Admitted> {
        let held = self.0.lock().forget(login);
        held.map(|held| held.sockets).unwrap_or_default()
    }

    /// For whom channels were signed for the socket: its own user, and whoever had one signed in its name.
    pub(super) fn users_of(&self, socket: ConnectionId) -> Vec<UserId> {
        let inner = self.0.lock();
        let logins = inner.by_socket.get(&socket).map_or(&[][..], Vec::as_slice);
        let mut users: Vec<UserId> = logins
            .iter()
            .filter_map(|login| inner.by_login.get(login).map(|held| held.user))
            .collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    fn of(&self, user: UserId) -> Vec<ConnectionId> {
        let inner = self.0.lock();
        let held = inner.by_login.values().filter(|held| held.user == user);
        held.flat_map(|held| &held.sockets)
            .map(|admitted| admitted.socket)
            .collect()
    }

    /// Has the user's sockets that listen to a channel of the conversation come back without it: the user is a
    /// member no more.
    pub(crate) fn expel(&self, user: UserId, id: ConversationId, app: AppNumber, engine: &Engine) {
        let mut channels = crate::laravel::conversation_channels(id);
        channels.retain(|channel| engine.has_subscribers(app, channel));
        if channels.is_empty() {
            return;
        }
        for socket in self.of(user) {
            for channel in &channels {
                engine.renew(socket, app, channel);
            }
        }
    }

    /// Closes the sockets of a login that has ended. Only those that listen to a channel of the user's own, or to one
    /// that they were let onto for this login: a client may have had a channel signed for a socket that is not its
    /// own, and whoever shares no channel with that one cannot close it. Those that listen to the channel of
    /// `farewell`, which is the user's own, are told it before.
    pub(crate) fn close(&self, login: LoginId, user: UserId, farewell: &Publication, engine: &Engine) {
        let app = farewell.app;
        let told = engine.has_subscribers(app, &farewell.channel);
        let mut own = crate::laravel::user_channels(user);
        own.retain(|channel| engine.has_subscribers(app, channel));
        for Admitted { socket, channels } in self.take(login) {
            // First: a socket that is closed cannot be told anything.
            if told {
                engine.dismiss(socket, farewell.clone());
            }
            for channel in &own {
                engine.disconnect(socket, app, channel);
            }
            for (app, name) in channels {
                let channel = ChannelName::parse(&name).expect("it was one when it was signed");
                if engine.has_subscribers(app, &channel) {
                    engine.disconnect(socket, app, &channel);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(login: i64) -> Caller {
        Caller {
            user: UserId(7),
            login: LoginId(login),
        }
    }

    fn socket(number: usize) -> ConnectionId {
        format!("1.{number}").parse().unwrap()
    }

    #[test]
    fn the_newest_sockets_of_a_login_are_remembered_once() {
        let sockets = Sockets::default();
        for number in (0..25).chain(20..25) {
            sockets.remember(&caller(1), socket(number), AppNumber(0), "private-user.1");
        }
        let kept = sockets.take(LoginId(1));
        let kept: Vec<_> = kept.iter().map(|admitted| admitted.socket).collect();
        assert_eq!(kept, (5..25).map(socket).collect::<Vec<_>>());
        assert!(sockets.take(LoginId(1)).is_empty());
    }

    #[test]
    fn the_newest_shared_channels_of_a_socket_are_remembered_once() {
        let sockets = Sockets::default();
        let names: Vec<_> = (0..7).map(|id| format!("private-conversation.{id}")).collect();
        for name in names.iter().chain(&names[4..]) {
            sockets.remember(&caller(1), socket(1), AppNumber(0), name);
            sockets.remember(&caller(1), socket(1), AppNumber(0), "private-user.1");
        }
        let kept = sockets.take(LoginId(1));
        let kept: Vec<_> = kept[0]
            .channels
            .iter()
            .map(|(_, name)| name.to_string())
            .collect();
        assert_eq!(kept, names[3..]);
    }

    #[test]
    fn a_socket_is_of_whoever_signed_for_it() {
        let sockets = Sockets::default();
        let other = Caller {
            user: UserId(8),
            login: LoginId(2),
        };
        for caller in [caller(1), caller(3), other] {
            sockets.remember(&caller, socket(1), AppNumber(0), "private-chat.5");
        }
        assert_eq!(sockets.users_of(socket(1)), [UserId(7), UserId(8)]);
        assert_eq!(sockets.users_of(socket(2)), []);
        sockets.take(LoginId(2));
        assert_eq!(sockets.users_of(socket(1)), [UserId(7)]);
        for number in 2..30 {
            sockets.remember(&caller(1), socket(number), AppNumber(0), "private-chat.5");
            sockets.remember(&caller(3), socket(number), AppNumber(0), "private-chat.5");
        }
        assert_eq!(sockets.users_of(socket(1)), [], "what was forgotten is nobody's");
        assert_eq!(sockets.0.lock().by_socket.len(), SOCKETS_PER_LOGIN_MAX);
    }

    #[test]
    fn old_logins_make_room() {
        let sockets = Sockets::default();
        for login in 0..=LOGINS_MAX as i64 {
            sockets.remember(&caller(login), socket(1), AppNumber(0), "private-user.1");
        }
        assert!(sockets.take(LoginId(0)).is_empty());
        assert_eq!(sockets.take(LoginId(1)).len(), 1);
    }

    #[test]
    fn a_user_channel_names_its_user() {
        assert_eq!(channel_user(&user_channel(UserId(42))), Some(UserId(42)));
        for name in [
            "private-user.",
            "private-user.x",
            "private-user.042",
            "presence-user.42",
        ] {
            assert_eq!(channel_user(&ChannelName::parse(name).unwrap()), None, "{name}");
        }
    }
}
