//! What every broker promises, as a suite that each implementation runs in its tests.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Broker, Sink};
use crate::app::AppNumber;
use crate::channel::{ChannelName, HistoryOptions};
use crate::publication::{Content, Position, Publication};

#[derive(Default)]
struct Delivered(Mutex<Vec<(String, Option<Position>)>>);

impl Sink for Delivered {
    fn deliver(&self, publication: Publication, position: Option<Position>) {
        self.0.lock().push((said(&publication), position));
    }

    fn deliver_each(&self, publication: Publication, channels: &[ChannelName]) {
        for channel in channels {
            let on = format!("{} on {channel}", said(&publication));
            self.0.lock().push((on, None));
        }
    }
}

fn said(publication: &Publication) -> String {
    match &publication.content {
        Content::Message { data, .. } => String::from_utf8_lossy(data).into_owned(),
        other => format!("{other:?}"),
    }
}

/// Runs the suite against brokers made by `make`, each with its own sink.
///
/// # Panics
/// When a promise is broken.
pub async fn check<B: Broker + 'static>(make: impl Fn(Arc<dyn Sink>) -> Arc<B>) {
    let app = AppNumber(3);
    let room = ChannelName::parse("room").expect("a valid name");
    let keep = Some(HistoryOptions {
        size: 3,
        ttl_ms: 60_000,
    });
    let message = |text: &str| Publication::message(app, room.clone(), "e", text.to_owned());

    // Without history: delivered in order, no position.
    let sink = Arc::new(Delivered::default());
    let broker = make(sink.clone());
    broker.listen(app, &room).await.expect("listens");
    for text in ["1", "2", "3"] {
        assert_eq!(broker.publish(message(text), None).await.expect("accepted"), None);
    }
    let texts: Vec<String> = sink.0.lock().iter().map(|(text, _)| text.clone()).collect();
    assert_eq!(texts, ["1", "2", "3"]);

    // To each of several channels: once on each, after what was published before it and before what comes after it.
    let sink = Arc::new(Delivered::default());
    let broker = make(sink.clone());
    let other = ChannelName::parse("other").expect("a valid name");
    for channel in [&room, &other] {
        broker.listen(app, channel).await.expect("listens");
    }
    broker.publish(message("1"), None).await.expect("accepted");
    let both = vec![room.clone(), other.clone()];
    broker.publish_each(message("2"), both).await.expect("accepted");
    broker.publish(message("3"), None).await.expect("accepted");
    let mut heard: Vec<String> = sink.0.lock().iter().map(|(text, _)| text.clone()).collect();
    let on_other = heard
        .iter()
        .position(|text| text == "2 on other")
        .expect("delivered");
    heard.remove(on_other);
    assert_eq!(heard, ["1", "2 on room", "3"]);

    // With history: dense offsets in one epoch, the delivered position is the returned one.
    let sink = Arc::new(Delivered::default());
    let broker = make(sink.clone());
    broker.listen(app, &room).await.expect("listens");
    let mut positions = Vec::new();
    for text in ["1", "2", "3", "4", "5"] {
        positions.push(
            broker
                .publish(message(text), keep)
                .await
                .expect("accepted")
                .expect("a position"),
        );
    }
    assert!(
        positions
            .windows(2)
            .all(|w| w[0].epoch == w[1].epoch && w[0].offset + 1 == w[1].offset)
    );
    let delivered: Vec<_> = sink
        .0
        .lock()
        .iter()
        .map(|(_, position)| position.expect("a position"))
        .collect();
    assert_eq!(delivered, positions);

    // Recovery: everything after a position that is still kept, and the truth about what is not.
    let after = |offset| {
        Some(Position {
            epoch: positions[0].epoch,
            offset,
        })
    };
    let cases = [
        (after(3), vec!["4", "5"], true),
        (after(5), vec![], true),
        (after(2), vec!["3", "4", "5"], true),
        (after(1), vec!["3", "4", "5"], false),
        (after(9), vec!["3", "4", "5"], false),
        (
            Some(Position {
                epoch: positions[0].epoch + 1,
                offset: 4,
            }),
            vec!["3", "4", "5"],
            false,
        ),
        (None, vec!["3", "4", "5"], true),
    ];
    for (since, texts, complete) in cases {
        let history = broker.history(app, &room, since, 100).await.expect("answers");
        let got: Vec<String> = history.publications.iter().map(|(_, p)| said(p)).collect();
        assert_eq!(got, texts, "since {since:?}");
        assert_eq!(history.complete, complete, "since {since:?}");
        assert_eq!(history.top, positions[4]);
        assert!((50_000..=60_000).contains(&history.ttl_ms), "{}", history.ttl_ms);
    }
    let newest = broker.history(app, &room, None, 1).await.expect("answers");
    assert_eq!(newest.publications[0].0, 5, "a limit keeps the newest");

    // What is not to be kept is delivered and changes nothing of what is kept.
    assert_eq!(
        broker.publish(message("passing"), None).await.expect("accepted"),
        None
    );
    assert_eq!(
        sink.0.lock().last().expect("delivered"),
        &("passing".to_owned(), None)
    );
    let kept = broker.history(app, &room, None, 1).await.expect("answers");
    assert_eq!(
        (said(&kept.publications[0].1), kept.top),
        ("5".to_owned(), positions[4])
    );

    // Nobody need listen for something to be kept, and it is forgotten some time after the last publication.
    let sink = Arc::new(Delivered::default());
    let broker = make(sink.clone());
    let brief = Some(HistoryOptions { size: 1, ttl_ms: 400 });
    broker.publish(message("unheard"), brief).await.expect("accepted");
    let kept = broker.history(app, &room, None, 1).await.expect("answers");
    assert_eq!(kept.publications.len(), 1);
    let waited = std::time::Instant::now();
    while !broker
        .history(app, &room, None, 1)
        .await
        .expect("answers")
        .publications
        .is_empty()
    {
        assert!(waited.elapsed().as_secs() < 5, "it is never forgotten");
        std::thread::yield_now();
    }
    assert!(waited.elapsed().as_millis() >= 200, "it was forgotten at once");
    let again = broker.publish(message("again"), brief).await.expect("accepted");
    assert_ne!(
        again.expect("a position").epoch,
        kept.top.epoch,
        "a new history has a new epoch"
    );

    // Another app's channel of the same name is another channel.
    let other = broker
        .history(AppNumber(4), &room, None, 10)
        .await
        .expect("answers");
    assert!(other.publications.is_empty());

    // Publishers side by side: what is delivered is in the order of offsets, without a gap.
    let sink = Arc::new(Delivered::default());
    let broker = make(sink.clone());
    broker.listen(app, &room).await.expect("listens");
    let publishers: Vec<_> = (0..4)
        .map(|_| {
            let (broker, publication) = (broker.clone(), message("x"));
            std::thread::spawn(move || {
                for _ in 0..100 {
                    let accepted = block_on(broker.publish(publication.clone(), keep));
                    accepted.expect("accepted");
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.join().expect("the publisher did not panic");
    }
    let offsets: Vec<u64> = sink
        .0
        .lock()
        .iter()
        .map(|(_, p)| p.expect("a position").offset)
        .collect();
    assert_eq!(offsets, (1..=400).collect::<Vec<_>>());
}

/// Drives a future on a plain thread by polling: enough for a test, whatever runtime the broker uses.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::yield_now();
    }
}
