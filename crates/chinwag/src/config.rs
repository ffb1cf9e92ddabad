//! Settings: one table says what there is, and from it come the reading, the checks and the example file.
//!
//! A value comes from the command line, else from `CHINWAG_…` in the environment, else from the TOML file, else from a
//! variable of Laravel Reverb, else it is the default. Unknown keys are errors. All faults are told at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use chinwag_engine::{AppOptions, ClientEvents};

/// One setting.
struct Setting {
    /// Its key in the file; a dot stands for a table.
    key: &'static str,
    /// Variables of Laravel Reverb that mean the same.
    reverb: &'static str,
    /// Its default, as it would stand in the file.
    default: &'static str,
    /// What it is, for the example file.
    help: &'static str,
}

const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        reverb: "",
        default: "127.0.0.1:8080",
        help: "Address and port to listen on.",
    },
    Setting {
        key: "metrics_listen",
        reverb: "",
        default: "",
        help: "Address and port for /metrics (Prometheus), /up, /health and /ready, for operators only; empty: off.",
    },
    Setting {
        key: "data_dir",
        reverb: "",
        default: "./data",
        help: "Folder for the database and the generated secrets.",
    },
    Setting {
        key: "path",
        reverb: "REVERB_SERVER_PATH",
        default: "",
        help: "Prefix of the Pusher protocol's addresses, such as \"/ws\".",
    },
    Setting {
        key: "name",
        reverb: "",
        default: "Chinwag",
        help: "What the server calls itself in the web UI.",
    },
    Setting {
        key: "registration",
        reverb: "",
        default: "open",
        help: "Whether people may create accounts: \"open\" or \"closed\". The first account always can be.",
    },
    Setting {
        key: "trust_proxy",
        reverb: "",
        default: "false",
        help: "A reverse proxy stands in front: believe its X-Forwarded-For and X-Forwarded-Proto.",
    },
    Setting {
        key: "rate_limits",
        reverb: "",
        default: "true",
        help: "Whether the REST API limits how often one user may ask.",
    },
    Setting {
        key: "workers",
        reverb: "",
        default: "0",
        help: "Threads that own WebSocket connections; 0 is one per processor.",
    },
    Setting {
        key: "connections_max",
        reverb: "",
        default: "100000",
        help: "Most WebSocket connections of this node.",
    },
    Setting {
        key: "queue_bytes_max",
        reverb: "",
        default: "1048576",
        help: "Bytes that may wait for one connection before it is closed as too slow.",
    },
    Setting {
        key: "head_timeout_s",
        reverb: "",
        default: "30",
        help: "Seconds in which the head of a request must arrive, and for which an idle HTTP connection is kept.",
    },
    Setting {
        key: "request_bytes_max",
        reverb: "REVERB_MAX_REQUEST_SIZE",
        default: "1048576",
        help: "Largest body of a request to the Pusher HTTP API, in bytes.",
    },
    Setting {
        key: "app.id",
        reverb: "REVERB_APP_ID",
        default: "app",
        help: "Id of your application, as in the paths of the Pusher HTTP API.",
    },
    Setting {
        key: "app.key",
        reverb: "REVERB_APP_KEY",
        default: "",
        help: "Its public key; empty: generated on first start.",
    },
    Setting {
        key: "app.secret",
        reverb: "REVERB_APP_SECRET",
        default: "",
        help: "Its secret; empty: generated on first start.",
    },
    Setting {
        key: "app.allowed_origins",
        reverb: "",
        default: "*",
        help: "Hosts that browsers may come from, with commas between; * admits all.",
    },
    Setting {
        key: "app.connections_max",
        reverb: "REVERB_APP_MAX_CONNECTIONS",
        default: "0",
        help: "Most connections of the application; 0 is no limit.",
    },
    Setting {
        key: "app.message_bytes_max",
        reverb: "REVERB_APP_MAX_MESSAGE_SIZE",
        default: "65536",
        help: "Largest message of a client, in bytes.",
    },
    Setting {
        key: "app.activity_timeout_s",
        reverb: "REVERB_APP_ACTIVITY_TIMEOUT",
        default: "120",
        help: "Seconds of silence after which a client asks whether the server is there.",
    },
    Setting {
        key: "app.ping_interval_s",
        reverb: "REVERB_APP_PING_INTERVAL",
        default: "60",
        help: "Seconds of silence after which the server asks whether a client is there.",
    },
    Setting {
        key: "app.client_events",
        reverb: "REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM",
        default: "members",
        help: "From whom client events are taken: \"members\" of a private or presence channel, members of \"public\" channels too, or \"none\".",
    },
    Setting {
        key: "app.client_events_per_s",
        reverb: "",
        default: "10",
        help: "Client events a second from one connection; 0 is no limit.",
    },
    Setting {
        key: "app.presence_members_max",
        reverb: "",
        default: "1000",
        help: "Most members of a presence channel; 0 is no limit.",
    },
];

