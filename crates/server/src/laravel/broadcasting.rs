//! `/broadcasting/auth` and `/broadcasting/user-auth`, which Laravel Echo asks.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chinwag_engine::{App, ConnectionId, Secret};
use chinwag_messenger::{Account, Caller, ConversationId, ServerRole, UserId};
use chinwag_protocol::pusher::{auth, check_name};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tracing::warn;

use super::channel_rules::{Question, Ruling, Said};
use super::error::Refusal;
use super::guard::{Guard, Head};
use super::input::{Input, Rules};
use super::rules::{self, Guarded, Whose};
use super::tokens::json;
use crate::messenger::MessengerApi;
use crate::messenger::{extract, realtime};

/// Longest text of a field.
const CHARS_MAX: usize = 255;

/// `/broadcasting/auth`. It changes nothing and other sites cannot read the answer, so it asks for no proof of where
/// it comes from.
pub(super) async fn authorise(
    State(api): State<Arc<MessengerApi>>,
    head: Head,
    input: Input,
) -> Result<Response, Refusal> {
    admit(&api, &head, &input, Guard::Web).await
}

/// The same where Sanctum's guide puts it.
pub(super) async fn authorise_api(
    State(api): State<Arc<MessengerApi>>,
    head: Head,
    input: Input,
) -> Result<Response, Refusal> {
    admit(&api, &head, &input, Guard::Sanctum).await
}

async fn admit(
    api: &Arc<MessengerApi>,
    head: &Head,
    input: &Input,
    guard: Guard,
) -> Result<Response, Refusal> {
    let caller = head.caller(api, guard).await?;
    let caller = caller.ok_or_else(Refusal::unauthenticated)?;
    let mut rules = Rules::of(input);
    let socket = socket_id(&mut rules);
    if input.is_other("channel_name") {
        rules.wrong("channel_name", "must be a string.");
    }
    rules.check()?;
    let (Some(socket), Some(channel)) = (socket, input.text("channel_name")) else {
        return Err(Refusal::forbidden_channel());
    };
    let (guarded, name) = rules::guarded(channel).ok_or_else(Refusal::forbidden_channel)?;
    let question = Question {
        socket,
        channel,
        name,
    };
    let admission = match rules::whose(channel) {
        Some((_, whose)) => {
            let shared = admitted(api, &caller, guarded, whose).await?;
            Admission::plainly(api, shared)
        }
        // The server's own names are not for rules; nor is what is no name, whose signature could pass for another's.
        None if rules::is_own(name) || check_name(channel).is_err() => {
            return Err(Refusal::forbidden_channel());
        }
        None => ruled(api, &caller, guarded, question).await?,
    };
    let channel_data = match (guarded.presence, &admission.info) {
        (false, _) => None,
        (true, Some(info)) => Some(ruled_data(caller.user, info)),
        (true, None) => Some(member_data(&account(api, &caller).await?, admission.shared)),
    };
    let app = &admission.app;
    if channel_data.as_ref().map_or(0, String::len) > app.options.presence_member_bytes_max {
        warn!(app.id = %app.id, "A member of a presence channel would show with too much");
        return Err(Refusal::forbidden_channel());
    }
    let mut grant = realtime::sign(api, app, &caller, socket, channel, channel_data);
    if guarded.encrypted {
        let master = master_key(&app.keys[0].secret);
        grant.shared_secret = Some(shared_secret(&master, channel));
    }
    json(&grant)
}

/// On what terms somebody is let in.
struct Admission {
    /// The app whose channel it is.
    app: Arc<App>,
    /// Whether the messenger's own clients join it too.
    shared: bool,
    /// How the member shows, if an application has said so.
    info: Option<Box<RawValue>>,
}

impl Admission {
    fn plainly(api: &MessengerApi, shared: bool) -> Self {
        Self {
            app: api.app.clone(),
            shared,
            info: None,
        }
    }
}

