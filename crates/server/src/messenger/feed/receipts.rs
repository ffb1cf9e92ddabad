//! Receipts on their way to people's sockets. One's own devices hear of one's own at once. Others hear of those of
//! one conversation at most twice a second: what comes in between is merged, and the last state always goes out.
//!
//! Unlike other events receipts do not queue, since of two moves of one watermark only the later counts: what waits
//! is at most one of each member in each conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chinwag_messenger::{ConversationId, Event, MessageId, Moved, UserId};
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::warn;

use super::{FeedCounters, tell};
use crate::messenger::MessengerApi;
use crate::messenger::realtime::user_channel;
use crate::messenger::view::{self, Receipt};

/// Between two events about one conversation, or one thread, to the others.
const PAUSE: Duration = Duration::from_millis(500);

/// Conversation and, within one, thread.
type Place = (ConversationId, Option<MessageId>);

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    waiting: Mutex<Waiting>,
    touched: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    own: HashMap<UserId, BTreeMap<Place, Own>>,
    others: HashMap<Place, Lane>,
    switched: BTreeSet<UserId>,
    closed: bool,
}

/// One's own watermarks in one place, and what is left to read there.
#[derive(Debug)]
struct Own {
    moved: Moved,
    unread: (u32, u32),
}

/// What others are to hear of one place.
#[derive(Debug, Default)]
struct Lane {
    moves: BTreeMap<UserId, Moved>,
    /// Who may hear of it.
    audience: BTreeSet<UserId>,
    /// Not before.
    next_at: Option<Instant>,
}

/// What is to be told now.
#[derive(Debug, Default)]
struct Due {
    own: HashMap<UserId, BTreeMap<Place, Own>>,
    others: Vec<(Place, Vec<Moved>, BTreeSet<UserId>)>,
    switched: BTreeSet<UserId>,
    /// When there is more.
    next_at: Option<Instant>,
    closed: bool,
}

impl Waiting {
    fn put_own(&mut self, moved: Moved, unread: (u32, u32)) {
        let place = (moved.conversation, moved.thread_root);
        let of_user = self.own.entry(moved.user).or_default();
        let own = of_user.entry(place).or_insert(Own { moved, unread });
        if moved.to >= own.moved.to {
            own.unread = unread;
        }
        own.moved = own.moved.merged(&moved);
    }

    fn put_others(&mut self, moved: &Moved, audience: &[UserId]) {
        let lane = self
            .others
            .entry((moved.conversation, moved.thread_root))
            .or_default();
        lane.moves
            .entry(moved.user)
            .and_modify(|held| *held = held.merged(moved))
            .or_insert(*moved);
        lane.audience.extend(audience);
    }

    /// Takes what is due. A place rests after it was told of, and is forgotten when nothing came meanwhile.
    fn take(&mut self, now: Instant) -> Due {
        let mut due = Due {
            own: std::mem::take(&mut self.own),
            switched: std::mem::take(&mut self.switched),
            closed: self.closed,
            ..Due::default()
        };
        let closed = self.closed;
        self.others.retain(|&place, lane| {
            let rests = lane.next_at.is_some_and(|at| at > now) && !closed;
            if !rests {
                if lane.moves.is_empty() {
                    return false;
                }
                let moves = std::mem::take(&mut lane.moves).into_values().collect();
                due.others
                    .push((place, moves, std::mem::take(&mut lane.audience)));
                lane.next_at = Some(now + PAUSE);
            }
            due.next_at = match (due.next_at, lane.next_at) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            true
        });
        due
    }
}

impl Receipts {
    /// Takes the event if it is about receipts.
    pub(super) fn take(&self, audience: &[UserId], event: &Event) -> bool {
        let mut waiting = self.waiting.lock();
        match *event {
            Event::ReceiptUpdated {
                conversation,
                user,
                delivered_seq,
                seen_seq,
                thread_root,
                unread,
            } => {
                let to = (delivered_seq, seen_seq);
                let moved = Moved {
                    conversation,
                    user,
                    thread_root,
                    from: to,
                    to,
                };
                waiting.put_own(moved, unread);
            }
            Event::WatermarksMoved(moved) => waiting.put_others(&moved, audience),
            Event::ReceiptsSwitched { user } => {
                waiting.switched.insert(user);
            }
            _ => return false,
        }
        drop(waiting);
        self.touched.notify_one();
        true
    }

