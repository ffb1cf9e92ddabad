//! Settings: one table says what there is, and from it come the reading, the checks and the example file.
//!
//! A value comes from the command line, else from `CHINWAG_…` in the environment, else from the TOML file, else from a
//! variable of Laravel Reverb, Soketi or laravel-websockets, in this order, else it is the default. Unknown keys are errors. All faults are told at once.

mod apps;
mod broadcast;
mod limits;
mod settings;
mod soketi;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use chinwag_engine::{AppOptions, ClientEvents, MessageRate, Pings, Secret};
use chinwag_messenger::{Options, Registration};

pub(crate) use apps::FileApp;
use chinwag_server::laravel::ChannelRule;
use chinwag_server::messenger::presence::PresenceOptions;
use chinwag_server::messenger::{ClientHints, RateLimits};

use self::limits::LIMITS;
use self::settings::{ADDRESSES, ALIASES, NOT_SUPPORTED, OTHER_DEFAULTS, SETTINGS, Setting, truth};

/// All settings, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Where to listen for those who watch over the server.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Where to keep things.
    pub(crate) data_dir: PathBuf,
    /// Where to keep files that people send.
    pub(crate) files_dir: PathBuf,
    /// Where the PostgreSQL database is, if not SQLite is used.
    pub(crate) database_url: Option<Secret>,
    /// Prefix of the Pusher protocol: empty, or with a slash in front and none behind.
    pub(crate) path: String,
    /// What the server calls itself.
    pub(crate) name: String,
    /// Who may register.
    pub(crate) registration: Registration,
    /// What the messenger allows in numbers.
    pub(crate) limits: Options,
    /// Where people reach the web UI.
    pub(crate) public_url: Option<String>,
    /// Address of the mail server, and the sender.
    pub(crate) mail: Option<(Secret, String)>,
    /// Whom push services may ask.
    pub(crate) push_contact: String,
    /// May pushes go into private networks.
    pub(crate) push_private_addresses: bool,
    /// Is there a proxy to believe.
    pub(crate) trust_proxy: bool,
    /// Files of certificate and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Sites whose pages may use the REST API.
    pub(crate) cors_origins: Vec<String>,
    /// Hosts whose pages log in with a cookie.
    pub(crate) stateful_domains: Vec<String>,
    /// How often one user may ask the REST API.
    pub(crate) rates: RateLimits,
    /// How people come and go.
    pub(crate) presence: PresenceOptions,
    /// Times that clients keep.
    pub(crate) hints: ClientHints,
    /// Largest realtime event of the messenger.
    pub(crate) event_bytes_max: usize,
    /// Most realtime connections of one user.
    pub(crate) user_connections_max: usize,
    /// Worker threads, at least 1.
    pub(crate) workers: usize,
    /// Most connections of the node.
    pub(crate) connections_max: usize,
    /// Most bytes waiting for a connection.
    pub(crate) queue_bytes_max: usize,
    /// Time for a request's head.
    pub(crate) head_timeout: Duration,
    /// Most connections that are no WebSockets.
    pub(crate) http_connections_max: usize,
    /// Largest body of the Pusher HTTP API.
    pub(crate) request_bytes_max: usize,
    /// May a webhook tell of several events.
    pub(crate) webhook_batch: bool,
    /// May webhooks go into private networks.
    pub(crate) webhook_private_addresses: bool,
    /// Who may join channels of the operator's own.
    pub(crate) channel_rules: Vec<ChannelRule>,
    /// Applications beside the one below.
    pub(crate) apps: Vec<FileApp>,
    /// Id of the application.
    pub(crate) app_id: String,
    /// Its key pair, when given.
    pub(crate) app_keys: Option<(String, String)>,
    /// What it allows.
    pub(crate) app: AppOptions,
    /// How long its cache channels keep their last event.
    pub(crate) cache_ttl_ms: u64,
    /// What was asked for in vain, for the log.
    pub(crate) notices: Vec<String>,
}

/// Faults, a line each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has faults:\n{}", .0.iter().map(|fault| format!("  {fault}\n")).collect::<String>())]
pub(crate) struct Faults(pub(crate) Vec<String>);

/// Where values come from: command line, environment, file.
pub(crate) struct Sources<'a> {
    /// Keys and values of the command line.
    pub(crate) given: &'a [(&'static str, String)],
    /// The environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Content of the file and where it is.
    pub(crate) file: Option<(&'a Path, String)>,
}

/// All settings, in the order of the example file.
fn all_settings() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().chain(LIMITS)
}

