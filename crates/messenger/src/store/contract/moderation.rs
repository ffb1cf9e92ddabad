//! Reports, what administrators do, and invites to the server.

use super::{Store, World, wish};
use crate::store::AccountChange;
use crate::{
    AuthenticateError, Caller, ChangeAccountError, Event, LogoutReason, MessageId, NewAccount, Options,
    RegisterError, Registration, ReportError, ReportStatus, ServerRole, Timestamp,
};
use std::sync::Arc;

const SUSPEND: AccountChange = AccountChange {
    suspended: Some(true),
    role: None,
    revoke_devices: false,
};

const REINSTATE: AccountChange = AccountChange {
    suspended: Some(false),
    role: None,
    revoke_devices: false,
};

const PROMOTE: AccountChange = AccountChange {
    suspended: None,
    role: Some(ServerRole::Admin),
    revoke_devices: false,
};

const REVOKE: AccountChange = AccountChange {
    suspended: None,
    role: None,
    revoke_devices: true,
};

fn new(username: &str, invite: Option<&str>) -> NewAccount {
    NewAccount {
        username: username.into(),
        display_name: None,
        password: "plum-kettle-9".into(),
        invite: invite.map(str::to_owned),
        device_name: "test".into(),
    }
}

async fn actions(world: &World) -> Vec<String> {
    let page = world.messenger.audit(None, None).await.expect("read");
    page.items.into_iter().map(|entry| entry.action).collect()
}

async fn bodies(world: &World) -> Vec<Vec<String>> {
    let page = world.messenger.reports(None, None, None).await.expect("read");
    let copy = |report: crate::Report| report.copy.into_iter().map(|message| message.body).collect();
    page.items.into_iter().map(copy).collect()
}

/// A report carries the message and five before it, as they were, and only what its author may see.
pub async fn a_report_carries_what_its_author_sees(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bea, cal, eve] = world.people(["ann", "bea", "cal", "eve"]).await;
    let room = world.group(&ann, &[bea]).await;
    let mut said: Vec<MessageId> = Vec::new();
    for n in 1..=8 {
        said.push(world.say(&bea, room, &format!("word {n}")).await.message.id);
    }
    let report = |who: Caller, message: MessageId, reason: &'static str| {
        let messenger = Arc::clone(&world.messenger);
        async move { messenger.report(&who, message, reason).await }
    };
    // Neither a stranger nor one who sees nothing of the past can show what was said.
    assert!(matches!(
        report(eve, said[7], "x").await,
        Err(ReportError::NotFound)
    ));
    world
        .messenger
        .add_members(&ann, room, &[cal.user])
        .await
        .expect("added");
    let since_join = crate::PolicyChange {
        newcomers: Some(crate::Newcomers::SinceJoin),
        ..crate::PolicyChange::default()
    };
    let group = crate::GroupWish {
        policies: since_join,
        ..wish("Closed past", &[bea.user])
    };
    let other = world
        .messenger
        .create_group(&ann, group)
        .await
        .expect("created")
        .item;
    let other = other.conversation.id;
    let early = world.say(&bea, other, "before Cal").await.message.id;
    world
        .messenger
        .add_members(&ann, other, &[cal.user])
        .await
        .expect("added");
    let late = world.say(&bea, other, "after Cal").await.message.id;
    assert!(matches!(
        report(cal, early, "x").await,
        Err(ReportError::NotFound)
    ));
    assert!(report(cal, late, "").await.expect("reported").created);
    assert_eq!(
        bodies(&world).await[0],
        ["after Cal"],
        "the past stays out of the copy"
    );

    let first = report(ann, said[7], "  rude\u{0} ").await.expect("reported");
    assert!(first.created);
    assert_eq!(first.report.reason, "rude");
    assert_eq!(first.report.reported, bea.user);
    let again = report(ann, said[7], "again").await.expect("reported");
    assert!(!again.created);
    assert_eq!(
        (again.report.id, again.report.reason.as_str()),
        (first.report.id, "rude")
    );
    let long = "x".repeat(1_001);
    let too_long = world.messenger.report(&ann, said[7], &long).await;
    assert!(matches!(too_long, Err(ReportError::ReasonTooLong)));

    // The copy outlives what it is of.
    world.messenger.delete(&ann, &said).await.expect("deleted");
    let expected: Vec<String> = (3..=8).map(|n| format!("word {n}")).collect();
    assert_eq!(bodies(&world).await[0], expected);
    assert!(matches!(
        report(cal, said[7], "x").await,
        Err(ReportError::NotFound)
    ));

    let handled = world
        .messenger
        .handle_report(&ann, first.report.id, ReportStatus::Resolved)
        .await
        .expect("written")
        .expect("there is one");
    assert_eq!(handled.status, ReportStatus::Resolved);
    assert_eq!(handled.handled.map(|(by, _)| by), Some(ann.user));
    let open = world
        .messenger
        .reports(Some(ReportStatus::Open), None, None)
        .await;
    assert_eq!(open.expect("read").items.len(), 1);
    assert_eq!(actions(&world).await, ["report.handled"]);
    let unknown = world
        .messenger
        .handle_report(&ann, 4_711, ReportStatus::Open)
        .await;
    assert!(unknown.expect("asked").is_none());

    let limits = Options {
        reports_per_day_max: 1,
        ..Options::default()
    };
    let strict = World::with_options(Arc::clone(&world.store), limits);
    let more = strict.say(&bea, room, "more").await.message.id;
    let refused = strict.messenger.report(&ann, more, "x").await;
    assert!(matches!(
        refused,
        Err(ReportError::TooManyToday {
            retry_after_s: 1..=86_400
        })
    ));
}

