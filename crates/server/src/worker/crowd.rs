//! Channels with so many subscribers on a worker that they are served slice by slice, so that everything else does not
//! wait for all of them.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chinwag_engine::{AppNumber, ChannelName, Delivery};
use chinwag_protocol::Input;

use super::Worker;
use super::inbox::weight;
use crate::connection::Connection;

/// Subscribers beyond which a channel's connections are served slice by slice.
pub(super) const CROWD: usize = 256;
/// Connections of a crowd that are served in one go: a third of a millisecond or so, in which everything else waits,
/// also the next publication. The shorter that is, the more publications a pass brings when it is busy.
const SLICE: usize = 64;
/// Deliveries that such a channel's connections get in one go.
const PASS_MAX: usize = 64;

/// The crowds that are being served, in the order of their turns.
#[derive(Default)]
pub(super) struct Crowds(VecDeque<Pass>);

/// What is published on a crowd's channel while it is served goes out with the next pass over it, in order.
struct Pass {
    app: AppNumber,
    channel: ChannelName,
    /// What this pass brings.
    deliveries: Vec<Arc<Delivery>>,
    /// To whom it is still to be brought.
    left: std::vec::IntoIter<Rc<Connection>>,
    waiting: VecDeque<Arc<Delivery>>,
}

impl Crowds {
    /// Nobody is being served.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has the delivery wait for the next pass over the channel's crowd, if that is being served.
    pub(super) fn add(&mut self, channel: &ChannelName, delivery: &Arc<Delivery>) -> bool {
        let app = delivery.publication.app;
        let mut passes = self.0.iter_mut();
        let found = passes.find(|pass| pass.app == app && pass.channel == *channel);
        if let Some(pass) = found {
            pass.waiting.push_back(delivery.clone());
            return true;
        }
        false
    }

    /// Has the channel's subscribers served from now on, with this delivery first.
    pub(super) fn begin(&mut self, channel: &ChannelName, delivery: &Arc<Delivery>) {
        self.0.push_back(Pass {
            app: delivery.publication.app,
            channel: channel.clone(),
            deliveries: Vec::new(),
            left: Vec::new().into_iter(),
            waiting: VecDeque::from([delivery.clone()]),
        });
    }
}

impl Worker {
    /// Serves a slice of the crowd whose turn it is.
    pub(super) fn serve_slice(&self) {
        let Some(mut pass) = self.crowds.borrow_mut().0.pop_front() else {
            return;
        };
        if pass.left.len() == 0 {
            let several = pass.waiting.len().min(PASS_MAX);
            pass.deliveries = pass.waiting.drain(..several).collect();
            let (hub, connections) = (self.hub.borrow(), self.connections.borrow());
            let slots = hub.subscribers(pass.app, &pass.channel);
            let subscribers: Vec<_> = slots.map(|slot| connections[slot.0 as usize].clone()).collect();
            pass.left = subscribers.into_iter();
        }
        let now = self.now();
        for connection in pass.left.by_ref().take(SLICE) {
            for delivery in &pass.deliveries {
                if delivery.publication.except != Some(connection.id) {
                    let input = Input::Delivery(delivery, &pass.channel);
                    connection.input(now, input, &self.options);
                }
            }
            connection.flush();
            self.arm(&connection);
        }
        if pass.left.len() == 0 {
            let done: usize = pass.deliveries.drain(..).map(|delivery| weight(&delivery)).sum();
            self.inbox.bytes.fetch_sub(done, Ordering::Relaxed);
        }
        if pass.left.len() > 0 || !pass.waiting.is_empty() {
            self.crowds.borrow_mut().0.push_back(pass);
        }
    }
}
