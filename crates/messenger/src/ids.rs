//! Ids as newtypes, and the time.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A person's or bot's account; a positive integer below 2^53, handed out by the store.
    UserId
);
id!(
    /// A direct, group or self conversation; a positive integer below 2^53.
    ConversationId
);
id!(
    /// A message, unique over all conversations; a positive integer below 2^53.
    MessageId
);
id!(
    /// An account logged in on one device; the number before the bar of its token.
    LoginId
);

/// An invite to a group: a UUID. It names the invite to those who run the group, and lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InviteId(pub uuid::Uuid);

/// The key a client made for a message, so that sending again cannot send twice: a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId(pub uuid::Uuid);

/// Milliseconds since 1970 in UTC, by the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time now.
    pub fn now() -> Self {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("the clock is past 1970");
        Self(since_epoch.as_millis() as i64)
    }
}
