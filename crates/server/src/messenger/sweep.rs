//! Removes what nobody needs any more: content of deleted groups, files without reference, old times of receipts.

use std::sync::Arc;
use std::time::Duration;

use chinwag_messenger::{Messenger, StoreResult, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often to look for what was never used.
const PERIOD: Duration = Duration::from_secs(60 * 60);

/// Sweeps until cancelled: at once what was deleted, and at the start and from time to time what nobody came back for.
pub async fn sweep(messenger: Arc<Messenger>, cancellation: CancellationToken) {
    let mut period = tokio::time::interval(PERIOD);
    loop {
        let swept = tokio::select! {
            () = cancellation.cancelled() => return,
            () = messenger.files_released() => messenger.sweep().await,
            // All of it comes in small steps, of which each may be the last.
            _ = period.tick() => match cancellation.run_until_cancelled(tidy(&messenger)).await {
                Some(swept) => swept,
                None => return,
            },
        };
        if let Err(error) = swept {
            warn!(%error, "What nobody needs could not be removed; this is tried again");
        }
    }
}

async fn tidy(messenger: &Messenger) -> StoreResult<()> {
    // What an earlier run did not get to the end of.
    messenger.purge_deleted().await?;
    messenger.forget_receipt_times(Timestamp::now()).await?;
    messenger.sweep_unused(Timestamp::now()).await
}
