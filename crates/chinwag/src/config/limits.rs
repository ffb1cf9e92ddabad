//! What the messenger allows in numbers: the table `[limits]` and how it is read.

use std::str::FromStr;
use std::time::Duration;

use chinwag_messenger::{AttachmentLimits, Options, Policies};
use chinwag_server::messenger::presence::PresenceOptions;
use chinwag_server::messenger::{ClientHints, RateLimits};

use super::Reader;
use super::settings::Setting;

/// Events are small or are fetched; below this even one without words would not fit.
const EVENT_BYTES_MIN: usize = 4 * 1024;

/// Largest message: its request and its row stay of a size that one looks at whole.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Largest page, which is also that of a synchronisation.
const PAGE_SIZE_MAX: usize = 200;

pub(super) const LIMITS: &[Setting] = &[
    Setting {
        key: "limits.body_chars",
        reverb: "",
        default: "10000",
        help: "Longest message, in characters.",
    },
    Setting {
        key: "limits.body_bytes",
        reverb: "",
        default: "40960",
        help: "Longest message, in bytes of UTF-8; 1048576 at most.",
    },
    Setting {
        key: "limits.display_name_chars",
        reverb: "",
        default: "64",
        help: "Longest name people show themselves by, in characters.",
    },
    Setting {
        key: "limits.bio_chars",
        reverb: "",
        default: "280",
        help: "Longest words people write about themselves, in characters.",
    },
    Setting {
        key: "limits.password_chars",
        reverb: "",
        default: "8",
        help: "Shortest password, in characters.",
    },
    Setting {
        key: "limits.login_failures",
        reverb: "",
        default: "10",
        help: "Failed log-ins of one account from one address after which more are refused for a while.",
    },
    Setting {
        key: "limits.login_window_s",
        reverb: "",
        default: "900",
        help: "Seconds over which failed log-ins are counted.",
    },
    Setting {
        key: "limits.title_chars",
        reverb: "",
        default: "128",
        help: "Longest title of a group, in characters.",
    },
    Setting {
        key: "limits.description_chars",
        reverb: "",
        default: "512",
        help: "Longest description of a group, in characters.",
    },
    Setting {
        key: "limits.group_members",
        reverb: "",
        default: "1024",
        help: "Most members of a group.",
    },
    Setting {
        key: "limits.group_admins",
        reverb: "",
        default: "50",
        help: "Most administrators of a group beside its owner.",
    },
    Setting {
        key: "limits.mention_all_members",
        reverb: "",
        default: "32",
        help: "In groups with more members only the owner and administrators can name all of them with @all.",
    },
    Setting {
        key: "limits.pins",
        reverb: "",
        default: "50",
        help: "Most pinned messages of one conversation.",
    },
    Setting {
        key: "limits.groups_per_day",
        reverb: "",
        default: "20",
        help: "Most groups one user may create within 24 hours.",
    },
    Setting {
        key: "limits.conversations",
        reverb: "",
        default: "5000",
        help: "Most conversations one user may create or join.",
    },
    Setting {
        key: "limits.devices",
        reverb: "",
        default: "20",
        help: "Most devices one user is logged in on; the one that was not used for longest is logged out.",
    },
    Setting {
        key: "limits.device_idle_s",
        reverb: "",
        default: "7776000",
        help: "Seconds after which a device is logged out that was not used.",
    },
    Setting {
        key: "limits.connections",
        reverb: "",
        default: "20",
        help: "Most realtime connections of one user; the one that came first makes room for another one.",
    },
    Setting {
        key: "limits.invites",
        reverb: "",
        default: "100",
        help: "Most invites of one group that still let people in.",
    },
    Setting {
        key: "limits.invite_life_s",
        reverb: "",
        default: "604800",
        help: "Seconds an invite lasts when its creator does not say.",
    },
    Setting {
        key: "limits.attachments",
        reverb: "",
        default: "10",
        help: "Most attachments of one message.",
    },
    Setting {
        key: "limits.file_bytes",
        reverb: "",
        default: "104857600",
        help: "Largest file that people may send, in bytes.",
    },
    Setting {
        key: "limits.upload_quota_bytes",
        reverb: "",
        default: "5368709120",
        help: "Bytes of files that one user may have brought.",
    },
    Setting {
        key: "limits.uploads_per_hour",
        reverb: "",
        default: "60",
        help: "Files one user may bring within an hour. 0: without limit.",
    },
    Setting {
        key: "limits.voice_s",
        reverb: "",
        default: "900",
        help: "Longest voice note, in seconds.",
    },
    Setting {
        key: "limits.voice_bytes",
        reverb: "",
        default: "26214400",
        help: "Largest voice note, in bytes.",
    },
    Setting {
        key: "limits.image_pixels",
        reverb: "",
        default: "50000000",
        help: "Most pixels of an image. Looking at one takes up to 8 bytes of memory for each.",
    },
    Setting {
        key: "limits.edit_window_s",
        reverb: "",
        default: "172800",
        help: "Seconds in which messages of new conversations can be edited; 0 is never, \"always\" without end.",
    },
    Setting {
        key: "limits.delete_window_s",
        reverb: "",
        default: "always",
        help: "Seconds in which authors can delete messages of new conversations for everyone; 0 is never, \"always\" without end.",
    },
    Setting {
        key: "limits.versions",
        reverb: "",
        default: "50",
        help: "Versions that are kept of an edited message where its conversation keeps any: the first and the newest.",
    },
    Setting {
        key: "limits.reactions",
        reverb: "",
        default: "20",
        help: "Most different emojis under one message.",
    },
    Setting {
        key: "limits.reports_per_day",
        reverb: "",
        default: "50",
        help: "Messages one user may report within 24 hours.",
    },
    Setting {
        key: "limits.page_size",
        reverb: "",
        default: "50",
        help: "Items in a page of a list when the client does not say.",
    },
    Setting {
        key: "limits.page_size_max",
        reverb: "",
        default: "100",
        help: "Most items in a page of a list; 200 at most.",
    },
    Setting {
        key: "limits.receipts_members",
        reverb: "",
        default: "256",
        help: "Members of a conversation up to which they see how far the others have read.",
    },
    Setting {
        key: "limits.receipt_times_members",
        reverb: "",
        default: "100",
        help: "Members of a conversation up to which authors learn when their messages were received and seen.",
    },
    Setting {
        key: "limits.receipt_times_s",
        reverb: "",
        default: "2592000",
        help: "How long that is kept, in seconds.",
    },
    Setting {
        key: "limits.typing_members",
        reverb: "",
        default: "256",
        help: "Members of a conversation up to which they see each other type.",
    },
    Setting {
        key: "limits.typing_relayed_members",
        reverb: "",
        default: "20",
        help: "Members of a conversation up to which they see each other type without having it open.",
    },
    Setting {
        key: "limits.typing_pause_s",
        reverb: "",
        default: "2",
        help: "Seconds between two signals that somebody types; what comes sooner is dropped. 0: without limit.",
    },
    Setting {
        key: "limits.typing_repeat_s",
        reverb: "",
        default: "3",
        help: "Seconds after which clients say again that somebody still types.",
    },
    Setting {
        key: "limits.typing_expiry_s",
        reverb: "",
        default: "6",
        help: "Seconds after which clients forget that somebody types when it is not said again.",
    },
    Setting {
        key: "limits.presence_members",
        reverb: "",
        default: "256",
        help: "Members of a group up to which who has it open hears of single members coming and going.",
    },
    Setting {
        key: "limits.presence_watchers",
        reverb: "",
        default: "500",
        help: "Most people, besides members of open groups, who hear when somebody comes and goes.",
    },
    Setting {
        key: "limits.presence_grace_s",
        reverb: "",
        default: "15",
        help: "Seconds somebody may be gone without being called offline: a reload, another network.",
    },
    Setting {
        key: "limits.presence_pause_s",
        reverb: "",
        default: "5",
        help: "Seconds between two changes of one person of which others hear.",
    },
    Setting {
        key: "limits.away_after_s",
        reverb: "",
        default: "300",
        help: "Seconds without input after which clients call somebody away.",
    },
    Setting {
        key: "limits.sends_per_conversation_5s",
        reverb: "",
        default: "10",
        help: "Messages one user may send into one conversation within 5 seconds. 0: without limit.",
    },
    Setting {
        key: "limits.sends_per_minute",
        reverb: "",
        default: "60",
        help: "Messages one user may send within a minute. 0: without limit.",
    },
    Setting {
        key: "limits.writes_per_minute",
        reverb: "",
        default: "120",
        help: "Other changes one user may make within a minute, and log-ins from one address. 0: without limit.",
    },
    Setting {
        key: "limits.reads_per_minute",
        reverb: "",
        default: "600",
        help: "Requests that change nothing one user may make within a minute. 0: without limit.",
    },
    Setting {
        key: "limits.searches_per_minute",
        reverb: "",
        default: "30",
        help: "Searches one user may make within a minute. 0: without limit.",
    },
    Setting {
        key: "limits.changes",
        reverb: "",
        default: "2000",
        help: "Changes of a conversation that a client may have missed before it is told to start it afresh.",
    },
    Setting {
        key: "limits.cursor_life_s",
        reverb: "",
        default: "2592000",
        help: "Seconds after which a client that was away starts synchronising from the beginning.",
    },
    Setting {
        key: "limits.event_bytes",
        reverb: "",
        default: "65536",
        help: "Largest realtime event, in bytes; of longer messages the beginning is sent.",
    },
    Setting {
        key: "limits.gap_wait_ms",
        reverb: "",
        default: "300",
        help: "Milliseconds for which clients wait for a realtime event that is missing between others.",
    },
];

