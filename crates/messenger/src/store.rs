//! What the messenger asks of a store. SQLite is the reference; the contract suite says what every store keeps.
//!
//! Promises of all methods: one method is one transaction, done whole or not at all; a method that returned has
//! made its change last, through a crash or power loss too; what the store refuses is a value, and only its own
//! trouble a [`StoreError`]. Dropping the returned future never half-does anything.
//!
//! **Announcements.** Methods that change what others see take an [`Announce`]: the store calls it exactly once
//! after the commit, in commit order of each conversation, even when the one who asked has gone. It is not called
//! when nothing was committed, except that [`Messages::append`] also calls it for a message sent again.

mod attachments;
mod changes;
#[cfg(feature = "testing")]
pub mod contract;
mod departures;
mod forwards;
mod groups;
mod hides;
mod mails;
mod mentions;
mod moderation;
mod my_states;
mod people;
mod pins;
mod proofs;
mod pushes;
mod search;
mod threads;

pub use attachments::{
    Attachments, FinishedUpload, MediaPlace, NewAttachment, NewPart, QuotaExceeded, StoredAttachment,
};
pub use departures::{AccountDeleted, DeleteAccountRefusal, DepartureRecord, Departures};
pub use forwards::{ForwardRecord, ForwardRefusal, Forwards};
pub use groups::{
    Act, ActRefusal, Acted, Acting, Groups, InvitePreview, Invites, JoinRefusal, Joining, MemberQuery, Step,
    StepKind,
};
pub use hides::{HiddenIn, HiddenPlace, HideRecord, Hides, NotSeen};
pub use mails::{EmailRefusal, Emails, Mails, QueuedMail, ResetRecord, WantedEmail};
pub use mentions::Mentions;
pub use moderation::{
    AccountChange, AccountChangeRefusal, AccountChanged, Administration, ReportRefusal, Reported, Reports,
    ServerInvites,
};
pub use my_states::{Attention, MyStateChange, MyStateRefusal, MyStateSet, MyStates};
pub use people::{Contacts, MeChange, MeRefusal, Profiles, UserRev};
pub use pins::{PinRecord, PinRefusal, Pinned, Pins};
pub use proofs::{Purpose, SecondFactors, StoredFactor, StoredTicket, TicketRecord, Tickets};
pub use pushes::Pushes;
pub use search::{Search, SearchFound, SearchPage, SearchPlace, SearchQuery};
pub use threads::{Followed, Replies, ThreadAdvance, ThreadAdvanced, ThreadRefusal, Threads};

pub use changes::{
    DeleteRecord, DeleteRefusal, DeletedIn, EditRecord, EditRefusal, Edited, MessageChanges, ReactRecord,
    ReactRefusal, Reacted, Told, Version, VersionsRefusal,
};

pub use crate::status::Recipient;
use crate::{
    Account, AccountKind, AccountStatus, Advance, Arrival, AttachmentId, Changes, ClientId, Conversation,
    ConversationId, History, HistoryRange, ListItem, Login, LoginId, Member, MemberState, Mention, Message,
    MessageId, Policies, ServerRole, ThreadChange, ThreadPlace, Timestamp, UserId, Username,
};
use async_trait::async_trait;
use std::sync::Arc;

/// What is to be told of a committed change. Must not block.
pub type Announce<T> = Box<dyn FnOnce(&T) + Send>;

/// Everything that must last. SQLite is the reference.
pub trait Store:
    Accounts
    + Logins
    + Departures
    + Pushes
    + Conversations
    + Groups
    + Invites
    + MyStates
    + Mentions
    + Hides
    + Pins
    + Forwards
    + Messages
    + Receipts
    + CatchUp
    + Profiles
    + Contacts
    + MessageChanges
    + Search
    + Attachments
    + Threads
    + Tickets
    + SecondFactors
    + Emails
    + Mails
    + Reports
    + Administration
    + ServerInvites
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: Accounts
        + Logins
        + Departures
        + Pushes
        + Conversations
        + Groups
        + Invites
        + MyStates
        + Mentions
        + Hides
        + Pins
        + Forwards
        + Messages
        + Receipts
        + CatchUp
        + Profiles
        + Contacts
        + MessageChanges
        + Search
        + Attachments
        + Threads
        + Tickets
        + SecondFactors
        + Emails
        + Mails
        + Reports
        + Administration
        + ServerInvites
        + Send
        + Sync
{
}

