//! Channel names: what they may be, and what their prefixes mean.

use chinwag_engine::{App, ChannelName, HistoryOptions, Namespace};

/// Longest name, prefix included.
const NAME_CHARS_MAX: usize = 200;
const CACHE_PREFIXES: [&str; 4] = [
    "cache-",
    "private-cache-",
    "private-encrypted-cache-",
    "presence-cache-",
];

/// What a name's prefix asks for. The questions are independent of each other, and each prefix counts only at the
/// very beginning and with its hyphen: `privateer` is a public channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Subscribing needs a signature.
    pub needs_auth: bool,
    /// It has members.
    pub presence: bool,
    /// What is published is encrypted between publisher and clients.
    pub encrypted: bool,
    /// The last event is kept for newcomers.
    pub cache: bool,
}

impl Kind {
    /// Reads the prefixes.
    pub fn of(name: &str) -> Self {
        let presence = name.starts_with("presence-");
        Self {
            needs_auth: presence || name.starts_with("private-"),
            presence,
            encrypted: name.starts_with("private-encrypted-"),
            cache: CACHE_PREFIXES.iter().any(|prefix| name.starts_with(prefix)),
        }
    }
}

const USER_PREFIX: &str = "#server-to-user-";

/// The channel on which servers speak to a user, if the text can be a user's id.
pub(super) fn user_channel(id: &str) -> Option<ChannelName> {
    check_name(id).ok()?;
    ChannelName::parse(&format!("{USER_PREFIX}{id}")).ok()
}

/// Whose channel it is.
pub(super) fn user_of(channel: &str) -> Option<&str> {
    let id = channel.strip_prefix(USER_PREFIX)?;
    check_name(id).is_ok().then_some(id)
}

/// The channel on which a user is present while it is signed in. Clients can neither ask for it nor see it.
pub(super) fn online_channel(id: &str) -> Option<ChannelName> {
    check_name(id).ok()?;
    ChannelName::parse(&format!("#online-{id}")).ok()
}

/// Options of cache channels for an app's namespaces: the last event is kept for `ttl_ms` after each new one, and
/// only servers' events are.
pub fn cache_namespaces(ttl_ms: u64) -> Vec<Namespace> {
    CACHE_PREFIXES
        .iter()
        .map(|prefix| Namespace {
            prefix: (*prefix).to_owned(),
            history: Some(HistoryOptions { size: 1, ttl_ms }),
            history_of_connections: false,
        })
        .collect()
}

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty or over 200 characters.
    #[error("The channel name must have 1 to 200 characters")]
    Length,
    /// A character outside of the allowed ones.
    #[error("The channel name may only contain A-Z, a-z, 0-9 and _ - = @ , . ;")]
    Characters,
}

/// The same where an app is lenient: any characters that print, at most 200 bytes. What begins with # is ours.
pub fn check_name_leniently(name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.len() > NAME_CHARS_MAX {
        return Err(NameError::Length);
    }
    if name.starts_with('#') || name.chars().any(char::is_control) {
        return Err(NameError::Characters);
    }
    Ok(())
}

/// Whether an app takes the name.
pub(super) fn check_name_for(app: &App, name: &str) -> Result<(), NameError> {
    if app.options.lenient_names {
        check_name_leniently(name)
    } else {
        check_name(name)
    }
}

/// Whether clients may subscribe to, and applications publish on, a channel of this name.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.chars().nth(NAME_CHARS_MAX).is_some() {
        return Err(NameError::Length);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_=@,.;".contains(&b);
    if name.bytes().all(allowed) {
        Ok(())
    } else {
        Err(NameError::Characters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_count_only_at_the_beginning_and_whole() {
        // needs auth, presence, encrypted, cache
        for (name, flags) in [
            ("room", [false; 4]),
            ("privateer", [false; 4]),
            ("presenceX", [false; 4]),
            ("cacheable", [false; 4]),
            ("mycache-x", [false; 4]),
            ("notprivate-x", [false; 4]),
            ("private-x", [true, false, false, false]),
            ("private-encrypted-x", [true, false, true, false]),
            ("presence-x", [true, true, false, false]),
            ("cache-x", [false, false, false, true]),
            ("private-cache-x", [true, false, false, true]),
            ("private-encrypted-cache-x", [true, false, true, true]),
            ("presence-cache-x", [true, true, false, true]),
        ] {
            let kind = Kind::of(name);
            assert_eq!(
                [kind.needs_auth, kind.presence, kind.encrypted, kind.cache],
                flags,
                "{name}"
            );
        }
    }

    #[test]
    fn lenient_names_may_have_anything_that_prints_and_never_ours() {
        for good in ["a b", "zoë:1/2", "🦆", &"x".repeat(200)] {
            assert_eq!(check_name_leniently(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "#server-to-user-1",
            "#online-1",
            "#orders",
            "a\nb",
            &"ë".repeat(101),
        ] {
            assert!(check_name_leniently(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_have_the_allowed_characters_and_at_most_200_of_them() {
        for good in ["a", "private-room=1@a,b;c.d_e-F", &"x".repeat(200)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", NameError::Length),
            (&*"x".repeat(201), NameError::Length),
            ("a b", NameError::Characters),
            ("a:b", NameError::Characters),
            ("#x", NameError::Characters),
            ("#server-to-user-1", NameError::Characters),
            ("zoë", NameError::Characters),
        ] {
            assert_eq!(check_name(bad), Err(why), "{bad}");
        }
    }
}
