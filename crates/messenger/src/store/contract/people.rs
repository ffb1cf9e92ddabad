//! Accounts and logins.

use super::{Store, World};
use crate::store::LoginRecord;
use crate::token::Secret;
use crate::{
    Event, LogInError, LogoutReason, NewAccount, Options, RegisterError, Registration, SearchPeopleError,
    ServerRole, Timestamp, Token, UserId,
};
use std::sync::Arc;

const PASSWORD: &str = "plum-kettle-9";

fn new(username: &str) -> NewAccount {
    NewAccount {
        username: username.into(),
        display_name: None,
        password: PASSWORD.into(),
        invite: None,
        device_name: "test".into(),
    }
}

/// Of many who come first exactly one is the owner.
pub async fn the_first_account_owns_the_server(store: Arc<dyn Store>) {
    let world = Arc::new(World::new(store));
    assert!(world.messenger.setup_required().await.expect("asked"));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let world = Arc::clone(&world);
        tasks.spawn(async move { world.person(&format!("person{n}")).await });
    }
    tasks.join_all().await;
    assert!(!world.messenger.setup_required().await.expect("asked"));
    let accounts = world.messenger.accounts().await.expect("listed");
    assert_eq!(accounts.len(), 8);
    let owners = accounts
        .iter()
        .filter(|account| account.server_role == ServerRole::Owner)
        .count();
    assert_eq!(owners, 1);
}

