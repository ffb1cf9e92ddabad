//! The JSON shapes of the REST API and of its events, all in one place; see `docs/API.md`. Here is what many of them
//! are made of.

mod attachment;
mod catching_up;
mod conversation;
mod event;
mod groups;
mod member;
mod message;
mod moderation;
mod people;
mod search;
mod threads;
mod watermarks;
mod words;

pub(super) use attachment::{Attachment, MediaItem, Upload};
pub(super) use catching_up::{Changes, ChangesOf, History, SyncPage};
pub(super) use conversation::{Conversation, ListItem};
pub(super) use event::{Event, Receipt};
pub(super) use groups::{
    Added, Ban, ChangedPolicies, Draft, EditHistoryWord, Invite, InvitePreview, NewcomersWord, NotifyWord,
    Policies, WhoWord,
};
pub(super) use member::{ChangedMember, ListedMember, Member, My};
pub(super) use message::{Listed, Mention, Message, Reaction};
pub(super) use moderation::{AdminUser, AuditEntry, Counts, OwnReport, Report, ReportWord, ServerInvite};
pub(super) use people::{Blocked, Contact, Device, Me, OfferedSecret, Person, RecoveryCodes, Renewed};
pub(super) use search::{Found, Hit, Hits};
pub(super) use threads::{Followed, Replies, Thread, ThreadWatermark};
pub(super) use watermarks::{MovedTo, Watermarks, WatermarksOf};
pub(super) use words::{OpennessWord, PresenceState};

use chinwag_messenger as domain;
use chinwag_messenger::{AccountKind, Timestamp};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use words::UserKind;

/// A moment, in RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-03-12T14:05:09.120Z")]
pub(super) struct Moment(pub(super) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match jiff::Timestamp::from_millisecond(self.0.0) {
            Ok(moment) => serializer.collect_str(&format_args!("{moment:.3}")),
            Err(error) => Err(serde::ser::Error::custom(error)),
        }
    }
}

/// A list that ends here, or goes on at the cursor.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    pub(super) next_cursor: Option<String>,
}

impl<T> List<T> {
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
        }
    }
}

/// Items without more to come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct User<'a> {
    id: i64,
    username: &'a str,
    display_name: &'a str,
    /// The attachment it is shown by, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>, nullable = false)]
    avatar_id: Option<String>,
    kind: UserKind,
    deleted: bool,
    /// The account may not be used for now, so nobody waits for it to see anything.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(nullable = false, required = false)]
    suspended: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(given: &bool) -> bool {
    !given
}

impl<'a> From<&'a domain::Account> for User<'a> {
    fn from(account: &'a domain::Account) -> Self {
        Self {
            id: account.id.0,
            username: account.username.as_str(),
            display_name: &account.display_name,
            avatar_id: account.avatar.map(|id| id.to_string()),
            kind: match account.kind {
                AccountKind::Human => UserKind::Human,
                AccountKind::Bot => UserKind::Bot,
            },
            deleted: account.deleted_at.is_some(),
            suspended: account.suspended,
        }
    }
}

/// A fresh login; the token is left out when it went into a cookie.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedIn<'a> {
    pub(super) user: Me<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) token: Option<&'a str>,
}

/// What became of one item of many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Outcome<T> {
    /// It was done.
    Done(T),
    /// It was refused, with the code why.
    Refused {
        /// The code.
        error: &'static str,
    },
}

/// Whether somebody is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PresenceOf {
    pub(super) user_id: i64,
    pub(super) state: PresenceState,
    pub(super) last_seen_at: Option<Moment>,
}
