//! Files: what they count, with what they come, and when their bytes are nobody's any more.

use super::{World, draft};
use crate::blob::BlobId;
use crate::store::{FinishedUpload, NewAttachment, NewPart, QuotaExceeded, Store};
use crate::{
    Attachment, AttachmentId, AttachmentKind, AttachmentState, AvatarError, Caller, ChangeMeError, Draft,
    MessageKind, ProfileChange, SendError, Timestamp,
};
use std::sync::Arc;

const QUOTA: u64 = 1_000;

fn part(blob: BlobId, bytes: u64) -> NewPart {
    NewPart {
        size: 0,
        blob,
        mime: String::new(),
        bytes,
        dimensions: (0, 0),
    }
}

fn file(by: &Caller, kind: AttachmentKind, words: &str) -> NewAttachment {
    let size = words.len() as u64;
    NewAttachment {
        id: AttachmentId(uuid::Uuid::new_v4()),
        uploader: by.user,
        kind,
        name: "a.bin".into(),
        mime: "application/octet-stream".into(),
        size,
        dimensions: Some((3, 4)),
        duration_ms: Some(5),
        waveform: Some(vec![6; 64]),
        placeholder: Some(vec![7, 8]),
        parts: vec![part(BlobId::of(words.as_bytes()), size)],
        state: AttachmentState::Ready,
        at: Timestamp(1_000),
    }
}

async fn bring(world: &World, by: &Caller, kind: AttachmentKind, words: &str) -> Attachment {
    let created = world.store.create_attachment(file(by, kind, words), QUOTA).await;
    created.expect("stored").expect("within the quota")
}

fn with(files: &[&Attachment]) -> Draft {
    Draft {
        attachments: files.iter().map(|file| file.id).collect(),
        ..draft("")
    }
}

/// What a user brings counts until it failed or is gone.
pub async fn files_count_against_a_quota(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let small = bring(&world, &ann, AttachmentKind::File, &"x".repeat(400)).await;
    let mut upload = file(&ann, AttachmentKind::File, "");
    (upload.size, upload.state, upload.parts) = (600, AttachmentState::Uploading, Vec::new());
    let id = upload.id;
    world
        .store
        .create_attachment(upload, QUOTA)
        .await
        .expect("stored")
        .expect("within the quota");
    let more = world
        .store
        .create_attachment(file(&ann, AttachmentKind::File, "y"), QUOTA)
        .await;
    assert_eq!(more.expect("answered"), Err(QuotaExceeded));
    bring(&world, &bob, AttachmentKind::File, "y").await;
    assert_eq!(world.store.attachment_bytes(ann.user).await.expect("read"), 1_000);

    // One that failed counts no more, and neither does one that was deleted.
    let failed = world
        .store
        .finish_upload(ann.user, id, None, Box::new(|_| {}))
        .await;
    let (failed, _) = failed.expect("stored").expect("it was uploading");
    assert_eq!(failed.state, AttachmentState::Failed);
    assert_eq!(world.store.attachment_bytes(ann.user).await.expect("read"), 400);
    let room = world.direct(&ann, &bob).await;
    let sent = world
        .messenger
        .send(&ann, room, with(&[&small]))
        .await
        .expect("sent");
    assert_eq!(world.store.attachment_bytes(ann.user).await.expect("read"), 400);
    world
        .messenger
        .delete(&ann, &[sent.message.id])
        .await
        .expect("deleted");
    assert_eq!(world.store.attachment_bytes(ann.user).await.expect("read"), 0);
}

/// An upload is its uploader's to end, once, and that is a change of the user's own.
pub async fn an_upload_ends_once(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let mut upload = file(&ann, AttachmentKind::File, "");
    (upload.state, upload.parts) = (AttachmentState::Uploading, Vec::new());
    let id = upload.id;
    let created = world.store.create_attachment(upload, QUOTA).await;
    created.expect("stored").expect("within the quota");
    let room = world.direct(&ann, &bob).await;
    let pending = Draft {
        attachments: vec![id],
        ..draft("")
    };
    let refused = world.messenger.send(&ann, room, pending).await;
    assert!(matches!(refused, Err(SendError::AttachmentNotReady)));
    let blob = BlobId::of(b"done");
    let finished = || FinishedUpload {
        kind: AttachmentKind::Image,
        mime: "image/png".into(),
        size: 4,
        dimensions: Some((1, 2)),
        duration_ms: None,
        waveform: None,
        placeholder: None,
        parts: vec![part(blob, 4)],
    };
    let end = |by: &Caller| {
        world
            .store
            .finish_upload(by.user, id, Some(finished()), Box::new(|_| {}))
    };
    assert_eq!(end(&bob).await.expect("answered"), None);
    let before = world.messenger.me(ann.user).await.expect("read").expect("there");
    let (ready, user_rev) = end(&ann).await.expect("stored").expect("it was uploading");
    assert_eq!(user_rev, before.account.user_rev + 1);
    assert_eq!(
        (ready.state, ready.blob, ready.size, ready.dimensions),
        (AttachmentState::Ready, Some(blob), 4, Some((1, 2)))
    );
    assert_eq!(end(&ann).await.expect("answered"), None);
    let stored = world.store.attachment(id).await.expect("read").expect("there");
    assert_eq!(stored.attachment, ready);
}

