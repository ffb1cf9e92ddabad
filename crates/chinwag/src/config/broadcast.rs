//! The tables `[[broadcast.rule]]` of the settings file: who may join channels of the operator's own.

use chinwag_server::laravel::ChannelRule;
use serde::Deserialize;

use super::Sources;

/// What stands about them in the example file.
pub(super) const EXAMPLE: &str = r#"
# Who may join private and presence channels of your own, as in routes/channels.php; may come several times. The rules
# are tried in this order, after those for the messenger's own channels. `{name}` stands for anything but dots.
# allow: "any" (who is logged in), "user:{name}" (whose id it is), "member:{name}" (of the conversation with this id),
# "role:admin", "role:owner", or "webhook", which asks your application at url. A rule that refuses is the last word.
# app: the id of the app whose channels they are; without one, the messenger's.
# [[broadcast.rule]]
# pattern = "orders.{order}"
# allow = "webhook"
# url = "https://app.example.org/api/channel-auth"
# app = "app"
"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    pattern: String,
    allow: String,
    url: Option<String>,
    app: Option<String>,
}

/// Reads them. A file that is no TOML is told of elsewhere.
pub(super) fn read(sources: &Sources<'_>, faults: &mut Vec<String>) -> Vec<ChannelRule> {
    let Some((path, text)) = &sources.file else {
        return Vec::new();
    };
    let Ok(table) = text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let rules = match table.get("broadcast").and_then(|table| table.get("rule")) {
        None => return Vec::new(),
        Some(toml::Value::Array(rules)) => rules.clone(),
        Some(_) => {
            let fault = "broadcast.rule: tables are wanted: [[broadcast.rule]]";
            faults.push(format!("{}: {fault}", path.display()));
            return Vec::new();
        }
    };
    let mut read = Vec::with_capacity(rules.len());
    for (index, rule) in rules.into_iter().enumerate() {
        let rule = rule
            .try_into::<Rule>()
            .map_err(|error| error.message().to_owned());
        let rule = rule.and_then(|rule| {
            ChannelRule::new(
                &rule.pattern,
                &rule.allow,
                rule.url.as_deref(),
                rule.app.as_deref(),
            )
            .map_err(|error| error.to_string())
        });
        match rule {
            Ok(rule) => read.push(rule),
            Err(fault) => faults.push(format!("{}: broadcast.rule[{index}]: {fault}", path.display())),
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::super::{Faults, Sources, example, read};
    use std::collections::BTreeMap;
    use std::path::Path;

    fn rules(file: &str) -> Result<usize, Vec<String>> {
        let read = read(&Sources {
            given: &[],
            environment: BTreeMap::new(),
            file: Some((Path::new("chinwag.toml"), file.to_owned())),
        });
        read.map(|config| config.channel_rules.len())
            .map_err(|Faults(faults)| faults)
    }

    #[test]
    fn rules_are_read_and_faults_told_with_their_place() {
        let file = r#"
            [[broadcast.rule]]
            pattern = "orders.{order}"
            allow = "webhook"
            url = "https://app.example/auth"
            app = "shop"
            [[broadcast.rule]]
            pattern = "lobby"
            allow = "any"
        "#;
        assert_eq!(rules(file), Ok(2));
        let faults = rules(
            r#"
            [[broadcast.rule]]
            pattern = "private-orders"
            allow = "any"
            [[broadcast.rule]]
            pattern = "orders"
            allow = "any"
            colour = "red"
            [[broadcast.rule]]
            pattern = "orders"
        "#,
        )
        .unwrap_err();
        let parts = [
            "broadcast.rule[0]: pattern",
            "broadcast.rule[1]: unknown field `colour`",
            "broadcast.rule[2]: missing field `allow`",
        ];
        assert_eq!(faults.len(), parts.len(), "{faults:?}");
        for part in parts {
            assert!(faults.iter().any(|fault| fault.contains(part)), "{faults:?}");
        }
        assert!(rules("[broadcast]\nrule = 5").is_err());
        assert!(rules("[broadcast]\nrules = []").is_err());
    }

    #[test]
    fn the_rule_of_the_example_file_is_a_rule() {
        let example = example();
        let (_, rule) = example.split_once("# [[broadcast.rule]]").unwrap();
        let rule = rule.replace("\n# ", "\n");
        assert_eq!(rules(&format!("[[broadcast.rule]]{rule}")), Ok(1), "{rule}");
    }
}
