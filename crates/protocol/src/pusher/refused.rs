//! Reading a refusal back from the frame that tells it, for those who count and watch refusals.

use std::borrow::Cow;

use serde::Deserialize;

/// What a client was refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused<'a> {
    /// The channel, when it is about one.
    pub channel: Option<Cow<'a, str>>,
    /// Code and sentence, for people.
    pub text: String,
}

/// Whether this payload of a frame of ours tells a refusal. Looks at its first bytes only.
pub fn is_refusal(payload: &[u8]) -> bool {
    let event = payload.strip_prefix(br#"{"event":"pusher:"#);
    event.is_some_and(|rest| rest.starts_with(b"error\"") || rest.starts_with(b"subscription_error\""))
}

/// What the refusal says.
pub fn refused(payload: &[u8]) -> Option<Refused<'_>> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        channel: Option<Cow<'a, str>>,
        data: serde_json::Value,
    }
    let message: Message<'_> = serde_json::from_slice(payload).ok()?;
    // In one of the two events the data is a text that holds JSON.
    let data = match message.data {
        serde_json::Value::String(text) => serde_json::from_str(&text).ok()?,
        data => data,
    };
    let code = data["code"].as_u64().or_else(|| data["status"].as_u64());
    let sentence = data["message"].as_str().or_else(|| data["error"].as_str())?;
    let text = match code {
        Some(code) => format!("{code}, {sentence}"),
        None => sentence.to_owned(),
    };
    let channel = message.channel;
    Some(Refused { channel, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::pusher::error::{Refusal, SubscriptionRefusal};
    use crate::pusher::message;

    #[test]
    fn refusals_are_known_by_their_frames() {
        let check = |frame: Frame, channel: Option<&str>, text: &str| {
            let payload = frame.payload();
            assert!(is_refusal(&payload), "{text}");
            let refused = refused(&payload).unwrap();
            assert_eq!(
                (refused.channel.as_deref(), refused.text.as_str()),
                (channel, text)
            );
        };
        check(
            message::error(&Refusal::malformed()),
            None,
            "4200, Invalid message format",
        );
        let text = "Client events must have names that begin with client-";
        check(message::error(&Refusal::not_a_client_event()), None, text);
        let frame = message::subscription_error("private-\"a", &SubscriptionRefusal::unauthorized());
        check(frame, Some("private-\"a"), "401, Connection is unauthorized");
        assert!(!is_refusal(&message::pong().payload()));
    }
}
