//! Every limit that can be set, on a server where it is small: what fits is taken, what does not is refused.
//! Those of files are beside the files (`media.rs`, `media/messages.rs`, `media/resumable.rs`), those of how many
//! groups and conversations one may have in `refusals/groups.rs`, of devices in `people.rs`.

mod told;

use axum::http::Method;
use chinwag_messenger::{EditHistory, Options, Timestamp};
use chinwag_server::messenger::RateLimits;
use serde_json::{Value, json};

use crate::support::{Person, Server, Setup};

async fn server_with(change: impl FnOnce(&mut Options)) -> Server {
    let mut setup = Setup::default();
    change(&mut setup.messenger);
    Server::start_with(setup).await
}

async fn people<const N: usize>(server: &Server, names: [&str; N]) -> [Person; N] {
    let mut people = Vec::new();
    for name in names {
        people.push(server.person(name).await);
    }
    people.try_into().unwrap()
}

fn sending(body: &str) -> Value {
    json!({"client_id": uuid::Uuid::new_v4().to_string(), "body": body})
}

#[tokio::test]
async fn words_may_be_so_long() {
    let server = server_with(|options| {
        options.body_chars_max = 6;
        options.body_bytes_max = 8;
        options.title_chars_max = 6;
        options.description_chars_max = 6;
        options.display_name_chars_max = 14;
        options.bio_chars_max = 6;
        options.password_chars_min = 13;
    })
    .await;
    let [sam, anna] = people(&server, ["sam", "anna"]).await;
    let group = server.group(&sam, &[&anna]).await;
    let (path, messages) = (
        format!("/conversations/{group}"),
        format!("/conversations/{group}/messages"),
    );
    let message = server.say(&sam, group, "sound").await;
    let message = format!("/messages/{}", message["id"]);
    let contact = format!("/contacts/{}", anna.id);
    let short = |field: &str| json!({field: "6 long"});
    let long = |field: &str| json!({field: "7 chars"});
    let password = |new: &str| json!({"current_password": "correct horse", "password": new});
    let register =
        |name: &str| json!({"username": "eve", "password": "thirteen chars", "display_name": name});
    let titled = |title: &str| json!({"kind": "group", "title": title});
    let (post, patch, put) = (Method::POST, Method::PATCH, Method::PUT);
    let table = [
        (
            &post,
            &*messages,
            sending("6 long"),
            sending("7 chars"),
            "body_too_long",
            "body",
        ),
        // Six characters of two bytes.
        (
            &post,
            &*messages,
            sending("шум"),
            sending("слышно"),
            "body_too_long",
            "body",
        ),
        (
            &patch,
            &*message,
            short("body"),
            long("body"),
            "body_too_long",
            "body",
        ),
        (
            &patch,
            &*path,
            short("title"),
            long("title"),
            "title_too_long",
            "title",
        ),
        (
            &post,
            "/conversations",
            titled("6 long"),
            titled("7 chars"),
            "title_too_long",
            "title",
        ),
        (
            &patch,
            &*path,
            short("description"),
            long("description"),
            "description_too_long",
            "description",
        ),
        (&patch, "/me", short("bio"), long("bio"), "bio_too_long", "bio"),
        (
            &patch,
            "/me",
            json!({"display_name": "Sam of Fourtee"}),
            json!({"display_name": "Sam of Fifteens"}),
            "display_name_invalid",
            "display_name",
        ),
        (
            &post,
            "/auth/register",
            register("Eve of Fourtee"),
            register("Eve of Fifteens"),
            "display_name_invalid",
            "display_name",
        ),
        (
            &put,
            &*contact,
            json!({"alias": "Anna of Fourte"}),
            json!({"alias": "Anna of Fifteen"}),
            "alias_too_long",
            "alias",
        ),
        (
            &post,
            "/me/password",
            password("thirteen char"),
            password("twelve chars"),
            "password_too_short",
            "password",
        ),
    ];
    for (method, path, fits, over, code, field) in table {
        let ask = async |given: &Value| {
            let ask = server.ask(method.clone(), path).by(&sam);
            ask.body("application/json", given.to_string()).send().await
        };
        let answer = ask(&over).await;
        answer.check_code(422, code);
        assert_eq!(
            answer.json["errors"][0]["field"], field,
            "{path}: {}",
            answer.text
        );
        let answer = ask(&fits).await;
        assert!(answer.status < 300, "{path} {fits}: {}", answer.text);
    }
    let mine = format!("{path}/me");
    let draft = |body: &str| json!({"draft": {"body": body}});
    let over = server.patch(&mine, &draft("7 chars")).by(&sam).send().await;
    over.check_code(422, "body_too_long");
    let fits = server.patch(&mine, &draft("6 long")).by(&sam).send().await;
    assert_eq!(fits.status, 200, "{}", fits.text);
    server.stop().await;
}

