//! The commands that write a whole store into a file and read it back.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;

use anyhow::Context;
use chinwag_backends::DiskBlobs;

use crate::config::Config;
use crate::wire;

/// What to do with which file.
pub(crate) enum Archive {
    Export(PathBuf),
    Import(PathBuf),
}

/// Does it.
///
/// # Errors
/// When the store or the file cannot be used, or do not fit.
pub(crate) fn run(config: &Config, archive: &Archive) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = wire::open_store(config).await?;
        let files = DiskBlobs::open(&config.files_dir)
            .with_context(|| format!("using the folder for files {}", config.files_dir.display()))?;
        let done = match archive {
            Archive::Export(path) => {
                let file = File::create_new(path).with_context(|| format!("creating {}", path.display()))?;
                let exported = store.export(BufWriter::new(&file), Some(&files)).await;
                let kept = exported
                    .map_err(anyhow::Error::from)
                    .and_then(|()| Ok(file.sync_all()?));
                if kept.is_err() {
                    // Half an archive is of no use; that it cannot be removed is not what matters now.
                    let _ = std::fs::remove_file(path);
                }
                kept.with_context(|| format!("writing {}", path.display()))
            }
            Archive::Import(path) => {
                let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
                let _lock = wire::lock(&config.data_dir)?;
                let imported = store.import(BufReader::new(file), Some(files)).await;
                imported.with_context(|| format!("reading {}", path.display()))
            }
        };
        let closed = store.close().await.context("closing the store");
        done.and(closed)
    })
}
