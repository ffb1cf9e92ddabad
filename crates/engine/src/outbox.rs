//! The outbox: what is to be delivered to somewhere outside, kept until it is.
//!
//! It knows neither what is delivered nor how: a parcel is bytes, and waits in the lane of its app and destination.

use async_trait::async_trait;
use bytes::Bytes;

/// The outbox could not do its work; the text is for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the outbox failed: {0}")]
pub struct WebhookQueueError(pub String);

/// Something to be kept until it is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewParcel {
    /// The app's public id.
    pub app: String,
    /// Where to. Together with the app, the lane.
    pub destination: String,
    /// What.
    pub payload: Bytes,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: u64,
}

/// Something that waits for being delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Its id, which is higher than those of parcels put before.
    pub id: i64,
    /// What it is.
    pub new: NewParcel,
    /// Not to be tried before, in milliseconds since 1970.
    pub due_ms: u64,
    /// How often it was tried.
    pub attempts: u32,
}

/// Keeps parcels until they are delivered. One method is one transaction, and what a method that returned has
/// changed lasts, through a crash or loss of power too.
///
/// Bounded by time, not by number: whoever delivers gives up on old parcels.
#[async_trait]
pub trait WebhookQueue: Send + Sync {
    /// Keeps parcels, each due at once, behind all that is kept.
    async fn put(&self, parcels: Vec<NewParcel>) -> Result<(), WebhookQueueError>;

    /// App and destination of every lane that is not empty.
    async fn lanes(&self) -> Result<Vec<(String, String)>, WebhookQueueError>;

    /// The first parcels of a lane, due or not, oldest first, at most `limit`.
    async fn due(&self, app: &str, destination: &str, limit: usize)
    -> Result<Vec<Parcel>, WebhookQueueError>;

    /// Forgets parcels: delivered, or given up. Those not there any more are no error.
    async fn done(&self, ids: Vec<i64>) -> Result<(), WebhookQueueError>;

    /// A parcel was tried once more and is due later. It keeps its place.
    async fn postponed(&self, id: i64, due_ms: u64) -> Result<(), WebhookQueueError>;
}

/// What every outbox keeps, as tests.
pub mod contract {
    use super::{Bytes, NewParcel, Parcel, WebhookQueue};

    fn parcel(app: &str, destination: &str, payload: &'static [u8]) -> NewParcel {
        NewParcel {
            app: app.to_owned(),
            destination: destination.to_owned(),
            payload: Bytes::from_static(payload),
            made_ms: 1_700_000_000_000,
        }
    }

    fn payloads(parcels: &[Parcel]) -> Vec<&[u8]> {
        parcels.iter().map(|parcel| &*parcel.new.payload).collect()
    }

    /// Checks an empty outbox.
    ///
    /// # Panics
    /// When it does not keep the contract.
    pub async fn check(outbox: &dyn WebhookQueue) {
        let first = parcel("7", "a", b"\x00one");
        let put = vec![
            first.clone(),
            parcel("7", "b", b"two"),
            parcel("7", "a", b"three"),
        ];
        outbox.put(put).await.expect("kept");
        outbox.put(Vec::new()).await.expect("nothing is no fault");
        outbox.put(vec![parcel("8", "a", b"four")]).await.expect("kept");

        let mut lanes = outbox.lanes().await.expect("lanes");
        lanes.sort();
        let lane = |app: &str, destination: &str| (app.to_owned(), destination.to_owned());
        assert_eq!(lanes, [lane("7", "a"), lane("7", "b"), lane("8", "a")]);

        let waiting = outbox.due("7", "a", 10).await.expect("parcels");
        assert_eq!(payloads(&waiting), [&b"\x00one"[..], b"three"]);
        assert_eq!(waiting[0].new, first);
        assert_eq!((waiting[0].attempts, waiting[0].due_ms), (0, first.made_ms));
        assert_eq!(
            outbox.due("7", "a", 1).await.expect("parcels"),
            waiting[..1],
            "a limit keeps the oldest"
        );

        let later = first.made_ms + 5_000;
        outbox.postponed(waiting[0].id, later).await.expect("postponed");
        let again = outbox.due("7", "a", 10).await.expect("parcels");
        assert_eq!(
            payloads(&again),
            [&b"\x00one"[..], b"three"],
            "it keeps its place"
        );
        assert_eq!((again[0].attempts, again[0].due_ms), (1, later));

        let ids = again.iter().map(|parcel| parcel.id).collect();
        outbox.done(ids).await.expect("forgotten");
        outbox.done(vec![again[0].id]).await.expect("gone is gone");
        assert_eq!(outbox.due("7", "a", 10).await.expect("none"), []);
        assert_eq!(outbox.lanes().await.expect("lanes").len(), 2);

        outbox.put(vec![parcel("7", "a", b"five")]).await.expect("kept");
        let newest = outbox.due("7", "a", 10).await.expect("parcels");
        assert!(newest[0].id > again[1].id, "ids are not given out again");
    }
}
