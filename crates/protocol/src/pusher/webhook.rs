//! Webhooks: what an application is told over HTTP of its channels, and when. Whoever sends them gives the time.

mod debounce;

use chinwag_engine::{Observation, Observed, ObservedKind, Secret, Webhook};

use super::auth;

pub use debounce::Debounce;

/// What a name of an event in the settings of a webhook stands for.
const NAMES: [(&str, ObservedKind); 7] = [
    ("channel_occupied", ObservedKind::Occupied),
    ("channel_vacated", ObservedKind::Vacated),
    ("member_added", ObservedKind::Joined),
    ("member_removed", ObservedKind::Left),
    ("client_event", ObservedKind::ClientEvent),
    ("cache_miss", ObservedKind::CacheMiss),
    ("subscription_count", ObservedKind::SubscriptionCount),
];

/// The kind of event that this protocol calls so.
pub fn kind(name: &str) -> Option<ObservedKind> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, kind)| *kind)
}

/// What this protocol calls the kind of event.
pub fn name(kind: ObservedKind) -> &'static str {
    let found = NAMES.iter().find(|(_, known)| *known == kind);
    found.expect("each kind has a name").0
}

/// Whether the webhook asks to be told. Channels of the server itself, whose names begin with `#`, are told to nobody.
pub fn wants(webhook: &Webhook, observation: &Observation) -> bool {
    let channel = observation.channel.as_str();
    !channel.starts_with('#')
        && observation
            .what
            .kind()
            .is_some_and(|kind| webhook.kinds.is_empty() || webhook.kinds.contains(&kind))
        && channel.starts_with(&webhook.channel_starts_with)
        && channel.ends_with(&webhook.channel_ends_with)
}

/// The event as it stands in a body, if it is one that applications are told.
pub fn event(observation: &Observation) -> Option<String> {
    let kind = observation.what.kind()?;
    let mut text = format!(
        r#"{{"name":"{}","channel":{}"#,
        name(kind),
        json(observation.channel.as_str())
    );
    match &observation.what {
        Observed::Joined { user } | Observed::Left { user } => {
            text.push_str(",\"user_id\":");
            text.push_str(&json(&user.0));
        }
        Observed::ClientEvent {
            event,
            data,
            connection,
            user,
        } => {
            text.push_str(",\"event\":");
            text.push_str(&json(event));
            text.push_str(",\"data\":");
            text.push_str(&json(&String::from_utf8_lossy(data)));
            text.push_str(&format!(r#","socket_id":"{connection}""#));
            if let Some(user) = user {
                text.push_str(",\"user_id\":");
                text.push_str(&json(&user.0));
            }
        }
        Observed::SubscriptionCount { count } => text.push_str(&format!(",\"subscription_count\":{count}")),
        Observed::Occupied | Observed::Vacated | Observed::CacheMiss | Observed::CacheFilled => {}
    }
    text.push('}');
    Some(text)
}

fn json(text: &str) -> String {
    serde_json::to_string(text).expect("text always serialises")
}

/// The body that tells of these events, at `time_ms` since 1970. They must be of one app.
pub fn body(time_ms: u64, events: &[String]) -> String {
    format!(r#"{{"time_ms":{time_ms},"events":[{}]}}"#, events.join(","))
}

/// What goes into `X-Pusher-Signature`.
pub fn signature(secret: &Secret, body: &str) -> String {
    auth::sign(secret, &[body])
}

#[cfg(test)]
mod tests {
    use super::*;
    use chinwag_engine::{AppNumber, ChannelName, ConnectionId, UserId};

    fn observation(channel: &str, what: Observed) -> Observation {
        Observation {
            app: AppNumber(0),
            channel: ChannelName::parse(channel).unwrap(),
            what,
        }
    }

    fn user(id: &str) -> UserId {
        UserId(id.into())
    }

    fn typing(user: Option<UserId>) -> Observed {
        let connection = ConnectionId {
            node: 1234,
            number: 1234,
        };
        Observed::ClientEvent {
            event: "client-typing".into(),
            data: r#"{"on":true}"#.into(),
            connection,
            user,
        }
    }

    // Whole bodies and their signatures are in tests/vectors.rs.
    #[test]
    fn every_event_has_its_fields_and_a_channel() {
        for (what, want) in [
            (Observed::Occupied, r#"{"name":"channel_occupied","channel":"x"}"#),
            (Observed::Vacated, r#"{"name":"channel_vacated","channel":"x"}"#),
            (
                Observed::Joined { user: user("a\"b") },
                r#"{"name":"member_added","channel":"x","user_id":"a\"b"}"#,
            ),
            (
                Observed::Left { user: user("7") },
                r#"{"name":"member_removed","channel":"x","user_id":"7"}"#,
            ),
            (
                typing(None),
                r#"{"name":"client_event","channel":"x","event":"client-typing","data":"{\"on\":true}","socket_id":"1234.1234"}"#,
            ),
            (Observed::CacheMiss, r#"{"name":"cache_miss","channel":"x"}"#),
            (
                Observed::SubscriptionCount { count: 17 },
                r#"{"name":"subscription_count","channel":"x","subscription_count":17}"#,
            ),
        ] {
            let written = event(&observation("x", what)).unwrap();
            assert_eq!(written, want);
            assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok());
        }
        assert_eq!(event(&observation("x", Observed::CacheFilled)), None);
    }

    #[test]
    fn a_webhook_hears_of_the_kinds_and_channels_it_asks_for() {
        let webhook = |kinds: &[&str], starts: &str, ends: &str| Webhook {
            url: "https://example.org".to_owned(),
            kinds: kinds.iter().map(|known| kind(known).unwrap()).collect(),
            channel_starts_with: starts.to_owned(),
            channel_ends_with: ends.to_owned(),
            headers: Vec::new(),
        };
        for (kinds, starts, ends, channel, want) in [
            (&[][..], "", "", "room", true),
            (&["channel_occupied"], "", "", "room", true),
            (&["channel_vacated", "cache_miss"], "", "", "room", false),
            (&[], "private-", "", "room", false),
            (&[], "private-", "", "private-room", true),
            (&[], "", "-1", "room-1", true),
            (&[], "", "-1", "room-12", false),
            (&[], "", "", "#server-to-user-1", false),
        ] {
            let asked = webhook(kinds, starts, ends);
            assert_eq!(
                wants(&asked, &observation(channel, Observed::Occupied)),
                want,
                "{kinds:?} {starts} {ends} {channel}"
            );
        }
        let all = webhook(&[], "", "");
        assert!(!wants(&all, &observation("room", Observed::CacheFilled)));
        assert_eq!(kind("channel_lost"), None);
        for (known, kind) in NAMES {
            assert_eq!(name(kind), known);
        }
    }
}
