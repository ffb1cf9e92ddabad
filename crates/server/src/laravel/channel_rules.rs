//! Channels of the operator's own: patterns in the settings, and who may join what fits them. The last resort is to
//! ask the operator's application.

use std::sync::Arc;

use bytes::Bytes;
use chinwag_engine::{ConnectionId, KeyPair};
use chinwag_messenger::{Account, ServerRole};
use chinwag_protocol::pusher::webhook;
use reqwest::Url;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tracing::warn;

use super::rules;
use crate::webhooks::{Errand, HttpCourier, system_ms};

/// Questions to applications under way at a time; others wait.
const QUESTIONS_MAX: usize = 64;
/// Longest pattern, as no name of a channel is longer.
const PATTERN_CHARS_MAX: usize = 200;

/// Who may join the channels that fit a pattern.
#[derive(Debug, Clone)]
pub struct ChannelRule {
    pattern: String,
    /// The app whose channels they are; `None` for the messenger's own.
    app: Option<String>,
    allow: Allow,
}

#[derive(Debug, Clone)]
enum Allow {
    /// The user whose id this parameter is.
    User(usize),
    /// Members of the conversation whose id this parameter is.
    Member(usize),
    /// Administrators, or owners only.
    Role(ServerRole),
    /// Everybody who is logged in.
    Anyone,
    /// Whoever the application at this address says.
    Webhook(String),
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelRuleError {
    /// Its pattern.
    #[error("pattern: {0}")]
    Pattern(&'static str),
    /// Whom it lets in.
    #[error("allow: {0}")]
    Allow(&'static str),
    /// Whom it asks.
    #[error("url: {0}")]
    Url(&'static str),
}

impl ChannelRule {
    /// Reads a rule of the settings. `pattern` is a name without its prefix, in which `{parameter}` stands for one or
    /// more characters other than the dot; `url` belongs to the rule that allows `webhook`.
    ///
    /// # Errors
    /// What does not make sense.
    pub fn new(
        pattern: &str,
        allow: &str,
        url: Option<&str>,
        app: Option<&str>,
    ) -> Result<Self, ChannelRuleError> {
        let parameters = parameters(pattern).map_err(ChannelRuleError::Pattern)?;
        let named = |text: &str| {
            let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            let place = name.and_then(|name| parameters.iter().position(|known| *known == name));
            place.ok_or(ChannelRuleError::Allow("the pattern has no such {parameter}"))
        };
        let allow = match allow.split_once(':').unwrap_or((allow, "")) {
            ("user", parameter) => Allow::User(named(parameter)?),
            ("member", parameter) => Allow::Member(named(parameter)?),
            ("role", "admin") => Allow::Role(ServerRole::Admin),
            ("role", "owner") => Allow::Role(ServerRole::Owner),
            ("any", "") => Allow::Anyone,
            ("webhook", "") => Allow::Webhook(address(url)?),
            _ => {
                let text =
                    "user:{parameter}, member:{parameter}, role:admin, role:owner, any or webhook is wanted";
                return Err(ChannelRuleError::Allow(text));
            }
        };
        if url.is_some() && !matches!(allow, Allow::Webhook(_)) {
            return Err(ChannelRuleError::Url("it is for rules that allow webhook"));
        }
        Ok(Self {
            pattern: pattern.to_owned(),
            app: app.map(str::to_owned),
            allow,
        })
    }
}

/// The names of a pattern's parameters, in their order.
fn parameters(pattern: &str) -> Result<Vec<&str>, &'static str> {
    if pattern.is_empty() || pattern.len() > PATTERN_CHARS_MAX {
        return Err("1 to 200 characters are wanted");
    }
    if rules::guarded(pattern).is_some() {
        return Err("it begins behind private- or presence-, which is left out");
    }
    let plain = |text: &str| text.is_empty() || chinwag_protocol::pusher::check_name(text).is_ok();
    let (mut names, mut rest) = (Vec::new(), pattern);
    while let Some((literal, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}').ok_or("a brace is not closed")?;
        if literal.is_empty() && !names.is_empty() {
            return Err("something must stand between two parameters");
        }
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err("parameters have names of letters, digits and _");
        }
        if names.contains(&name) {
            return Err("two parameters have the same name");
        }
        if !plain(literal) {
            return Err("names of channels have other characters");
        }
        names.push(name);
        rest = behind;
    }
    if !plain(rest) {
        return Err("names of channels have other characters");
    }
    Ok(names)
}

fn address(url: Option<&str>) -> Result<String, ChannelRuleError> {
    let url = url.ok_or(ChannelRuleError::Url("it is missing"))?;
    match Url::parse(url) {
        Ok(parsed) if ["http", "https"].contains(&parsed.scheme()) && parsed.has_host() => Ok(url.to_owned()),
        _ => Err(ChannelRuleError::Url("an http or https address is wanted")),
    }
}

/// The rules of the settings, in their order, and how to ask applications.
#[derive(Clone, Default)]
pub struct ChannelRules {
    rules: Vec<ChannelRule>,
    asking: Option<Asking>,
}

#[derive(Clone)]
struct Asking {
    courier: Arc<HttpCourier>,
    /// Signs what is asked.
    pair: KeyPair,
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for ChannelRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.rules.fmt(f)
    }
}

/// One who wants to join, and what.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) socket: ConnectionId,
    /// The whole name.
    pub(super) channel: &'a str,
    /// The name behind the prefix.
    pub(super) name: &'a str,
}

