//! Mentions: finding the names in a message's words, and whom they stand for.

use crate::store::StoreError;
use crate::{ConversationId, ConversationKind, Mention, Messenger, Role, UserId};

/// What names everybody.
const EVERYBODY: &str = "all";

/// Most names that are looked at in one message; the others stay plain text.
const NAMES_MAX: usize = 50;

/// Whether somebody is among those who are named, or everybody is.
pub(crate) fn is_named(mentions: &[Mention], user: UserId) -> bool {
    let mut mentions = mentions.iter();
    mentions.any(|mention| mention.user.is_none_or(|named| named == user))
}

/// A name in a text, which may or may not be somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    /// In UTF-16 units, of the `@`.
    offset: u32,
    /// The longest possible name and its possible beginnings, in lower case, longest first.
    candidates: Vec<String>,
}

/// Finds `@name` where no word ends right before it. A dot, dash or underscore may belong to a name or end it.
fn names(text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    let mut offset = 0u32;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c == '@' && !before.is_alphanumeric() && before != '@' {
            let rest = &text[at + 1..];
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            let name = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
            let ends = name.char_indices().rev().filter(|&(end, c)| {
                let next = name[end + 1..].chars().next();
                c.is_ascii_alphanumeric() && next.is_none_or(|next| !next.is_ascii_alphanumeric())
            });
            let candidates: Vec<String> = ends
                .map(|(end, _)| name[..=end].to_ascii_lowercase())
                .filter(|name| (3..=32).contains(&name.len()))
                .collect();
            if !candidates.is_empty() {
                found.push(Named { offset, candidates });
            }
        }
        if found.len() == NAMES_MAX {
            break;
        }
        offset += c.len_utf16() as u32;
        before = c;
    }
    found
}

impl Messenger {
    /// Whom the words name: active members, and everybody where the author may do that.
    pub(crate) async fn mentions(
        &self,
        author: UserId,
        conversation: ConversationId,
        text: &str,
    ) -> Result<Vec<Mention>, StoreError> {
        if !text.contains('@') {
            return Ok(Vec::new());
        }
        let named = names(text);
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let mut wanted: Vec<String> = named.iter().flat_map(|named| named.candidates.clone()).collect();
        wanted.sort();
        wanted.dedup();
        let known = self.store.members_named(conversation, &wanted).await?;
        let everybody = wanted.iter().any(|name| name == EVERYBODY)
            && self.may_name_everybody(author, conversation).await?;
        let whom = |name: &str| {
            if name == EVERYBODY {
                return everybody.then_some(None);
            }
            let found = known.iter().find(|(known, _)| known == name);
            found.map(|(_, user)| Some(*user))
        };
        let mention = |named: &Named| {
            named.candidates.iter().find_map(|name| {
                whom(name).map(|user| Mention {
                    user,
                    offset: named.offset,
                    length: name.len() as u32 + 1,
                })
            })
        };
        Ok(named.iter().filter_map(mention).collect())
    }

    /// Owner and administrators of a group, and everybody in a small one.
    async fn may_name_everybody(&self, author: UserId, id: ConversationId) -> Result<bool, StoreError> {
        let Some((conversation, member)) = self.store.standing(author, id).await? else {
            return Ok(false);
        };
        let small = conversation.member_count as usize <= self.options.mention_all_members_max;
        Ok(conversation.kind == ConversationKind::Group && (member.role != Role::Member || small))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_at_their_utf16_offsets() {
        let check = |text: &str, expected: &[(u32, &[&str])]| {
            let found = names(text);
            let found: Vec<(u32, Vec<&str>)> = found
                .iter()
                .map(|named| {
                    (
                        named.offset,
                        named.candidates.iter().map(String::as_str).collect(),
                    )
                })
                .collect();
            let expected: Vec<(u32, Vec<&str>)> =
                expected.iter().map(|(at, names)| (*at, names.to_vec())).collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("See @anna at 5", &[(4, &["anna"])]);
        check("@Anna", &[(0, &["anna"])]);
        check("🙂 @anna.", &[(3, &["anna"])]);
        check("(@anna.b-c)", &[(1, &["anna.b-c", "anna.b", "anna"])]);
        check("@all @bob", &[(0, &["all"]), (5, &["bob"])]);
        check("анна@anna.org", &[]);
        check("mail anna@example.org", &[]);
        check("@@anna @ @a @", &[]);
        check("@anna@bob", &[(0, &["anna"])]);
    }

    #[test]
    fn only_so_many_names_are_looked_at() {
        assert_eq!(names(&"@anna ".repeat(1_000)).len(), NAMES_MAX);
    }
}
