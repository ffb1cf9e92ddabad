//! What clients of a Laravel application find here: the router in process, over a real SQLite store.

#![expect(clippy::unwrap_used, reason = "a test may")]

use axum::http::Method;
use serde_json::{Value, json};

mod channels;
#[path = "../messenger_api/contract.rs"]
mod contract;
mod log_in;
mod notifications;
#[allow(dead_code, reason = "shared with the tests of the messenger's API")]
#[path = "../messenger_api/support.rs"]
mod support;
mod typing;

use support::{Answer, Ask, Server};

const FORM: &str = "application/x-www-form-urlencoded";

fn get<'a>(server: &'a Server, path: &str) -> Ask<'a> {
    server.ask_exactly(Method::GET, path)
}

fn post<'a>(server: &'a Server, path: &str, body: &Value) -> Ask<'a> {
    server
        .ask_exactly(Method::POST, path)
        .body("application/json", body.to_string())
}

/// Cookies that an answer sets, as a browser sends them back.
fn cookies(answer: &Answer) -> (String, String) {
    let session = answer.cookie("chinwag_session").unwrap();
    let csrf = answer.cookie("XSRF-TOKEN").unwrap();
    (format!("chinwag_session={session}; XSRF-TOKEN={csrf}"), csrf)
}

fn invalid(message: &str, field: &str) -> Value {
    json!({"message": message, "errors": {field: [message]}})
}
