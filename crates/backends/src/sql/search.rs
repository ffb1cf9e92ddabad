//! Searching. A query becomes an expression of the database's own index over the words that the messenger made;
//! see `search_index.rs` for what is in it, and `sqlite.rs` and `postgres.rs` for the expressions.
//!
//! Newest first means by descending id, for ids are handed out in the order of the commits. SQLite walks its index
//! in that order. PostgreSQL's finds all matches at once and in no order, so it is asked only when the newest few
//! thousand messages, looked at one by one, do not hold enough of them: that is quick for common words, and the index
//! is for all others.

use super::conversations::ACTIVITY;
use super::postgres::Way;
use super::query::{places, query, store_error};
use super::rows::{self, Columns, MESSAGE, QUOTED};
use super::store::SqlStore;
use super::{postgres, sqlite};
use chinwag_messenger::search::{COUNTED_MAX, Exact, Term, conversation_mark};
use chinwag_messenger::store::{Search, SearchFound, SearchPage, SearchPlace, SearchQuery, StoreError};
use chinwag_messenger::{ConversationId, Message, MessageId, SearchOrder, Timestamp, Total, UserId};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Value};
use std::collections::HashMap;

/// Messages that a search has indexed first when they are not yet. If there are more, the store is just being
/// indexed or busy, and they are found later.
const WAITED_FOR_MAX: i64 = 2_000;

#[async_trait::async_trait]
impl Search for SqlStore {
    async fn search(
        &self,
        searcher: UserId,
        wish: &SearchQuery,
        page: SearchPage,
    ) -> Result<Option<SearchFound>, StoreError> {
        self.index_what_waits().await?;
        let tx = self.snapshot().await?;
        search(&tx, searcher, wish, page).await.map_err(store_error)
    }

    async fn titles(&self, user: UserId) -> Result<Vec<(ConversationId, String)>, StoreError> {
        let sql = format!(
            "SELECT c.id, c.title, a.username, a.display_name FROM member m \
             JOIN conversation c ON c.id = m.conversation_id AND c.deleted_at IS NULL \
             LEFT JOIN member other ON c.kind = 0 AND other.conversation_id = c.id AND other.user_id <> m.user_id \
             LEFT JOIN account a ON a.id = other.user_id \
             WHERE m.user_id = ? AND m.left_at IS NULL AND c.kind <> 2 \
             ORDER BY {ACTIVITY} DESC, c.id DESC"
        );
        let read = async {
            let mut titles = Vec::new();
            for row in query(&self.readers, sql, vec![user.0.into()]).await? {
                let mut columns = Columns::of(&row);
                let id = ConversationId(columns.take()?);
                let mut names = Vec::new();
                for _ in 0..3 {
                    names.extend(columns.take::<Option<String>>()?);
                }
                titles.push((id, names.join(" ")));
            }
            Ok(titles)
        };
        read.await.map_err(store_error)
    }
}

impl SqlStore {
    /// How many messages searches do not find yet, about.
    pub async fn not_indexed(&self) -> Result<u64, StoreError> {
        Ok(self.waiting().await?.unsigned_abs())
    }

    /// Has some hundred more of them indexed; the server does so by itself. How many are left.
    pub async fn index_more(&self) -> Result<u64, StoreError> {
        match self.writer.index().await? {
            true => self.not_indexed().await,
            false => Ok(0),
        }
    }

    async fn waiting(&self) -> Result<i64, StoreError> {
        let read = async {
            let sql = "SELECT COALESCE((SELECT MAX(id) FROM message), 0) - indexed_id FROM search_state";
            let row = query(&self.readers, sql, Vec::new()).await?.pop();
            row.map_or(Ok(0), |row| row.try_get_by_index(0))
        };
        read.await.map_err(store_error)
    }

    /// Lets a search find what was sent just before it.
    async fn index_what_waits(&self) -> Result<(), StoreError> {
        let waiting = self.waiting().await?;
        let mut more = (1..=WAITED_FOR_MAX).contains(&waiting);
        while more {
            more = self.writer.index().await?;
        }
        Ok(())
    }
}

/// So many ids PostgreSQL looks at one by one, from the newest down, before it asks its index: a millisecond or two.
const WALKED: i64 = 5_000;

/// Where the newest of many hits are looked for next, before they are looked for everywhere. One hit in a thousand
/// messages is enough to fill a page from there.
const RECENT: i64 = 300_000;

const ALL: i64 = i64::MAX;

/// Marks of more conversations than that are slow to compare with each message; the index takes each once.
const WALKED_SCOPES_MAX: usize = 16;

/// Whoever may read one message in so many is searched for without the marks of conversations: for them PostgreSQL's
/// index would go through most of what there is, and few matches are found in vain.
const READ_BY_MOST: i64 = 16;