/// What Reverb does where we would do something else. Used instead of the default when its variables are set.
const REVERB_DEFAULTS: &[(&str, &str)] = &[
    ("app.activity_timeout_s", "30"),
    ("app.client_events", "public"),
    ("app.client_events_per_s", "0"),
    ("app.presence_members_max", "0"),
];

/// All settings, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Where to listen for those who watch over the server.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Where to keep things.
    pub(crate) data_dir: PathBuf,
    /// Prefix of the Pusher protocol: empty, or with a slash in front and none behind.
    pub(crate) path: String,
    /// What the server calls itself.
    pub(crate) name: String,
    /// May people register.
    pub(crate) registration_open: bool,
    /// Is there a proxy to believe.
    pub(crate) trust_proxy: bool,
    /// Does the REST API limit its users.
    pub(crate) rate_limits: bool,
    /// Worker threads, at least 1.
    pub(crate) workers: usize,
    /// Most connections of the node.
    pub(crate) connections_max: usize,
    /// Most bytes waiting for a connection.
    pub(crate) queue_bytes_max: usize,
    /// Time for a request's head.
    pub(crate) head_timeout: Duration,
    /// Largest body of the Pusher HTTP API.
    pub(crate) request_bytes_max: usize,
    /// Id of the application.
    pub(crate) app_id: String,
    /// Its key pair, when given.
    pub(crate) app_keys: Option<(String, String)>,
    /// What it allows.
    pub(crate) app: AppOptions,
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
    for name in sources
        .environment
        .keys()
        .filter(|name| name.starts_with("CHINWAG_"))
    {
        let known = SETTINGS.iter().any(|setting| variable(setting.key) == *name);
        if !known && !["CHINWAG_CONFIG", "CHINWAG_LOG"].contains(&name.as_str()) {
            faults.push(format!("{name}: there is no such setting"));
        }
    }
    let non_empty = |name: &str| sources.environment.get(name).filter(|value| !value.is_empty());
    let from_reverb = non_empty("REVERB_APP_KEY").is_some();
    let mut values: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for setting in SETTINGS {
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
            .or_else(|| non_empty(setting.reverb).map(|value| (setting.reverb.to_owned(), value.clone())))
            .unwrap_or_else(|| {
                let reverb = REVERB_DEFAULTS
                    .iter()
                    .find(|(known, _)| from_reverb && *known == key);
                (
                    key.to_owned(),
                    reverb.map_or(setting.default, |(_, value)| value).to_owned(),
                )
            });
        values.insert(key, value);
    }
    if let Some(listen) = reverb_address(sources, &file) {
        values.insert("listen", listen);
    }
    let mut reader = Reader { values, faults };
    let config = reader.config();
    if reader.faults.is_empty() {
        Ok(config)
    } else {
        Err(Faults(reader.faults))
    }
}

/// Reverb's bind address comes in two variables. They count when nothing of ours says where to listen.
fn reverb_address(sources: &Sources<'_>, file: &BTreeMap<String, String>) -> Option<(String, String)> {
    let ours = sources.given.iter().any(|(key, _)| *key == "listen")
        || sources.environment.contains_key("CHINWAG_LISTEN")
        || file.contains_key("listen");
    let variable = |name: &str| sources.environment.get(name).filter(|value| !value.is_empty());
    let (host, port) = (variable("REVERB_SERVER_HOST"), variable("REVERB_SERVER_PORT"));
    if ours || (host.is_none() && port.is_none()) {
        return None;
    }
    let host = host.map_or("127.0.0.1", String::as_str);
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let port = port.map_or("8080", String::as_str);
    Some((
        "REVERB_SERVER_HOST and REVERB_SERVER_PORT".to_owned(),
        format!("{host}:{port}"),
    ))
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
        if !SETTINGS.iter().any(|setting| setting.key == key) {
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

    fn fault(&mut self, key: &str, text: &str) {
        let (source, value) = &self.values[key];
        // A secret must not be printed, not even a faulty one.
        let value = if key.ends_with("secret") { "…" } else { value };
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
        self.parse(key, "true or false is wanted", false)
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
                    ("all", ClientEvents::MembersAndPublic),
                    ("none", ClientEvents::Refused),
                ],
            ),
            client_events_per_s: self.number("app.client_events_per_s") as u32,
            message_bytes_max: self.positive("app.message_bytes_max"),
            presence_members_max: self.number("app.presence_members_max"),
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
            path: if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            },
            name: self.text("name"),
            registration_open: self.one_of("registration", &[("open", true), ("closed", false)]),
            trust_proxy: self.flag("trust_proxy"),
            rate_limits: self.flag("rate_limits"),
            workers,
            connections_max: self.positive("connections_max"),
            queue_bytes_max: self.positive("queue_bytes_max"),
            head_timeout: Duration::from_secs(self.positive("head_timeout_s") as u64),
            request_bytes_max: self.positive("request_bytes_max"),
            app_id: self.text("app.id"),
            app_keys,
            app,
        }
    }
}

