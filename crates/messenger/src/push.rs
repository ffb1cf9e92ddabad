//! Notifications for those who are not there: who is told of a message, and in which words. How they travel, and
//! whether somebody is there, is for others to know.

mod words;

use crate::mention::is_named;
use crate::store::StoreError;
use crate::{
    AttachmentKind, Caller, ConversationId, ConversationKind, LoginId, Message, MessageId, MessageKind,
    Messenger, Notify, StoreResult, Timestamp, UserId,
};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

/// Characters of a message that a notification shows.
const BODY_CHARS: usize = 200;
/// Characters of a name or title that a notification shows.
const TITLE_CHARS: usize = 100;

/// Where a device takes notifications: given by its browser, and as good as a secret. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct PushSubscription {
    /// Address at the push service.
    pub endpoint: String,
    /// The browser's public key.
    pub p256dh: Vec<u8>,
    /// The secret by which it knows the sender.
    pub auth: Vec<u8>,
}

impl std::fmt::Debug for PushSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PushSubscription(…)")
    }
}

/// A device and where it takes notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushDevice {
    /// Its login.
    pub login: LoginId,
    /// Where it takes them.
    pub subscription: PushSubscription,
}

/// What somebody is told of a message, in its own language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Who is told.
    pub user: UserId,
    /// Where it was said.
    pub conversation: ConversationId,
    /// The message.
    pub message: MessageId,
    /// How often it had been edited.
    pub edits: u32,
    /// Its place.
    pub seq: u64,
    /// The thread, when it is only there.
    pub thread_root: Option<MessageId>,
    /// When it was said.
    pub at: Timestamp,
    /// It is meant for this person in particular.
    pub urgent: bool,
    /// Who said it, or where.
    pub title: String,
    /// What was said.
    pub body: String,
    /// Messages to read in the conversation, this one included.
    pub count: u32,
    /// The same in words, when there are several.
    pub count_text: Option<String>,
}

/// What somebody wishes of notifications. Kept among the settings that clients write; what is missing or malformed
/// is as usual.
#[derive(Debug, Default)]
struct Wishes {
    shown: Shown,
    quiet_until: Option<jiff::Timestamp>,
    quiet_hours: Option<(Time, Time)>,
}

/// How much a notification shows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shown {
    #[default]
    Full,
    Sender,
    Nothing,
}

impl Wishes {
    fn read(settings: &str) -> Self {
        let fields: Value = serde_json::from_str(settings).unwrap_or_default();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let until = field("do_not_disturb_until");
        let hour = |name: &str| {
            let hours = field("quiet_hours");
            hours.get(name)?.as_str()?.parse::<Time>().ok()
        };
        Self {
            shown: serde_json::from_value(field("notification_shows")).unwrap_or_default(),
            quiet_until: until.as_str().and_then(|text| text.parse().ok()),
            quiet_hours: hour("from").zip(hour("to")),
        }
    }

    /// Whether nothing is to disturb now, in a time zone; one that is unknown is UTC.
    fn quiet(&self, now: Timestamp, timezone: &str) -> bool {
        let Ok(now) = jiff::Timestamp::from_millisecond(now.0) else {
            return false;
        };
        if self.quiet_until.is_some_and(|until| now < until) {
            return true;
        }
        let Some((from, to)) = self.quiet_hours else {
            return false;
        };
        let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
        let time = zone.to_datetime(now).time();
        if from <= to {
            from <= time && time < to
        } else {
            // Over midnight.
            time >= from || time < to
        }
    }
}

impl Messenger {
    /// Has the caller's device take notifications there, and no longer elsewhere. Another device that did gives it up:
    /// it is the same browser.
    pub async fn subscribe_push(&self, caller: &Caller, subscription: PushSubscription) -> StoreResult<()> {
        self.store
            .subscribe_push(caller.user, caller.login, subscription, Timestamp::now())
            .await
    }

    /// The caller's device takes no more notifications.
    pub async fn unsubscribe_push(&self, caller: &Caller) -> StoreResult<()> {
        self.store.unsubscribe_push(caller.login).await
    }

    /// The push service knows the address no more.
    pub async fn push_gone(&self, endpoint: &str) -> StoreResult<()> {
        self.store.push_gone(endpoint).await
    }