/// An expression of the index, in the database's own language.
struct Language {
    word: fn(&str) -> String,
    beginning: fn(&str) -> String,
    phrase: fn(&[String], bool) -> String,
    and: &'static str,
    or: &'static str,
    and_not: &'static str,
    key: &'static str,
}

const SQLITE: Language = Language {
    word: sqlite::word,
    beginning: sqlite::beginning,
    phrase: sqlite::phrase,
    and: " AND ",
    or: " OR ",
    and_not: " NOT ",
    key: "i.rowid",
};

const POSTGRES: Language = Language {
    word: postgres::word,
    beginning: postgres::beginning,
    phrase: postgres::phrase,
    and: " & ",
    or: " | ",
    and_not: " & !",
    key: "i.id",
};

impl Language {
    fn any(&self, parts: &[String]) -> String {
        format!("({})", parts.join(self.or))
    }

    /// What finds a term: as it was written only, or by its other forms, too.
    fn term(&self, term: &Term, forms: bool) -> String {
        let exact = match &term.exact {
            Exact::Word(word) => (self.word)(word),
            Exact::Prefix(word) => (self.beginning)(word),
            Exact::Phrase(words) => (self.phrase)(words, false),
            Exact::PhrasePrefix(words) => (self.phrase)(words, true),
        };
        let mut parts = vec![exact];
        if forms {
            parts.extend(term.forms.iter().map(|form| (self.word)(form)));
        }
        self.any(&parts)
    }

    /// What finds all that is wished for, in these conversations or, when there are none, anywhere.
    fn all(&self, wish: &SearchQuery, scopes: &[i64], forms: bool) -> String {
        let scopes = scopes
            .iter()
            .map(|&id| (self.word)(&conversation_mark(ConversationId(id))));
        let scopes: Vec<String> = scopes.collect();
        let mut parts = Vec::new();
        if !scopes.is_empty() {
            parts.push(self.any(&scopes));
        }
        parts.extend(wish.marks.iter().map(|mark| (self.word)(mark)));
        parts.extend(wish.wanted.iter().map(|term| self.term(term, forms)));
        let mut expression = format!("({})", parts.join(self.and));
        for term in &wish.unwanted {
            expression = format!("({expression}{}{})", self.and_not, self.term(term, true));
        }
        expression
    }
}

/// Whether the message `m` of an id is looked for and its searcher, the member `r`, may see it.
const VISIBLE: &str = "m.created_at >= ? AND m.created_at < ? \
     AND r.conversation_id = m.conversation_id AND r.user_id = ? \
     AND m.seq >= r.history_from_seq AND m.seq > r.cleared_seq \
     AND (r.left_seq IS NULL OR m.seq <= r.left_seq) \
     AND NOT EXISTS (SELECT 1 FROM hidden_message h WHERE h.user_id = r.user_id \
     AND h.conversation_id = m.conversation_id AND h.seq = m.seq)";

/// What messages are looked for, wherever they are in their order.
struct Filter {
    language: &'static Language,
    searcher: UserId,
    /// Ids outside of this need not be looked at.
    ids: (i64, i64),
    times: (i64, i64),
    /// Whether the newest messages are looked at before the index is asked.
    walks: bool,
}

async fn search(
    tx: &DatabaseTransaction,
    searcher: UserId,
    wish: &SearchQuery,
    page: SearchPage,
) -> Result<Option<SearchFound>, DbErr> {
    let language = match tx.get_database_backend() {
        DbBackend::Postgres => &POSTGRES,
        _ => &SQLITE,
    };
    let postgres = tx.get_database_backend() == DbBackend::Postgres;
    if postgres {
        tx.execute_unprepared(postgres::SEARCH_SESSION).await?;
    }
    let (scopes, ids) = match wish.within {
        Some(id) => match scope(tx, searcher, id).await? {
            Some(ids) => (vec![id.0], ids),
            None => return Ok(None),
        },
        None => {
            let (mut scopes, messages) = scopes(tx, searcher).await?;
            let ids = (!scopes.is_empty()).then_some((0, last_id(tx).await?));
            let narrowed = !wish.wanted.is_empty() || !wish.marks.is_empty();
            if postgres && narrowed && ids.is_some_and(|(_, last)| messages >= last / READ_BY_MOST) {
                scopes.clear();
            }
            (scopes, ids)
        }
    };
    let Some((first, last)) = ids else {
        return Ok(Some(SearchFound {
            messages: Vec::new(),
            next: None,
            total: Total::Exactly(0),
        }));
    };
    let mut filter = Filter {
        language,
        searcher,
        ids: (first, last + 1),
        times: (i64::MIN, i64::MAX),
        walks: postgres && scopes.len() <= WALKED_SCOPES_MAX,
    };
    if let Some(since) = wish.since {
        filter.times.0 = since.0;
        filter.ids.0 = first.max(first_since(tx, since).await?);
    }
    if let Some(before) = wish.before {
        filter.times.1 = before.0;
        filter.ids.1 = filter.ids.1.min(first_since(tx, before).await?);
    }
    let all = language.all(wish, &scopes, true);
    let (ids, total, only_forms) = match page.order {
        SearchOrder::Newest => {
            let (ids, total) = filter.page(tx, &all, page.after, page.limit + 1).await?;
            (ids, total, vec![false; page.limit + 1])
        }
        SearchOrder::Relevance => {
            let exact = language.all(wish, &scopes, false);
            let rest = format!("({all}{}{exact})", language.and_not);
            by_relevance(tx, &filter, [&all, &exact, &rest], page).await?
        }
    };
    let next = (ids.len() > page.limit).then(|| SearchPlace {
        only_forms: only_forms[page.limit - 1],
        below: MessageId(ids[page.limit - 1]),
        total,
    });
    let messages = messages(tx, &ids[..ids.len().min(page.limit)]).await?;
    Ok(Some(SearchFound {
        messages,
        next,
        total,
    }))
}

