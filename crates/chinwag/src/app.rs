//! `chinwag app …`: applications from the command line, beside a running server or without one.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use chinwag_engine::AppRecord;
use chinwag_server::apps::{AppAdmin, AppSettings};
use clap::Subcommand;

/// What to do with applications.
#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Create an application and print its key and secret, which is shown only now.
    Add {
        /// Its id: 1 to 64 of a–z, A–Z, 0–9, hyphen and underscore.
        id: String,
    },
    /// List the applications of the store; those of the settings file are not among them.
    List,
    /// Give an application a new key and secret, and print them. Those before stay valid for a while.
    Rotate {
        /// Its id.
        id: String,
        /// How long the keys before stay valid: 90s, 15m, 24h, 7d, or 0s for not at all.
        #[arg(long, default_value = "24h", value_parser = duration)]
        keep: Duration,
    },
    /// Remove an application. Its clients are sent away for good.
    Remove {
        /// Its id.
        id: String,
    },
}

/// Carries the command out and says on standard output what was done.
pub(crate) async fn run(command: AppCommand, apps: &AppAdmin) -> anyhow::Result<()> {
    let text = match command {
        AppCommand::Add { id } => {
            let app = apps.create(&id, &AppSettings::default()).await;
            keys(&app.with_context(|| format!("app {id:?}"))?)
        }
        AppCommand::List => table(&apps.list().await?),
        AppCommand::Rotate { id, keep } => {
            let app = apps.rotate(&id, keep).await;
            keys(&app.with_context(|| format!("app {id:?}"))?)
        }
        AppCommand::Remove { id } => {
            let removed = apps.remove(&id).await;
            removed.with_context(|| format!("app {id:?}"))?;
            format!("App {id} is removed.\n")
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// The newest key pair, in the form that settings of applications often have.
fn keys(app: &AppRecord) -> String {
    let Some(newest) = app.keys.first() else {
        return String::new();
    };
    let (id, pair) = (&app.id, &newest.pair);
    format!(
        "app_id = {id:?}\nkey = {:?}\nsecret = {:?}\n",
        pair.key,
        pair.secret.reveal()
    )
}

/// One line per application: id, state and keys, those that retire in brackets.
fn table(apps: &[AppRecord]) -> String {
    let wide = apps.iter().map(|app| app.id.len()).max().unwrap_or_default();
    let line = |app: &AppRecord| {
        let enabled = AppSettings::parse(&app.settings).map(|settings| settings.enabled != Some(false));
        let state = match enabled {
            Ok(true) => "enabled",
            Ok(false) => "disabled",
            Err(_) => "damaged",
        };
        let keys: Vec<String> = app
            .keys
            .iter()
            .map(|key| match key.retires_ms {
                None => key.pair.key.clone(),
                Some(_) => format!("({})", key.pair.key),
            })
            .collect();
        format!("{:<wide$}  {state:<8}  {}\n", app.id, keys.join(" "))
    };
    apps.iter().map(line).collect()
}

/// A number and its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let wanted = || "a number and a unit are wanted: 90s, 15m, 24h, 7d".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wanted()),
    };
    let number: u32 = digits.parse().map_err(|_| wanted())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    async fn admin(folder: &tempfile::TempDir) -> (Arc<chinwag_backends::SqlStore>, AppAdmin) {
        let path = folder.path().join("chinwag.sqlite");
        let store = Arc::new(chinwag_backends::SqlStore::open(&path).await.unwrap());
        (store.clone(), AppAdmin::new(store, ["taken".to_owned()]))
    }

    #[tokio::test]
    async fn apps_are_added_listed_given_new_keys_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (store, apps) = admin(&folder).await;
        let do_it = async |command| run(command, &apps).await;
        let id = || "7".to_owned();
        do_it(AppCommand::Add { id: id() }).await.unwrap();
        for taken in ["7", "taken", "a b", ""] {
            let id = taken.to_owned();
            assert!(do_it(AppCommand::Add { id }).await.is_err(), "{taken:?}");
        }
        let keep = Duration::from_secs(60);
        do_it(AppCommand::Rotate { id: id(), keep }).await.unwrap();
        do_it(AppCommand::List).await.unwrap();
        let listed = apps.list().await.unwrap();
        let text = table(&listed);
        let (new, old) = (&listed[0].keys[0].pair, &listed[0].keys[1].pair);
        assert_eq!(text, format!("7  enabled   {} ({})\n", new.key, old.key));
        for pair in [new, old] {
            assert!(!text.contains(pair.secret.reveal()));
        }
        assert!(keys(&listed[0]).contains(new.secret.reveal()));
        do_it(AppCommand::Remove { id: id() }).await.unwrap();
        assert!(do_it(AppCommand::Remove { id: id() }).await.is_err());
        assert!(do_it(AppCommand::Rotate { id: id(), keep }).await.is_err());
        assert_eq!(table(&apps.list().await.unwrap()), "");
        store.close().await.unwrap();
    }

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let seconds = |text| duration(text).ok().map(|duration| duration.as_secs());
        for (text, want) in [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("24h", Some(86_400)),
            ("7d", Some(604_800)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("h", None),
            ("-1h", None),
            ("1.5h", None),
            ("1w", None),
            ("5ü", None),
        ] {
            assert_eq!(seconds(text), want, "{text:?}");
        }
    }
}