    /// Nothing more comes: what waits is told without a rest, and [`Receipts::run`] ends.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.touched.notify_one();
    }

    /// Tells what there is until closed.
    pub(super) async fn run(self: Arc<Self>, api: Arc<MessengerApi>, counters: Arc<FeedCounters>) {
        loop {
            let due = self.waiting.lock().take(Instant::now());
            let (next_at, closed) = (due.next_at, due.closed);
            due.tell(&api, &counters).await;
            if closed {
                return;
            }
            tokio::select! {
                () = self.touched.notified() => {}
                () = sleep_until(next_at) => {}
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Due {
    async fn tell(self, api: &MessengerApi, counters: &FeedCounters) {
        let listens = |user: &UserId| api.engine.has_subscribers(api.app.number, &user_channel(*user));
        for (user, places) in self.own {
            if listens(&user) {
                let total = match api.messenger.total_unread(user).await {
                    Ok(total) => Some(total),
                    Err(error) => {
                        warn!(%error, "Receipts go without the number of all that is unread");
                        None
                    }
                };
                let items = places.values();
                let items = items.map(|own| Receipt::own(&own.moved, own.unread, total));
                publish(api, counters, &[user], items.collect()).await;
            }
        }
        for ((conversation, _), moves, audience) in self.others {
            let listeners: Vec<UserId> = audience.into_iter().filter(listens).collect();
            match api.messenger.receipts_for(conversation, &moves, &listeners).await {
                Ok(groups) => {
                    for (users, receipts) in groups {
                        let items = receipts.iter().map(Receipt::from).collect();
                        publish(api, counters, &users, items).await;
                    }
                }
                Err(error) => {
                    warn!(%error, "Receipts were told to nobody; clients learn of them by synchronising");
                }
            }
        }
        for user in self.switched {
            match api.messenger.receipt_peers(user).await {
                Ok(peers) => {
                    let event = view::Event::sync_required("receipts_switched");
                    counters.refuse(tell(api, &peers, event).await);
                }
                Err(error) => {
                    warn!(%error, "Others were not told that somebody shares receipts or does not");
                }
            }
        }
    }
}

async fn publish(api: &MessengerApi, counters: &FeedCounters, users: &[UserId], items: Vec<Receipt>) {
    let event = view::Event::receipts(items);
    counters.refuse(tell(api, users, event).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ConversationId = ConversationId(7);

    fn moved(user: i64, from: (u64, u64), to: (u64, u64)) -> Moved {
        Moved {
            conversation: HERE,
            user: UserId(user),
            thread_root: None,
            from,
            to,
        }
    }

    /// The moves in the one place that is due.
    fn moves(waiting: &mut Waiting, now: Instant) -> Vec<Moved> {
        let mut due = waiting.take(now);
        assert!(due.others.len() <= 1);
        due.others.pop().map(|(_, moves, _)| moves).unwrap_or_default()
    }

    #[test]
    fn others_hear_at_once_and_then_twice_a_second_with_the_last_state_at_the_end() {
        let mut waiting = Waiting::default();
        let begin = Instant::now();
        let mut told = Vec::new();
        for ms in 0..1_600 {
            if ms < 700 {
                let n = ms;
                waiting.put_others(&moved(2, (n, n), (n + 1, n)), &[UserId(1)]);
            }
            let now = begin + Duration::from_millis(ms);
            told.extend(
                moves(&mut waiting, now)
                    .into_iter()
                    .map(|moved| (ms, moved.from.0, moved.to.0)),
            );
        }
        assert_eq!(told, [(0, 0, 1), (500, 1, 501), (1_000, 501, 700)]);
        assert!(waiting.others.is_empty(), "a place at rest is forgotten");
    }

    #[test]
    fn moves_merge_to_the_same_in_any_order() {
        let given = [
            moved(2, (0, 0), (3, 0)),
            moved(2, (3, 0), (3, 2)),
            moved(2, (3, 2), (9, 9)),
            moved(3, (1, 1), (4, 1)),
        ];
        for turn in 0..given.len() {
            let mut waiting = Waiting::default();
            let mut order = given;
            order.rotate_left(turn);
            if turn % 2 == 1 {
                order.reverse();
            }
            for moved in order {
                // Whatever is told twice changes nothing.
                waiting.put_others(&moved, &[UserId(1)]);
                waiting.put_others(&moved, &[UserId(1)]);
            }
            let expected = [moved(2, (0, 0), (9, 9)), moved(3, (1, 1), (4, 1))];
            assert_eq!(moves(&mut waiting, Instant::now()), expected);
        }
    }

    #[test]
    fn ones_own_numbers_are_those_of_the_later_place() {
        let mut waiting = Waiting::default();
        for (to, unread) in [(5, 1), (6, 0), (4, 2)] {
            waiting.put_own(moved(2, (to, to), (to, to)), (unread, 0));
        }
        let due = waiting.take(Instant::now());
        let own = &due.own[&UserId(2)][&(HERE, None)];
        assert_eq!((own.moved.to, own.unread), ((6, 6), (0, 0)));
    }

    #[test]
    fn what_waits_goes_out_at_the_end() {
        let mut waiting = Waiting::default();
        let now = Instant::now();
        waiting.put_others(&moved(2, (0, 0), (1, 1)), &[UserId(1)]);
        assert_eq!(moves(&mut waiting, now).len(), 1);
        waiting.put_others(&moved(2, (1, 1), (2, 2)), &[UserId(1)]);
        assert_eq!(moves(&mut waiting, now).len(), 0);
        waiting.closed = true;
        assert_eq!(moves(&mut waiting, now), [moved(2, (1, 1), (2, 2))]);
    }
}