/// First those that match exactly, then the rest; one more than the page holds, and of each whether it is of the rest.
async fn by_relevance(
    tx: &DatabaseTransaction,
    filter: &Filter,
    [all, exact, rest]: [&str; 3],
    page: SearchPage,
) -> Result<(Vec<i64>, Total, Vec<bool>), DbErr> {
    let total = match page.after {
        Some(place) => place.total,
        None => filter.page(tx, all, None, 1).await?.1,
    };
    // How many match exactly is not known, as far as the cursor goes.
    let place = |place: SearchPlace| SearchPlace {
        total: Total::Exactly(0),
        ..place
    };
    let mut ids = Vec::new();
    if !page.after.is_some_and(|place| place.only_forms) {
        let after = page.after.map(place);
        ids = filter.page(tx, exact, after, page.limit + 1).await?.0;
    }
    let exactly = ids.len();
    if exactly <= page.limit {
        let after = page.after.filter(|place| place.only_forms).map(place);
        let more = filter.page(tx, rest, after, page.limit + 1 - exactly).await?.0;
        ids.extend(more);
    }
    let only_forms = (0..ids.len()).map(|index| index >= exactly).collect();
    Ok((ids, total, only_forms))
}

impl Filter {
    /// The first ids from the newest down, after the given place, and how many there are in all.
    async fn page(
        &self,
        tx: &DatabaseTransaction,
        expression: &str,
        after: Option<SearchPlace>,
        limit: usize,
    ) -> Result<(Vec<i64>, Total), DbErr> {
        let below = after.map_or(i64::MAX, |place| place.below.0);
        if let Some(SearchPlace {
            total: Total::More, ..
        }) = after
        {
            return Ok((self.newest(tx, expression, below, limit).await?, Total::More));
        }
        let mut some = self.some(tx, expression).await?;
        if some.len() > COUNTED_MAX {
            return Ok((self.newest(tx, expression, below, limit).await?, Total::More));
        }
        let total = after.map_or(Total::Exactly(some.len()), |place| place.total);
        some.sort_unstable_by(|one, other| other.cmp(one));
        some.retain(|&id| id < below);
        some.truncate(limit);
        Ok((some, total))
    }

    /// All ids, or one more than are counted, in no order.
    async fn some(&self, tx: &DatabaseTransaction, expression: &str) -> Result<Vec<i64>, DbErr> {
        self.ids(tx, expression, i64::MAX, COUNTED_MAX + 1, "").await
    }

    async fn newest(
        &self,
        tx: &DatabaseTransaction,
        expression: &str,
        below: i64,
        limit: usize,
    ) -> Result<Vec<i64>, DbErr> {
        let order = format!("ORDER BY {} DESC", self.language.key);
        self.ids(tx, expression, below, limit, &order).await
    }

    async fn ids(
        &self,
        tx: &DatabaseTransaction,
        expression: &str,
        below: i64,
        limit: usize,
        order: &str,
    ) -> Result<Vec<i64>, DbErr> {
        let (low, high) = (self.ids.0, self.ids.1.min(below));
        if tx.get_database_backend() != DbBackend::Postgres {
            let sql = sqlite::search(order, VISIBLE);
            return self.ask(tx, sql, expression, (low, high), limit).await;
        }
        let ways: &[(Way, i64)] = match (self.walks, order) {
            (false, _) => &[(Way::Index, ALL)],
            (true, "") => &[(Way::Walk, WALKED), (Way::Index, ALL)],
            (true, _) => &[(Way::Walk, WALKED), (Way::Either, RECENT), (Way::Either, ALL)],
        };
        let mut found = Vec::new();
        for &(way, newest) in ways {
            let low = low.max(high.saturating_sub(newest));
            let sql = postgres::search(way, order, VISIBLE);
            found = self.ask(tx, sql, expression, (low, high), limit).await?;
            if found.len() == limit || low == self.ids.0 {
                break;
            }
        }
        Ok(found)
    }