    /// Who has devices that take notifications.
    pub async fn push_users(&self) -> StoreResult<Vec<UserId>> {
        self.store.push_users().await
    }

    /// The user's devices that take notifications and are still logged in.
    pub async fn push_devices(&self, user: UserId) -> StoreResult<Vec<PushDevice>> {
        let used_after = Timestamp(Timestamp::now().0 - self.options.device_idle_s as i64 * 1_000);
        self.store.push_devices(user, used_after).await
    }

    /// The key by which push services know this server; `fresh` becomes it when there is none.
    pub async fn push_key(&self, fresh: Vec<u8>) -> StoreResult<Vec<u8>> {
        self.store.server_key("vapid", fresh, Timestamp::now()).await
    }

    /// What the user, who is not there, is told of a message; nothing when it has seen it, does not want to know, or
    /// is not concerned. `server` is what the server calls itself.
    pub async fn notification(
        &self,
        user: UserId,
        message: MessageId,
        server: &str,
    ) -> Result<Option<Notification>, StoreError> {
        let now = Timestamp::now();
        let Some(me) = self.store.me(user).await? else {
            return Ok(None);
        };
        let wishes = Wishes::read(&me.settings);
        if me.account.suspended || me.account.deleted_at.is_some() || wishes.quiet(now, &me.timezone) {
            return Ok(None);
        }
        let Some((message, followed)) = self.message_to_tell(user, message).await? else {
            return Ok(None);
        };
        let by_somebody = !matches!(message.kind, MessageKind::System(_));
        if !by_somebody || message.author == user || message.hidden || message.deleted_at.is_some() {
            return Ok(None);
        }
        let Some(item) = self.store.list_item(user, message.conversation, 0).await? else {
            return Ok(None);
        };
        let mentioned = is_named(&message.mentions, user);
        let answered = message
            .reply_to
            .as_ref()
            .is_some_and(|quote| quote.author == user);
        let (my, direct) = (&item.my, item.conversation.kind == ConversationKind::Direct);
        let muted = my.muted_until.is_some_and(|until| now < until);
        let wanted = match my.notify {
            Notify::All => true,
            Notify::Mentions => mentioned || answered,
            Notify::Nothing => false,
        };
        let seen_seq = match message.in_timeline {
            true => Some(my.seen_seq),
            false => followed,
        };
        if my.left_at.is_some() || muted || !wanted || seen_seq >= Some(message.seq) {
            return Ok(None);
        }
        if !message.in_timeline && !mentioned && followed.is_none() {
            return Ok(None);
        }
        let blocks = self.store.blocks_between(user, &[message.author]).await?;
        if blocks.contains(&(user, message.author)) {
            return Ok(None);
        }
        let count = if message.in_timeline {
            item.unread_count.max(1)
        } else {
            1
        };
        let words = words::of(&me.account.locale);
        let (title, body) = match wishes.shown {
            Shown::Nothing => (server.to_owned(), words.message.to_owned()),
            Shown::Sender => (
                self.name_for(user, message.author).await?,
                words.message.to_owned(),
            ),
            Shown::Full => {
                let name = self.name_for(user, message.author).await?;
                let said = said(&message, words);
                match item.conversation.title {
                    Some(title) if !direct => (title, format!("{name}: {said}")),
                    _ => (name, said),
                }
            }
        };
        Ok(Some(Notification {
            user,
            conversation: message.conversation,
            message: message.id,
            edits: message.edit_count,
            seq: message.seq,
            thread_root: message.thread_root.filter(|_| !message.in_timeline),
            at: message.created_at,
            urgent: direct || mentioned || answered,
            title: cut(&title, TITLE_CHARS),
            body: cut(&body, BODY_CHARS),
            count,
            count_text: (count > 1).then(|| (words.several)(count)),
        }))
    }

