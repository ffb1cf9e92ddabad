//! Tables of the settings file that may come several times: `[[apps]]` and `[[app.webhooks]]`.

use std::collections::HashSet;

use chinwag_engine::{AppOptions, KeyPair, Secret, Webhook};
use chinwag_server::apps::AppSettings;
use serde_json::{Map, Value, json};

use super::{MESSENGER_APP, Sources};

/// An app of the settings file, beside the one of `[app]`.
#[derive(Debug, Clone)]
pub(crate) struct FileApp {
    /// Its public id.
    pub(crate) id: String,
    /// Its key pairs, the main one first.
    pub(crate) keys: Vec<KeyPair>,
    /// What it allows.
    pub(crate) options: AppOptions,
}

/// What there is of them.
#[derive(Default)]
pub(super) struct FileApps {
    pub(super) apps: Vec<FileApp>,
    /// Webhooks of the app of `[app]`.
    pub(super) webhooks: Vec<Webhook>,
}

/// Whether the key is one of tables, which the table of settings knows nothing of.
pub(super) fn is_read_here(key: &str) -> bool {
    ["apps", "app.webhooks", "broadcast.rule"].contains(&key)
}

/// Reads them. A file that is no TOML is told of elsewhere.
pub(super) fn read(sources: &Sources<'_>, faults: &mut Vec<String>) -> FileApps {
    let mut read = FileApps::default();
    let Some((path, text)) = &sources.file else {
        return read;
    };
    let Ok(table) = text.parse::<toml::Table>() else {
        return read;
    };
    let mut fault = |place: &str, text: &str| faults.push(format!("{}: {place}: {text}", path.display()));
    if let Some(webhooks) = table.get("app").and_then(|app| app.get("webhooks")) {
        let fields = Map::from_iter([("webhooks".to_owned(), json!(webhooks))]);
        match AppSettings::from_fields(fields).and_then(|settings| settings.options()) {
            Ok(options) => read.webhooks = options.webhooks,
            Err(error) => fault("app", &error.to_string()),
        }
    }
    let apps = match table.get("apps").map(|apps| json!(apps)) {
        None => Vec::new(),
        Some(Value::Array(apps)) => apps,
        Some(_) => {
            fault("apps", "tables are wanted: [[apps]]");
            Vec::new()
        }
    };
    let (mut ids, mut keys) = (HashSet::new(), HashSet::new());
    for (index, app) in apps.into_iter().enumerate() {
        let place = format!("apps[{index}]");
        match file_app(app) {
            Ok(app) if app.id == MESSENGER_APP || !ids.insert(app.id.clone()) => {
                fault(&place, "an id of its own is wanted");
            }
            Ok(app) if !app.keys.iter().all(|pair| keys.insert(pair.key.clone())) => {
                fault(&place, "a key of its own is wanted");
            }
            Ok(app) => read.apps.push(app),
            Err(text) => fault(&place, &text),
        }
    }
    read
}

fn file_app(app: Value) -> Result<FileApp, String> {
    let Value::Object(mut fields) = app else {
        return Err("a table is wanted".to_owned());
    };
    let mut keys = vec![key_pair(&mut fields, "key")?];
    match fields.remove("more_keys") {
        None => {}
        Some(Value::Array(more)) => {
            for pair in more {
                let Value::Object(mut pair) = pair else {
                    return Err("more_keys: tables with key and secret are wanted".to_owned());
                };
                keys.push(key_pair(&mut pair, "more_keys.key")?);
                if let Some(name) = pair.keys().next() {
                    return Err(format!("more_keys.{name}: there is no such setting"));
                }
            }
        }
        Some(_) => return Err("more_keys: a list of tables is wanted".to_owned()),
    }
    let id = text(&mut fields, "id").ok_or("id: it is missing")?;
    let settings = AppSettings::from_fields(fields).map_err(|error| error.to_string())?;
    let options = settings.options().map_err(|error| error.to_string())?;
    Ok(FileApp { id, keys, options })
}

fn key_pair(fields: &mut Map<String, Value>, place: &str) -> Result<KeyPair, String> {
    let (key, secret) = (text(fields, "key"), text(fields, "secret"));
    let (Some(key), Some(secret)) = (key, secret) else {
        return Err(format!("{place}: a key and a secret are wanted"));
    };
    let secret = Secret::new(&secret);
    Ok(KeyPair { key, secret })
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.remove(name)? {
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        // Ids of other servers are often written as numbers.
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Faults, Sources, read};
    use std::collections::BTreeMap;
    use std::path::Path;

    fn of(file: &str) -> Result<Config, Faults> {
        read(&Sources {
            given: &[],
            environment: BTreeMap::new(),
            file: Some((Path::new("chinwag.toml"), file.to_owned())),
        })
    }

    #[test]
    fn a_file_may_have_many_apps_and_webhooks() {
        let config = of(r#"
            webhook_batch = true
            [app]
            connections_max = 3
            [[app.webhooks]]
            url = "https://one.example/hook"
            event_types = ["member_added"]
            [[apps]]
            id = 7
            key = "a"
            secret = "hush"
            more_keys = [{ key = "b", secret = "hush" }]
            client_events = "none"
            [[apps.webhooks]]
            url = "https://two.example/hook"
            headers = { Authorization = "Bearer hush" }
            [[apps]]
            id = "8"
            key = "c"
            secret = "hush"
        "#)
        .unwrap();
        assert!(config.webhook_batch && !config.webhook_private_addresses);
        assert_eq!(config.app.connections_max, 3);
        assert_eq!(config.app.webhooks[0].url, "https://one.example/hook");
        let ids: Vec<_> = config.apps.iter().map(|app| &*app.id).collect();
        assert_eq!(ids, ["7", "8"]);
        let keys: Vec<_> = config.apps[0].keys.iter().map(|pair| &*pair.key).collect();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(config.apps[0].options.webhooks[0].headers.len(), 1);
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn faults_are_told_with_their_place_and_without_secrets() {
        let Faults(faults) = of(r#"
            [[app.webhooks]]
            url = "ftp://hush"
            [[apps]]
            id = "7"
            key = "a"
            secret = "hush"
            colour = "hush"
            [[apps]]
            id = "8"
            key = "b"
            [[apps]]
            id = "9"
            key = "c"
            secret = "hush"
            [[apps]]
            id = "9"
            key = "d"
            secret = "hush"
            [[apps]]
            id = "10"
            key = "c"
            secret = "hush"
            [[apps]]
            id = "messenger"
            key = "e"
            secret = "hush"
        "#)
        .unwrap_err();
        let parts = [
            "app: webhooks[0].url",
            "apps[0]: colour",
            "apps[1]: key",
            "apps[3]: an id",
            "apps[4]: a key",
            "apps[5]: an id",
        ];
        assert_eq!(faults.len(), parts.len(), "{faults:?}");
        for part in parts {
            assert!(
                faults.iter().any(|fault| fault.contains(part)),
                "{part} in {faults:?}"
            );
        }
        assert!(!format!("{faults:?}").contains("hush"), "{faults:?}");
        assert!(of("apps = 5").is_err());
    }
}
