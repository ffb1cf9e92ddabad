//! The courier: carries one webhook over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use super::address::{PublicOnly, check_literal};

/// Of an answer's body so much is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Idle connections kept for one host.
const IDLE_MAX: usize = 2;

/// What is to be carried.
#[derive(Clone)]
pub struct Errand {
    /// Where to.
    pub url: String,
    /// The key that signed.
    pub key: String,
    /// The signature of the body.
    pub signature: String,
    /// The body.
    pub body: Bytes,
    /// What else to send along.
    pub headers: Vec<(String, String)>,
}

/// Why it was not delivered. Never tells the address, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CourierError {
    /// The receiver answered, but not with success.
    #[error("the receiver answered with status {0}")]
    Status(u16),
    /// It did not answer in time.
    #[error("the receiver did not answer in time")]
    Timeout,
    /// It may not be asked.
    #[error("the receiver's address is not allowed")]
    Address,
    /// It could not be asked.
    #[error("the receiver could not be reached: {0}")]
    Unreachable(String),
}

/// Carries webhooks. HTTP outside of tests.
#[async_trait]
pub trait Courier: Send + Sync {
    /// Delivers it once. Any status of success counts as delivered.
    async fn carry(&self, errand: &Errand) -> Result<(), CourierError>;
}

/// Carries webhooks over HTTP.
pub struct HttpCourier {
    client: Client,
    private_addresses: bool,
}

impl HttpCourier {
    /// A courier that waits so long for an answer; `private_addresses` lets it into our own network.
    ///
    /// # Errors
    /// When TLS cannot be set up; the text is for the log.
    pub fn new(timeout: Duration, private_addresses: bool) -> Result<Self, String> {
        let mut builder = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
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
        Ok(Self {
            client: builder.build().map_err(|error| error.to_string())?,
            private_addresses,
        })
    }
}

/// A header of the operator's own; those that belong to the protocol cannot be replaced.
pub(crate) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let reserved = [
        "x-pusher-key",
        "x-pusher-signature",
        "content-type",
        "content-length",
        "transfer-encoding",
        "connection",
        "host",
    ];
    let name: HeaderName = name.parse().ok()?;
    let mut value: HeaderValue = value.parse().ok()?;
    value.set_sensitive(true);
    (!reserved.contains(&name.as_str())).then_some((name, value))
}

/// What a receiver answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Cut off where nobody would read on.
    pub(crate) body: Vec<u8>,
}

impl HttpCourier {
    /// Carries it once, and brings the answer back.
    pub(crate) async fn ask(&self, errand: &Errand) -> Result<Reply, CourierError> {
        let unreachable = |text: &str| CourierError::Unreachable(text.to_owned());
        let url: Url = errand
            .url
            .parse()
            .map_err(|_| unreachable("the address is not valid"))?;
        if !self.private_addresses {
            check_literal(&url).map_err(|_| CourierError::Address)?;
        }
        let own = errand.headers.iter();
        let mut headers: HeaderMap = own.filter_map(|(name, value)| header(name, value)).collect();
        // Exactly this: some receivers compare it as text.
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let signed = [
            ("x-pusher-key", &errand.key),
            ("x-pusher-signature", &errand.signature),
        ];
        for (name, value) in signed {
            let value = value
                .parse()
                .map_err(|_| unreachable("the key is not plain text"))?;
            headers.insert(name, value);
        }
        let request = self.client.post(url).headers(headers).body(errand.body.clone());
        let mut answer = request.send().await.map_err(|error| explain(&error))?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while body.len() < ANSWER_BYTES_MAX
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body })
    }
}

#[async_trait]
impl Courier for HttpCourier {
    async fn carry(&self, errand: &Errand) -> Result<(), CourierError> {
        // What it says does not matter; it is read to keep the connection.
        match self.ask(errand).await?.status {
            200..300 => Ok(()),
            status => Err(CourierError::Status(status)),
        }
    }
}

fn explain(error: &reqwest::Error) -> CourierError {
    if error.is_timeout() {
        return CourierError::Timeout;
    }
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut last = String::new();
    while let Some(inner) = cause {
        if inner.is::<super::address::NotPublic>() {
            return CourierError::Address;
        }
        last = inner.to_string();
        cause = inner.source();
    }
    // The outermost text names the address; the innermost is what the system or TLS said.
    CourierError::Unreachable(last)
}
