//! What may be set for an app: the same words in the settings file, in the admin API and in the store.

use std::collections::{BTreeMap, HashSet};

use chinwag_engine::{AppOptions, ClientEvents, Webhook};
use chinwag_protocol::pusher::webhook;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::webhooks::header;

/// Webhooks of an app.
const WEBHOOKS_MAX: usize = 20;
/// Headers of a webhook.
const HEADERS_MAX: usize = 20;
/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// Hosts that browsers may come from.
const ORIGINS_MAX: usize = 100;

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {text}")]
pub struct SettingFault {
    /// Which, with the way to it: `webhooks[0].url`.
    pub field: String,
    /// What is wanted. Never tells what was given.
    pub text: String,
}

fn fault(field: impl Into<String>, text: impl Into<String>) -> SettingFault {
    SettingFault {
        field: field.into(),
        text: text.into(),
    }
}

/// What is set for an app; what is not has its default.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppSettings {
    /// Switched off apps refuse everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Most connections at a time; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<usize>,
    /// Hosts that browsers may come from; `*` admits all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_origins: Option<Vec<String>>,
    /// From whom client events are taken: `members`, `public` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_events: Option<String>,
    /// Client events a second from one connection; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_events_per_s: Option<u32>,
    /// Largest message of a client, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_bytes_max: Option<usize>,
    /// Largest data of an event, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_bytes_max: Option<usize>,
    /// Most channels of one connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriptions_max: Option<usize>,
    /// Most members of a presence channel; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_members_max: Option<usize>,
    /// Who is told what happens on its channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Vec<WebhookSettings>>,
}

/// A webhook.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where to.
    pub url: String,
    /// Of which events; none is of all.
    #[serde(default)]
    pub event_types: Vec<String>,
    /// Only of channels whose names begin so.
    #[serde(default)]
    pub channel_name_starts_with: String,
    /// Only of channels whose names end so.
    #[serde(default)]
    pub channel_name_ends_with: String,
    /// What to send along.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl AppSettings {
    /// Reads what [`AppSettings::to_json`] wrote.
    ///
    /// # Errors
    /// When it is something else, such as what a later version wrote.
    pub fn parse(json: &str) -> Result<Self, SettingFault> {
        serde_json::from_str(json).map_err(|_| fault("settings", "they cannot be understood"))
    }

    /// As text, for the store.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers always serialise")
    }

    /// From fields as they came.
    ///
    /// # Errors
    /// When one is unknown or of the wrong type.
    pub fn from_fields(fields: Map<String, Value>) -> Result<Self, SettingFault> {
        serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
            let text = error.inner().to_string();
            let unknown = text
                .strip_prefix("unknown field `")
                .and_then(|rest| rest.split('`').next());
            let missing = text
                .strip_prefix("missing field `")
                .and_then(|rest| rest.split('`').next());
            let path = error.path().to_string();
            match (unknown, missing) {
                (Some(_), _) => fault(path, "there is no such setting"),
                (None, Some(name)) => fault(format!("{path}.{name}"), "it is missing"),
                // serde's own words would repeat what was given.
                (None, None) => fault(path, "it has the wrong type"),
            }
        })
    }

    /// With the fields of the patch set; what is null there goes back to its default.
    ///
    /// # Errors
    /// When one is unknown or of the wrong type.
    pub fn patched(&self, patch: &Map<String, Value>) -> Result<Self, SettingFault> {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(self) else {
            return Err(fault("settings", "they cannot be understood"));
        };
        for (name, value) in patch {
            // A null is kept until the fields are read, so that an unknown one is still refused.
            fields.insert(name.clone(), value.clone());
        }
        Self::from_fields(fields)
    }

    /// What the engine goes by.
    ///
    /// # Errors
    /// The first fault there is.
    pub fn options(&self) -> Result<AppOptions, SettingFault> {
        let default = AppOptions::default();
        let positive = |field: &str, value: Option<usize>, default: usize| match value {
            Some(0) => Err(fault(field, "more than 0 is wanted")),
            value => Ok(value.unwrap_or(default)),
        };
        let origins = self
            .allowed_origins
            .clone()
            .unwrap_or(default.allowed_origins.clone());
        if origins.len() > ORIGINS_MAX
            || origins
                .iter()
                .any(|origin| origin.is_empty() || origin.len() > 255)
        {
            return Err(fault("allowed_origins", "at most 100 names of hosts are wanted"));
        }
        let client_events = match self.client_events.as_deref() {
            None => default.client_events,
            Some("members") => ClientEvents::Members,
            Some("public") => ClientEvents::MembersAndPublic,
            Some("all") => ClientEvents::Anybody,
            Some("none") => ClientEvents::Refused,
            Some(_) => {
                return Err(fault(
                    "client_events",
                    "one of members, public, all, none is wanted",
                ));
            }
        };
        Ok(AppOptions {
            enabled: self.enabled.unwrap_or(default.enabled),
            connections_max: self.connections_max.unwrap_or(default.connections_max),
            allowed_origins: origins,
            client_events,
            client_events_per_s: self.client_events_per_s.unwrap_or(default.client_events_per_s),
            message_bytes_max: positive(
                "message_bytes_max",
                self.message_bytes_max,
                default.message_bytes_max,
            )?,
            event_bytes_max: positive("event_bytes_max", self.event_bytes_max, default.event_bytes_max)?,
            subscriptions_max: positive(
                "subscriptions_max",
                self.subscriptions_max,
                default.subscriptions_max,
            )?,
            presence_members_max: self.presence_members_max.unwrap_or(default.presence_members_max),
            webhooks: webhooks(self.webhooks.as_deref().unwrap_or_default())?,
            ..default
        })
    }
}