impl Reader {
    /// The limits of the messenger itself.
    pub(super) fn limits(&mut self) -> Options {
        Options {
            body_chars_max: self.positive("limits.body_chars"),
            body_bytes_max: self.between("limits.body_bytes", 1, BODY_BYTES_MAX),
            title_chars_max: self.positive("limits.title_chars"),
            description_chars_max: self.positive("limits.description_chars"),
            display_name_chars_max: self.positive("limits.display_name_chars"),
            bio_chars_max: self.positive("limits.bio_chars"),
            group_members_max: self.positive("limits.group_members"),
            group_admins_max: self.positive("limits.group_admins"),
            mention_all_members_max: self.positive("limits.mention_all_members"),
            pins_max: self.positive("limits.pins"),
            reactions_distinct_max: self.positive("limits.reactions"),
            // The first version always stays, so there must be room for another.
            versions_max: self.between("limits.versions", 2, 10_000) as u64,
            policies: Policies {
                edit_window_s: self.window("limits.edit_window_s"),
                delete_window_s: self.window("limits.delete_window_s"),
                ..Policies::default()
            },
            groups_per_day_max: self.positive("limits.groups_per_day"),
            conversations_max: self.positive("limits.conversations"),
            reports_per_day_max: self.positive("limits.reports_per_day"),
            devices_max: self.positive("limits.devices"),
            device_idle_s: self.within_u32("limits.device_idle_s", 1).into(),
            invites_max: self.positive("limits.invites"),
            invite_life_s: self.within_u32("limits.invite_life_s", 1).into(),
            page_size: self.page_size(),
            page_size_max: self.between("limits.page_size_max", 1, PAGE_SIZE_MAX),
            receipts_members_max: self.positive("limits.receipts_members"),
            receipt_times_members_max: self.number("limits.receipt_times_members"),
            receipt_times_s: self.within_u32("limits.receipt_times_s", 0).into(),
            typing_members_max: self.number("limits.typing_members"),
            typing_relayed_members_max: self.number("limits.typing_relayed_members"),
            presence_watchers_max: self.number("limits.presence_watchers"),
            presence_members_max: self.number("limits.presence_members"),
            password_chars_min: self.positive("limits.password_chars"),
            login_failures_max: self.within_u32("limits.login_failures", 1),
            login_window_s: self.within_u32("limits.login_window_s", 1).into(),
            changes_max: self.positive("limits.changes") as u64,
            cursor_life_s: self.within_u32("limits.cursor_life_s", 1).into(),
            attachments: AttachmentLimits {
                per_message_max: self.positive("limits.attachments"),
                file_bytes_max: self.positive("limits.file_bytes") as u64,
                quota_bytes: self.positive("limits.upload_quota_bytes") as u64,
                voice_s_max: self.positive("limits.voice_s") as u64,
                voice_bytes_max: self.positive("limits.voice_bytes") as u64,
                image_pixels_max: self.positive("limits.image_pixels") as u64,
                ..AttachmentLimits::default()
            },
            ..Options::default()
        }
    }

