//! A client for the two HTTP APIs, over one kept connection.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use bytes::Bytes;
use chinwag_engine::Secret;
use chinwag_protocol::pusher::auth::sign;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::server::{APP_ID, APP_KEY, APP_SECRET};

/// One connection.
pub(crate) struct Http {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
    token: Option<String>,
    _connection: JoinSet<()>,
}

impl Http {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // An error here is an error of the request that is under way, which reports it.
            let _ = connection.await;
        });
        Ok(Self {
            address,
            sender,
            token: None,
            _connection: tasks,
        })
    }

    /// Asks as this login from now on.
    pub(crate) fn log_in_with(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }

    /// Sends a request and returns the answer's status and body.
    pub(crate) async fn post(&mut self, path: &str, body: String) -> anyhow::Result<(u16, Bytes)> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// Sends a request that must succeed, and reads the answer's JSON.
    pub(crate) async fn call(
        &mut self,
        path: &str,
        body: serde_json::Value,
    ) -> anyhow::Result<serde_json::Value> {
        let (status, answer) = self.post(path, body.to_string()).await?;
        if !(200..300).contains(&status) {
            bail!("{path} answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        serde_json::from_slice(&answer).context("JSON")
    }

    /// Publishes through the Pusher HTTP API.
    pub(crate) async fn trigger(&mut self, channel: &str, data: &str) -> anyhow::Result<()> {
        let body = serde_json::json!({ "name": "tick", "channels": [channel], "data": data }).to_string();
        let path = format!("/apps/{APP_ID}/events");
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let md5 = hex::encode(Md5::digest(body.as_bytes()));
        let query = format!("auth_key={APP_KEY}&auth_timestamp={now}&auth_version=1.0&body_md5={md5}");
        let signature = sign(&Secret::new(APP_SECRET), &["POST\n", &path, "\n", &query]);
        let (status, answer) = self
            .post(&format!("{path}?{query}&auth_signature={signature}"), body)
            .await?;
        if status != 200 {
            bail!(
                "the trigger was answered {status}: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        Ok(())
    }
}
