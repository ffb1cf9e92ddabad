//! Sends the bytes of attachments: whole or in ranges (RFC 9110, §13 and §14), and so that no browser runs them.

use std::ops::Range;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use chinwag_messenger::Content;

use super::MessengerApi;
use crate::error::Problem;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What a document made of an attachment may do: show itself.
const POLICY: &str =
    "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'";

/// The bytes under a name never change; who may read them is asked each time the browser has forgotten them.
const CACHED: &str = "private, max-age=31536000, immutable";

/// The length that the body is said to have.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Answers with what the request asks for of the content.
pub(super) async fn serve(
    api: &MessengerApi,
    content: &Content,
    request: &HeaderMap,
) -> Result<Response, Problem> {
    let etag = format!("\"{}\"", content.blob);
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let fixed = [
        (CACHE_CONTROL, CACHED),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (ACCEPT_RANGES, "bytes"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(ETAG, header(&etag));
    if is_known(request, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    // What is not shown is not even named, lest a browser think it could.
    let mime = if content.inline {
        content.mime.as_str()
    } else {
        download_type(&content.mime)
    };
    headers.insert(CONTENT_TYPE, header(mime));
    headers.insert(CONTENT_DISPOSITION, disposition(content));
    let range = match asked_range(request, &etag, content.size) {
        Asked::Whole => 0..content.size,
        Asked::Part(range) => {
            let told = format!("bytes {}-{}/{}", range.start, range.end - 1, content.size);
            headers.insert(CONTENT_RANGE, header(&told));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            range
        }
        Asked::Beyond => {
            let problem = Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range_not_satisfiable",
                "The file ends before that range.",
            );
            let mut response = axum::response::IntoResponse::into_response(problem);
            let told = format!("bytes */{}", content.size);
            response.headers_mut().insert(CONTENT_RANGE, header(&told));
            return Ok(response);
        }
    };
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    *response.body_mut() = Body::from_stream(api.messenger.read(content, range).await?);
    Ok(response)
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// Types of downloads are told where programs on the other side choose by them, and nothing can run.
fn download_type(mime: &str) -> &str {
    if mime.starts_with("text/") || mime.contains("xml") || mime.contains("script") {
        "application/octet-stream"
    } else {
        mime
    }
}

fn is_known(request: &HeaderMap, etag: &str) -> bool {
    let lines = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// What part of the content a request is for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    /// Not empty, and within the content.
    Part(Range<u64>),
    Beyond,
}

/// One range is answered; for several, and for what is none, the whole is as good an answer.
fn asked_range(request: &HeaderMap, etag: &str, size: u64) -> Asked {
    if request
        .get(IF_RANGE)
        .is_some_and(|known| known.as_bytes() != etag.as_bytes())
    {
        return Asked::Whole;
    }
    let range = request.get(RANGE).and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.trim().strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else {
        return Asked::Whole;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Too large for a number is beyond every end.
    let number = |text: &str| text.parse().unwrap_or(u64::MAX);
    match (digits(first), digits(last)) {
        (true, true) if number(first) > number(last) => Asked::Whole,
        (true, _) if !last.is_empty() && !digits(last) => Asked::Whole,
        (true, _) if number(first) >= size => Asked::Beyond,
        (true, false) => Asked::Part(number(first)..size),
        (true, true) => Asked::Part(number(first)..size.min(number(last).saturating_add(1))),
        (false, true) if first.is_empty() && (number(last) == 0 || size == 0) => Asked::Beyond,
        (false, true) if first.is_empty() => Asked::Part(size.saturating_sub(number(last))..size),
        _ => Asked::Whole,
    }
}

/// Shown or downloaded, under its name: in ASCII for old programs, and as it is (RFC 6266).
fn disposition(content: &Content) -> HeaderValue {
    use std::fmt::Write as _;
    let how = if content.inline { "inline" } else { "attachment" };
    let plain: String = content
        .name
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut exact = String::new();
    for byte in content.name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            exact.push(char::from(byte));
        } else {
            let _ = write!(exact, "%{byte:02X}");
        }
    }
    header(&format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{exact}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chinwag_messenger::blob::BlobId;

    #[test]
    fn ranges_are_of_one_part_or_the_whole() {
        let check = |range: &str, expected: Asked| {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, header(range));
            assert_eq!(asked_range(&headers, "\"e\"", 100), expected, "{range}");
        };
        check("bytes=0-9", Asked::Part(0..10));
        check("bytes=90-", Asked::Part(90..100));
        check("bytes=90-1000", Asked::Part(90..100));
        check("bytes=-10", Asked::Part(90..100));
        check("bytes=-1000", Asked::Part(0..100));
        check("bytes=99-99", Asked::Part(99..100));
        check("bytes=100-", Asked::Beyond);
        check("bytes=99999999999999999999-", Asked::Beyond);
        check("bytes=-0", Asked::Beyond);
        for whole in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=9-1",
            "bytes=0-1,5-6",
            "lines=0-1",
            "bytes=+1-2",
        ] {
            check(whole, Asked::Whole);
        }
    }

    #[test]
    fn a_range_of_something_else_is_the_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, header("bytes=0-9"));
        headers.insert(IF_RANGE, header("\"other\""));
        assert_eq!(asked_range(&headers, "\"e\"", 100), Asked::Whole);
        headers.insert(IF_RANGE, header("\"e\""));
        assert_eq!(asked_range(&headers, "\"e\"", 100), Asked::Part(0..10));
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        let content = Content {
            blob: BlobId::of(b""),
            size: 0,
            mime: String::new(),
            name: "Ёл\"ка; x=%41\\.pdf".to_owned(),
            inline: false,
        };
        assert_eq!(
            disposition(&content).to_str().expect("ASCII"),
            "attachment; filename=\"___ka; x=_41_.pdf\"; filename*=UTF-8''%D0%81%D0%BB%22%D0%BA%D0%B0%3B%20x%3D%2541%5C.pdf"
                .replace("___ka", "_____")
        );
    }
}
