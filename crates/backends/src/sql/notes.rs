//! What system messages tell, as it is stored: JSON with the name of the event.

use super::rows::corrupt;
use chinwag_messenger::{EditHistory, MessageId, Newcomers, PolicyChange, SystemEvent, UserId, Who};
use sea_orm::DbErr;
use serde_json::{Map, Value as Json, json};

pub(super) fn write_note(note: &SystemEvent) -> String {
    let note = match note {
        SystemEvent::Created { title } => json!({"event": "created", "title": title}),
        SystemEvent::MembersAdded { users } => {
            let ids: Vec<i64> = users.iter().map(|user| user.0).collect();
            json!({"event": "members_added", "users": ids})
        }
        SystemEvent::Pinned { message, seq } => {
            json!({"event": "pinned", "message": message.0, "seq": seq})
        }
        SystemEvent::MemberJoined => json!({"event": "member_joined"}),
        SystemEvent::MemberRemoved { user } => json!({"event": "member_removed", "user": user.0}),
        SystemEvent::MemberLeft { new_owner } => {
            json!({"event": "member_left", "new_owner": new_owner.map(|user| user.0)})
        }
        SystemEvent::OwnerChanged { user } => json!({"event": "owner_changed", "user": user.0}),
        SystemEvent::TitleChanged { title } => json!({"event": "title_changed", "title": title}),
        SystemEvent::DescriptionChanged { description } => {
            json!({"event": "description_changed", "description": description})
        }
        SystemEvent::AvatarChanged => json!({"event": "avatar_changed"}),
        SystemEvent::PolicyChanged { policies } => {
            json!({"event": "policy_changed", "policies": write_policies(policies)})
        }
    };
    note.to_string()
}

pub(super) fn read_note(text: &str) -> Result<SystemEvent, DbErr> {
    let read = || {
        let note: Json = serde_json::from_str(text).ok()?;
        let word = |field: &str| note.get(field)?.as_str().map(str::to_owned);
        let user = |field: &str| note.get(field)?.as_i64().map(UserId);
        match note.get("event")?.as_str()? {
            "created" => Some(SystemEvent::Created {
                title: word("title")?,
            }),
            "members_added" => {
                let ids = note.get("users")?.as_array()?.iter();
                Some(SystemEvent::MembersAdded {
                    users: ids.filter_map(Json::as_i64).map(UserId).collect(),
                })
            }
            "pinned" => Some(SystemEvent::Pinned {
                message: MessageId(note.get("message")?.as_i64()?),
                seq: note.get("seq")?.as_u64()?,
            }),
            "member_joined" => Some(SystemEvent::MemberJoined),
            "member_removed" => Some(SystemEvent::MemberRemoved { user: user("user")? }),
            "member_left" => Some(SystemEvent::MemberLeft {
                new_owner: user("new_owner"),
            }),
            "owner_changed" => Some(SystemEvent::OwnerChanged { user: user("user")? }),
            "title_changed" => Some(SystemEvent::TitleChanged {
                title: word("title")?,
            }),
            "description_changed" => Some(SystemEvent::DescriptionChanged {
                description: word("description"),
            }),
            "avatar_changed" => Some(SystemEvent::AvatarChanged),
            "policy_changed" => Some(SystemEvent::PolicyChanged {
                policies: read_policies(note.get("policies")?.as_object()?),
            }),
            _ => None,
        }
    };
    read().ok_or_else(|| corrupt("a note of an unknown kind"))
}

fn write_policies(change: &PolicyChange) -> Json {
    let who = |who| if who == Who::Admins { "admins" } else { "all" };
    let mut fields = Map::new();
    if let Some(history) = change.edit_history {
        let word = match history {
            EditHistory::Off => "off",
            EditHistory::Restricted => "restricted",
            EditHistory::Members => "members",
        };
        fields.insert("edit_history".into(), word.into());
    }
    let windows = [
        ("edit_window_s", change.edit_window_s),
        ("delete_window_s", change.delete_window_s),
    ];
    for (name, window) in windows {
        if let Some(seconds) = window {
            fields.insert(name.into(), json!(seconds));
        }
    }
    let circles = [
        ("post", change.post),
        ("invite", change.invite),
        ("info", change.info),
        ("pin", change.pin),
    ];
    for (name, circle) in circles {
        if let Some(circle) = circle {
            fields.insert(name.into(), who(circle).into());
        }
    }
    if let Some(newcomers) = change.newcomers {
        let word = match newcomers {
            Newcomers::SeeAll => "all",
            Newcomers::SinceJoin => "since_join",
        };
        fields.insert("newcomers".into(), word.into());
    }
    fields.into()
}

fn read_policies(fields: &Map<String, Json>) -> PolicyChange {
    let word = |name: &str| fields.get(name).and_then(Json::as_str);
    let who = |name: &str| match word(name)? {
        "admins" => Some(Who::Admins),
        _ => Some(Who::All),
    };
    PolicyChange {
        edit_history: word("edit_history").map(|word| match word {
            "members" => EditHistory::Members,
            "restricted" => EditHistory::Restricted,
            _ => EditHistory::Off,
        }),
        edit_window_s: fields.get("edit_window_s").map(Json::as_u64),
        delete_window_s: fields.get("delete_window_s").map(Json::as_u64),
        post: who("post"),
        invite: who("invite"),
        info: who("info"),
        pin: who("pin"),
        newcomers: word("newcomers").map(|word| match word {
            "since_join" => Newcomers::SinceJoin,
            _ => Newcomers::SeeAll,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_read_back() {
        let policies = PolicyChange {
            edit_history: Some(EditHistory::Restricted),
            edit_window_s: Some(None),
            delete_window_s: Some(Some(60)),
            post: Some(Who::Admins),
            newcomers: Some(Newcomers::SinceJoin),
            ..PolicyChange::default()
        };
        let notes = [
            SystemEvent::Created { title: "T".into() },
            SystemEvent::MembersAdded {
                users: vec![UserId(1), UserId(2)],
            },
            SystemEvent::Pinned {
                message: MessageId(9),
                seq: 8,
            },
            SystemEvent::MemberJoined,
            SystemEvent::MemberRemoved { user: UserId(3) },
            SystemEvent::MemberLeft { new_owner: None },
            SystemEvent::MemberLeft {
                new_owner: Some(UserId(4)),
            },
            SystemEvent::OwnerChanged { user: UserId(5) },
            SystemEvent::TitleChanged { title: "U".into() },
            SystemEvent::DescriptionChanged { description: None },
            SystemEvent::AvatarChanged,
            SystemEvent::PolicyChanged { policies },
        ];
        for note in notes {
            assert_eq!(read_note(&write_note(&note)).expect("read"), note);
        }
        assert!(read_note("{}").is_err() && read_note("").is_err());
    }
}