    /// How often one may ask: not at all limited when they are switched off together.
    pub(super) fn rates(&mut self) -> RateLimits {
        let rates = RateLimits {
            sends_per_conversation_5s: self.within_u32("limits.sends_per_conversation_5s", 0),
            sends_per_minute: self.within_u32("limits.sends_per_minute", 0),
            writes_per_minute: self.within_u32("limits.writes_per_minute", 0),
            reads_per_minute: self.within_u32("limits.reads_per_minute", 0),
            searches_per_minute: self.within_u32("limits.searches_per_minute", 0),
            typing_pause_s: self.within_u32("limits.typing_pause_s", 0),
            uploads_per_hour: self.within_u32("limits.uploads_per_hour", 0),
        };
        match self.flag("rate_limits") {
            true => rates,
            false => RateLimits::unlimited(),
        }
    }

    pub(super) fn presence(&mut self) -> PresenceOptions {
        PresenceOptions {
            grace: Duration::from_secs(self.within_u32("limits.presence_grace_s", 0).into()),
            pause: Duration::from_secs(self.within_u32("limits.presence_pause_s", 0).into()),
            ..PresenceOptions::default()
        }
    }

    pub(super) fn hints(&mut self) -> ClientHints {
        let hints = ClientHints {
            typing_repeat_s: self.within_u32("limits.typing_repeat_s", 1),
            typing_expiry_s: self.within_u32("limits.typing_expiry_s", 1),
            away_after_s: self.within_u32("limits.away_after_s", 1),
            gap_wait_ms: self.within_u32("limits.gap_wait_ms", 0),
        };
        if hints.typing_expiry_s <= hints.typing_repeat_s {
            self.fault(
                "limits.typing_expiry_s",
                "more than limits.typing_repeat_s is wanted, or it would flicker",
            );
        }
        hints
    }

