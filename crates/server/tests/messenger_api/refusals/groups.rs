//! Refusals around groups: who may not, what does not fit, and what is over.

use serde_json::{Value, json};

use super::refused;
use crate::support::{Person, Server, Setup};

/// A group of Sam's with an administrator and a member, somebody who left, and an outsider.
struct Group {
    server: Server,
    sam: Person,
    ada: Person,
    mia: Person,
    leo: Person,
    eve: Person,
    path: String,
}

async fn group_with(setup: Setup) -> Group {
    let server = Server::start_with(setup).await;
    let [sam, ada, mia, leo, eve] = server.people(["sam", "ada", "mia", "leo", "eve"]).await;
    let id = server.group(&sam, &[&ada, &mia, &leo]).await;
    let path = format!("/conversations/{id}");
    let admin = server.patch(&format!("{path}/members/{}", ada.id), &json!({"role": "admin"}));
    assert_eq!(admin.by(&sam).send().await.status, 204);
    let left = server.post(&format!("{path}/leave"), &json!({}));
    assert_eq!(left.by(&leo).send().await.status, 204);
    Group {
        server,
        sam,
        ada,
        mia,
        leo,
        eve,
        path,
    }
}

#[tokio::test]
async fn settings_are_refused_to_those_who_may_not_change_them() {
    let group = group_with(Setup::default()).await;
    let Group { server, path, .. } = &group;
    let update = async |by: &Person, given: Value, status: u16, code: &str, field: Option<&str>| {
        refused(
            &server.patch(path, &given).by(by).send().await,
            status,
            code,
            field,
        );
    };
    let (sam, ada, mia) = (&group.sam, &group.ada, &group.mia);
    update(mia, json!({"title": "New"}), 403, "not_allowed", None).await;
    update(mia, json!({"description": "New"}), 403, "not_allowed", None).await;
    update(
        mia,
        json!({"policies": {"post": "admins"}}),
        403,
        "not_allowed",
        None,
    )
    .await;
    update(&group.leo, json!({"title": "New"}), 403, "not_a_member", None).await;
    update(&group.eve, json!({"title": "New"}), 404, "not_found", None).await;
    update(
        ada,
        json!({"title": " \u{200b}"}),
        422,
        "title_required",
        Some("title"),
    )
    .await;
    update(
        ada,
        json!({"title": "x".repeat(129)}),
        422,
        "title_too_long",
        Some("title"),
    )
    .await;
    let long = json!({"description": "x".repeat(513)});
    update(ada, long, 422, "description_too_long", Some("description")).await;
    let window = json!({"policies": {"edit_window_s": 1_u64 << 50}});
    update(ada, window, 422, "window_invalid", Some("policies.edit_window_s")).await;
    for (wish, field) in [
        (json!({"policies": {"post": "nobody"}}), "policies.post"),
        (
            json!({"policies": {"edit_history": true}}),
            "policies.edit_history",
        ),
        (
            json!({"policies": {"edit_window_s": -1}}),
            "policies.edit_window_s",
        ),
        (json!({"policies": []}), "policies"),
        (json!({"title": 5}), "title"),
    ] {
        update(sam, wish, 422, "validation_failed", Some(field)).await;
    }
    let on = json!({"policies": {"edit_history": "members"}});
    assert_eq!(server.patch(path, &on).by(ada).send().await.status, 200);
    let off = json!({"policies": {"edit_history": "off"}});
    update(ada, off, 422, "purge_existing_required", Some("purge_existing")).await;
    let off = json!({"policies": {"edit_history": "off"}, "purge_existing": false});
    assert_eq!(server.patch(path, &off).by(ada).send().await.status, 200);

    for by in [ada, mia] {
        refused(&server.delete(path).by(by).send().await, 403, "not_allowed", None);
    }
    let direct = format!("/conversations/{}", server.direct(sam, mia).await);
    for given in [json!({"title": "Us"}), json!({"policies": {"pin": "all"}})] {
        let answer = server.patch(&direct, &given).by(sam).send().await;
        refused(&answer, 403, "not_allowed", None);
    }
    let leave = server.post(&format!("{direct}/leave"), &json!({})).by(sam);
    refused(&leave.send().await, 403, "not_allowed", None);
    let add = server.post(&format!("{direct}/members"), &json!({"user_ids": [group.eve.id]}));
    refused(&add.by(sam).send().await, 403, "not_allowed", None);
    group.server.stop().await;
}