fn variable(key: &str) -> String {
    format!("CHINWAG_{}", key.replace('.', "_").to_uppercase())
}

/// Reads and checks all settings.
///
/// # Errors
/// All faults there are.
pub(crate) fn read(sources: &Sources<'_>) -> Result<Config, Faults> {
    let mut faults = Vec::new();
    let file = read_file(sources, &mut faults);
    let file_apps = apps::read(sources, &mut faults);
    let channel_rules = broadcast::read(sources, &mut faults);
    for name in sources
        .environment
        .keys()
        .filter(|name| name.starts_with("CHINWAG_"))
    {
        let known = all_settings().any(|setting| variable(setting.key) == *name);
        if !known && !["CHINWAG_CONFIG", "CHINWAG_LOG"].contains(&name.as_str()) {
            faults.push(format!("{name}: there is no such setting"));
        }
    }
    let non_empty = |name: &str| sources.environment.get(name).filter(|value| !value.is_empty());
    let of_others = OTHER_DEFAULTS
        .iter()
        .find(|(variable, _)| non_empty(variable).is_some())
        .map_or(&[][..], |(_, defaults)| *defaults);
    let alias = |key: &str| {
        ALIASES
            .iter()
            .filter(|(known, ..)| *known == key)
            .find_map(|(_, variable, reading)| {
                Some(((*variable).to_owned(), reading.read(non_empty(variable)?)))
            })
    };
    let mut values: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for setting in all_settings() {
        let key = setting.key;
        let given = sources
            .given
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, value)| value.clone());
        let value = given
            .map(|value| (format!("--{key}"), value))
            .or_else(|| non_empty(&variable(key)).map(|value| (variable(key), value.clone())))
            .or_else(|| file.get(key).map(|value| (key.to_owned(), value.clone())))
            .or_else(|| {
                let value = non_empty(setting.reverb)?;
                Some((setting.reverb.to_owned(), truth(value).to_owned()))
            })
            .or_else(|| alias(key))
            .unwrap_or_else(|| {
                let other = of_others.iter().find(|(known, _)| *known == key);
                let default = other.map_or(setting.default, |(_, value)| value);
                (key.to_owned(), default.to_owned())
            });
        values.insert(key, value);
    }
    if let Some(listen) = other_address(sources, &file) {
        values.insert("listen", listen);
    }
    derive(&mut values, &file, &non_empty);
    let mut listed = soketi::Listed::default();
    if let Some(text) = non_empty(soketi::WEBHOOKS) {
        match soketi::webhooks(text) {
            Ok(webhooks) => listed = webhooks,
            Err(text) => faults.push(format!("{}: {text}", soketi::WEBHOOKS)),
        }
    }
    let mut reader = Reader { values, faults };
    let mut config = reader.config();
    config.notices = NOT_SUPPORTED
        .iter()
        .filter(|(name, harmless, _)| non_empty(name).is_some_and(|value| !harmless.contains(&truth(value))))
        .map(|(name, _, text)| format!("{name} is set, but {text}"))
        .collect();
    if listed.functions {
        let text = "functions are not called, only addresses";
        config
            .notices
            .push(format!("{} is set, but {text}", soketi::WEBHOOKS));
    }
    config.app.webhooks = match file_apps.webhooks {
        none if none.is_empty() => listed.webhooks,
        ours => ours,
    };
    config.apps = file_apps.apps;
    config.channel_rules = channel_rules;
    if config.apps.iter().any(|app| app.id == config.app_id) {
        reader.fault("app.id", "one of [[apps]] has this id");
    }
    if reader.faults.is_empty() {
        Ok(config)
    } else {
        Err(Faults(reader.faults))
    }
}

/// Other servers' bind address comes in two variables. They count when nothing of ours says where to listen.
fn other_address(sources: &Sources<'_>, file: &BTreeMap<String, String>) -> Option<(String, String)> {
    let ours = sources.given.iter().any(|(key, _)| *key == "listen")
        || sources.environment.contains_key("CHINWAG_LISTEN")
        || file.contains_key("listen");
    if ours {
        return None;
    }
    let variable = |name: &str| sources.environment.get(name).filter(|value| !value.is_empty());
    ADDRESSES.iter().find_map(|(host_name, port_name, host, port)| {
        let (given_host, given_port) = (variable(host_name), variable(port_name));
        if given_host.is_none() && given_port.is_none() {
            return None;
        }
        let host = given_host.map_or(*host, String::as_str);
        let port = given_port.map_or(*port, String::as_str);
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let names: Vec<_> = [*host_name, *port_name]
            .into_iter()
            .filter(|name| !name.is_empty())
            .collect();
        Some((names.join(" and "), format!("{host}:{port}")))
    })
}

