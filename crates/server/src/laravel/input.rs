//! What a Laravel application would see as a request's input, and its rules for it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FormRejection};
use axum::extract::{FromRequest, Query, Request};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::{Form, RequestExt};
use serde_json::{Map, Value};

use super::error::Refusal;
use crate::messenger::MessengerApi;
use crate::messenger::extract::is_json;

/// Fields whose spaces mean something.
const UNTRIMMED: &[&str] = &["password"];

/// Fields of the query string and of the body, be it a form or JSON. The body wins, and of a repeated field the last.
#[derive(Debug, Default)]
pub(super) struct Input(Map<String, Value>);

impl FromRequest<Arc<MessengerApi>> for Input {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Arc<MessengerApi>) -> Result<Self, Refusal> {
        let mut fields = Map::new();
        let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
            .map_err(|_| Refusal::bad_request())?;
        fields.extend(query.into_iter().map(|(name, text)| (name, text.into())));
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(Self(fields));
        }
        if is_json(request.headers()) {
            let bytes: Bytes = request
                .extract()
                .await
                .map_err(|rejection: BytesRejection| refuse(rejection.status().as_u16()))?;
            if !bytes.is_empty() {
                match serde_json::from_slice(&bytes).map_err(|_| Refusal::bad_request())? {
                    Value::Object(body) => fields.extend(body),
                    // Fields without names are no fields of ours.
                    Value::Array(_) => {}
                    _ => return Err(Refusal::bad_request()),
                }
            }
        } else if is_form(&request) {
            let Form(body): Form<Vec<(String, String)>> = request
                .extract()
                .await
                .map_err(|rejection: FormRejection| refuse(rejection.status().as_u16()))?;
            fields.extend(body.into_iter().map(|(name, text)| (name, text.into())));
        }
        Ok(Self(fields))
    }
}

fn is_form(request: &Request) -> bool {
    let given = request.headers().get(CONTENT_TYPE);
    let essence = given.and_then(|value| value.to_str().ok()?.split(';').next());
    essence.is_some_and(|kind| {
        kind.trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

fn refuse(status: u16) -> Refusal {
    if status == 413 {
        Refusal::too_large()
    } else {
        Refusal::bad_request()
    }
}

/// A field, after Laravel has trimmed it and made nothing of empty ones.
enum Field<'a> {
    Absent,
    Text(&'a str),
    Other,
}

impl Input {
    fn field(&self, name: &str) -> Field<'_> {
        match self.0.get(name) {
            None | Some(Value::Null) => Field::Absent,
            Some(Value::String(text)) => {
                let kept = if UNTRIMMED.contains(&name) {
                    text
                } else {
                    text.trim()
                };
                if kept.is_empty() {
                    Field::Absent
                } else {
                    Field::Text(kept)
                }
            }
            Some(_) => Field::Other,
        }
    }

    /// The field if it is a text that says something.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.field(name) {
            Field::Text(text) => Some(text),
            Field::Absent | Field::Other => None,
        }
    }

    /// Whether it is there and no text.
    pub(super) fn is_other(&self, name: &str) -> bool {
        matches!(self.field(name), Field::Other)
    }
}

/// Looks at fields in turn and collects what is wrong with them.
pub(super) struct Rules<'a> {
    input: &'a Input,
    errors: Vec<(&'static str, Vec<String>)>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(input: &'a Input) -> Self {
        Self {
            input,
            errors: Vec::new(),
        }
    }

    /// `required|string|max:…`. What it returns counts only if [`Rules::check`] finds nothing.
    pub(super) fn required(&mut self, field: &'static str, chars_max: usize) -> &'a str {
        match self.input.field(field) {
            Field::Absent => self.wrong(field, "is required."),
            Field::Other => self.wrong(field, "must be a string."),
            Field::Text(text) if text.chars().count() > chars_max => {
                self.wrong(
                    field,
                    &format!("must not be greater than {chars_max} characters."),
                );
            }
            Field::Text(text) => return text,
        }
        ""
    }

    /// A field that is there has another form than it must.
    pub(super) fn wrong(&mut self, field: &'static str, words: &str) {
        let message = format!("The {} field {words}", field.replace('_', " "));
        match self.errors.iter_mut().find(|(known, _)| *known == field) {
            Some((_, messages)) => messages.push(message),
            None => self.errors.push((field, vec![message])),
        }
    }

    /// Refuses if anything was wrong.
    pub(super) fn check(self) -> Result<(), Refusal> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Refusal::invalid(self.errors))
        }
    }
}
