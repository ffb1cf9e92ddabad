//! Attempts to be let in without the right: each is refused, on every kind of channel and by the HTTP API, and nothing is
//! asked of the engine. The same and more is tried against the whole server in e2e/tests/authorisation.test.js.

use std::sync::Arc;

use chinwag_engine::{App, AppOptions, Apps, ConnectionId, KeyPair, Secret};
use chinwag_protocol::pusher::api::{Request, authenticate};
use chinwag_protocol::pusher::auth::{sign, sign_channel, sign_user};
use chinwag_protocol::pusher::{Handshake, Pusher};
use chinwag_protocol::{Connection, Effect, Input};
use serde_json::{Value, json};

const SOCKET: ConnectionId = ConnectionId { node: 12, number: 34 };
const MEMBER: &str = r#"{"user_id":"7"}"#;
/// One of each kind that needs a signature.
const GUARDED: [&str; 6] = [
    "private-x",
    "private-encrypted-x",
    "private-cache-x",
    "private-encrypted-cache-x",
    "presence-x",
    "presence-cache-x",
];

fn pair(key: &str, secret: &str) -> KeyPair {
    KeyPair {
        key: key.to_owned(),
        secret: Secret::new(secret),
    }
}

/// An app with two keys and one whose secret was left empty.
fn app(lenient_names: bool) -> Arc<App> {
    let options = AppOptions {
        lenient_names,
        ..AppOptions::default()
    };
    let keys = vec![
        pair("key", "secret"),
        pair("second", "second-secret"),
        pair("empty", ""),
    ];
    Apps::default()
        .add("1", keys, options, Vec::new())
        .expect("the first app is added")
}

/// What one frame leads to: the codes of errors that went out, and whether anything was asked of the engine.
fn attempt(app: &Arc<App>, frame: &Value) -> (Vec<Value>, bool) {
    let mut machine = Pusher::new(SOCKET, Some(app.clone()), &Handshake::default(), 0);
    let mut effects = Vec::new();
    machine.input(0, Input::Opened, &mut effects);
    effects.clear();
    machine.input(0, Input::Text(&frame.to_string()), &mut effects);
    let mut codes = Vec::new();
    let mut asked = false;
    for effect in effects {
        match effect {
            Effect::Call(_) => asked = true,
            Effect::Close(close) => panic!("closed with {}", close.code),
            Effect::Send(frame) => {
                let frame: Value = serde_json::from_slice(&frame.payload()).expect("frames are JSON");
                assert_ne!(
                    frame["event"], "pusher_internal:subscription_succeeded",
                    "{frame}"
                );
                assert_ne!(frame["event"], "pusher:signin_success", "{frame}");
                if frame["event"] == "pusher:error" {
                    codes.push(frame["data"]["code"].clone());
                }
            }
        }
    }
    (codes, asked)
}

fn subscribe(channel: &str, auth: &Value, member: Option<&str>) -> Value {
    let mut data = json!({ "channel": channel, "auth": auth });
    if let Some(member) = member {
        data["channel_data"] = member.into();
    }
    json!({ "event": "pusher:subscribe", "data": data })
}

