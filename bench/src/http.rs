//! A client for the HTTP APIs, over one kept connection, blocking: a publisher is a thread that does nothing else, and
//! what it costs must not crowd out the server that is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use chinwag_engine::Secret;
use chinwag_protocol::pusher::auth::sign;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::target::{APP_ID, APP_KEY, APP_SECRET};

/// One connection.
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    /// The server has closed it after its last answer, as some do each time.
    ended: bool,
    address: SocketAddr,
    secret: Secret,
    token: Option<String>,
}

fn open(address: SocketAddr) -> anyhow::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(BufReader::new(stream))
}

/// An answer's status and body.
pub(crate) type Answer = (u16, Vec<u8>);

impl Http {
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            stream: open(address)?,
            ended: false,
            address,
            secret: Secret::new(APP_SECRET),
            token: None,
        })
    }

    /// Asks as this login from now on.
    pub(crate) fn log_in_with(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }

    /// Sends a request and reads the answer.
    pub(crate) fn ask(&mut self, method: &str, target: &str, body: &str) -> anyhow::Result<Answer> {
        self.begin(method, target, body)?;
        self.answer()
    }

    /// Sends a request, the answer to which is to be read before the next one.
    pub(crate) fn begin(&mut self, method: &str, target: &str, body: &str) -> anyhow::Result<()> {
        if self.ended {
            self.stream = open(self.address)?;
            self.ended = false;
        }
        let (address, length) = (self.address, body.len());
        let token = match &self.token {
            Some(token) => format!("Authorization: Bearer {token}\r\n"),
            None => String::new(),
        };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{token}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        Ok(())
    }

    /// Reads the answer to what was begun.
    pub(crate) fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).context("a status")?.parse()?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').context("a header")?;
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            } else if name.eq_ignore_ascii_case("connection") {
                self.ended = value.trim().eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("an answer in chunks");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }

    /// Sends a request of the messenger's API that must succeed.
    pub(crate) fn call(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.ask("POST", path, &body.to_string())?;
        if !(200..300).contains(&status) {
            bail!("{path} answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        serde_json::from_slice(&answer).context("JSON")
    }

    /// Sends a signed request of the Pusher HTTP API.
    pub(crate) fn signed(
        &mut self,
        method: &str,
        path: &str,
        query: &str,
        body: &str,
    ) -> anyhow::Result<Answer> {
        let path = format!("/apps/{APP_ID}{path}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut all = format!("auth_key={APP_KEY}&auth_timestamp={now}&auth_version=1.0");
        if !body.is_empty() {
            all.push_str("&body_md5=");
            all.push_str(&hex::encode(Md5::digest(body.as_bytes())));
        }
        if !query.is_empty() {
            all.push('&');
            all.push_str(query);
        }
        let signature = sign(&self.secret, &[method, "\n", &path, "\n", &all]);
        self.ask(method, &format!("{path}?{all}&auth_signature={signature}"), body)
    }

    /// Publishes one event to some channels; the status says how that went.
    pub(crate) fn trigger(&mut self, channels: &[String], data: &str) -> anyhow::Result<u16> {
        let body = json!({ "name": "tick", "channels": channels, "data": data }).to_string();
        Ok(self.signed("POST", "/events", "", &body)?.0)
    }

    /// Publishes; anything but success is an error.
    pub(crate) fn publish(&mut self, channels: &[String], data: &str) -> anyhow::Result<()> {
        match self.trigger(channels, data)? {
            200 => Ok(()),
            status => bail!("the trigger was answered {status}"),
        }
    }
}