fn webhooks(settings: &[WebhookSettings]) -> Result<Vec<Webhook>, SettingFault> {
    if settings.len() > WEBHOOKS_MAX {
        return Err(fault("webhooks", format!("at most {WEBHOOKS_MAX} are wanted")));
    }
    let mut urls = HashSet::new();
    let read = |(index, one): (usize, &WebhookSettings)| {
        let field = |name: &str| format!("webhooks[{index}].{name}");
        let is_http = |url: &Url| ["http", "https"].contains(&url.scheme()) && url.has_host();
        if one.url.len() > URL_BYTES_MAX || !one.url.parse().is_ok_and(|url| is_http(&url)) {
            return Err(fault(field("url"), "an address with http or https is wanted"));
        }
        // An address is told in one order; two webhooks with one would share it.
        if !urls.insert(one.url.clone()) {
            return Err(fault(field("url"), "another webhook of the app has this address"));
        }
        let kinds = one.event_types.iter().map(|name| webhook::kind(name));
        let kinds = kinds.collect::<Option<Vec<_>>>();
        let kinds = kinds.ok_or_else(|| fault(field("event_types"), "there is no such type of event"))?;
        let plain = |(name, value): (&String, &String)| header(name, value).is_some();
        if one.headers.len() > HEADERS_MAX || !one.headers.iter().all(plain) {
            let text = "at most 20 headers are wanted, and none that belong to the protocol";
            return Err(fault(field("headers"), text));
        }
        Ok(Webhook {
            url: one.url.clone(),
            kinds,
            channel_starts_with: one.channel_name_starts_with.clone(),
            channel_ends_with: one.channel_name_ends_with.clone(),
            headers: one.headers.clone().into_iter().collect(),
        })
    };
    settings.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(fields: Value) -> Result<AppOptions, SettingFault> {
        let Value::Object(fields) = fields else {
            unreachable!("an object")
        };
        AppSettings::from_fields(fields)?.options()
    }

    #[test]
    fn nothing_set_is_every_default() {
        let options = read(json!({})).unwrap();
        assert_eq!(format!("{options:?}"), format!("{:?}", AppOptions::default()));
    }

    #[test]
    fn a_fault_names_its_field_and_not_what_was_given() {
        let hook = |extra: Value| {
            let mut hook = json!({"url": "https://a.org/hush"});
            let fields = hook.as_object_mut().unwrap();
            fields.extend(extra.as_object().unwrap().clone());
            json!({ "webhooks": [hook] })
        };
        for (fields, field) in [
            (json!({"colour": "hush"}), "colour"),
            (json!({"connections_max": "hush"}), "connections_max"),
            (json!({"client_events": "hush"}), "client_events"),
            (json!({"allowed_origins": [""]}), "allowed_origins"),
            (json!({"event_bytes_max": 0}), "event_bytes_max"),
            (json!({"webhooks": [{}]}), "webhooks[0].url"),
            (hook(json!({"url": "ftp://hush"})), "webhooks[0].url"),
            (hook(json!({"url": "hush"})), "webhooks[0].url"),
            (hook(json!({"event_types": ["hush"]})), "webhooks[0].event_types"),
            (
                hook(json!({"headers": {"X-Pusher-Key": "hush"}})),
                "webhooks[0].headers",
            ),
            (hook(json!({"headers": {"hush hush": ""}})), "webhooks[0].headers"),
            (hook(json!({"secret": "hush"})), "webhooks[0].secret"),
            (
                json!({"webhooks": [{"url": "https://a.org"}, {"url": "https://a.org"}]}),
                "webhooks[1].url",
            ),
        ] {
            let fault = read(fields.clone()).unwrap_err();
            assert_eq!(fault.field, field, "{fields}");
            assert!(!fault.to_string().contains("hush"), "{fault}");
        }
    }

    #[test]
    fn a_patch_sets_and_resets() {
        let patch = |settings: &AppSettings, patch: Value| settings.patched(patch.as_object().unwrap());
        let settings = patch(
            &AppSettings::default(),
            json!({"enabled": false, "connections_max": 5}),
        )
        .unwrap();
        let settings = patch(&settings, json!({"enabled": null, "client_events": "none"})).unwrap();
        assert_eq!(
            settings.to_json(),
            r#"{"connections_max":5,"client_events":"none"}"#
        );
        assert_eq!(
            AppSettings::parse(&settings.to_json()).unwrap().to_json(),
            settings.to_json()
        );
        assert!(patch(&settings, json!({"colour": null})).is_err());
    }
}
