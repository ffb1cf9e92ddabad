//! What somebody typed to search, understood: words, phrases in quotes, what is left out with a minus, and filters.

use super::words::{has_forms, stem, words};
use super::{FORM, Feature};
use crate::Timestamp;

/// Longest query, in characters.
pub(super) const QUERY_CHARS_MAX: usize = 200;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// One of the things a message must have, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As it was written.
    pub exact: Exact,
    /// What else it is found by: what its other forms are indexed as.
    pub forms: Vec<String>,
}

/// What is looked for in the words as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exact {
    /// A word.
    Word(String),
    /// Words beginning with this.
    Prefix(String),
    /// Words side by side.
    Phrase(Vec<String>),
    /// The same, of which the last is only the beginning.
    PhrasePrefix(Vec<String>),
}

/// A query as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) wanted: Vec<Term>,
    pub(super) unwanted: Vec<Term>,
    /// A username, or `me`.
    pub(super) from: Option<String>,
    pub(super) before: Option<Timestamp>,
    pub(super) after: Option<Timestamp>,
    pub(super) features: Vec<Feature>,
}

/// Why a query is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misunderstood {
    Empty,
    TooLong,
    Filter,
}

/// Reads a query.
pub(super) fn read(query: &str) -> Result<Typed, Misunderstood> {
    if query.chars().count() > QUERY_CHARS_MAX {
        return Err(Misunderstood::TooLong);
    }
    let mut typed = Typed::default();
    // Which of the wanted terms is the last that is not in quotes.
    let mut unfinished = None;
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        let unwanted = rest.starts_with('-') && rest[1..].starts_with(|c: char| !c.is_whitespace());
        if unwanted {
            rest = &rest[1..];
        }
        let (part, quoted, after) = next_part(rest);
        rest = after.trim_start();
        if !quoted && let Some((name, value)) = filter(part) {
            if unwanted {
                return Err(Misunderstood::Filter);
            }
            typed.add_filter(name, value)?;
            continue;
        }
        let Some(term) = term(part, quoted) else { continue };
        if unwanted {
            typed.unwanted.push(term);
        } else if !typed.wanted.contains(&term) {
            typed.wanted.push(term);
            if !quoted {
                unfinished = Some(typed.wanted.len() - 1);
            }
        }
    }
    if let Some(index) = unfinished {
        typed.wanted[index].exact.leave_open();
    }
    if typed.wanted.is_empty() && !typed.is_filtered() {
        return Err(Misunderstood::Empty);
    }
    Ok(typed)
}

/// The next part of a query that is not empty, whether it stood in quotes, and what comes after it.
fn next_part(rest: &str) -> (&str, bool, &str) {
    let is_quote = |c: char| matches!(c, '"' | '“' | '”' | '„' | '«' | '»' | '「' | '」');
    let mut chars = rest.chars();
    if let Some(first) = chars.next().filter(|&c| is_quote(c)) {
        let inner = &rest[first.len_utf8()..];
        let end = inner.find(is_quote).unwrap_or(inner.len());
        let after = inner[end..].chars().next().map_or(0, char::len_utf8);
        return (&inner[..end], true, &inner[end + after..]);
    }
    let end = rest
        .find(|c: char| c.is_whitespace() || is_quote(c))
        .unwrap_or(rest.len());
    (&rest[..end], false, &rest[end..])
}

fn filter(part: &str) -> Option<(&'static str, &str)> {
    let (name, value) = part.split_once(':')?;
    let known = ["from", "before", "after", "has", "in"];
    let name = known.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
    (!value.is_empty()).then_some((name, value))
}

impl Typed {
    fn add_filter(&mut self, name: &str, value: &str) -> Result<(), Misunderstood> {
        match name {
            "from" => {
                let name = value.trim_start_matches('@').to_lowercase();
                if name.is_empty() || self.from.is_some() {
                    return Err(Misunderstood::Filter);
                }
                self.from = Some(name);
            }
            "before" => self.before = Some(day(value).ok_or(Misunderstood::Filter)?),
            "after" => self.after = Some(day(value).ok_or(Misunderstood::Filter)?),
            _ => {
                let feature = Feature::named(name, value).ok_or(Misunderstood::Filter)?;
                self.features.push(feature);
            }
        }
        Ok(())
    }

    fn is_filtered(&self) -> bool {
        let dated = self.before.is_some() || self.after.is_some();
        dated || self.from.is_some() || !self.features.is_empty()
    }
}

/// What a part of the query looks for; nothing when it holds no word.
fn term(part: &str, quoted: bool) -> Option<Term> {
    let mut found = words(part);
    if found.len() > 1 {
        let phrase = found.into_iter().map(|word| word.text).collect();
        return Some(Term {
            exact: Exact::Phrase(phrase),
            forms: Vec::new(),
        });
    }
    let word = found.pop()?;
    let forms = if quoted { Vec::new() } else { forms(&word.text) };
    Some(Term {
        exact: Exact::Word(word.text),
        forms,
    })
}

/// What the other forms of a word are indexed as.
fn forms(word: &str) -> Vec<String> {
    match stem(word) {
        None if has_forms(word) => vec![format!("{FORM}{word}")],
        None => Vec::new(),
        Some(stem) if super::words::stem(&stem).is_none() => vec![format!("{FORM}{stem}"), stem],
        Some(stem) => vec![format!("{FORM}{stem}")],
    }
}