#[tokio::test]
async fn messages_may_be_longer_than_other_requests() {
    let server = server_with(|options| {
        options.body_chars_max = 300_000;
        options.body_bytes_max = 300_000;
    })
    .await;
    let [sam, anna] = people(&server, ["sam", "anna"]).await;
    let id = server.direct(&sam, &anna).await;
    let messages = format!("/conversations/{id}/messages");
    let sent = server.say(&sam, id, &"x".repeat(300_000)).await;
    assert_eq!(sent["body"].as_str().unwrap().len(), 300_000);
    // Under a key of the request's own, too.
    let given = sending(&"y".repeat(300_000));
    let ask = server
        .post(&messages, &given)
        .by(&sam)
        .header("idempotency-key", "k");
    assert_eq!(ask.send().await.status, 201);
    let over = server
        .post(&messages, &sending(&"x".repeat(300_001)))
        .by(&sam)
        .send()
        .await;
    over.check_code(422, "body_too_long");
    let over = server
        .post(&messages, &sending(&"x".repeat(500_000)))
        .by(&sam)
        .send()
        .await;
    over.check_code(413, "payload_too_large");
    server.stop().await;
}

#[tokio::test]
async fn there_may_be_so_many() {
    let server = server_with(|options| {
        options.pins_max = 1;
        options.reactions_distinct_max = 1;
        options.reports_per_day_max = 1;
        options.group_members_max = 2;
        options.group_admins_max = 1;
        options.invites_max = 1;
        options.attachments.per_message_max = 1;
    })
    .await;
    let [sam, anna, eve] = people(&server, ["sam", "anna", "eve"]).await;
    let group = server.group(&sam, &[&anna]).await;
    let path = format!("/conversations/{group}");
    let (one, two) = (
        server.say(&sam, group, "one").await["id"].clone(),
        server.say(&sam, group, "two").await["id"].clone(),
    );
    let put = Method::PUT;
    let post = Method::POST;
    let pin = |id: &Value| format!("/messages/{id}/pin");
    let react = |emoji: &str| format!("/messages/{one}/reactions/{emoji}");
    let report = |id: &Value| json!({"message_id": id, "reason": "rude"});
    let file = || uuid::Uuid::new_v4().to_string();
    let (none, invites, members) = (json!({}), format!("{path}/invites"), format!("{path}/members"));
    let mut many = sending("files");
    many["attachments"] = json!([file(), file()]);
    let table = [
        // What is taken, and what is one too many then.
        (
            Some((&put, pin(&one), none.clone())),
            (&put, pin(&two), none.clone()),
            409,
            "too_many_pins",
        ),
        (
            Some((&put, react("👍"), none.clone())),
            (&put, react("🎉"), none.clone()),
            409,
            "too_many_reactions",
        ),
        (
            Some((&post, "/reports".to_owned(), report(&one))),
            (&post, "/reports".to_owned(), report(&two)),
            429,
            "rate_limited",
        ),
        (
            Some((&post, invites.clone(), none.clone())),
            (&post, invites.clone(), none.clone()),
            409,
            "too_many_invites",
        ),
        (
            None,
            (&post, members.clone(), json!({"user_ids": [eve.id]})),
            409,
            "group_full",
        ),
        (
            None,
            (
                &post,
                "/conversations".to_owned(),
                json!({"kind": "group", "title": "x", "member_ids": [anna.id, eve.id]}),
            ),
            422,
            "too_many_members",
        ),
        (
            None,
            (&post, format!("{path}/messages"), many),
            422,
            "too_many_attachments",
        ),
    ];
    for (fits, (method, path, given), status, code) in table {
        let by = if path == "/reports" { &anna } else { &sam };
        let ask = async |method: &Method, path: &str, given: &Value| {
            let ask = server.ask(method.clone(), path).by(by);
            ask.body("application/json", given.to_string()).send().await
        };
        if let Some((method, path, given)) = fits {
            let answer = ask(method, &path, &given).await;
            assert!(answer.status < 300, "{path}: {}", answer.text);
        }
        ask(method, &path, &given).await.check_code(status, code);
    }
    // Twice the same reaction is one.
    let again = server.ask(put, &react("👍")).by(&sam).send().await;
    assert_eq!(again.status, 200, "{}", again.text);
    server.stop().await;
}

