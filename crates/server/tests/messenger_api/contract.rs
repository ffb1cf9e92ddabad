//! Every answer that the tests see is held against the OpenAPI document: path, method, status, content type and
//! shape, down to fields that the document does not name.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use axum::http::Method;
use chinwag_server::messenger::openapi;
use jsonschema::Validator;
use serde_json::{Value, json};

/// Where the document's paths begin.
const BASE: &str = "/api/v1";

/// One operation's answer with one status.
pub(crate) type Key = (String, String, u16);

static VALIDATORS: LazyLock<Mutex<HashMap<Key, &'static Validator>>> = LazyLock::new(Mutex::default);

/// The schemas under `$defs`: as they stand, for composing (`X.open`), and without any further fields.
static DEFINITIONS: LazyLock<Value> = LazyLock::new(|| {
    let schemas = openapi::document()["components"]["schemas"].as_object().unwrap();
    let both = schemas.iter().flat_map(|(name, schema)| {
        let open = open(schema);
        [
            (format!("{name}.open"), open.clone()),
            (name.clone(), closed(open)),
        ]
    });
    both.collect::<serde_json::Map<_, _>>().into()
});

/// Panics when the document does not allow such an answer.
#[track_caller]
pub(crate) fn check(method: &Method, path: &str, status: u16, content_type: Option<&str>, body: &str) {
    let path = path.split('?').next().unwrap_or_default();
    // A preflight is not for the API to answer.
    let Some(path) = path.strip_prefix(BASE).filter(|_| method != Method::OPTIONS) else {
        return;
    };
    let Some((template, operation)) = operation(method, path) else {
        assert!(
            status == 401 || status == 404 || status == 405,
            "{method} {path} answers {status} and is not in the document"
        );
        return;
    };
    let told = &operation["responses"][status.to_string()];
    let told = match (told, status) {
        (Value::Null, 400..) => &openapi::document()["components"]["responses"]["Problem"],
        (Value::Null, _) => panic!("{method} {template} answers {status}, which is not in the document"),
        (told, _) => told,
    };
    let Some(contents) = told["content"].as_object() else {
        assert_eq!(
            body, "",
            "{method} {template}: {status} has no body in the document"
        );
        return;
    };
    let content_type = content_type.unwrap_or_default();
    let Some(content) = contents.get(content_type).or_else(|| contents.get("*/*")) else {
        panic!("{method} {template}: {content_type:?} is not in the document");
    };
    if !content_type.ends_with("json") {
        return;
    }
    let value: Value = serde_json::from_str(body).unwrap();
    let key = (method.to_string(), template, status);
    let faults = faults(&key, &content["schema"], &value);
    assert!(
        faults.is_empty(),
        "{key:?} is not as documented: {faults:#?}\n{body}"
    );
}

/// How the value differs from the schema, which is compiled once under the key.
pub(crate) fn faults(key: &Key, schema: &Value, value: &Value) -> Vec<String> {
    let validator = *VALIDATORS.lock().unwrap().entry(key.clone()).or_insert_with(|| {
        let mut schema = closed(open(schema));
        schema["$defs"] = DEFINITIONS.clone();
        Box::leak(Box::new(jsonschema::draft202012::new(&schema).unwrap()))
    });
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// The operation and its path with placeholders; a path without any wins.
fn operation(method: &Method, path: &str) -> Option<(String, &'static Value)> {
    let paths = openapi::document()["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let (mut template, mut path) = (template.split('/'), path.split('/'));
        loop {
            match (template.next(), path.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let best = paths
        .keys()
        .filter(|template| fits(template))
        .min_by_key(|template| template.matches('{').count())?;
    // axum answers HEAD by GET.
    let method = match method.as_str() {
        "HEAD" => "get".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    Some((best.clone(), paths[best].get(method)?))
}

/// With references into `$defs`, and nested objects closed.
fn open(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(open).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let value = match name.as_str() {
                    "$ref" => value
                        .as_str()
                        .unwrap()
                        .replace("#/components/schemas/", "#/$defs/")
                        .into(),
                    // Parts of one object: the whole is closed, not they.
                    "allOf" | "oneOf" | "anyOf" => value.as_array().unwrap().iter().map(part).collect(),
                    "properties" => value
                        .as_object()
                        .unwrap()
                        .iter()
                        .map(|(name, schema)| (name.clone(), closed(open(schema))))
                        .collect::<serde_json::Map<_, _>>()
                        .into(),
                    "items" => closed(open(value)),
                    "example" | "description" | "required" | "enum" => value.clone(),
                    _ => open(value),
                };
                (name.clone(), value)
            };
            fields.iter().map(field).collect::<serde_json::Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn part(schema: &Value) -> Value {
    let mut part = open(schema);
    if let Some(name) = part.get("$ref").and_then(Value::as_str) {
        part = json!({"$ref": format!("{name}.open")});
    }
    part
}

/// Without fields that are not named. An object that names none may have any.
fn closed(mut schema: Value) -> Value {
    let composed = ["properties", "allOf", "oneOf", "anyOf"];
    if let Some(fields) = schema.as_object_mut()
        && composed.iter().any(|name| fields.contains_key(*name))
    {
        fields.insert("unevaluatedProperties".to_owned(), false.into());
    }
    schema
}
