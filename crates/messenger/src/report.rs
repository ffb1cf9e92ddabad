//! Reports: people show administrators what others said to them.

use crate::store::{ReportRefusal, Reported, StoreError};
use crate::{Caller, ConversationId, MessageId, Messenger, Page, StoreResult, Timestamp, UserId, text};

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportStatus {
    /// Nothing yet.
    Open,
    /// Something was done.
    Resolved,
    /// There was nothing to do.
    Dismissed,
}

/// A report to be stored.
#[derive(Debug, Clone)]
pub struct ReportWish {
    /// Who reports.
    pub reporter: UserId,
    /// What.
    pub message: MessageId,
    /// Why.
    pub reason: String,
    /// Most reports of this reporter within 24 hours, this one included.
    pub per_day_max: usize,
    /// When.
    pub at: Timestamp,
}

/// A message as it was when it was reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedMessage {
    /// Its id.
    pub id: MessageId,
    /// Its place.
    pub seq: u64,
    /// Who said it.
    pub author: UserId,
    /// The words.
    pub body: String,
    /// When.
    pub created_at: Timestamp,
}

/// A report.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its number.
    pub id: i64,
    /// Who reported.
    pub reporter: UserId,
    /// Which message.
    pub message: MessageId,
    /// Where it was said.
    pub conversation: ConversationId,
    /// Who said it.
    pub reported: UserId,
    /// Why it was reported.
    pub reason: String,
    /// The message and up to five before it, in their order.
    pub copy: Vec<ReportedMessage>,
    /// When.
    pub created_at: Timestamp,
    /// What became of it.
    pub status: ReportStatus,
    /// Who decided that, and when.
    pub handled: Option<(UserId, Timestamp)>,
}

/// Why nothing is reported.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No such message, or none the caller may see.
    #[error("no such message")]
    NotFound,
    /// Over the limit.
    #[error("the reason is too long")]
    ReasonTooLong,
    /// Enough for today; try again after so many seconds.
    #[error("too many reports today")]
    TooManyToday {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a page for administrators is refused.
#[derive(Debug, thiserror::Error)]
pub enum AdminListError {
    /// Not one of ours.
    #[error("the cursor is not valid")]
    CursorInvalid,
    /// Outside 1 to the maximum.
    #[error("the limit is out of range")]
    LimitInvalid,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Longest reason.
const REASON_CHARS_MAX: usize = 1_000;

impl Messenger {
    /// Reports a message to the administrators, who get a copy of it and of the five before it. The same again
    /// returns the first report.
    pub async fn report(
        &self,
        caller: &Caller,
        message: MessageId,
        reason: &str,
    ) -> Result<Reported, ReportError> {
        let reason = text::paragraph(reason);
        if reason.chars().count() > REASON_CHARS_MAX {
            return Err(ReportError::ReasonTooLong);
        }
        let wish = ReportWish {
            reporter: caller.user,
            message,
            reason,
            per_day_max: self.options.reports_per_day_max,
            at: Timestamp::now(),
        };
        self.store.report(wish).await?.map_err(|refusal| match refusal {
            ReportRefusal::NotFound => ReportError::NotFound,
            ReportRefusal::TooManyToday { retry_after_s } => ReportError::TooManyToday { retry_after_s },
        })
    }

    /// Reports, newest first. For administrators; what it shows was copied when it was reported.
    pub async fn reports(
        &self,
        status: Option<ReportStatus>,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<Report>, AdminListError> {
        let (before, limit) = self.numbered_page(cursor, limit)?;
        let items = self.store.reports(status, before, limit + 1).await?;
        Ok(cut(items, limit, |report| report.id.to_string()))
    }

    /// Says what became of a report; `None` when there is none.
    pub async fn handle_report(
        &self,
        actor: &Caller,
        id: i64,
        status: ReportStatus,
    ) -> StoreResult<Option<Report>> {
        self.store
            .handle_report(actor.user, id, status, Timestamp::now())
            .await
    }

    /// Where a page of numbered things goes on, and how long it is.
    pub(crate) fn numbered_page(
        &self,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<(Option<i64>, usize), AdminListError> {
        let limit = self.page_limit(limit).ok_or(AdminListError::LimitInvalid)?;
        let place = cursor.map(str::parse).transpose();
        Ok((place.map_err(|_| AdminListError::CursorInvalid)?, limit))
    }
}

/// A page of `limit` from one item more, if there was one.
pub(crate) fn cut<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(cursor);
    Page { items, next_cursor }
}
