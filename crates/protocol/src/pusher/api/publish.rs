//! What servers publish: one event on many channels, or many events in one call.

use chinwag_engine::{App, ChannelName, ConnectionId, Publication};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::query::Info;
use super::{ApiError, bad_request, parameter};
use crate::pusher::channel::{check_name_for, user_of};
use crate::pusher::message;

#[derive(Deserialize)]
struct EventBody<'a> {
    #[serde(default)]
    name: Option<String>,
    #[serde(borrow, default, deserialize_with = "message::present")]
    data: Option<&'a RawValue>,
    #[serde(default)]
    channels: Option<OneOrMore>,
    #[serde(default)]
    channel: Option<OneOrMore>,
    #[serde(default)]
    socket_id: Option<String>,
    #[serde(default)]
    info: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// One event and what its publisher wants to know.
#[derive(Debug)]
pub struct Event {
    /// What is published, on the first channel.
    pub publication: Publication,
    /// All channels it is published on, each once, in the order given; at least one.
    pub channels: Vec<ChannelName>,
    /// What is asked of each channel.
    pub info: Info,
}

/// Reads the body of `POST /apps/{id}/events`.
///
/// # Errors
/// Why nothing is published.
pub fn trigger(app: &App, body: &[u8]) -> Result<Event, ApiError> {
    let body: EventBody<'_> = message::parse_object(text(body)?)
        .map_err(|error| bad_request("invalid_body", format!("The body is not an event: {error}")))?;
    event(app, body)
}

/// Reads the body of `POST /apps/{id}/batch_events`. One faulty event refuses them all.
///
/// # Errors
/// Why nothing is published.
pub fn batch(app: &App, body: &[u8]) -> Result<Vec<Event>, ApiError> {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        batch: Vec<EventBody<'a>>,
    }
    let Batch { batch } = message::parse_object(text(body)?)
        .map_err(|error| bad_request("invalid_body", format!("The body is not a batch: {error}")))?;
    let limit = app.options.events_per_batch_max;
    if batch.is_empty() || batch.len() > limit {
        let text = format!("A batch needs 1 to {limit} events, {} were given", batch.len());
        return Err(bad_request("invalid_batch", text));
    }
    batch.into_iter().map(|item| event(app, item)).collect()
}

/// Reads the old way to publish on one channel: the body is the data, the rest is in the query.
///
/// # Errors
/// Why nothing is published.
pub fn on_channel(app: &App, channel: &str, query: &str, body: &[u8]) -> Result<Event, ApiError> {
    let data = serde_json::value::to_raw_value(text(body)?).expect("text always serialises");
    let body = EventBody {
        name: parameter(query, "name"),
        data: Some(&*data),
        channels: None,
        channel: Some(OneOrMore::One(channel.to_owned())),
        socket_id: parameter(query, "socket_id"),
        info: None,
    };
    event(app, body)
}

fn text(body: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(body).map_err(|_| bad_request("invalid_body", "The body is not UTF-8"))
}

