//! Carries one push to a push service (RFC 8030).

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::webhooks::{PublicOnly, check_literal};

/// How long a push service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections kept for one push service.
const IDLE_MAX: usize = 8;

/// Longest address that is taken.
const ENDPOINT_BYTES_MAX: usize = 2_000;

/// How long a push service keeps what it cannot deliver.
const TTL_S: u32 = 7 * 24 * 60 * 60;

/// Why an address is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndpointError {
    /// It is none, or too long, or not of HTTPS.
    Invalid,
    /// It leads into a network that is not public.
    NotAllowed,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carried {
    /// The service has it.
    Delivered,
    /// The service knows the address no more.
    Gone,
    /// The service asks to come back later, perhaps not before so long, or could not be reached.
    Later(Option<Duration>),
    /// It will never be taken. The reason is for the log, and tells no address.
    Refused(String),
}

/// What to carry.
pub(super) struct Sealed {
    pub(super) url: Url,
    pub(super) authorization: String,
    pub(super) body: Bytes,
    /// A later push of the same topic takes the place of one that was not delivered yet.
    pub(super) topic: String,
    pub(super) urgent: bool,
}

/// Carries pushes over HTTP.
pub(super) struct HttpCourier {
    client: Client,
}

impl HttpCourier {
    pub(super) fn new(private_addresses: bool) -> Result<Self, String> {
        let mut builder = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            // A redirect would be a way around the check of addresses, and is no success.
            .redirect(Policy::none())
            // A proxy would resolve names for us, unchecked.
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(IDLE_MAX)
            .user_agent(concat!("Chinwag/", env!("CARGO_PKG_VERSION")));
        if !private_addresses {
            builder = builder.dns_resolver(PublicOnly);
        }
        let client = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { client })
    }

    pub(super) async fn carry(&self, sealed: Sealed) -> Carried {
        let request = self
            .client
            .post(sealed.url)
            .header(AUTHORIZATION, sealed.authorization)
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header("ttl", TTL_S)
            .header("urgency", if sealed.urgent { "high" } else { "normal" })
            .header("topic", sealed.topic)
            .body(sealed.body);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_builder() => return Carried::Refused("the request is not valid".into()),
            Err(_) => return Carried::Later(None),
        };
        let wait = answer.headers().get(RETRY_AFTER);
        let wait = wait.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        match answer.status().as_u16() {
            200..300 => Carried::Delivered,
            404 | 410 => Carried::Gone,
            408 | 425 | 429 | 500..600 => Carried::Later(wait.map(Duration::from_secs)),
            status => Carried::Refused(format!("the push service answered with status {status}")),
        }
    }
}

/// The address of a push service, checked as far as it can be without asking for it. Where a name leads is checked when
/// it is resolved.
pub(crate) fn endpoint(text: &str, private_addresses: bool) -> Result<Url, EndpointError> {
    if text.len() > ENDPOINT_BYTES_MAX {
        return Err(EndpointError::Invalid);
    }
    let url: Url = text.parse().map_err(|_| EndpointError::Invalid)?;
    let plain = url.scheme() == "http" && private_addresses;
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !(url.scheme() == "https" || plain) || !bare || url.host_str().is_none_or(str::is_empty) {
        return Err(EndpointError::Invalid);
    }
    if !private_addresses {
        check_literal(&url).map_err(|_| EndpointError::NotAllowed)?;
        if url
            .host_str()
            .is_some_and(|host| host == "localhost" || host.ends_with(".localhost"))
        {
            return Err(EndpointError::NotAllowed);
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_of_https_are_taken() {
        let long = format!("https://push.example.org/{}", "a".repeat(ENDPOINT_BYTES_MAX));
        for (text, private, expected) in [
            ("https://push.example.org/v1/abc?x=1", false, None),
            ("https://push.example.org:8443/", false, None),
            ("http://push.example.org/", false, Some(EndpointError::Invalid)),
            ("ftp://push.example.org/", true, Some(EndpointError::Invalid)),
            (
                "https://me:secret@push.example.org/",
                false,
                Some(EndpointError::Invalid),
            ),
            ("https://push.example.org/#x", false, Some(EndpointError::Invalid)),
            ("push.example.org", false, Some(EndpointError::Invalid)),
            ("", false, Some(EndpointError::Invalid)),
            (long.as_str(), false, Some(EndpointError::Invalid)),
            ("https://127.0.0.1/", false, Some(EndpointError::NotAllowed)),
            ("https://localhost/", false, Some(EndpointError::NotAllowed)),
            ("https://LOCALHOST:9/", false, Some(EndpointError::NotAllowed)),
            ("https://[::1]/", false, Some(EndpointError::NotAllowed)),
            (
                "https://[::ffff:10.0.0.1]/",
                false,
                Some(EndpointError::NotAllowed),
            ),
            ("https://192.168.1.7/", false, Some(EndpointError::NotAllowed)),
            // Other spellings of loopback.
            ("https://2130706433/", false, Some(EndpointError::NotAllowed)),
            ("https://0x7f.1/", false, Some(EndpointError::NotAllowed)),
            (
                "https://169.254.169.254/latest",
                false,
                Some(EndpointError::NotAllowed),
            ),
            ("http://127.0.0.1:9/", true, None),
        ] {
            assert_eq!(endpoint(text, private).err(), expected, "{text}");
        }
    }
}
