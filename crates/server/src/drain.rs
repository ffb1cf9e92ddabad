//! Reads what is left of a request that was answered early, so that the answer arrives.
//!
//! A connection that is closed over unread bytes is reset, and the reset overtakes the answer: a client that sends
//! too much would never be told so. What is left is read and thrown away, up to a limit.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;

/// Who sends more than this after being refused is cut off after all.
const DRAIN_BYTES_MAX: usize = 16 * 1024 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

type Left = Arc<Mutex<Option<Body>>>;

/// Lets the handler answer, then reads the rest of the request's body.
pub(crate) async fn finish(request: Request, next: Next) -> Response {
    // Who waits to be asked for the body has not sent it, and must not be asked now.
    let waits = request.headers().contains_key(EXPECT);
    let left = Left::default();
    let response = next
        .run(request.map(|body| {
            Body::new(Read {
                body: Some(body),
                left: left.clone(),
            })
        }))
        .await;
    let rest = left.lock().take();
    if let Some(rest) = rest.filter(|_| !waits) {
        // Time is up, or the client went: then there is nobody to answer.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, drain(rest)).await;
    }
    response
}

async fn drain(mut body: Body) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > DRAIN_BYTES_MAX {
            return;
        }
    }
}

/// A body that comes back when whoever reads it stops before its end.
struct Read {
    body: Option<Body>,
    left: Left,
}

impl HttpBody for Read {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.left.lock() = Some(body);
        }
    }
}
