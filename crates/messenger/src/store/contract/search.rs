//! Searching.

use super::{Store, World, draft, wish};
use crate::{
    Caller, ConversationId, GroupWish, HistoryRange, Newcomers, PolicyChange, SearchError, SearchOrder,
    SearchWish, Total,
};
use std::collections::HashSet;
use std::sync::Arc;

/// The bodies of the first page of what is found.
async fn found(world: &World, who: &Caller, within: Option<ConversationId>, query: &str) -> Vec<String> {
    let wish = SearchWish {
        query,
        ..SearchWish::default()
    };
    let hits = world.messenger.search(who, within, wish).await;
    let hits = hits.unwrap_or_else(|error| panic!("{query:?}: {error}"));
    hits.items.into_iter().map(|hit| hit.message.body).collect()
}

/// What is stored, what finds it, and what does not.
pub async fn words_are_found_in_three_languages(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "我家在上海东边。",
            &["上海", "海", "上海东", "\"上海\"", "家 东边"],
            &["海上", "上东", "北京"],
        ),
        (
            "Отправил договоры вчера",
            &["договор", "договоры", "отправ", "ОТПРАВИЛ вчер", "вчера договор"],
            &["отпр вчера", "договоры завтра", "правил"],
        ),
        ("Ещё ёлка", &["еще", "елка", "ЁЛКА", "ещё"], &["лка"]),
        (
            "The runners were running",
            &[
                "run",
                "runner",
                "\"were running\"",
                "running runners",
                "wer",
                "running -walking",
            ],
            &[
                "\"were run\"",
                "\"running were\"",
                "runnings were x",
                "running -were",
            ],
        ),
        (
            "Café Zürich 2024-05.pdf",
            &[
                "cafe",
                "zurich",
                "2024",
                "2024-05",
                "2024-05.pdf",
                "CAFÉ pdf",
                "zür",
            ],
            &["2024-06", "05.2024", "urich"],
        ),
        (
            "会议 at 10:00 завтра",
            &["会议 завтра", "10:00", "завтр", "议 at"],
            &["议会", "会议 вчера"],
        ),
        (
            "'quoted' and \\back\\ \"slashed\" (NEAR) *",
            &["quoted near", "slashed", "back"],
            &["quote d"],
        ),
    ];
    for (body, _, _) in table {
        world.say(&ann, id, body).await;
    }
    for (body, finding, failing) in table {
        for query in *finding {
            let found = found(&world, &bob, Some(id), query).await;
            assert!(
                found.iter().any(|one| one == body),
                "{query:?} finds {body:?}, not {found:?}"
            );
        }
        for query in *failing {
            let found = found(&world, &bob, Some(id), query).await;
            assert!(
                found.iter().all(|one| one != body),
                "{query:?} does not find {body:?}"
            );
        }
    }
    assert_eq!(found(&world, &ann, None, "会").await, ["会议 at 10:00 завтра"]);
}

/// Every hit is reached, once, newest first; the number is exact up to a thousand.
pub async fn every_hit_is_reached_by_paging(store: Arc<dyn Store>) {
    const HITS: usize = 1_500;
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    let mut sending = Vec::new();
    for number in 0..HITS {
        let words = match number % 5 {
            0 => format!("running {number}"),
            1..=3 => format!("it runs {number}"),
            _ => format!("run {number}"),
        };
        sending.push(world.messenger.send(&ann, id, draft(&words)));
        if number % 3 == 0 {
            sending.push(world.messenger.send(&bob, id, draft("something else")));
        }
    }
    for sent in sending {
        sent.await.expect("sent");
    }
    let all = async |query: &str, order| {
        let (mut seqs, mut totals) = (Vec::new(), HashSet::new());
        let mut cursor = None;
        loop {
            let wish = SearchWish {
                query,
                order,
                cursor: cursor.as_deref(),
                limit: None,
            };
            let hits = world.messenger.search(&bob, Some(id), wish).await.expect("found");
            totals.insert(format!("{:?}", hits.total));
            seqs.extend(
                hits.items
                    .iter()
                    .map(|hit| (hit.message.seq, hit.message.body.clone())),
            );
            cursor = hits.next_cursor;
            if cursor.is_none() {
                assert_eq!(totals.len(), 1, "the number stays: {totals:?}");
                return (seqs, hits.total);
            }
            assert_eq!(hits.items.len(), 20);
        }
    };
    let descending = |hits: &[(u64, String)]| hits.windows(2).all(|pair| pair[0].0 > pair[1].0);
    let (hits, total) = all("runs", SearchOrder::Newest).await;
    assert_eq!((hits.len(), total), (HITS, Total::More));
    assert!(descending(&hits));
    let (hits, total) = all("\"it runs\"", SearchOrder::Newest).await;
    assert_eq!((hits.len(), total), (900, Total::Exactly(900)));
    assert!(descending(&hits));

    let (hits, total) = all("runs", SearchOrder::Relevance).await;
    assert_eq!((hits.len(), total), (HITS, Total::More));
    let (exact, forms) = hits.split_at(900);
    assert!(exact.iter().all(|(_, body)| body.starts_with("it runs")) && descending(exact));
    assert!(forms.iter().all(|(_, body)| !body.starts_with("it runs")) && descending(forms));
}