    /// A message; for one that is only in a thread also how far the user has seen that, if it follows.
    async fn message_to_tell(
        &self,
        user: UserId,
        id: MessageId,
    ) -> StoreResult<Option<(Message, Option<u64>)>> {
        let Some(message) = self.store.message(user, id).await? else {
            return Ok(None);
        };
        let Some(root) = message.thread_root.filter(|_| !message.in_timeline) else {
            return Ok(Some((message, None)));
        };
        let followers = self.store.followers(&[root]).await?;
        let followed = followers.iter().find(|(_, follower, _)| *follower == user);
        let followed = followed.map(|(_, _, seen)| *seen);
        // An edit may have made it follow: read again, the words are as new as that.
        let message = self.store.message(user, id).await?;
        Ok(message.map(|message| (message, followed)))
    }

    /// What the user calls somebody.
    async fn name_for(&self, user: UserId, other: UserId) -> StoreResult<String> {
        if let Some(contact) = self.store.contact(user, other).await? {
            return Ok(contact.alias.unwrap_or(contact.account.display_name));
        }
        let account = self.account(other).await?;
        Ok(account.map(|account| account.display_name).unwrap_or_default())
    }
}

/// The words, or what it brings in place of them.
fn said(message: &Message, words: &words::Words) -> String {
    if !message.body.is_empty() {
        return message.body.clone();
    }
    let word = match message.attachments.first().map(|first| first.kind) {
        Some(AttachmentKind::Image) => words.photo,
        Some(AttachmentKind::Video) => words.video,
        Some(AttachmentKind::Audio) => words.audio,
        Some(AttachmentKind::Voice) => words.voice,
        Some(AttachmentKind::File) => words.file,
        None => words.message,
    };
    word.to_owned()
}

/// In one line, and not too long.
fn cut(text: &str, chars_max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn quiet_hours_are_those_of_the_users_place() {
        let night = r#"{"quiet_hours":{"from":"22:00","to":"07:30"}}"#;
        let noon = r#"{"quiet_hours":{"from":"12:00","to":"13:00"}}"#;
        for (settings, zone, now, quiet) in [
            (night, "UTC", "2026-03-01T21:59:59Z", false),
            (night, "UTC", "2026-03-01T22:00:00Z", true),
            (night, "UTC", "2026-03-01T07:29:59Z", true),
            (night, "UTC", "2026-03-01T07:30:00Z", false),
            (night, "Asia/Shanghai", "2026-03-01T14:00:00Z", true),
            (night, "Asia/Shanghai", "2026-03-01T23:30:00Z", false),
            (night, "Nowhere/Land", "2026-03-01T23:30:00Z", true),
            (noon, "UTC", "2026-03-01T12:30:00Z", true),
            (noon, "UTC", "2026-03-01T13:00:00Z", false),
            ("{}", "UTC", "2026-03-01T12:30:00Z", false),
            (
                r#"{"quiet_hours":{"from":"x"}}"#,
                "UTC",
                "2026-03-01T12:30:00Z",
                false,
            ),
            (
                r#"{"do_not_disturb_until":"2026-03-01T12:30:00.000Z"}"#,
                "UTC",
                "2026-03-01T12:29:59Z",
                true,
            ),
            (
                r#"{"do_not_disturb_until":"2026-03-01T12:30:00.000Z"}"#,
                "UTC",
                "2026-03-01T12:30:00Z",
                false,
            ),
            (
                r#"{"do_not_disturb_until":17}"#,
                "UTC",
                "2026-03-01T12:30:00Z",
                false,
            ),
        ] {
            assert_eq!(
                Wishes::read(settings).quiet(at(now), zone),
                quiet,
                "{settings} {zone} {now}"
            );
        }
    }

    #[test]
    fn what_is_shown_is_as_usual_unless_said_well() {
        for (settings, shown) in [
            ("{}", Shown::Full),
            (r#"{"notification_shows":"sender"}"#, Shown::Sender),
            (r#"{"notification_shows":"nothing"}"#, Shown::Nothing),
            (r#"{"notification_shows":7}"#, Shown::Full),
            ("", Shown::Full),
        ] {
            assert_eq!(Wishes::read(settings).shown, shown, "{settings}");
        }
    }

    #[test]
    fn long_words_are_cut_to_a_line() {
        assert_eq!(cut("one\n\ntwo\tthree", 20), "one two three");
        assert_eq!(cut("абвгд", 3), "абв…");
        assert_eq!(cut("абв", 3), "абв");
    }
}
