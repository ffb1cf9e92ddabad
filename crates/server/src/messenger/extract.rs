//! What comes in, turned into types: bodies, queries and ids. Every refusal is a [`Problem`].

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use axum::RequestPartsExt;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::Problem;

/// Largest body any operation takes.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// The same where messages may have so many bytes: their words need room for escapes, and something beside them.
pub(crate) fn body_bytes_max(message_bytes_max: usize) -> usize {
    BODY_BYTES_MAX.max(message_bytes_max / 2 * 3 + 4 * 1024)
}

/// The largest number that every JSON reader keeps exact. No id or seq is above it, so a larger one given by
/// a client may be cut to it: it stands for "beyond everything" either way.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        let bytes = read(request, state).await?;
        parse_json(&bytes).map(Self)
    }
}

/// Whether the body claims to be JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = given
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The whole body, if it is within the limit.
pub(crate) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| match rejection.status().as_u16() {
            413 => Problem::too_large(),
            _ => Problem::bad_request("The body ended too soon."),
        })
}

/// Reads JSON: what is no JSON at all is `bad_request`, what does not fit names its field.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    const NOT_JSON: &str = "The body is not valid JSON in UTF-8.";
    // serde_json looks only at the strings that somebody wants.
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::bad_request(NOT_JSON))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let Object(value) = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        // serde_json calls a number where a word is wanted a fault of syntax, too.
        if error.inner().is_data() || serde_json::from_str::<IgnoredAny>(text).is_ok() {
            misfit(&error)
        } else {
            Problem::bad_request(NOT_JSON)
        }
    })?;
    reader.end().map_err(|_| Problem::bad_request(NOT_JSON))?;
    Ok(value)
}

/// A JSON object. Without this, serde would also take a struct's fields from an array, by their places.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// Which field does not fit, and how. serde tells of absent and repeated fields only in words.
fn misfit(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let text = error.inner().to_string();
    let named = |prefix: &str| text.strip_prefix(prefix)?.split('`').next().map(str::to_owned);
    let path = error.path().to_string();
    let path = if path == "." { "$".to_owned() } else { path };
    let below = |name: String| {
        // The path may or may not end in the field already.
        if path == "$" || path == name {
            name
        } else if path.ends_with(&format!(".{name}")) {
            path.clone()
        } else {
            format!("{path}.{name}")
        }
    };
    let (field, code): (Cow<'static, str>, _) = if let Some(name) = named("missing field `") {
        (below(name).into(), "required")
    } else if let Some(name) = named("duplicate field `") {
        (below(name).into(), "repeated")
    } else {
        (path.into(), "type_invalid")
    };
    Problem::malformed(field, code)
}

/// The query string, whose values the handler then turns into numbers with the functions below.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(_) => Err(Problem::bad_request("The query string cannot be understood.")),
        }
    }
}

/// A page size; whether it is within bounds is for the use case to say.
pub(crate) fn limit(given: Option<&str>) -> Result<Option<usize>, Problem> {
    let invalid = || Problem::field("limit", "limit_invalid", "The limit is out of range.");
    given
        .map(|text| digits(text).ok_or_else(invalid))
        .transpose()
        .map(|n| n.map(|n| n as usize))
}

/// A page size of at most `max`, which is also the default.
pub(crate) fn limit_up_to(given: Option<&str>, max: usize) -> Result<usize, Problem> {
    match limit(given)?.unwrap_or(max) {
        limit if (1..=max).contains(&limit) => Ok(limit),
        _ => Err(Problem::field(
            "limit",
            "limit_invalid",
            "The limit is out of range.",
        )),
    }
}

/// A seq or rev in the query.
pub(crate) fn number(field: &'static str, given: Option<&str>) -> Result<Option<u64>, Problem> {
    given
        .map(|text| digits(text).ok_or_else(|| Problem::malformed(field, "type_invalid")))
        .transpose()
}

/// A seq or rev from a body, cut to what the store can hold.
pub(crate) fn exact(number: u64) -> u64 {
    number.min(EXACT_MAX)
}

/// A non-negative number in plain digits.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Only its size can be wrong now.
    Some(text.parse().unwrap_or(EXACT_MAX).min(EXACT_MAX))
}

/// An id as it stands in paths, channel names and lists: digits without sign or leading zero.
pub(crate) fn id(text: &str) -> Option<i64> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| plain && *id <= EXACT_MAX as i64)
}