/// What the rules of the settings say: the first that has something to say, and no when none has.
async fn ruled(
    api: &MessengerApi,
    caller: &Caller,
    guarded: Guarded,
    question: Question<'_>,
) -> Result<Admission, Refusal> {
    let rules = &api.options.channel_rules;
    for (app, ruling) in rules.of(question.name) {
        let app = match app {
            None => Some(api.app.clone()),
            Some(id) => api.engine.apps.by_id(id).filter(|app| app.options.enabled),
        };
        let mut admission = Admission {
            app: app.ok_or_else(Refusal::forbidden_channel)?,
            shared: false,
            info: None,
        };
        let id = |text| extract::id(text).ok_or_else(Refusal::forbidden_channel);
        match ruling {
            Ruling::User(text) => {
                let whose = Whose::User(UserId(id(text)?));
                admitted(api, caller, guarded, whose).await?;
            }
            Ruling::Members(text) => {
                let of = ConversationId(id(text)?);
                admitted(api, caller, guarded, Whose::Members { of, shared: false }).await?;
            }
            Ruling::Role(least) => {
                let role = account(api, caller).await?.server_role;
                if role != ServerRole::Owner && role != least {
                    return Err(Refusal::forbidden_channel());
                }
            }
            Ruling::Anyone => {}
            Ruling::Webhook(url, parameters) => {
                let account = account(api, caller).await?;
                match rules.ask(url, &parameters, &account, question).await {
                    Said::Yes(info) => admission.info = Some(info),
                    Said::No => return Err(Refusal::forbidden_channel()),
                    Said::Nothing => continue,
                    Said::Unknown => return Err(Refusal::unavailable()),
                }
            }
        }
        return Ok(admission);
    }
    Err(Refusal::forbidden_channel())
}

/// Refuses those whose channel it is not. Returns whether the messenger's own clients join it too.
async fn admitted(
    api: &MessengerApi,
    caller: &Caller,
    guarded: Guarded,
    whose: Whose,
) -> Result<bool, Refusal> {
    match whose {
        Whose::User(user) if user == caller.user => Ok(false),
        Whose::User(_) => Err(Refusal::forbidden_channel()),
        Whose::Members { of, shared } => {
            let members = api.messenger.membership(caller.user, of).await?;
            // In large conversations nobody is told who has them open.
            let most = if guarded.presence {
                api.messenger.options().receipts_members_max
            } else {
                usize::MAX
            };
            match members {
                Some(members) if members as usize <= most => Ok(shared),
                _ => Err(Refusal::forbidden_channel()),
            }
        }
    }
}

/// `/broadcasting/user-auth`: signs a socket in as the caller.
pub(super) async fn sign_in(
    State(api): State<Arc<MessengerApi>>,
    head: Head,
    input: Input,
) -> Result<Response, Refusal> {
    let caller = head.caller(&api, Guard::Web).await?;
    let caller = caller.ok_or_else(Refusal::forbidden_channel)?;
    sign_in_as(&api, &caller, &input).await
}

/// The same behind Sanctum's guard.
pub(super) async fn sign_in_api(
    State(api): State<Arc<MessengerApi>>,
    head: Head,
    input: Input,
) -> Result<Response, Refusal> {
    let caller = head.caller(&api, Guard::Sanctum).await?;
    let caller = caller.ok_or_else(Refusal::unauthenticated)?;
    sign_in_as(&api, &caller, &input).await
}

async fn sign_in_as(api: &MessengerApi, caller: &Caller, input: &Input) -> Result<Response, Refusal> {
    let mut rules = Rules::of(input);
    let socket = socket_id(&mut rules);
    rules.check()?;
    let socket = socket.ok_or_else(Refusal::forbidden_channel)?;
    let account = account(api, caller).await?;
    let data = user_data(&account);
    let keys = &api.app.keys[0];
    json(&SignedIn {
        auth: sign_user(&keys.key, &keys.secret, &socket.to_string(), &data),
        user_data: data,
    })
}

/// Who a socket is signed in as.
#[derive(Serialize)]
struct SignedIn {
    auth: String,
    user_data: String,
}

fn sign_user(key: &str, secret: &Secret, socket: &str, data: &str) -> String {
    format!("{key}:{}", auth::sign(secret, &[socket, "::user::", data]))
}

fn socket_id(rules: &mut Rules<'_>) -> Option<ConnectionId> {
    let text = rules.required("socket_id", CHARS_MAX);
    let socket = text.parse().ok();
    if socket.is_none() && !text.is_empty() {
        rules.wrong("socket_id", "format is invalid.");
    }
    socket
}

async fn account(api: &MessengerApi, caller: &Caller) -> Result<Account, Refusal> {
    let account = api.messenger.account(caller.user).await?;
    account.ok_or_else(Refusal::unauthenticated)
}

#[derive(Serialize)]
struct Shown<'a> {
    id: i64,
    name: &'a str,
    avatar: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}

