//! Which channels are whose: patterns as in a Laravel application's `routes/channels.php`.

use chinwag_engine::ChannelName;
use chinwag_messenger::{ConversationId, UserId};

use crate::messenger::extract;

/// Channels of one user.
pub(super) const USER_PATTERNS: &[&str] = &[
    "App.Models.User.{id}",
    "App.User.{id}",
    "users.{id}",
    "direct-messages.{id}",
];

/// Where a user's notifications go.
pub(super) const NOTIFIED_PATTERN: &str = USER_PATTERNS[0];

/// The messenger's own name for it, which is not the presence of a user but everything that concerns one.
const OWN_USER_PATTERN: &str = "user.{id}";

/// Channels of the members of a conversation.
const CONVERSATION_PATTERNS: &[&str] = &[
    OWN_CONVERSATION_PATTERN,
    "chat.{id}",
    "room.{id}",
    "App.Models.Conversation.{id}",
];

const OWN_CONVERSATION_PATTERN: &str = "conversation.{id}";

/// Prefixes that are no part of a rule's name; the longer of two that begin alike comes first.
const PREFIXES: &[(&str, Guarded)] = &[
    (
        "private-encrypted-",
        Guarded {
            presence: false,
            encrypted: true,
        },
    ),
    (
        "private-",
        Guarded {
            presence: false,
            encrypted: false,
        },
    ),
    (
        "presence-",
        Guarded {
            presence: true,
            encrypted: false,
        },
    ),
];

/// What a prefix asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guarded {
    /// It has members.
    pub(super) presence: bool,
    /// Clients need the key of what is published on it.
    pub(super) encrypted: bool,
}

/// Who may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    User(UserId),
    Members {
        of: ConversationId,
        /// The channel is one that the messenger's own clients join too.
        shared: bool,
    },
}

/// Every name that a channel of the conversation can have.
pub(super) fn conversation_channels(id: ConversationId) -> Vec<ChannelName> {
    let id = id.to_string();
    let names = PREFIXES.iter().flat_map(|(prefix, _)| {
        let id = id.as_str();
        CONVERSATION_PATTERNS
            .iter()
            .map(move |pattern| format!("{prefix}{}", pattern.replace("{id}", id)))
    });
    names.filter_map(|name| ChannelName::parse(&name).ok()).collect()
}

/// The conversation whose members the channel is for, if it is one of those.
pub(super) fn conversation_of(channel: &ChannelName) -> Option<ConversationId> {
    match whose(channel.as_str())? {
        (_, Whose::Members { of, .. }) => Some(of),
        (_, Whose::User(_)) => None,
    }
}

/// What the prefix asks for, and the name behind it; `None` for public channels.
pub(super) fn guarded(channel: &str) -> Option<(Guarded, &str)> {
    PREFIXES
        .iter()
        .find_map(|(prefix, guarded)| Some((*guarded, channel.strip_prefix(prefix)?)))
}

/// Whether the name is one that the server keeps for what it says itself.
pub(super) fn is_own(name: &str) -> bool {
    [OWN_USER_PATTERN, OWN_CONVERSATION_PATTERN, "admin-log"]
        .iter()
        .any(|pattern| matches(pattern, name).is_some())
}

/// What the name is a channel of; `None` when no rule is for it. Public channels have none: nobody is asked.
pub(super) fn whose(channel: &str) -> Option<(Guarded, Whose)> {
    let (guarded, name) = guarded(channel)?;
    let id_in = |pattern: &str| match matches(pattern, name)?.as_slice() {
        [id] => extract::id(id),
        _ => None,
    };
    let user = USER_PATTERNS.iter().find_map(|pattern| id_in(pattern));
    if let Some(id) = user.or_else(|| id_in(OWN_USER_PATTERN).filter(|_| !guarded.presence)) {
        return Some((guarded, Whose::User(UserId(id))));
    }
    let id = CONVERSATION_PATTERNS.iter().find_map(|pattern| id_in(pattern))?;
    let members = Whose::Members {
        of: ConversationId(id),
        shared: matches(OWN_CONVERSATION_PATTERN, name).is_some(),
    };
    Some((guarded, members))
}

/// Whose channel for notifications this is, if it is one.
pub(crate) fn notified_user(channel: &ChannelName) -> Option<UserId> {
    let name = channel.as_str().strip_prefix("private-")?;
    match matches(NOTIFIED_PATTERN, name)?.as_slice() {
        [id] => extract::id(id).map(UserId),
        _ => None,
    }
}

