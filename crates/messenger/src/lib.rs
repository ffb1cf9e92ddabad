//! The rules of the messenger: accounts, conversations, messages and receipts.
//!
//! Nothing here knows of channels, protocols, HTTP or SQL. What happened leaves through a [`Feed`], what must
//! last goes into a [`Store`]; both are traits that other crates implement. [`Messenger`] is the door: each of
//! its methods is one use case, with the caller given and every refusal a value of that use case's own error.

mod account;
mod administration;
mod attachment;
mod attempts;
pub mod blob;
mod contact;
mod conversation;
mod delete;
mod departure;
mod edit;
mod event;
mod feed;
mod forward;
mod hide;
mod ids;
mod invite;
mod login;
mod login_cache;
mod mail;
mod media;
mod member;
mod mention;
mod message;
mod my_state;
mod notified;
mod password;
mod people;
mod pin;
mod policy;
mod push;
mod reaction;
mod receipt;
mod report;
pub mod search;
mod second_factor;
pub mod seed;
mod settings;
mod status;
pub mod store;
mod sync;
pub mod text;
mod thread;
mod token;
mod typing;

pub use account::{
    Account, AccountKind, AccountStatus, NewAccount, RegisterError, Registration, SearchPeopleError,
    ServerRole, Username, UsernameError,
};
pub use administration::{
    AdminAccount, AuditEntry, ChangeAccountError, Counts, CreatedServerInvite, NewServerInvite, ServerInvite,
    ServerInviteError,
};
pub use attachment::{
    Attachment, AttachmentError, AttachmentId, AttachmentKind, AttachmentLimits, AttachmentState,
    AvatarError, Content, Incoming, MediaError, MediaItem, NewUpload, Thumb, Upload, UploadError,
};
pub use contact::{Blocked, Contact, ContactError};
pub use conversation::{
    Conversation, ConversationKind, CreateGroupError, CreatedGroup, GroupWish, ListError, ListItem,
    OpenDirectError, Opened, Page,
};
pub use delete::DeleteError;
pub use departure::DeleteAccountError;
pub use edit::{EditError, VersionsError};
pub use event::{Audience, Event, LogoutReason, Moved, RemovalReason};
pub use feed::{Feed, NoFeed};
pub use forward::ForwardError;
pub use ids::{ClientId, ConversationId, InviteId, LoginId, MessageId, Timestamp, UserId};
pub use invite::{CreatedInvite, Invite, InviteError, InviteWish, JoinError, Joined, NewInvite};
pub use login::{AuthenticateError, Caller, Device, LogInError, LoggedIn, Login};
pub use mail::{Email, EmailError, Mail, MailError, MailKind, MailTokenError, Mailer};
pub use media::VoiceNote;
pub use member::{
    AccessError, AddMembersError, Added, Ban, ListMembersError, Member, MemberError, MemberState, Role,
};
pub use message::{
    Draft, History, HistoryError, HistoryRange, Mention, Message, MessageKind, MessageStatus, Quote,
    ReactionSummary, SendError, Sent, SystemEvent, ThreadSummary,
};
pub use my_state::{DraftWish, KeptDraft, MyStateError, MyStateWish, Notify};
pub use people::{
    ChangeMeError, ChangePasswordError, Me, Openness, PasswordError, Privacy, PrivacyChange, ProfileChange,
    SETTINGS_BYTES_MAX,
};
pub use pin::PinError;
pub use policy::{EditHistory, Newcomers, Policies, PolicyChange, Who, may_remove};
pub use push::{Notification, PushDevice, PushSubscription};
pub use reaction::{ReactError, Reaction, ReactionsError};
pub use receipt::{Advance, AdvanceError, ReadAllError, ToldReceipt, Watermarks};
pub use report::{AdminListError, Report, ReportError, ReportStatus, ReportWish, ReportedMessage};
pub use search::{Hit, Hits, SearchError, SearchOrder, SearchWish, Snippet, Total};
pub use second_factor::{Offered, SecondFactorError, SecondStepError};
pub use settings::{DeleteConversationError, SettingsChange, SettingsWish, UpdateError};
pub use status::{Arrival, ArrivalsError};
use store::{Store, StoreError};
pub use sync::{Changes, SyncError, SyncPage};
pub use thread::{
    FollowError, Thread, ThreadChange, ThreadError, ThreadPage, ThreadPlace, ThreadWatermark, ThreadsError,
};
pub use token::Token;
pub use typing::{TypingAudience, TypingKind, TypingSignal};

use attachment::Files;
use attempts::Attempts;
use login_cache::LoginCache;
use parking_lot::Mutex;
use password::PasswordHasher;
use std::collections::VecDeque;
use std::sync::Arc;

