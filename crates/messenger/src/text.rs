//! Rules for text from outside: normal form, characters that are taken out, what counts as empty.

use unicode_normalization::UnicodeNormalization;

/// A name or a title: normal form C, without control characters and bidirectional overrides, trimmed. A name
/// with nothing to see is empty.
pub fn name(given: &str) -> String {
    let cleaned: String = given
        .nfc()
        .filter(|&c| !c.is_control() && !is_bidi_override(c))
        .collect();
    if is_blank(&cleaned) {
        String::new()
    } else {
        cleaned.trim().to_owned()
    }
}

/// The words of a message: normal form C, without control characters other than newline and tab. Neither
/// trimmed nor emptied; ask [`is_blank`].
pub fn body(given: &str) -> String {
    let kept = |c: &char| !c.is_control() || *c == '\n' || *c == '\t';
    // ASCII is in normal form already, and most of what is written in many places.
    if given.is_ascii() {
        given.chars().filter(kept).collect()
    } else {
        given.nfc().filter(kept).collect()
    }
}

/// A description: the words of a message, trimmed; one with nothing to see is empty.
pub fn paragraph(given: &str) -> String {
    let cleaned = body(given);
    if is_blank(&cleaned) {
        String::new()
    } else {
        cleaned.trim().to_owned()
    }
}

/// Whether there is nothing to see: only white space and characters without a glyph.
pub fn is_blank(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_whitespace() || c.is_control() || is_invisible(c))
}

/// How names are compared when people are looked for: compatibility form, lower case, `ё` as `е`.
pub fn folded(text: &str) -> String {
    let lower: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    lower.replace('ё', "е")
}

/// What somebody typed to find people, as the beginning of a search key.
pub fn prefix(query: &str) -> String {
    let name = name(query.trim().trim_start_matches('@'));
    folded(&name).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a search for people finds an account by: its username, and its display name from each word onwards,
/// so that a prefix of one of them may span words.
pub fn search_keys(username: &str, display_name: &str) -> Vec<String> {
    let words: Vec<String> = display_name.split_whitespace().map(folded).collect();
    let mut keys: Vec<String> = (0..words.len()).map(|from| words[from..].join(" ")).collect();
    keys.push(username.to_owned());
    keys.sort();
    keys.dedup();
    keys
}

/// Embeddings, overrides and isolates, with which a name could turn the text around it.
fn is_bidi_override(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_invisible(c: char) -> bool {
    is_bidi_override(c)
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2065}'
            | '\u{206A}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_could_deceive() {
        let check = |given: &str, expected: &str| assert_eq!(name(given), expected, "{given:?}");
        check("  Sam Whitlock ", "Sam Whitlock");
        check("e\u{301}", "é");
        check("a\u{202E}b\u{2066}c", "abc");
        check("a\0\u{7}\nb", "ab");
        check("\u{200B}\u{FEFF} \u{2060}", "");
        check("\u{3164}", "");
        check("👩\u{200D}🚀", "👩\u{200D}🚀");
        check("", "");
    }

    #[test]
    fn bodies_keep_lines_and_tabs() {
        let check = |given: &str, expected: &str| assert_eq!(body(given), expected, "{given:?}");
        check("a\r\n\tb\0c\u{1b}", "a\n\tbc");
        check("  spaces stay  ", "  spaces stay  ");
        check("e\u{301}", "é");
        check("\u{202E}quoted", "\u{202E}quoted");
    }

    #[test]
    fn blank_means_nothing_to_see() {
        for blank in ["", " \n\t", "\u{200B}", "\u{2800}\u{FE0F}", "\0"] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in ["a", ".", "\u{200B}x", "🙂"] {
            assert!(!is_blank(seen), "{seen:?}");
        }
    }

    #[test]
    fn people_are_found_by_every_word_in_any_case() {
        assert_eq!(
            search_keys("sam", "Sam  WHITLOCK"),
            ["sam", "sam whitlock", "whitlock"]
        );
        assert_eq!(folded("Пётр"), "петр");
        assert_eq!(folded("ﬁn"), "fin");
    }
}