/// However it is written, and however many want it at once.
pub async fn a_name_is_given_out_once(store: Arc<dyn Store>) {
    let world = World::new(store);
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["sam", "SAM", "Sam"] {
        let messenger = Arc::clone(&world.messenger);
        tasks.spawn(async move { messenger.register(new(name)).await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let taken = |outcome: &&Result<_, _>| matches!(outcome, Err(RegisterError::UsernameTaken));
    assert_eq!(outcomes.iter().filter(taken).count(), 2);
}

/// By username and every word of the display name, in any case; never oneself.
pub async fn people_are_found_by_their_names(store: Arc<dyn Store>) {
    let world = World::new(store);
    let caller = world.person("searcher").await;
    for (username, display_name) in [
        ("sam", "Sam Whitlock"),
        ("anna.p", "Анна Петрова"),
        ("zed", "100% Wit_h"),
    ] {
        let account = NewAccount {
            display_name: Some(display_name.into()),
            ..new(username)
        };
        world.messenger.add_account(account, None).await.expect("added");
    }
    let table: [(&str, &[&str]); 13] = [
        ("sa", &["sam"]),
        ("SAM", &["sam"]),
        ("@sam", &["sam"]),
        ("whit", &["sam"]),
        ("wit", &["zed"]),
        ("sam wh", &["sam"]),
        ("анна", &["anna.p"]),
        ("ПЕТ", &["anna.p"]),
        ("itlock", &[]),
        ("sear", &[]),
        ("100%", &["zed"]),
        ("%", &[]),
        ("wit_", &["zed"]),
    ];
    for (query, expected) in table {
        let found = world
            .messenger
            .search_people(&caller, query, 20)
            .await
            .expect("searched");
        let names: Vec<&str> = found.iter().map(|account| account.username.as_str()).collect();
        assert_eq!(names, expected, "{query}");
    }
    let empty = world.messenger.search_people(&caller, " @ ", 20).await;
    assert!(matches!(empty, Err(SearchPeopleError::EmptyQuery)));
}

/// Its token proves it, and nothing like it does.
pub async fn a_login_lasts_until_it_is_ended(store: Arc<dyn Store>) {
    let world = World::new(store);
    let messenger = &world.messenger;
    let first = messenger.register(new("sam")).await.expect("registered");
    let second = messenger
        .log_in("Sam", PASSWORD, "phone", "::1")
        .await
        .expect("logged in");
    assert_eq!(second.account.id, first.account.id);
    assert_ne!(second.login.device_id, first.login.device_id);

    let caller = messenger
        .authenticate(&first.token)
        .await
        .expect("asked")
        .expect("known");
    assert_eq!((caller.user, caller.login), (first.account.id, first.login.id));
    let (_, secret) = first.token.reveal().split_once('|').expect("a bar");
    for other in [
        format!("{}|{secret}", second.login.id),
        format!("999|{secret}"),
        "17|x".to_owned(),
    ] {
        assert_eq!(
            messenger.authenticate(&Token::new(other)).await.expect("asked"),
            None
        );
    }

    messenger.log_out(&caller).await.expect("logged out");
    assert_eq!(messenger.authenticate(&first.token).await.expect("asked"), None);
    assert!(
        messenger
            .authenticate(&second.token)
            .await
            .expect("asked")
            .is_some()
    );
    let told: Vec<_> = world.heard().into_iter().map(|(_, event)| event).collect();
    let [
        Event::DeviceChanged { user_rev: 1, .. },
        Event::DeviceChanged {
            login: Some(known),
            user_rev: 2,
            ..
        },
        Event::LoggedOut {
            login,
            reason: LogoutReason::LoggedOut,
            ..
        },
        Event::DeviceChanged {
            device,
            login: None,
            user_rev: 3,
            ..
        },
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((known, login), (&second.login, &first.login.id));
    assert_eq!(*device, first.login.device_id);
}

/// The time is that of the last use, or of the beginning.
pub async fn a_login_that_is_not_used_ends(store: Arc<dyn Store>) {
    let world = World::new(store);
    let messenger = &world.messenger;
    let sam = messenger.register(new("sam")).await.expect("registered");
    let idle_ms = messenger.options().device_idle_s as i64 * 1_000;
    let begin = |ago_ms: i64| {
        let secret = Secret::generate().expect("random");
        let record = LoginRecord {
            device_id: uuid::Uuid::new_v4(),
            user: sam.account.id,
            name: "old".into(),
            secret_hash: secret.hash().as_str().to_owned(),
            at: Timestamp(Timestamp::now().0 - ago_ms),
        };
        let store = Arc::clone(&world.store);
        async move {
            let login = store
                .create_login(record, Box::new(|_| {}))
                .await
                .expect("created");
            Token::of(login.id, &secret)
        }
    };
    let (late, early) = (begin(idle_ms + 1_000).await, begin(idle_ms - 60_000).await);
    assert_eq!(messenger.authenticate(&late).await.expect("asked"), None);
    let caller = messenger
        .authenticate(&early)
        .await
        .expect("asked")
        .expect("known");
    let devices = messenger.devices(&caller).await.expect("listed");
    assert_eq!(devices.len(), 2, "those that have ended are not shown");
    let used = devices.iter().find(|device| device.current).expect("listed");
    assert!(
        used.last_used_at.0 > Timestamp::now().0 - 60_000,
        "it was used just now"
    );
}

/// And the old password is worth nothing.
pub async fn a_new_password_ends_all_logins(store: Arc<dyn Store>) {
    let world = World::new(store);
    let messenger = &world.messenger;
    let first = messenger.register(new("sam")).await.expect("registered");
    let other = messenger.register(new("ann")).await.expect("registered");
    assert!(
        messenger
            .authenticate(&first.token)
            .await
            .expect("asked")
            .is_some()
    );
    assert!(
        messenger
            .set_password("sam", "another kettle")
            .await
            .expect("set")
    );
    assert!(
        !messenger
            .set_password("nobody1", "another kettle")
            .await
            .expect("answered")
    );
    assert_eq!(messenger.authenticate(&first.token).await.expect("asked"), None);
    assert!(
        messenger
            .authenticate(&other.token)
            .await
            .expect("asked")
            .is_some()
    );
    let old = messenger.log_in("sam", PASSWORD, "x", "a").await;
    assert!(matches!(old, Err(LogInError::InvalidCredentials)));
    messenger
        .log_in("sam", "another kettle", "x", "a")
        .await
        .expect("logged in");
    let told = world.heard();
    let ended: Vec<_> = told
        .iter()
        .filter(|(_, event)| matches!(event, Event::LoggedOut { .. }))
        .collect();
    let [(users, Event::LoggedOut { login, reason, .. })] = &ended[..] else {
        panic!("{ended:?}");
    };
    assert_eq!((&users[..], *login), (&[first.account.id][..], first.login.id));
    assert_eq!(*reason, LogoutReason::PasswordChanged);
}

/// Per name and address, for unknown names as well.
pub async fn guessing_passwords_is_stopped(store: Arc<dyn Store>) {
    let options = Options {
        login_failures_max: 2,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let messenger = &world.messenger;
    messenger.register(new("sam")).await.expect("registered");
    for name in ["sam", "nobody1"] {
        for _ in 0..2 {
            let wrong = messenger.log_in(name, "wrong password", "x", "1.2.3.4").await;
            assert!(matches!(wrong, Err(LogInError::InvalidCredentials)));
        }
        let stopped = messenger.log_in(name, PASSWORD, "x", "1.2.3.4").await;
        assert!(matches!(
            stopped,
            Err(LogInError::TooManyAttempts { retry_after_s: 1.. })
        ));
    }
    messenger
        .log_in("sam", PASSWORD, "x", "5.6.7.8")
        .await
        .expect("logged in from elsewhere");
}

/// And nobody else; the command line still may.
pub async fn closed_registration_lets_in_the_first(store: Arc<dyn Store>) {
    let options = Options {
        registration: Registration::Closed,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let first = world.messenger.register(new("sam")).await.expect("registered");
    assert_eq!(first.account.server_role, ServerRole::Owner);
    assert!(matches!(
        world.messenger.register(new("ann")).await,
        Err(RegisterError::Closed)
    ));
    let added = world
        .messenger
        .add_account(new("ann"), Some(ServerRole::Admin))
        .await
        .expect("added");
    assert_eq!(added.server_role, ServerRole::Admin);
    let both = world
        .messenger
        .accounts_by_id(&[added.id, UserId(999), first.account.id])
        .await
        .expect("found");
    assert_eq!(both.len(), 2);
}
