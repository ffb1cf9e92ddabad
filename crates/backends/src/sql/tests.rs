//! What the store promises beyond the contract: about files, full disks, jobs that fail, and databases that are
//! shared or away.

use super::query::execute;
use super::sqlite::File;
use super::store::{Home, SqlStore};
use crate::testing::PostgresServer;
use chinwag_messenger::store::{AccountRecord, Accounts, Admission, Announce, StoreError};
use chinwag_messenger::{
    AccountKind, Caller, ClientId, ConversationId, Draft, HistoryRange, LoginId, Messenger, NoFeed, Options,
    SearchWish, SendError, Timestamp, Total, UserId, Username,
};
use sea_orm::DbBackend;
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

fn messenger(store: &Arc<SqlStore>) -> Messenger {
    Messenger::new(Arc::clone(store) as _, Arc::new(NoFeed), Options::default())
}

async fn person(store: &SqlStore, name: &str) -> Caller {
    let record = AccountRecord {
        username: Username::parse(name).unwrap(),
        display_name: name.into(),
        search_keys: vec![name.into()],
        password_hash: "none".into(),
        kind: AccountKind::Human,
        admission: Admission::Anyone,
        at: Timestamp::now(),
    };
    let account = store.create_account(record).await.unwrap().unwrap();
    Caller {
        user: account.id,
        login: LoginId(0),
    }
}

fn draft(words: impl Into<String>) -> Draft {
    let client_id = ClientId(uuid::Uuid::new_v4());
    Draft {
        client_id,
        body: words.into(),
        attachments: Vec::new(),
        reply_to: None,
        thread: None,
        advance_seen: true,
    }
}

async fn words_of(store: &Arc<SqlStore>, caller: &Caller, id: ConversationId) -> Vec<String> {
    let messenger = messenger(store);
    let mut words = Vec::new();
    loop {
        let after = HistoryRange::After(words.len() as u64);
        let page = messenger.history(caller, id, after, Some(100)).await.unwrap();
        for message in page.messages {
            assert_eq!(message.seq, words.len() as u64 + 1);
            words.push(message.body);
        }
        if !page.has_more_after {
            return words;
        }
    }
}

/// A store from before messages knew the change that brought them: it is followed like any other.
#[tokio::test]
async fn what_was_stored_before_is_found_by_its_rev() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqlStore::open(&folder.path().join("test.db")).await.unwrap());
    let caller = person(&store, "ann").await;
    let messenger = messenger(&store);
    let id = own_notes(&messenger, &caller).await;
    let mut sent = Vec::new();
    let mut say = async |words: &str| {
        let message = messenger.send(&caller, id, draft(words)).await.unwrap().message;
        sent.push(message.id);
    };
    for words in ["one", "two", "three"] {
        say(words).await;
    }
    let forget = store.writer.run(None, |group| {
        Box::pin(async move {
            group.dirty = true;
            execute(&group.tx, "UPDATE message SET first_rev = 0", Vec::new()).await
        })
    });
    forget.await.unwrap();
    for words in ["four", "five"] {
        say(words).await;
    }
    messenger
        .edit(&caller, sent[1], "two, better", None)
        .await
        .unwrap();
    for (after, expected) in [
        (0, vec!["one", "three", "four", "five", "two, better"]),
        (2, vec!["three", "four", "five", "two, better"]),
        (4, vec!["five", "two, better"]),
    ] {
        let changes = messenger.changes(&caller, id, after, 100).await.unwrap();
        let words: Vec<_> = changes.messages.into_iter().map(|message| message.body).collect();
        assert_eq!(words, expected, "after {after}");
    }
}