#[tokio::test]
async fn members_have_their_refusals() {
    let mut setup = Setup::default();
    setup.messenger.group_members_max = 4;
    setup.messenger.group_admins_max = 1;
    let group = group_with(setup).await;
    let Group { server, path, .. } = &group;
    let (sam, ada, mia, leo, eve) = (&group.sam, &group.ada, &group.mia, &group.leo, &group.eve);
    let add = async |by: &Person, ids: &[i64]| {
        let given = json!({"user_ids": ids});
        server
            .post(&format!("{path}/members"), &given)
            .by(by)
            .send()
            .await
    };
    refused(&add(mia, &[eve.id]).await, 403, "not_allowed", None);
    refused(&add(leo, &[eve.id]).await, 403, "not_a_member", None);
    refused(&add(ada, &[424_242]).await, 404, "not_found", None);
    refused(&add(ada, &[]).await, 422, "validation_failed", Some("user_ids"));
    refused(&add(ada, &[eve.id, leo.id]).await, 409, "group_full", None);

    let remove = async |by: &Person, whom: i64, query: &str| {
        let path = format!("{path}/members/{whom}{query}");
        server.delete(&path).by(by).send().await
    };
    refused(&remove(mia, ada.id, "").await, 403, "not_allowed", None);
    refused(&remove(ada, sam.id, "").await, 403, "not_allowed", None);
    refused(&remove(sam, sam.id, "").await, 409, "last_owner", None);
    refused(&remove(sam, eve.id, "").await, 404, "not_found", None);
    refused(
        &remove(sam, mia.id, "?ban=maybe").await,
        422,
        "validation_failed",
        Some("ban"),
    );
    refused(&remove(leo, mia.id, "").await, 403, "not_a_member", None);

    let role = async |by: &Person, whom: i64, role: &str| {
        let path = format!("{path}/members/{whom}");
        server.patch(&path, &json!({"role": role})).by(by).send().await
    };
    refused(&role(ada, mia.id, "admin").await, 403, "not_allowed", None);
    refused(&role(sam, sam.id, "member").await, 409, "last_owner", None);
    refused(&role(sam, eve.id, "admin").await, 404, "not_found", None);
    refused(&role(sam, mia.id, "admin").await, 409, "too_many_admins", None);
    refused(
        &role(sam, mia.id, "king").await,
        422,
        "validation_failed",
        Some("role"),
    );

    let transfer = async |by: &Person, to: i64| {
        let given = json!({"user_id": to});
        server
            .post(&format!("{path}/transfer"), &given)
            .by(by)
            .send()
            .await
    };
    refused(&transfer(ada, mia.id).await, 403, "not_allowed", None);
    refused(&transfer(sam, eve.id).await, 404, "not_found", None);

    for (query, status, code, field) in [
        ("limit=0", 422, "limit_invalid", Some("limit")),
        ("limit=101", 422, "limit_invalid", Some("limit")),
        ("cursor=x", 400, "cursor_invalid", None),
        (
            &format!("q={}", "x".repeat(201)),
            422,
            "query_too_long",
            Some("q"),
        ),
    ] {
        let answer = server
            .get(&format!("{path}/members?{query}"))
            .by(mia)
            .send()
            .await;
        refused(&answer, status, code, field);
    }

    assert_eq!(remove(ada, mia.id, "?ban=true").await.status, 204);
    let answer = add(sam, &[mia.id, leo.id, ada.id]).await;
    refused(&answer, 403, "cannot_add_user", None);
    assert_eq!(answer.json["user_ids"], json!([mia.id]), "{}", answer.text);
    let members = server.get(&format!("{path}/members")).by(leo).send().await;
    assert_eq!(
        members.json["items"].as_array().unwrap().len(),
        3,
        "the others were added"
    );
    let bans = format!("{path}/bans");
    refused(&server.get(&bans).by(leo).send().await, 403, "not_allowed", None);
    refused(&server.get(&bans).by(mia).send().await, 403, "not_a_member", None);
    let lift = async |by: &Person, whom: i64| server.delete(&format!("{bans}/{whom}")).by(by).send().await;
    refused(&lift(leo, mia.id).await, 403, "not_allowed", None);
    refused(&lift(ada, leo.id).await, 404, "not_found", None);
    assert_eq!(lift(ada, mia.id).await.status, 204);
    group.server.stop().await;
}

