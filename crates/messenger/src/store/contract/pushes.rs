//! Devices that take notifications, and keys of the server.

use super::{Store, World, draft};
use crate::store::LoginRecord;
use crate::{Caller, Draft, LoginId, PushSubscription, ThreadPlace, Timestamp};
use std::sync::Arc;

fn subscription(endpoint: &str) -> PushSubscription {
    PushSubscription {
        endpoint: endpoint.to_owned(),
        p256dh: vec![4; 65],
        auth: vec![7; 16],
    }
}

/// Of many who bring one at once, one is kept.
pub async fn a_key_of_the_server_is_made_once(store: Arc<dyn Store>) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=4_u8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let kept = store.server_key("test", vec![number; 32], Timestamp(1)).await;
            kept.expect("kept")
        });
    }
    let kept = tasks.join_all().await;
    assert!(
        kept.iter().all(|key| *key == kept[0] && key.len() == 32),
        "{kept:?}"
    );
    let other = store.server_key("other", vec![9], Timestamp(1)).await;
    assert_eq!(other.expect("kept"), [9]);
}

/// One address for each device, one device for each address.
pub async fn a_device_takes_pushes_until_its_login_ends(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [sam, ann] = world.people(["sam", "ann"]).await;
    let store = &world.store;
    let begin = async |who: Caller, at: i64| {
        let record = LoginRecord {
            device_id: uuid::Uuid::new_v4(),
            user: who.user,
            name: "test".into(),
            secret_hash: "none".into(),
            at: Timestamp(at),
        };
        store
            .create_login(record, Box::new(|_| {}))
            .await
            .expect("created")
            .id
    };
    let (phone, desk, anns) = (
        begin(sam, 100).await,
        begin(sam, 200).await,
        begin(ann, 100).await,
    );
    let keep = async |who: Caller, login: LoginId, endpoint: &str| {
        let kept = store
            .subscribe_push(who.user, login, subscription(endpoint), Timestamp(1))
            .await;
        kept.expect("kept");
    };
    let devices = async |who: Caller, used_after: i64| {
        let found = store
            .push_devices(who.user, Timestamp(used_after))
            .await
            .expect("read");
        found
            .into_iter()
            .map(|device| (device.login, device.subscription.endpoint))
            .collect::<Vec<_>>()
    };
    keep(sam, phone, "https://a").await;
    keep(sam, phone, "https://b").await;
    keep(sam, desk, "https://c").await;
    keep(sam, anns, "https://nobody").await;
    keep(sam, LoginId(4_711), "https://nobody").await;
    let both = [(phone, "https://b".to_owned()), (desk, "https://c".to_owned())];
    assert_eq!(devices(sam, 0).await, both);
    assert_eq!(
        devices(sam, 100).await,
        both[1..],
        "the other was not used for long"
    );
    assert_eq!(store.push_users().await.expect("read"), [sam.user]);
    let kept = store.push_devices(sam.user, Timestamp(0)).await.expect("read");
    assert_eq!(kept[0].subscription, subscription("https://b"));

    // The same browser, and now it is somebody else's.
    keep(ann, anns, "https://c").await;
    assert_eq!(devices(sam, 0).await, both[..1]);
    assert_eq!(store.push_users().await.expect("read"), [sam.user, ann.user]);
    store.push_gone("https://c").await.expect("forgotten");
    assert!(devices(ann, 0).await.is_empty());
    store
        .end_login(sam.user, phone, Box::new(|_| {}))
        .await
        .expect("ended");
    assert!(devices(sam, 0).await.is_empty());
    keep(sam, desk, "https://c").await;
    store.unsubscribe_push(desk).await.expect("ended");
    assert!(store.push_users().await.expect("read").is_empty());
}

/// Or else it would be told once more, of the edit.
pub async fn who_follows_by_an_edit_is_told_in_its_words(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, sam] = world.people(["ann", "bob", "sam"]).await;
    let id = world.group(&ann, &[bob, sam]).await;
    for _ in 0..50 {
        let root = world.say(&ann, id, "root").await.message.id;
        let place = ThreadPlace {
            root,
            also_in_timeline: false,
        };
        let reply = Draft {
            thread: Some(place),
            ..draft("reply")
        };
        let reply = world
            .messenger
            .send(&bob, id, reply)
            .await
            .expect("sent")
            .message
            .id;
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let messenger = Arc::clone(&world.messenger);
            asking.spawn(async move {
                loop {
                    let told = messenger.notification(sam.user, reply, "server").await;
                    if let Some(told) = told.expect("asked") {
                        return told.edits;
                    }
                }
            });
        }
        let edited = world.messenger.edit(&bob, reply, "reply, @sam", None).await;
        edited.expect("edited");
        assert_eq!(asking.join_all().await, [1; 8]);
    }
}
