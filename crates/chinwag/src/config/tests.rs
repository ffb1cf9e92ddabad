//! What sources of settings come to.

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
    assert!(config.workers >= 1 && config.registration == Registration::Open && config.app_keys.is_none());
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
fn reverbs_members_may_whisper_on_public_channels_and_its_all_need_not_be_members() {
    let of = |name: &str, value: &str, file| {
        let app = [("REVERB_APP_KEY", "k"), ("REVERB_APP_SECRET", "s")];
        let config = read_from(&[&app[..], &[(name, value)]].concat(), file).unwrap();
        config.app.client_events
    };
    let theirs = "REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM";
    assert_eq!(of(theirs, "members", None), ClientEvents::MembersAndPublic);
    assert_eq!(of(theirs, "all", None), ClientEvents::Anybody);
    assert_eq!(of(theirs, "none", None), ClientEvents::Refused);
    let ours = "CHINWAG_APP_CLIENT_EVENTS";
    assert_eq!(of(ours, "members", None), ClientEvents::Members);
    let file = Some("[app]\nclient_events = \"members\"\n");
    assert_eq!(of(theirs, "members", file), ClientEvents::Members);
}

#[test]
fn reverbs_limits_are_kept() {
    let config = read_from(
        &[
            ("REVERB_APP_KEY", "k"),
            ("REVERB_APP_SECRET", "s"),
            ("REVERB_MAX_REQUEST_SIZE", "50000"),
            ("REVERB_APP_RATE_LIMITING_ENABLED", "true"),
            ("REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS", "5"),
            ("REVERB_APP_RATE_LIMIT_TERMINATE", "(true)"),
            ("REVERB_SCALING_ENABLED", "true"),
        ],
        None,
    )
    .unwrap();
    let rate = MessageRate {
        max: 5,
        window_ms: 60_000,
        closes: true,
    };
    assert_eq!(config.app.message_rate, Some(rate));
    assert_eq!(
        (config.request_bytes_max, config.app.event_bytes_max),
        (50_000, 50_000)
    );
    assert!(
        config.notices[0].contains("REVERB_SCALING_ENABLED"),
        "{:?}",
        config.notices
    );
    let unlimited = read_from(&[("REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS", "5")], None).unwrap();
    assert_eq!(unlimited.app.message_rate, None);
    let ours = read_from(
        &[("REVERB_MAX_REQUEST_SIZE", "50000")],
        Some("[app]\nevent_bytes_max = 7\n"),
    );
    assert_eq!(ours.unwrap().app.event_bytes_max, 7);
}

#[test]
fn a_soketi_environment_means_what_it_means_to_soketi() {
    let config = read_from(
        &[
            ("SOKETI_DEFAULT_APP_ID", "1"),
            ("SOKETI_DEFAULT_APP_KEY", "k"),
            ("SOKETI_DEFAULT_APP_SECRET", "s"),
            ("SOKETI_DEFAULT_APP_MAX_CONNS", "-1"),
            ("SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES", "true"),
            ("SOKETI_DEFAULT_APP_MAX_READ_REQ_PER_SEC", "9"),
            ("SOKETI_DEFAULT_APP_USER_AUTHENTICATION", "true"),
            ("SOKETI_USER_AUTHENTICATION_TIMEOUT", "2500"),
            ("SOKETI_PRESENCE_MAX_MEMBER_SIZE", "4"),
            ("SOKETI_PORT", "6002"),
            ("SOKETI_ADAPTER_DRIVER", "local"),
            ("PUSHER_APP_ID", "other"),
        ],
        None,
    )
    .unwrap();
    assert_eq!(
        (config.listen.to_string().as_str(), config.app_id.as_str()),
        ("0.0.0.0:6002", "1")
    );
    let app = &config.app;
    assert_eq!(
        (app.connections_max, app.queries_per_s, app.presence_members_max),
        (0, 9, 100)
    );
    assert_eq!(app.client_events, ClientEvents::Members);
    assert_eq!(
        (app.user_authentication_timeout_ms, app.presence_member_bytes_max),
        (3_000, 4_096)
    );
    assert_eq!((app.event_bytes_max, config.cache_ttl_ms), (102_400, 3_600_000));
    assert!(config.notices.is_empty());
    let silent = read_from(
        &[
            ("SOKETI_DEFAULT_APP_KEY", "k"),
            ("SOKETI_DEFAULT_APP_SECRET", "s"),
        ],
        None,
    );
    assert_eq!(silent.unwrap().app.client_events, ClientEvents::Refused);
}