/// How somebody shows on presence channels. Where the messenger's own clients are, they find what they look for.
fn member_data(account: &Account, shared: bool) -> String {
    #[derive(Serialize)]
    struct Member<'a> {
        user_id: String,
        user_info: Shown<'a>,
    }
    write(&Member {
        user_id: account.id.to_string(),
        user_info: shown(account, shared),
    })
}

/// The same in an application's words, which stay as they are.
fn ruled_data(user: UserId, info: &RawValue) -> String {
    #[derive(Serialize)]
    struct Member<'a> {
        user_id: String,
        user_info: &'a RawValue,
    }
    write(&Member {
        user_id: user.to_string(),
        user_info: info,
    })
}

fn user_data(account: &Account) -> String {
    #[derive(Serialize)]
    struct User<'a> {
        id: String,
        user_info: Shown<'a>,
    }
    write(&User {
        id: account.id.to_string(),
        user_info: shown(account, false),
    })
}

fn shown(account: &Account, with_username: bool) -> Shown<'_> {
    Shown {
        id: account.id.0,
        name: &account.display_name,
        avatar: None,
        username: with_username.then_some(account.username.as_str()),
    }
}

fn write(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers always become JSON")
}

/// Follows from the app's secret, so that there is nothing more to keep.
fn master_key(secret: &Secret) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(b"chinwag encrypted channels");
    mac.finalize().into_bytes().into()
}

/// The key of one encrypted channel.
fn shared_secret(master: &[u8; 32], channel: &str) -> String {
    let digest = Sha256::new()
        .chain_update(channel)
        .chain_update(master)
        .finalize();
    STANDARD.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messenger::realtime::Grant;

    /// What Laravel answers with key `key` and secret `secret` to socket 123.456.
    #[test]
    fn answers_are_laravels_byte_for_byte() {
        let secret = Secret::new("secret");
        let check = |channel: &str, channel_data: Option<&str>, expected: &str| {
            let grant = Grant {
                auth: auth::sign_channel("key", &secret, "123.456", channel, channel_data),
                channel_data: channel_data.map(str::to_owned),
                shared_secret: None,
            };
            assert_eq!(write(&grant), expected);
        };
        check(
            "private-x",
            None,
            r#"{"auth":"key:7853bd0310a4a8a581ff61f590fde1f18604c0ba1714d606d4e5434f942c8fe6"}"#,
        );
        check(
            "presence-chat.1",
            Some(r#"{"user_id":"7","user_info":{"id":7,"name":"A\/\u00e9"}}"#),
            concat!(
                r#"{"auth":"key:ac8245b29e4c91df6d0942bee4f4dbd0ed40e902a49d01f4ffae5367d5a8f073","#,
                r#""channel_data":"{\"user_id\":\"7\",\"user_info\":{\"id\":7,\"name\":\"A\\/\\u00e9\"}}"}"#
            ),
        );
        check(
            "presence-chat.1",
            Some(r#"{"user_id":"7","user_info":true}"#),
            concat!(
                r#"{"auth":"key:d528c00ac1663b5ec7d9d35ab6b14ef62a6f39bca0ea59014088164c7314e67f","#,
                r#""channel_data":"{\"user_id\":\"7\",\"user_info\":true}"}"#
            ),
        );
        let user_data = r#"{"id":"7"}"#.to_owned();
        let signed_in = SignedIn {
            auth: sign_user("key", &secret, "123.456", &user_data),
            user_data,
        };
        let expected = concat!(
            r#"{"auth":"key:f4175c645b815521ff782da651c86650ad8bb8c13b9eedef7587bb1886419b53","#,
            r#""user_data":"{\"id\":\"7\"}"}"#
        );
        assert_eq!(write(&signed_in), expected);
    }

    #[test]
    fn keys_of_encrypted_channels_agree_with_other_implementations() {
        let master: [u8; 32] = std::array::from_fn(|index| index as u8);
        for (channel, expected) in [
            (
                "private-encrypted-vault",
                "wp8Orjt2S4H4n8dDP7pa2A9reduRTTedbaiVnjqomsc=",
            ),
            (
                "private-encrypted-chat.1",
                "DDQucSeuZ7QiAooZiayaEpaOMhyztxBz6LUlgBwnBrg=",
            ),
            (
                "private-encrypted-cache-orders",
                "kGoUpb72j76y/wvXMQPNQuvN6L0houCXkta2saeU9IQ=",
            ),
        ] {
            assert_eq!(shared_secret(&master, channel), expected);
        }
        assert_ne!(master_key(&Secret::new("a")), master_key(&Secret::new("b")));
    }
}
