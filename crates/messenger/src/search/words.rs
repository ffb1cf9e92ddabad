//! Text as it is looked for: words without what people leave out when they search. Both stores index what this
//! makes of a message, so both find the same.
//!
//! Compatibility form, lower case, Latin letters without their marks, `ё` as `е`. What is written without spaces
//! (Chinese, Japanese, Thai and the like) becomes single characters, which a query then looks for side by side.

use rust_stemmers::{Algorithm, Stemmer};
use std::ops::Range;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Characters of a word that count. Longer ones are mostly not words.
const WORD_CHARS_MAX: usize = 64;

/// Shorter words have no other forms worth knowing.
const STEMMED_CHARS_MIN: usize = 3;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// As it is looked for.
    pub(crate) text: String,
    /// Where it stands, in bytes.
    pub(crate) place: Range<usize>,
    /// Whether it is a character of a script without spaces.
    pub(crate) single: bool,
}

/// The words of a text in their order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut splitter = Splitter::default();
    let mut folded = String::new();
    let mut rest = text.char_indices().peekable();
    while let Some((from, first)) = rest.next() {
        let mut to = from + first.len_utf8();
        // A letter and its marks are normalised together.
        while let Some((_, next)) = rest.next_if(|&(_, next)| is_mark(next)) {
            to += next.len_utf8();
        }
        folded.clear();
        fold(&text[from..to], &mut folded);
        for c in folded.chars() {
            splitter.take(c, from..to);
        }
    }
    splitter.end_word();
    splitter.words
}

#[derive(Default)]
struct Splitter {
    words: Vec<Word>,
    open: Option<(Word, usize)>,
}

impl Splitter {
    fn take(&mut self, c: char, place: Range<usize>) {
        if is_mark(c) {
            if let Some((word, _)) = &mut self.open {
                word.place.end = place.end;
                word.text.push(c);
            } else if let Some(last) = self.words.last_mut().filter(|last| last.place == place) {
                last.text.push(c);
            }
        } else if is_single(c) {
            self.end_word();
            let text = c.to_string();
            self.words.push(Word {
                text,
                place,
                single: true,
            });
        } else if c.is_alphanumeric() {
            let (word, chars) = self.open.get_or_insert_with(|| {
                let word = Word {
                    text: String::new(),
                    place: place.clone(),
                    single: false,
                };
                (word, 0)
            });
            word.place.end = place.end;
            *chars += 1;
            if *chars <= WORD_CHARS_MAX {
                word.text.push(c);
            }
        } else if !is_joiner(c) {
            self.end_word();
        }
    }

    fn end_word(&mut self) {
        self.words.extend(self.open.take().map(|(word, _)| word));
    }
}

/// Appends what is left of a letter with its marks.
fn fold(letter: &str, out: &mut String) {
    if let [byte] = letter.as_bytes() {
        out.push(char::from(byte.to_ascii_lowercase()));
        return;
    }
    let mut latin = false;
    for c in letter.nfkc().flat_map(char::to_lowercase) {
        match c {
            'ё' => out.push('е'),
            'ς' => out.push('σ'),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ø' => out.push('o'),
            'đ' | 'ð' => out.push('d'),
            'ł' => out.push('l'),
            'ħ' => out.push('h'),
            'ŧ' => out.push('t'),
            'ı' => out.push('i'),
            _ if is_mark(c) => {
                if !latin {
                    out.push(c);
                }
                continue;
            }
            _ if is_marked_latin(c) => {
                out.extend(std::iter::once(c).nfd().filter(|&part| !is_mark(part)));
            }
            _ => out.push(c),
        }
        latin = c.is_ascii_alphabetic() || is_marked_latin(c);
    }
}

