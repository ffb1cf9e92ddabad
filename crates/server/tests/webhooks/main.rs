//! Webhooks from what happens on a channel to a receiver that fails, hangs and recovers.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use chinwag_backends::SqlStore;
use chinwag_engine::{
    AppOptions, Engine, NewParcel, Observed, UserId, Webhook, WebhookQueue, outbox_contract,
};
use chinwag_server::webhooks::{Courier, CourierError, Errand, HttpCourier, WebhookOptions};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use support::{Answer, MemoryOutbox, Receiver, Telling, add_app, hmac, webhook};

/// As in production, but impatient.
fn hasty() -> WebhookOptions {
    WebhookOptions {
        retry_after: Duration::from_millis(5),
        ..WebhookOptions::default()
    }
}

fn http() -> Arc<HttpCourier> {
    Arc::new(HttpCourier::new(Duration::from_millis(300), true).unwrap())
}

#[tokio::test]
async fn the_outbox_of_these_tests_keeps_the_contract() {
    outbox_contract::check(&MemoryOutbox::default()).await;
}

#[tokio::test]
async fn a_request_is_signed_and_looks_as_sdks_expect() {
    let mut receiver = Receiver::start(&[]).await;
    let engine = Engine::in_memory();
    let app = add_app(&engine, "7", vec![webhook(&receiver.url)]);
    let telling = Telling::start(engine, Arc::new(MemoryOutbox::default()), http(), hasty());
    telling.observe(&app, "#server-to-user-1", Observed::Occupied);
    let user = UserId("ann".into());
    telling.observe(&app, "presence-room", Observed::Joined { user });
    let got = receiver.next().await;
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("x-pusher-key"), "key-7");
    assert_eq!(got.header("x-extra"), "more");
    assert_eq!(got.header("x-pusher-signature"), hmac("secret-7", &got.body));
    assert_eq!(got.headers.get_all("x-pusher-key").iter().count(), 1);
    assert_eq!(
        got.events(),
        [serde_json::json!({"name": "member_added", "channel": "presence-room", "user_id": "ann"})]
    );
    telling.stop().await;
    assert!(receiver.is_quiet());
}

