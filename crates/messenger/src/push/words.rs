//! What notifications say, in each language.

/// All words in one language.
pub(super) struct Words {
    /// In place of what is not to be shown.
    pub(super) message: &'static str,
    pub(super) photo: &'static str,
    pub(super) video: &'static str,
    pub(super) audio: &'static str,
    pub(super) voice: &'static str,
    pub(super) file: &'static str,
    /// "3 new messages".
    pub(super) several: fn(u32) -> String,
}

/// The words for a language tag; English for one we do not speak.
pub(super) fn of(locale: &str) -> &'static Words {
    let language = locale.split('-').next().unwrap_or_default();
    match language.to_ascii_lowercase().as_str() {
        "ru" => &RU,
        "zh" => &ZH,
        _ => &EN,
    }
}

const EN: Words = Words {
    message: "New message",
    photo: "Photo",
    video: "Video",
    audio: "Audio",
    voice: "Voice message",
    file: "File",
    several: |count| match count {
        1 => "1 new message".to_owned(),
        _ => format!("{count} new messages"),
    },
};

const RU: Words = Words {
    message: "Новое сообщение",
    photo: "Фото",
    video: "Видео",
    audio: "Аудио",
    voice: "Голосовое сообщение",
    file: "Файл",
    several: |count| match (count % 10, count % 100) {
        (1, tens) if tens != 11 => format!("{count} новое сообщение"),
        (2..=4, tens) if !(12..=14).contains(&tens) => format!("{count} новых сообщения"),
        _ => format!("{count} новых сообщений"),
    },
};

const ZH: Words = Words {
    message: "新消息",
    photo: "图片",
    video: "视频",
    audio: "音频",
    voice: "语音消息",
    file: "文件",
    several: |count| format!("{count} 条新消息"),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_their_nouns() {
        for (locale, count, expected) in [
            ("en", 1, "1 new message"),
            ("en-GB", 2, "2 new messages"),
            ("xx", 5, "5 new messages"),
            ("ru", 1, "1 новое сообщение"),
            ("ru", 3, "3 новых сообщения"),
            ("ru-RU", 5, "5 новых сообщений"),
            ("ru", 11, "11 новых сообщений"),
            ("ru", 12, "12 новых сообщений"),
            ("ru", 21, "21 новое сообщение"),
            ("ru", 114, "114 новых сообщений"),
            ("zh-CN", 3, "3 条新消息"),
        ] {
            assert_eq!((of(locale).several)(count), expected);
        }
    }
}
