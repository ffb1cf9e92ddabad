//! What administrators see: accounts, reports, their own log and invites to the server.

use chinwag_messenger as domain;
use chinwag_messenger::{Account, AccountStatus, ReportStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::words::ServerRoleWord;
use super::{Moment, User};

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AccountStatus)]
enum StatusWord {
    Active,
    Suspended,
    Deleted,
}

/// An account as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct AdminUser<'a> {
    #[serde(flatten)]
    user: User<'a>,
    server_role: ServerRoleWord,
    status: StatusWord,
    /// How many it is logged in on.
    devices: u64,
    created_at: Moment,
    last_seen_at: Option<Moment>,
}

impl<'a> From<&'a domain::AdminAccount> for AdminUser<'a> {
    fn from(shown: &'a domain::AdminAccount) -> Self {
        let account = &shown.account;
        Self {
            user: account.into(),
            server_role: account.server_role.into(),
            status: match account.status() {
                AccountStatus::Active => StatusWord::Active,
                AccountStatus::Suspended => StatusWord::Suspended,
                AccountStatus::Deleted => StatusWord::Deleted,
            },
            devices: shown.devices,
            created_at: Moment(account.created_at),
            last_seen_at: account.last_seen_at.map(Moment),
        }
    }
}

/// What became of a report.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReportStatus)]
pub(in crate::messenger) enum ReportWord {
    Open,
    Resolved,
    Dismissed,
}

impl ReportWord {
    pub(in crate::messenger) fn parse(word: &str) -> Option<Self> {
        match word {
            "open" => Some(Self::Open),
            "resolved" => Some(Self::Resolved),
            "dismissed" => Some(Self::Dismissed),
            _ => None,
        }
    }

    pub(in crate::messenger) fn meant(self) -> ReportStatus {
        match self {
            Self::Open => ReportStatus::Open,
            Self::Resolved => ReportStatus::Resolved,
            Self::Dismissed => ReportStatus::Dismissed,
        }
    }
}

impl From<ReportStatus> for ReportWord {
    fn from(status: ReportStatus) -> Self {
        match status {
            ReportStatus::Open => Self::Open,
            ReportStatus::Resolved => Self::Resolved,
            ReportStatus::Dismissed => Self::Dismissed,
        }
    }
}

/// A report as the one who made it sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct OwnReport<'a> {
    id: i64,
    message_id: i64,
    reason: &'a str,
    created_at: Moment,
}

impl<'a> From<&'a domain::Report> for OwnReport<'a> {
    fn from(report: &'a domain::Report) -> Self {
        Self {
            id: report.id,
            message_id: report.message.0,
            reason: &report.reason,
            created_at: Moment(report.created_at),
        }
    }
}

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Report<'a> {
    id: i64,
    reporter_id: i64,
    /// Who wrote the reported message.
    reported_id: i64,
    message_id: i64,
    conversation_id: i64,
    reason: &'a str,
    /// The message as it was when it was reported, after up to five that came before it.
    copy: Vec<CopiedMessage<'a>>,
    /// Everybody who is in the report.
    users: Vec<User<'a>>,
    created_at: Moment,
    status: ReportWord,
    handled_by: Option<i64>,
    handled_at: Option<Moment>,
}

/// A message as it was when it was reported.
#[derive(Debug, Serialize, ToSchema)]
struct CopiedMessage<'a> {
    id: i64,
    seq: u64,
    author_id: i64,
    body: &'a str,
    created_at: Moment,
}

impl<'a> Report<'a> {
    /// Among the people there may be others.
    pub(in crate::messenger) fn new(report: &'a domain::Report, people: &'a [Account]) -> Self {
        let in_it = |account: &&Account| {
            [report.reporter, report.reported].contains(&account.id)
                || report.copy.iter().any(|message| message.author == account.id)
        };
        Self {
            id: report.id,
            reporter_id: report.reporter.0,
            reported_id: report.reported.0,
            message_id: report.message.0,
            conversation_id: report.conversation.0,
            reason: &report.reason,
            copy: report
                .copy
                .iter()
                .map(|message| CopiedMessage {
                    id: message.id.0,
                    seq: message.seq,
                    author_id: message.author.0,
                    body: &message.body,
                    created_at: Moment(message.created_at),
                })
                .collect(),
            users: people.iter().filter(in_it).map(User::from).collect(),
            created_at: Moment(report.created_at),
            status: report.status.into(),
            handled_by: report.handled.map(|(by, _)| by.0),
            handled_at: report.handled.map(|(_, at)| Moment(at)),
        }
    }
}

/// Something an administrator did.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct AuditEntry<'a> {
    id: i64,
    actor_id: i64,
    /// `user.suspended`, `report.handled` …
    action: &'a str,
    /// To whom or what.
    #[schema(value_type = Object)]
    subject: Value,
    at: Moment,
}

impl<'a> From<&'a domain::AuditEntry> for AuditEntry<'a> {
    fn from(entry: &'a domain::AuditEntry) -> Self {
        Self {
            id: entry.id,
            actor_id: entry.actor.0,
            action: &entry.action,
            subject: serde_json::from_str(&entry.subject).unwrap_or_default(),
            at: Moment(entry.at),
        }
    }
}

/// An invite to the server.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct ServerInvite<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    created_by: i64,
    created_at: Moment,
    expires_at: Option<Moment>,
    max_uses: Option<u64>,
    uses: u64,
    revoked_at: Option<Moment>,
    /// Told when it is made and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<&'a str>,
}

impl<'a> ServerInvite<'a> {
    pub(in crate::messenger) fn with(token: Option<&'a str>, invite: &domain::ServerInvite) -> Self {
        Self {
            id: invite.id.to_string(),
            created_by: invite.created_by.0,
            created_at: Moment(invite.created_at),
            expires_at: invite.expires_at.map(Moment),
            max_uses: invite.max_uses,
            uses: invite.uses,
            revoked_at: invite.revoked_at.map(Moment),
            token,
        }
    }
}

/// How much there is on the server.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Counts {
    users: u64,
    suspended: u64,
    conversations: u64,
    messages: u64,
    open_reports: u64,
}

impl From<domain::Counts> for Counts {
    fn from(counts: domain::Counts) -> Self {
        Self {
            users: counts.accounts,
            suspended: counts.suspended,
            conversations: counts.conversations,
            messages: counts.messages,
            open_reports: counts.open_reports,
        }
    }
}
