//! Publications: what is published on a channel, where it stands, and how it travels to local connections.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::app::AppNumber;
use crate::channel::ChannelName;
use crate::presence::Member;

/// One client's link, unique among all nodes: the node's number, then its own. Prints as `12.345`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    /// The node, chosen at random when it starts; at least 1.
    pub node: u32,
    /// Unique on its node, and not to be guessed from another one.
    pub number: u32,
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.number)
    }
}

/// The text is not two numbers with a dot between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a connection")]
pub struct ConnectionIdError;

impl FromStr for ConnectionId {
    type Err = ConnectionIdError;

    fn from_str(text: &str) -> Result<Self, ConnectionIdError> {
        let (node, number) = text.split_once('.').ok_or(ConnectionIdError)?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(node) || !digits(number) {
            return Err(ConnectionIdError);
        }
        // A well-formed id too large to be one of ours names a connection that does not exist.
        let parse = |part: &str| part.parse().unwrap_or(u32::MAX);
        Ok(Self {
            node: parse(node),
            number: parse(number),
        })
    }
}

/// A user as the engine sees one: whatever text the application calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub Arc<str>);

/// The connection that published something, and who it is on that channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// The connection.
    pub connection: ConnectionId,
    /// The user, on channels that know users.
    pub user: Option<UserId>,
}

/// What is published on a channel.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The tenant.
    pub app: AppNumber,
    /// The channel.
    pub channel: ChannelName,
    /// What it says.
    pub content: Content,
    /// The connection it came from, if it came from one.
    pub publisher: Option<Publisher>,
    /// The connection that must not get it.
    pub except: Option<ConnectionId>,
}

/// What a publication says.
#[derive(Debug, Clone)]
pub enum Content {
    /// The application's own words. `data` is passed on byte for byte.
    Message {
        /// Name of the event, in protocols that have names.
        event: Option<Arc<str>>,
        /// The payload.
        data: Bytes,
    },
    /// A user's first connection came. A roster of this version or later holds it already.
    Joined {
        /// Who.
        member: Member,
        /// Version of the roster after it.
        version: u64,
    },
    /// A user's last connection went.
    Left {
        /// Who.
        user: UserId,
        /// Version of the roster after it.
        version: u64,
    },
    /// How many connections are subscribed to the channel.
    Subscribers {
        /// So many.
        count: usize,
    },
    /// An order to all connections of a user, wherever they listen, to end for good.
    Disconnect {
        /// Who.
        user: UserId,
    },
}

impl Publication {
    /// A message from the application's server.
    pub fn message(app: AppNumber, channel: ChannelName, event: &str, data: impl Into<Bytes>) -> Self {
        let content = Content::Message {
            event: Some(event.into()),
            data: data.into(),
        };
        Self {
            app,
            channel,
            content,
            publisher: None,
            except: None,
        }
    }
}

/// Where a publication stands in its channel's history. Offsets are dense within an epoch; another epoch
/// means that the history was lost in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Which history.
    pub epoch: u64,
    /// Which publication in it, from 1.
    pub offset: u64,
}

/// A wire format, as the place of its encoded copy in a [`Delivery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireFormat(pub usize);

const WIRE_FORMATS: usize = 6;

/// A publication on its way to local connections, with one encoded copy per wire format.
#[derive(Debug)]
pub struct Delivery {
    /// What was published.
    pub publication: Publication,
    /// Where it stands, if the channel has history.
    pub position: Option<Position>,
    /// It goes to many channels: whoever takes it is told on which, and only what is the same on all of them is
    /// encoded here. The publication's own channel is the first of them.
    pub to_many: bool,
    encoded: [OnceLock<Bytes>; WIRE_FORMATS],
}

impl Delivery {
    /// Prepares a publication for delivery.
    pub fn new(publication: Publication, position: Option<Position>) -> Arc<Self> {
        Arc::new(Self {
            publication,
            position,
            to_many: false,
            encoded: Default::default(),
        })
    }

    /// Prepares a publication for delivery on many channels, none of which keeps history.
    pub fn to_many(publication: Publication) -> Arc<Self> {
        Arc::new(Self {
            publication,
            position: None,
            to_many: true,
            encoded: Default::default(),
        })
    }

    /// The encoded copy: the first to ask encodes, the rest share the bytes.
    pub fn encoded(&self, format: WireFormat, encode: impl FnOnce(&Self) -> Bytes) -> &Bytes {
        self.encoded[format.0].get_or_init(|| encode(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_ids_read_back_and_refuse_everything_else() {
        let id = ConnectionId {
            node: 12,
            number: 345,
        };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "", "1", "1.", ".1", "1.2.3", "a.b", "-1.2", "+1.2", " 1.2", "1.2 ", "1e3.2",
        ] {
            assert_eq!(bad.parse::<ConnectionId>(), Err(ConnectionIdError), "{bad:?}");
        }
        assert!(
            "9999999999.1".parse::<ConnectionId>().is_ok(),
            "well-formed but unknown"
        );
    }
}