/// Senders are cut off in the middle of their work, with their runtime; nobody closes the store.
#[test]
fn what_was_acknowledged_is_there_after_an_abort() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    };

    let first = runtime();
    let (caller, id) = first.block_on(async {
        let store = Arc::new(SqlStore::open(&path).await.unwrap());
        let caller = person(&store, "ann").await;
        let id = messenger(&store)
            .open_direct(&caller, caller.user)
            .await
            .unwrap()
            .item
            .conversation
            .id;
        let enough = Arc::new(tokio::sync::Notify::new());
        for n in 0..16 {
            let (store, acknowledged, enough) =
                (Arc::clone(&store), Arc::clone(&acknowledged), Arc::clone(&enough));
            tokio::spawn(async move {
                let messenger = messenger(&store);
                for k in 0.. {
                    let words = format!("{n}.{k}");
                    if messenger.send(&caller, id, draft(&*words)).await.is_err() {
                        return;
                    }
                    let mut acknowledged = acknowledged.lock().unwrap();
                    acknowledged.push(words);
                    if acknowledged.len() == 200 {
                        enough.notify_one();
                    }
                }
            });
        }
        enough.notified().await;
        (caller, id)
    });
    first.shutdown_background();

    runtime().block_on(async {
        let store = Arc::new(SqlStore::open(&path).await.unwrap());
        messenger(&store)
            .send(&caller, id, draft("and on"))
            .await
            .unwrap();
        let stored = words_of(&store, &caller, id).await;
        let acknowledged = acknowledged.lock().unwrap().clone();
        assert!(acknowledged.len() >= 200);
        for words in acknowledged {
            assert!(stored.contains(&words), "{words} was lost");
        }
        assert_eq!(stored.last().unwrap(), "and on");
    });
}

#[tokio::test]
async fn closing_finishes_what_was_asked_and_leaves_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let store = Arc::new(SqlStore::open(&path).await.unwrap());
    let caller = person(&store, "ann").await;
    let id = messenger(&store)
        .open_direct(&caller, caller.user)
        .await
        .unwrap()
        .item
        .conversation
        .id;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            messenger(&store)
                .send(&caller, id, draft(n.to_string()))
                .await
                .is_ok()
        });
    }
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let sent = tasks.join_all().await.into_iter().filter(|sent| *sent).count();
    let refused = messenger(&store).send(&caller, id, draft("too late")).await;
    assert!(matches!(
        refused,
        Err(SendError::Store(StoreError::Unavailable(_)))
    ));
    store.close().await.unwrap();

    let names = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    assert_eq!(names(folder.path()), 1, "the log is gone");
    let store = Arc::new(SqlStore::open(&path).await.unwrap());
    assert_eq!(words_of(&store, &caller, id).await.len(), sent);
}

#[tokio::test]
async fn a_full_disk_is_told_and_recovered_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let file = File::new(&path);
    file.limit(Some(160));
    let store = Arc::new(SqlStore::open_home(Home::Sqlite(file)).await.unwrap());
    let caller = person(&store, "ann").await;
    let messenger = messenger(&store);
    let id = messenger
        .open_direct(&caller, caller.user)
        .await
        .unwrap()
        .item
        .conversation
        .id;
    let mut sent = 0;
    let refused = loop {
        match messenger.send(&caller, id, draft("x".repeat(2_000))).await {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 1_000, "the disk never filled");
    };
    assert!(
        matches!(refused, SendError::Store(StoreError::Full)),
        "{refused:?}"
    );
    // Jobs of the other kind fail alike, and reading goes on.
    let wish = chinwag_messenger::GroupWish {
        title: "x".repeat(128),
        ..Default::default()
    };
    let group = messenger.create_group(&caller, wish).await;
    assert!(
        group.is_ok() || format!("{group:?}").contains("Full"),
        "{group:?}"
    );
    assert_eq!(words_of(&store, &caller, id).await.len(), sent);

    if let Home::Sqlite(file) = &*store.writer.home {
        file.limit(None);
    }
    // A connection that works keeps its limit; the next one that is full makes the writer connect anew.
    let mut attempts = 0;
    while messenger
        .send(&caller, id, draft("x".repeat(2_000)))
        .await
        .is_err()
    {
        attempts += 1;
        assert!(attempts < 3, "never recovered");
    }
    let stored = words_of(&store, &caller, id).await;
    assert_eq!(stored.len(), sent + 1, "nothing was lost and no number left out");
}

/// The same promise on each database.
async fn on_both<F: Future<Output = ()>>(check: impl Fn(Arc<SqlStore>, Arc<SqlStore>) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let opened = async || Arc::new(SqlStore::open(&path).await.unwrap());
    check(opened().await, opened().await).await;
    let url = PostgresServer::shared().database().await;
    let opened = async || Arc::new(SqlStore::open_postgres(&url).await.unwrap());
    check(opened().await, opened().await).await;
}

async fn own_notes(messenger: &Messenger, caller: &Caller) -> ConversationId {
    let opened = messenger.open_direct(caller, caller.user).await.unwrap();
    opened.item.conversation.id
}