    pub(super) fn event_bytes(&mut self) -> usize {
        let bytes = self.number("limits.event_bytes");
        if bytes < EVENT_BYTES_MIN {
            self.fault("limits.event_bytes", "4096 or more is wanted");
        }
        bytes
    }

    fn page_size(&mut self) -> usize {
        let size = self.positive("limits.page_size");
        if self
            .text("limits.page_size_max")
            .parse()
            .is_ok_and(|max: usize| size > max)
        {
            self.fault("limits.page_size", "limits.page_size_max or less is wanted");
        }
        size
    }

    /// A time in which something may be done; `None` is always.
    fn window(&mut self, key: &str) -> Option<u64> {
        match self.text(key).as_str() {
            "always" => None,
            _ => Some(self.within_u32(key, 0).into()),
        }
    }

    fn between(&mut self, key: &str, min: usize, max: usize) -> usize {
        let number = self.number(key);
        if !(min..=max).contains(&number) {
            self.fault(key, &format!("a number from {min} to {max} is wanted"));
        }
        number
    }

    fn within_u32(&mut self, key: &str, min: u32) -> u32 {
        match u32::from_str(&self.text(key)) {
            Ok(number) if number >= min => number,
            _ => {
                self.fault(
                    key,
                    &format!("a whole number from {min} to {} is wanted", u32::MAX),
                );
                min
            }
        }
    }
}
