//! Deleting messages for oneself: others keep them and do not learn of it.

use crate::store::{HiddenIn, HideRecord, NotSeen};
use crate::{AccessError, Audience, Caller, Event, MessageId, Messenger, Timestamp};
use std::sync::Arc;

impl Messenger {
    /// Hides messages from the caller, all or none. Its other devices hear of it.
    pub async fn hide(&self, caller: &Caller, ids: &[MessageId]) -> Result<(), AccessError> {
        let (user, at) = (caller.user, Timestamp::now());
        let mut messages = ids.to_vec();
        messages.sort_unstable();
        messages.dedup();
        let record = HideRecord { user, messages, at };
        let feed = Arc::clone(&self.feed);
        let announce = move |hidden: &Result<Vec<HiddenIn>, NotSeen>| {
            for hidden in hidden.iter().flatten() {
                let event = Event::MemberStateChanged {
                    my: hidden.my.clone(),
                    hidden: hidden.out_of_list,
                    messages: Some((hidden.items.clone(), hidden.unread)),
                    user_rev: hidden.user_rev,
                    at,
                };
                feed.deliver(&Audience::Users(vec![user]), &event);
            }
        };
        let hidden = self.store.hide(record, Box::new(announce)).await?;
        hidden.map(drop).map_err(|NotSeen| AccessError::NotFound)
    }
}
