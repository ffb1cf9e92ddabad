//! Searching: the answers, the refusals and the limit of its own.

use serde_json::{Value, json};

use crate::support::{Person, Server, Setup, as_told, timeless};
use chinwag_server::messenger::RateLimits;

async fn found(server: &Server, by: &Person, path: &str) -> Value {
    let answer = server.get(path).by(by).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

#[tokio::test]
async fn hits_come_with_what_matched_and_in_pages() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let first = server.say(&sam, id, "Ещё ёлка 🙂 ёлка").await;
    for number in 0..25 {
        server.say(&anna, id, &format!("running {number}")).await;
    }

    let hits = found(
        &server,
        &anna,
        &format!("/conversations/{id}/search?q=%D0%B5%D0%BB%D0%BA%D0%B0"),
    )
    .await;
    let expected = json!({
        "items": [{
            "message": as_told(&first),
            "snippet": {"text": "Ещё ёлка 🙂 ёлка", "ranges": [{"offset": 4, "length": 4}, {"offset": 12, "length": 4}]},
        }],
        "next_cursor": null, "total": 1,
    });
    assert_eq!(timeless(&hits), expected);

    for path in [
        format!("/conversations/{id}/search?q=run"),
        "/search?q=run&type=messages".to_owned(),
    ] {
        let page = found(&server, &sam, &path).await;
        assert_eq!(
            (page["items"].as_array().unwrap().len(), &page["total"]),
            (20, &json!(25))
        );
        assert_eq!(page["items"][0]["message"]["body"], "running 24");
        let cursor = page["next_cursor"].as_str().unwrap();
        let rest = found(&server, &sam, &format!("{path}&cursor={cursor}")).await;
        assert_eq!(rest["items"].as_array().unwrap().len(), 5);
        assert_eq!((&rest["next_cursor"], &rest["total"]), (&Value::Null, &json!(25)));
    }
    let ranked = found(&server, &sam, "/search?q=running%203&sort=relevance&limit=1").await;
    assert_eq!(ranked["items"][0]["message"]["body"], "running 3");

    let people = found(&server, &sam, "/search?q=ann&type=people").await;
    assert_eq!(
        (&people["items"][0]["id"], people.get("total")),
        (&json!(anna.id), None)
    );
    let conversations = found(&server, &sam, "/search?q=ann&type=conversations").await;
    assert_eq!(conversations["items"][0]["conversation"]["id"], id);
}

#[tokio::test]
async fn searches_are_refused_plainly() {
    let server = Server::start().await;
    let (sam, eve) = (server.person("sam").await, server.person("eve").await);
    let id = server.direct(&sam, &sam).await;
    let check = async |by: &Person, path: String, status: u16, code: &str| {
        let answer = server.get(&path).by(by).send().await;
        assert_eq!(
            (answer.status, answer.json["code"].as_str()),
            (status, Some(code)),
            "{path}"
        );
    };
    for base in [format!("/conversations/{id}/search"), "/search".to_owned()] {
        check(&sam, base.clone(), 422, "empty_query").await;
        check(&sam, format!("{base}?q=%3F!"), 422, "empty_query").await;
        check(
            &sam,
            format!("{base}?q={}", "x".repeat(201)),
            422,
            "query_too_long",
        )
        .await;
        check(&sam, format!("{base}?q=has:nothing"), 422, "filter_invalid").await;
        check(&sam, format!("{base}?q=x&cursor=y"), 400, "cursor_invalid").await;
        check(&sam, format!("{base}?q=x&limit=21"), 422, "limit_invalid").await;
        check(&sam, format!("{base}?q=x&sort=size"), 422, "validation_failed").await;
    }
    check(
        &sam,
        "/search?q=x&type=things".to_owned(),
        422,
        "validation_failed",
    )
    .await;
    check(
        &sam,
        "/search?q=!&type=conversations".to_owned(),
        422,
        "empty_query",
    )
    .await;
    check(&eve, format!("/conversations/{id}/search?q=x"), 404, "not_found").await;
    assert_eq!(server.get("/search?q=x").send().await.status, 401);
}

#[tokio::test]
async fn searches_are_counted_apart() {
    let mut setup = Setup::default();
    setup.api.rate_limits = RateLimits {
        searches_per_minute: 2,
        ..RateLimits::default()
    };
    let server = Server::start_with(setup).await;
    let sam = server.person("sam").await;
    for expected in [200, 200, 429] {
        let answer = server.get("/search?q=x").by(&sam).send().await;
        assert_eq!(answer.status, expected);
        assert_eq!(answer.header("x-ratelimit-bucket"), Some("searches"));
    }
    assert_eq!(server.get("/me").by(&sam).send().await.status, 200);
}