/// A job that breaks a rule of the database halfway takes neither its neighbours nor its own first half along.
#[tokio::test]
async fn a_failing_job_leaves_its_neighbours_alone() {
    on_both(async |store, _| {
        let caller = person(&store, "ann").await;
        let messenger = messenger(&store);
        let id = own_notes(&messenger, &caller).await;
        let failing = store.writer.run::<()>(Some(not_announced()), move |group| {
            Box::pin(async move {
                group.dirty = true;
                execute(&group.tx, "UPDATE account SET display_name = 'spoiled'", vec![]).await?;
                let faulty =
                    "INSERT INTO app_key (key, app_id, place, secret) VALUES ('a', 'no app', 0, 'b')";
                execute(&group.tx, faulty, vec![]).await
            })
        });
        let (failed, sent, other) = tokio::join!(
            failing,
            messenger.send(&caller, id, draft("a message")),
            store.saw(caller.user, Timestamp(7))
        );
        assert!(matches!(failed, Err(StoreError::Broken(_))), "{failed:?}");
        sent.unwrap();
        other.unwrap();
        let account = messenger.account(caller.user).await.unwrap().unwrap();
        assert_eq!(
            (account.display_name.as_str(), account.last_seen_at),
            ("ann", Some(Timestamp(7)))
        );
        assert_eq!(words_of(&store, &caller, id).await, ["a message"]);
    })
    .await;
}

fn not_announced() -> Announce<()> {
    Box::new(|()| panic!("announced what was not committed"))
}

/// One whose own statement cannot be carried out fails alone, though all messages are stored together.
#[tokio::test]
async fn a_message_that_cannot_be_stored_fails_alone() {
    on_both(async |store, _| {
        let caller = person(&store, "ann").await;
        let messenger = messenger(&store);
        let id = own_notes(&messenger, &caller).await;
        let trap = match store.readers.get_database_backend() {
            DbBackend::Postgres => "ALTER TABLE message ADD CONSTRAINT trap CHECK (body <> 'bad')",
            _ => {
                "CREATE TRIGGER trap BEFORE INSERT ON message WHEN new.body = 'bad' \
                 BEGIN SELECT raise(ABORT, 'trapped'); END"
            }
        };
        let trapped: Result<(), _> = store
            .writer
            .run(None, move |group| {
                Box::pin(async move {
                    group.dirty = true;
                    execute(&group.tx, trap, vec![]).await
                })
            })
            .await;
        trapped.unwrap();
        let (good, bad, better) = tokio::join!(
            messenger.send(&caller, id, draft("good")),
            messenger.send(&caller, id, draft("bad")),
            messenger.send(&caller, id, draft("better"))
        );
        assert!(
            matches!(bad, Err(SendError::Store(StoreError::Broken(_)))),
            "{bad:?}"
        );
        assert!(good.is_ok() && better.is_ok());
        assert_eq!(words_of(&store, &caller, id).await, ["good", "better"]);
    })
    .await;
}

/// Another process, say the command line or another server, writes between two groups: what was remembered is
/// read anew.
#[tokio::test]
async fn writes_of_another_process_are_noticed() {
    on_both(async |one, two| {
        let caller = person(&one, "ann").await;
        let id = own_notes(&messenger(&one), &caller).await;
        for n in 0..6 {
            let store = if n % 2 == 0 { &one } else { &two };
            messenger(store)
                .send(&caller, id, draft(n.to_string()))
                .await
                .unwrap();
        }
        assert_eq!(words_of(&one, &caller, id).await, ["0", "1", "2", "3", "4", "5"]);
        let known = one.accounts_by_id(&[UserId(1), caller.user]).await.unwrap();
        assert_eq!(known.len(), 1);
    })
    .await;
}

/// Two servers write to one conversation at once: numbers stay dense and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_share_a_database_take_turns() {
    let url = PostgresServer::shared().database().await;
    let opened = async || Arc::new(SqlStore::open_postgres(&url).await.unwrap());
    let (one, two) = (opened().await, opened().await);
    let caller = person(&one, "ann").await;
    let id = own_notes(&messenger(&one), &caller).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        tasks.spawn(async move {
            let sent = messenger(&store).send(&caller, id, draft(n.to_string())).await;
            sent.unwrap();
        });
    }
    tasks.join_all().await;
    let mut words = words_of(&two, &caller, id).await;
    words.sort_unstable_by_key(|word| word.parse::<u32>().unwrap());
    let expected: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    assert_eq!(words, expected);
}