/// What a rule has to say of a channel that fits it.
#[derive(Debug)]
pub(super) enum Ruling<'a> {
    /// This user, and nobody else.
    User(&'a str),
    /// Members of this conversation.
    Members(&'a str),
    /// Those with this role, or a higher one.
    Role(ServerRole),
    /// Everybody.
    Anyone,
    /// Whoever an application says: see [`ChannelRules::ask`].
    Webhook(&'a str, Vec<&'a str>),
}

/// What an application says.
#[derive(Debug)]
pub(super) enum Said {
    /// Let it in; on presence channels it shows like this.
    Yes(Box<RawValue>),
    /// Do not.
    No,
    /// Nothing: the next rule counts.
    Nothing,
    /// It could not be asked.
    Unknown,
}

impl ChannelRules {
    /// These rules; applications are asked by `courier`, signed with `pair`.
    pub fn new(rules: Vec<ChannelRule>, courier: HttpCourier, pair: KeyPair) -> Self {
        let asking = Asking {
            courier: Arc::new(courier),
            pair,
            turns: Arc::new(Semaphore::new(QUESTIONS_MAX)),
        };
        Self {
            rules,
            asking: Some(asking),
        }
    }

    /// What there is to say of the name behind a prefix, in the order of the rules, each with the app whose channel it
    /// then is.
    pub(super) fn of<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (Option<&'a str>, Ruling<'a>)> + use<'a> {
        self.rules.iter().filter_map(move |rule| {
            let values = rules::matches(&rule.pattern, name)?;
            let ruling = match &rule.allow {
                Allow::User(place) => Ruling::User(values[*place]),
                Allow::Member(place) => Ruling::Members(values[*place]),
                Allow::Role(role) => Ruling::Role(*role),
                Allow::Anyone => Ruling::Anyone,
                Allow::Webhook(url) => Ruling::Webhook(url, values),
            };
            Some((rule.app.as_deref(), ruling))
        })
    }

    /// Asks the application at `url`. It answers as a callback of Laravel's does: with what is true or shows the
    /// member, with `false`, or with nothing, which leaves it to the next rule.
    pub(super) async fn ask(
        &self,
        url: &str,
        parameters: &[&str],
        account: &Account,
        question: Question<'_>,
    ) -> Said {
        let Some(asking) = &self.asking else {
            return Said::Unknown;
        };
        let body = body(parameters, account, question);
        let errand = Errand {
            url: url.to_owned(),
            key: asking.pair.key.clone(),
            signature: webhook::signature(&asking.pair.secret, &body),
            body: Bytes::from(body),
            headers: Vec::new(),
        };
        let _turn = asking.turns.acquire().await;
        match asking.courier.ask(&errand).await {
            Ok(reply) => said(reply.status, &reply.body),
            Err(error) => {
                warn!(%error, "An application could not be asked who may join a channel");
                Said::Unknown
            }
        }
    }
}

fn body(parameters: &[&str], account: &Account, question: Question<'_>) -> String {
    #[derive(Serialize)]
    struct Asked<'a> {
        time_ms: u64,
        socket_id: String,
        channel_name: &'a str,
        name: &'a str,
        parameters: &'a [&'a str],
        user: User<'a>,
    }
    #[derive(Serialize)]
    struct User<'a> {
        id: i64,
        username: &'a str,
        name: &'a str,
    }
    let asked = Asked {
        time_ms: system_ms(),
        socket_id: question.socket.to_string(),
        channel_name: question.channel,
        name: question.name,
        parameters,
        user: User {
            id: account.id.0,
            username: account.username.as_str(),
            name: &account.display_name,
        },
    };
    serde_json::to_string(&asked).expect("strings and numbers always become JSON")
}

