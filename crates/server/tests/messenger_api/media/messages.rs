//! Messages that bring files.

use axum::http::Method;
use chinwag_messenger::AttachmentLimits;
use serde_json::{Value, json};

use super::{form, id, png, wav, with_limits};
use crate::support::{Answer, Person, Server};

impl Server {
    async fn send_files(&self, by: &Person, conversation: i64, body: &str, files: &[&Value]) -> Answer {
        let ids: Vec<_> = files.iter().map(|file| id(file)).collect();
        let key = uuid::Uuid::new_v4().to_string();
        let given = json!({"client_id": key, "body": body, "attachments": ids});
        self.send_given(by, conversation, &given).await
    }

    async fn send_given(&self, by: &Person, conversation: i64, given: &Value) -> Answer {
        let path = format!("/conversations/{conversation}/messages");
        self.post(&path, given).by(by).send().await
    }

    async fn one(&self, by: &Person, path: &str) -> Value {
        let answer = self.get(path).by(by).send().await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_files_reads_the_same_everywhere() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let room = server.direct(&sam, &anna).await;
    let mut worker = server.worker();
    worker.connect(&anna, "1.1").await;
    let (photo, words) = (
        server.bring(&sam, "photo.png", &png(640, 400)).await,
        server.bring(&sam, "words.txt", b"words").await,
    );
    let key = uuid::Uuid::new_v4().to_string();
    let given = json!({"client_id": key, "body": "", "attachments": [id(&words), id(&photo)]});
    let sent = server.send_given(&sam, room, &given).await;
    assert_eq!(sent.status, 201, "{}", sent.text);
    let message = &sent.json;
    assert_eq!(
        (&message["kind"], &message["body"]),
        (&json!("media"), &json!(""))
    );
    // In the order they were given, as they were when they came.
    assert_eq!(message["attachments"], json!([words, photo]));
    let heard = worker.hear_event(&anna, "message.created").await;
    assert_eq!(heard["message"]["attachments"], message["attachments"]);

    let read = server.one(&anna, &format!("/messages/{}", message["id"])).await;
    assert_eq!(read["attachments"], message["attachments"]);
    let page = server
        .one(&anna, &format!("/conversations/{room}/messages"))
        .await;
    assert_eq!(page["items"][0]["attachments"], message["attachments"]);
    let changes = server
        .one(&anna, &format!("/conversations/{room}/changes?after_rev=0"))
        .await;
    assert_eq!(changes["items"][0]["attachments"], message["attachments"]);
    let sync = server.one(&anna, "/sync").await;
    assert_eq!(
        sync["items"][0]["last_message"]["attachments"],
        message["attachments"]
    );

    // The same again is the same message; other files are another one.
    let again = server.send_given(&sam, room, &given).await;
    assert_eq!(
        (again.status, &again.json["attachments"]),
        (200, &message["attachments"])
    );
    let mut other = given.clone();
    other["attachments"] = json!([id(&photo), id(&words)]);
    server
        .send_given(&sam, room, &other)
        .await
        .check_code(409, "client_id_conflict");

    let note = form("note.wav", &wav(700), &[("kind", "voice")]);
    let note = server.bring_form(&sam, note).await.json;
    let spoken = server.send_files(&sam, room, "", &[&note]).await.json;
    assert_eq!(
        (&spoken["kind"], &spoken["attachments"]),
        (&json!("voice"), &json!([note]))
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_sent_are_told() {
    let server = with_limits(AttachmentLimits {
        per_message_max: 2,
        ..AttachmentLimits::default()
    })
    .await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let room = server.direct(&sam, &anna).await;
    let mut files = Vec::new();
    for n in 0..3 {
        files.push(server.bring(&sam, "a.txt", &[n]).await);
    }
    let check = async |ids: Value, code: &str| {
        let key = uuid::Uuid::new_v4().to_string();
        let given = json!({"client_id": key, "body": "words", "attachments": ids});
        server.send_given(&sam, room, &given).await.check_code(422, code);
    };
    let ids: Vec<_> = files.iter().map(id).collect();
    check(json!(ids), "too_many_attachments").await;
    check(
        json!(["0190b1c2-0000-4000-8000-000000000000"]),
        "attachment_not_yours",
    )
    .await;
    check(json!(["words"]), "attachment_not_yours").await;
    check(json!(7), "validation_failed").await;
    check(json!([ids[0], ids[0]]), "attachment_in_use").await;
    let hers = server.bring(&anna, "hers.txt", b"hers").await;
    check(json!([id(&hers)]), "attachment_not_yours").await;
    let upload = server.post("/uploads", &json!({"size": 5})).by(&sam).send().await;
    check(json!([id(&upload.json)]), "attachment_not_ready").await;
    // A refused message leaves them free; one that was sent does not.
    let sent = server
        .send_files(&sam, room, "words", &[&files[0], &files[1]])
        .await;
    assert_eq!(sent.status, 201, "{}", sent.text);
    check(json!([ids[1]]), "attachment_in_use").await;
    let empty = server.send_files(&sam, room, " ", &[]).await;
    empty.check_code(422, "empty_message");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_the_message_reads_its_files() {
    let server = Server::start().await;
    let [sam, anna, alex] = server.people(["sam", "anna", "alex"]).await;
    let group = server.group(&sam, &[&anna]).await;
    let early = server.bring(&sam, "early.png", &png(30, 30)).await;
    server.send_files(&sam, group, "early", &[&early]).await;
    let statuses = async |who: &Person, file: &Value| {
        let mut statuses = Vec::new();
        for path in ["", "/content", "/thumb/320"] {
            let path = format!("/attachments/{}{path}", id(file));
            statuses.push(server.get(&path).by(who).send().await.status);
        }
        statuses
    };
    assert_eq!(statuses(&anna, &early).await, [200, 200, 200]);
    assert_eq!(statuses(&alex, &early).await, [404, 404, 404]);
    let media = format!("/conversations/{group}/media");
    assert_eq!(server.get(&media).by(&alex).send().await.status, 404);

    let left = server.post(&format!("/conversations/{group}/leave"), &json!({}));
    assert_eq!(left.by(&anna).send().await.status, 204);
    let late = server.bring(&sam, "late.png", &png(31, 30)).await;
    server.send_files(&sam, group, "late", &[&late]).await;
    // What came before stays readable, what comes after does not.
    assert_eq!(statuses(&anna, &early).await, [200, 200, 200]);
    assert_eq!(statuses(&anna, &late).await, [404, 404, 404]);
    let seen = server.one(&anna, &media).await;
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    assert_eq!(seen["items"][0]["attachment"], early);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gallery_pages_through_what_came() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let room = server.direct(&sam, &anna).await;
    let mut sent = Vec::new();
    for n in 0..5_u32 {
        let photo = server.bring(&sam, "photo.png", &png(20 + n, 20)).await;
        let words = server.bring(&sam, "words.txt", &[n as u8]).await;
        let message = server.send_files(&sam, room, "", &[&photo, &words]).await.json;
        sent.insert(0, json!({"message_id": message["id"], "seq": message["seq"], "author_id": sam.id, "attachment": photo}));
        sent.insert(1, json!({"message_id": message["id"], "seq": message["seq"], "author_id": sam.id, "attachment": words}));
    }
    let base = format!("/conversations/{room}/media");
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.one(&anna, &format!("{base}?limit=3{cursor}")).await;
        found.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, sent);
    let images = server.one(&anna, &format!("{base}?kind=media")).await;
    let photos: Vec<_> = sent.iter().step_by(2).cloned().collect();
    assert_eq!(images["items"], json!(photos));
    let voices = server.one(&anna, &format!("{base}?kind=voice")).await;
    assert_eq!(voices["items"], json!([]));
    let check = async |query: &str, status: u16, code: &str| {
        let answer = server.get(&format!("{base}?{query}")).by(&anna).send().await;
        answer.check_code(status, code);
    };
    check("kind=words", 422, "kind_invalid").await;
    check("limit=0", 422, "limit_invalid").await;
    check("limit=101", 422, "limit_invalid").await;
    check("cursor=nonsense", 400, "cursor_invalid").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_are_edited_and_deleted_files_are_gone() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let room = server.direct(&sam, &anna).await;
    let photo = server.bring(&sam, "photo.png", &png(640, 400)).await;
    let message = server.send_files(&sam, room, "caption", &[&photo]).await.json;
    let path = format!("/messages/{}", message["id"]);
    let edit = async |words: &str| server.patch(&path, &json!({"body": words})).by(&sam).send().await;
    let edited = edit("better").await;
    assert_eq!(
        (&edited.json["body"], &edited.json["attachments"]),
        (&json!("better"), &json!([photo]))
    );
    // Files may do without words; words may not do without words.
    let edited = edit(" ").await;
    assert_eq!(
        (edited.status, &edited.json["body"], &edited.json["kind"]),
        (200, &json!(""), &json!("media"))
    );
    let plain = server.say(&sam, room, "words").await;
    let refused = server.patch(&format!("/messages/{}", plain["id"]), &json!({"body": " "}));
    refused.by(&sam).send().await.check_code(422, "empty_message");

    // Somebody else has the same picture, which stays.
    let hers = server.bring(&anna, "mine.png", &png(640, 400)).await;
    let only_his = server.bring(&sam, "only.txt", b"only his").await;
    let other = server.send_files(&sam, room, "", &[&only_his]).await.json;
    let stored = server.stored_files();
    for id in [&message["id"], &other["id"]] {
        let deleted = server.delete(&format!("/messages/{id}")).by(&sam).send().await;
        assert_eq!(deleted.status, 204, "{}", deleted.text);
    }
    let tombstone = server.one(&anna, &path).await;
    assert_eq!(tombstone.get("attachments"), None);
    for (who, file) in [(&sam, &photo), (&anna, &photo), (&sam, &only_his)] {
        for path in ["", "/content", "/thumb/320"] {
            let path = format!("/attachments/{}{path}", id(file));
            let gone = server.get(&path).by(who).send().await;
            gone.check_code(410, "attachment_deleted");
        }
    }
    let media = server.one(&anna, &format!("/conversations/{room}/media")).await;
    assert_eq!(media["items"], json!([]));
    server.messenger.sweep().await.unwrap();
    assert_eq!(server.stored_files(), stored - 1, "what she has is kept");
    assert_eq!(server.content(&anna, &hers).await.status, 200);
    // It cannot be sent again, and counts no more.
    let again = server.send_files(&sam, room, "", &[&photo]).await;
    again.check_code(422, "attachment_in_use");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_frees_its_files() {
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let group = server.group(&sam, &[&anna]).await;
    let file = server.bring(&sam, "words.txt", b"words").await;
    server.send_files(&sam, group, "", &[&file]).await;
    let path = format!("/conversations/{group}");
    assert_eq!(
        server.ask(Method::DELETE, &path).by(&sam).send().await.status,
        204
    );
    assert_eq!(server.content(&anna, &file).await.status, 404);
    server.messenger.purge_deleted().await.unwrap();
    server.messenger.sweep().await.unwrap();
    assert_eq!(server.stored_files(), 0);
    server.stop().await;
}

/// A server that was stopped in the middle finishes at its next start.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_is_emptied_at_the_start() {
    use chinwag_messenger::store::{Act, Acting, Groups};
    use chinwag_messenger::{ConversationId, Timestamp, UserId};
    let server = Server::start().await;
    let (sam, anna) = (server.person("sam").await, server.person("anna").await);
    let group = server.group(&sam, &[&anna]).await;
    let file = server.bring(&sam, "words.txt", b"words").await;
    server.send_files(&sam, group, "", &[&file]).await;
    let deleting = Acting {
        actor: UserId(sam.id),
        conversation: ConversationId(group),
        act: Act::Delete,
        at: Timestamp::now(),
    };
    let deleted = server.store.act(deleting, Box::new(|_| ())).await.unwrap();
    assert!(deleted.is_ok());
    let server = server.restart().await;
    assert_eq!(server.stored_files(), 1);
    let stop = tokio_util::sync::CancellationToken::new();
    let sweeping = tokio::spawn(chinwag_server::messenger::sweep(
        server.messenger.clone(),
        stop.clone(),
    ));
    let emptied = async {
        while server.stored_files() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), emptied)
        .await
        .expect("the file goes");
    stop.cancel();
    sweeping.await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_file_outlives_the_first_one() {
    let server = Server::start().await;
    let [sam, anna, eve] = server.people(["sam", "anna", "eve"]).await;
    let (from, to) = (server.direct(&sam, &anna).await, server.direct(&anna, &eve).await);
    let words = server.bring(&sam, "words.txt", b"words").await;
    let sent = server.send_files(&sam, from, "look", &[&words]).await.json;
    let given = json!({"message_ids": [sent["id"]], "to": [to]});
    let answer = server.post("/messages/forward", &given).by(&anna).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let copy = answer.json["items"][0].clone();
    assert_eq!((&copy["kind"], &copy["body"]), (&json!("media"), &json!("look")));
    let file = &copy["attachments"][0];
    assert_ne!(file["id"], words["id"]);
    assert_eq!((&file["name"], &file["size"]), (&words["name"], &words["size"]));
    let deleted = server
        .delete(&format!("/messages/{}", sent["id"]))
        .by(&sam)
        .send()
        .await;
    assert_eq!(deleted.status, 204);
    let content = server
        .get(&format!("/attachments/{}/content", id(file)))
        .by(&eve)
        .send()
        .await;
    assert_eq!((content.status, content.text.as_str()), (200, "words"));
    let first = server.get(&format!("/attachments/{}/content", id(&words)));
    assert_eq!(first.by(&anna).send().await.status, 410);

    // Hidden with its message, from the gallery too.
    let hidden = server
        .delete(&format!("/messages/{}?for=me", copy["id"]))
        .by(&eve)
        .send()
        .await;
    assert_eq!(hidden.status, 204);
    let gallery = server
        .one(&eve, &format!("/conversations/{to}/media?kind=file"))
        .await;
    assert_eq!(gallery["items"], json!([]));
    let content = server
        .get(&format!("/attachments/{}/content", id(file)))
        .by(&eve)
        .send()
        .await;
    assert_eq!(content.status, 404);
    server.stop().await;
}
