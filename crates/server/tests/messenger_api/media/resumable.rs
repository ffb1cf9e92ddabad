//! Files that come in parts.

use axum::http::Method;
use chinwag_messenger::AttachmentLimits;
use serde_json::{Value, json};

use super::{form, id, png, wav, with_limits};
use crate::support::{Answer, Person, Server};

impl Server {
    async fn announce(&self, by: &Person, given: &Value) -> Answer {
        self.post("/uploads", given).by(by).send().await
    }

    async fn put(&self, by: &Person, upload: &Value, offset: usize, part: &[u8]) -> Answer {
        let path = format!("/uploads/{}", id(upload));
        self.ask(Method::PUT, &path)
            .by(by)
            .header("upload-offset", &offset.to_string())
            .body("application/octet-stream", part.to_vec())
            .send()
            .await
    }

    async fn complete(&self, by: &Person, upload: &Value) -> Answer {
        let path = format!("/uploads/{}/complete", id(upload));
        self.ask(Method::POST, &path).by(by).send().await
    }
}

#[track_caller]
fn check_offset(answer: &Answer, status: u16, offset: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("upload-offset"), Some(offset), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_in_parts_and_goes_on_after_a_restart() {
    let server = Server::start().await;
    let (sam, alex) = (server.person("sam").await, server.person("alex").await);
    let file = png(300, 200);
    let given = json!({"name": "photo.png", "size": file.len()});
    let upload = server.announce(&sam, &given).await;
    assert_eq!(upload.status, 201, "{}", upload.text);
    let upload = upload.json;
    assert_eq!(
        (&upload["size"], &upload["offset"]),
        (&json!(file.len()), &json!(0))
    );
    let path = format!("/uploads/{}", id(&upload));

    check_offset(&server.put(&sam, &upload, 0, &file[..100]).await, 200, "100");
    // The answer was lost, and the client tries again; or it left something out.
    let again = server.put(&sam, &upload, 0, &file[..100]).await;
    again.check_code(409, "offset_mismatch");
    check_offset(&again, 409, "100");
    check_offset(&server.put(&sam, &upload, 101, &file[101..]).await, 409, "100");
    let early = server.complete(&sam, &upload).await;
    early.check_code(409, "offset_mismatch");
    check_offset(&early, 409, "100");
    // It is nobody else's, and not to be sent yet.
    assert_eq!(server.put(&alex, &upload, 100, b"x").await.status, 404);
    assert_eq!(server.get(&path).by(&alex).send().await.status, 404);
    assert_eq!(server.complete(&alex, &upload).await.status, 404);
    let content = format!("/attachments/{}/content", id(&upload));
    let content = server.get(&content).by(&sam).send().await;
    content.check_code(409, "attachment_not_ready");
    // More than was announced.
    let more = [&file[100..], b"more"].concat();
    let more = server.put(&sam, &upload, 100, &more).await;
    more.check_code(413, "file_too_large");

    let server = server.restart().await;
    let asked = server.get(&path).by(&sam).send().await;
    check_offset(&asked, 200, "100");
    assert_eq!(asked.json["offset"], 100);
    check_offset(
        &server.put(&sam, &upload, 100, &file[100..]).await,
        200,
        &file.len().to_string(),
    );
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;
    let done = server.complete(&sam, &upload).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(id(&done.json), id(&upload));
    assert_eq!(
        (&done.json["kind"], &done.json["width"], &done.json["state"]),
        (&json!("image"), &json!(300), &json!("ready"))
    );
    let told = worker.hear_event(&sam, "attachment.updated").await;
    assert_eq!(told["attachment"], done.json);
    assert!(told["user_rev"].is_u64());
    // The answer was lost.
    let again = server.complete(&sam, &upload).await;
    assert_eq!((again.status, again.json), (200, done.json));
    worker.silence();
    // The upload is over.
    assert_eq!(server.put(&sam, &upload, file.len(), b"").await.status, 404);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_are_held_to_the_bounds() {
    let server = with_limits(AttachmentLimits {
        file_bytes_max: 50_000,
        quota_bytes: 90_000,
        voice_bytes_max: 30_000,
        ..AttachmentLimits::default()
    })
    .await;
    let sam = server.person("sam").await;
    let check = async |given: Value, status: u16, code: &str| {
        server.announce(&sam, &given).await.check_code(status, code);
    };
    check(json!({"size": 50_001}), 413, "file_too_large").await;
    check(json!({"size": 30_001, "kind": "voice"}), 413, "file_too_large").await;
    check(json!({"size": -1}), 422, "validation_failed").await;
    check(json!({}), 422, "validation_failed").await;
    check(json!({"size": 5, "kind": "film"}), 422, "validation_failed").await;
    check(
        json!({"size": 5, "kind": "voice", "waveform": [1]}),
        422,
        "waveform_invalid",
    )
    .await;
    // What is announced counts at once.
    let upload = server.announce(&sam, &json!({"size": 50_000})).await.json;
    check(json!({"size": 40_001}), 507, "quota_exceeded").await;
    let refused = server.bring_form(&sam, form("a", &[1; 40_001], &[])).await;
    refused.check_code(507, "quota_exceeded");

    let path = format!("/uploads/{}", id(&upload));
    let ask = || server.ask(Method::PUT, &path).by(&sam);
    let body = "application/octet-stream";
    let nowhere = ask().body(body, "x").send().await;
    nowhere.check_code(422, "validation_failed");
    let wrong = ask().header("upload-offset", "-1").body(body, "x").send().await;
    wrong.check_code(422, "validation_failed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_it_must_be_fails_for_good() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let peaks = vec![3; 64];
    let given = |size: usize| json!({"name": "note.wav", "size": size, "kind": "voice", "waveform": peaks});
    let file = wav(500);
    let upload = server.announce(&sam, &given(file.len())).await.json;
    server.put(&sam, &upload, 0, &file).await;
    let note = server.complete(&sam, &upload).await.json;
    assert_eq!(
        (&note["kind"], &note["duration_ms"], &note["waveform"]),
        (&json!("voice"), &json!(500), &json!(peaks))
    );

    let upload = server.announce(&sam, &given(5)).await.json;
    server.put(&sam, &upload, 0, b"words").await;
    let refused = server.complete(&sam, &upload).await;
    refused.check_code(415, "type_not_allowed");
    assert_eq!(server.complete(&sam, &upload).await.status, 404);
    let path = format!("/attachments/{}", id(&upload));
    let failed = server.get(&path).by(&sam).send().await;
    assert_eq!(failed.json["state"], "failed");
    server.stop().await;
}
