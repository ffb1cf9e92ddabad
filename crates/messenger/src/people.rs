//! One's own account as one shapes it: names, words, settings, and who may see or do what.

use crate::store::{Announce, MeChange, MeRefusal, StoreError};
use crate::{
    Account, AttachmentId, Audience, AvatarError, Caller, Event, LogoutReason, Messenger, RegisterError,
    StoreResult, Timestamp, UserId, Username, UsernameError, password, text,
};
use std::sync::Arc;
use std::time::Instant;

/// How long a name that was given up is kept from others.
pub(crate) const USERNAME_HELD_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// Longest language tag and longest name of a time zone, in bytes.
const LOCALE_BYTES_MAX: usize = 35;
const TIMEZONE_BYTES_MAX: usize = 64;

/// Largest settings, in bytes of JSON.
pub const SETTINGS_BYTES_MAX: usize = 16 * 1024;

/// For whom something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Openness {
    /// For all.
    #[default]
    Everyone,
    /// For those whom the user has as contacts.
    Contacts,
    /// For none.
    Nobody,
}

impl Openness {
    /// Whether it is for somebody who is a contact or is not.
    pub fn admits(self, is_contact: bool) -> bool {
        match self {
            Self::Everyone => true,
            Self::Contacts => is_contact,
            Self::Nobody => false,
        }
    }
}

/// Who may see or do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privacy {
    /// Who learns whether the user is online, and when it last was. Who hides from all sees it of nobody.
    pub last_seen: Openness,
    /// Whether others learn what the user has seen; without, the user does not learn it of them.
    pub read_receipts: bool,
    /// Whether others see the user typing.
    pub typing: bool,
    /// Who may begin a direct conversation.
    pub who_can_dm: Openness,
    /// Who may add the user to groups.
    pub who_can_add_me: Openness,
    /// Whether strangers find the user.
    pub discoverable: bool,
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            last_seen: Openness::Everyone,
            read_receipts: true,
            typing: true,
            who_can_dm: Openness::Everyone,
            who_can_add_me: Openness::Everyone,
            discoverable: true,
        }
    }
}

/// A wish to change some of it; what is `None` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrivacyChange {
    /// See [`Privacy::last_seen`].
    pub last_seen: Option<Openness>,
    /// See [`Privacy::read_receipts`].
    pub read_receipts: Option<bool>,
    /// See [`Privacy::typing`].
    pub typing: Option<bool>,
    /// See [`Privacy::who_can_dm`].
    pub who_can_dm: Option<Openness>,
    /// See [`Privacy::who_can_add_me`].
    pub who_can_add_me: Option<Openness>,
    /// See [`Privacy::discoverable`].
    pub discoverable: Option<bool>,
}

impl Privacy {
    /// With the change made.
    pub fn with(self, change: PrivacyChange) -> Self {
        Self {
            last_seen: change.last_seen.unwrap_or(self.last_seen),
            read_receipts: change.read_receipts.unwrap_or(self.read_receipts),
            typing: change.typing.unwrap_or(self.typing),
            who_can_dm: change.who_can_dm.unwrap_or(self.who_can_dm),
            who_can_add_me: change.who_can_add_me.unwrap_or(self.who_can_add_me),
            discoverable: change.discoverable.unwrap_or(self.discoverable),
        }
    }
}

/// An account with all that is the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// What others see, too.
    pub account: Account,
    /// Some words about oneself.
    pub bio: String,
    /// Name of a time zone.
    pub timezone: String,
    /// Who may see or do what.
    pub privacy: Privacy,
    /// An object of JSON that belongs to the user's clients.
    pub settings: String,
    /// The address for mail that was proven.
    pub email: Option<String>,
    /// When it was.
    pub email_verified_at: Option<Timestamp>,
    /// An address that is still to be proven.
    pub email_wanted: Option<String>,
    /// Whether logging in takes a code besides the password.
    pub second_factor: bool,
}

