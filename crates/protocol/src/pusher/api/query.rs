//! What servers ask: which channels are occupied, by how many and by whom; and how they are answered.

use std::collections::BTreeMap;

use chinwag_engine::{App, ChannelName, Content, History, Roster};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{ApiError, bad_request, parameter};
use crate::pusher::channel::{Kind, check_name_for};

/// What is asked of each channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Info {
    /// How many users are on it.
    pub user_count: bool,
    /// How many connections are subscribed to it.
    pub subscription_count: bool,
    /// What it keeps.
    pub cache: bool,
}

impl Info {
    /// Reads a list with commas.
    ///
    /// # Errors
    /// When something else is asked.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let mut info = Self::default();
        for attribute in text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match attribute {
                "user_count" => info.user_count = true,
                "subscription_count" => info.subscription_count = true,
                "cache" => info.cache = true,
                other => return Err(Self::unknown(other)),
            }
        }
        Ok(info)
    }

    pub(super) fn unknown(attribute: &str) -> ApiError {
        bad_request("invalid_info", format!("Unknown info attribute: {attribute}"))
    }

    /// Whether anything is asked.
    pub fn is_asked(self) -> bool {
        self != Self::default()
    }
}

/// What is known of a channel. What was not asked, or does not apply to it, is left out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Attributes {
    /// Whether anybody is subscribed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occupied: Option<bool>,
    /// How many users are on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_count: Option<usize>,
    /// How many connections are subscribed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_count: Option<usize>,
    /// What it keeps; inside, nothing is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Option<Cached>>,
}

/// The event that a cache channel keeps.
#[derive(Debug, Clone, Serialize)]
pub struct Cached {
    data: String,
    ttl: u64,
}

impl Cached {
    /// The newest of what is kept.
    pub fn of(history: &History) -> Option<Self> {
        let (_, newest) = history.publications.last()?;
        let Content::Message { data, .. } = &newest.content else {
            return None;
        };
        Some(Self {
            data: String::from_utf8_lossy(data).into_owned(),
            ttl: history.ttl_ms.div_ceil(1_000),
        })
    }
}

/// Reads `GET /apps/{id}/channels`: how names must begin, and what is asked of each.
///
/// # Errors
/// When something is asked that does not apply to all of them.
pub fn channels(query: &str) -> Result<(String, Info), ApiError> {
    let prefix = parameter(query, "filter_by_prefix").unwrap_or_default();
    let info = Info::parse(&parameter(query, "info").unwrap_or_default())?;
    if info.user_count && !prefix.starts_with("presence-") {
        return Err(bad_request(
            "invalid_info",
            "user_count is for presence channels: filter_by_prefix must begin with presence-",
        ));
    }
    if info.cache {
        return Err(Info::unknown("cache"));
    }
    Ok((prefix, info))
}

/// Reads `GET /apps/{id}/channels/{name}`.
///
/// # Errors
/// When the name is not one, or something is asked that does not apply to such a channel.
pub fn channel(name: &str, query: &str, app: &App) -> Result<(ChannelName, Info), ApiError> {
    let channel = channel_name(name, app)?;
    let info = Info::parse(&parameter(query, "info").unwrap_or_default())?;
    let kind = Kind::of(name);
    if info.user_count && !kind.presence {
        return Err(bad_request(
            "invalid_info",
            "user_count is for presence channels only",
        ));
    }
    if info.cache && !kind.cache {
        return Err(bad_request("invalid_info", "cache is for cache channels only"));
    }
    Ok((channel, info))
}

/// Reads `GET /apps/{id}/channels/{name}/users`.
///
/// # Errors
/// When the channel has no users.
pub fn users(name: &str, query: &str, app: &App) -> Result<(ChannelName, bool), ApiError> {
    let channel = channel_name(name, app)?;
    if !Kind::of(name).presence {
        return Err(bad_request(
            "not_presence",
            "Users are known of presence channels only",
        ));
    }
    let with_info = parameter(query, "with_user_info").is_some_and(|value| value == "1" || value == "true");
    Ok((channel, with_info))
}

fn channel_name(name: &str, app: &App) -> Result<ChannelName, ApiError> {
    check_name_for(app, name).map_err(|error| bad_request("invalid_channel", error.to_string()))?;
    Ok(ChannelName::parse(name).expect("names of this protocol are names of the engine"))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("these types always serialise")
}

