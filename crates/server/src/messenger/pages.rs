//! Pages of lists, and of those that are read as a whole, because they are short for most: contacts, blocks, bans.

use chinwag_messenger::Options;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract;
use super::view::List;
use crate::error::{Problem, cursor_invalid, limit_invalid};

/// Which page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    #[param(value_type = Option<u64>)]
    pub(super) limit: Option<String>,
    /// Where the page before ended.
    pub(super) cursor: Option<String>,
}

impl PageQuery {
    /// The page of the list. Its cursor names the item it ends with, and where that stood, for when it is gone.
    pub(super) fn of<'a, T, V: From<&'a T>>(
        &self,
        all: &'a [T],
        id: impl Fn(&T) -> i64,
        options: &Options,
    ) -> Result<List<V>, Problem> {
        let limit = extract::limit(self.limit.as_deref())?.unwrap_or(options.page_size);
        if !(1..=options.page_size_max).contains(&limit) {
            return Err(limit_invalid());
        }
        let start = match &self.cursor {
            None => 0,
            Some(cursor) => {
                let (place, last) = read(cursor).ok_or_else(cursor_invalid)?;
                let known = all.iter().position(|item| id(item) == last);
                known.map_or(place, |known| known + 1).min(all.len())
            }
        };
        let end = (start + limit).min(all.len());
        let items = &all[start..end];
        let last = items.last().filter(|_| end < all.len());
        Ok(List {
            items: items.iter().map(V::from).collect(),
            next_cursor: last.map(|last| format!("{end}.{}", id(last))),
        })
    }
}

/// How many items were before, and the last of them.
fn read(cursor: &str) -> Option<(usize, i64)> {
    let (place, last) = cursor.split_once('.')?;
    // Far above any real one; keeps arithmetic on what clients send from overflowing.
    let place: u32 = place.parse().ok()?;
    Some((place as usize, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown(i64);

    impl From<&i64> for Shown {
        fn from(id: &i64) -> Self {
            Self(*id)
        }
    }

    fn page(all: &[i64], cursor: Option<&str>) -> Option<(Vec<i64>, Option<String>)> {
        let query = PageQuery {
            cursor: cursor.map(str::to_owned),
            limit: Some("2".to_owned()),
        };
        let list: List<Shown> = query.of(all, |id| *id, &Options::default()).ok()?;
        let ids = list.items.iter().map(|shown| shown.0).collect();
        Some((ids, list.next_cursor))
    }

    #[test]
    fn a_page_follows_the_last_item_though_others_came_and_went() {
        let cursor = |text: &str| Some(text.to_owned());
        assert_eq!(page(&[5, 9, 7], None), Some((vec![5, 9], cursor("2.9"))));
        assert_eq!(page(&[5, 9, 7], Some("2.9")), Some((vec![7], None)));
        assert_eq!(
            page(&[1, 5, 9, 7, 8, 2], Some("2.9")),
            Some((vec![7, 8], cursor("5.8")))
        );
        // The item that it ended with is gone, and then all are.
        assert_eq!(page(&[5, 7, 8], Some("2.9")), Some((vec![8], None)));
        assert_eq!(page(&[], Some("2.9")), Some((vec![], None)));
        for faulty in ["", "2", "x.9", "2.", "-1.9", "99999999999.1"] {
            assert_eq!(page(&[5, 9, 7], Some(faulty)), None, "{faulty:?}");
        }
    }
}