/// What was edited is found by its new words alone, what was deleted by none.
pub async fn edits_and_deletions_are_followed(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.group(&ann, &[bob]).await;
    let first = world.say(&ann, id, "apples and pears").await.message;
    let second = world.say(&ann, id, "apples and plums").await.message;
    assert_eq!(found(&world, &bob, Some(id), "apples").await.len(), 2);
    world
        .messenger
        .edit(&ann, first.id, "cherries", None)
        .await
        .expect("edited");
    assert_eq!(
        found(&world, &bob, Some(id), "apples").await,
        ["apples and plums"]
    );
    assert_eq!(found(&world, &bob, Some(id), "cherry").await, ["cherries"]);
    assert!(found(&world, &bob, None, "pears").await.is_empty());
    world.messenger.delete(&ann, &[second.id]).await.expect("deleted");
    assert!(found(&world, &bob, Some(id), "apples").await.is_empty());
    // Before the index has come to them, too.
    let third = world.say(&ann, id, "grapes").await.message;
    world
        .messenger
        .edit(&ann, third.id, "melons", None)
        .await
        .expect("edited");
    let fourth = world.say(&ann, id, "more grapes").await.message;
    world.messenger.delete(&ann, &[fourth.id]).await.expect("deleted");
    assert!(found(&world, &bob, None, "grapes").await.is_empty());
    assert_eq!(found(&world, &bob, None, "melon").await, ["melons"]);
    // Notes say nothing, and a group that was deleted has nothing to find, whatever else there is.
    assert!(found(&world, &ann, None, "group").await.is_empty());
    let other = world.direct(&ann, &bob).await;
    world.say(&ann, other, "another melon").await;
    world.messenger.leave(&bob, id).await.expect("left");
    assert_eq!(found(&world, &bob, None, "melon").await.len(), 2);
    world
        .messenger
        .delete_conversation(&ann, id)
        .await
        .expect("deleted");
    for who in [&ann, &bob] {
        assert_eq!(found(&world, who, None, "melon").await, ["another melon"]);
    }
    let gone = SearchWish {
        query: "melon",
        ..SearchWish::default()
    };
    let gone = world.messenger.search(&ann, Some(id), gone).await;
    assert!(matches!(gone, Err(SearchError::NotFound)));
}

/// Nobody finds what it may not read (I12).
pub async fn only_what_may_be_seen_is_found(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob, cat, dan] = world.people(["ann", "bob", "cat", "dan"]).await;
    let since_join = GroupWish {
        policies: PolicyChange {
            newcomers: Some(Newcomers::SinceJoin),
            ..PolicyChange::default()
        },
        ..wish("Crew", &[bob.user])
    };
    let id = world
        .messenger
        .create_group(&ann, since_join)
        .await
        .expect("created");
    let id = id.item.conversation.id;
    world.say(&ann, id, "secret one").await;
    world
        .messenger
        .add_members(&ann, id, &[cat.user])
        .await
        .expect("added");
    world.say(&ann, id, "secret two").await;
    world.messenger.leave(&bob, id).await.expect("left");
    world.say(&ann, id, "secret three").await;

    for within in [Some(id), None] {
        let of = async |who: &Caller| found(&world, who, within, "secret").await;
        assert_eq!(of(&ann).await, ["secret three", "secret two", "secret one"]);
        assert_eq!(of(&bob).await, ["secret two", "secret one"]);
        assert_eq!(of(&cat).await, ["secret three", "secret two"]);
    }
    assert!(found(&world, &dan, None, "secret").await.is_empty());
    let wish = SearchWish {
        query: "secret",
        ..SearchWish::default()
    };
    let outside = world.messenger.search(&dan, Some(id), wish).await;
    assert!(matches!(outside, Err(SearchError::NotFound)));

    world.messenger.clear_history(&cat, id).await.expect("cleared");
    assert!(found(&world, &cat, Some(id), "secret").await.is_empty());
    assert!(found(&world, &cat, None, "secret").await.is_empty());
    world.say(&ann, id, "secret four").await;
    assert_eq!(found(&world, &cat, Some(id), "secret").await, ["secret four"]);
}

