//! The hub: which of one worker's connections listen to what. It belongs to that worker's thread alone.
//!
//! Every subscription is known from both sides, and each side remembers the other's place, so that
//! subscribing, unsubscribing and dropping a connection cost the same however large the channel is.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use slab::Slab;
use smallvec::SmallVec;

use crate::app::AppNumber;
use crate::channel::ChannelName;

/// A connection's place in its worker's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChannelPlace(u32);

/// A connection in a channel's list; `place` is where the channel stands in the connection's own list.
#[derive(Debug, Clone, Copy)]
struct Subscriber {
    slot: Slot,
    place: u32,
}

/// A channel in a connection's list; `place` is where the connection stands in the channel's list.
#[derive(Debug, Clone, Copy)]
struct Subscription {
    channel: ChannelPlace,
    place: u32,
    present: bool,
}

/// A subscription that a dropped connection had.
#[derive(Debug, Clone)]
pub struct Dropped {
    /// The app.
    pub app: AppNumber,
    /// The channel.
    pub channel: ChannelName,
    /// Whether it was present there.
    pub present: bool,
}

struct Listeners {
    app: AppNumber,
    name: ChannelName,
    subscribers: Vec<Subscriber>,
}

/// Whether a table has so much more room than it needs that giving it back is worth moving what is in it: seldom
/// enough to cost each removal next to nothing.
pub(crate) fn is_sparse(length: usize, capacity: usize) -> bool {
    capacity > 64 && length * 4 < capacity
}

/// Who of a worker's connections listens to what.
#[derive(Default)]
pub struct Hub {
    channels: Slab<Listeners>,
    by_name: HashMap<(AppNumber, ChannelName), ChannelPlace, RandomState>,
    connections: Vec<SmallVec<[Subscription; 2]>>,
}

impl Hub {
    /// The connection listens to the channel from now on, and is `present` on it. `false` when it did already.
    pub fn subscribe(&mut self, slot: Slot, app: AppNumber, name: &ChannelName, present: bool) -> bool {
        let key = (app, name.clone());
        let channel = *self.by_name.entry(key).or_insert_with(|| {
            let listeners = Listeners {
                app,
                name: name.clone(),
                subscribers: Vec::new(),
            };
            ChannelPlace(self.channels.insert(listeners) as u32)
        });
        if self.connections.len() <= slot.0 as usize {
            self.connections.resize_with(slot.0 as usize + 1, SmallVec::new);
        }
        let subscriptions = &mut self.connections[slot.0 as usize];
        if subscriptions.iter().any(|s| s.channel == channel) {
            return false;
        }
        let subscribers = &mut self.channels[channel.0 as usize].subscribers;
        let place = subscribers.len() as u32;
        subscribers.push(Subscriber {
            slot,
            place: subscriptions.len() as u32,
        });
        subscriptions.push(Subscription {
            channel,
            place,
            present,
        });
        true
    }

    /// The connection no longer listens. Whether it was present; `None` when it did not listen.
    pub fn unsubscribe(&mut self, slot: Slot, app: AppNumber, name: &ChannelName) -> Option<bool> {
        let &channel = self.by_name.get(&(app, name.clone()))?;
        let subscriptions = self.connections.get(slot.0 as usize)?;
        let index = subscriptions.iter().position(|s| s.channel == channel)?;
        let present = subscriptions[index].present;
        self.remove(slot, index);
        Some(present)
    }

    /// Takes the connection off everything, and tells what it was.
    pub fn drop_connection(&mut self, slot: Slot) -> Vec<Dropped> {
        let Some(subscriptions) = self.connections.get(slot.0 as usize) else {
            return Vec::new();
        };
        let mut dropped = Vec::with_capacity(subscriptions.len());
        while let Some(&Subscription { channel, present, .. }) = self.connections[slot.0 as usize].last() {
            let listeners = &self.channels[channel.0 as usize];
            dropped.push(Dropped {
                app: listeners.app,
                channel: listeners.name.clone(),
                present,
            });
            let last = self.connections[slot.0 as usize].len() - 1;
            self.remove(slot, last);
        }
        // The slot's next connection begins small again, and after the last slot that is in use there is none.
        self.connections[slot.0 as usize] = SmallVec::new();
        while self.connections.last().is_some_and(SmallVec::is_empty) {
            self.connections.pop();
        }
        if is_sparse(self.connections.len(), self.connections.capacity()) {
            self.connections.shrink_to(self.connections.len() * 2);
        }
        dropped
    }

