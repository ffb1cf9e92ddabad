//! Wire forms: what clients send, and every frame the server sends. Members stand in the order `event`, `channel`,
//! `data`, `user_id`. `data` is a string that holds JSON, except in `pusher:error`, where it is an object: only so
//! do all published clients understand both.

use std::borrow::Cow;

use bytes::Bytes;
use chinwag_engine::{ChannelName, Content, Delivery, Publication, Roster, WireFormat};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::error::{Refusal, SubscriptionRefusal};
use crate::frame::Frame;

/// The place of this protocol's encoded copy in a delivery.
pub const WIRE: WireFormat = WireFormat(0);

/// What an event is called that was published by a protocol whose events have no names.
const NAMELESS: &str = "message";

/// Any frame of a client.
#[derive(Deserialize)]
pub(super) struct Incoming<'a> {
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    #[serde(borrow, default)]
    pub channel: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub data: Option<&'a RawValue>,
}

/// Reads a member that is there, so that an explicit `null` is not taken for a missing member.
pub(super) fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// The data of `pusher:subscribe`.
#[derive(Deserialize)]
pub(super) struct Subscribe {
    pub channel: String,
    #[serde(default)]
    pub auth: Option<String>,
    #[serde(default)]
    pub channel_data: Option<String>,
}

/// The data of `pusher:unsubscribe`.
#[derive(Deserialize)]
pub(super) struct Unsubscribe {
    pub channel: String,
}

/// The data of `pusher:signin`.
#[derive(Deserialize)]
pub(super) struct SignIn {
    pub auth: String,
    pub user_data: String,
}

/// Who signs in. An id that is not text is refused: clients take only text back.
#[derive(Deserialize)]
pub(super) struct UserData<'a> {
    pub id: String,
    #[serde(borrow, default)]
    pub user_info: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub watchlist: Option<&'a RawValue>,
}

/// The member data of a presence channel.
#[derive(Deserialize)]
pub(super) struct ChannelData<'a> {
    #[serde(borrow)]
    pub user_id: &'a RawValue,
    #[serde(borrow, default)]
    pub user_info: Option<&'a RawValue>,
}

/// Reads an object. Left to itself, serde also takes a list of the members' values for one.
pub(super) fn parse_object<'a, T: Deserialize<'a>>(text: &'a str) -> serde_json::Result<T> {
    if text.trim_ascii_start().starts_with('[') {
        return Err(serde::de::Error::custom("expected an object"));
    }
    serde_json::from_str(text)
}

/// Reads the data of a `pusher:` event, which may be an object or a string that holds one.
pub(super) fn parse_data<T: for<'a> Deserialize<'a>>(data: Option<&RawValue>) -> Option<T> {
    let text = data?.get();
    if text.starts_with('"') {
        let inner: String = serde_json::from_str(text).ok()?;
        return parse_object(&inner).ok();
    }
    parse_object(text).ok()
}

/// What a client event carries: the very string it gave, or any other JSON as compact text.
pub(super) fn client_data(data: Option<&RawValue>) -> Option<Bytes> {
    let Some(data) = data else {
        return Some(Bytes::from_static(b"{}"));
    };
    if data.get().starts_with('"') {
        return serde_json::from_str::<String>(data.get()).ok().map(Bytes::from);
    }
    Some(Bytes::from(compact(data.get())))
}

/// Takes the white space out of valid JSON and changes nothing else, so that numbers, the order of keys and the
/// difference between `{}` and `[]` stay as they were.
pub(super) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        out.push(c);
    }
    out
}

fn json(buffer: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(buffer, value).expect("writing to memory cannot fail");
}

/// A frame with string data, and a channel if it is about one.
fn event<'a>(name: &str, channel: impl Into<Option<&'a str>>, data: &str, user: Option<&str>) -> Frame {
    let channel = channel.into();
    let length = name.len() + channel.map_or(0, str::len) + data.len() * 5 / 4;
    Frame::text_with(length + 64, |buffer| {
        event_head(buffer, name, channel);
        event_tail(buffer, data, user);
    })
}

fn event_head(buffer: &mut Vec<u8>, name: &str, channel: Option<&str>) {
    buffer.extend_from_slice(b"{\"event\":");
    json(buffer, name);
    if let Some(channel) = channel {
        buffer.extend_from_slice(b",\"channel\":");
        json(buffer, channel);
    }
}

/// What does not differ from channel to channel.
fn event_tail(buffer: &mut Vec<u8>, data: &str, user: Option<&str>) {
    buffer.extend_from_slice(b",\"data\":");
    json(buffer, data);
    if let Some(user) = user {
        buffer.extend_from_slice(b",\"user_id\":");
        json(buffer, user);
    }
    buffer.push(b'}');
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("these types always serialise")
}