/// The database goes away and comes back: meanwhile everything is refused for the moment, then all goes on.
#[tokio::test]
async fn a_database_that_was_away_is_used_again() {
    let server = PostgresServer::start(false);
    let store = Arc::new(SqlStore::open_postgres(&server.database().await).await.unwrap());
    let caller = person(&store, "ann").await;
    let messenger = messenger(&store);
    let id = own_notes(&messenger, &caller).await;
    for end in ["stop", "kill"] {
        messenger.send(&caller, id, draft("before")).await.unwrap();
        server.order(end);
        let refused = messenger.send(&caller, id, draft("meanwhile")).await;
        assert!(
            matches!(refused, Err(SendError::Store(StoreError::Unavailable(_)))),
            "{refused:?}"
        );
        let unread = store.accounts_by_id(&[caller.user]).await;
        assert!(matches!(unread, Err(StoreError::Unavailable(_))), "{unread:?}");
        server.order("start");
        messenger.send(&caller, id, draft("after")).await.unwrap();
    }
    assert_eq!(
        words_of(&store, &caller, id).await,
        ["before", "after", "before", "after"]
    );
}

async fn found(store: &Arc<SqlStore>, caller: &Caller, query: &str) -> usize {
    let wish = SearchWish {
        query,
        ..SearchWish::default()
    };
    let hits = messenger(store).search(caller, None, wish).await.unwrap();
    match hits.total {
        Total::Exactly(count) => count,
        Total::More => usize::MAX,
    }
}

/// Neither as words nor in the index, of whose pages some may be told apart by the first letters of what was there.
#[tokio::test]
async fn what_was_edited_or_deleted_is_gone_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let store = Arc::new(SqlStore::open(&path).await.unwrap());
    let ann = person(&store, "ann").await;
    let messenger = messenger(&store);
    let id = messenger.open_direct(&ann, ann.user).await.unwrap();
    let id = id.item.conversation.id;
    let (mut sent, mut secrets) = (Vec::new(), HashSet::new());
    for _ in 0..600 {
        let secret = uuid::Uuid::new_v4().simple().to_string();
        let words = format!("password {secret}");
        sent.push(messenger.send(&ann, id, draft(words)).await.unwrap().message.id);
        secrets.insert(secret.as_bytes()[..12].to_vec());
    }
    let kept = messenger.send(&ann, id, draft("kept0123456789ab")).await.unwrap();
    assert_eq!(kept.message.seq, 601);
    assert_eq!(found(&store, &ann, "passwords").await, 600);
    for &message in &sent[..300] {
        messenger
            .edit(&ann, message, "nothing of it", None)
            .await
            .unwrap();
    }
    for some in sent[300..].chunks(100) {
        messenger.delete(&ann, some).await.unwrap();
    }
    assert_eq!(found(&store, &ann, "password").await, 0);
    assert_eq!(found(&store, &ann, "nothing").await, 300);
    store.close().await.unwrap();
    let mut files = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        files.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    assert!(files.windows(16).any(|part| part == b"kept0123456789ab"));
    let left = files.windows(12).filter(|part| secrets.contains(*part)).count();
    assert_eq!(left, 0, "the file still holds secrets");
}

/// Of a store from before there was an index, or one made of other words.
#[tokio::test]
async fn what_is_not_indexed_yet_is_indexed_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let url = PostgresServer::shared().database().await;
    for postgres in [false, true] {
        let open = async || match postgres {
            true => SqlStore::open_postgres(&url).await.unwrap(),
            false => SqlStore::open(&folder.path().join("test.db")).await.unwrap(),
        };
        let store = Arc::new(open().await);
        let ann = person(&store, "ann").await;
        let messenger = messenger(&store);
        let id = messenger.open_direct(&ann, ann.user).await.unwrap();
        let id = id.item.conversation.id;
        let sending = (0..1_300).map(|number| messenger.send(&ann, id, draft(format!("number {number}"))));
        for sent in sending.collect::<Vec<_>>() {
            sent.await.unwrap();
        }
        store
            .writer
            .run(None, |group| {
                Box::pin(async move {
                    group.dirty = true;
                    execute(&group.tx, "UPDATE search_state SET words_version = 0", Vec::new()).await
                })
            })
            .await
            .unwrap();
        store.close().await.unwrap();
        let store = Arc::new(open().await);
        assert_eq!(found(&store, &ann, "number").await, usize::MAX);
        assert_eq!(found(&store, &ann, "1299").await, 1);
        assert_eq!(found(&store, &ann, "\"number 0\"").await, 1);
        store.close().await.unwrap();
    }
}

