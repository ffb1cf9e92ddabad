//! Every list of the API is read to its end in small pages, with nothing left out and nothing twice. The table names
//! all lists that the OpenAPI document has.

use std::collections::BTreeSet;

use axum::http::Method;
use chinwag_server::messenger::openapi;
use serde_json::{Value, json};

use crate::media::{id, png};
use crate::support::{Person, Server};

/// How a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paging {
    /// `next_cursor`, given as `cursor`.
    Cursor,
    /// From the newest message back, `before` the first of the page.
    Before,
    /// `upto_rev`, given as `after_rev`.
    Revs,
    /// `cursor`, until `has_more` is false.
    Sync,
    /// It is short by nature and comes as a whole.
    Whole,
}

use Paging::{Before, Cursor, Revs, Sync, Whole};

/// Lists of the console, which this suite's server does not have; `admin.rs` reads them.
const ELSEWHERE: &[&str] = &["/admin/apps/{id}/channels", "/admin/engine/apps"];

/// What a list holds, in pages of two.
async fn read(server: &Server, by: &Person, path: &str, paging: Paging) -> Vec<Value> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let mut items: Vec<Value> = Vec::new();
    let mut place = String::new();
    loop {
        let asked = match paging {
            Whole => path.to_owned(),
            _ => format!("{path}{joint}limit=2{place}"),
        };
        let answer = server.get(&asked).by(by).send().await;
        assert_eq!(answer.status, 200, "{asked}: {}", answer.text);
        let page = answer.json["items"].as_array().unwrap().clone();
        assert!(paging == Whole || page.len() <= 2, "{asked}: {}", answer.text);
        let first = page.first().map(|item| item["seq"].clone());
        match paging {
            Before => drop(items.splice(0..0, page)),
            _ => items.extend(page),
        }
        place = match paging {
            Whole => String::new(),
            Cursor => match answer.json["next_cursor"].as_str() {
                Some(cursor) => format!("&cursor={cursor}"),
                None => String::new(),
            },
            Before => match answer.json["has_more_before"].as_bool().unwrap() {
                true => format!("&before={}", first.unwrap()),
                false => String::new(),
            },
            Revs => match answer.json["has_more"].as_bool().unwrap() {
                true => format!("&after_rev={}", answer.json["upto_rev"]),
                false => String::new(),
            },
            Sync => match answer.json["has_more"].as_bool().unwrap() {
                true => format!("&cursor={}", answer.json["cursor"].as_str().unwrap()),
                false => String::new(),
            },
        };
        if place.is_empty() {
            return items;
        }
        assert!(items.len() < 100, "{asked} has no end");
    }
}

