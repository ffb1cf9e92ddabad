//! The tables of settings: what there is, and what other servers call it.

use chinwag_server::messenger::STATEFUL_DOMAINS;

/// One setting.
pub(super) struct Setting {
    /// Its key in the file; a dot stands for a table.
    pub(super) key: &'static str,
    /// Variables of Laravel Reverb that mean the same.
    pub(super) reverb: &'static str,
    /// Its default, as it would stand in the file.
    pub(super) default: &'static str,
    /// What it is, for the example file.
    pub(super) help: &'static str,
}

pub(super) const SETTINGS: &[Setting] = &[
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
        key: "files_dir",
        reverb: "",
        default: "",
        help: "Where files that people send are kept. Empty: files, in the data folder.",
    },
    Setting {
        key: "database_url",
        reverb: "",
        default: "",
        help: "PostgreSQL 13 or newer, as \"postgres://user:password@host:5432/database\"; empty: SQLite in the data folder.",
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
        help: "Who may create accounts: everybody (\"open\"), those whom an administrator invited (\"invite\"), or nobody (\"closed\"). The first account always can be.",
    },
    Setting {
        key: "public_url",
        reverb: "",
        default: "",
        help: "Where people reach the web UI, such as \"https://chat.example.org\": links in mails lead there.",
    },
    Setting {
        key: "trust_proxy",
        reverb: "",
        default: "false",
        help: "A reverse proxy stands in front: believe its X-Forwarded-For and X-Forwarded-Proto.",
    },
    Setting {
        key: "tls_certificate",
        reverb: "",
        default: "",
        help: "PEM file with the certificate and its chain, to serve https and wss; SIGHUP reads it again.",
    },
    Setting {
        key: "tls_key",
        reverb: "",
        default: "",
        help: "PEM file with the certificate's private key.",
    },
    Setting {
        key: "cors_origins",
        reverb: "",
        default: "",
        help: "Origins of other sites whose pages may use the REST API, such as \"https://app.example.org\".",
    },
    Setting {
        key: "stateful_domains",
        reverb: "",
        default: STATEFUL_DOMAINS,
        help: "Hosts besides our own whose pages log in with a cookie, as Sanctum's stateful domains.",
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
        key: "http_connections_max",
        reverb: "",
        default: "10000",
        help: "Most HTTP connections at a time, counting those that have not said yet what they want.",
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
        key: "webhook_batch",
        reverb: "",
        default: "false",
        help: "Whether a webhook may tell of several events at once: up to 100, or those of 50 milliseconds.",
    },
    Setting {
        key: "webhook_private_addresses",
        reverb: "",
        default: "false",
        help: "Whether webhooks, and rules of channels that ask your application, may go to addresses of private networks and of this machine.",
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
        help: "From whom client events are taken: \"members\" of a private or presence channel, members of \"public\" channels too, on those from \"all\", or \"none\".",
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
    Setting {
        key: "app.cache_ttl_s",
        reverb: "",
        default: "1800",
        help: "Seconds for which a cache channel keeps its last event.",
    },
    Setting {
        key: "app.enabled",
        reverb: "",
        default: "true",
        help: "Whether the application is switched on; if not, nobody may connect or publish.",
    },
    Setting {
        key: "app.pings",
        reverb: "",
        default: "ws",
        help: "How silent clients are asked: by a ping of WebSocket, \"ws\", or by a message of the protocol, \"event\".",
    },
    Setting {
        key: "app.user_authentication_timeout_s",
        reverb: "",
        default: "0",
        help: "Seconds in which a connection must sign in or join a private or presence channel; 0 is no limit.",
    },
    Setting {
        key: "app.watchlist_events",
        reverb: "",
        default: "false",
        help: "Whether users who sign in hear who of those on their watchlist comes and goes.",
    },
    Setting {
        key: "app.subscription_count",
        reverb: "",
        default: "false",
        help: "Whether subscribers of a channel are told how many they are.",
    },
    Setting {
        key: "app.terminate_matches_presence",
        reverb: "",
        default: "true",
        help: "Whether terminating a user's connections also ends those that only are on a presence channel as that user.",
    },
    Setting {
        key: "app.lenient_channel_names",
        reverb: "",
        default: "false",
        help: "Whether names of channels may have any characters that print, as in Reverb.",
    },
    Setting {
        key: "app.event_bytes_max",
        reverb: "",
        default: "10240",
        help: "Largest data of one event, in bytes.",
    },
    Setting {
        key: "app.event_name_chars_max",
        reverb: "",
        default: "200",
        help: "Longest name of an event.",
    },
    Setting {
        key: "app.channels_per_event_max",
        reverb: "",
        default: "100",
        help: "Most channels of one call that publishes.",
    },
    Setting {
        key: "app.events_per_batch_max",
        reverb: "",
        default: "10",
        help: "Most events of one batch.",
    },
    Setting {
        key: "app.subscriptions_max",
        reverb: "",
        default: "1000",
        help: "Most channels that one connection may be subscribed to.",
    },
    Setting {
        key: "app.presence_member_bytes_max",
        reverb: "",
        default: "2048",
        help: "Largest data of a member of a presence channel, in bytes.",
    },
    Setting {
        key: "app.timestamp_tolerance_s",
        reverb: "",
        default: "600",
        help: "Seconds that the clock of a server that publishes may be off; 0 is no limit.",
    },
    Setting {
        key: "app.published_per_s",
        reverb: "",
        default: "0",
        help: "Events a second that your servers may publish; 0 is no limit.",
    },
    Setting {
        key: "app.queries_per_s",
        reverb: "",
        default: "0",
        help: "Questions a second that your servers may ask the HTTP API; 0 is no limit.",
    },
    Setting {
        key: "app.rate_limit",
        reverb: "REVERB_APP_RATE_LIMITING_ENABLED",
        default: "false",
        help: "Whether one connection may send only so many messages in a while.",
    },
    Setting {
        key: "app.rate_limit_messages",
        reverb: "REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS",
        default: "60",
        help: "How many messages.",
    },
    Setting {
        key: "app.rate_limit_window_s",
        reverb: "REVERB_APP_RATE_LIMIT_DECAY_SECONDS",
        default: "60",
        help: "In how many seconds.",
    },
    Setting {
        key: "app.rate_limit_terminate",
        reverb: "REVERB_APP_RATE_LIMIT_TERMINATE",
        default: "false",
        help: "Whether a connection that sends more is closed, and not only refused.",
    },
    Setting {
        key: "mail.smtp_url",
        reverb: "",
        default: "",
        help: "The mail server, as \"smtps://user:password@host:465\" or \"smtp://user:password@host:587?tls=required\"; empty: no mail.",
    },
    Setting {
        key: "mail.from",
        reverb: "",
        default: "",
        help: "Sender of mails, such as \"Chinwag <chinwag@example.org>\".",
    },
    Setting {
        key: "push.contact",
        reverb: "",
        default: "",
        help: "Whom push services may ask when something is wrong, as \"mailto:ops@example.org\" or \"https://example.org\"; empty: public_url.",
    },
    Setting {
        key: "push.private_addresses",
        reverb: "",
        default: "false",
        help: "Whether pushes may go to addresses of private networks and of this machine, and in the clear.",
    },
];