/// A wish to change one's names and words; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    /// The name to be found and mentioned by. The old one is kept from others for 30 days.
    pub username: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// Some words.
    pub bio: Option<String>,
    /// A language tag.
    pub locale: Option<String>,
    /// Name of a time zone.
    pub timezone: Option<String>,
    /// The picture to be shown by, or that there is none.
    pub avatar: Option<Option<AttachmentId>>,
}

/// Why one's own account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeMeError {
    /// The username does not fit.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// Somebody has it, or gave it up lately.
    #[error("the username is taken")]
    UsernameTaken,
    /// Empty, too long or nothing to see.
    #[error("the display name is not valid")]
    DisplayNameInvalid,
    /// Longer than [`crate::Options::bio_chars_max`].
    #[error("the bio is too long")]
    BioTooLong,
    /// Not a language tag.
    #[error("the locale is not valid")]
    LocaleInvalid,
    /// Not the name of a time zone.
    #[error("the time zone is not valid")]
    TimezoneInvalid,
    /// The picture does not fit.
    #[error(transparent)]
    Avatar(#[from] AvatarError),
    /// More than [`SETTINGS_BYTES_MAX`].
    #[error("the settings are too large")]
    SettingsTooLarge,
    /// Others than those that were read: read them again.
    #[error("the settings have changed")]
    SettingsChanged,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a caller has not shown to know the password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The given one is not the password.
    #[error("the password is wrong")]
    Wrong,
    /// Too many wrong ones; try again after so many seconds.
    #[error("too many failed attempts")]
    TooManyAttempts {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The present one was not shown.
    #[error(transparent)]
    Present(#[from] PasswordError),
    /// The new one does not fit.
    #[error(transparent)]
    New(RegisterError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// The account with all that is its own.
    pub async fn me(&self, user: UserId) -> StoreResult<Option<Me>> {
        self.store.me(user).await
    }

    /// What somebody tells about themselves.
    pub async fn bio(&self, user: UserId) -> StoreResult<String> {
        self.store.bio(user).await
    }

    /// Who may see or do what, of each of the users who exist.
    pub async fn privacy(&self, users: &[UserId]) -> StoreResult<Vec<(UserId, Privacy)>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        self.store.privacy(users).await
    }

    /// Changes names and words of the caller.
    pub async fn change_profile(&self, caller: &Caller, wish: ProfileChange) -> Result<Me, ChangeMeError> {
        let at = Timestamp::now();
        let held_until = Timestamp(at.0 + USERNAME_HELD_MS);
        let username = wish.username.as_deref().map(Username::parse).transpose()?;
        let fitting =
            |given: String, fits: bool, error: ChangeMeError| if fits { Ok(given) } else { Err(error) };
        let display_name = wish.display_name.map(|given| {
            let name = text::name(&given);
            let fits = !name.is_empty() && name.chars().count() <= self.options.display_name_chars_max;
            fitting(name, fits, ChangeMeError::DisplayNameInvalid)
        });
        let bio = wish.bio.map(|given| {
            let bio = text::body(&given).trim().to_owned();
            let fits = bio.chars().count() <= self.options.bio_chars_max;
            fitting(bio, fits, ChangeMeError::BioTooLong)
        });
        let locale = wish.locale.map(|given| {
            let fits = is_tag(&given, LOCALE_BYTES_MAX, b"-");
            fitting(given, fits, ChangeMeError::LocaleInvalid)
        });
        let timezone = wish.timezone.map(|given| {
            let fits = is_tag(&given, TIMEZONE_BYTES_MAX, b"/_+-");
            fitting(given, fits, ChangeMeError::TimezoneInvalid)
        });
        let change = MeChange {
            username: username.map(|name| (name, held_until)),
            display_name: display_name.transpose()?,
            bio: bio.transpose()?,
            locale: locale.transpose()?,
            timezone: timezone.transpose()?,
            avatar: wish.avatar,
            at,
            ..MeChange::default()
        };
        self.change_me(caller, change).await
    }

    /// Changes who may see or do what.
    pub async fn change_privacy(&self, caller: &Caller, privacy: PrivacyChange) -> Result<Me, ChangeMeError> {
        let change = MeChange {
            privacy,
            receipts_members_max: self.options.receipts_members_max,
            at: Timestamp::now(),
            ..MeChange::default()
        };
        self.change_me(caller, change).await
    }

    /// Replaces the settings that were read as `known` by `settings`, both the text of an object of JSON.
    pub async fn change_settings(
        &self,
        caller: &Caller,
        known: String,
        settings: String,
    ) -> Result<Me, ChangeMeError> {
        if settings.len() > SETTINGS_BYTES_MAX {
            return Err(ChangeMeError::SettingsTooLarge);
        }
        let change = MeChange {
            settings: Some((known, settings)),
            at: Timestamp::now(),
            ..MeChange::default()
        };
        self.change_me(caller, change).await
    }

    async fn change_me(&self, caller: &Caller, change: MeChange) -> Result<Me, ChangeMeError> {
        let announce = self.announce_me(change.at);
        let switched = change.privacy.read_receipts.is_some();
        let feed = Arc::clone(&self.feed);
        let announce: Announce<Me> = Box::new(move |me| {
            announce(me);
            if switched {
                let user = me.account.id;
                feed.deliver(&Audience::Users(vec![user]), &Event::ReceiptsSwitched { user });
            }
        });
        let pictures = change.avatar.is_some();
        let changed = self.store.change_me(caller.user, change, announce).await?;
        if pictures {
            self.release_files();
        }
        changed.map_err(|refusal| match refusal {
            MeRefusal::UsernameTaken => ChangeMeError::UsernameTaken,
            MeRefusal::SettingsChanged => ChangeMeError::SettingsChanged,
            MeRefusal::Avatar(error) => ChangeMeError::Avatar(error),
        })
    }

    /// What follows when an account has changed.
    pub(crate) fn announce_me(&self, at: Timestamp) -> Announce<Me> {
        let feed = Arc::clone(&self.feed);
        Box::new(move |me| {
            let event = Event::MeUpdated {
                me: Box::new(me.clone()),
                at,
            };
            feed.deliver(&Audience::Users(vec![me.account.id]), &event);
        })
    }

    /// Sets a new password for one who knows the present one, and ends the caller's other logins. Wrong ones are
    /// counted like failures to log in.
    pub async fn change_password(
        &self,
        caller: &Caller,
        present: &str,
        new: &str,
        address: &str,
    ) -> Result<(), ChangePasswordError> {
        password::check(new, self.options.password_chars_min).map_err(ChangePasswordError::New)?;
        self.prove_password(caller, present, address).await?;
        let hash = self.passwords.hash(new).await?;
        let announce = self.announce_log_outs(caller.user, LogoutReason::PasswordChanged);
        self.store
            .set_password(caller.user, hash, Some(caller.login), announce)
            .await?;
        Ok(())
    }

    /// Whether the caller knows its password. Wrong ones are counted like failures to log in.
    pub(crate) async fn prove_password(
        &self,
        caller: &Caller,
        password: &str,
        address: &str,
    ) -> Result<Account, PasswordError> {
        let account = self.account(caller.user).await?;
        let account = account.ok_or(PasswordError::Wrong)?;
        let name = account.username.as_str();
        let allowed = || {
            let refused = |retry_after_s| PasswordError::TooManyAttempts { retry_after_s };
            self.attempts
                .allowed(name, address, Instant::now())
                .map_err(refused)
        };
        allowed()?;
        let stored = self.store.credentials(&account.username).await?;
        let stored = stored.map(|credentials| credentials.password_hash);
        match self
            .passwords
            .verify(password, stored, || allowed().is_ok())
            .await?
        {
            Some(true) => Ok(account),
            Some(false) => {
                self.attempts.failed(name, address, Instant::now());
                Err(PasswordError::Wrong)
            }
            None => Err(allowed().err().unwrap_or(PasswordError::Wrong)),
        }
    }
}

/// Whether it consists of letters, digits and these marks, beginning with a letter.
fn is_tag(text: &str, bytes_max: usize, marks: &[u8]) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
    (2..=bytes_max).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphabetic()
        && text.bytes().all(inside)
}
