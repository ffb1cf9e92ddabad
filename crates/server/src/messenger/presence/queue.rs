//! In which order each user's connections came.

use std::collections::VecDeque;

use chinwag_engine::ConnectionId;
use chinwag_messenger::UserId;
use hashbrown::HashMap;

/// Connections kept of one user. Some of them may never have come: they were let in and did not join.
const CONNECTIONS_MAX: usize = 256;

/// Users kept; when there are more, the order is forgotten for all. Then it is only known of those who come after
/// that, and a user who has too many connections may keep some for longer.
const USERS_MAX: usize = 256 * 1024;

/// The connections of each user, in the order in which they were let in.
#[derive(Default)]
pub(super) struct Queues(HashMap<UserId, VecDeque<ConnectionId>>);

impl Queues {
    /// The connection is let in, and `surplus` of those before it are to go: the first ones, which are returned.
    pub(super) fn admit(
        &mut self,
        user: UserId,
        connection: ConnectionId,
        surplus: usize,
    ) -> Vec<ConnectionId> {
        if self.0.len() >= USERS_MAX && !self.0.contains_key(&user) {
            self.0.clear();
        }
        let queue = self.0.entry(user).or_default();
        queue.retain(|known| *known != connection);
        let first = queue.drain(..surplus.min(queue.len())).collect();
        if queue.len() >= CONNECTIONS_MAX {
            queue.pop_front();
        }
        queue.push_back(connection);
        first
    }

    /// The connection is gone.
    pub(super) fn left(&mut self, user: UserId, connection: ConnectionId) {
        if let Some(queue) = self.0.get_mut(&user) {
            queue.retain(|known| *known != connection);
            if queue.is_empty() {
                self.0.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAM: UserId = UserId(1);

    fn connection(number: u32) -> ConnectionId {
        ConnectionId { node: 1, number }
    }

    #[test]
    fn those_who_came_first_go_first() {
        let mut queues = Queues::default();
        for number in 1..=4 {
            assert!(queues.admit(SAM, connection(number), 0).is_empty());
        }
        queues.left(SAM, connection(2));
        assert!(
            queues.admit(SAM, connection(1), 0).is_empty(),
            "let in again it is the last one"
        );
        assert_eq!(
            queues.admit(SAM, connection(5), 2),
            [connection(3), connection(4)]
        );
        assert_eq!(queues.admit(SAM, connection(5), 1), [connection(1)]);
        assert!(queues.admit(UserId(2), connection(6), 3).is_empty());
    }

    #[test]
    fn what_is_kept_has_bounds() {
        let mut queues = Queues::default();
        for number in 0..=CONNECTIONS_MAX as u32 {
            queues.admit(SAM, connection(number), 0);
        }
        assert_eq!(queues.0[&SAM].len(), CONNECTIONS_MAX);
        assert_eq!(queues.admit(SAM, connection(0), 1), [connection(1)]);
        for number in 1..CONNECTIONS_MAX as u32 + 1 {
            queues.left(SAM, connection(number));
        }
        queues.left(SAM, connection(0));
        assert!(queues.0.is_empty());
    }
}