/// How another server's value becomes ours.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reading {
    /// It is the same.
    Plain,
    /// Below 0 there is no limit.
    Limit,
    /// It counts units of 1,024 bytes.
    Kilobytes,
    /// True lets members send client events, false nobody.
    MembersOrNobody,
}

impl Reading {
    /// The value as we write it; as it is when it makes no sense, so that the fault is told.
    pub(super) fn read(self, value: &str) -> String {
        let read = match self {
            Self::Plain => None,
            Self::Limit => value
                .parse::<f64>()
                .ok()
                .filter(|n| *n < 0.0)
                .map(|_| "0".to_owned()),
            Self::Kilobytes => value.parse::<f64>().ok().map(|n| format!("{:.0}", n * 1_024.0)),
            Self::MembersOrNobody => match truth(value) {
                "true" => Some("members".to_owned()),
                "false" => Some("none".to_owned()),
                _ => None,
            },
        };
        read.unwrap_or_else(|| truth(value).to_owned())
    }
}

/// Laravel and Node write truth in several ways.
pub(super) fn truth(value: &str) -> &str {
    match value {
        "TRUE" | "True" | "(true)" => "true",
        "FALSE" | "False" | "(false)" => "false",
        other => other,
    }
}

/// Variables of Soketi and laravel-websockets, in the order in which they count.
pub(super) const ALIASES: &[(&str, &str, Reading)] = &[
    ("path", "SOKETI_PATH_PREFIX", Reading::Plain),
    ("tls_certificate", "SOKETI_SSL_CERT", Reading::Plain),
    (
        "tls_certificate",
        "LARAVEL_WEBSOCKETS_SSL_LOCAL_CERT",
        Reading::Plain,
    ),
    ("tls_key", "SOKETI_SSL_KEY", Reading::Plain),
    ("tls_key", "LARAVEL_WEBSOCKETS_SSL_LOCAL_PK", Reading::Plain),
    ("app.id", "SOKETI_DEFAULT_APP_ID", Reading::Plain),
    ("app.key", "SOKETI_DEFAULT_APP_KEY", Reading::Plain),
    ("app.secret", "SOKETI_DEFAULT_APP_SECRET", Reading::Plain),
    ("app.enabled", "SOKETI_DEFAULT_APP_ENABLED", Reading::Plain),
    (
        "app.connections_max",
        "SOKETI_DEFAULT_APP_MAX_CONNS",
        Reading::Limit,
    ),
    (
        "app.client_events",
        "SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES",
        Reading::MembersOrNobody,
    ),
    (
        "app.client_events",
        "LARAVEL_WEBSOCKETS_ENABLE_CLIENT_MESSAGES",
        Reading::MembersOrNobody,
    ),
    ("webhook_batch", "SOKETI_WEBHOOKS_BATCHING", Reading::Plain),
    (
        "app.client_events_per_s",
        "SOKETI_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC",
        Reading::Limit,
    ),
    (
        "app.published_per_s",
        "SOKETI_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SEC",
        Reading::Limit,
    ),
    (
        "app.queries_per_s",
        "SOKETI_DEFAULT_APP_MAX_READ_REQ_PER_SEC",
        Reading::Limit,
    ),
    ("app.cache_ttl_s", "SOKETI_CHANNEL_CACHE_TTL", Reading::Plain),
    (
        "app.events_per_batch_max",
        "SOKETI_EVENT_MAX_BATCH_SIZE",
        Reading::Plain,
    ),
    (
        "app.channels_per_event_max",
        "SOKETI_EVENT_MAX_CHANNELS_AT_ONCE",
        Reading::Plain,
    ),
    (
        "app.event_name_chars_max",
        "SOKETI_EVENT_MAX_NAME_LENGTH",
        Reading::Plain,
    ),
    (
        "app.event_bytes_max",
        "SOKETI_EVENT_MAX_SIZE_IN_KB",
        Reading::Kilobytes,
    ),
    (
        "app.presence_members_max",
        "SOKETI_PRESENCE_MAX_MEMBERS",
        Reading::Limit,
    ),
    (
        "app.presence_member_bytes_max",
        "SOKETI_PRESENCE_MAX_MEMBER_SIZE",
        Reading::Kilobytes,
    ),
    ("app.id", "PUSHER_APP_ID", Reading::Plain),
    ("app.key", "PUSHER_APP_KEY", Reading::Plain),
    ("app.secret", "PUSHER_APP_SECRET", Reading::Plain),
];

