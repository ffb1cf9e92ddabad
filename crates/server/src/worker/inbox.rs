//! What other threads have for a worker.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chinwag_engine::{Content, Delivery, Inbox, Inboxed};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Newcomer;
use crate::reception::Reception;

/// Publications that wait in an inbox, in bytes, beyond which publishers must hold back.
const INBOX_BYTES_MAX: usize = 32 * 1024 * 1024;

pub(super) enum Item {
    Engine(Inboxed),
    Newcomer(Box<Newcomer>),
    /// A socket to accept on.
    Door(TcpListener, Arc<Reception>),
}

/// What waits for a worker. Bounded by [`Inbox::is_full`] for publications; newcomers are bounded by the number of
/// connections a node may have.
#[derive(Default)]
pub(super) struct WorkerInbox {
    pub(super) items: Mutex<Vec<Item>>,
    pub(super) bytes: AtomicUsize,
    pub(super) stopping: AtomicBool,
    pub(super) notify: Notify,
}

impl WorkerInbox {
    pub(super) fn push(&self, item: Item) {
        let was_empty = {
            let mut items = self.items.lock();
            items.push(item);
            items.len() == 1
        };
        if was_empty {
            self.notify.notify_one();
        }
    }
}

impl Inbox for WorkerInbox {
    fn put(&self, item: Inboxed) {
        if let Inboxed::Delivery(delivery) | Inboxed::Deliveries(delivery, _) = &item {
            self.bytes.fetch_add(weight(delivery), Ordering::Relaxed);
        }
        self.push(Item::Engine(item));
    }

    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > INBOX_BYTES_MAX
    }
}

pub(super) fn weight(delivery: &Delivery) -> usize {
    let data = match &delivery.publication.content {
        Content::Message { data, .. } => data.len(),
        _ => 0,
    };
    256 + data
}