fn event(app: &App, body: EventBody<'_>) -> Result<Event, ApiError> {
    let options = &app.options;
    let name = body.name.as_deref().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| bad_request("invalid_name", "The event needs a name"))?;
    if name.chars().count() > options.event_name_chars_max {
        let text = format!(
            "The event name exceeds the allowed maximum ({} characters)",
            options.event_name_chars_max
        );
        return Err(bad_request("invalid_name", text));
    }
    if name.starts_with("pusher:") || name.starts_with("pusher_internal:") {
        return Err(bad_request(
            "invalid_name",
            "Event names that begin with pusher: or pusher_internal: are reserved",
        ));
    }
    let data = body
        .data
        .ok_or_else(|| bad_request("invalid_data", "The event needs data"))?;
    let data = match data.get().as_bytes() {
        [b'"', ..] => serde_json::from_str::<String>(data.get())
            .map_err(|_| bad_request("invalid_data", "The data is not valid text"))?,
        _ => message::compact(data.get()),
    };
    if data.len() > options.event_bytes_max {
        let limit = options.event_bytes_max;
        let text = format!(
            "The data content of this event exceeds the allowed maximum ({limit} bytes): {} bytes",
            data.len()
        );
        return Err(ApiError::new(413, "payload_too_large", text));
    }
    let except = match body.socket_id.as_deref() {
        None => None,
        Some(id) => Some(
            id.parse::<ConnectionId>()
                .map_err(|_| bad_request("invalid_socket_id", "The socket_id is not one"))?,
        ),
    };
    let names = match body.channels.or(body.channel) {
        None => Vec::new(),
        Some(OneOrMore::One(channel)) => vec![channel],
        Some(OneOrMore::More(channels)) => channels,
    };
    let limit = options.channels_per_event_max;
    let invalid = || {
        let text = format!("An event needs 1 to {limit} channels, {} were given", names.len());
        bad_request("invalid_channels", text)
    };
    if names.len() > limit {
        return Err(invalid());
    }
    let mut seen = hashbrown::HashSet::with_capacity(names.len());
    let mut channels = Vec::with_capacity(names.len());
    for name in &names {
        if user_of(name).is_none() {
            check_name_for(app, name)
                .map_err(|error| bad_request("invalid_channel", format!("{error}: {name}")))?;
        }
        if seen.insert(name.as_str()) {
            channels.push(ChannelName::parse(name).expect("names of this protocol are names of the engine"));
        }
    }
    let first = channels.first().cloned().ok_or_else(invalid)?;
    let mut publication = Publication::message(app.number, first, name, data);
    publication.except = except;
    let info = Info::parse(body.info.as_deref().unwrap_or_default())?;
    if info.cache {
        return Err(Info::unknown("cache"));
    }
    Ok(Event {
        publication,
        channels,
        info,
    })
}

#[cfg(test)]
mod tests {
    use chinwag_engine::Content;

    use super::super::tests::app;
    use super::*;

