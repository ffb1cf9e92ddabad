//! Tickets and second factors.

use super::{Store, World};
use crate::store::WantedEmail;
use crate::store::{Purpose, StoredTicket, TicketRecord};
use crate::{Email, Event, MailKind, Timestamp, UserId};
use std::sync::Arc;

fn ticket(hash: &str, user: UserId, at: i64) -> TicketRecord {
    TicketRecord {
        secret_hash: hash.to_owned(),
        user,
        purpose: Purpose::Email,
        subject: "sam@example.org".to_owned(),
        at: Timestamp(at),
        expires_at: Timestamp(at + 100),
    }
}

/// For one purpose, and until it expires; of many who spend it at once, one does.
pub async fn a_ticket_is_good_once_and_for_a_while(store: Arc<dyn Store>) {
    let world = World::new(store);
    let sam = world.person("sam").await.user;
    let store = &world.store;
    store.keep_ticket(ticket("a", sam, 1_000)).await.expect("kept");
    let expected = Some(StoredTicket {
        user: sam,
        subject: "sam@example.org".to_owned(),
    });
    let look = |hash: &'static str, purpose, at| async move {
        store.ticket(hash, purpose, Timestamp(at)).await.expect("read")
    };
    assert_eq!(look("a", Purpose::Email, 1_099).await, expected);
    assert_eq!(look("a", Purpose::Email, 1_100).await, None);
    assert_eq!(look("a", Purpose::Password, 1_000).await, None);
    assert_eq!(look("b", Purpose::Email, 1_000).await, None);
    let late = store
        .spend_ticket("a".into(), Purpose::Email, Timestamp(1_100))
        .await;
    assert_eq!(late.expect("asked"), None);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            store
                .spend_ticket("a".into(), Purpose::Email, Timestamp(1_050))
                .await
                .expect("asked")
        });
    }
    let spent = tasks.join_all().await;
    assert_eq!(spent.into_iter().flatten().count(), 1);

    // A new one takes the expired ones along, and there are only so many.
    for n in 0..30 {
        let record = ticket(&format!("t{n}"), sam, 2_000 + n);
        store.keep_ticket(record).await.expect("kept");
    }
    assert_eq!(look("t9", Purpose::Email, 2_030).await, None);
    assert_eq!(look("t10", Purpose::Email, 2_030).await, expected);
    let announce = Box::new(|_: &Vec<_>| {});
    store
        .set_password(sam, "none".into(), None, announce)
        .await
        .expect("set");
    assert_eq!(look("t29", Purpose::Email, 2_030).await, None);
}

/// It is asked for once it is confirmed, and takes each code once.
pub async fn a_second_factor_takes_each_code_once(store: Arc<dyn Store>) {
    let world = World::new(store);
    let sam = world.person("sam").await.user;
    let store = &world.store;
    let silent = || Box::new(|_: &crate::Me| {});
    assert!(store.second_factor(sam).await.expect("read").is_none());
    assert!(!store.spend_step(sam, 7).await.expect("asked"));
    for secret in [vec![1; 20], vec![2; 20]] {
        assert!(store.offer_second_factor(sam, secret).await.expect("kept"));
    }
    let confirm = |secret: u8| {
        let announce = world.messenger.announce_me(Timestamp(5));
        let hashes = vec!["x".to_owned(), "y".to_owned()];
        store.confirm_second_factor(sam, vec![secret; 20], 7, hashes, Timestamp(5), announce)
    };
    assert!(!confirm(1).await.expect("asked"), "it was replaced");
    let before = world.messenger.me(sam).await.expect("read").expect("there");
    assert!(!before.second_factor);
    assert!(confirm(2).await.expect("confirmed"));
    assert!(!confirm(2).await.expect("asked"), "it is confirmed already");
    assert!(!store.offer_second_factor(sam, vec![3; 20]).await.expect("asked"));
    let factor = store.second_factor(sam).await.expect("read").expect("there");
    assert!(factor.confirmed && factor.secret == [2; 20]);

    for (step, expected) in [(7, false), (8, true), (8, false), (6, false), (9, true)] {
        assert_eq!(
            store.spend_step(sam, step).await.expect("asked"),
            expected,
            "{step}"
        );
    }
    for (code, expected) in [("z", false), ("x", true), ("x", false), ("y", true)] {
        let spent = store.spend_recovery_code(sam, code.into()).await.expect("asked");
        assert_eq!(spent, expected, "{code}");
    }
    let me = world.messenger.me(sam).await.expect("read").expect("there");
    assert!(me.second_factor);
    assert_eq!(me.account.user_rev, before.account.user_rev + 1);
    assert!(world.messenger.drop_second_factor(sam).await.expect("dropped"));
    assert!(!store.remove_second_factor(sam, silent()).await.expect("asked"));
    let told: Vec<bool> = world
        .heard()
        .into_iter()
        .map(|(_, event)| match event {
            Event::MeUpdated { me, .. } => me.second_factor,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [true, false]);
}

/// Nobody else has it meanwhile; one that failed comes back when it is due.
pub async fn a_mail_is_taken_by_one_at_a_time(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [sam, anna] = world.people(["sam", "anna"]).await;
    let store = &world.store;
    for (user, at) in [(sam.user, 10), (anna.user, 20), (sam.user, 30)] {
        let wanted = WantedEmail {
            user,
            email: Email::parse(&format!("{user}@example.org")),
            at: Timestamp(at),
        };
        let announce = world.messenger.announce_me(Timestamp(at));
        store.want_email(wanted, announce).await.expect("noted");
    }
    let take = |now, until| async move {
        let taken = store.take_mails(Timestamp(now), Timestamp(until), 10).await;
        taken.expect("taken")
    };
    assert!(take(9, 50).await.is_empty());
    assert_eq!(store.next_mail_at().await.expect("read"), Some(Timestamp(10)));
    let first = take(15, 50).await;
    assert_eq!((first.len(), first[0].user, first[0].tries), (1, sam.user, 1));
    assert_eq!(
        (first[0].kind, first[0].created_at),
        (MailKind::Verify, Timestamp(10))
    );
    let second = take(49, 100).await;
    assert_eq!(second.len(), 1, "the same was not queued twice");
    store.mail_done(second[0].id).await.expect("done");
    store.mail_later(first[0].id, Timestamp(60)).await.expect("kept");
    assert!(take(59, 100).await.is_empty());
    assert_eq!(take(60, 100).await[0].tries, 2);
    store.mail_done(first[0].id).await.expect("done");
    assert_eq!(store.next_mail_at().await.expect("read"), None);
}