#[test]
fn only_the_right_signature_lets_anybody_in() {
    let (app, socket) = (app(false), SOCKET.to_string());
    for channel in GUARDED {
        let member = channel.starts_with("presence-").then_some(MEMBER);
        let by = |key: &str, secret: &str| sign_channel(key, &Secret::new(secret), &socket, channel, member);
        for (key, secret) in [("key", "secret"), ("second", "second-secret")] {
            let (codes, asked) = attempt(&app, &subscribe(channel, &by(key, secret).into(), member));
            assert!(codes.is_empty() && asked, "{channel} with {key}: {codes:?}");
        }

        let good = by("key", "secret");
        let (key, signature) = good.split_once(':').unwrap();
        let secret = Secret::new("secret");
        let elsewhere =
            |socket: &str, channel: &str| Value::from(sign_channel("key", &secret, socket, channel, member));
        let bare = channel
            .trim_start_matches("private-")
            .trim_start_matches("presence-");
        let attempts: Vec<(&str, Value)> = vec![
            ("nothing", Value::Null),
            ("an empty text", "".into()),
            ("a colon", ":".into()),
            ("the key alone", "key".into()),
            ("the key and a colon", "key:".into()),
            ("the signature alone", signature.into()),
            ("an empty key", format!(":{signature}").into()),
            ("a key of nobody", format!("nobody:{signature}").into()),
            (
                "the other key with this signature",
                format!("second:{signature}").into(),
            ),
            (
                "this key with the other secret",
                by("key", "second-secret").into(),
            ),
            ("another app's pair", by("other-key", "other-secret").into()),
            ("the key that has no secret", by("empty", "").into()),
            ("the secret guessed empty", by("key", "").into()),
            ("the key as the secret", by("key", "key").into()),
            ("a cut signature", good[..good.len() - 2].into()),
            ("a longer signature", format!("{good}00").into()),
            ("zeros", format!("{key}:{}", "0".repeat(64)).into()),
            ("two keys", format!("key:{good}").into()),
            ("a space in front", format!(" {good}").into()),
            ("another socket", elsewhere("12.35", channel)),
            ("another socket that begins alike", elsewhere("12.344", channel)),
            (
                "another channel of the kind",
                elsewhere(&socket, &format!("{channel}y")),
            ),
            ("the name without its prefix", elsewhere(&socket, bare)),
            (
                "the name in capitals",
                elsewhere(&socket, &channel.to_uppercase()),
            ),
            (
                "the signature of a sign-in",
                sign_user("key", &secret, &socket, channel).into(),
            ),
            (
                "the signature of the name only",
                format!("key:{}", sign(&secret, &[channel])).into(),
            ),
            (
                "the other form",
                match member {
                    Some(_) => sign_channel("key", &secret, &socket, channel, None),
                    None => sign_channel("key", &secret, &socket, channel, Some(MEMBER)),
                }
                .into(),
            ),
        ];
        for (what, auth) in attempts {
            let (codes, asked) = attempt(&app, &subscribe(channel, &auth, member));
            assert_eq!((codes, asked), (vec![json!(4009)], false), "{channel}: {what}");
        }
        // The right signature for other member data, and for data that was left out or added.
        for changed in [Some(r#"{"user_id":"8"}"#), Some(r#"{"user_id": "7"}"#), Some("")] {
            let (codes, asked) = attempt(&app, &subscribe(channel, &good.clone().into(), changed));
            assert_eq!(
                (codes, asked),
                (vec![json!(4009)], false),
                "{channel}: {changed:?}"
            );
        }
        // What is not text is no message at all.
        for auth in [json!(7), json!(true), json!([good.clone()]), json!({})] {
            let (codes, asked) = attempt(&app, &subscribe(channel, &auth, member));
            assert_eq!((codes, asked), (vec![json!(4200)], false), "{channel}: {auth}");
        }
    }
}

#[test]
fn no_spelling_of_a_name_gets_around_its_prefix() {
    let refused_by_name = [
        "#private-x",
        " private-x",
        "private-x ",
        "private\u{ad}-x",
        "\tprivate-x",
    ];
    for name in refused_by_name {
        let (codes, asked) = attempt(&app(false), &subscribe(name, &"".into(), None));
        assert_eq!((codes, asked), (vec![Value::Null], false), "{name:?}");
    }
    for lenient in [false, true] {
        let app = app(lenient);
        // Not even an app that takes any name lets anybody onto what the server keeps for itself.
        for name in ["#orders", "#online-7", "#x", "#", "\u{0}private-x", ""] {
            let (codes, asked) = attempt(&app, &subscribe(name, &"".into(), None));
            assert_eq!((codes, asked), (vec![Value::Null], false), "{name:?}");
        }
        for name in GUARDED
            .into_iter()
            .chain(["private-", "presence-", "private-cache-"])
        {
            let (codes, asked) = attempt(&app, &subscribe(name, &"".into(), Some(MEMBER)));
            assert_eq!((codes, asked), (vec![json!(4009)], false), "{name:?}");
        }
        // A user's channel is for whoever is signed in as that user, whatever is presented.
        let own = "#server-to-user-7";
        let signed = sign_channel("key", &Secret::new("secret"), &SOCKET.to_string(), own, None);
        let (codes, asked) = attempt(&app, &subscribe(own, &signed.into(), None));
        assert_eq!((codes, asked), (vec![json!(4009)], false), "{own}");
    }
}

#[test]
fn where_names_may_have_colons_a_name_is_not_taken_apart() {
    let app = app(true);
    let (secret, socket) = (Secret::new("secret"), SOCKET.to_string());
    let auth = |channel: &str| Value::from(sign_channel("key", &secret, &socket, channel, None));
    let (codes, asked) = attempt(
        &app,
        &subscribe("private-orders:5", &auth("private-orders:5"), None),
    );
    assert!(codes.is_empty() && asked, "{codes:?}");
    for (signed, channel, data) in [
        ("private-orders:5", "private-orders", "5"),
        ("private-orders:5:6", "private-orders:5", "6"),
        ("private-orders:", "private-orders", ""),
        ("presence-orders:5", "presence-orders", "5"),
    ] {
        let (codes, asked) = attempt(&app, &subscribe(channel, &auth(signed), Some(data)));
        assert_eq!(
            (codes, asked),
            (vec![json!(4009)], false),
            "{signed} as {channel}"
        );
    }
    let data = r#"{"user_id":"7"}"#;
    let with_data = Value::from(sign_channel(
        "key",
        &secret,
        &socket,
        "private-orders",
        Some(data),
    ));
    let (codes, asked) = attempt(&app, &subscribe("private-orders", &with_data, Some(data)));
    assert!(codes.is_empty() && asked, "{codes:?}");
}

#[test]
fn only_the_right_signature_signs_anybody_in() {
    let (app, socket) = (app(false), SOCKET.to_string());
    let data = r#"{"id":"7"}"#;
    let sign_in = |auth: &str, data: &str| {
        json!({ "event": "pusher:signin",
        "data": { "auth": auth, "user_data": data } })
    };
    let by = |key: &str, secret: &str| sign_user(key, &Secret::new(secret), &socket, data);
    let good = by("key", "secret");
    let (codes, asked) = attempt(&app, &sign_in(&good, data));
    assert!(codes.is_empty() && asked, "{codes:?}");
    let secret = Secret::new("secret");
    for (what, auth, data) in [
        ("nothing", String::new(), data),
        ("no key", good[4..].to_owned(), data),
        ("a key of nobody", good.replace("key:", "nobody:"), data),
        (
            "the other key with this signature",
            good.replace("key:", "second:"),
            data,
        ),
        ("another app's pair", by("other-key", "other-secret"), data),
        ("the key that has no secret", by("empty", ""), data),
        ("another socket", sign_user("key", &secret, "12.35", data), data),
        ("other data", good.clone(), r#"{"id":"8"}"#),
        ("the same data spelt otherwise", good.clone(), r#"{"id": "7"}"#),
        (
            "the signature of a channel with that name",
            sign_channel("key", &secret, &socket, data, None),
            data,
        ),
    ] {
        let (codes, asked) = attempt(&app, &sign_in(&auth, data));
        assert_eq!((codes, asked), (vec![json!(4009)], false), "{what}");
    }
    // Signed by the app, but nobody that could be spoken to.
    for data in [
        r#"{"id":7}"#,
        r#"{"id":null}"#,
        r#"{"id":""}"#,
        r#"{"id":"a b"}"#,
        r##"{"id":"#x"}"##,
        r#"{}"#,
        r#"["7"]"#,
        "7",
    ] {
        let auth = sign_user("key", &secret, &socket, data);
        let (codes, asked) = attempt(&app, &sign_in(&auth, data));
        assert_eq!((codes, asked), (vec![json!(4009)], false), "{data}");
    }
}

/// A request to publish, signed with this key and secret over what stands in `signed`.
struct Signed<'a> {
    key: &'a str,
    secret: &'a str,
    method: &'a str,
    path: &'a str,
    timestamp: &'a str,
    version: &'a str,
    md5: Option<&'a str>,
    /// Added to the query as it is sent, and not signed.
    added: &'a str,
}

const NOW: u64 = 1_700_000_000;
const EVENTS: &str = "/apps/1/events";
const BODY: &str = "{}";
const MD5: &str = "99914b932bd37a50b983c5e7c90ae93b";
const MD5_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";
const GOOD: Signed<'static> = Signed {
    key: "key",
    secret: "secret",
    method: "POST",
    path: EVENTS,
    timestamp: "1700000000",
    version: "1.0",
    md5: Some(MD5),
    added: "",
};

impl Signed<'_> {
    fn query(&self) -> String {
        let md5 = self
            .md5
            .map_or_else(String::new, |md5| format!("&body_md5={md5}"));
        let query = format!(
            "auth_key={}&auth_timestamp={}&auth_version={}{md5}",
            self.key, self.timestamp, self.version
        );
        let text = [self.method, "\n", self.path, "\n", &query];
        let signature = sign(&Secret::new(self.secret), &text);
        format!("{query}&auth_signature={signature}{}", self.added)
    }
}