fn said(status: u16, body: &[u8]) -> Said {
    match status {
        200..300 => {}
        // What an application says to those it knows nothing of, or will not have.
        401 | 403 | 404 => return Said::No,
        status => {
            warn!(status, "An application does not say who may join a channel");
            return Said::Unknown;
        }
    }
    if body.trim_ascii().is_empty() {
        return Said::Nothing;
    }
    let Ok(value) = serde_json::from_slice::<Box<RawValue>>(body) else {
        warn!("An application says in no known words who may join a channel");
        return Said::Unknown;
    };
    match value.get() {
        "false" => Said::No,
        // PHP takes all of these for false, and so they are no consent; but only `false` itself refuses.
        "null" | "0" | "0.0" | "-0" | "\"\"" | "\"0\"" => Said::Nothing,
        text if text.starts_with('[') && text[1..].trim_start().starts_with(']') => Said::Nothing,
        _ => Said::Yes(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_rules_are_told() {
        let check = |pattern: &str, allow: &str, url: Option<&str>, expected: &str| {
            let fault = ChannelRule::new(pattern, allow, url, None).err();
            let fault = fault.map(|error| error.to_string()).unwrap_or_default();
            assert!(
                fault.starts_with(expected) && fault.is_empty() == expected.is_empty(),
                "{pattern} {allow}: {fault}"
            );
        };
        check("orders.{order}", "any", None, "");
        check("orders.{order}", "user:{order}", None, "");
        check("a.{x}.b.{y}", "member:{y}", None, "");
        check("staff", "role:admin", None, "");
        check("{x}-{y}", "webhook", Some("https://app.example/auth"), "");
        check("", "any", None, "pattern");
        check("private-orders", "any", None, "pattern");
        check("presence-orders", "any", None, "pattern");
        check("orders.{", "any", None, "pattern");
        check("orders.{}", "any", None, "pattern");
        check("orders.{a b}", "any", None, "pattern");
        check("orders.{a}{b}", "any", None, "pattern");
        check("orders.{a}.{a}", "any", None, "pattern");
        check("orders:{a}", "any", None, "pattern");
        check("orders.{a} ", "any", None, "pattern");
        check(&"x".repeat(201), "any", None, "pattern");
        check("orders.{order}", "user:{user}", None, "allow");
        check("orders.{order}", "user:order", None, "allow");
        check("orders.{order}", "role:king", None, "allow");
        check("orders.{order}", "everybody", None, "allow");
        check("orders.{order}", "webhook", None, "url");
        check("orders.{order}", "webhook", Some("ftp://app.example"), "url");
        check("orders.{order}", "any", Some("https://app.example"), "url");
    }

    #[test]
    fn rules_speak_in_their_order() {
        let rule = |pattern, allow| ChannelRule::new(pattern, allow, None, None).unwrap();
        let rules = ChannelRules {
            rules: vec![
                rule("orders.{order}", "user:{order}"),
                rule("{kind}.{id}", "member:{id}"),
                rule("staff", "role:admin"),
            ],
            asking: None,
        };
        let check = |name: &str, expected: &[&str]| {
            let found: Vec<_> = rules.of(name).map(|(_, ruling)| format!("{ruling:?}")).collect();
            assert_eq!(found, expected, "{name}");
        };
        check("orders.5", &[r#"User("5")"#, r#"Members("5")"#]);
        check("teams.5", &[r#"Members("5")"#]);
        check("orders.5.6", &[]);
        check("staff", &["Role(Admin)"]);
    }

    #[test]
    fn applications_answer_as_laravels_callbacks_do() {
        let check = |status: u16, body: &str, expected: &str| {
            let found = match said(status, body.as_bytes()) {
                Said::Yes(info) => info.get().to_owned(),
                other => format!("{other:?}"),
            };
            assert_eq!(found, expected, "{status} {body}");
        };
        check(200, "true", "true");
        check(200, r#"{"id":7,"name":"A\/é"}"#, r#"{"id":7,"name":"A\/é"}"#);
        check(201, "1", "1");
        check(200, "false", "No");
        check(200, " false\n", "No");
        for nothing in ["null", "0", "\"\"", "[]", "[ ]", "", " "] {
            check(200, nothing, "Nothing");
        }
        check(204, "", "Nothing");
        for status in [401, 403, 404] {
            check(status, "true", "No");
        }
        for status in [302, 419, 422, 500, 503] {
            check(status, "true", "Unknown");
        }
        check(200, "<html>", "Unknown");
        check(200, "true true", "Unknown");
    }
}