#[tokio::test]
async fn invites_have_their_refusals() {
    let mut setup = Setup::default();
    setup.messenger.group_members_max = 4;
    setup.messenger.invites_max = 3;
    let group = group_with(setup).await;
    let Group { server, path, .. } = &group;
    let (sam, mia, leo, eve) = (&group.sam, &group.mia, &group.leo, &group.eve);
    let invites = format!("{path}/invites");
    let create = async |by: &Person, given: Value| server.post(&invites, &given).by(by).send().await;
    refused(&create(mia, json!({})).await, 403, "not_allowed", None);
    refused(&create(leo, json!({})).await, 403, "not_a_member", None);
    for life in [0, 1_u64 << 40] {
        let answer = create(sam, json!({"expires_in_s": life})).await;
        refused(&answer, 422, "expires_in_invalid", Some("expires_in_s"));
    }
    let answer = create(sam, json!({"max_uses": 0})).await;
    refused(&answer, 422, "max_uses_invalid", Some("max_uses"));
    let answer = create(sam, json!({"max_uses": "1"})).await;
    refused(&answer, 422, "validation_failed", Some("max_uses"));

    let mut made = Vec::new();
    for given in [json!({"max_uses": 1}), json!({}), json!({"expires_in_s": null})] {
        let answer = create(sam, given).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let text = |field: &str| answer.json[field].as_str().unwrap().to_owned();
        made.push((text("id"), text("token")));
    }
    refused(&create(sam, json!({})).await, 409, "too_many_invites", None);
    let listed = server.get(&invites).by(sam).send().await;
    assert!(!listed.text.contains("token") && listed.text.contains(&made[0].0));
    refused(
        &server.get(&invites).by(mia).send().await,
        403,
        "not_allowed",
        None,
    );
    let cursor = server.get(&format!("{invites}?cursor=x")).by(sam).send().await;
    refused(&cursor, 400, "cursor_invalid", None);

    let join = async |by: &Person, token: &str| {
        server
            .post(&format!("/invites/{token}/join"), &json!({}))
            .by(by)
            .send()
            .await
    };
    let preview =
        async |by: &Person, token: &str| server.get(&format!("/invites/{token}")).by(by).send().await;
    for token in ["x", &"a".repeat(48), "%F0%9F", &made[0].0] {
        refused(&join(eve, token).await, 404, "not_found", None);
        refused(&preview(eve, token).await, 404, "not_found", None);
    }
    assert_eq!(join(mia, &made[0].1).await.status, 200, "a member already");
    assert_eq!(join(leo, &made[0].1).await.status, 201);
    refused(&join(eve, &made[0].1).await, 410, "invite_used_up", None);
    refused(&join(eve, &made[1].1).await, 409, "group_full", None);
    let ban = server.delete(&format!("{path}/members/{}?ban=1", leo.id)).by(sam);
    assert_eq!(ban.send().await.status, 204);
    refused(&join(leo, &made[1].1).await, 403, "banned", None);

    let revoke = async |by: &Person, id: &str| server.delete(&format!("/invites/{id}")).by(by).send().await;
    refused(&revoke(mia, &made[1].0).await, 403, "not_allowed", None);
    refused(&revoke(eve, &made[1].0).await, 404, "not_found", None);
    refused(&revoke(sam, "x").await, 404, "not_found", None);
    assert_eq!(revoke(sam, &made[1].0).await.status, 204);
    refused(&join(eve, &made[1].1).await, 410, "invite_revoked", None);
    refused(&preview(eve, &made[1].1).await, 410, "invite_revoked", None);
    assert_eq!(server.delete(path).by(sam).send().await.status, 204);
    refused(&join(eve, &made[2].1).await, 404, "not_found", None);
    group.server.stop().await;
}

