//! What mails say, in each language. `{server}` is the name of the server, `{name}` of whom the mail is for, `{link}`
//! what to open.

/// One mail.
pub(super) struct Letter {
    pub(super) subject: &'static str,
    pub(super) text: &'static str,
}

/// All mails in one language.
pub(super) struct Words {
    pub(super) verify: Letter,
    pub(super) taken: Letter,
    pub(super) reset: Letter,
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
    verify: Letter {
        subject: "{server}: confirm your e-mail address",
        text: "Hello {name},\n\nplease confirm that this is your e-mail address on {server}:\n\n{link}\n\n\
            The link works for 24 hours. If you did not ask for this, ignore this mail.\n",
    },
    taken: Letter {
        subject: "{server}: this e-mail address is in use",
        text: "Hello,\n\nsomebody wanted to use this e-mail address for an account on {server}, but it already belongs \
            to another one. If it was you, log in to that account, or ask there for a new password.\n",
    },
    reset: Letter {
        subject: "{server}: choose a new password",
        text: "Hello {name},\n\nhere you can choose a new password for your account on {server}:\n\n{link}\n\n\
            The link works for one hour and once. All your devices will be logged out. If you did not ask for this, \
            ignore this mail; your password stays as it is.\n",
    },
};

const RU: Words = Words {
    verify: Letter {
        subject: "{server}: подтвердите адрес электронной почты",
        text: "Здравствуйте, {name}!\n\nПодтвердите, пожалуйста, что это ваш адрес электронной почты на {server}:\n\n\
            {link}\n\nСсылка действует 24 часа. Если вы об этом не просили, не обращайте внимания на это письмо.\n",
    },
    taken: Letter {
        subject: "{server}: этот адрес уже используется",
        text: "Здравствуйте!\n\nКто-то хотел указать этот адрес электронной почты для учётной записи на {server}, но он \
            уже принадлежит другой. Если это были вы, войдите в ту учётную запись или запросите для неё новый пароль.\n",
    },
    reset: Letter {
        subject: "{server}: выберите новый пароль",
        text: "Здравствуйте, {name}!\n\nЗдесь можно выбрать новый пароль для вашей учётной записи на {server}:\n\n\
            {link}\n\nСсылка действует один час и один раз. На всех ваших устройствах потребуется войти заново. Если вы \
            об этом не просили, не обращайте внимания на это письмо: пароль останется прежним.\n",
    },
};

const ZH: Words = Words {
    verify: Letter {
        subject: "{server}：请确认您的电子邮箱",
        text: "{name}，您好：\n\n请确认这是您在 {server} 使用的电子邮箱：\n\n{link}\n\n\
            链接 24 小时内有效。如果不是您本人的操作，请忽略此邮件。\n",
    },
    taken: Letter {
        subject: "{server}：此电子邮箱已被使用",
        text: "您好：\n\n有人想在 {server} 的账号中使用此电子邮箱，但它已属于另一个账号。\
            如果是您本人，请登录那个账号，或为它申请新密码。\n",
    },
    reset: Letter {
        subject: "{server}：设置新密码",
        text: "{name}，您好：\n\n您可以在这里为 {server} 的账号设置新密码：\n\n{link}\n\n\
            链接一小时内有效，且只能使用一次。您的所有设备都需要重新登录。\
            如果不是您本人的操作，请忽略此邮件，密码不会改变。\n",
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_the_same() {
        for words in [&EN, &RU, &ZH] {
            for (letter, marks) in [
                (&words.verify, &["{name}", "{link}"][..]),
                (&words.taken, &[]),
                (&words.reset, &["{name}", "{link}"]),
            ] {
                assert!(letter.subject.contains("{server}") && letter.text.contains("{server}"));
                for mark in ["{name}", "{link}"] {
                    assert_eq!(
                        letter.text.contains(mark),
                        marks.contains(&mark),
                        "{}",
                        letter.text
                    );
                }
                assert!(!letter.text.contains("  "), "{}", letter.text);
            }
        }
    }

    #[test]
    fn a_language_is_found_by_its_tag() {
        assert_eq!(of("ru-RU").reset.subject, RU.reset.subject);
        assert_eq!(of("zh-Hans-CN").reset.subject, ZH.reset.subject);
        assert_eq!(of("de").reset.subject, EN.reset.subject);
        assert_eq!(of("").reset.subject, EN.reset.subject);
    }
}
