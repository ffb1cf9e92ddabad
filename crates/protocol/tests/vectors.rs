//! Signatures that other implementations make, by the names they have in the specification of the protocol: P, M and E
//! for channels, U for users, H for requests, W for webhooks, L for what Laravel answers. What the server makes must be
//! the same to the byte, and what they made must be believed.

use std::sync::Arc;

use chinwag_engine::{
    App, AppNumber, AppOptions, Apps, ChannelName, ConnectionId, KeyPair, Observation, Observed, Secret,
    UserId,
};
use chinwag_protocol::pusher::api::{self, Request};
use chinwag_protocol::pusher::{auth, webhook};

const KEY: &str = "chinwag-key";
const SECRET: &str = "chinwag-secret";
/// The credentials of the examples that Pusher has published.
const PUBLISHED_KEY: &str = "278d425bdf160c739803";
const PUBLISHED_SECRET: &str = "7ad3773142a6692b25b8";

fn app(id: &str, key: &str, secret: &str) -> Arc<App> {
    let keys = vec![KeyPair {
        key: key.to_owned(),
        secret: Secret::new(secret),
    }];
    let added = Apps::default().add(id, keys, AppOptions::default(), Vec::new());
    added.expect("the first app is added")
}

/// Name, socket, channel, channel data, signature.
type OfChannel = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
);