    #[test]
    fn triggers_are_read_in_every_form_that_sdks_send() {
        let read = |body: &str| {
            trigger(&app(), body.as_bytes()).map(|trigger| {
                let channels = trigger
                    .channels
                    .iter()
                    .map(ChannelName::to_string)
                    .collect::<Vec<_>>();
                let Content::Message { data, .. } = trigger.publication.content.clone() else {
                    panic!("a trigger publishes messages")
                };
                (
                    channels,
                    String::from_utf8(data.to_vec()).unwrap(),
                    trigger.publication.except.is_some(),
                )
            })
        };
        let one = |channel: &str, data: &str, except| Ok((vec![channel.to_owned()], data.to_owned(), except));
        assert_eq!(
            read(r#"{"name":"e","channels":["a"],"data":"{\"x\": 1}"}"#),
            one("a", "{\"x\": 1}", false)
        );
        assert_eq!(
            read(r#"{"name":"e","channel":"a","data":"plain","socket_id":"1.2"}"#),
            one("a", "plain", true)
        );
        assert_eq!(
            read(r#"{"name":"e","channels":"a","data":{"x" : [ ]}}"#),
            one("a", r#"{"x":[]}"#, false)
        );
        assert_eq!(
            read(r#"{"name":"e","channels":["a","a"],"channel":"b","data":""}"#),
            one("a", "", false)
        );
        assert_eq!(
            read(r##"{"name":"e","channel":"#server-to-user-u-1","data":"1"}"##),
            one("#server-to-user-u-1", "1", false)
        );
        let hundred: Vec<String> = (0..101).map(|n| format!("\"c{n}\"")).collect();
        let with = |n: usize| {
            format!(
                r#"{{"name":"e","data":"1","channels":[{}]}}"#,
                hundred[..n].join(",")
            )
        };
        assert_eq!(read(&with(100)).map(|(channels, ..)| channels.len()), Ok(100));
        for (body, status, code) in [
            (with(101), 400, "invalid_channels"),
            (with(0), 400, "invalid_channels"),
            (
                r#"{"name":"e","channel":"a","data":"1","info":"cache"}"#.to_owned(),
                400,
                "invalid_info",
            ),
            (
                r##"{"name":"e","channel":"#other","data":"1"}"##.to_owned(),
                400,
                "invalid_channel",
            ),
            (
                r##"{"name":"e","channel":"#server-to-user-a b","data":"1"}"##.to_owned(),
                400,
                "invalid_channel",
            ),
            ("{".to_owned(), 400, "invalid_body"),
            ("[]".to_owned(), 400, "invalid_body"),
            (r#"{"channel":"a","data":"1"}"#.to_owned(), 400, "invalid_name"),
            (
                r#"{"name":"","channel":"a","data":"1"}"#.to_owned(),
                400,
                "invalid_name",
            ),
            (
                format!(r#"{{"name":"{}","channel":"a","data":"1"}}"#, "n".repeat(201)),
                400,
                "invalid_name",
            ),
            (
                r#"{"name":"pusher:x","channel":"a","data":"1"}"#.to_owned(),
                400,
                "invalid_name",
            ),
            (
                r#"{"name":"pusher_internal:x","channel":"a","data":"1"}"#.to_owned(),
                400,
                "invalid_name",
            ),
            (r#"{"name":"e","channel":"a"}"#.to_owned(), 400, "invalid_data"),
            (
                r#"{"name":"e","channel":"a b","data":"1"}"#.to_owned(),
                400,
                "invalid_channel",
            ),
            (
                r#"{"name":"e","channel":"a","data":"1","socket_id":"x"}"#.to_owned(),
                400,
                "invalid_socket_id",
            ),
            (
                r#"{"name":"e","channel":"a","data":"1","info":"nonsense"}"#.to_owned(),
                400,
                "invalid_info",
            ),
            (
                format!(r#"{{"name":"e","channel":"a","data":"{}"}}"#, "d".repeat(10_241)),
                413,
                "payload_too_large",
            ),
        ] {
            let error = trigger(&app(), body.as_bytes()).expect_err(&body);
            assert_eq!((error.status, error.code), (status, code), "{body}");
        }
        assert!(
            read(&format!(
                r#"{{"name":"e","channel":"a","data":"{}"}}"#,
                "d".repeat(10_240)
            ))
            .is_ok()
        );
    }

    #[test]
    fn a_batch_is_taken_or_refused_as_a_whole() {
        let item = r#"{"channel":"a","name":"x","data":"1"}"#;
        let of = |items: &[&str]| format!(r#"{{"batch":[{}]}}"#, items.join(","));
        let read = |body: &str| {
            batch(&app(), body.as_bytes())
                .map(|events| events.len())
                .map_err(|error| (error.status, error.code))
        };
        assert_eq!(read(&of(&[item; 10])), Ok(10));
        assert_eq!(read(&of(&[item; 11])), Err((400, "invalid_batch")));
        assert_eq!(read(&of(&[])), Err((400, "invalid_batch")));
        assert_eq!(
            read(&of(&[item, r#"{"channel":"a b","name":"x","data":"1"}"#])),
            Err((400, "invalid_channel"))
        );
        assert_eq!(read(&of(&[item, "1"])), Err((400, "invalid_body")));
        assert_eq!(read("[]"), Err((400, "invalid_body")));
        assert_eq!(read(r#"{"batch":{}}"#), Err((400, "invalid_body")));
        let large = format!(r#"{{"channel":"a","name":"x","data":"{}"}}"#, "d".repeat(10_241));
        assert_eq!(read(&of(&[item, &large])), Err((413, "payload_too_large")));
        let with_info = r#"{"channel":"b","name":"x","data":"1","info":"subscription_count"}"#;
        let events = batch(&app(), of(&[item, with_info]).as_bytes()).unwrap();
        assert_eq!(
            events
                .iter()
                .map(|e| e.info.subscription_count)
                .collect::<Vec<_>>(),
            [false, true]
        );
    }

    #[test]
    fn the_old_way_takes_the_body_as_it_is() {
        let event = on_channel(&app(), "a", "name=my-event&socket_id=1.2", br#"{"x": "\n"}"#).unwrap();
        let Content::Message { event: name, data } = &event.publication.content else {
            panic!("a message")
        };
        assert_eq!(
            (name.as_deref(), &data[..]),
            (Some("my-event"), &br#"{"x": "\n"}"#[..])
        );
        assert!(event.publication.except.is_some());
        assert_eq!(
            on_channel(&app(), "a", "", b"{}").unwrap_err().code,
            "invalid_name"
        );
    }
}