/// A suspended account is told so wherever it shows its token, and what it did stays.
pub async fn a_suspended_account_gets_nowhere(store: Arc<dyn Store>) {
    let world = World::new(store);
    let owner = world.person("owner").await;
    let login = world
        .messenger
        .register(new("bea", None))
        .await
        .expect("registered");
    let bea = Caller {
        user: login.account.id,
        login: login.login.id,
    };
    let room = world.direct(&owner, &bea).await;
    world.say(&owner, room, "hello").await;
    assert!(world.item(&owner, room).await.others.is_some());
    world.heard();

    let messenger = &world.messenger;
    assert!(
        messenger
            .authenticate(&login.token)
            .await
            .expect("asked")
            .is_some()
    );
    let changed = messenger
        .change_account(&owner, bea.user, SUSPEND)
        .await
        .expect("changed");
    assert!(changed.account.suspended);
    let told = world.heard();
    let [
        (
            audience,
            Event::LoggedOut {
                login: ended, reason, ..
            },
        ),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((&audience[..], *ended), (&[bea.user][..], bea.login));
    assert_eq!(*reason, LogoutReason::AccountSuspended);
    let refused = messenger.authenticate(&login.token).await;
    assert!(matches!(refused, Err(AuthenticateError::Suspended)));
    let log_in = messenger.log_in("bea", "plum-kettle-9", "test", "here").await;
    assert!(matches!(log_in, Err(crate::LogInError::Suspended)));
    assert_eq!(world.item(&owner, room).await.others, None, "nobody waits for it");

    // Once is enough, and for the log, too.
    messenger
        .change_account(&owner, bea.user, SUSPEND)
        .await
        .expect("changed");
    assert!(world.heard().is_empty());
    messenger
        .change_account(&owner, bea.user, REINSTATE)
        .await
        .expect("changed");
    assert!(world.item(&owner, room).await.others.is_some());
    let old = messenger.authenticate(&login.token).await;
    assert!(old.expect("asked").is_none(), "its logins have ended");
    messenger
        .log_in("bea", "plum-kettle-9", "test", "here")
        .await
        .expect("logged in");
    assert_eq!(actions(&world).await, ["user.reinstated", "user.suspended"]);

    let counts = messenger.counts().await.expect("counted");
    assert_eq!(
        (counts.accounts, counts.suspended, counts.conversations),
        (2, 0, 1)
    );
    assert_eq!((counts.messages, counts.open_reports), (1, 0));
}

/// The owner may change everybody else, administrators only members, and none themselves.
pub async fn administrators_act_on_members_only(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [owner, ann, bea, cal] = world.people(["owner", "ann", "bea", "cal"]).await;
    let change = |who: Caller, whom: Caller, change: AccountChange| {
        let messenger = Arc::clone(&world.messenger);
        async move { messenger.change_account(&who, whom.user, change).await }
    };
    let refused =
        |outcome: Result<_, ChangeAccountError>| matches!(outcome, Err(ChangeAccountError::NotAllowed));
    assert!(refused(change(ann, bea, SUSPEND).await), "a member may not");
    for whom in [ann, bea] {
        let promoted = change(owner, whom, PROMOTE).await.expect("promoted");
        assert_eq!(promoted.account.server_role, ServerRole::Admin);
        let (audience, event) = &world.heard()[0];
        assert_eq!(audience, &[whom.user]);
        assert!(matches!(event, Event::MeUpdated { me, .. } if me.account.user_rev == 1));
    }
    for (who, whom) in [(owner, owner), (ann, owner), (ann, bea), (ann, ann)] {
        for wish in [SUSPEND, REVOKE] {
            assert!(refused(change(who, whom, wish).await));
        }
    }
    assert!(
        refused(change(ann, cal, PROMOTE).await),
        "roles are the owner's to give"
    );
    let own = AccountChange {
        role: Some(ServerRole::Owner),
        ..AccountChange::default()
    };
    assert!(refused(change(owner, ann, own).await));
    change(ann, cal, SUSPEND).await.expect("suspended");
    let nobody = Caller {
        user: crate::UserId(4_711),
        login: cal.login,
    };
    assert!(matches!(
        change(owner, nobody, SUSPEND).await,
        Err(ChangeAccountError::NotFound)
    ));

    let login = world
        .messenger
        .register(new("dan", None))
        .await
        .expect("registered");
    let dan = Caller {
        user: login.account.id,
        login: login.login.id,
    };
    world.heard();
    assert_eq!(change(ann, dan, REVOKE).await.expect("revoked").devices, 0);
    let told = world.heard();
    let [
        (
            _,
            Event::LoggedOut {
                login: ended, reason, ..
            },
        ),
        (_, Event::DeviceChanged { login: None, .. }),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((*ended, *reason), (dan.login, LogoutReason::DeviceRevoked));
    assert!(
        world
            .messenger
            .authenticate(&login.token)
            .await
            .expect("asked")
            .is_none()
    );

    let log = world.messenger.audit(None, Some(2)).await.expect("read");
    let seen: Vec<_> = log
        .items
        .iter()
        .map(|entry| (entry.actor, entry.action.as_str()))
        .collect();
    assert_eq!(
        seen,
        [(ann.user, "user.devices_revoked"), (ann.user, "user.suspended")]
    );
    let rest = world
        .messenger
        .audit(log.next_cursor.as_deref(), None)
        .await
        .expect("read");
    assert_eq!(rest.items.len(), 2);
    assert!(rest.next_cursor.is_none());

    let page = world
        .messenger
        .admin_accounts(None, None, Some(3))
        .await
        .expect("read");
    assert_eq!(page.items.len(), 3);
    let page = world
        .messenger
        .admin_accounts(None, page.next_cursor.as_deref(), None)
        .await;
    assert_eq!(page.expect("read").items.len(), 2);
    let found = world
        .messenger
        .admin_accounts(Some("Ca"), None, None)
        .await
        .expect("read");
    assert_eq!(found.items.len(), 1);
    assert!(found.items[0].account.suspended);
}

/// Where people register by invite, an invite lets in as many as it was made for, while it lasts.
pub async fn invites_to_the_server_let_people_register(store: Arc<dyn Store>) {
    let options = Options {
        registration: Registration::Invite,
        ..Options::default()
    };
    let world = World::with_options(store, options);
    let messenger = &world.messenger;
    let owner = messenger
        .register(new("owner", None))
        .await
        .expect("the first needs none");
    let owner = Caller {
        user: owner.account.id,
        login: owner.login.id,
    };
    let refused = |outcome: Result<_, RegisterError>| matches!(outcome, Err(RegisterError::InviteRequired));
    assert!(refused(messenger.register(new("ann", None)).await));
    assert!(refused(messenger.register(new("ann", Some("nonsense"))).await));

    let made = messenger
        .create_server_invite(&owner, None, Some(1))
        .await
        .expect("made");
    // A taken name does not use it up.
    let taken = messenger.register(new("owner", Some(&made.token))).await;
    assert!(matches!(taken, Err(RegisterError::UsernameTaken)));
    let ann = messenger
        .register(new("ann", Some(&made.token)))
        .await
        .expect("registered");
    assert_eq!(ann.account.server_role, ServerRole::Member);
    assert!(
        refused(messenger.register(new("bea", Some(&made.token))).await),
        "used up"
    );

    let endless = messenger
        .create_server_invite(&owner, Some(None), None)
        .await
        .expect("made");
    let store = &world.store;
    let hash = crate::token::Secret::given(&endless.token)
        .expect("a secret")
        .hash();
    let far = Timestamp(Timestamp::now().0 + 100 * 366 * 24 * 3_600_000);
    assert!(
        store
            .server_invite_admits(hash.as_str(), far)
            .await
            .expect("asked")
    );
    assert!(
        messenger
            .revoke_server_invite(&owner, endless.invite.id)
            .await
            .expect("asked")
    );
    assert!(
        messenger
            .revoke_server_invite(&owner, endless.invite.id)
            .await
            .expect("asked")
    );
    assert!(
        !messenger
            .revoke_server_invite(&owner, uuid::Uuid::nil())
            .await
            .expect("asked")
    );
    assert!(
        refused(messenger.register(new("bea", Some(&endless.token))).await),
        "revoked"
    );
    let short = messenger
        .create_server_invite(&owner, Some(Some(60)), None)
        .await
        .expect("made");
    let hash = crate::token::Secret::given(&short.token)
        .expect("a secret")
        .hash();
    let admits = |at: i64| store.server_invite_admits(hash.as_str(), Timestamp(at));
    let end = short.invite.expires_at.expect("it ends").0;
    assert!(admits(end - 1).await.expect("asked"));
    assert!(!admits(end).await.expect("asked"));

    let all = messenger.server_invites(None, Some(2)).await.expect("read");
    let rest = messenger
        .server_invites(all.next_cursor.as_deref(), Some(2))
        .await
        .expect("read");
    assert_eq!((all.items.len(), rest.items.len()), (2, 1));
    assert_eq!((rest.items[0].id, rest.items[0].uses), (made.invite.id, 1));
    assert_eq!(actions(&world).await.len(), 4, "three made, one revoked");
    let told = world.heard();
    let devices_only = |(_, event): &(_, Event)| matches!(event, Event::DeviceChanged { .. });
    assert!(told.iter().all(devices_only), "{told:?}");
}