/// Wherever they are: among the newest, long ago, or both, in few conversations or many.
#[tokio::test]
async fn all_hits_are_found_in_a_store_of_many_messages() {
    let folder = tempfile::tempdir().unwrap();
    let url = PostgresServer::shared().database().await;
    for postgres in [false, true] {
        let store = match postgres {
            true => SqlStore::open_postgres(&url).await.unwrap(),
            false => SqlStore::open(&folder.path().join("test.db")).await.unwrap(),
        };
        let store = Arc::new(store);
        let messenger = messenger(&store);
        let (ann, bob) = (person(&store, "ann").await, person(&store, "bob").await);
        let id = messenger.open_direct(&ann, bob.user).await.unwrap();
        let id = id.item.conversation.id;
        let own = messenger.open_direct(&ann, ann.user).await.unwrap();
        let own = own.item.conversation.id;
        let mut sent = Vec::new();
        let mut send = async |id, range: std::ops::Range<u32>| {
            let sending = range.map(|number| messenger.send(&ann, id, draft(format!("apple {number}"))));
            for one in sending.collect::<Vec<_>>() {
                sent.insert(0, one.await.unwrap().message.id);
            }
        };
        let change = async |sql: String| {
            let job = store.writer.run(None, move |group| {
                Box::pin(async move {
                    group.dirty = true;
                    execute(&group.tx, sql, Vec::new()).await
                })
            });
            job.await.unwrap();
        };
        // As if others had said so much meanwhile.
        let others_talk = async |last_id: i64| {
            change(match postgres {
                true => format!("SELECT setval(pg_get_serial_sequence('message', 'id'), {last_id})"),
                false => format!("UPDATE sqlite_sequence SET seq = {last_id} WHERE name = 'message'"),
            })
            .await;
        };
        let pages = async |who: &Caller, within, query: &str| {
            let (mut ids, mut totals, mut cursor) = (Vec::new(), HashSet::new(), None);
            loop {
                let wish = SearchWish {
                    query,
                    cursor: cursor.as_deref(),
                    ..SearchWish::default()
                };
                let hits = messenger.search(who, within, wish).await.unwrap();
                totals.insert(format!("{:?}", hits.total));
                ids.extend(hits.items.into_iter().map(|hit| hit.message.id));
                cursor = hits.next_cursor;
                if cursor.is_none() {
                    assert_eq!(totals.len(), 1, "{totals:?}");
                    return (ids, totals.into_iter().next().unwrap());
                }
            }
        };
        let gone = person(&store, "gone").await;
        let gone = messenger.open_direct(&ann, gone.user).await.unwrap();
        let gone = gone.item.conversation.id;
        messenger.send(&ann, gone, draft("apple")).await.unwrap();
        send(id, 0..1_100).await;
        // What is deleted is there until its messages are taken out, some at a time.
        change(format!(
            "UPDATE conversation SET deleted_at = 1 WHERE id = {}",
            gone.0
        ))
        .await;
        assert_eq!(pages(&ann, None, "apple").await.0.len(), 1_100);
        others_talk(400_000).await;
        send(id, 1_100..1_130).await;
        others_talk(800_000).await;
        send(own, 1_130..1_135).await;
        let (in_own, in_both) = (sent[..5].to_vec(), sent[5..].to_vec());
        let more = format!("{:?}", Total::More);
        let exactly = |count| format!("{:?}", Total::Exactly(count));
        // Ids left out count as messages that are not indexed, and for that many no search waits.
        while store.index_more().await.unwrap() > 0 {}
        for more_people in ["few", "many"] {
            assert_eq!(pages(&ann, None, "apple").await, (sent.clone(), more.clone()));
            assert_eq!(
                pages(&ann, Some(id), "app").await,
                (in_both.clone(), more.clone())
            );
            assert_eq!(pages(&ann, Some(own), "app").await, (in_own.clone(), exactly(5)));
            assert_eq!(pages(&bob, None, "apple").await, (in_both.clone(), more.clone()));
            assert_eq!(pages(&bob, None, "apple 1134").await, (vec![], exactly(0)));
            assert_eq!(
                pages(&ann, None, "\"apple 3\"").await,
                (vec![sent[1_131]], exactly(1))
            );
            for number in 0..20 {
                let other = person(&store, &format!("{more_people}{number}")).await;
                let other = messenger.open_direct(&ann, other.user).await.unwrap();
                messenger
                    .send(&ann, other.item.conversation.id, draft("pear"))
                    .await
                    .unwrap();
            }
        }
        store.close().await.unwrap();
    }
}
