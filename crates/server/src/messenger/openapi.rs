//! The description of the REST API as an OpenAPI 3.1 document, put together from what stands at the handlers and
//! the views. `docs/openapi.json` is a copy of it, from which the web client's types are generated.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;
use utoipa::{PartialSchema, ToSchema};

use super::view;
use crate::error;

/// Properties of answers that may be null as well as absent: what a message that was deleted no longer has.
const ABSENT_OR_NULL: &[(&str, &str)] = &[
    ("Message", "reply_to"),
    ("Message", "forwarded_from"),
    ("Message", "edited_at"),
    ("ChangedPolicies", "edit_window_s"),
    ("ChangedPolicies", "delete_window_s"),
    ("ConversationUpdatedEvent", "description"),
    ("ConversationUpdatedEvent", "avatar_id"),
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(build);
static TEXT: LazyLock<String> =
    LazyLock::new(|| serde_json::to_string_pretty(&*DOCUMENT).expect("a value always becomes JSON"));

/// The document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The document as it is served.
pub fn text() -> &'static str {
    &TEXT
}

#[utoipa::path(
    get, path = "/openapi.json", tag = "server",
    responses((status = 200, description = "This document", body = Object)),
    security(()),
)]
pub(super) async fn show() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json)], text()).into_response()
}

fn build() -> Value {
    let mut api = super::documented().into_openapi();
    merge(&mut api, super::apps::documented().into_openapi());
    merge(&mut api, super::admin::documented().into_openapi());
    let components = api.components.get_or_insert_default();
    let mut schemas = Vec::new();
    error::Document::schemas(&mut schemas);
    view::Event::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let problem = (error::Document::name().into_owned(), error::Document::schema());
    components.schemas.extend([problem]);

    let mut document = serde_json::to_value(&api).expect("a document always becomes JSON");
    document["info"] = json!({
        "title": "Chinwag",
        "description": "The messenger's REST API. docs/API.md tells the conventions.",
        "version": "1",
        "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"},
    });
    document["servers"] = json!([{"url": "/api/v1"}]);
    document["security"] = json!([{"bearer": []}, {"session": []}]);
    document["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "chinwag_session",
            "description": "Changes also need X-CSRF-Token with the value of the XSRF-TOKEN cookie."},
    });
    document["components"]["responses"] = json!({"Problem": {
        "description": "Why not",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }});
    for (path, operations) in object(&mut document["paths"]) {
        for (method, operation) in object(operations) {
            operation["operationId"] = operation_id(method, path).into();
            if method == "get" {
                operation["responses"]["304"] =
                    json!({"description": "The client has it, by its If-None-Match"});
            }
            operation["responses"]["default"] = json!({"$ref": "#/components/responses/Problem"});
        }
    }
    add_events(&mut document);
    require_nullables(&mut document);
    document
}

/// Names the shape of every realtime event: `x-events` leads from the name on the wire to the schema of the payload.
fn add_events(document: &mut Value) {
    let shapes = serde_json::to_value(view::Event::schema()).expect("a schema always becomes JSON");
    let shapes = shapes["oneOf"].as_array().expect("an event is one of several");
    let mut names = Map::new();
    for shape in shapes {
        let event = shape["title"]
            .as_str()
            .expect("every event has its name for a title");
        let name = schema_name(event);
        names.insert(
            event.to_owned(),
            json!({"$ref": format!("#/components/schemas/{name}")}),
        );
        object(&mut document["components"]["schemas"]).insert(name, shape.clone());
    }
    let typing = json!({"$ref": "#/components/schemas/Typing"});
    names.insert(super::typing::EVENT.to_owned(), typing);
    document["x-events"] = names.into();
}

/// `MessageCreatedEvent` for `message.created`.
fn schema_name(event: &str) -> String {
    let words = event.split(['.', '_']).map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect::<String>() + "Event"
}

/// Puts the administrators' part below `/admin`.
fn merge(api: &mut OpenApi, part: OpenApi) {
    for (path, item) in part.paths.paths {
        api.paths.paths.insert(format!("/admin{path}"), item);
    }
    if let Some(part) = part.components {
        let components = api.components.get_or_insert_default();
        components.schemas.extend(part.schemas);
    }
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().expect("the document has objects here")
}

/// `get_conversations_id_messages`: functions of different files have the same names.
fn operation_id(method: &str, path: &str) -> String {
    let words = path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// What may be null in an answer is null there, not absent, unless the view says so by `nullable = false`. In
/// requests the two mean the same.
fn require_nullables(document: &mut Value) {
    let mut in_requests = BTreeSet::new();
    for operations in object(&mut document["paths"].clone()).values() {
        for operation in operations.as_object().into_iter().flat_map(Map::values) {
            collect_names(&operation["requestBody"], document, &mut in_requests);
        }
    }
    for (name, schema) in object(&mut document["components"]["schemas"]) {
        if !in_requests.contains(name) {
            require(name, schema);
        }
    }
}

/// The names of schemas that `value` leads to.
fn collect_names(value: &Value, document: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, document, names)),
        Value::Object(fields) => {
            let name = fields
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|path| path.rsplit('/').next());
            if let Some(name) = name
                && names.insert(name.to_owned())
            {
                collect_names(&document["components"]["schemas"][name], document, names);
            }
            fields
                .values()
                .for_each(|field| collect_names(field, document, names));
        }
        _ => {}
    }
}

fn require(name: &str, schema: &mut Value) {
    if let Some(parts) = schema.get_mut("allOf").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(|part| require(name, part));
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let absent = |field: &str| ABSENT_OR_NULL.contains(&(name, field));
    let nullable = properties
        .iter()
        .filter(|(_, schema)| is_nullable(schema))
        .map(|(field, _)| field);
    let wanted: Vec<Value> = nullable
        .filter(|field| !absent(field))
        .map(|field| field.as_str().into())
        .collect();
    if wanted.is_empty() {
        return;
    }
    let required = object(schema).entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        let known: HashSet<Value> = required.iter().cloned().collect();
        required.extend(wanted.into_iter().filter(|field| !known.contains(field)));
    }
}

fn is_nullable(schema: &Value) -> bool {
    let is_null = |schema: &Value| schema["type"] == "null";
    let types = schema["type"]
        .as_array()
        .is_some_and(|types| types.contains(&"null".into()));
    types
        || schema["oneOf"]
            .as_array()
            .is_some_and(|choices| choices.iter().any(is_null))
}

#[cfg(test)]
mod tests {
    /// The copy, by which changes of the API are seen in reviews and the web client's types are generated.
    const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

    #[test]
    fn the_kept_copy_of_the_document_is_true() {
        let text = format!("{}\n", super::text());
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(KEPT, &text).unwrap();
        }
        assert!(
            std::fs::read_to_string(KEPT).unwrap_or_default() == text,
            "run scripts/openapi, which writes docs/openapi.json and web/src/api/schema.d.ts"
        );
    }
}
