//! What was edited or deleted is gone: from every answer, and from the file that it was kept in.

use axum::http::Method;
use serde_json::json;

use super::{bodies, done, got, live};
use crate::media::{id as attachment_id, png};
use crate::support::{Person, Server};

/// The store's files, when it has some that can be looked into.
async fn file_after_the_end(server: Server) -> Option<Vec<u8>> {
    let (store, folder) = server.end().await;
    // Closing writes the log into the file, as any restart does.
    store.close().await.unwrap();
    let mut bytes = std::fs::read(folder.path().join("chinwag.db")).ok()?;
    if let Ok(log) = std::fs::read(folder.path().join("chinwag.db-wal")) {
        bytes.extend(log);
    }
    Some(bytes)
}

fn holds(file: &[u8], word: &str) -> bool {
    file.windows(word.len()).any(|bytes| bytes == word.as_bytes())
}

async fn versions(server: &Server, by: &Person, path: &str) -> Vec<String> {
    let page = got(server, by, &format!("{path}/versions")).await;
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["body"].as_str().unwrap().to_owned())
        .collect()
}

async fn found(server: &Server, by: &Person, word: &str) -> usize {
    let page = got(server, by, &format!("/search?q={word}&type=messages")).await;
    page["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_12_words_before_an_edit_are_kept_nowhere_unless_the_conversation_keeps_them() {
    let server = live().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let conversation = format!("/conversations/{id}");
    let message = server.say(&sam, id, "wombatfirst").await;
    let path = format!("/messages/{}", message["id"]);
    let edit = async |body: &str| {
        done(&server, &sam, Method::PATCH, &path, json!({"body": body})).await;
    };
    assert_eq!(found(&server, &anna, "wombatfirst").await, 1);
    edit("wombatsecond").await;
    assert_eq!(versions(&server, &anna, &path).await, [""; 0]);
    assert_eq!(found(&server, &anna, "wombatfirst").await, 0);
    assert_eq!(found(&server, &anna, "wombatsecond").await, 1);

    let policy = async |given| done(&server, &sam, Method::PATCH, &conversation, given).await;
    policy(json!({"policies": {"edit_history": "members"}})).await;
    edit("wombatthird").await;
    edit("wombatfourth").await;
    assert_eq!(
        versions(&server, &anna, &path).await,
        ["wombatsecond", "wombatthird"]
    );
    policy(json!({"policies": {"edit_history": "off"}, "purge_existing": true})).await;
    assert_eq!(versions(&server, &anna, &path).await, [""; 0]);
    assert_eq!(bodies(&server, &anna, id).await, ["wombatfourth"]);
    if let Some(file) = file_after_the_end(server).await {
        assert!(holds(&file, "wombatfourth"), "what is kept is found");
        for word in ["wombatfirst", "wombatsecond", "wombatthird"] {
            assert!(!holds(&file, word), "{word} is still in the file");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_13_what_was_deleted_for_everyone_is_gone_everywhere() {
    let server = live().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let id = server.direct(&sam, &anna).await;
    let conversation = format!("/conversations/{id}");
    let messages = format!("{conversation}/messages");
    let file = server.bring(&sam, "wombatfile.png", &png(40, 40)).await;
    let sending = json!({
        "client_id": uuid::Uuid::new_v4().to_string(), "body": "wombatgone", "attachments": [attachment_id(&file)],
    });
    let message = done(&server, &sam, Method::POST, &messages, sending).await;
    let path = format!("/messages/{}", message["id"]);
    done(&server, &sam, Method::PUT, &format!("{path}/pin"), json!({})).await;
    done(
        &server,
        &anna,
        Method::PUT,
        &format!("{path}/reactions/👍"),
        json!({}),
    )
    .await;
    let reply = json!({
        "client_id": uuid::Uuid::new_v4().to_string(), "body": "wombatreply", "reply_to": message["id"],
    });
    let reply = done(&server, &sam, Method::POST, &messages, reply).await;
    assert_eq!(reply["reply_to"]["excerpt"], "wombatgone");
    let mine = server.say(&sam, id, "wombatmine").await;
    assert_eq!(server.content(&anna, &file).await.status, 200);
    let unread = async || {
        got(&server, &anna, &conversation).await["unread_count"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(unread().await, 3);
    let mut annas = server.socket(&anna).await;

    // Only for oneself: the other still has it.
    let hidden = server
        .delete(&format!("/messages/{}?for=me", mine["id"]))
        .by(&anna);
    assert_eq!(hidden.send().await.status, 204);
    assert_eq!(bodies(&server, &anna, id).await, ["wombatgone", "wombatreply"]);
    assert_eq!(
        bodies(&server, &sam, id).await,
        ["wombatgone", "wombatreply", "wombatmine"]
    );

    let gone = server.delete(&format!("{path}?for=everyone")).by(&sam);
    assert_eq!(gone.send().await.status, 204);
    let told = annas.wait_for("message.deleted");
    assert_eq!(
        told["items"],
        json!([{"id": message["id"], "seq": message["seq"]}])
    );
    assert_eq!(bodies(&server, &anna, id).await, ["wombatreply"]);
    assert_eq!(unread().await, 1);
    assert_eq!(found(&server, &anna, "wombatgone").await, 0);
    assert_eq!(found(&server, &anna, "wombatfile").await, 0);
    assert_eq!(
        got(&server, &anna, &format!("{conversation}/pins")).await["items"],
        json!([])
    );
    assert_eq!(
        got(&server, &anna, &format!("{conversation}/media")).await["items"],
        json!([])
    );
    assert_eq!(server.content(&anna, &file).await.status, 410);
    let tombstone = got(&server, &anna, &path).await;
    for field in ["body", "mentions", "attachments", "reactions"] {
        assert!(tombstone.get(field).is_none(), "{tombstone}");
    }
    let reply = got(&server, &anna, &format!("/messages/{}", reply["id"])).await;
    assert_eq!(reply["reply_to"]["deleted"], true);
    assert!(!reply.to_string().contains("wombatgone"), "{reply}");
    for page in [
        got(&server, &anna, "/conversations").await,
        got(&server, &anna, "/sync").await,
        got(&server, &anna, &format!("{conversation}/changes?after_rev=0")).await,
    ] {
        assert!(!page.to_string().contains("wombatgone"), "{page}");
    }
    // The bytes go with the next clearing up.
    server.messenger.sweep().await.unwrap();
    assert_eq!(server.stored_files(), 0);
    if let Some(file) = file_after_the_end(server).await {
        assert!(holds(&file, "wombatreply") && holds(&file, "wombatmine"));
        for word in ["wombatgone", "wombatfile"] {
            assert!(!holds(&file, word), "{word} is still in the file");
        }
    }
}
