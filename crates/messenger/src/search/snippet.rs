//! The part of a found message that shows why it was found.

use super::FORM;
use super::query::{Exact, Term};
use super::words::{Word, stem, words};
use std::ops::Range;

/// Longest snippet, in characters.
const CHARS_MAX: usize = 160;

/// Characters shown before the first match, when there are more.
const CHARS_BEFORE: usize = 40;

/// A part of a message with what matched in it. Offsets and lengths count UTF-16 units, as browsers do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The words, at most 160 characters, on one line.
    pub text: String,
    /// Where it matched: offset and length, ascending, apart from each other.
    pub ranges: Vec<(u32, u32)>,
}

/// The part of `body` around its first match; its beginning when nothing in it matched.
pub(super) fn snippet(body: &str, terms: &[Term]) -> Snippet {
    let matches = matches(body, terms);
    let window = window(body, matches.first().map_or(0, |first| first.start));
    let mut ranges = Vec::new();
    for found in matches {
        let (from, to) = (found.start.max(window.start), found.end.min(window.end));
        if from < to {
            ranges.push((units(&body[window.start..from]), units(&body[from..to])));
        }
    }
    let text = body[window].chars();
    let text = text.map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    Snippet { text, ranges }
}

fn units(text: &str) -> u32 {
    text.encode_utf16().count() as u32
}

/// At most [`CHARS_MAX`] characters, among them what begins at `first`.
fn window(body: &str, first: usize) -> Range<usize> {
    let before = |at: usize, chars: usize| {
        let mut starts = body[..at].char_indices().rev();
        starts.nth(chars - 1).map_or(0, |(index, _)| index)
    };
    let after = |from: usize, chars: usize| {
        let mut starts = body[from..].char_indices();
        starts.nth(chars).map_or(body.len(), |(index, _)| from + index)
    };
    let mut start = before(first, CHARS_BEFORE);
    // Not in the middle of a word, if there is a gap near.
    if start > 0
        && let Some(gap) = body[start..first].find(char::is_whitespace)
    {
        start += gap;
        start += body[start..].chars().next().map_or(0, char::len_utf8);
    }
    let end = after(start, CHARS_MAX);
    if end == body.len() {
        // What is not needed after it is shown before it.
        start = start.min(before(end, CHARS_MAX));
    }
    start..end
}

/// Where the terms stand, ascending, apart from each other.
fn matches(body: &str, terms: &[Term]) -> Vec<Range<usize>> {
    let words = words(body);
    let mut found: Vec<Range<usize>> = Vec::new();
    for index in 0..words.len() {
        let longest = terms
            .iter()
            .filter_map(|term| length_at(term, &words[index..]))
            .max();
        if let Some(count) = longest {
            let range = words[index].place.start..words[index + count - 1].place.end;
            match found.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => found.push(range),
            }
        }
    }
    found
}

/// How many words the term matches at the beginning of these, if it does.
fn length_at(term: &Term, words: &[Word]) -> Option<usize> {
    let first = &words.first()?.text;
    let phrase = |phrase: &[String]| {
        let same = phrase.iter().zip(words).all(|(one, word)| *one == word.text);
        (same && phrase.len() <= words.len()).then_some(phrase.len())
    };
    let exact = match &term.exact {
        Exact::Word(word) => (first == word).then_some(1),
        Exact::Prefix(beginning) => first.starts_with(beginning).then_some(1),
        Exact::Phrase(words) => phrase(words),
        Exact::PhrasePrefix(given) => match given.split_last() {
            Some((last, before)) => {
                let end = words
                    .get(before.len())
                    .is_some_and(|word| word.text.starts_with(last));
                phrase(before).filter(|_| end).map(|count| count + 1)
            }
            None => None,
        },
    };
    let by_form = || {
        let form = stem(first).map(|stem| format!("{FORM}{stem}"));
        let known = |form: &String| term.forms.contains(form);
        (known(first) || form.is_some_and(|form| known(&form))).then_some(1)
    };
    exact.or_else(by_form)
}

#[cfg(test)]
mod tests {
    use super::super::query::read;
    use super::*;

    fn marked(body: &str, query: &str) -> String {
        let snippet = snippet(body, &read(query).unwrap().wanted);
        let units: Vec<u16> = snippet.text.encode_utf16().collect();
        let mut text = String::new();
        let mut done = 0;
        for (offset, length) in snippet.ranges {
            let (from, to) = (offset as usize, (offset + length) as usize);
            text.push_str(&String::from_utf16(&units[done..from]).unwrap());
            text.push_str(&format!("[{}]", String::from_utf16(&units[from..to]).unwrap()));
            done = to;
        }
        text + &String::from_utf16(&units[done..]).unwrap()
    }

    #[test]
    fn matches_are_marked() {
        let check = |body: &str, query: &str, expected: &str| assert_eq!(marked(body, query), expected);
        check("The runners\nwere running", "run", "The [runners] were [running]");
        check(
            "The runners were running",
            "\"were running\"",
            "The runners [were running]",
        );
        check("我家在上海东边。", "上海", "我家在[上海]东边。");
        check("🙂 Ещё ёлка", "елка", "🙂 Ещё [ёлка]");
        check(
            "Café Zürich 2024-05.pdf",
            "2024-05 zurich",
            "Café [Zürich] [2024-05].pdf",
        );
        check("Отправил договоры", "отправ", "[Отправил] договоры");
        check("nothing here", "from:me", "nothing here");
    }

    #[test]
    fn long_messages_are_cut_around_the_first_match() {
        let body = format!("{}needle {}", "hay ".repeat(100), "straw ".repeat(100));
        let found = snippet(&body, &read("needle").unwrap().wanted);
        assert_eq!(found.text.chars().count(), 160);
        assert!(found.text.starts_with("hay ") && found.text.contains("needle straw"));
        assert_eq!(found.ranges, [(36, 6)]);
        let end = format!("{}needle", "hay ".repeat(100));
        let found = snippet(&end, &read("needle").unwrap().wanted);
        assert_eq!(
            (found.text.chars().count(), &found.ranges[..]),
            (160, &[(154, 6)][..])
        );
        let chinese = "海".repeat(500);
        let found = snippet(&chinese, &read("海").unwrap().wanted);
        assert_eq!(
            (found.text.chars().count(), &found.ranges[..]),
            (160, &[(0, 160)][..])
        );
    }
}