#[test]
fn the_webhooks_of_a_soketi_environment_are_told() {
    let of = |list: &str, more: &[(&str, &str)], file| {
        let own = [
            ("SOKETI_DEFAULT_APP_KEY", "k"),
            ("SOKETI_DEFAULT_APP_SECRET", "s"),
            ("SOKETI_DEFAULT_APP_WEBHOOKS", list),
        ];
        read_from(&[&own, more].concat(), file)
    };
    let list = r#"[
        {"url":"https://a.org/hook","event_types":["channel_occupied"],"headers":{"X-A":"hush"},
         "filter":{"channel_name_starts_with":"private-","channel_name_ends_with":null}},
        {"lambda_function":"hook","lambda":{"region":"x"}}
    ]"#;
    let config = of(list, &[("SOKETI_WEBHOOKS_BATCHING", "1")], None).unwrap();
    let [webhook] = &config.app.webhooks[..] else {
        panic!("one has an address");
    };
    assert_eq!(webhook.url, "https://a.org/hook");
    assert_eq!((webhook.kinds.len(), webhook.headers.len()), (1, 1));
    assert_eq!(
        (
            webhook.channel_starts_with.as_str(),
            webhook.channel_ends_with.as_str()
        ),
        ("private-", "")
    );
    assert!(config.webhook_batch);
    assert_eq!(config.notices.len(), 1, "{:?}", config.notices);
    assert!(of("[]", &[], None).unwrap().app.webhooks.is_empty());
    for bad in [
        "hush",
        "{}",
        "[7]",
        r#"[{"url":"hush"}]"#,
        r#"[{"url":"https://a.org","event_types":["hush"]}]"#,
    ] {
        let Faults(faults) = of(bad, &[], None).unwrap_err();
        assert!(faults[0].contains("SOKETI_DEFAULT_APP_WEBHOOKS"), "{faults:?}");
        assert!(!faults[0].contains("hush"), "{faults:?}");
    }
    let file = "[[app.webhooks]]\nurl = \"https://b.org\"\n";
    let ours = of(list, &[], Some(file)).unwrap();
    assert_eq!(ours.app.webhooks[0].url, "https://b.org");
}