/// The form that a word shares with its other forms, if that is another one: of English and Russian words.
pub(crate) fn stem(word: &str) -> Option<String> {
    let algorithm = if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        Algorithm::English
    } else if word.chars().all(|c| matches!(c, 'а'..='я')) {
        Algorithm::Russian
    } else {
        return None;
    };
    if word.chars().count() < STEMMED_CHARS_MIN {
        return None;
    }
    let stem = Stemmer::create(algorithm).stem(word);
    (stem != word && !stem.is_empty()).then(|| stem.into_owned())
}

/// Whether it has forms that [`stem`] knows.
pub(crate) fn has_forms(word: &str) -> bool {
    let english = word.bytes().all(|byte| byte.is_ascii_lowercase());
    english || word.chars().all(|c| matches!(c, 'а'..='я'))
}

fn is_mark(c: char) -> bool {
    // Marks of half-width Japanese are letters by category.
    !c.is_ascii()
        && (c.general_category_group() == GeneralCategoryGroup::Mark || matches!(c, '\u{FF9E}' | '\u{FF9F}'))
}

fn is_marked_latin(c: char) -> bool {
    matches!(c, '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}') && c.is_alphabetic()
}

/// What may stand inside a word without being seen.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200C}' | '\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

/// Whether it belongs to a script that is written without spaces: Han, Kana, Bopomofo, Thai, Lao, Tibetan, Burmese,
/// Khmer.
fn is_single(c: char) -> bool {
    let script = matches!(c,
        '\u{0E00}'..='\u{0EFF}' | '\u{0F00}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        | '\u{2E80}'..='\u{2FDF}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}'
        | '\u{3031}'..='\u{312F}' | '\u{31A0}'..='\u{31BF}' | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{1B000}'..='\u{1B16F}' | '\u{20000}'..='\u{3FFFF}');
    script && c.is_alphabetic()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_lose_what_people_leave_out() {
        let check = |text: &str, expected: &[&str]| assert_eq!(texts(text), expected, "{text:?}");
        check(
            "The RUNNERS, were-running!",
            &["the", "runners", "were", "running"],
        );
        check(
            "Café Zürich 2024-05.pdf",
            &["cafe", "zurich", "2024", "05", "pdf"],
        );
        check(
            "Cafe\u{301} Łódź Øre Straße ŒUVRE",
            &["cafe", "lodz", "ore", "strasse", "oeuvre"],
        );
        check("Ещё ЁЛКА и йод", &["еще", "елка", "и", "йод"]);
        check("е\u{308}лка", &["елка"]);
        check("我家在上海东边。", &["我", "家", "在", "上", "海", "东", "边"]);
        check("iPhone手机15", &["iphone", "手", "机", "15"]);
        check("ｶﾞｽ ﬁne ＡＢＣ", &["ガ", "ス", "fine", "abc"]);
        check("วันนี้", &["วั", "น", "นี้"]);
        check("안녕하세요 세계", &["안녕하세요", "세계"]);
        check("हिन्दी भाषा", &["हिन्दी", "भाषा"]);
        check("co\u{AD}operate İstanbul", &["cooperate", "istanbul"]);
        check("… — 🙂 !?", &[]);
        check("don't l'été", &["don", "t", "l", "ete"]);
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "a Cafe\u{301}, 上海 ﬁn";
        let found: Vec<&str> = words(text).into_iter().map(|word| &text[word.place]).collect();
        assert_eq!(found, ["a", "Cafe\u{301}", "上", "海", "ﬁn"]);
    }

    #[test]
    fn long_words_are_cut() {
        assert_eq!(texts(&"x".repeat(5_000)), ["x".repeat(64)]);
    }

    #[test]
    fn forms_share_a_stem() {
        let check =
            |word: &str, expected: Option<&str>| assert_eq!(stem(word).as_deref(), expected, "{word}");
        check("running", Some("run"));
        check("runners", Some("runner"));
        check("run", None);
        check("договоры", Some("договор"));
        check("договор", None);
        check("上", None);
        check("2024", None);
        check("x2s", None);
    }
}