/// The status of what comes of it, sent as `POST` to the events with that body.
fn asked(query: &str, body: &str) -> Result<(), u16> {
    let request = Request {
        method: "POST",
        path: EVENTS,
        query,
        body: body.as_bytes(),
    };
    authenticate(&app(false), &request, NOW, "").map_err(|error| error.status)
}

#[test]
fn only_the_right_signature_lets_a_request_in() {
    assert_eq!(asked(&GOOD.query(), BODY), Ok(()));
    let second = Signed {
        key: "second",
        secret: "second-secret",
        ..GOOD
    };
    assert_eq!(asked(&second.query(), BODY), Ok(()));
    let attempts = [
        (
            "a key of nobody",
            Signed {
                key: "nobody",
                ..GOOD
            },
        ),
        ("an empty key", Signed { key: "", ..GOOD }),
        (
            "the other key's secret",
            Signed {
                secret: "second-secret",
                ..GOOD
            },
        ),
        (
            "the other key with this secret",
            Signed {
                key: "second",
                ..GOOD
            },
        ),
        (
            "another app's pair",
            Signed {
                key: "other-key",
                secret: "other-secret",
                ..GOOD
            },
        ),
        (
            "the key that has no secret",
            Signed {
                key: "empty",
                secret: "",
                ..GOOD
            },
        ),
        ("the secret guessed empty", Signed { secret: "", ..GOOD }),
        (
            "the key as the secret",
            Signed {
                secret: "key",
                ..GOOD
            },
        ),
        (
            "another method",
            Signed {
                method: "GET",
                ..GOOD
            },
        ),
        (
            "another path",
            Signed {
                path: "/apps/1/batch_events",
                ..GOOD
            },
        ),
        (
            "another app's path",
            Signed {
                path: "/apps/2/events",
                ..GOOD
            },
        ),
        (
            "a path with another prefix",
            Signed {
                path: "/ws/apps/1/events",
                ..GOOD
            },
        ),
        (
            "too old",
            Signed {
                timestamp: "1699999399",
                ..GOOD
            },
        ),
        (
            "too far ahead",
            Signed {
                timestamp: "1700000601",
                ..GOOD
            },
        ),
        (
            "the beginning of time",
            Signed {
                timestamp: "0",
                ..GOOD
            },
        ),
        (
            "the end of it",
            Signed {
                timestamp: "18446744073709551615",
                ..GOOD
            },
        ),
        (
            "beyond it",
            Signed {
                timestamp: "18446744073709551616",
                ..GOOD
            },
        ),
        (
            "before it",
            Signed {
                timestamp: "-1700000000",
                ..GOOD
            },
        ),
        (
            "no number",
            Signed {
                timestamp: "now",
                ..GOOD
            },
        ),
        (
            "an empty time",
            Signed {
                timestamp: "",
                ..GOOD
            },
        ),
        (
            "another version",
            Signed {
                version: "2.0",
                ..GOOD
            },
        ),
        ("an empty version", Signed { version: "", ..GOOD }),
        ("no digest", Signed { md5: None, ..GOOD }),
        (
            "an empty digest",
            Signed {
                md5: Some(""),
                ..GOOD
            },
        ),
        (
            "the digest of nothing",
            Signed {
                md5: Some(MD5_OF_NOTHING),
                ..GOOD
            },
        ),
        (
            "a parameter added",
            Signed {
                added: "&info=user_count",
                ..GOOD
            },
        ),
        (
            "a list added",
            Signed {
                added: "&info[]=user_count",
                ..GOOD
            },
        ),
    ];
    for (what, attempt) in attempts {
        assert_eq!(asked(&attempt.query(), BODY), Err(401), "{what}");
    }
    let good = GOOD.query();
    for (what, query, body) in [
        ("nothing", "", BODY),
        ("another body", good.as_str(), "[]"),
        ("no body", &good, ""),
        ("a cut signature", &good[..good.len() - 2], BODY),
        ("a longer signature", &format!("{good}00"), BODY),
        (
            "a signature that is none",
            &good.replace("auth_signature=", "auth_signature=x"),
            BODY,
        ),
        (
            "no signature",
            good.split("&auth_signature").next().expect("what is in front"),
            BODY,
        ),
        (
            "the signature as a list",
            &good.replace("auth_signature=", "auth_signature[]="),
            BODY,
        ),
        (
            "the key as a list",
            &good.replace("auth_key=", "auth_key[]="),
            BODY,
        ),
        (
            "the time as a list",
            &good.replace("auth_timestamp=", "auth_timestamp[]="),
            BODY,
        ),
        (
            "the digest as a list",
            &good.replace("body_md5=", "body_md5[]="),
            BODY,
        ),
        (
            "all in one value",
            &good.replace("&auth_timestamp=", "%26auth_timestamp="),
            BODY,
        ),
    ] {
        assert_eq!(asked(query, body), Err(401), "{what}");
    }
    // A name that is there twice could be read one way and signed the other.
    for again in [
        "&auth_key=key",
        "&AUTH_KEY=nobody",
        "&auth%5Ftimestamp=1",
        "&body_md5=",
    ] {
        let twice = Signed { added: again, ..GOOD };
        assert_eq!(asked(&twice.query(), BODY), Err(400), "{again}");
    }
}