/// The answer about one channel.
pub fn channel_body(attributes: &Attributes) -> String {
    json(attributes)
}

/// The answer about several channels.
pub fn channels_body(channels: impl IntoIterator<Item = (ChannelName, Attributes)>) -> String {
    #[derive(Serialize)]
    struct Body {
        channels: BTreeMap<String, Attributes>,
    }
    let named = channels.into_iter().map(|(name, of)| (name.to_string(), of));
    json(&Body {
        channels: named.collect(),
    })
}

/// The answer to a batch: what was asked of each event's channel, in their order.
pub fn batch_body(batch: &[Attributes]) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        batch: &'a [Attributes],
    }
    json(&Body { batch })
}

/// The answer about a presence channel's users.
pub fn users_body(roster: &Roster, with_info: bool) -> String {
    #[derive(Serialize)]
    struct User<'a> {
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_info: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        users: Vec<User<'a>>,
    }
    let users = roster.members.iter().map(|member| {
        let info = member.info.as_deref().unwrap_or("{}");
        User {
            id: &member.user.0,
            user_info: with_info
                .then(|| serde_json::from_str(info).expect("what is told of members is JSON")),
        }
    });
    json(&Body {
        users: users.collect(),
    })
}

#[cfg(test)]
mod tests {
    use chinwag_engine::{Member, UserId};

    use super::super::tests::app;
    use super::*;

    #[test]
    fn questions_that_do_not_apply_are_refused() {
        let list = |query| channels(query).map_err(|error| error.status);
        let plain = Info::default();
        assert_eq!(list(""), Ok((String::new(), plain)));
        assert_eq!(list("filter_by_prefix=a%40b").unwrap().0, "a@b");
        assert!(
            list("Filter_By_Prefix=presence-x&Info=user_count")
                .unwrap()
                .1
                .user_count
        );
        for bad in [
            "info=user_count",
            "info=user_count&filter_by_prefix=private-",
            "info=nonsense",
            "info=cache&filter_by_prefix=cache-",
        ] {
            assert_eq!(list(bad), Err(400), "{bad}");
        }
        let one = |name, query| {
            channel(name, query, &app())
                .map(|(_, info)| info)
                .map_err(|e| e.status)
        };
        assert_eq!(one("a", ""), Ok(plain));
        assert!(one("cache-x", "info=subscription_count%2Ccache").unwrap().cache);
        for (name, query) in [
            ("a", "info=user_count"),
            ("a", "info=cache"),
            ("a", "info=members"),
            ("a b", ""),
            ("#server-to-user-7", ""),
        ] {
            assert_eq!(one(name, query), Err(400), "{name} {query}");
        }
        assert_eq!(users("private-x", "", &app()).unwrap_err().status, 400);
        assert!(users("presence-x", "with_user_info=1", &app()).unwrap().1);
    }

    #[test]
    fn answers_are_objects_also_when_empty() {
        assert_eq!(channels_body([]), r#"{"channels":{}}"#);
        let name = |text| ChannelName::parse(text).unwrap();
        let counted = Attributes {
            subscription_count: Some(2),
            ..Attributes::default()
        };
        assert_eq!(
            channels_body([(name("b"), counted.clone()), (name("a"), Attributes::default())]),
            r#"{"channels":{"a":{},"b":{"subscription_count":2}}}"#
        );
        assert_eq!(
            batch_body(&[counted, Attributes::default()]),
            r#"{"batch":[{"subscription_count":2},{}]}"#
        );
        let empty = Attributes {
            occupied: Some(false),
            cache: Some(None),
            ..Attributes::default()
        };
        assert_eq!(channel_body(&empty), r#"{"occupied":false,"cache":null}"#);
        let member = |id: &str, info: Option<&str>| Member {
            user: UserId(id.into()),
            info: info.map(Into::into),
        };
        let roster = Roster {
            members: vec![member("1", Some(r#"{"n":1.50}"#)), member("2", None)],
            version: 2,
        };
        assert_eq!(users_body(&roster, false), r#"{"users":[{"id":"1"},{"id":"2"}]}"#);
        assert_eq!(
            users_body(&roster, true),
            r#"{"users":[{"id":"1","user_info":{"n":1.50}},{"id":"2","user_info":{}}]}"#
        );
    }
}
