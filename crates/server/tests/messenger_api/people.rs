//! One's own account, contacts, blocks and privacy, as clients see them.

use axum::http::Method;
use serde_json::{Value, json};

use crate::devices::{log_in, person};
use crate::support::{Answer, Person, Server, Setup};

fn patch<'a>(server: &'a Server, path: &str, body: &Value) -> crate::support::Ask<'a> {
    server
        .ask(Method::PATCH, path)
        .body("application/json", body.to_string())
}

fn put<'a>(server: &'a Server, path: &str, body: &Value) -> crate::support::Ask<'a> {
    server
        .ask(Method::PUT, path)
        .body("application/json", body.to_string())
}

#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.json["code"].as_str()),
        (status, Some(code)),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn one_changes_ones_own_names_and_words() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;
    let wish = json!({"display_name": " Samuel ", "bio": "Gardens.", "timezone": "Asia/Shanghai", "locale": "zh-CN"});
    let answer = patch(&server, "/me", &wish).by(&sam).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let told = worker.hear_event(&sam, "me.updated").await;
    assert_eq!(told["me"], answer.json);
    assert_eq!(told["user_rev"], answer.json["user_rev"]);
    for (field, value) in [
        ("display_name", "Samuel"),
        ("bio", "Gardens."),
        ("timezone", "Asia/Shanghai"),
    ] {
        assert_eq!(answer.json[field], value);
    }
    let seen = server.get(&format!("/users/{}", sam.id)).by(&anna).send().await;
    assert_eq!(seen.json["bio"], "Gardens.");
    let found = server.get("/users?q=samu").by(&anna).send().await;
    assert_eq!(found.json["items"][0]["id"], sam.id);
    let gone = server.get("/users?q=whitlock").by(&anna).send().await;
    assert_eq!(gone.json["items"], json!([]));
    // What changes nothing is not told.
    let again = patch(&server, "/me", &wish).by(&sam).send().await;
    assert_eq!(again.json, answer.json);
    worker.silence();
    for (wish, code) in [
        (json!({"display_name": "\u{200B}"}), "display_name_invalid"),
        (json!({"bio": "x".repeat(281)}), "bio_too_long"),
        (json!({"locale": "<en>"}), "locale_invalid"),
        (json!({"timezone": "9"}), "timezone_invalid"),
        (json!({"username": "all"}), "username_reserved"),
        (json!({"username": "a"}), "username_invalid"),
        (json!({"bio": 7}), "validation_failed"),
    ] {
        refused(&patch(&server, "/me", &wish).by(&sam).send().await, 422, code);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_name_that_was_given_up_is_kept_from_others() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let rename = async |by: &Person, name: &str| {
        patch(&server, "/me", &json!({"username": name}))
            .by(by)
            .send()
            .await
    };
    refused(&rename(&sam, "Anna").await, 409, "username_taken");
    assert_eq!(rename(&sam, "samuel").await.json["username"], "samuel");
    refused(&rename(&anna, "sam").await, 409, "username_taken");
    let newcomer = json!({"username": "sam", "password": "correct horse"});
    refused(
        &server.post("/auth/register", &newcomer).send().await,
        409,
        "username_taken",
    );
    let login = json!({"username": "samuel", "password": "correct horse"});
    assert_eq!(server.post("/auth/login", &login).send().await.status, 200);
    // Its former owner may have it back.
    assert_eq!(rename(&sam, "sam").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn settings_are_kept_for_the_users_clients() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let set = async |wish: Value| patch(&server, "/me/settings", &wish).by(&sam).send().await;
    set(json!({"theme": "dark", "sounds": {"send": false}})).await;
    let answer = set(json!({"theme": null, "size": 14})).await;
    assert_eq!(
        answer.json["settings"],
        json!({"sounds": {"send": false}, "size": 14})
    );
    assert_eq!(server.get("/me").by(&sam).send().await.json, answer.json);
    refused(
        &set(json!({"x": "y".repeat(16 * 1024)})).await,
        422,
        "settings_too_large",
    );
    refused(&set(json!([1])).await, 422, "validation_failed");
    server.stop().await;
}

#[tokio::test]
async fn contacts_have_aliases_and_come_first_in_searches() {
    let server = Server::start().await;
    let [sam, anna, zed] = server.people(["sam", "anna", "zed"]).await;
    server.direct(&sam, &anna).await;
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;
    let path = format!("/contacts/{}", zed.id);
    let kept = put(&server, &path, &json!({"alias": "Landlord"}))
        .by(&sam)
        .send()
        .await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    assert_eq!(kept.json["alias"], "Landlord");
    let told = worker.hear_event(&sam, "contact.changed").await;
    assert_eq!(
        (&told["user_id"], &told["contact"], &told["alias"]),
        (&json!(zed.id), &json!(true), &json!("Landlord"))
    );
    let listed = server.get("/contacts").by(&sam).send().await;
    let names = |answer: &Answer| -> Vec<i64> {
        let items = answer.json["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["user"]["id"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(names(&listed), [anna.id, zed.id]);
    assert_eq!(listed.json["items"][0]["created_at"], Value::Null);
    assert_eq!(
        names(&server.get("/contacts?q=land").by(&sam).send().await),
        [zed.id]
    );
    let found = server.get("/users?q=land").by(&sam).send().await;
    assert_eq!(found.json["items"][0]["id"], zed.id);
    assert_eq!(
        server.get("/users?q=land").by(&anna).send().await.json["items"],
        json!([])
    );

    let gone = server.ask(Method::DELETE, &path).by(&sam).send().await;
    assert_eq!(gone.status, 204);
    assert_eq!(worker.hear_event(&sam, "contact.changed").await["contact"], false);
    assert_eq!(
        server.ask(Method::DELETE, &path).by(&sam).send().await.status,
        204
    );
    worker.silence();
    for nobody in [sam.id, 4711] {
        let path = format!("/contacts/{nobody}");
        refused(
            &put(&server, &path, &json!({})).by(&sam).send().await,
            404,
            "not_found",
        );
    }
    let long = json!({"alias": "x".repeat(65)});
    refused(
        &put(&server, &path, &long).by(&sam).send().await,
        422,
        "alias_too_long",
    );
    server.stop().await;
}

#[tokio::test]
async fn who_hides_is_not_found_and_not_seen() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    server.direct(&sam, &anna).await;
    let shown = async |viewer: &Person, whom: &Person| {
        let answer = server
            .get(&format!("/presence?user_ids={}", whom.id))
            .by(viewer)
            .send()
            .await;
        !answer.json["items"].as_array().unwrap().is_empty()
    };
    let hide = async |by: &Person, wish: Value| {
        let answer = patch(&server, "/me/privacy", &wish).by(by).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    assert!(shown(&eve, &sam).await);
    hide(&sam, json!({"last_seen": "contacts", "discoverable": false})).await;
    assert!(!shown(&eve, &sam).await);
    assert!(shown(&sam, &eve).await);
    put(&server, &format!("/contacts/{}", eve.id), &json!({}))
        .by(&sam)
        .send()
        .await;
    assert!(shown(&eve, &sam).await, "a contact of sam's");
    server
        .ask(Method::PUT, &format!("/blocks/{}", eve.id))
        .by(&sam)
        .send()
        .await;
    assert!(!shown(&eve, &sam).await, "blocked");
    assert!(shown(&sam, &eve).await);

    // Strangers do not find who does not want to be found; people of a conversation do.
    let finds = async |by: &Person| {
        let answer = server.get("/users?q=sam").by(by).send().await;
        !answer.json["items"].as_array().unwrap().is_empty()
    };
    assert!(!finds(&eve).await);
    assert!(finds(&anna).await);

    // Who hides from all sees nobody.
    hide(&anna, json!({"last_seen": "nobody"})).await;
    assert!(!shown(&anna, &eve).await);
    assert!(shown(&anna, &anna).await);
    let unknown = json!({"last_seen": "friends"});
    refused(
        &patch(&server, "/me/privacy", &unknown).by(&sam).send().await,
        422,
        "validation_failed",
    );
    server.stop().await;
}

#[tokio::test]
async fn presence_is_told_to_those_who_may_know() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    server.direct(&sam, &eve).await;
    put(&server, &format!("/contacts/{}", sam.id), &json!({}))
        .by(&anna)
        .send()
        .await;
    server
        .ask(Method::PUT, &format!("/blocks/{}", eve.id))
        .by(&sam)
        .send()
        .await;
    let mut annas = server.worker();
    annas.connect(&anna, "1.1").await;
    let mut eves = server.worker();
    eves.connect(&eve, "2.1").await;
    let sams = server.worker();
    sams.connect(&sam, "3.1").await;
    let told = annas.hear_event(&anna, "presence.changed").await;
    assert_eq!(told["items"][0]["user_id"], sam.id, "anna has sam as contact");
    eves.silence();
    server.stop().await;
}

#[tokio::test]
async fn who_can_write_is_for_the_receiver_to_say() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    server.direct(&anna, &sam).await;
    let open = async |by: &Person| {
        let wish = json!({"kind": "direct", "user_id": sam.id});
        server.post("/conversations", &wish).by(by).send().await
    };
    patch(&server, "/me/privacy", &json!({"who_can_dm": "contacts"}))
        .by(&sam)
        .send()
        .await;
    refused(&open(&eve).await, 403, "dm_not_allowed");
    assert_eq!(open(&anna).await.status, 200, "there is one already");
    put(&server, &format!("/contacts/{}", eve.id), &json!({}))
        .by(&sam)
        .send()
        .await;
    assert_eq!(open(&eve).await.status, 201);
    server.stop().await;
}

#[tokio::test]
async fn who_is_added_to_groups_is_for_them_to_say() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let [anna, eve, dan] = server.people(["anna", "eve", "dan"]).await;
    let contacts_only = json!({"who_can_add_me": "contacts"});
    patch(&server, "/me/privacy", &contacts_only)
        .by(&anna)
        .send()
        .await;
    let neither = json!({"who_can_add_me": "nobody", "who_can_dm": "nobody"});
    patch(&server, "/me/privacy", &neither).by(&eve).send().await;
    let everybody = json!({"kind": "group", "title": "Tea", "member_ids": [anna.id, eve.id, dan.id]});
    let create = server
        .post("/conversations", &everybody)
        .by(&sam)
        .header("host", "chat.test:8080");
    let answer = create.send().await;
    refused(&answer, 403, "cannot_add_user");
    assert_eq!(
        answer.json["user_ids"],
        json!([anna.id, eve.id]),
        "{}",
        answer.text
    );
    assert_eq!(
        answer.json["invited_user_ids"],
        json!([anna.id]),
        "{}",
        answer.text
    );
    let group = answer.json["conversation_id"].as_i64().unwrap();
    let path = format!("/conversations/{group}/members");
    let ids = async || {
        let listed = server.get(&path).by(&sam).send().await;
        let members = listed.json["items"].as_array().unwrap().clone();
        members
            .iter()
            .map(|member| member["user"]["id"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids().await, [sam.id, dan.id]);

    // The link lets one person in.
    let list = server.get("/conversations").by(&anna).send().await;
    let said = list.json["items"][0]["last_message"]["body"].as_str().unwrap();
    let token = said.strip_prefix("Tea: http://chat.test:8080/join/").unwrap();
    let join = format!("/invites/{token}/join");
    assert_eq!(server.post(&join, &json!({})).by(&anna).send().await.status, 201);
    refused(
        &server.post(&join, &json!({})).by(&eve).send().await,
        410,
        "invite_used_up",
    );
    assert_eq!(
        server.get("/conversations").by(&eve).send().await.json["items"],
        json!([])
    );

    // Who is a member already stays one, whatever it says about being added.
    let add = async |users: &[&Person]| {
        let users: Vec<i64> = users.iter().map(|user| user.id).collect();
        server
            .post(&path, &json!({"user_ids": users}))
            .by(&sam)
            .send()
            .await
    };
    let again = add(&[&anna]).await;
    assert_eq!(
        (again.status, &again.json["unchanged"]),
        (200, &json!([anna.id])),
        "{}",
        again.text
    );

    // A block is as good as not wanting to be added by that one, and no invite tells of it either.
    server
        .ask(Method::PUT, &format!("/blocks/{}", sam.id))
        .by(&dan)
        .send()
        .await;
    let dans_id = format!("{path}/{}", dan.id);
    server.delete(&dans_id).by(&sam).send().await;
    let answer = add(&[&dan, &eve]).await;
    refused(&answer, 403, "cannot_add_user");
    assert_eq!(
        answer.json["user_ids"],
        json!([eve.id, dan.id]),
        "{}",
        answer.text
    );
    put(&server, &format!("/contacts/{}", sam.id), &json!({}))
        .by(&eve)
        .send()
        .await;
    patch(&server, "/me/privacy", &contacts_only)
        .by(&eve)
        .send()
        .await;
    assert_eq!(add(&[&eve]).await.status, 200, "sam is a contact of eve's");
    assert_eq!(ids().await, [sam.id, anna.id, eve.id]);
    server.stop().await;
}

#[tokio::test]
async fn blocks_are_ones_own_affair() {
    let server = Server::start().await;
    let (sam, eve) = (server.person("sam").await, server.person("eve").await);
    let (mut sams, mut eves) = (server.worker(), server.worker());
    sams.connect(&sam, "1.1").await;
    eves.connect(&eve, "2.1").await;
    let path = format!("/blocks/{}", eve.id);
    for _ in 0..2 {
        assert_eq!(server.ask(Method::PUT, &path).by(&sam).send().await.status, 204);
    }
    let told = sams.hear_event(&sam, "block.changed").await;
    assert_eq!(
        (&told["user_id"], &told["blocked"]),
        (&json!(eve.id), &json!(true))
    );
    let listed = server.get("/blocks").by(&sam).send().await;
    assert_eq!(listed.json["items"][0]["user"]["id"], eve.id);
    assert_eq!(
        server.get("/blocks").by(&eve).send().await.json["items"],
        json!([])
    );
    assert_eq!(
        server.ask(Method::DELETE, &path).by(&sam).send().await.status,
        204
    );
    assert_eq!(sams.hear_event(&sam, "block.changed").await["blocked"], false);
    let own = format!("/blocks/{}", sam.id);
    refused(
        &server.ask(Method::PUT, &own).by(&sam).send().await,
        404,
        "not_found",
    );
    sams.silence();
    eves.silence();
    server.stop().await;
}

#[tokio::test]
async fn a_login_can_be_given_a_new_secret() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let answer = server.ask(Method::POST, "/auth/refresh").by(&sam).send().await;
    let renewed = Person {
        token: answer.json["token"].as_str().unwrap().to_owned(),
        ..sam.clone()
    };
    refused(&server.get("/me").by(&sam).send().await, 401, "unauthenticated");
    assert_eq!(server.get("/me").by(&renewed).send().await.status, 200);
    let devices = server.get("/me/devices").by(&renewed).send().await;
    assert_eq!(
        devices.json["items"].as_array().unwrap().len(),
        1,
        "it is the same login"
    );

    let given = json!({"username": "sam", "password": "correct horse", "cookie": true});
    let session = server.post("/auth/login", &given).send().await;
    let cookie = format!("chinwag_session={}", session.cookie("chinwag_session").unwrap());
    let csrf = session.cookie("XSRF-TOKEN").unwrap();
    let asked = server
        .ask(Method::POST, "/auth/refresh")
        .header("cookie", &cookie);
    let answer = asked.header("x-csrf-token", &csrf).send().await;
    assert_eq!((answer.status, &answer.json), (200, &json!({})));
    let cookie = format!("chinwag_session={}", answer.cookie("chinwag_session").unwrap());
    assert_eq!(
        server.get("/me").header("cookie", &cookie).send().await.status,
        200
    );
    server.stop().await;
}

#[tokio::test]
async fn a_new_password_ends_the_other_logins() {
    let mut setup = Setup::default();
    setup.messenger.login_failures_max = 2;
    let server = Server::start_with(setup).await;
    let desk = server.person("sam").await;
    let phone = person(&log_in(&server, "sam", "correct horse", "phone").await);
    let change = async |current: &str, new: &str| {
        let given = json!({"current_password": current, "password": new});
        server.post("/me/password", &given).by(&desk).send().await
    };
    refused(&change("correct horse", "short").await, 422, "password_too_short");
    refused(&change("wrong", "plum kettle nine").await, 422, "password_wrong");
    assert_eq!(change("correct horse", "plum kettle nine").await.status, 204);
    assert_eq!(server.get("/me").by(&desk).send().await.status, 200);
    refused(&server.get("/me").by(&phone).send().await, 401, "unauthenticated");
    assert_eq!(log_in(&server, "sam", "plum kettle nine", "x").await.status, 200);
    for _ in 0..2 {
        refused(&change("wrong", "plum kettle ten").await, 422, "password_wrong");
    }
    refused(
        &change("plum kettle nine", "plum kettle ten").await,
        429,
        "rate_limited",
    );
    server.stop().await;
}