/// However many messages want a file at once, one has it, and reads it back as it came.
pub async fn a_file_comes_with_one_message(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let room = world.direct(&ann, &bob).await;
    let voice = bring(&world, &ann, AttachmentKind::Voice, "voice").await;
    let other = bring(&world, &ann, AttachmentKind::File, "file").await;
    let mut sending = Vec::new();
    for n in 0..20 {
        let draft = if n % 2 == 0 {
            with(&[&voice])
        } else {
            with(&[&other, &voice])
        };
        let messenger = Arc::clone(&world.messenger);
        sending.push(tokio::spawn(
            async move { messenger.send(&ann, room, draft).await },
        ));
    }
    let mut sent = Vec::new();
    for one in sending {
        match one.await.expect("ran") {
            Ok(one) => sent.push(one.message),
            Err(error) => assert!(matches!(error, SendError::AttachmentInUse), "{error}"),
        }
    }
    let [message] = &sent[..] else { panic!("{sent:?}") };
    let expected = match message.attachments.len() {
        1 => (MessageKind::Voice, vec![voice.clone()]),
        _ => (MessageKind::Media, vec![other.clone(), voice.clone()]),
    };
    let read = world.messenger.message(&bob, message.id).await.expect("read");
    assert_eq!((read.kind, read.attachments), expected);
    let theirs = world.messenger.send(&bob, room, with(&[&other])).await;
    assert!(matches!(theirs, Err(SendError::AttachmentNotYours)));
}

/// Bytes are released with each reference, and free with the last one.
pub async fn bytes_are_freed_with_the_last_reference(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let room = world.direct(&ann, &bob).await;
    let store = &world.store;
    let one = bring(&world, &ann, AttachmentKind::File, "shared").await;
    let other = bring(&world, &bob, AttachmentKind::File, "shared").await;
    let blob = one.blob.expect("it is there");
    let sent = world
        .messenger
        .send(&ann, room, with(&[&one]))
        .await
        .expect("sent");
    assert!(store.released_blobs(10).await.expect("read").is_empty());
    world
        .messenger
        .delete(&ann, &[sent.message.id])
        .await
        .expect("deleted");
    assert_eq!(store.released_blobs(10).await.expect("read"), [blob]);
    assert!(store.unreferenced(&[blob]).await.expect("read").is_empty());
    store.forget_released(&[blob]).await.expect("stored");
    assert!(store.released_blobs(10).await.expect("read").is_empty());
    let gone = store
        .attachment(one.id)
        .await
        .expect("read")
        .expect("a tombstone");
    assert!(gone.deleted_at.is_some() && gone.attachment.name.is_empty());

    // What is used is not expired, however old; what is not used goes.
    let used = bring(&world, &bob, AttachmentKind::File, "used").await;
    world
        .messenger
        .send(&bob, room, with(&[&used]))
        .await
        .expect("sent");
    let expire = |before: i64| store.expire_attachments(Timestamp(before), 10);
    assert!(expire(1_000).await.expect("read").is_empty());
    assert_eq!(expire(1_001).await.expect("stored"), [other.id]);
    assert_eq!(store.released_blobs(10).await.expect("read"), [blob]);
    assert_eq!(store.unreferenced(&[blob]).await.expect("read"), [blob]);
    assert_eq!(store.attachment(other.id).await.expect("read"), None);
}

/// A picture is an image of one's own that nothing else uses; the one before goes.
pub async fn a_picture_takes_the_place_of_another(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let set = |by: Caller, avatar: Option<AttachmentId>| {
        let messenger = Arc::clone(&world.messenger);
        async move {
            let change = ProfileChange {
                avatar: Some(avatar),
                ..ProfileChange::default()
            };
            messenger.change_profile(&by, change).await
        }
    };
    let one = bring(&world, &ann, AttachmentKind::Image, "one").await;
    let two = bring(&world, &ann, AttachmentKind::Image, "two").await;
    let file = bring(&world, &ann, AttachmentKind::File, "file").await;
    let refused = set(ann, Some(file.id)).await;
    assert!(matches!(
        refused,
        Err(ChangeMeError::Avatar(AvatarError::NoImage))
    ));
    let refused = set(bob, Some(one.id)).await;
    assert!(matches!(
        refused,
        Err(ChangeMeError::Avatar(AvatarError::NotYours))
    ));
    assert_eq!(
        set(ann, Some(one.id)).await.expect("set").account.avatar,
        Some(one.id)
    );
    let room = world.direct(&ann, &bob).await;
    let refused = world.messenger.send(&ann, room, with(&[&one])).await;
    assert!(matches!(refused, Err(SendError::AttachmentInUse)));
    assert_eq!(
        set(ann, Some(two.id)).await.expect("set").account.avatar,
        Some(two.id)
    );
    let gone = world
        .store
        .attachment(one.id)
        .await
        .expect("read")
        .expect("a tombstone");
    assert!(gone.deleted_at.is_some());
    let released = world.store.released_blobs(10).await.expect("read");
    assert_eq!(released, [one.blob.expect("it was there")]);
    let refused = set(ann, Some(one.id)).await;
    assert!(matches!(refused, Err(ChangeMeError::Avatar(AvatarError::InUse))));
    assert_eq!(set(ann, None).await.expect("set").account.avatar, None);
}