impl Exact {
    /// Lets the last word be only a beginning; single characters have none.
    fn leave_open(&mut self) {
        let open = |word: &String| words(word).iter().all(|word| !word.single);
        *self = match std::mem::replace(self, Self::Phrase(Vec::new())) {
            Self::Word(word) if open(&word) => Self::Prefix(word),
            Self::Phrase(phrase) if phrase.last().is_some_and(open) => Self::PhrasePrefix(phrase),
            closed => closed,
        };
    }
}

/// The beginning of a day, written `2026-03-12`, in UTC.
fn day(text: &str) -> Option<Timestamp> {
    let mut parts = text.split('-');
    let mut part = |digits: usize| -> Option<i64> {
        let text = parts.next()?;
        let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if parts.next().is_some() || year < 1970 || !(1..=days_in_month).contains(&day) {
        return None;
    }
    // Years that begin in March, so that the leap day is the last one.
    let (shifted_year, shifted_month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * shifted_year + shifted_year / 4 - shifted_year / 100
        + shifted_year / 400
        + (153 * shifted_month + 2) / 5
        + day
        - 719_469;
    Some(Timestamp(days * DAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, forms: &[&str]) -> Term {
        Term {
            exact: Exact::Word(text.to_owned()),
            forms: forms.iter().map(|form| (*form).to_owned()).collect(),
        }
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn term_of(exact: Exact) -> Term {
        Term {
            exact,
            forms: Vec::new(),
        }
    }

    #[test]
    fn words_phrases_and_exclusions_are_told_apart() {
        let check = |query: &str, wanted: &[Term], unwanted: &[Term]| {
            let typed = read(query).unwrap_or_else(|_| panic!("{query:?} is understood"));
            assert_eq!(
                (&typed.wanted[..], &typed.unwanted[..]),
                (wanted, unwanted),
                "{query:?}"
            );
        };
        let open = |text: &str, forms: &[&str]| Term {
            exact: Exact::Prefix(text.to_owned()),
            ..word("", forms)
        };
        check("Running", &[open("running", &["~run", "run"])], &[]);
        check(
            "running dogs",
            &[word("running", &["~run", "run"]), open("dogs", &["~dog", "dog"])],
            &[],
        );
        check("договоры", &[open("договоры", &["~договор", "договор"])], &[]);
        check("上海", &[term_of(Exact::Phrase(strings(&["上", "海"])))], &[]);
        check("海", &[word("海", &[])], &[]);
        check(
            "2024-05.pdf",
            &[term_of(Exact::PhrasePrefix(strings(&["2024", "05", "pdf"])))],
            &[],
        );
        check(
            "\"were running\"",
            &[term_of(Exact::Phrase(strings(&["were", "running"])))],
            &[],
        );
        check(
            "«были тут» да",
            &[
                term_of(Exact::Phrase(strings(&["были", "тут"]))),
                open("да", &["~да"]),
            ],
            &[],
        );
        check("a \"b", &[open("a", &["~a"]), word("b", &[])], &[]);
        check("cat -dog", &[open("cat", &["~cat"])], &[word("dog", &["~dog"])]);
        check(
            "cat -\"big dog\" - x",
            &[word("cat", &["~cat"]), open("x", &["~x"])],
            &[term_of(Exact::Phrase(strings(&["big", "dog"])))],
        );
        check("cat cat", &[open("cat", &["~cat"])], &[]);
        check(
            "http://x.org/a",
            &[term_of(Exact::PhrasePrefix(strings(&["http", "x", "org", "a"])))],
            &[],
        );
        check("in: x", &[word("in", &["~in"]), open("x", &["~x"])], &[]);
    }

    #[test]
    fn filters_are_read() {
        let typed = read("FROM:@Anna has:link in:thread before:2026-03-12 after:1970-01-02 x").unwrap();
        assert_eq!(typed.from.as_deref(), Some("anna"));
        assert_eq!(typed.features, [Feature::Link, Feature::Thread]);
        assert_eq!(typed.after, Some(Timestamp(DAY_MS)));
        assert_eq!(typed.before, Some(Timestamp(1_773_273_600_000)));
        assert!(read("from:me").is_ok());
        for wrong in [
            "from:@",
            "has:nothing",
            "in:x",
            "before:today",
            "after:2026-13-01",
            "after:2026-02-29",
            "before:2026-3-1",
            "-from:x",
            "from:a from:b",
        ] {
            assert_eq!(read(wrong), Err(Misunderstood::Filter), "{wrong}");
        }
    }

    #[test]
    fn nothing_to_look_for_is_refused() {
        for empty in ["", "  ", "?!…", "🙂", "\"\"", "-", "-cat"] {
            assert_eq!(read(empty), Err(Misunderstood::Empty), "{empty:?}");
        }
        assert!(read(&"я".repeat(200)).is_ok());
        assert_eq!(read(&"я".repeat(201)), Err(Misunderstood::TooLong));
    }

    #[test]
    fn days_are_counted_rightly() {
        let check = |text: &str, days: i64| assert_eq!(day(text), Some(Timestamp(days * DAY_MS)), "{text}");
        check("1970-01-01", 0);
        check("2000-02-29", 11_016);
        check("2000-03-01", 11_017);
        check("2024-12-31", 20_088);
    }
}
