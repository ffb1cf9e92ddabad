//! Catching up: what changed since a client last looked.

use crate::conversation::{read_place, write_place};
use crate::store::{HiddenPlace, StoreError, SyncPlace};
use crate::{
    AccessError, Caller, Conversation, ConversationId, ListItem, Me, Member, Message, Messenger, Timestamp,
};

/// Most list items in a page of synchronisation, and most changes in one of a conversation.
const PAGE_MAX: usize = 200;

/// A page of what a client must know to be up to date.
#[derive(Debug, Clone)]
pub struct SyncPage {
    /// To be given next time; opaque.
    pub cursor: String,
    /// The caller's account.
    pub me: Me,
    /// Conversations touched since the cursor, each perhaps without need, none left out.
    pub items: Vec<ListItem>,
    /// Conversations no longer in the caller's list.
    pub removed: Vec<ConversationId>,
    /// Messages that the caller has hidden from itself.
    pub hidden: Vec<HiddenPlace>,
    /// Ask again with the new cursor.
    pub has_more: bool,
}

/// What changed in one conversation after a rev.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Messages whose last change is later, as they are now, ascending rev.
    pub messages: Vec<Message>,
    /// The conversation, when it changed later.
    pub conversation: Option<Conversation>,
    /// Its members, when they changed later.
    pub members: Option<Vec<Member>>,
    /// All changes up to here are in what was returned.
    pub upto_rev: u64,
    /// There are more.
    pub has_more: bool,
    /// Too much has changed: these are the newest messages, forget how far you were.
    pub reset: bool,
}

/// Why synchronising is refused.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Not one of ours.
    #[error("the cursor is not valid")]
    CursorInvalid,
    /// Older than [`Options::cursor_life_s`](crate::Options::cursor_life_s): start afresh, without one.
    #[error("the cursor is too old")]
    CursorExpired,
    /// Outside 1 to the maximum (200).
    #[error("the limit is out of range")]
    LimitInvalid,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// What was touched since `cursor`; everything when there is none.
    pub async fn sync(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<SyncPage, SyncError> {
        let limit = limit.unwrap_or(self.options.page_size.min(PAGE_MAX));
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(SyncError::LimitInvalid);
        }
        let place = match cursor {
            Some(text) => {
                let (place, made_s) = read_cursor(text).ok_or(SyncError::CursorInvalid)?;
                let age_s = made_s.map(|made_s| now_s().saturating_sub(made_s));
                if age_s.is_some_and(|age_s| age_s > self.options.cursor_life_s) {
                    return Err(SyncError::CursorExpired);
                }
                place
            }
            None => SyncPlace::Start,
        };
        let members_max = self.options.receipts_members_max;
        let touched = self.store.touched(caller.user, place, limit, members_max).await?;
        let touched = touched.ok_or(SyncError::CursorInvalid)?;
        let me = self.me(caller.user).await?;
        Ok(SyncPage {
            cursor: write_cursor(touched.place, now_s()),
            me: me.ok_or_else(|| StoreError::Broken("the caller has no account".into()))?,
            items: touched.items,
            removed: touched.removed,
            hidden: touched.hidden,
            has_more: touched.has_more,
        })
    }

    /// What changed in one conversation; `limit` up to 200.
    pub async fn changes(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        after_rev: u64,
        limit: usize,
    ) -> Result<Changes, AccessError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let changes_max = self.options.changes_max;
        let changes = self
            .store
            .changes(caller.user, conversation, after_rev, limit, changes_max)
            .await?;
        let mut changes = changes.ok_or(AccessError::NotFound)?;
        self.personalise(caller.user, &mut changes.messages).await?;
        Ok(changes)
    }
}

/// The server's clock, in seconds.
fn now_s() -> u64 {
    u64::try_from(Timestamp::now().0 / 1_000).unwrap_or_default()
}

/// `s<time>`, `s<time>+<id>` or `l<time>@<place>`, and behind `~` the second in which it was made.
fn write_cursor(place: SyncPlace, made_s: u64) -> String {
    let place = match place {
        SyncPlace::Start => "s0".to_owned(),
        SyncPlace::Listing {
            from,
            after: (at, id),
        } => format!("l{from}@{}", write_place(at, id)),
        SyncPlace::Since { time, also: None } => format!("s{time}"),
        SyncPlace::Since { time, also: Some(id) } => format!("s{time}+{id}"),
    };
    format!("{place}~{made_s}")
}

/// The place, and when the cursor was made; those of earlier versions do not say.
fn read_cursor(text: &str) -> Option<(SyncPlace, Option<u64>)> {
    match text.split_once('~') {
        Some((place, made_s)) => Some((read_sync_place(place)?, Some(made_s.parse().ok()?))),
        None => Some((read_sync_place(text)?, None)),
    }
}

fn read_sync_place(text: &str) -> Option<SyncPlace> {
    // Far above any real one; keeps arithmetic on what clients send from overflowing.
    let time = |text: &str| text.parse().ok().filter(|&time: &u64| time < 1 << 53);
    if let Some(listing) = text.strip_prefix('l') {
        let (from, place) = listing.split_once('@')?;
        return Some(SyncPlace::Listing {
            from: time(from)?,
            after: read_place(place)?,
        });
    }
    let since = text.strip_prefix('s')?;
    match since.split_once('+') {
        Some((at, id)) => Some(SyncPlace::Since {
            time: time(at)?,
            also: Some(ConversationId(id.parse().ok()?)),
        }),
        None => Some(SyncPlace::Since {
            time: time(since)?,
            also: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn cursors_read_back() {
        let places = [
            SyncPlace::Since { time: 7, also: None },
            SyncPlace::Since {
                time: 7,
                also: Some(ConversationId(9)),
            },
            SyncPlace::Listing {
                from: 7,
                after: (Timestamp(123), ConversationId(9)),
            },
        ];
        for place in places {
            assert_eq!(read_cursor(&write_cursor(place, 8)), Some((place, Some(8))));
        }
    }

    #[test]
    fn anything_else_is_not_a_cursor() {
        for faulty in [
            "",
            "s",
            "l",
            "x7",
            "s-1",
            "s7+",
            "l7",
            "l7@",
            "l@1.2",
            "s99999999999999999999",
            "s7+x",
            "s7~",
            "s7~x",
            "~8",
        ] {
            assert_eq!(read_cursor(faulty), None, "{faulty:?}");
        }
    }
}