    /// The connections that listen to the channel.
    pub fn subscribers<'a>(
        &'a self,
        app: AppNumber,
        name: &ChannelName,
    ) -> impl ExactSizeIterator<Item = Slot> + use<'a> {
        let channel = self.by_name.get(&(app, name.clone()));
        let listeners = channel.map(|place| self.channels[place.0 as usize].subscribers.as_slice());
        listeners
            .unwrap_or_default()
            .iter()
            .map(|subscriber| subscriber.slot)
    }

    fn remove(&mut self, slot: Slot, index: usize) {
        let subscriptions = &mut self.connections[slot.0 as usize];
        let gone = subscriptions.swap_remove(index);
        if let Some(moved) = subscriptions.get(index).copied() {
            let listeners = &mut self.channels[moved.channel.0 as usize];
            listeners.subscribers[moved.place as usize].place = index as u32;
        }
        let listeners = &mut self.channels[gone.channel.0 as usize];
        listeners.subscribers.swap_remove(gone.place as usize);
        if let Some(moved) = listeners.subscribers.get(gone.place as usize).copied() {
            self.connections[moved.slot.0 as usize][moved.place as usize].place = gone.place;
        }
        if listeners.subscribers.is_empty() {
            let empty = self.channels.remove(gone.channel.0 as usize);
            self.by_name.remove(&(empty.app, empty.name));
            if is_sparse(self.by_name.len(), self.by_name.capacity()) {
                self.by_name.shrink_to(self.by_name.len() * 2);
                self.channels.shrink_to_fit();
            }
        } else if is_sparse(listeners.subscribers.len(), listeners.subscribers.capacity()) {
            let keep = listeners.subscribers.len() * 2;
            listeners.subscribers.shrink_to(keep);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn name(n: u8) -> ChannelName {
        ChannelName::parse(&format!("channel-{n}")).unwrap()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Subscribe(u32, u8),
        Unsubscribe(u32, u8),
        Drop(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..12u32, 0..6u8).prop_map(|(s, c)| Step::Subscribe(s, c)),
            2 => (0..12u32, 0..6u8).prop_map(|(s, c)| Step::Unsubscribe(s, c)),
            1 => (0..12u32).prop_map(Step::Drop),
        ];
        proptest::collection::vec(step, 1..200)
    }

    proptest! {
        #[test]
        fn the_hub_agrees_with_a_plain_set_of_pairs(steps in steps()) {
            let app = AppNumber(0);
            let mut hub = Hub::default();
            let mut model = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Subscribe(s, c) => {
                        prop_assert_eq!(hub.subscribe(Slot(s), app, &name(c), s % 2 == 0), model.insert((c, s)));
                    }
                    Step::Unsubscribe(s, c) => {
                        let was = model.remove(&(c, s)).then_some(s % 2 == 0);
                        prop_assert_eq!(hub.unsubscribe(Slot(s), app, &name(c)), was);
                    }
                    Step::Drop(s) => {
                        let mut dropped: Vec<_> =
                            hub.drop_connection(Slot(s)).into_iter().map(|d| (d.channel, d.present)).collect();
                        dropped.sort();
                        let had: Vec<_> =
                            model.iter().filter(|p| p.1 == s).map(|p| (name(p.0), s % 2 == 0)).collect();
                        prop_assert_eq!(dropped, had);
                        model.retain(|&(_, slot)| slot != s);
                    }
                }
                for c in 0..6 {
                    let mut got: Vec<u32> = hub.subscribers(app, &name(c)).map(|s| s.0).collect();
                    got.sort_unstable();
                    let want: Vec<u32> = model.iter().filter(|p| p.0 == c).map(|p| p.1).collect();
                    prop_assert_eq!(got, want);
                }
            }
            prop_assert_eq!(hub.by_name.len(), model.iter().map(|p| p.0).collect::<BTreeSet<_>>().len());
        }
    }

    #[test]
    fn apps_do_not_hear_each_other() {
        let mut hub = Hub::default();
        hub.subscribe(Slot(1), AppNumber(0), &name(1), false);
        assert_eq!(hub.subscribers(AppNumber(1), &name(1)).count(), 0);
    }
}