/// By author, day, links; filters alone will do.
pub async fn filters_narrow_the_search(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    world.say(&ann, id, "tea from ann").await;
    world
        .say(&bob, id, "tea from bob https://tea.example/green")
        .await;
    let check = async |query: &str, expected: &[&str]| {
        assert_eq!(found(&world, &ann, Some(id), query).await, expected, "{query:?}");
    };
    let (anns, bobs) = ("tea from ann", "tea from bob https://tea.example/green");
    check("tea from:bob", &[bobs]).await;
    check("from:@Ann", &[anns]).await;
    check("from:me tea", &[anns]).await;
    check("from:nobody tea", &[]).await;
    check("has:link", &[bobs]).await;
    check("in:thread tea", &[]).await;
    check("tea after:2020-01-01", &[bobs, anns]).await;
    check("tea before:2020-01-01", &[]).await;
    check("after:2020-01-01 before:2999-01-01 tea -bob", &[anns]).await;
    check("tea after:2999-01-01", &[]).await;
}

/// What is refused, and what titles find.
pub async fn searches_that_are_none_are_refused(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    let refused = async |query: &str, cursor: Option<&str>, limit| {
        let wish = SearchWish {
            query,
            cursor,
            limit,
            ..SearchWish::default()
        };
        world
            .messenger
            .search(&ann, Some(id), wish)
            .await
            .expect_err("refused")
    };
    assert!(matches!(refused("?!", None, None).await, SearchError::EmptyQuery));
    let long = "x".repeat(201);
    assert!(matches!(
        refused(&long, None, None).await,
        SearchError::QueryTooLong
    ));
    assert!(matches!(
        refused("has:x", None, None).await,
        SearchError::FilterInvalid
    ));
    assert!(matches!(
        refused("x", Some("y"), None).await,
        SearchError::CursorInvalid
    ));
    assert!(matches!(
        refused("x", None, Some(21)).await,
        SearchError::LimitInvalid
    ));

    let group = world
        .messenger
        .create_group(&ann, wish("Große Fahrt: Тёплый Юг", &[]))
        .await;
    let group = group.expect("created").item.conversation.id;
    let titled = async |who: &Caller, query: &str| -> Vec<ConversationId> {
        let items = world
            .messenger
            .search_conversations(who, query)
            .await
            .expect("found");
        items.into_iter().map(|item| item.conversation.id).collect()
    };
    assert_eq!(titled(&ann, "fah gros").await, [group]);
    assert_eq!(titled(&ann, "теплый").await, [group]);
    assert_eq!(titled(&ann, "bo").await, [id]);
    assert!(titled(&ann, "ann").await.is_empty());
    assert!(titled(&bob, "fahrt").await.is_empty());
    world.messenger.leave(&ann, group).await.expect("left");
    assert!(titled(&ann, "fahrt").await.is_empty());
}

/// While others send, edit and delete, what has been acknowledged is what is found.
pub async fn the_index_follows_concurrent_changes(store: Arc<dyn Store>) {
    let world = Arc::new(World::new(store));
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.group(&ann, &[bob]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..8 {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            for round in 0..20 {
                let sent = world.say(&ann, id, &format!("lane{lane} old")).await.message;
                match round % 3 {
                    0 => drop(
                        world
                            .messenger
                            .edit(&ann, sent.id, &format!("lane{lane} new"), None)
                            .await
                            .expect("edited"),
                    ),
                    1 => world.messenger.delete(&ann, &[sent.id]).await.expect("deleted"),
                    _ => {}
                }
                let all = found(&world, &ann, Some(id), &format!("lane{lane}")).await;
                assert!(!all.is_empty());
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("a lane");
    }
    let page = world.messenger.history(&ann, id, HistoryRange::Newest, Some(100));
    assert_eq!(page.await.expect("read").messages.len(), 100);
    let count = async |query: &str| {
        let wish = SearchWish {
            query,
            ..SearchWish::default()
        };
        world
            .messenger
            .search(&ann, Some(id), wish)
            .await
            .expect("found")
            .total
    };
    assert_eq!(count("new").await, Total::Exactly(8 * 7));
    assert_eq!(count("old").await, Total::Exactly(8 * 6));
}