/// The store could not do its work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Away for the moment: try again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// There is no room left.
    #[error("the store is full")]
    Full,
    /// Something that should not happen; the text is for the log only.
    #[error("the store failed: {0}")]
    Broken(String),
}

/// An account to be created.
#[derive(Debug, Clone)]
pub struct AccountRecord {
    /// Its name.
    pub username: Username,
    /// The name to show.
    pub display_name: String,
    /// What the account is found by; see [`crate::text::search_keys`].
    pub search_keys: Vec<String>,
    /// The hashed password.
    pub password_hash: String,
    /// Person or program.
    pub kind: AccountKind,
    /// On which terms.
    pub admission: Admission,
    /// When.
    pub at: Timestamp,
}

/// On which terms an account is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// As owner, and only when it is the first.
    FirstOnly,
    /// As owner when it is the first, else as member.
    Anyone,
    /// As owner when it is the first, else as member and only by an invite to the server, which is used up by one.
    Invited {
        /// SHA-256 of the invite's secret, in hex.
        secret_hash: String,
    },
    /// With this role.
    As(ServerRole),
}

/// Why an account was not created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountRefusal {
    /// Somebody has the name, or had it: names of deleted accounts are not given out.
    UsernameTaken,
    /// It would not have been the first.
    NotTheFirst,
    /// The invite lets nobody in, or not any more.
    NotInvited,
}

/// What a password is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose.
    pub account: Account,
    /// The hashed password.
    pub password_hash: String,
}

/// Accounts.
#[async_trait]
pub trait Accounts {
    /// Creates an account. Of two with one name, or two first ones, exactly one succeeds.
    async fn create_account(
        &self,
        record: AccountRecord,
    ) -> Result<Result<Account, AccountRefusal>, StoreError>;
    /// Whether there is any account, deleted ones included.
    async fn any_account(&self) -> Result<bool, StoreError>;
    /// All accounts by id.
    async fn all_accounts(&self) -> Result<Vec<Account>, StoreError>;
    /// Those of the accounts that exist, deleted ones included, by id.
    async fn accounts_by_id(&self, ids: &[UserId]) -> Result<Vec<Account>, StoreError>;
    /// The account with this name, unless deleted.
    async fn credentials(&self, username: &Username) -> Result<Option<Credentials>, StoreError>;
    /// Replaces the password and ends all logins but the one to keep, which are announced. Tickets are void.
    async fn set_password(
        &self,
        user: UserId,
        password_hash: String,
        keep: Option<LoginId>,
        announce: Announce<Vec<EndedLogin>>,
    ) -> Result<(), StoreError>;
    /// Accounts with a search key that begins with `prefix`, as far as they want to be found or `searcher` knows
    /// them: contacts and people of its direct conversations first, then by username. Neither deleted ones nor
    /// the searcher.
    async fn find_people(
        &self,
        prefix: &str,
        searcher: UserId,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError>;
    /// Moves `last_seen_at` forward.
    async fn saw(&self, user: UserId, at: Timestamp) -> Result<(), StoreError>;
}

/// A login to be created.
#[derive(Debug, Clone)]
pub struct LoginRecord {
    /// Public name of the device.
    pub device_id: uuid::Uuid,
    /// Whose.
    pub user: UserId,
    /// What the device is called.
    pub name: String,
    /// SHA-256 of the secret, in hex.
    pub secret_hash: String,
    /// When.
    pub at: Timestamp,
}

/// A login as needed to check a token.
#[derive(Debug, Clone)]
pub struct StoredLogin {
    /// The login.
    pub login: Login,
    /// SHA-256 of the secret, in hex.
    pub secret_hash: String,
    /// When it was last used, to the minute.
    pub last_used_at: Timestamp,
    /// Whether the account may use it.
    pub status: AccountStatus,
}

/// A login that was ended. Each is a change of the user's private state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedLogin {
    /// Which.
    pub login: LoginId,
    /// Public name of its device.
    pub device_id: uuid::Uuid,
    /// The user's change number for it.
    pub user_rev: u64,
}

