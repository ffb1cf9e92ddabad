//! People: oneself, contacts, blocks and devices.

use chinwag_messenger as domain;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::words::{OpennessWord, ServerRoleWord};
use super::{Moment, User};

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Me<'a> {
    #[serde(flatten)]
    user: User<'a>,
    bio: &'a str,
    server_role: ServerRoleWord,
    locale: &'a str,
    timezone: &'a str,
    privacy: Privacy,
    /// What the user's clients keep there.
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// The address for mail that was proven.
    email: Option<&'a str>,
    email_verified_at: Option<Moment>,
    /// An address that is still to be proven.
    email_pending: Option<&'a str>,
    /// Whether logging in takes a code besides the password.
    second_factor: bool,
    user_rev: u64,
    created_at: Moment,
}

/// Who may see or do what.
#[derive(Debug, Serialize, ToSchema)]
struct Privacy {
    last_seen: OpennessWord,
    read_receipts: bool,
    typing: bool,
    who_can_dm: OpennessWord,
    who_can_add_me: OpennessWord,
    discoverable: bool,
}

impl<'a> From<&'a domain::Me> for Me<'a> {
    fn from(me: &'a domain::Me) -> Self {
        let account = &me.account;
        Self {
            user: account.into(),
            bio: &me.bio,
            server_role: account.server_role.into(),
            locale: &account.locale,
            timezone: &me.timezone,
            privacy: Privacy {
                last_seen: me.privacy.last_seen.into(),
                read_receipts: me.privacy.read_receipts,
                typing: me.privacy.typing,
                who_can_dm: me.privacy.who_can_dm.into(),
                who_can_add_me: me.privacy.who_can_add_me.into(),
                discoverable: me.privacy.discoverable,
            },
            settings: serde_json::from_str(&me.settings).unwrap_or_default(),
            email: me.email.as_deref(),
            email_verified_at: me.email_verified_at.map(Moment),
            email_pending: me.email_wanted.as_deref(),
            second_factor: me.second_factor,
            user_rev: account.user_rev,
            created_at: Moment(account.created_at),
        }
    }
}

/// A secret for the user's own device, shown once.
#[derive(Serialize, ToSchema)]
pub(in crate::messenger) struct OfferedSecret {
    /// In base 32.
    pub(in crate::messenger) secret: String,
    /// The same as `otpauth://` address, for a QR code.
    pub(in crate::messenger) uri: String,
}

/// Codes for the day when the device is lost, shown once. Each is good once.
#[derive(Serialize, ToSchema)]
pub(in crate::messenger) struct RecoveryCodes {
    pub(in crate::messenger) recovery_codes: Vec<String>,
}

/// Somebody with what they tell about themselves.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Person<'a> {
    #[serde(flatten)]
    pub(in crate::messenger) user: User<'a>,
    pub(in crate::messenger) bio: &'a str,
}

/// Somebody whom the caller knows.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Contact<'a> {
    user: User<'a>,
    alias: Option<&'a str>,
    /// Null for the other person of a direct conversation who is not kept as contact.
    created_at: Option<Moment>,
}

impl<'a> From<&'a domain::Contact> for Contact<'a> {
    fn from(contact: &'a domain::Contact) -> Self {
        Self {
            user: (&contact.account).into(),
            alias: contact.alias.as_deref(),
            created_at: contact.created_at.map(Moment),
        }
    }
}

/// Somebody whom the caller blocks.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Blocked<'a> {
    user: User<'a>,
    created_at: Moment,
}

impl<'a> From<&'a domain::Blocked> for Blocked<'a> {
    fn from(blocked: &'a domain::Blocked) -> Self {
        Self {
            user: (&blocked.account).into(),
            created_at: Moment(blocked.created_at),
        }
    }
}

/// A login of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Device<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    name: &'a str,
    /// Whether it is the one that asks.
    current: bool,
    created_at: Moment,
    last_used_at: Moment,
    /// When it ends unless it is used before.
    expires_at: Moment,
}

impl<'a> From<&'a domain::Device> for Device<'a> {
    fn from(device: &'a domain::Device) -> Self {
        Self {
            id: device.login.device_id.to_string(),
            name: &device.login.name,
            current: device.current,
            created_at: Moment(device.login.created_at),
            last_used_at: Moment(device.last_used_at),
            expires_at: Moment(device.expires_at),
        }
    }
}

/// A login as events tell of it: the same for all devices of its user.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct KnownDevice<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    name: &'a str,
    created_at: Moment,
}

impl<'a> From<&'a domain::Login> for KnownDevice<'a> {
    fn from(login: &'a domain::Login) -> Self {
        Self {
            id: login.device_id.to_string(),
            name: &login.name,
            created_at: Moment(login.created_at),
        }
    }
}

/// A login with a new secret, which is left out when it went into a cookie.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Renewed {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(in crate::messenger) token: Option<String>,
}
