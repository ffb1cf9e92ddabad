//! Who is meant by a name in a message.

use super::StoreError;
use crate::{ConversationId, UserId};
use async_trait::async_trait;

/// Names of members.
#[async_trait]
pub trait Mentions {
    /// Those of the names, in lower case, that are usernames of active members, and whose.
    async fn members_named(
        &self,
        conversation: ConversationId,
        names: &[String],
    ) -> Result<Vec<(String, UserId)>, StoreError>;
}