#[test]
fn a_laravel_websockets_environment_is_understood() {
    let config = read_from(
        &[
            ("PUSHER_APP_ID", "1"),
            ("PUSHER_APP_KEY", "k"),
            ("PUSHER_APP_SECRET", "s"),
            ("LARAVEL_WEBSOCKETS_PORT", "6003"),
            ("LARAVEL_WEBSOCKETS_ENABLE_CLIENT_MESSAGES", "false"),
        ],
        None,
    )
    .unwrap();
    assert_eq!(config.app.client_events, ClientEvents::Refused);
    assert_eq!(config.listen.to_string(), "0.0.0.0:6003");
    assert_eq!(config.app_keys, Some(("k".to_owned(), "s".to_owned())));
    let both = read_from(
        &[
            ("PUSHER_APP_KEY", "p"),
            ("PUSHER_APP_SECRET", "p"),
            ("REVERB_APP_KEY", "r"),
            ("REVERB_APP_SECRET", "r"),
        ],
        None,
    );
    assert_eq!(both.unwrap().app_keys, Some(("r".to_owned(), "r".to_owned())));
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
    let kept = include_str!("../../../../docs/chinwag.example.toml");
    assert_eq!(
        kept,
        example(),
        "write the output of `chinwag check --example` to docs/chinwag.example.toml"
    );
    // Rules have no defaults.
    let settings = example().replace(super::broadcast::EXAMPLE, "");
    let uncommented: String = settings
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

#[test]
fn a_certificate_needs_its_key_and_origins_are_whole() {
    for (name, value) in [
        ("CHINWAG_TLS_CERTIFICATE", "a.pem"),
        ("CHINWAG_TLS_KEY", "a.pem"),
        ("CHINWAG_CORS_ORIGINS", "*"),
        ("CHINWAG_CORS_ORIGINS", "app.example.org"),
        ("CHINWAG_CORS_ORIGINS", "https://app.example.org/"),
    ] {
        assert!(read_from(&[(name, value)], None).is_err(), "{name} = {value}");
    }
    let file = "tls_certificate = \"a.pem\"\ntls_key = \"b.pem\"\n\
                cors_origins = [\"https://a.test\", \"http://b.test:3000\"]\n";
    let config = read_from(&[], Some(file)).unwrap();
    assert_eq!(config.tls, Some(("a.pem".into(), "b.pem".into())));
    assert_eq!(config.cors_origins, ["https://a.test", "http://b.test:3000"]);
    assert_eq!(config.stateful_domains[1], "localhost:3000");
    let soketis = read_from(&[("SOKETI_SSL_CERT", "c"), ("SOKETI_SSL_KEY", "k")], None).unwrap();
    assert_eq!(soketis.tls, Some(("c".into(), "k".into())));
}

#[test]
fn the_address_of_the_database_is_checked_and_never_shown() {
    let url = |url: &str| read_from(&[("CHINWAG_DATABASE_URL", url)], None);
    let config = url("postgres://me:hunter2@db/chat").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(config.database_url.is_some());
    assert!(url("").unwrap().database_url.is_none());
    let faults = url("mysql://me:hunter2@db/chat").unwrap_err().to_string();
    assert!(
        faults.contains("CHINWAG_DATABASE_URL") && !faults.contains("hunter2"),
        "{faults}"
    );
}

#[test]
fn mail_needs_a_sender_and_a_place_for_its_links() {
    let read = |pairs: &[(&str, &str)]| {
        let environment = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        super::read(&Sources {
            given: &[],
            environment: environment.collect(),
            file: None,
        })
    };
    let server = ("CHINWAG_MAIL_SMTP_URL", "smtp://127.0.0.1:25");
    let from = ("CHINWAG_MAIL_FROM", "chinwag@example.org");
    let site = ("CHINWAG_PUBLIC_URL", "https://chat.example.org");
    assert!(read(&[server, from, site]).unwrap().mail.is_some());
    assert!(read(&[from, site]).unwrap().mail.is_none());
    assert_eq!(read(&[server]).unwrap_err().0.len(), 2);
    let crooked = ("CHINWAG_PUBLIC_URL", "chat.example.org/x");
    assert_eq!(read(&[server, from, crooked]).unwrap_err().0.len(), 1);
}

#[test]
fn every_limit_is_a_setting_that_arrives() {
    // Each with a number of its own, so that two that were mixed up would show.
    let given: Vec<(String, String)> = LIMITS
        .iter()
        .enumerate()
        .map(|(place, setting)| {
            let number = match setting.key {
                "limits.event_bytes" => 5_000,
                "limits.page_size_max" => 190,
                "limits.typing_expiry_s" => 191,
                _ => 100 + place,
            };
            (variable(setting.key), number.to_string())
        })
        .collect();
    let given: Vec<_> = given.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let config = read_from(&given, None).unwrap();
    let number = |key: &str| {
        let variable = variable(&format!("limits.{key}"));
        let (_, value) = given.iter().find(|(name, _)| *name == variable).unwrap();
        value.parse::<u64>().unwrap()
    };
    let (limits, files, rates, hints) = (
        &config.limits,
        &config.limits.attachments,
        &config.rates,
        &config.hints,
    );
    let arrived: &[(&str, u64)] = &[
        ("body_chars", limits.body_chars_max as u64),
        ("body_bytes", limits.body_bytes_max as u64),
        ("display_name_chars", limits.display_name_chars_max as u64),
        ("bio_chars", limits.bio_chars_max as u64),
        ("password_chars", limits.password_chars_min as u64),
        ("login_failures", limits.login_failures_max.into()),
        ("login_window_s", limits.login_window_s),
        ("title_chars", limits.title_chars_max as u64),
        ("description_chars", limits.description_chars_max as u64),
        ("group_members", limits.group_members_max as u64),
        ("group_admins", limits.group_admins_max as u64),
        ("mention_all_members", limits.mention_all_members_max as u64),
        ("pins", limits.pins_max as u64),
        ("groups_per_day", limits.groups_per_day_max as u64),
        ("conversations", limits.conversations_max as u64),
        ("devices", limits.devices_max as u64),
        ("device_idle_s", limits.device_idle_s),
        ("connections", config.user_connections_max as u64),
        ("invites", limits.invites_max as u64),
        ("invite_life_s", limits.invite_life_s),
        ("attachments", files.per_message_max as u64),
        ("file_bytes", files.file_bytes_max),
        ("upload_quota_bytes", files.quota_bytes),
        ("uploads_per_hour", rates.uploads_per_hour.into()),
        ("voice_s", files.voice_s_max),
        ("voice_bytes", files.voice_bytes_max),
        ("image_pixels", files.image_pixels_max),
        ("edit_window_s", limits.policies.edit_window_s.unwrap()),
        ("delete_window_s", limits.policies.delete_window_s.unwrap()),
        ("versions", limits.versions_max),
        ("reactions", limits.reactions_distinct_max as u64),
        ("reports_per_day", limits.reports_per_day_max as u64),
        ("page_size", limits.page_size as u64),
        ("page_size_max", limits.page_size_max as u64),
        ("receipts_members", limits.receipts_members_max as u64),
        ("receipt_times_members", limits.receipt_times_members_max as u64),
        ("receipt_times_s", limits.receipt_times_s),
        ("typing_members", limits.typing_members_max as u64),
        ("typing_relayed_members", limits.typing_relayed_members_max as u64),
        ("typing_pause_s", rates.typing_pause_s.into()),
        ("typing_repeat_s", hints.typing_repeat_s.into()),
        ("typing_expiry_s", hints.typing_expiry_s.into()),
        ("presence_members", limits.presence_members_max as u64),
        ("presence_watchers", limits.presence_watchers_max as u64),
        ("presence_grace_s", config.presence.grace.as_secs()),
        ("presence_pause_s", config.presence.pause.as_secs()),
        ("away_after_s", hints.away_after_s.into()),
        (
            "sends_per_conversation_5s",
            rates.sends_per_conversation_5s.into(),
        ),
        ("sends_per_minute", rates.sends_per_minute.into()),
        ("writes_per_minute", rates.writes_per_minute.into()),
        ("reads_per_minute", rates.reads_per_minute.into()),
        ("searches_per_minute", rates.searches_per_minute.into()),
        ("changes", limits.changes_max),
        ("cursor_life_s", limits.cursor_life_s),
        ("event_bytes", config.event_bytes_max as u64),
        ("gap_wait_ms", hints.gap_wait_ms.into()),
    ];
    for (key, value) in arrived {
        assert_eq!(*value, number(key), "{key}");
    }
    assert_eq!(
        arrived.len(),
        LIMITS.len(),
        "a limit is missing from the table above"
    );
}

#[test]
fn limits_that_make_no_sense_are_all_told() {
    let names: Vec<String> = LIMITS.iter().map(|setting| variable(setting.key)).collect();
    let given: Vec<_> = names.iter().map(|name| (name.as_str(), "many")).collect();
    let Faults(faults) = read_from(&given, None).unwrap_err();
    for name in &names {
        assert!(
            faults
                .iter()
                .any(|fault| fault.starts_with(&format!("{name} = "))),
            "{name} in {faults:#?}"
        );
    }
    let check = |file: &str, key: &str| {
        let file = format!("[limits]\n{file}");
        let Faults(faults) = read_from(&[], Some(&file)).unwrap_err();
        assert!(
            faults.len() == 1 && faults[0].starts_with(&format!("limits.{key} = ")),
            "{file}: {faults:#?}"
        );
    };
    check("body_bytes = 2000000", "body_bytes");
    check("body_chars = 0", "body_chars");
    check("page_size_max = 201", "page_size_max");
    check("page_size = 11\npage_size_max = 10", "page_size");
    check("versions = 1", "versions");
    check("typing_repeat_s = 6", "typing_expiry_s");
    check("event_bytes = 100", "event_bytes");
    check("edit_window_s = -1", "edit_window_s");
    check("login_failures = 0", "login_failures");
    check("sends_per_minute = 5000000000", "sends_per_minute");
    // Reckoned in milliseconds they must not run over.
    for key in [
        "device_idle_s",
        "invite_life_s",
        "login_window_s",
        "receipt_times_s",
        "cursor_life_s",
    ] {
        check(&format!("{key} = 9223372036854775807"), key);
    }
    let always = read_from(
        &[],
        Some("[limits]\nedit_window_s = \"always\"\ndelete_window_s = 0\n"),
    )
    .unwrap();
    let policies = always.limits.policies;
    assert_eq!(
        (policies.edit_window_s, policies.delete_window_s),
        (None, Some(0))
    );
    let unlimited = read_from(&[("CHINWAG_RATE_LIMITS", "false")], None).unwrap();
    assert_eq!(unlimited.rates.sends_per_minute, 0);
}