/// Limits and policies, with the defaults of a fresh server. Lengths count characters unless named `bytes`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may create accounts.
    pub registration: Registration,
    /// Longest message body.
    pub body_chars_max: usize,
    /// Longest message body in bytes of UTF-8.
    pub body_bytes_max: usize,
    /// Longest title of a group.
    pub title_chars_max: usize,
    /// Longest display name.
    pub display_name_chars_max: usize,
    /// Longest description of a group.
    pub description_chars_max: usize,
    /// Longest words about oneself.
    pub bio_chars_max: usize,
    /// Most devices one user is logged in on; the one that was not used for longest is logged out.
    pub devices_max: usize,
    /// Seconds after which a login ends that was not used.
    pub device_idle_s: u64,
    /// Most members of a group.
    pub group_members_max: usize,
    /// Most administrators of a group, the owner not counted.
    pub group_admins_max: usize,
    /// Most groups one user may create within 24 hours.
    pub groups_per_day_max: usize,
    /// Most conversations one user may be in by its own doing.
    pub conversations_max: usize,
    /// Most messages one user may report within 24 hours.
    pub reports_per_day_max: usize,
    /// Most invites of one group that still let people in.
    pub invites_max: usize,
    /// Seconds an invite lasts when its creator does not say.
    pub invite_life_s: u64,
    /// Groups with more members than this have `@all` only for their owner and administrators.
    pub mention_all_members_max: usize,
    /// Most pinned messages of one conversation.
    pub pins_max: usize,
    /// Most different emojis under a message.
    pub reactions_distinct_max: usize,
    /// Most versions of an edited message that are kept where the conversation keeps any; at least 2.
    pub versions_max: u64,
    /// What new conversations allow.
    pub policies: Policies,
    /// Messages or list items in a page when the caller does not say.
    pub page_size: usize,
    /// Largest page a caller may ask for.
    pub page_size_max: usize,
    /// Conversations with more members than this do not share receipts.
    pub receipts_members_max: usize,
    /// In conversations with up to so many members authors learn when a message was received and seen.
    pub receipt_times_members_max: usize,
    /// Seconds for which that is kept.
    pub receipt_times_s: u64,
    /// In conversations with more members than this nobody sees others type.
    pub typing_members_max: usize,
    /// In conversations with more members than this only those who have them open see others type.
    pub typing_relayed_members_max: usize,
    /// Most people, besides members of open groups, who hear when somebody comes and goes.
    pub presence_watchers_max: usize,
    /// In groups with more members than this nobody hears of single members coming and going.
    pub presence_members_max: usize,
    /// Shortest password.
    pub password_chars_min: usize,
    /// Failed log-ins per account and address within [`Options::login_window_s`] before refusing.
    pub login_failures_max: u32,
    /// Seconds over which failed log-ins are counted.
    pub login_window_s: u64,
    /// Address of the web UI, to which links in mails lead. Without one there is no mail.
    pub mail_links: Option<String>,
    /// Pending changes of one conversation beyond which a client is told to start it afresh.
    pub changes_max: u64,
    /// Seconds after which the cursor of a synchronisation is too old to go on from.
    pub cursor_life_s: u64,
    /// Bounds of attachments.
    pub attachments: AttachmentLimits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            registration: Registration::Open,
            body_chars_max: 10_000,
            body_bytes_max: 40 * 1024,
            title_chars_max: 128,
            display_name_chars_max: 64,
            description_chars_max: 512,
            bio_chars_max: 280,
            devices_max: 20,
            device_idle_s: 90 * 24 * 60 * 60,
            group_members_max: 1_024,
            group_admins_max: 50,
            groups_per_day_max: 20,
            conversations_max: 5_000,
            reports_per_day_max: 50,
            invites_max: 100,
            invite_life_s: 7 * 24 * 60 * 60,
            mention_all_members_max: 32,
            pins_max: 50,
            reactions_distinct_max: 20,
            versions_max: 50,
            policies: Policies::default(),
            page_size: 50,
            page_size_max: 100,
            receipts_members_max: 256,
            receipt_times_members_max: 100,
            receipt_times_s: 30 * 24 * 60 * 60,
            typing_members_max: 256,
            typing_relayed_members_max: 20,
            presence_watchers_max: 500,
            presence_members_max: 256,
            password_chars_min: 8,
            login_failures_max: 10,
            login_window_s: 15 * 60,
            mail_links: None,
            changes_max: 2_000,
            cursor_life_s: 30 * 24 * 60 * 60,
            attachments: AttachmentLimits::default(),
        }
    }
}

/// The messenger. Cheap to share behind an `Arc`; what it holds besides the store is only memory that may be
/// lost: recent proofs of logins, recent failures to log in, and who has just asked for a new password.
pub struct Messenger {
    store: Arc<dyn Store>,
    feed: Arc<dyn Feed>,
    options: Options,
    passwords: PasswordHasher,
    attempts: Attempts,
    code_attempts: Attempts,
    mails: Attempts,
    forgotten: Mutex<VecDeque<Email>>,
    mail_wanted: tokio::sync::Notify,
    logins: Arc<LoginCache>,
    files: Option<Files>,
}

impl Messenger {
    /// A messenger over `store` whose events go to `feed`.
    pub fn new(store: Arc<dyn Store>, feed: Arc<dyn Feed>, options: Options) -> Self {
        let attempts = || Attempts::new(options.login_failures_max, options.login_window_s);
        let (attempts, code_attempts) = (attempts(), attempts());
        Self {
            store,
            feed,
            options,
            passwords: PasswordHasher::new(),
            attempts,
            code_attempts,
            mails: Attempts::new(mail::MAILS_MAX, mail::MAILS_WINDOW_S),
            forgotten: Mutex::default(),
            mail_wanted: tokio::sync::Notify::new(),
            logins: Arc::new(LoginCache::default()),
            files: None,
        }
    }

    /// The limits in force.
    pub fn options(&self) -> &Options {
        &self.options
    }
}

/// Any use case may fail because the store did: the caller should try again later.
pub type StoreResult<T> = Result<T, StoreError>;
