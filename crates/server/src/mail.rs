//! Sends the messenger's mail when it is due.

use std::sync::Arc;
use std::time::Duration;

use chinwag_messenger::{Mailer, Messenger};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long to wait when the store fails.
const PAUSE: Duration = Duration::from_secs(5);

/// Sends until cancelled. A delivery that is under way then is cut off and will be tried again.
pub async fn send_mail(
    messenger: Arc<Messenger>,
    mailer: Arc<dyn Mailer>,
    server: String,
    cancellation: CancellationToken,
) {
    let sending = async {
        loop {
            if let Err(error) = messenger.send_mail(&*mailer, &server).await {
                warn!(%error, "Mail could not be taken from the store");
                tokio::time::sleep(PAUSE).await;
            }
            messenger.mail_due().await;
        }
    };
    tokio::select! {
        () = cancellation.cancelled() => {}
        () = sending => {}
    }
}