/// Logins.
#[async_trait]
pub trait Logins {
    /// Creates a login. It is announced with the user's change number for it.
    async fn create_login(
        &self,
        record: LoginRecord,
        announce: Announce<(Login, u64)>,
    ) -> Result<Login, StoreError>;
    /// The login with this id, unless it has ended.
    async fn login(&self, id: LoginId) -> Result<Option<StoredLogin>, StoreError>;
    /// Moves `last_used_at` forward.
    async fn used(&self, id: LoginId, at: Timestamp) -> Result<(), StoreError>;
    /// The user's logins, last used first.
    async fn logins_of(&self, user: UserId) -> Result<Vec<StoredLogin>, StoreError>;
    /// Gives a login another secret; false when it has ended.
    async fn renew_login(&self, id: LoginId, secret_hash: String, at: Timestamp) -> Result<bool, StoreError>;
    /// Ends the user's login, which is announced; nothing happens when it has ended already.
    async fn end_login(
        &self,
        user: UserId,
        id: LoginId,
        announce: Announce<Vec<EndedLogin>>,
    ) -> Result<(), StoreError>;
}

/// A group to be created.
#[derive(Debug, Clone)]
pub struct GroupRecord {
    /// Its title.
    pub title: String,
    /// Its owner.
    pub creator: UserId,
    /// The others, without repetition, all existing.
    pub others: Vec<UserId>,
    /// What it allows whom.
    pub policies: Policies,
    /// Most groups the creator may have created within 24 hours, this one included.
    pub per_day_max: usize,
    /// Most conversations the creator may be in, this one included.
    pub conversations_max: usize,
    /// When.
    pub at: Timestamp,
}

/// A conversation that was opened.
#[derive(Debug, Clone)]
pub struct ConversationOpened {
    /// It.
    pub conversation: ConversationId,
    /// Whether it is new.
    pub created: bool,
    /// The members with their raised `user_rev`, when it is new.
    pub members: Vec<(UserId, u64)>,
}

/// A group that was created.
#[derive(Debug, Clone)]
pub struct GroupCreated {
    /// It.
    pub conversation: ConversationId,
    /// The members with their raised `user_rev`, by id.
    pub members: Vec<(UserId, u64)>,
    /// The note that it was created: seq 1, rev 1.
    pub created: Message,
    /// The note that people were added, and who they are: seq 2, rev 2. Absent when there are no others.
    pub added: Option<(Message, Vec<Member>)>,
}

/// Why a group was not created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupRefusal {
    /// The creator has created too many lately; when there is room again.
    TooManyToday {
        /// Seconds until then.
        retry_after_s: u64,
    },
    /// The creator is in too many conversations.
    TooManyConversations,
}

/// Which part of somebody's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListQuery {
    /// Only what is in the archive, or only what is not.
    pub archived: Option<bool>,
    /// After this place.
    pub after: Option<ListPlace>,
    /// At most so many.
    pub limit: usize,
}

/// A place in somebody's list: pinned conversations come first, by their order, then the others by activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListPlace {
    /// Among the pinned ones.
    Pinned(i64, ConversationId),
    /// Among the others.
    Active(Timestamp, ConversationId),
}

/// Conversations and their members.
#[async_trait]
pub trait Conversations {
    /// The one direct conversation of two people, or of one with itself; created, without messages, if there is
    /// none. Announced when created. The policies are those of a new one.
    async fn open_direct(
        &self,
        caller: UserId,
        peer: UserId,
        policies: Policies,
        at: Timestamp,
        announce: Announce<ConversationOpened>,
    ) -> Result<ConversationOpened, StoreError>;
    /// Creates a group: rev 1 is the note that it exists, rev 2 the one that people were added. The creator has
    /// seen both; for the others, who join before the second, nothing is unread.
    async fn create_group(
        &self,
        record: GroupRecord,
        announce: Announce<GroupCreated>,
    ) -> Result<Result<GroupCreated, GroupRefusal>, StoreError>;
    /// The viewer's conversations, pinned ones first, then from the newest activity down. Members and their
    /// watermarks are left out above `receipts_members_max` members.
    async fn list(
        &self,
        viewer: UserId,
        query: ListQuery,
        receipts_members_max: usize,
    ) -> Result<Vec<ListItem>, StoreError>;
    /// One of them, or one that is hidden or was left; `None` when the viewer never was a member.
    async fn list_item(
        &self,
        viewer: UserId,
        id: ConversationId,
        receipts_members_max: usize,
    ) -> Result<Option<ListItem>, StoreError>;
    /// The conversation and the user's part in it, even a past one.
    async fn standing(
        &self,
        user: UserId,
        id: ConversationId,
    ) -> Result<Option<(Conversation, MemberState)>, StoreError>;
    /// The ids of the active members, ascending.
    async fn member_ids(&self, id: ConversationId) -> Result<Vec<UserId>, StoreError>;
    /// The groups the user is in that have at most so many members, ascending.
    async fn small_groups(&self, user: UserId, members_max: usize)
    -> Result<Vec<ConversationId>, StoreError>;
    /// The other person of each of the user's direct conversations, ascending.
    async fn peers(&self, user: UserId) -> Result<Vec<UserId>, StoreError>;
}

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Who says it.
    pub author: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// The author's key for it.
    pub client_id: ClientId,
    /// Stands for what was sent, so that a repetition is known even after edits.
    pub content_hash: [u8; 16],
    /// The words, checked.
    pub body: String,
    /// Whom the words name.
    pub mentions: Vec<Mention>,
    /// The files it brings, in their order.
    pub attachments: Vec<AttachmentId>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// The thread it belongs to.
    pub thread: Option<ThreadPlace>,
    /// The name of who said it first, when it is forwarded.
    pub forwarded_from: Option<String>,
    /// Whether the author's own watermarks move to it.
    pub advance_seen: bool,
    /// See [`AdvanceTerms::times_members_max`].
    pub times_members_max: usize,
    /// When.
    pub at: Timestamp,
}