#[tokio::test]
async fn an_invite_that_has_expired_is_gone() {
    let group = group_with(Setup::default()).await;
    let Group {
        server,
        sam,
        eve,
        path,
        ..
    } = &group;
    let given = json!({"expires_in_s": 1});
    let answer = server
        .post(&format!("{path}/invites"), &given)
        .by(sam)
        .send()
        .await;
    let token = answer.json["token"].as_str().unwrap();
    let end = chinwag_messenger::Timestamp::now().0 + 1_000;
    while chinwag_messenger::Timestamp::now().0 <= end {
        tokio::task::yield_now().await;
    }
    let join = server.post(&format!("/invites/{token}/join"), &json!({})).by(eve);
    refused(&join.send().await, 410, "invite_expired", None);
    group.server.stop().await;
}

#[tokio::test]
async fn private_state_and_limits_have_their_refusals() {
    let mut setup = Setup::default();
    setup.messenger.groups_per_day_max = 1;
    setup.messenger.conversations_max = 2;
    let group = group_with(setup).await;
    let Group { server, path, .. } = &group;
    let (sam, mia, eve) = (&group.sam, &group.mia, &group.eve);
    let mine = format!("{path}/me");
    for (given, code, field) in [
        (
            json!({"muted_until": "tomorrow"}),
            "validation_failed",
            "muted_until",
        ),
        (json!({"muted_until": 5}), "validation_failed", "muted_until"),
        (json!({"notify": "some"}), "validation_failed", "notify"),
        (
            json!({"archived": null, "pinned_order": 1.5}),
            "validation_failed",
            "pinned_order",
        ),
        (json!({"draft": "words"}), "validation_failed", "draft"),
        (
            json!({"draft": {"body": "x", "based_on": "x"}}),
            "validation_failed",
            "draft.based_on",
        ),
        (
            json!({"draft": {"body": "x".repeat(10_001)}}),
            "body_too_long",
            "draft.body",
        ),
        (
            json!({"draft": {"attachments": vec![uuid::Uuid::nil().to_string(); 11]}}),
            "too_many_attachments",
            "draft.attachments",
        ),
    ] {
        let answer = server.patch(&mine, &given).by(mia).send().await;
        refused(&answer, 422, code, Some(field));
    }
    let write = async |based_on: Value| {
        let given = json!({"draft": {"body": "words", "based_on": based_on}});
        server.patch(&mine, &given).by(mia).send().await
    };
    let first = write(Value::Null).await.json["my"]["draft"]["updated_at"].clone();
    assert_eq!(write(first.clone()).await.status, 200);
    refused(&write(first).await, 409, "draft_conflict", None);

    let create = async |by: &Person| {
        let given = json!({"kind": "group", "title": "Another"});
        server.post("/conversations", &given).by(by).send().await
    };
    let answer = create(sam).await;
    refused(&answer, 429, "rate_limited", None);
    assert!(answer.header("retry-after").is_some());
    server.direct(mia, eve).await;
    refused(&create(mia).await, 409, "too_many_conversations", None);
    let bad = server.get("/conversations?archived=maybe").by(sam).send().await;
    refused(&bad, 422, "validation_failed", Some("archived"));
    group.server.stop().await;
}