    async fn ask(
        &self,
        tx: &DatabaseTransaction,
        sql: String,
        expression: &str,
        (low, high): (i64, i64),
        limit: usize,
    ) -> Result<Vec<i64>, DbErr> {
        let values = vec![
            expression.into(),
            low.into(),
            high.into(),
            self.times.0.into(),
            self.times.1.into(),
            self.searcher.0.into(),
        ];
        let rows = query(tx, format!("{sql} LIMIT {limit}"), values).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }
}

/// The ids of the first and the last message in the conversation that the searcher may see, if there are any; nothing
/// when the searcher was never in it.
async fn scope(
    tx: &DatabaseTransaction,
    searcher: UserId,
    id: ConversationId,
) -> Result<Option<Option<(i64, i64)>>, DbErr> {
    let sql = "SELECT (SELECT MIN(m.id) FROM message m WHERE m.conversation_id = r.conversation_id \
         AND m.seq = CASE WHEN r.history_from_seq > r.cleared_seq THEN r.history_from_seq \
         ELSE r.cleared_seq + 1 END), \
         (SELECT m.id FROM message m WHERE m.conversation_id = r.conversation_id \
         AND (r.left_seq IS NULL OR m.seq <= r.left_seq) ORDER BY m.seq DESC LIMIT 1) \
         FROM member r JOIN conversation c ON c.id = r.conversation_id AND c.deleted_at IS NULL \
         WHERE r.conversation_id = ? AND r.user_id = ?";
    let row = query(tx, sql, vec![id.0.into(), searcher.0.into()]).await?.pop();
    let Some(row) = row else { return Ok(None) };
    let mut columns = Columns::of(&row);
    let (first, last): (Option<i64>, Option<i64>) = (columns.take()?, columns.take()?);
    Ok(Some(first.zip(last)))
}

/// The conversations in which the searcher may see anything, and how many messages about.
async fn scopes(tx: &DatabaseTransaction, searcher: UserId) -> Result<(Vec<i64>, i64), DbErr> {
    let sql = "SELECT c.id, COALESCE(r.left_seq, c.last_seq) - CASE WHEN r.history_from_seq > r.cleared_seq \
         THEN r.history_from_seq - 1 ELSE r.cleared_seq END \
         FROM member r JOIN conversation c ON c.id = r.conversation_id AND c.deleted_at IS NULL \
         WHERE r.user_id = ? AND r.cleared_seq < c.last_seq AND r.history_from_seq <= c.last_seq \
         AND (r.left_seq IS NULL OR (r.left_seq > r.cleared_seq AND r.left_seq >= r.history_from_seq))";
    let (mut scopes, mut messages) = (Vec::new(), 0);
    for row in query(tx, sql, vec![searcher.0.into()]).await? {
        let mut columns = Columns::of(&row);
        scopes.push(columns.take()?);
        messages += columns.take::<i64>()?;
    }
    Ok((scopes, messages))
}

async fn last_id(tx: &DatabaseTransaction) -> Result<i64, DbErr> {
    let row = query(tx, "SELECT COALESCE(MAX(id), 0) FROM message", Vec::new())
        .await?
        .pop();
    row.map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// The id from which on messages were stored at this time or later, as times rise with ids.
async fn first_since(tx: &DatabaseTransaction, since: Timestamp) -> Result<i64, DbErr> {
    let (mut low, mut high) = (1, last_id(tx).await? + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let sql = "SELECT id, created_at FROM message WHERE id >= ? ORDER BY id LIMIT 1";
        let row = query(tx, sql, vec![middle.into()]).await?.pop();
        let Some(row) = row else { break };
        let mut columns = Columns::of(&row);
        let (id, at): (i64, i64) = (columns.take()?, columns.take()?);
        if at < since.0 {
            low = id + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// These messages in this order.
async fn messages(tx: &DatabaseTransaction, ids: &[i64]) -> Result<Vec<Message>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {MESSAGE} FROM message m {QUOTED} WHERE m.id IN ({})",
        places(ids.len())
    );
    let values = ids.iter().map(|&id| Value::from(id)).collect();
    let mut found = HashMap::new();
    for row in query(tx, sql, values).await? {
        let message = rows::message(&mut Columns::of(&row))?;
        found.insert(message.id.0, message);
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}