/// A stored message and who is to hear of it.
#[derive(Debug, Clone)]
pub struct Appended {
    /// As it is now.
    pub message: Message,
    /// It was stored before.
    pub replay: bool,
    /// Who hears of it.
    pub told: Told,
    /// Who hears of the author's watermarks: the active members, but nobody whom the author blocks.
    pub receipts_to: Arc<[UserId]>,
    /// Where the author's watermarks stood, delivered and seen, when sending moved them over older messages.
    pub passed: Option<(u64, u64)>,
    /// What its thread comes to now, if it belongs to one.
    pub thread: Option<ThreadChange>,
}

/// Why a message was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendRefusal {
    /// No such conversation, or the author never was a member.
    NotFound,
    /// The author is a member no more.
    NotAMember,
    /// Only administrators may post.
    PostingRestricted,
    /// Not a message of this conversation that the author sees and may answer.
    ReplyTargetInvalid,
    /// Not a message of this conversation that the author sees and that may have a thread.
    ThreadRootInvalid,
    /// One of the files has not arrived, or was not what it had to be.
    AttachmentNotReady,
    /// One of the files was not brought by the author, or is none.
    AttachmentNotYours,
    /// One of the files came with another message, is somebody's picture, or is named twice.
    AttachmentInUse,
    /// The author used the key for something else.
    ClientIdConflict,
}

/// Messages.
#[async_trait]
pub trait Messages {
    /// Stores a message under the next seq and rev of its conversation. Seqs and revs are dense and come in
    /// commit order. The same author and key again, at any later time and however many at once, return the
    /// stored message, or a conflict when `content_hash` or conversation differ.
    async fn append(
        &self,
        new: NewMessage,
        announce: Announce<Appended>,
    ) -> Result<Result<Appended, AppendRefusal>, StoreError>;
    /// A page of what the reader may see, ascending by seq; `None` when it never was a member. Who left sees
    /// what there was then.
    async fn history(
        &self,
        reader: UserId,
        conversation: ConversationId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<Option<History>, StoreError>;
    /// One message, if the reader may see it.
    async fn message(&self, reader: UserId, id: MessageId) -> Result<Option<Message>, StoreError>;
}

/// What goes with moving watermarks.
#[derive(Debug, Clone, Copy)]
pub struct AdvanceTerms {
    /// Conversations with more members than this do not share receipts.
    pub receipts_members_max: usize,
    /// In conversations with up to so many members it is kept when who got how far.
    pub times_members_max: usize,
    /// When.
    pub at: Timestamp,
}

/// Where a member's watermarks are after a wish to move them.
#[derive(Debug, Clone)]
pub struct Advanced {
    /// Where.
    pub conversation: ConversationId,
    /// How far messages have arrived.
    pub delivered_seq: u64,
    /// How far they were shown.
    pub seen_seq: u64,
    /// Where both stood before.
    pub from: (u64, u64),
    /// The conversation's last message.
    pub last_seq: u64,
    /// Who hears of it: the active members, ascending, but of a direct conversation nobody whom the member blocks.
    pub audience: Arc<[UserId]>,
}

impl Advanced {
    /// Whether one of the watermarks moved.
    pub fn moved(&self) -> bool {
        self.from != (self.delivered_seq, self.seen_seq)
    }
}

/// What a member has still to read in a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread {
    /// Messages by others that show in the conversation, are not deleted, not hidden and not of somebody blocked.
    pub messages: u32,
    /// Of them, those that name the member or everybody.
    pub mentions: u32,
}

