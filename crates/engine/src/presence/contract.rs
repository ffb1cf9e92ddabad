//! What every presence promises, as a suite that each implementation runs in its tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{JoinError, Member, Presence};
use crate::app::AppNumber;
use crate::broker::Sink;
use crate::channel::ChannelName;
use crate::publication::{ConnectionId, Content, Position, Publication, UserId};

/// A viewer that was there from the beginning and applies every change it is sent.
#[derive(Default)]
struct Viewer {
    log: Mutex<Vec<String>>,
    there: Mutex<BTreeMap<String, u64>>,
}

impl Sink for Viewer {
    fn deliver_each(&self, publication: Publication, _: &[ChannelName]) {
        self.deliver(publication, None);
    }

    fn deliver(&self, publication: Publication, _: Option<Position>) {
        match publication.content {
            Content::Joined { member, version } => {
                self.log.lock().push(format!("+{}@{version}", member.user.0));
                self.there.lock().insert(member.user.0.to_string(), version);
            }
            Content::Left { user, version } => {
                self.log.lock().push(format!("-{}@{version}", user.0));
                self.there.lock().remove(&*user.0);
            }
            _ => panic!("presence publishes joins and leaves only"),
        }
    }
}

fn member(user: &str, info: &str) -> Member {
    Member {
        user: UserId(user.into()),
        info: Some(info.into()),
    }
}

fn connection(number: u32) -> ConnectionId {
    ConnectionId { node: 1, number }
}

/// Runs the suite against presences made by `make`, each with its own sink.
///
/// # Panics
/// When a promise is broken.
pub async fn check<P: Presence>(make: impl Fn(Arc<dyn Sink>) -> Arc<P>) {
    let app = AppNumber(1);
    let room = ChannelName::parse("presence-room").expect("a valid name");
    let viewer = Arc::new(Viewer::default());
    let presence = make(viewer.clone());
    let users = |roster: &super::Roster| -> Vec<String> {
        roster.members.iter().map(|m| m.user.0.to_string()).collect()
    };

    // The first connection of a user joins it, the last one leaves; the roster holds the newcomer.
    let first = presence
        .join(app, &room, connection(1), member("ann", "1"), 2)
        .await
        .expect("joins");
    assert_eq!((users(&first), first.version), (vec!["ann".to_owned()], 1));
    presence
        .join(app, &room, connection(2), member("ann", "2"), 2)
        .await
        .expect("a second connection");
    presence
        .join(app, &room, connection(2), member("ann", "2"), 2)
        .await
        .expect("twice the same");
    let both = presence
        .join(app, &room, connection(3), member("ben", "3"), 2)
        .await
        .expect("joins");
    assert_eq!(
        (users(&both), both.version),
        (vec!["ann".to_owned(), "ben".to_owned()], 2)
    );
    assert_eq!(
        both.members[0].info.as_deref(),
        Some("1"),
        "the oldest connection's information"
    );

    // Limits count users, not connections.
    let full = presence
        .join(app, &room, connection(4), member("cleo", "4"), 2)
        .await;
    assert_eq!(full, Err(JoinError::Full));
    presence
        .join(app, &room, connection(5), member("ben", "5"), 2)
        .await
        .expect("ben is there already");

    // The oldest connection goes: nothing is announced, the next one's information shows.
    presence.leave(app, &room, connection(1)).await.expect("leaves");
    let roster = presence.roster(app, &room).await.expect("answers");
    assert_eq!(
        roster
            .members
            .iter()
            .find(|m| &*m.user.0 == "ann")
            .and_then(|m| m.info.as_deref()),
        Some("2")
    );
    presence.leave(app, &room, connection(2)).await.expect("leaves");
    presence
        .leave(app, &room, connection(2))
        .await
        .expect("leaving twice is nothing");
    assert_eq!(*viewer.log.lock(), ["+ann@1", "+ben@2", "-ann@3"]);

    // Another app's channel of the same name is another channel.
    assert!(
        presence
            .roster(AppNumber(2), &room)
            .await
            .expect("answers")
            .members
            .is_empty()
    );

    presence.leave(app, &room, connection(3)).await.expect("leaves");
    presence.leave(app, &room, connection(5)).await.expect("leaves");
    let empty = presence.roster(app, &room).await.expect("answers");
    assert_eq!((empty.members.len(), empty.version), (0, 4));

    // Versions go on rising after the channel was empty.
    let back = presence
        .join(app, &room, connection(6), member("ann", "6"), 2)
        .await
        .expect("joins");
    assert!(
        back.version > empty.version,
        "{} after {}",
        back.version,
        empty.version
    );
    presence.leave(app, &room, connection(6)).await.expect("leaves");
    assert!(
        viewer.there.lock().is_empty(),
        "nobody is left over for whoever applied the changes"
    );
}