/// Values of other servers that depend on more than one of their variables.
fn derive<'a>(
    values: &mut BTreeMap<&str, (String, String)>,
    file: &BTreeMap<String, String>,
    variable: &impl Fn(&str) -> Option<&'a String>,
) {
    // Reverb's members may whisper on public channels.
    let from = "REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM";
    if let Some((source, value)) = values.get_mut("app.client_events")
        && source == from
        && value == "members"
    {
        *value = "public".to_owned();
    }
    // Reverb limits events by the size of the request only: one that was let through must stay so.
    let mut untouched = |key: &str, source: &str, value: String| {
        if let Some(known) = values.get_mut(key)
            && known.0 == key
            && !file.contains_key(key)
        {
            *known = (source.to_owned(), value);
        }
    };
    let request = "REVERB_MAX_REQUEST_SIZE";
    if let Some(bytes) = variable(request).and_then(|text| text.parse::<usize>().ok()) {
        untouched("app.event_bytes_max", request, bytes.max(10_240).to_string());
    }
    // Soketi has a switch and a time, in milliseconds.
    let switch = "SOKETI_DEFAULT_APP_USER_AUTHENTICATION";
    if variable(switch).is_some_and(|value| ["true", "1"].contains(&truth(value))) {
        let time = "SOKETI_USER_AUTHENTICATION_TIMEOUT";
        let ms = variable(time).map_or("30000", String::as_str);
        let seconds = ms
            .parse::<u64>()
            .map_or_else(|_| ms.to_owned(), |ms| ms.div_ceil(1_000).to_string());
        untouched("app.user_authentication_timeout_s", time, seconds);
    }
}

fn read_file(sources: &Sources<'_>, faults: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let Some((path, text)) = &sources.file else {
        return values;
    };
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            faults.push(format!("{}: {error}", path.display()));
            return values;
        }
    };
    let mut flatten = |prefix: &str, name: &str, value: &toml::Value| {
        let key = if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}.{name}")
        };
        if apps::is_read_here(&key) {
            return;
        }
        if !all_settings().any(|setting| setting.key == key) {
            faults.push(format!("{}: there is no setting {key}", path.display()));
            return;
        }
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(list) => {
                let texts = list
                    .iter()
                    .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned));
                texts.collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        values.insert(key, text);
    };
    for (name, value) in &table {
        match value {
            toml::Value::Table(inner) => inner
                .iter()
                .for_each(|(inner, value)| flatten(name, inner, value)),
            value => flatten("", name, value),
        }
    }
    values
}

struct Reader {
    /// For each key: where its value comes from, and the value.
    values: BTreeMap<&'static str, (String, String)>,
    faults: Vec<String>,
}

impl Reader {
    fn text(&self, key: &str) -> String {
        self.values[key].1.clone()
    }

    /// Values with commas between.
    fn list(&self, key: &str) -> Vec<String> {
        let text = self.text(key);
        let values = text.split(',').map(str::trim).filter(|value| !value.is_empty());
        values.map(str::to_owned).collect()
    }

    fn fault(&mut self, key: &str, text: &str) {
        let (source, value) = &self.values[key];
        // A secret must not be printed, not even a faulty one.
        let secret = key.ends_with("secret") || key == "database_url";
        let value = if secret { "…" } else { value };
        self.faults.push(format!("{source} = {value:?}: {text}"));
    }

    fn parse<T: FromStr>(&mut self, key: &str, want: &str, fallback: T) -> T {
        if let Ok(value) = self.text(key).parse() {
            return value;
        }
        self.fault(key, want);
        fallback
    }

    fn number(&mut self, key: &str) -> usize {
        self.parse(key, "a whole number is wanted", 1)
    }

    fn positive(&mut self, key: &str) -> usize {
        let number = self.number(key);
        if number == 0 {
            self.fault(key, "more than 0 is wanted");
        }
        number
    }

    fn flag(&mut self, key: &str) -> bool {
        self.one_of(
            key,
            &[("true", true), ("false", false), ("1", true), ("0", false)],
        )
    }