/// The `{id}` of the path. One that can be no id is not found.
pub(crate) struct PathId(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Ok(Path(text)) = parts.extract::<Path<String>>().await else {
            return Err(Problem::not_found());
        };
        id(&text).map(Self).ok_or_else(Problem::not_found)
    }
}

/// A UUID in the usual spelling.
pub(crate) fn uuid(text: &str) -> Option<uuid::Uuid> {
    let id = uuid::Uuid::try_parse(text).ok()?;
    (text.len() == uuid::fmt::Hyphenated::LENGTH).then_some(id)
}

/// The `{id}` of the path where it is a UUID. One that is none is not found.
pub(crate) struct PathUuid(pub(crate) uuid::Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathUuid {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Ok(Path(text)) = parts.extract::<Path<String>>().await else {
            return Err(Problem::not_found());
        };
        uuid(&text).map(Self).ok_or_else(Problem::not_found)
    }
}

/// The last part of the path as it is. One that is no text is not found.
pub(crate) struct PathText(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let path = parts.extract::<Path<String>>().await;
        path.map(|Path(text)| Self(text))
            .map_err(|_| Problem::not_found())
    }
}

/// The two ids of the path.
pub(crate) struct PathIds(pub(crate) i64, pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for PathIds {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Ok(Path((one, other))) = parts.extract::<Path<(String, String)>>().await else {
            return Err(Problem::not_found());
        };
        match (id(&one), id(&other)) {
            (Some(one), Some(other)) => Ok(Self(one, other)),
            _ => Err(Problem::not_found()),
        }
    }
}

/// A yes or no of the query.
pub(crate) fn flag(field: &'static str, given: Option<&str>) -> Result<Option<bool>, Problem> {
    match given {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(Problem::malformed(field, "type_invalid")),
    }
}

/// Tells a field that is null from one that is absent; with `#[serde(default, deserialize_with = "given")]`.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code)]
    struct Outer {
        name: String,
        items: Vec<Object<Inner>>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code)]
    struct Inner {
        seq: u64,
    }

    #[test]
    fn a_body_that_does_not_fit_names_the_field() {
        let check = |json: &str, field: &str, code: &'static str| {
            let problem = parse_json::<Outer>(json.as_bytes()).unwrap_err();
            assert_eq!(problem, Problem::malformed(field.to_owned(), code), "{json}");
        };
        check(r#"{"name":5,"items":[]}"#, "name", "type_invalid");
        check(r#"{"items":[]}"#, "name", "required");
        check(r#"{"name":"a","name":"b","items":[]}"#, "name", "repeated");
        check(
            r#"{"name":"a","items":[{"seq":1},{"seq":-1}]}"#,
            "items[1].seq",
            "type_invalid",
        );
        check(
            r#"{"name":"a","items":[{"seq":1},{}]}"#,
            "items[1].seq",
            "required",
        );
        check(
            r#"{"name":"a","items":[{"seq":1,"seq":1}]}"#,
            "items[0].seq",
            "repeated",
        );
        check(
            r#"{"name":"a","items":[{"seq":99999999999999999999}]}"#,
            "items[0].seq",
            "type_invalid",
        );
        check(r#"{"name":"a","items":[[1]]}"#, "items[0]", "type_invalid");
        check(r#"["a",[]]"#, "$", "type_invalid");
        check("7", "$", "type_invalid");
        check("null", "$", "type_invalid");
    }

    #[test]
    fn what_is_no_json_is_a_bad_request() {
        let deep = "[".repeat(100_000);
        for body in [
            &b""[..],
            b"{",
            b"{} {}",
            b"{\"name\":\"\xff\"}",
            b"{\"x\":\"\xff\"}",
            deep.as_bytes(),
        ] {
            let problem = parse_json::<Outer>(body).unwrap_err();
            assert!(
                ["bad_request", "validation_failed"].contains(&problem.code()),
                "{body:?}"
            );
        }
        assert_eq!(
            parse_json::<Outer>(b"{\"x\":\"\xff\"}").unwrap_err().code(),
            "bad_request"
        );
    }

    #[test]
    fn ids_are_plain_and_exact() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(id(text), expected, "{text:?}");
        check("1", Some(1));
        check("9007199254740991", Some(9_007_199_254_740_991));
        for text in [
            "",
            "0",
            "01",
            "+1",
            "-1",
            "1.0",
            "1e3",
            "٣",
            "9007199254740992",
            "99999999999999999999",
        ] {
            check(text, None);
        }
    }
}