/// The values of a pattern's parameters if the whole name fits it. A `{parameter}` stands for one or more
/// characters other than the dot; everything else stands for itself.
pub(super) fn matches<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
    let (mut pattern, mut name, mut values) = (pattern, name, Vec::new());
    loop {
        let Some((literal, rest)) = pattern.split_once('{') else {
            return (pattern == name).then_some(values);
        };
        let (_, behind) = rest.split_once('}')?;
        name = name.strip_prefix(literal)?;
        // A parameter takes all it can, up to a dot or the end, and gives back what the literal behind it needs.
        let reach = name.find('.').unwrap_or(name.len());
        let literal = behind.split('{').next().unwrap_or_default();
        let length = if literal.is_empty() || literal.starts_with('.') {
            reach
        } else {
            let longest = (reach + literal.len()).min(name.len());
            name.get(..longest)?.rfind(literal)?
        };
        if length == 0 {
            return None;
        }
        values.push(&name[..length]);
        (name, pattern) = (&name[length..], behind);
    }
}

/// The private channel of this pattern and id.
pub(super) fn private_channel(pattern: &str, id: i64) -> ChannelName {
    let name = format!("private-{}", pattern.replace("{id}", &id.to_string()));
    ChannelName::parse(&name).expect("a prefix and a number name a channel")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_take_anything_but_dots_and_the_whole_name_must_fit() {
        let check = |pattern: &str, name: &str, values: Option<&[&str]>| {
            assert_eq!(
                matches(pattern, name).as_deref(),
                values,
                "{pattern} against {name}"
            );
        };
        check("orders.{order}", "orders.5", Some(&["5"]));
        check("orders.{order}", "orders.a-b_c=1", Some(&["a-b_c=1"]));
        check("orders.{order}", "orders.", None);
        check("orders.{order}", "orders.5.6", None);
        check("orders.{order}", "xorders.5", None);
        check("orders.{order}", "ordersx5", None);
        check("orders.{order}", "Orders.5", None);
        check("orders", "orders", Some(&[]));
        check("orders", "orders.", None);
        check("App.Models.User.{id}", "App.Models.User.7", Some(&["7"]));
        check("App.Models.User.{id}", "AppXModels.User.7", None);
        check("a.{x}.b.{y}", "a.1.b.2", Some(&["1", "2"]));
        check("a.{x}.b.{y}", "a.1.2.b.3", None);
        check("a.{x}.b", "a.1.b.c", None);
        check("{x}-{y}", "a-b-c", Some(&["a-b", "c"]));
        check("{x}-{y}", "a-", None);
        check("{x}", "zoë", Some(&["zoë"]));
        check("{x}é", "aéé", Some(&["aé"]));
        check("a{", "a{", None);
    }

    #[test]
    fn names_belong_to_users_or_members() {
        const PRIVATE: Guarded = Guarded {
            presence: false,
            encrypted: false,
        };
        let user = Whose::User(UserId(7));
        let members = |shared| {
            Some(Whose::Members {
                of: ConversationId(7),
                shared,
            })
        };
        let check = |name: &str, expected: Option<Whose>| {
            for (prefix, guarded) in PREFIXES {
                let found = whose(&format!("{prefix}{name}"));
                assert_eq!(found, expected.map(|whose| (*guarded, whose)), "{prefix}{name}");
            }
            assert_eq!(whose(name), None, "{name} without a prefix is public");
        };
        for name in ["App.Models.User.7", "App.User.7", "users.7", "direct-messages.7"] {
            check(name, Some(user));
        }
        check("conversation.7", members(true));
        for name in ["chat.7", "room.7", "App.Models.Conversation.7"] {
            check(name, members(false));
        }
        for name in [
            "",
            "users.",
            "users.07",
            "users.+7",
            "users.x",
            "users.7.8",
            "users.9007199254740993",
            "App.Models.Users.7",
            "cache-users.7",
            "lobby",
        ] {
            check(name, None);
        }
        assert_eq!(whose("private-user.7"), Some((PRIVATE, user)));
        for name in [
            "presence-user.7",
            "private-private-users.7",
            "private-presence-users.7",
        ] {
            assert_eq!(whose(name), None, "{name}");
        }
    }

    #[test]
    fn the_channels_of_the_server_itself_are_known() {
        let log = guarded(crate::traffic::LOG_CHANNEL).map(|(_, name)| name);
        for name in ["user.7", "user.x", "conversation.7", log.unwrap()] {
            assert!(is_own(name), "{name}");
        }
        for name in ["users.7", "user.7.x", "conversations.7", "orders.7"] {
            assert!(!is_own(name), "{name}");
        }
    }

    #[test]
    fn a_users_channels_are_the_users() {
        for channel in crate::laravel::user_channels(UserId(7)) {
            assert_eq!(
                whose(channel.as_str()).map(|(_, whose)| whose),
                Some(Whose::User(UserId(7)))
            );
        }
    }
}