    fn one_of<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let text = self.text(key);
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return *value;
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        self.fault(key, &format!("one of {} is wanted", names.join(", ")));
        choices[0].1
    }

    fn mail(&mut self) -> Option<(Secret, String)> {
        let (server, from, site) = (
            self.text("mail.smtp_url"),
            self.text("mail.from"),
            self.text("public_url"),
        );
        if !site.is_empty() && !is_origin(site.trim_end_matches('/')) {
            self.fault(
                "public_url",
                "an address is wanted, such as https://chat.example.org",
            );
        }
        if server.is_empty() {
            return None;
        }
        if from.is_empty() {
            self.fault("mail.from", "mails have a sender");
        }
        if site.is_empty() {
            self.fault(
                "public_url",
                "mails have links, so it must be known where they lead",
            );
        }
        Some((Secret::new(&server), from))
    }

    fn push_contact(&mut self) -> String {
        let (contact, site) = (self.text("push.contact"), self.text("public_url"));
        match (contact.is_empty(), site.is_empty()) {
            // Most push services do not mind; some want somebody they can ask.
            (true, true) => "mailto:webmaster@localhost".to_owned(),
            (true, false) => site,
            (false, _) => {
                if !contact.starts_with("mailto:") && !contact.starts_with("https://") {
                    self.fault(
                        "push.contact",
                        "an address is wanted that begins with mailto: or https://",
                    );
                }
                contact
            }
        }
    }

    fn database_url(&mut self) -> Option<Secret> {
        let url = self.text("database_url");
        if url.is_empty() {
            return None;
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            self.fault(
                "database_url",
                "an address is wanted, such as postgres://user:password@host:5432/database",
            );
        }
        Some(Secret::new(&url))
    }

    fn config(&mut self) -> Config {
        let localhost = SocketAddr::from(([127, 0, 0, 1], 8080));
        let workers = match self.number("workers") {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers.min(1_024),
        };
        let path = self.text("path");
        let path = path.trim_matches('/');
        let (key, secret) = (self.text("app.key"), self.text("app.secret"));
        let app_keys = match (key.is_empty(), secret.is_empty()) {
            (true, true) => None,
            (false, false) => Some((key, secret)),
            (true, false) => {
                self.fault("app.key", "the secret is given, so the key must be too");
                None
            }
            (false, true) => {
                self.fault("app.secret", "the key is given, so the secret must be too");
                None
            }
        };
        if self.text("app.id").is_empty() || self.text("app.id") == MESSENGER_APP {
            self.fault("app.id", "an id of your own is wanted");
        }
        let cors_origins = self.list("cors_origins");
        if cors_origins.iter().any(|origin| !is_origin(origin)) {
            self.fault(
                "cors_origins",
                "origins are wanted, such as https://app.example.org",
            );
        }
        let tls = match (self.text("tls_certificate"), self.text("tls_key")) {
            (certificate, key) if certificate.is_empty() && key.is_empty() => None,
            (certificate, key) => {
                if certificate.is_empty() {
                    self.fault(
                        "tls_certificate",
                        "the key is given, so the certificate must be too",
                    );
                }
                if key.is_empty() {
                    self.fault("tls_key", "the certificate is given, so the key must be too");
                }
                Some((certificate.into(), key.into()))
            }
        };
        let app = AppOptions {
            connections_max: self.number("app.connections_max"),
            allowed_origins: self
                .text("app.allowed_origins")
                .split(',')
                .map(|o| o.trim().to_owned())
                .collect(),
            client_events: self.one_of(
                "app.client_events",
                &[
                    ("members", ClientEvents::Members),
                    ("public", ClientEvents::MembersAndPublic),
                    ("all", ClientEvents::Anybody),
                    ("none", ClientEvents::Refused),
                ],
            ),
            client_events_per_s: self.number("app.client_events_per_s") as u32,
            message_bytes_max: self.positive("app.message_bytes_max"),
            presence_members_max: self.number("app.presence_members_max"),
            enabled: self.flag("app.enabled"),
            pings: self.one_of("app.pings", &[("ws", Pings::Frames), ("event", Pings::Messages)]),
            user_authentication_timeout_ms: self.number("app.user_authentication_timeout_s") as u64 * 1_000,
            watchlists: self.flag("app.watchlist_events"),
            subscription_counts: self.flag("app.subscription_count"),
            disconnect_by_presence: self.flag("app.terminate_matches_presence"),
            lenient_names: self.flag("app.lenient_channel_names"),
            event_bytes_max: self.positive("app.event_bytes_max"),
            event_name_chars_max: self.positive("app.event_name_chars_max"),
            channels_per_event_max: self.positive("app.channels_per_event_max"),
            events_per_batch_max: self.positive("app.events_per_batch_max"),
            subscriptions_max: self.positive("app.subscriptions_max"),
            presence_member_bytes_max: self.positive("app.presence_member_bytes_max"),
            timestamp_tolerance_s: self.number("app.timestamp_tolerance_s") as u64,
            published_per_s: self.number("app.published_per_s") as u32,
            queries_per_s: self.number("app.queries_per_s") as u32,
            message_rate: {
                let rate = MessageRate {
                    max: self.positive("app.rate_limit_messages") as u32,
                    window_ms: self.positive("app.rate_limit_window_s") as u64 * 1_000,
                    closes: self.flag("app.rate_limit_terminate"),
                };
                self.flag("app.rate_limit").then_some(rate)
            },
            activity_timeout_ms: self.positive("app.activity_timeout_s") as u64 * 1_000,
            ping_interval_ms: self.positive("app.ping_interval_s") as u64 * 1_000,
            ..AppOptions::default()
        };
        Config {
            listen: self.parse(
                "listen",
                "an address and a port are wanted, such as 0.0.0.0:8080",
                localhost,
            ),
            metrics_listen: match self.text("metrics_listen").as_str() {
                "" => None,
                _ => Some(self.parse(
                    "metrics_listen",
                    "an address and a port are wanted, such as 127.0.0.1:9090, or nothing",
                    localhost,
                )),
            },
            data_dir: PathBuf::from(self.text("data_dir")),
            files_dir: match self.text("files_dir").as_str() {
                "" => PathBuf::from(self.text("data_dir")).join("files"),
                folder => PathBuf::from(folder),
            },
            database_url: self.database_url(),
            path: if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            },
            name: self.text("name"),
            registration: self.one_of(
                "registration",
                &[
                    ("open", Registration::Open),
                    ("invite", Registration::Invite),
                    ("closed", Registration::Closed),
                ],
            ),
            limits: self.limits(),
            public_url: Some(self.text("public_url")).filter(|url| !url.is_empty()),
            mail: self.mail(),
            push_contact: self.push_contact(),
            push_private_addresses: self.flag("push.private_addresses"),
            trust_proxy: self.flag("trust_proxy"),
            tls,
            cors_origins,
            stateful_domains: self.list("stateful_domains"),
            rates: self.rates(),
            presence: self.presence(),
            hints: self.hints(),
            event_bytes_max: self.event_bytes(),
            user_connections_max: self.positive("limits.connections"),
            workers,
            connections_max: self.positive("connections_max"),
            queue_bytes_max: self.positive("queue_bytes_max"),
            http_connections_max: self.positive("http_connections_max"),
            head_timeout: Duration::from_secs(self.positive("head_timeout_s") as u64),
            request_bytes_max: self.positive("request_bytes_max"),
            webhook_batch: self.flag("webhook_batch"),
            webhook_private_addresses: self.flag("webhook_private_addresses"),
            channel_rules: Vec::new(),
            apps: Vec::new(),
            app_id: self.text("app.id"),
            app_keys,
            app,
            cache_ttl_ms: self.positive("app.cache_ttl_s") as u64 * 1_000,
            notices: Vec::new(),
        }
    }
}