/// Why a watermark was not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdvanceRefusal {
    /// Not an active member, or no such conversation.
    NotAMember,
    /// Beyond the last message.
    SeqOutOfRange,
}

/// For each wish its outcome, in the given order.
pub type AdvanceOutcomes = Vec<Result<Advanced, AdvanceRefusal>>;

/// Watermarks.
#[async_trait]
pub trait Receipts {
    /// Moves watermarks forward, never back; what is seen is also delivered. Each wish stands alone. Changes in
    /// conversations of up to `receipts_members_max` members touch them for all members' synchronisation.
    async fn advance(
        &self,
        user: UserId,
        wishes: &[Advance],
        terms: AdvanceTerms,
        announce: Announce<AdvanceOutcomes>,
    ) -> Result<AdvanceOutcomes, StoreError>;
    /// Unread messages and those of them that name the user, each counted up to 1,000, in those of the
    /// conversations the user is a member of.
    async fn unread(
        &self,
        user: UserId,
        conversations: &[ConversationId],
    ) -> Result<Vec<(ConversationId, Unread)>, StoreError>;
    /// Those whom messages of `author` in the conversations are for: the other active members who are people and may
    /// use their accounts, each with what the author may know of its watermarks. Conversations with more than
    /// `members_max` members are left out.
    async fn recipients(
        &self,
        author: UserId,
        conversations: &[ConversationId],
        members_max: usize,
    ) -> Result<Vec<Recipient>, StoreError>;
    /// The recipients of one message by id, after one of them, and how far it came with each, as its author may know;
    /// when, in a conversation of up to `times_members_max` members, as far as that was kept.
    async fn arrivals(
        &self,
        message: &Message,
        after: Option<UserId>,
        limit: usize,
        times_members_max: usize,
    ) -> Result<Vec<Arrival>, StoreError>;
    /// What the user has to read at this time in all, counted up to 1,000: messages in conversations that are neither
    /// muted nor in the archive, and mentions in muted ones.
    async fn total_unread(&self, user: UserId, now: Timestamp) -> Result<Unread, StoreError>;
    /// The active members of conversations of up to `members_max` members that the user is in, itself included.
    async fn receipt_peers(&self, user: UserId, members_max: usize) -> Result<Vec<UserId>, StoreError>;
    /// Who wrote the messages after the one seq and up to the other.
    async fn authors(
        &self,
        conversation: ConversationId,
        after: u64,
        up_to: u64,
    ) -> Result<Vec<UserId>, StoreError>;
    /// Forgets up to `limit` times of watermarks from before. How many there were.
    async fn forget_receipt_times(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;
}

/// How far a client has come in synchronising.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPlace {
    /// Knows nothing.
    Start,
    /// Has listed, newest activity first, down to this place what there was at the time `from`.
    Listing {
        /// The store's time when the listing began.
        from: u64,
        /// The last item.
        after: (Timestamp, ConversationId),
    },
    /// Knows all up to this time of the store, and of what was touched at the time after it up to `also`.
    Since {
        /// The store's time.
        time: u64,
        /// Items touched at exactly `time + 1` with ids up to this one are known too.
        also: Option<ConversationId>,
    },
}

/// What a client does not know yet.
#[derive(Debug, Clone)]
pub struct Touched {
    /// Items touched, each perhaps without need, none left out.
    pub items: Vec<ListItem>,
    /// Conversations that left the list.
    pub removed: Vec<ConversationId>,
    /// Messages that the viewer has hidden from itself.
    pub hidden: Vec<HiddenPlace>,
    /// Where it stands after applying this.
    pub place: SyncPlace,
    /// There is more.
    pub has_more: bool,
}

/// Catching up.
#[async_trait]
pub trait CatchUp {
    /// The viewer's conversations touched since `place`. A change committed before the call is in this page or
    /// in one that follows from its `place`; a later one is in those or follows from the last `place`. `None`:
    /// the place is not of this store.
    async fn touched(
        &self,
        viewer: UserId,
        place: SyncPlace,
        limit: usize,
        receipts_members_max: usize,
    ) -> Result<Option<Touched>, StoreError>;
    /// What changed in a conversation after a rev; more than `changes_max` pending, or a rev that never was,
    /// resets. Who left learns what there was to know then. `None` when the reader never was a member.
    async fn changes(
        &self,
        reader: UserId,
        conversation: ConversationId,
        after_rev: u64,
        limit: usize,
        changes_max: u64,
    ) -> Result<Option<Changes>, StoreError>;
}
