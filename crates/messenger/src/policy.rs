//! What a conversation allows whom: its policies, and who may do what as plain questions about roles.

use crate::{ConversationKind, Role};

/// Who may do something in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Every member.
    All,
    /// Owner and administrators.
    Admins,
}

impl Who {
    /// Whether a member of this role is among them.
    pub fn includes(self, role: Role) -> bool {
        self == Self::All || role != Role::Member
    }
}

/// What becomes of the words that an edit replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditHistory {
    /// They are gone.
    Off,
    /// Kept for the author and the administrators.
    Restricted,
    /// Kept for everybody who sees the message.
    Members,
}

/// What newcomers see of what was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomers {
    /// All of it.
    SeeAll,
    /// Nothing.
    SinceJoin,
}

/// The policies of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policies {
    /// What becomes of the words that an edit replaces.
    pub edit_history: EditHistory,
    /// Seconds after which a message can no longer be edited: 0 never can it, `None` always.
    pub edit_window_s: Option<u64>,
    /// Seconds after which its author can no longer delete a message for everyone; 0 and `None` as above.
    pub delete_window_s: Option<u64>,
    /// Who may post.
    pub post: Who,
    /// Who may add people and make invites.
    pub invite: Who,
    /// Who may change title, description and picture.
    pub info: Who,
    /// Who may pin.
    pub pin: Who,
    /// What newcomers see.
    pub newcomers: Newcomers,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            edit_history: EditHistory::Off,
            edit_window_s: Some(48 * 60 * 60),
            delete_window_s: None,
            post: Who::All,
            invite: Who::Admins,
            info: Who::Admins,
            pin: Who::Admins,
            newcomers: Newcomers::SeeAll,
        }
    }
}

/// A wish to change some policies; what is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// See [`Policies::edit_history`].
    pub edit_history: Option<EditHistory>,
    /// See [`Policies::edit_window_s`].
    pub edit_window_s: Option<Option<u64>>,
    /// See [`Policies::delete_window_s`].
    pub delete_window_s: Option<Option<u64>>,
    /// See [`Policies::post`].
    pub post: Option<Who>,
    /// See [`Policies::invite`].
    pub invite: Option<Who>,
    /// See [`Policies::info`].
    pub info: Option<Who>,
    /// See [`Policies::pin`].
    pub pin: Option<Who>,
    /// See [`Policies::newcomers`].
    pub newcomers: Option<Newcomers>,
}

fn differing<T: PartialEq>(wished: Option<T>, now: &T) -> Option<T> {
    wished.filter(|wished| wished != now)
}

impl PolicyChange {
    /// What of the wish is not so already.
    #[must_use]
    pub fn beyond(self, now: &Policies) -> Self {
        Self {
            edit_history: differing(self.edit_history, &now.edit_history),
            edit_window_s: differing(self.edit_window_s, &now.edit_window_s),
            delete_window_s: differing(self.delete_window_s, &now.delete_window_s),
            post: differing(self.post, &now.post),
            invite: differing(self.invite, &now.invite),
            info: differing(self.info, &now.info),
            pin: differing(self.pin, &now.pin),
            newcomers: differing(self.newcomers, &now.newcomers),
        }
    }

    /// The policies after the change.
    #[must_use]
    pub fn applied_to(self, now: &Policies) -> Policies {
        Policies {
            edit_history: self.edit_history.unwrap_or(now.edit_history),
            edit_window_s: self.edit_window_s.unwrap_or(now.edit_window_s),
            delete_window_s: self.delete_window_s.unwrap_or(now.delete_window_s),
            post: self.post.unwrap_or(now.post),
            invite: self.invite.unwrap_or(now.invite),
            info: self.info.unwrap_or(now.info),
            pin: self.pin.unwrap_or(now.pin),
            newcomers: self.newcomers.unwrap_or(now.newcomers),
        }
    }

    /// Whether anything would change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether nothing but the edit history would change.
    fn only_edit_history(&self) -> bool {
        Self {
            edit_history: None,
            ..*self
        }
        .is_empty()
    }

    /// Whether a member of this role may ask for it: of a group its administrators; in other conversations both
    /// people may switch the edit history, and there is nothing else to decide.
    pub fn allowed(&self, kind: ConversationKind, role: Role) -> bool {
        match kind {
            ConversationKind::Group => role != Role::Member,
            ConversationKind::Direct | ConversationKind::Own => self.only_edit_history(),
        }
    }
}

/// Whether a member may remove another: the owner everybody, administrators the members.
pub fn may_remove(actor: Role, target: Role) -> bool {
    match actor {
        Role::Owner => target != Role::Owner,
        Role::Admin => target == Role::Member,
        Role::Member => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConversationKind::{Direct, Group, Own};
    use Role::{Admin, Member, Owner};

    #[test]
    fn administrators_are_not_removed_by_their_like() {
        let check = |actor, target, expected| assert_eq!(may_remove(actor, target), expected);
        for target in [Admin, Member] {
            check(Owner, target, true);
        }
        check(Owner, Owner, false);
        check(Admin, Member, true);
        check(Admin, Admin, false);
        check(Admin, Owner, false);
        check(Member, Member, false);
    }

    #[test]
    fn in_direct_conversations_there_is_only_the_edit_history_to_decide() {
        let history = PolicyChange {
            edit_history: Some(EditHistory::Members),
            ..PolicyChange::default()
        };
        let both = PolicyChange {
            post: Some(Who::Admins),
            ..history
        };
        let check = |wish: PolicyChange, kind, role, expected| {
            assert_eq!(wish.allowed(kind, role), expected, "{wish:?} {kind:?} {role:?}");
        };
        check(history, Direct, Member, true);
        check(history, Own, Member, true);
        check(both, Direct, Member, false);
        check(both, Group, Admin, true);
        check(both, Group, Owner, true);
        check(history, Group, Member, false);
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let now = Policies::default();
        let wish = PolicyChange {
            post: Some(Who::All),
            pin: Some(Who::All),
            edit_window_s: Some(None),
            ..PolicyChange::default()
        };
        let change = wish.beyond(&now);
        assert_eq!((change.post, change.pin), (None, Some(Who::All)));
        let after = change.applied_to(&now);
        assert_eq!(
            (after.pin, after.edit_window_s, after.invite),
            (Who::All, None, Who::Admins)
        );
        assert!(wish.beyond(&after).is_empty());
    }
}
