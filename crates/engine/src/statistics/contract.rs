//! What every store of statistics promises, as a suite that each implementation runs in its tests.

use super::{Sample, Statistics};

fn sample(app: &str, at_s: i64, n: u64) -> Sample {
    Sample {
        app: app.to_owned(),
        at_s,
        connections_peak: n,
        frames_received: 10 * n,
        api_messages: 100 * n,
        messages_sent: 1_000 * n,
    }
}

/// Runs the suite against an empty store.
///
/// # Panics
/// When a promise is broken.
pub async fn check(statistics: &dyn Statistics) {
    let newest = async |app: &str, since_s, limit| {
        let samples = statistics.newest(app, since_s, limit).await.expect("answers");
        let shown = samples
            .iter()
            .map(|sample| (sample.at_s, sample.connections_peak));
        shown.collect::<Vec<_>>()
    };
    assert!(newest("a", 0, 10).await.is_empty(), "nothing is there at first");
    statistics.keep(&[]).await.expect("nothing is kept");

    let given = [
        sample("a", 180, 3),
        sample("a", 60, 1),
        sample("a", 120, 2),
        sample("b", 60, 9),
    ];
    statistics.keep(&given).await.expect("kept");
    assert_eq!(
        newest("a", 0, 10).await,
        [(60, 1), (120, 2), (180, 3)],
        "in order, one app"
    );
    assert_eq!(
        newest("a", 0, 2).await,
        [(120, 2), (180, 3)],
        "a limit keeps the newest"
    );
    assert_eq!(
        newest("a", 120, 10).await,
        [(120, 2), (180, 3)],
        "not older than asked for"
    );
    assert_eq!(newest("b", 0, 10).await, [(60, 9)]);
    assert_eq!(
        statistics.newest("a", 180, 1).await.expect("answers"),
        [sample("a", 180, 3)]
    );

    // The same minute again, as after a restart.
    statistics.keep(&[sample("a", 180, 2)]).await.expect("kept");
    let merged = Sample {
        connections_peak: 3,
        ..sample("a", 180, 5)
    };
    assert_eq!(statistics.newest("a", 180, 1).await.expect("answers"), [merged]);

    // Many at once: more than one statement may hold.
    let many: Vec<Sample> = (0..500).map(|n| sample("many", 60 * n, 1)).collect();
    statistics.keep(&many).await.expect("kept");
    assert_eq!(newest("many", 0, 1_000).await.len(), 500);

    statistics.forget_before(120).await.expect("forgets");
    assert_eq!(newest("a", 0, 10).await, [(120, 2), (180, 3)]);
    assert!(newest("b", 0, 10).await.is_empty());
}