/// Id of the app that the messenger itself uses.
pub(crate) const MESSENGER_APP: &str = "messenger";

/// The example file: every setting with its default, commented out.
pub(crate) fn example() -> String {
    let mut text = String::from(
        "# Every setting with its default. None is needed. Each can also be given in the environment, in capitals\n\
         # and with CHINWAG_ in front: app.key is CHINWAG_APP_KEY. The environment wins over this file.\n",
    );
    let mut table = "";
    for setting in SETTINGS {
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
        let reverb = if setting.reverb.is_empty() {
            String::new()
        } else {
            format!(" ({})", setting.reverb)
        };
        let _ = write!(text, "\n# {}{reverb}\n# {name} = {value}\n", setting.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(environment: &[(&str, &str)], file: Option<&str>) -> Result<Config, Faults> {
        read(&Sources {
            given: &[],
            environment: environment
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            file: file.map(|text| (Path::new("chinwag.toml"), text.to_owned())),
        })
    }

    #[test]
    fn nothing_at_all_is_a_working_configuration() {
        let config = read_from(&[], None).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert!(config.workers >= 1 && config.registration_open && config.app_keys.is_none());
        assert_eq!(config.app.activity_timeout_ms, 120_000);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = "listen = \"127.0.0.1:1\"\nworkers = 3\n[app]\nallowed_origins = [\"a.org\", \"b.org\"]\n";
        let config = read_from(&[("CHINWAG_LISTEN", "127.0.0.1:2")], Some(file)).unwrap();
        assert_eq!((config.listen.port(), config.workers), (2, 3));
        assert_eq!(config.app.allowed_origins, ["a.org", "b.org"]);
    }

    #[test]
    fn a_reverb_environment_means_what_it_means_to_reverb() {
        let config = read_from(
            &[
                ("REVERB_APP_ID", "100200"),
                ("REVERB_APP_KEY", "k"),
                ("REVERB_APP_SECRET", "s"),
                ("REVERB_HOST", "example.org"),
                ("REVERB_PORT", "443"),
                ("REVERB_SERVER_HOST", "0.0.0.0"),
                ("REVERB_SERVER_PORT", "8081"),
                ("REVERB_SERVER_PATH", "/ws/"),
            ],
            None,
        )
        .unwrap();
        assert_eq!(
            config.listen.to_string(),
            "0.0.0.0:8081",
            "the public port is not the one to listen on"
        );
        assert_eq!((config.app_id.as_str(), config.path.as_str()), ("100200", "/ws"));
        assert_eq!(config.app_keys, Some(("k".to_owned(), "s".to_owned())));
        assert_eq!(
            (config.app.activity_timeout_ms, config.app.presence_members_max),
            (30_000, 0)
        );
        assert_eq!(config.app.client_events, ClientEvents::MembersAndPublic);
    }

    #[test]
    fn all_faults_are_told_at_once_and_no_secret_with_them() {
        let file = "listen = \"nowhere\"\ncolour = \"red\"\n[app]\nsecret = \"hush\"\n[other]\nx = 1\n";
        let Faults(faults) =
            read_from(&[("CHINWAG_WORKERS", "many"), ("CHINWAG_TYPO", "1")], Some(file)).unwrap_err();
        for part in [
            "nowhere",
            "colour",
            "CHINWAG_WORKERS",
            "CHINWAG_TYPO",
            "app.key",
            "other.x",
        ] {
            assert!(
                faults.iter().any(|fault| fault.contains(part)),
                "{part} in {faults:?}"
            );
        }
        assert!(!faults.iter().any(|fault| fault.contains("hush")));
        assert!(read_from(&[], Some("listen = ")).is_err(), "not TOML");
    }

    #[test]
    fn the_example_file_is_kept_and_says_the_defaults() {
        let kept = include_str!("../../../docs/chinwag.example.toml");
        assert_eq!(
            kept,
            example(),
            "write the output of `chinwag check --example` to docs/chinwag.example.toml"
        );
        let uncommented: String = example()
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|l| l.contains(" = "))
                    .unwrap_or(line)
            })
            .collect::<Vec<_>>()
            .join("\n");
        let config = read_from(&[], Some(&uncommented)).unwrap();
        assert_eq!(
            format!("{config:?}"),
            format!("{:?}", read_from(&[], None).unwrap())
        );
    }
}
