//! Has files removed that nobody refers to any more.

use std::sync::Arc;
use std::time::Duration;

use chinwag_messenger::{Messenger, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often to look for what was never used.
const PERIOD: Duration = Duration::from_secs(60 * 60);

/// Sweeps until cancelled: at once what was deleted, and from time to time what nobody came back for.
pub async fn sweep(messenger: Arc<Messenger>, cancellation: CancellationToken) {
    let mut period = tokio::time::interval(PERIOD);
    loop {
        let swept = tokio::select! {
            () = cancellation.cancelled() => return,
            () = messenger.files_released() => messenger.sweep().await,
            _ = period.tick() => messenger.sweep_unused(Timestamp::now()).await,
        };
        if let Err(error) = swept {
            warn!(%error, "Files that nobody needs could not be removed; this is tried again");
        }
    }
}
