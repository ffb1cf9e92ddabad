//! Whatever servers publish or ask: it is taken within the limits of the app, or refused with a status and words.
//!
//! The first byte of an input chooses the endpoint; the rest of its line is a channel's name, a question mark and the
//! query; what follows is the body.

use std::sync::{Arc, LazyLock};

use chinwag_engine::{App, AppOptions, Apps, Content, KeyPair, Secret};
use chinwag_protocol::pusher::api::publish::{Event, batch, on_channel, trigger};
use chinwag_protocol::pusher::api::{ApiError, query};

static APPS: LazyLock<[Arc<App>; 2]> = LazyLock::new(|| {
    let app = |lenient_names| {
        let pair = KeyPair {
            key: "chinwag-key".to_owned(),
            secret: Secret::new("chinwag-secret"),
        };
        let options = AppOptions {
            lenient_names,
            ..AppOptions::default()
        };
        let added = Apps::default().add("100200", vec![pair], options, Vec::new());
        added.expect("the first app is added")
    };
    [app(false), app(true)]
});

/// Asks once, of a strict app and of a lenient one.
pub(crate) fn check(input: &[u8]) {
    let Some((&endpoint, rest)) = input.split_first() else {
        return;
    };
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let line = std::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
    let body = parts.next().unwrap_or_default();
    let (name, query) = line.split_once('?').unwrap_or((line, ""));
    for app in &*APPS {
        match endpoint % 6 {
            0 => events(app, trigger(app, body).map(|event| vec![event])),
            1 => events(app, batch(app, body)),
            2 => events(app, on_channel(app, name, query, body).map(|event| vec![event])),
            3 => {
                if let Some((prefix, info)) = accepted(query::channels(query)) {
                    assert!(!info.user_count || prefix.starts_with("presence-"));
                }
            }
            4 => {
                if let Some((channel, _)) = accepted(query::channel(name, query, app)) {
                    assert_eq!(channel.as_str(), name);
                }
            }
            _ => {
                if let Some((channel, _)) = accepted(query::users(name, query, app)) {
                    assert!(channel.as_str().starts_with("presence-"));
                }
            }
        }
    }
}

fn accepted<T>(result: Result<T, ApiError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!([400, 413].contains(&error.status), "{error:?}");
            let body: serde_json::Value = serde_json::from_str(&error.body()).expect("a refusal is JSON");
            assert_eq!(body["code"], error.code);
            None
        }
    }
}

fn events(app: &App, result: Result<Vec<Event>, ApiError>) {
    let Some(events) = accepted(result) else { return };
    let options = &app.options;
    assert!((1..=options.events_per_batch_max).contains(&events.len()));
    for event in events {
        assert!((1..=options.channels_per_event_max).contains(&event.channels.len()));
        assert_eq!(event.channels[0], event.publication.channel);
        let Content::Message { event: name, data } = &event.publication.content else {
            panic!("servers publish messages");
        };
        let name = name.as_deref().expect("with a name");
        assert!((1..=options.event_name_chars_max).contains(&name.chars().count()));
        assert!(!name.starts_with("pusher:") && !name.starts_with("pusher_internal:"));
        assert!(data.len() <= options.event_bytes_max);
        assert!(std::str::from_utf8(data).is_ok());
        let mut channels = std::collections::HashSet::new();
        for channel in &event.channels {
            let channel = channel.as_str();
            assert!((1..=220).contains(&channel.chars().count()), "{channel}");
            assert!(!channel.starts_with('#') || channel.starts_with("#server-to-user-"));
            assert!(channels.insert(channel), "{channel} twice");
        }
    }
}