/// Where a server that is replaced is told to listen: its variables for host and port, and its own defaults.
pub(super) const ADDRESSES: &[(&str, &str, &str, &str)] = &[
    ("REVERB_SERVER_HOST", "REVERB_SERVER_PORT", "127.0.0.1", "8080"),
    ("SOKETI_HOST", "SOKETI_PORT", "0.0.0.0", "6001"),
    ("", "LARAVEL_WEBSOCKETS_PORT", "0.0.0.0", "6001"),
];

/// What other servers do where we would do something else. Used instead of the default when the first variable is
/// set; the first that is counts alone.
pub(super) const OTHER_DEFAULTS: &[(&str, &[(&str, &str)])] = &[
    (
        "REVERB_APP_KEY",
        &[
            ("app.activity_timeout_s", "30"),
            ("app.client_events", "public"),
            ("app.client_events_per_s", "0"),
            ("app.presence_members_max", "0"),
        ],
    ),
    (
        "SOKETI_DEFAULT_APP_KEY",
        &[
            ("app.activity_timeout_s", "30"),
            ("app.client_events", "none"),
            ("app.client_events_per_s", "0"),
            ("app.presence_members_max", "100"),
            ("app.cache_ttl_s", "3600"),
            // Ten events of 100 KB in a batch, escaped twice, and one in a frame.
            ("app.event_bytes_max", "102400"),
            ("app.message_bytes_max", "262144"),
            ("request_bytes_max", "4194304"),
        ],
    ),
];

/// Variables that ask for what there is not, with the values that ask for nothing.
pub(super) const NOT_SUPPORTED: &[(&str, &[&str], &str)] = &[
    (
        "REVERB_SCALING_ENABLED",
        &["false", "0"],
        "this server runs alone: it does not share channels with others through Redis",
    ),
    (
        "SOKETI_ADAPTER_DRIVER",
        &["local"],
        "this server runs alone: it does not share channels with others",
    ),
    (
        "WEBSOCKETS_REPLICATION_MODE",
        &["local"],
        "this server runs alone: it does not share channels with others",
    ),
    (
        "SOKETI_APP_MANAGER_DRIVER",
        &["array"],
        "applications are not read from a database",
    ),
    (
        "LARAVEL_WEBSOCKETS_SSL_PASSPHRASE",
        &[],
        "the key of the certificate must not be encrypted",
    ),
];