#[tokio::test]
async fn everybody_is_named_in_small_groups_only() {
    let server = server_with(|options| options.mention_all_members_max = 2).await;
    let [sam, anna, eve] = people(&server, ["sam", "anna", "eve"]).await;
    let (small, large) = (
        server.group(&sam, &[&anna]).await,
        server.group(&sam, &[&anna, &eve]).await,
    );
    for (who, group, named) in [(&anna, small, 1), (&anna, large, 0), (&sam, large, 1)] {
        let message = server.say(who, group, "@all come").await;
        assert_eq!(message["mentions"].as_array().unwrap().len(), named, "{message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn only_so_many_versions_are_kept() {
    let server = server_with(|options| {
        options.versions_max = 3;
        options.policies.edit_history = EditHistory::Members;
    })
    .await;
    let [sam, anna] = people(&server, ["sam", "anna"]).await;
    let id = server.direct(&sam, &anna).await;
    let message = server.say(&sam, id, "0").await;
    let path = format!("/messages/{}", message["id"]);
    for word in ["1", "2", "3", "4", "5"] {
        let answer = server.patch(&path, &json!({"body": word})).by(&sam).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let versions = server.get(&format!("{path}/versions")).by(&anna).send().await;
    let words: Vec<_> = versions.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["body"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["0", "3", "4"], "the first and the newest");
    server.stop().await;
}

#[tokio::test]
async fn new_conversations_begin_with_the_windows_that_are_set() {
    let server = server_with(|options| {
        options.policies.edit_window_s = Some(0);
        options.policies.delete_window_s = Some(0);
    })
    .await;
    let [sam, anna] = people(&server, ["sam", "anna"]).await;
    for id in [
        server.direct(&sam, &anna).await,
        server.group(&sam, &[&anna]).await,
    ] {
        let item = server.get(&format!("/conversations/{id}")).by(&sam).send().await;
        let policies = &item.json["conversation"]["policies"];
        assert_eq!(
            (&policies["edit_window_s"], &policies["delete_window_s"]),
            (&json!(0), &json!(0)),
            "{}",
            item.text
        );
        let message = server.say(&anna, id, "words").await;
        let path = format!("/messages/{}", message["id"]);
        let edit = server
            .patch(&path, &json!({"body": "others"}))
            .by(&anna)
            .send()
            .await;
        edit.check_code(403, "editing_disabled");
        let delete = server
            .delete(&format!("{path}?for=everyone"))
            .by(&anna)
            .send()
            .await;
        delete.check_code(403, "delete_window_closed");
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_are_so_large() {
    let server = server_with(|options| {
        options.page_size = 2;
        options.page_size_max = 3;
    })
    .await;
    let [sam, anna] = people(&server, ["sam", "anna"]).await;
    let id = server.direct(&sam, &anna).await;
    for word in ["1", "2", "3", "4"] {
        server.say(&sam, id, word).await;
    }
    for (limit, expected) in [("", Some(2)), ("?limit=3", Some(3)), ("?limit=4", None)] {
        let path = format!("/conversations/{id}/messages{limit}");
        let answer = server.get(&path).by(&sam).send().await;
        match expected {
            Some(count) => assert_eq!(answer.json["items"].as_array().unwrap().len(), count),
            None => answer.check_code(422, "limit_invalid"),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn so_often_may_one_ask() {
    type Change = fn(&mut RateLimits);
    let table: [(&str, Change); 6] = [
        ("conversation_sends", |rates| rates.sends_per_conversation_5s = 1),
        ("sends", |rates| rates.sends_per_minute = 1),
        ("writes", |rates| rates.writes_per_minute = 1),
        ("reads", |rates| rates.reads_per_minute = 1),
        ("searches", |rates| rates.searches_per_minute = 1),
        ("uploads", |rates| rates.uploads_per_hour = 1),
    ];
    for (bucket, change) in table {
        let mut setup = Setup::default();
        change(&mut setup.api.rate_limits);
        let server = Server::start_with(setup).await;
        let sam = server.person("sam").await;
        let id = match bucket {
            "conversation_sends" | "sends" => server.direct(&sam, &sam).await,
            _ => 0,
        };
        let ask = || match bucket {
            "conversation_sends" | "sends" => {
                server.post(&format!("/conversations/{id}/messages"), &sending("hi"))
            }
            "writes" => server.patch("/me", &json!({"bio": "x"})),
            "reads" => server.get("/me"),
            "searches" => server.get("/search?q=x"),
            _ => server.post("/uploads", &json!({"size": 1})),
        };
        let first = ask().by(&sam).send().await;
        assert!(first.status < 300, "{bucket}: {}", first.text);
        assert_eq!(first.header("x-ratelimit-bucket"), Some(bucket));
        assert_eq!(first.header("x-ratelimit-limit"), Some("1"));
        assert_eq!(first.header("x-ratelimit-remaining"), Some("0"));
        let second = ask().by(&sam).send().await;
        second.check_code(429, "rate_limited");
        assert_eq!(second.header("x-ratelimit-bucket"), Some(bucket));
        for header in ["retry-after", "x-ratelimit-reset"] {
            assert!(
                second.header(header).unwrap().parse::<u64>().unwrap() > 0,
                "{bucket}"
            );
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn so_often_may_one_fail_to_log_in() {
    let server = server_with(|options| {
        options.login_failures_max = 2;
        options.login_window_s = 60;
    })
    .await;
    server.person("sam").await;
    let log_in = async |password: &str| {
        let given = json!({"username": "sam", "password": password});
        server.post("/auth/login", &given).send().await
    };
    for _ in 0..2 {
        log_in("wrong horse").await.check_code(401, "invalid_credentials");
    }
    let refused = log_in("correct horse").await;
    refused.check_code(429, "rate_limited");
    let wait_s: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait_s), "{wait_s}");
    server.stop().await;
}

#[tokio::test]
async fn invites_last_so_long() {
    let server = server_with(|options| options.invite_life_s = 3_600).await;
    let sam = server.person("sam").await;
    let group = server.group(&sam, &[]).await;
    let path = format!("/conversations/{group}/invites");
    let invite = server.post(&path, &json!({})).by(&sam).send().await;
    let moment = |field: &str| {
        let text = invite.json[field].as_str().unwrap();
        text.parse::<jiff::Timestamp>().unwrap().as_second()
    };
    assert_eq!(moment("expires_at") - moment("created_at"), 3_600);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_missed_too_much_starts_afresh() {
    let server = server_with(|options| {
        options.changes_max = 2;
        options.cursor_life_s = 1_000;
    })
    .await;
    let [sam, anna] = people(&server, ["sam", "anna"]).await;
    let id = server.direct(&sam, &anna).await;
    for word in ["1", "2", "3"] {
        server.say(&sam, id, word).await;
    }
    for (after, reset) in [(0, true), (1, false)] {
        let path = format!("/conversations/{id}/changes?after_rev={after}");
        let changes = server.get(&path).by(&anna).send().await;
        assert_eq!(changes.json["reset"], reset, "{}", changes.text);
    }
    let page = server.get("/sync").by(&anna).send().await;
    let cursor = page.json["cursor"].as_str().unwrap();
    let (place, made_s) = cursor.split_once('~').unwrap();
    let now_s = Timestamp::now().0 / 1_000;
    assert!(
        (now_s - 60..=now_s).contains(&made_s.parse().unwrap()),
        "{cursor}"
    );
    for (age_s, status) in [(0, 200), (900, 200), (1_060, 410)] {
        let path = format!("/sync?cursor={place}~{}", now_s - age_s);
        let answer = server.get(&path).by(&anna).send().await;
        assert_eq!(answer.status, status, "{}", answer.text);
        if status == 410 {
            answer.check_code(410, "cursor_expired");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn the_configuration_tells_what_is_set() {
    let mut setup = Setup::default();
    let options = &mut setup.messenger;
    options.body_chars_max = 1_001;
    options.reports_per_day_max = 1_002;
    options.reactions_distinct_max = 1_003;
    options.versions_max = 1_004;
    options.policies.edit_window_s = None;
    options.policies.delete_window_s = Some(1_005);
    options.typing_members_max = 1_006;
    options.typing_relayed_members_max = 1_007;
    options.presence_members_max = 1_008;
    options.presence_watchers_max = 1_009;
    options.login_failures_max = 1_010;
    options.login_window_s = 1_011;
    options.changes_max = 1_012;
    options.cursor_life_s = 1_013;
    let rates = &mut setup.api.rate_limits;
    rates.sends_per_conversation_5s = 1_014;
    rates.sends_per_minute = 1_015;
    rates.writes_per_minute = 1_016;
    rates.reads_per_minute = 1_017;
    rates.searches_per_minute = 1_018;
    rates.typing_pause_s = 1_019;
    setup.api.event_bytes_max = 1_020;
    let hints = &mut setup.api.hints;
    hints.typing_repeat_s = 1_021;
    hints.typing_expiry_s = 1_022;
    hints.away_after_s = 1_023;
    hints.gap_wait_ms = 1_024;
    setup.presence.grace = std::time::Duration::from_secs(1_025);
    setup.presence.pause = std::time::Duration::from_secs(1_026);
    let server = Server::start_with(setup).await;
    let limits = server.get("/config").send().await.json["limits"].clone();
    let expected = json!({
        "body_chars": 1_001, "reports_per_day": 1_002, "reactions": 1_003, "versions": 1_004,
        "edit_window_s": null, "delete_window_s": 1_005, "typing_members": 1_006,
        "typing_relayed_members": 1_007, "presence_members": 1_008, "presence_watchers": 1_009,
        "login_failures": 1_010, "login_window_s": 1_011, "changes": 1_012, "cursor_life_s": 1_013,
        "sends_per_conversation_5s": 1_014, "sends_per_minute": 1_015, "writes_per_minute": 1_016,
        "reads_per_minute": 1_017, "searches_per_minute": 1_018, "typing_pause_s": 1_019,
        "event_bytes": 1_020, "typing_repeat_s": 1_021, "typing_expiry_s": 1_022, "away_after_s": 1_023,
        "gap_wait_ms": 1_024, "presence_grace_s": 1_025, "presence_pause_s": 1_026,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(limits[name], *value, "{name}");
    }
    server.stop().await;
}