/// As browsers write it: a scheme, a host, and nothing behind but a port.
fn is_origin(text: &str) -> bool {
    let host = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    host.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"/?#@*\"".contains(&b))
    })
}

/// Id of the app that the messenger itself uses.
pub(crate) const MESSENGER_APP: &str = "messenger";

/// The example file: every setting with its default, commented out.
pub(crate) fn example() -> String {
    let mut text = String::from(
        "# Every setting with its default. None is needed. Each can also be given in the environment, in capitals\n\
         # and with CHINWAG_ in front: app.key is CHINWAG_APP_KEY. The environment wins over this file.\n\
         # Further apps and webhooks are tables of this file: see WEBHOOKS.md.\n",
    );
    let mut table = "";
    for setting in all_settings() {
        let (inner, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if inner != table {
            table = inner;
            let _ = write!(text, "\n[{table}]\n");
        }
        let plain = setting.default.parse::<i64>().is_ok() || setting.default.parse::<bool>().is_ok();
        let value = if plain {
            setting.default.to_owned()
        } else {
            format!("{:?}", setting.default)
        };
        let aliases = ALIASES.iter().filter(|(key, ..)| *key == setting.key);
        let others: Vec<_> = std::iter::once(setting.reverb)
            .chain(aliases.map(|(_, variable, _)| *variable))
            .filter(|variable| !variable.is_empty())
            .collect();
        let others = if others.is_empty() {
            String::new()
        } else {
            format!(" ({})", others.join(", "))
        };
        let _ = write!(text, "\n# {}{others}\n# {name} = {value}\n", setting.help);
    }
    text.push_str(broadcast::EXAMPLE);
    text
}

#[cfg(test)]
mod tests;
