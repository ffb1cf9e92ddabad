//! Secrets that are generated on first start and kept in the data folder, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The generated secrets. It does not print.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    /// Key of the app that the messenger uses.
    pub(crate) messenger_key: String,
    /// Its secret.
    pub(crate) messenger_secret: String,
    /// Key of your application, unless it is configured.
    pub(crate) app_key: String,
    /// Its secret.
    pub(crate) app_secret: String,
}

impl Secrets {
    /// Reads them from the folder, generating them when there are none.
    ///
    /// # Errors
    /// When the file cannot be read, written or understood.
    pub(crate) fn load(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join("secrets.toml");
        match fs::read_to_string(&path) {
            // What is wrong with it is not told: that would print part of it.
            Ok(text) => toml::from_str(&text)
                .ok()
                .with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::generate(&path),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    fn generate(path: &Path) -> anyhow::Result<Self> {
        let secrets = Self {
            messenger_key: random_hex(10)?,
            messenger_secret: random_hex(32)?,
            app_key: random_hex(10)?,
            app_secret: random_hex(32)?,
        };
        let text = toml::to_string(&secrets).context("writing secrets")?;
        // Written whole under another name first, so that a crash leaves no half of it.
        let partial = path.with_extension("partial");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)
            .with_context(|| format!("creating {}", partial.display()))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .context("writing secrets")?;
        fs::rename(&partial, path).with_context(|| format!("creating {}", path.display()))?;
        Ok(secrets)
    }
}

fn random_hex(bytes: usize) -> anyhow::Result<String> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(hex::encode(buffer))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_generated_once_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secrets::load(folder.path()).unwrap();
        assert_eq!(first.messenger_secret.len(), 64);
        assert_ne!(first.messenger_secret, first.app_secret);
        let second = Secrets::load(folder.path()).unwrap();
        assert_eq!(first.messenger_secret, second.messenger_secret);
        let mode = fs::metadata(folder.path().join("secrets.toml"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_told_of_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secrets.toml"), "messenger_key = \"hush").unwrap();
        let error = Secrets::load(folder.path()).err().expect("refused");
        assert!(!format!("{error:#}").contains("hush"));
    }
}