#[tokio::test]
async fn what_fails_is_tried_again_unchanged_and_in_order() {
    let failures = [
        Answer::Status(500),
        Answer::Redirect,
        Answer::Hang,
        Answer::Status(404),
        Answer::Status(204),
    ];
    let mut receiver = Receiver::start(&failures).await;
    let mut healthy = Receiver::start(&[]).await;
    let engine = Engine::in_memory();
    let app = add_app(&engine, "7", vec![webhook(&receiver.url), webhook(&healthy.url)]);
    let telling = Telling::start(engine, Arc::new(MemoryOutbox::default()), http(), hasty());
    for number in 0..50 {
        telling.happen(&app, "room", number);
    }
    for number in 0..50 {
        assert_eq!(healthy.next().await.numbers(), [number], "others do not wait");
    }
    let first = receiver.next().await;
    for _ in 1..failures.len() {
        let again = receiver.next().await;
        assert_eq!(again.body, first.body);
        assert_eq!(
            again.header("x-pusher-signature"),
            first.header("x-pusher-signature")
        );
    }
    for number in 1..50 {
        assert_eq!(receiver.next().await.numbers(), [number]);
    }
    let counters = telling.counters.clone();
    telling.stop().await;
    assert_eq!(counters.failed.load(Ordering::Relaxed), 4);
    assert_eq!(counters.expired.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_restart_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let mut receiver = Receiver::start(&[Answer::Hang; 3]).await;
    let patient = WebhookOptions {
        retry_after: Duration::from_millis(700),
        ..WebhookOptions::default()
    };
    {
        let store = Arc::new(SqlStore::open(&path).await.unwrap());
        let engine = Engine::in_memory();
        let app = add_app(&engine, "7", vec![webhook(&receiver.url)]);
        let telling = Telling::start(engine, store.clone(), http(), patient.clone());
        for number in 0..100 {
            telling.happen(&app, "room", number);
        }
        // An absence that is still short, and what waits behind it.
        telling.observe(&app, "room", Observed::Vacated);
        assert_eq!(receiver.next().await.numbers(), [0]);
        telling.stop().await;
        store.close().await.unwrap();
    }
    receiver.answer(&[]);
    let store = Arc::new(SqlStore::open(&path).await.unwrap());
    let engine = Engine::in_memory();
    add_app(&engine, "7", vec![webhook(&receiver.url)]);
    let telling = Telling::start(engine, store.clone(), http(), patient);
    for number in 0..100 {
        assert_eq!(receiver.next().await.numbers(), [number]);
    }
    assert_eq!(receiver.next().await.events()[0]["name"], "channel_vacated");
    telling.stop().await;
    assert_eq!(store.lanes().await.unwrap(), [], "what is delivered is forgotten");
}

#[tokio::test]
async fn batches_are_bounded_and_never_mix_apps() {
    let mut receiver = Receiver::start(&[]).await;
    let engine = Engine::in_memory();
    let one = add_app(&engine, "1", vec![webhook(&receiver.url)]);
    let two = add_app(&engine, "2", vec![webhook(&receiver.url)]);
    let options = WebhookOptions {
        batch: true,
        ..hasty()
    };
    let telling = Telling::start(engine, Arc::new(MemoryOutbox::default()), http(), options);
    for number in 0..250 {
        telling.happen(&one, "room", number);
        telling.happen(&two, "room", 1_000 + number);
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    while first.len() + second.len() < 500 {
        let got = receiver.next().await;
        let numbers = got.numbers();
        assert!(numbers.len() <= 100);
        let of = got.header("x-pusher-key").trim_start_matches("key-");
        assert_eq!(
            got.header("x-pusher-signature"),
            hmac(&format!("secret-{of}"), &got.body)
        );
        if of == "1" { &mut first } else { &mut second }.extend(numbers);
    }
    assert!(first.into_iter().eq(0..250));
    assert!(second.into_iter().eq(1_000..1_250));
    telling.stop().await;
}

#[tokio::test]
async fn our_own_network_is_out_of_reach_unless_allowed() {
    let mut receiver = Receiver::start(&[]).await;
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    let urls = [receiver.url.clone(), by_name];
    let careful = HttpCourier::new(Duration::from_secs(5), false).unwrap();
    let errand = |url: &str| Errand {
        url: url.to_owned(),
        key: "k".to_owned(),
        signature: "s".to_owned(),
        body: "{}".into(),
        headers: Vec::new(),
    };
    for url in &urls {
        assert_eq!(
            careful.carry(&errand(url)).await,
            Err(CourierError::Address),
            "{url}"
        );
    }
    assert!(receiver.is_quiet());
    for url in &urls {
        assert_eq!(http().carry(&errand(url)).await, Ok(()), "{url}");
        receiver.next().await;
    }
}

#[tokio::test]
async fn errors_do_not_tell_the_address() {
    let errand = Errand {
        url: "http://user:hush@127.0.0.1:9/hush".to_owned(),
        key: "k".to_owned(),
        signature: "s".to_owned(),
        body: "{}".into(),
        headers: Vec::new(),
    };
    let error = http().carry(&errand).await.unwrap_err();
    assert!(matches!(error, CourierError::Unreachable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    assert!(!format!("{:?}", webhook("http://hush")).contains("hush"));
}

/// Fails as long as it is told to, and says when it was asked for what.
struct Failing {
    until_ms: Mutex<u64>,
    asked: mpsc::UnboundedSender<(u64, String)>,
}

#[async_trait]
impl Courier for Failing {
    async fn carry(&self, errand: &Errand) -> Result<(), CourierError> {
        let now = virtual_ms();
        let body = String::from_utf8(errand.body.to_vec()).unwrap();
        self.asked.send((now, body)).unwrap();
        if now < *self.until_ms.lock() {
            return Err(CourierError::Status(503));
        }
        Ok(())
    }
}

/// Milliseconds since the first call of this test, on the clock that tests can pause.
fn virtual_ms() -> u64 {
    thread_local! {
        static START: std::cell::OnceCell<tokio::time::Instant> = const { std::cell::OnceCell::new() };
    }
    START.with(|start| start.get_or_init(tokio::time::Instant::now).elapsed().as_millis() as u64)
}

fn on_virtual_time() -> WebhookOptions {
    WebhookOptions {
        now_ms: virtual_ms,
        ..WebhookOptions::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_pauses_grow_and_after_five_minutes_it_is_given_up() {
    virtual_ms();
    let (asked, mut asks) = mpsc::unbounded_channel();
    let courier = Arc::new(Failing {
        until_ms: Mutex::new(1_000_000),
        asked,
    });
    let engine = Engine::in_memory();
    let app = add_app(&engine, "7", vec![webhook("https://example.org")]);
    let outbox = Arc::new(MemoryOutbox::default());
    let telling = Telling::start(engine, outbox.clone(), courier.clone(), on_virtual_time());
    telling.happen(&app, "room", 1);
    let mut times = Vec::new();
    for _ in 0..9 {
        times.push(asks.recv().await.unwrap().0);
    }
    for (attempt, pair) in times.windows(2).enumerate() {
        let (pause, whole) = (pair[1] - pair[0], 1_000 << attempt);
        assert!((whole * 3 / 4..=whole + 2).contains(&pause), "{attempt}: {pause}");
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(
        asks.try_recv()
            .is_err_and(|e| e == mpsc::error::TryRecvError::Empty)
    );
    assert!(*times.last().unwrap() < 300_000);
    assert_eq!(telling.counters.expired.load(Ordering::Relaxed), 1);
    assert_eq!(outbox.lanes().await.unwrap(), []);

    // What comes later is delivered as if nothing had been.
    *courier.until_ms.lock() = 0;
    telling.happen(&app, "room", 2);
    assert!(asks.recv().await.unwrap().1.contains("\"subscription_count\":2"));
    telling.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_restart_finds_too_old_is_not_sent() {
    let now = virtual_ms();
    let outbox = Arc::new(MemoryOutbox::default());
    let old = |made_ms| NewParcel {
        app: "7".to_owned(),
        destination: "https://example.org".to_owned(),
        payload: "k\ns\n{}".into(),
        made_ms,
    };
    outbox.put(vec![old(now), old(now + 2_000)]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(301)).await;
    let (asked, mut asks) = mpsc::unbounded_channel();
    let courier = Arc::new(Failing {
        until_ms: Mutex::new(0),
        asked,
    });
    let engine = Engine::in_memory();
    add_app(&engine, "7", vec![webhook("https://example.org")]);
    let telling = Telling::start(engine, outbox, courier, on_virtual_time());
    asks.recv().await.unwrap();
    let counters = telling.counters.clone();
    telling.stop().await;
    assert_eq!(asks.recv().await, None);
    assert_eq!(counters.expired.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn short_absences_are_not_told_and_filters_count() {
    let (asked, mut asks) = mpsc::unbounded_channel();
    let courier = Arc::new(Failing {
        until_ms: Mutex::new(0),
        asked,
    });
    let engine = Engine::in_memory();
    let rooms = Webhook {
        channel_starts_with: "room".to_owned(),
        ..webhook("https://example.org")
    };
    let app = add_app(&engine, "7", vec![rooms]);
    let outbox = Arc::new(MemoryOutbox::default());
    let telling = Telling::start(engine, outbox, courier, on_virtual_time());
    telling.observe(&app, "other", Observed::Occupied);
    telling.observe(&app, "room", Observed::Occupied);
    assert!(asks.recv().await.unwrap().1.contains("channel_occupied"));
    telling.observe(&app, "room", Observed::Vacated);
    tokio::time::sleep(Duration::from_millis(2_900)).await;
    telling.observe(&app, "room", Observed::Occupied);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let left = virtual_ms();
    telling.observe(&app, "room", Observed::Vacated);
    let (at, body) = asks.recv().await.unwrap();
    assert!(body.contains("channel_vacated") && (3_000..3_100).contains(&(at - left)));

    // Who takes the webhook away hears nothing more.
    let keys = app.keys.clone();
    telling
        .engine
        .apps
        .replace("7", keys, AppOptions::default())
        .unwrap();
    telling.observe(&app, "room", Observed::Occupied);
    telling.stop().await;
    assert_eq!(asks.recv().await, None);
}