const CHANNELS: [OfChannel; 14] = [
    (
        "P1",
        "1234.1234",
        "private-foobar",
        None,
        "a7ff9f52fb4d9d46e9c05d2dce0ca25e7a44da6130d93272ba851c67b9ddc69d",
    ),
    (
        "P2",
        "123456789.987654321",
        "private-chat.42",
        None,
        "fc20e7f7f3be0a9684757a821802ba16a302fea8048cd943f1682accf2cb0233",
    ),
    (
        "P3",
        "1.1",
        "private-room=1@a,b;c.d_e-F",
        None,
        "aaed0f5e9cc61ca5da2913cb2ab65cd35977950096c1e7074aa5eb093f90dc29",
    ),
    (
        "P4",
        "700.800",
        "private-cache-orders",
        None,
        "26f193175a1767fc3e730409a484d7faac27e7ff96aed2e71541318b401e50e0",
    ),
    (
        "P5",
        "42.42",
        "private-foobar",
        Some(r#"{"user_id":"42.42","user_info":{"name":"Integration 42.42"}}"#),
        "dedbe187dff09b07e940c67a853abfdca08ae0a344e64d194a4a8e48d550f93f",
    ),
    (
        "M1",
        "1234.1234",
        "presence-foobar",
        Some(r#"{"user_id":"10","user_info":{"name":"Ada"}}"#),
        "178352b825e988d6d68a57f28828f7c16587e8deb2b28fbeb4d827a97f36d134",
    ),
    (
        "M2",
        "1234.1234",
        "presence-foobar",
        Some(r#"{"user_id":10,"user_info":{"name":"Ada"}}"#),
        "d0ab88c965f0bc0f040b2fa17a8ce22255adcfe496d3624ce7fd086a6d8eecfa",
    ),
    (
        "M3",
        "5.6",
        "presence-chat.1",
        Some(r#"{"user_id":"7","user_info":{"name":"Zoë","url":"https://ex.org/"}}"#),
        "7be8aee7f5f253c3bccb12d99cf21b5717f89718e36281b678150ebcdc9f3185",
    ),
    (
        "M4",
        "5.6",
        "presence-chat.1",
        Some(r#"{"user_id":"7","user_info":{"name":"Zo\u00eb","url":"https:\/\/ex.org\/"}}"#),
        "d21358182e4394d79c897d019ba2e9ed5f6ab38c501f14c662af8e9eb2c1bd69",
    ),
    (
        "M5",
        "9.9",
        "presence-cache-lobby",
        Some(r#"{"user_id":"u-1"}"#),
        "027734d8090b60a0085224c6e410891f63779b3b39606c5ba01e922a5d00b339",
    ),
    (
        "M6",
        "9.9",
        "presence-lobby",
        None,
        "27948bbbda609a815e15efbf7a8b56cc99322e0d9c8837d5cfa72eb5f30696a7",
    ),
    (
        "E1",
        "700.800",
        "private-encrypted-vault",
        None,
        "5b737113c7fcac79b41ad98047e3635d21158dedada9ed1cd7bc2e8a9cb24d62",
    ),
    (
        "E2",
        "700.800",
        "private-encrypted-chat.1",
        None,
        "6516e8aea0fdf3ef1ff49b8f37e9de718d2d06702d017466784c684f0a5ec4e8",
    ),
    (
        "E3",
        "700.800",
        "private-encrypted-cache-orders",
        None,
        "b388f713372902548ec53d6fb89044bde3f69731b895c540831fec370ed8fc5e",
    ),
];

/// Name, socket, user data, signature.
const USERS: [(&str, &str, &str, &str); 4] = [
    (
        "U1",
        "1234.1234",
        r#"{"id":"12345"}"#,
        "e051c9ad1dbe7fbd7d2fc9d5557d1b1626f9a236636ebb3d4f77dcbb3576368a",
    ),
    (
        "U2",
        "1234.1234",
        r#"{"id":"u-1","user_info":{"name":"Ada"},"watchlist":["u-2","u-3"]}"#,
        "8f118d32fc134d919b79f4765e758a81c2fae31b7c977a46bd02da17be07a3f7",
    ),
    (
        "U3",
        "88.99",
        r#"{"id":"u_9","user_info":{"name":"Zoë"}}"#,
        "0f563d7213dabf03230dbe9cd8fe747045e714208e4c1b08952e735ec9ccba53",
    ),
    (
        "U4",
        "88.99",
        r#"{"id":"u_9","user_info":{"name":"Zo\u00eb"}}"#,
        "8f870e367154025cef876d44fe29dfe4872f52059628ffb5abc74d2302bb9ffc",
    ),
];

fn check_channel(app: &App, (name, socket, channel, data, signature): OfChannel) {
    let keys = &app.keys[0];
    let wanted = format!("{}:{signature}", keys.key);
    let made = auth::sign_channel(&keys.key, &keys.secret, socket, channel, data);
    assert_eq!(made, wanted, "{name}");
    assert!(
        auth::verify_channel(app, &wanted, socket, channel, data),
        "{name}"
    );
    // Next to it: nothing passes with another socket, another channel, or with the data changed.
    assert!(
        !auth::verify_channel(app, &wanted, "1.2", channel, data),
        "{name}"
    );
    let other = format!("{channel}x");
    assert!(
        !auth::verify_channel(app, &wanted, socket, &other, data),
        "{name}"
    );
    let changed = match data {
        Some(_) => None,
        None => Some("{}"),
    };
    assert!(
        !auth::verify_channel(app, &wanted, socket, channel, changed),
        "{name}"
    );
}

fn check_user(app: &App, name: &str, socket: &str, data: &str, signature: &str) {
    let keys = &app.keys[0];
    let wanted = format!("{}:{signature}", keys.key);
    assert_eq!(
        auth::sign_user(&keys.key, &keys.secret, socket, data),
        wanted,
        "{name}"
    );
    assert!(auth::verify_user(app, &wanted, socket, data), "{name}");
    for (auth, socket, data) in [
        (wanted.as_str(), "1.2", data),
        (wanted.as_str(), socket, r#"{"id":"1"}"#),
        (signature, socket, data),
    ] {
        assert!(!auth::verify_user(app, auth, socket, data), "{name}");
    }
}

#[test]
fn p_m_and_e_let_sockets_onto_channels() {
    let app = app("100200", KEY, SECRET);
    for vector in CHANNELS {
        check_channel(&app, vector);
    }
}

#[test]
fn u_signs_sockets_in() {
    let app = app("100200", KEY, SECRET);
    for (name, socket, data, signature) in USERS {
        check_user(&app, name, socket, data, signature);
    }
}

#[test]
fn published_examples_hold_with_their_own_credentials() {
    let app = app("3", PUBLISHED_KEY, PUBLISHED_SECRET);
    let private = "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
    check_channel(
        &app,
        ("published, private", "1234.1234", "private-foobar", None, private),
    );
    // The digest that is printed beside other data in the documentation, and the one that those would have.
    for (name, data, signature) in [
        (
            "published, presence",
            r#"{"user_id":10,"user_info":{"name":"Mr. Pusher"}}"#,
            "afaed3695da2ffd16931f457e338e6c9f2921fa133ce7dac49f529792be6304c",
        ),
        (
            "as printed, presence",
            r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#,
            "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80",
        ),
    ] {
        check_channel(
            &app,
            (name, "1234.1234", "presence-foobar", Some(data), signature),
        );
    }
    let user = "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba";
    check_user(&app, "published, user", "1234.1234", r#"{"id":"12345"}"#, user);
    let request = Request {
        method: "POST",
        path: "/apps/3/events",
        query: "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0\
                &body_md5=ec365a775a4cd0599faeb73354201b6f\
                &auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c",
        body: br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#,
    };
    assert_eq!(api::authenticate(&app, &request, 1_353_088_179, ""), Ok(()));
}

#[test]
fn l_is_what_laravel_answers_to_echo() {
    let app = app("app", "key", "secret");
    let socket = "123.456";
    for (name, channel, data, signature) in [
        (
            "L1",
            "private-x",
            None,
            "7853bd0310a4a8a581ff61f590fde1f18604c0ba1714d606d4e5434f942c8fe6",
        ),
        (
            "L2",
            "presence-chat.1",
            Some(r#"{"user_id":"7","user_info":{"id":7,"name":"A\/\u00e9"}}"#),
            "ac8245b29e4c91df6d0942bee4f4dbd0ed40e902a49d01f4ffae5367d5a8f073",
        ),
        (
            "L3",
            "presence-chat.1",
            Some(r#"{"user_id":"7","user_info":true}"#),
            "d528c00ac1663b5ec7d9d35ab6b14ef62a6f39bca0ea59014088164c7314e67f",
        ),
    ] {
        check_channel(&app, (name, socket, channel, data, signature));
    }
    let signature = "f4175c645b815521ff782da651c86650ad8bb8c13b9eedef7587bb1886419b53";
    check_user(&app, "L4", socket, r#"{"id":"7"}"#, signature);
}

const BASE: &str = "auth_key=chinwag-key&auth_timestamp=1700000000&auth_version=1.0";
const NOW: u64 = 1_700_000_000;

/// Name, method, path, what follows the usual query, body, signature.
type OfRequest = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const REQUESTS: [OfRequest; 15] = [
    (
        "H1",
        "POST",
        "/apps/100200/events",
        "&body_md5=4a2297b34d32420d05955925447cdaf7",
        r#"{"name":"my-event","channels":["my-channel"],"data":"{\"hello\":\"world\"}"}"#,
        "33c517020adfc18abcef84295e8041b058599ea2156910c44b024594c6c5ce5d",
    ),
    (
        "H2",
        "POST",
        "/apps/100200/batch_events",
        "&body_md5=63a6058706e10a698143b62ad4e3be16",
        r#"{"batch":[{"channel":"a","name":"x","data":"1"},{"channel":"b","name":"y","data":"2","socket_id":"1.2"}]}"#,
        "f35a3ce3e4194ad43adcf76672f9936b24feb55140e8548042f9cc9c706c70a6",
    ),
    (
        "H3",
        "GET",
        "/apps/100200/channels",
        "&filter_by_prefix=presence-&info=user_count",
        "",
        "1e89e8a9c8b9979429ff5576766b0584b3cc8c9b4cf1d5f43e3d9242efcfccf6",
    ),
    (
        "H3, in capitals and another order",
        "GET",
        "/apps/100200/channels",
        "&Info=user_count&Filter_By_Prefix=presence-",
        "",
        "1e89e8a9c8b9979429ff5576766b0584b3cc8c9b4cf1d5f43e3d9242efcfccf6",
    ),
    (
        "H4",
        "GET",
        "/apps/100200/channels",
        "&filter_by_prefix=presence-room@1&info=user_count",
        "",
        "ddd6b1c1449fbd338ce47b7d1c4fd6c1a4d078f94cbac5dccf14534264449c65",
    ),
    (
        "H4, encoded",
        "GET",
        "/apps/100200/channels",
        "&filter_by_prefix=presence-room%401&info=user_count",
        "",
        "ddd6b1c1449fbd338ce47b7d1c4fd6c1a4d078f94cbac5dccf14534264449c65",
    ),
    (
        "H5",
        "GET",
        "/apps/100200/channels/presence-room@1/users",
        "",
        "",
        "3d95763b5194baa24b39a2e300692ca3a56c3e31dcb77a04a7606d7133088fcf",
    ),
    (
        "H5, encoded",
        "GET",
        "/apps/100200/channels/presence-room%401/users",
        "",
        "",
        "3d95763b5194baa24b39a2e300692ca3a56c3e31dcb77a04a7606d7133088fcf",
    ),
    (
        "H6",
        "GET",
        "/apps/100200/channels",
        "&body_md5=d41d8cd98f00b204e9800998ecf8427e",
        "",
        "cbcbcf280522b2e37ed7ba56395cf3eb62911a6c833df02b418b40ea17554974",
    ),
    (
        "H7",
        "GET",
        "/apps/100200/channels",
        "&body_md5=d41d8cd98f00b204e9800998ecf8427e&filter_by_prefix=presence-&info=user_count",
        "",
        "71bcdd0a6d2b30953f3da68e2c208c85f99a182fdb34cc3636018390de72dfb0",
    ),
    (
        "H8",
        "POST",
        "/apps/100200/users/u-1/terminate_connections",
        "&body_md5=99914b932bd37a50b983c5e7c90ae93b",
        "{}",
        "ebe6c941da09e0bf8458398831820284796de9df650f4367f1ca3afb233ead70",
    ),
    (
        "H9",
        "POST",
        "/users/u-1/terminate_connections",
        "&body_md5=99914b932bd37a50b983c5e7c90ae93b",
        "{}",
        "5b7b392d3702a096637b2c583dbc20cffe948c0fc4fa8692f8861cc9087f5632",
    ),
    (
        "H10",
        "GET",
        "/apps/100200/channels/cache-x",
        "&info=subscription_count,cache",
        "",
        "03718d363a72dceb2e3300c2c884488b52e280a6eb648eb6330960de3f8c874a",
    ),
    (
        "H10, encoded",
        "GET",
        "/apps/100200/channels/cache-x",
        "&info=subscription_count%2Ccache",
        "",
        "03718d363a72dceb2e3300c2c884488b52e280a6eb648eb6330960de3f8c874a",
    ),
    (
        "H11",
        "POST",
        "/apps/100200/channels/my-channel/events",
        "&body_md5=fbc24bcc7a1794758fc1327fcfebdaf6&name=my-event",
        r#"{"hello":"world"}"#,
        "e6c84839b8cc9b8e551300566413571092042a0b3a35e0df122c046211a5e58b",
    ),
];

#[test]
fn h_signs_requests_with_and_without_a_prefix_before_the_path() {
    let app = app("100200", KEY, SECRET);
    for (name, method, path, extra, body, signature) in REQUESTS {
        let query = format!("{BASE}{extra}&auth_signature={signature}");
        let check = |method, path: &str, query: &str, body: &str, now| {
            let body = body.as_bytes();
            let request = Request {
                method,
                path,
                query,
                body,
            };
            api::authenticate(&app, &request, now, "/ws").map_err(|error| error.status)
        };
        assert_eq!(check(method, path, &query, body, NOW), Ok(()), "{name}");
        assert_eq!(
            check(method, &format!("/ws{path}"), &query, body, NOW),
            Ok(()),
            "{name}"
        );
        for now in [NOW - 600, NOW + 600] {
            assert_eq!(check(method, path, &query, body, now), Ok(()), "{name}");
        }
        // Next to it: another time, method, path, body, or something added.
        for now in [NOW - 601, NOW + 601] {
            assert_eq!(check(method, path, &query, body, now), Err(401), "{name}");
        }
        let other_method = if method == "GET" { "POST" } else { "GET" };
        assert_eq!(check(other_method, path, &query, body, NOW), Err(401), "{name}");
        let (other_path, added) = (format!("{path}x"), format!("{query}&x=1"));
        assert_eq!(check(method, &other_path, &query, body, NOW), Err(401), "{name}");
        assert_eq!(check(method, path, &added, body, NOW), Err(401), "{name}");
        let other_body = format!("{body} ");
        assert_eq!(check(method, path, &query, &other_body, NOW), Err(401), "{name}");
    }
}

#[test]
fn w_is_what_applications_are_told() {
    let secret = Secret::new(SECRET);
    let user = || UserId("7".into());
    let typing = Observed::ClientEvent {
        event: "client-typing".into(),
        data: r#"{"on":true}"#.into(),
        connection: ConnectionId {
            node: 1234,
            number: 1234,
        },
        user: Some(user()),
    };
    let vectors = [
        (
            "W1",
            vec![("my-channel", Observed::Occupied)],
            r#"{"time_ms":1700000000000,"events":[{"name":"channel_occupied","channel":"my-channel"}]}"#,
            "f91758c03cd5b2b09c29a9c92fa76077952e150a1d3200796309e7d9f6f4bcb1",
        ),
        (
            "W2",
            vec![
                ("presence-chat.1", Observed::Joined { user: user() }),
                ("private-foobar", Observed::Vacated),
            ],
            r#"{"time_ms":1700000000000,"events":[{"name":"member_added","channel":"presence-chat.1","user_id":"7"},{"name":"channel_vacated","channel":"private-foobar"}]}"#,
            "e1f60590a6fb9bd0fff38c4882ce6f700e8e905d4646199a010df650aea07a44",
        ),
        (
            "W3",
            vec![("presence-chat.1", typing)],
            r#"{"time_ms":1700000000000,"events":[{"name":"client_event","channel":"presence-chat.1","event":"client-typing","data":"{\"on\":true}","socket_id":"1234.1234","user_id":"7"}]}"#,
            "5e888861b6157db99bc2c9826eb42d3c9c751326022699a0988ef99c6199a99b",
        ),
    ];
    for (name, happened, body, signature) in vectors {
        let events: Vec<_> = happened
            .into_iter()
            .filter_map(|(channel, what)| {
                let channel = ChannelName::parse(channel).expect("names of vectors are names");
                webhook::event(&Observation {
                    app: AppNumber(0),
                    channel,
                    what,
                })
            })
            .collect();
        let written = webhook::body(1_700_000_000_000, &events);
        assert_eq!(written, body, "{name}");
        assert_eq!(webhook::signature(&secret, &written), signature, "{name}");
    }
}