/// `pusher:connection_established`.
pub(super) fn established(socket_id: &str, activity_timeout_s: u64) -> Frame {
    let data = format!(r#"{{"socket_id":"{socket_id}","activity_timeout":{activity_timeout_s}}}"#);
    event("pusher:connection_established", None, &data, None)
}

/// `pusher:pong`.
pub(super) fn pong() -> Frame {
    event("pusher:pong", None, "{}", None)
}

/// `pusher:ping`.
pub(super) fn ping() -> Frame {
    event("pusher:ping", None, "{}", None)
}

/// `pusher:error`.
pub(super) fn error(refusal: &Refusal) -> Frame {
    #[derive(Serialize)]
    struct Data<'a> {
        code: Option<u16>,
        message: &'a str,
    }
    let data = text(&Data {
        code: refusal.code,
        message: &refusal.message,
    });
    Frame::text(&format!(r#"{{"event":"pusher:error","data":{data}}}"#))
}

/// `pusher:signin_success`, whose data is an object that holds the very text that was signed.
pub(super) fn signed_in(user_data: &str) -> Frame {
    let data = text(&user_data);
    Frame::text(&format!(
        r#"{{"event":"pusher:signin_success","data":{{"user_data":{data}}}}}"#
    ))
}

/// `pusher_internal:watchlist_events`: who is online and who is not, leaving out what nobody is.
pub(super) fn watchlist_events(online: &[&str], offline: &[&str]) -> Option<Frame> {
    #[derive(Serialize)]
    struct Event<'a> {
        name: &'a str,
        user_ids: &'a [&'a str],
    }
    #[derive(Serialize)]
    struct Data<'a> {
        events: Vec<Event<'a>>,
    }
    let events: Vec<_> = [("online", online), ("offline", offline)]
        .into_iter()
        .filter(|(_, user_ids)| !user_ids.is_empty())
        .map(|(name, user_ids)| Event { name, user_ids })
        .collect();
    let data = (!events.is_empty()).then(|| text(&Data { events }))?;
    Some(event("pusher_internal:watchlist_events", None, &data, None))
}

/// `pusher:subscription_error`.
pub(super) fn subscription_error(channel: &str, refused: &SubscriptionRefusal) -> Frame {
    #[derive(Serialize)]
    struct Data<'a> {
        r#type: &'a str,
        error: &'a str,
        status: u16,
    }
    let data = Data {
        r#type: refused.kind,
        error: &refused.refusal.message,
        status: refused.status,
    };
    event("pusher:subscription_error", channel, &text(&data), None)
}

/// `pusher_internal:subscription_succeeded`, with the roster on presence channels.
pub(super) fn subscribed(channel: &str, roster: Option<&Roster>) -> Frame {
    let Some(roster) = roster else {
        return event("pusher_internal:subscription_succeeded", channel, "{}", None);
    };
    let mut data = Vec::with_capacity(64 + roster.members.len() * 64);
    data.extend_from_slice(format!(r#"{{"presence":{{"count":{},"ids":["#, roster.members.len()).as_bytes());
    for (index, member) in roster.members.iter().enumerate() {
        if index > 0 {
            data.push(b',');
        }
        json(&mut data, &*member.user.0);
    }
    data.extend_from_slice(br#"],"hash":{"#);
    for (index, member) in roster.members.iter().enumerate() {
        if index > 0 {
            data.push(b',');
        }
        json(&mut data, &*member.user.0);
        data.push(b':');
        data.extend_from_slice(member.info.as_deref().unwrap_or("{}").as_bytes());
    }
    data.extend_from_slice(b"}}}");
    let data = String::from_utf8(data).expect("JSON text is UTF-8");
    event("pusher_internal:subscription_succeeded", channel, &data, None)
}

/// `pusher:cache_miss`.
pub(super) fn cache_miss(channel: &str) -> Frame {
    event("pusher:cache_miss", channel, "{}", None)
}

/// A delivery in this protocol's form. Encoded for the first receiver; of what goes to many channels, each receiver
/// has its channel's name written, and shares the rest.
pub(super) fn delivery(delivery: &Delivery, channel: &ChannelName) -> Frame {
    let of = &delivery.publication;
    match &of.content {
        Content::Message { event: name, data } if delivery.to_many => {
            let tail = delivery.encoded(WIRE, |_| {
                let mut tail = Vec::with_capacity(data.len() * 5 / 4 + 64);
                event_tail(&mut tail, &String::from_utf8_lossy(data), publisher(of));
                tail.into()
            });
            let name = name.as_deref().unwrap_or(NAMELESS);
            Frame::text_before(tail, name.len() + channel.as_str().len() + 32, |buffer| {
                event_head(buffer, name, Some(channel.as_str()));
            })
        }
        _ => Frame::from_bytes(delivery.encoded(WIRE, |_| publication(of)).clone()),
    }
}

fn publisher(publication: &Publication) -> Option<&str> {
    let user = publication.publisher.as_ref()?.user.as_ref()?;
    Some(&user.0)
}

/// A publication in this protocol's form, header included.
pub(super) fn publication(publication: &Publication) -> Bytes {
    let channel = publication.channel.as_str();
    let frame = match &publication.content {
        Content::Message { event: name, data } => event(
            name.as_deref().unwrap_or(NAMELESS),
            channel,
            &String::from_utf8_lossy(data),
            publisher(publication),
        ),
        Content::Joined { member, .. } => {
            let info = member.info.as_deref().unwrap_or("{}");
            let data = format!(r#"{{"user_id":{},"user_info":{info}}}"#, text(&&*member.user.0));
            event("pusher_internal:member_added", channel, &data, None)
        }
        Content::Left { user, .. } => {
            let data = format!(r#"{{"user_id":{}}}"#, text(&&*user.0));
            event("pusher_internal:member_removed", channel, &data, None)
        }
        Content::Subscribers { count } => {
            let data = format!(r#"{{"subscription_count":{count}}}"#);
            event("pusher_internal:subscription_count", channel, &data, None)
        }
        // An order to the node, never on its way to a client.
        Content::Disconnect { .. } => return Bytes::new(),
    };
    frame.into_parts().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compacting_changes_nothing_but_white_space() {
        for (given, want) in [
            (
                " { \"a\" : [ 1.50 , { } , \"x y\\\" \\\\\" , null ] } ",
                r#"{"a":[1.50,{},"x y\" \\",null]}"#,
            ),
            ("[]", "[]"),
            ("{\n}", "{}"),
            ("1e3", "1e3"),
            (r#""\\" "#, r#""\\""#),
        ] {
            assert_eq!(compact(given), want);
        }
    }
}
