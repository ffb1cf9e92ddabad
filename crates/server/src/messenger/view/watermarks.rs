//! How far somebody has read.

use chinwag_messenger as domain;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Outcome, ThreadWatermark};

/// Where the caller stands in one conversation, or why not.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct WatermarksOf {
    pub(in crate::messenger) conversation_id: i64,
    #[serde(flatten)]
    pub(in crate::messenger) outcome: Outcome<MovedTo>,
}

/// In the conversation, or in a thread of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::messenger) enum MovedTo {
    Conversation(Watermarks),
    Thread(ThreadWatermark),
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Watermarks {
    delivered_seq: u64,
    seen_seq: u64,
    unread_count: u32,
    unread_mentions: u32,
}

impl From<&domain::Watermarks> for Watermarks {
    fn from(marks: &domain::Watermarks) -> Self {
        Self {
            delivered_seq: marks.delivered_seq,
            seen_seq: marks.seen_seq,
            unread_count: marks.unread_count,
            unread_mentions: marks.unread_mentions,
        }
    }
}