async fn ask(server: &Server, by: &Person, method: Method, path: &str, given: Value) -> Value {
    let ask = server.ask(method, path).by(by);
    let answer = ask.body("application/json", given.to_string()).send().await;
    assert!(answer.status < 300, "{path}: {}", answer.text);
    answer.json
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_read_to_its_end() {
    let server = Server::start().await;
    let owner = server.person("olga").await;
    let mut people = Vec::new();
    for name in ["sam", "anna", "adam", "abby", "arno", "axel"] {
        people.push(server.person(name).await);
    }
    let [sam, anna, adam, abby, arno, axel] = people.try_into().unwrap();
    let (post, put, patch) = (Method::POST, Method::PUT, Method::PATCH);

    // Five conversations, in one of them five of everything.
    let group = server.group(&sam, &[&anna, &adam, &abby, &arno, &axel]).await;
    for peer in [&anna, &adam, &abby, &arno] {
        server.direct(&sam, peer).await;
    }
    let path = format!("/conversations/{group}");
    let history = json!({"policies": {"edit_history": "members"}});
    ask(&server, &sam, patch.clone(), &path, history).await;
    let mut said = Vec::new();
    for n in 0..5 {
        said.push(server.say(&sam, group, &format!("hit {n}")).await["id"].clone());
        let file = server.bring(&sam, "a.png", &png(10 + n, 10)).await;
        let sending =
            json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": "", "attachments": [id(&file)]});
        ask(&server, &sam, post.clone(), &format!("{path}/messages"), sending).await;
        ask(&server, &sam, post.clone(), &format!("{path}/invites"), json!({})).await;
        ask(&server, &owner, post.clone(), "/admin/server-invites", json!({})).await;
    }
    let root = format!("/messages/{}", said[0]);
    for (n, message) in said.iter().enumerate() {
        for (who, target) in [(&sam, message), (&anna, &said[0])] {
            let body = format!("reply {n}");
            let reply = json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": body, "thread_root_id": target});
            ask(&server, who, post.clone(), &format!("{path}/messages"), reply).await;
        }
        ask(
            &server,
            &sam,
            put.clone(),
            &format!("/messages/{message}/pin"),
            json!({}),
        )
        .await;
        ask(
            &server,
            &anna,
            post.clone(),
            "/reports",
            json!({"message_id": message, "reason": "rude"}),
        )
        .await;
        ask(
            &server,
            &sam,
            patch.clone(),
            &root,
            json!({"body": format!("hit again {n}")}),
        )
        .await;
    }
    for emoji in ["👍", "🎉", "❤️", "😀", "🚀"] {
        ask(
            &server,
            &sam,
            put.clone(),
            &format!("{root}/reactions/{emoji}"),
            json!({}),
        )
        .await;
    }
    for other in [&anna, &adam, &abby, &arno, &axel] {
        ask(
            &server,
            &sam,
            put.clone(),
            &format!("/contacts/{}", other.id),
            json!({}),
        )
        .await;
        ask(
            &server,
            &sam,
            put.clone(),
            &format!("/blocks/{}", other.id),
            json!({}),
        )
        .await;
        let admin = json!({"role": "admin"});
        ask(
            &server,
            &owner,
            patch.clone(),
            &format!("/admin/users/{}", other.id),
            admin,
        )
        .await;
    }
    for other in [&arno, &axel] {
        let ban = server
            .delete(&format!("{path}/members/{}?ban=true", other.id))
            .by(&sam);
        assert_eq!(ban.send().await.status, 204);
    }
    for device in ["desk", "phone"] {
        let given = json!({"username": "sam", "password": "correct horse", "device_name": device});
        ask(&server, &sam, post.clone(), "/auth/login", given).await;
    }

    let in_group = |rest: &str| format!("{path}{rest}");
    let table: Vec<(&str, &Person, String, Paging, Option<usize>)> = vec![
        ("/admin/audit", &owner, "/admin/audit".into(), Cursor, None),
        ("/admin/reports", &owner, "/admin/reports".into(), Cursor, Some(5)),
        (
            "/admin/server-invites",
            &owner,
            "/admin/server-invites".into(),
            Cursor,
            Some(5),
        ),
        ("/admin/users", &owner, "/admin/users".into(), Cursor, Some(7)),
        ("/blocks", &sam, "/blocks".into(), Cursor, Some(5)),
        ("/contacts", &sam, "/contacts".into(), Cursor, Some(5)),
        ("/conversations", &sam, "/conversations".into(), Cursor, Some(5)),
        (
            "/conversations/{id}/bans",
            &sam,
            in_group("/bans"),
            Cursor,
            Some(2),
        ),
        (
            "/conversations/{id}/changes",
            &sam,
            in_group("/changes"),
            Revs,
            None,
        ),
        (
            "/conversations/{id}/invites",
            &sam,
            in_group("/invites"),
            Cursor,
            Some(5),
        ),
        (
            "/conversations/{id}/media",
            &sam,
            in_group("/media"),
            Cursor,
            Some(5),
        ),
        (
            "/conversations/{id}/members",
            &sam,
            in_group("/members"),
            Cursor,
            Some(4),
        ),
        (
            "/conversations/{id}/messages",
            &sam,
            in_group("/messages"),
            Before,
            None,
        ),
        (
            "/conversations/{id}/pins",
            &sam,
            in_group("/pins"),
            Whole,
            Some(5),
        ),
        (
            "/conversations/{id}/search",
            &sam,
            in_group("/search?q=hit"),
            Cursor,
            Some(5),
        ),
        ("/me/devices", &sam, "/me/devices".into(), Whole, Some(3)),
        (
            "/messages/{id}/reactions",
            &sam,
            format!("{root}/reactions"),
            Cursor,
            Some(5),
        ),
        (
            "/messages/{id}/receipts",
            &sam,
            format!("{root}/receipts"),
            Cursor,
            Some(3),
        ),
        (
            "/messages/{id}/thread",
            &sam,
            format!("{root}/thread"),
            Before,
            Some(6),
        ),
        (
            "/messages/{id}/versions",
            &sam,
            format!("{root}/versions"),
            Whole,
            Some(5),
        ),
        (
            "/search",
            &sam,
            "/search?q=hit&type=messages".into(),
            Cursor,
            Some(5),
        ),
        ("/sync", &sam, "/sync".into(), Sync, Some(5)),
        ("/threads", &sam, "/threads".into(), Cursor, Some(5)),
        ("/users", &sam, "/users?q=a".into(), Whole, Some(5)),
    ];
    for (template, by, path, paging, expected) in &table {
        let items = read(&server, by, path, *paging).await;
        let different: BTreeSet<String> = items.iter().map(Value::to_string).collect();
        assert_eq!(different.len(), items.len(), "{template} has something twice");
        let whole = server.get(&format!(
            "{path}{}",
            match paging {
                Whole => "",
                _ if path.contains('?') => "&limit=100",
                _ => "?limit=100",
            }
        ));
        let asked = if *template == "/search" || template.ends_with("/search") {
            // Searches have smaller pages.
            server.get(&format!("{path}&limit=20"))
        } else {
            whole
        };
        let whole = asked.by(by).send().await.json["items"].clone();
        assert_eq!(
            Value::from(items.clone()),
            whole,
            "{template} in pages and at once"
        );
        if let Some(expected) = expected {
            assert_eq!(items.len(), *expected, "{template}: {whole:#}");
        }
        assert!(items.len() > 1, "{template}");
    }

    let in_table: BTreeSet<&str> = table
        .iter()
        .map(|(template, ..)| *template)
        .chain(ELSEWHERE.iter().copied())
        .collect();
    assert_eq!(in_table, listing(), "the table and the document");
    server.stop().await;
}

/// The paths under which the document has lists: what has a `limit`, or says where it goes on.
fn listing() -> BTreeSet<&'static str> {
    let document = openapi::document();
    let paths = document["paths"].as_object().unwrap().iter();
    let lists = paths.filter(|(_, operations)| {
        let get = &operations["get"];
        let limited = get["parameters"]
            .as_array()
            .is_some_and(|parameters| parameters.iter().any(|parameter| parameter["name"] == "limit"));
        limited
            || goes_on(
                document,
                &get["responses"]["200"]["content"]["application/json"]["schema"],
            )
    });
    lists.map(|(path, _)| path.as_str()).collect()
}

fn goes_on(document: &'static Value, schema: &'static Value) -> bool {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &document["components"]["schemas"][name.rsplit('/').next().unwrap()],
        None => schema,
    };
    !schema["properties"]["next_cursor"].is_null()
        || schema["allOf"]
            .as_array()
            .is_some_and(|parts| parts.iter().any(|part| goes_on(document, part)))
}
