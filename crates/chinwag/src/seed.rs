//! `chinwag seed`: a store full of made-up conversations.

use std::sync::Arc;

use anyhow::{Context, ensure};
use chinwag_backends::SqlStore;
use chinwag_messenger::seed::{self, Plan};
use chinwag_messenger::store::Accounts;
use chinwag_messenger::{Messenger, Timestamp};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::Config;
use crate::wire;

/// How much.
#[derive(Debug, Args)]
pub(crate) struct SeedCommand {
    /// Messages in all. People and conversations follow: 2,000 and 5,000 for a million.
    #[arg(long, default_value_t = 10_000)]
    messages: usize,
    /// So many of them in one conversation.
    #[arg(long, default_value_t = 0)]
    one_conversation: usize,
    /// The same number yields the same store.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Add to a store that holds something already.
    #[arg(long)]
    append: bool,
}

/// Fills the store, which no server may be using.
///
/// # Errors
/// When it is not empty and nothing is to be added, or cannot be used.
pub(crate) fn run(config: &Config, command: &SeedCommand) -> anyhow::Result<()> {
    ensure!(
        command.one_conversation <= command.messages,
        "one conversation cannot have more messages than all"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = wire::open_store(config).await?;
        let _lock = wire::lock(&config.data_dir)?;
        let messenger = wire::messenger_with_files(config, &store)?;
        let filled = fill(&store, &messenger, command).await;
        let closed = store.close().await.context("closing the store");
        filled.and(closed)
    })
}

async fn fill(store: &Arc<SqlStore>, messenger: &Messenger, command: &SeedCommand) -> anyhow::Result<()> {
    let accounts = store.all_accounts().await?.len();
    ensure!(
        accounts == 0 || command.append,
        "the store is not empty; --append adds to it"
    );
    let plan = Plan {
        one_conversation: command.one_conversation,
        seed: command.seed,
        accounts,
        ..Plan::of(command.messages, Timestamp::now())
    };
    let bar = bar(command.messages as u64, "messages");
    seed::fill(messenger, &plan, |sent| bar.set_position(sent as u64)).await?;
    bar.finish();
    bar_while_indexing(store).await
}

async fn bar_while_indexing(store: &SqlStore) -> anyhow::Result<()> {
    let waiting = store.not_indexed().await?;
    let bar = bar(waiting, "indexed");
    while let left @ 1.. = store.index_more().await? {
        bar.set_position(waiting.saturating_sub(left));
    }
    bar.set_position(waiting);
    bar.finish();
    Ok(())
}

fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {msg}, {per_sec}, {eta}");
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    // The template is ours and never faulty.
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Sources};

    fn config(folder: &tempfile::TempDir) -> Config {
        let given = [("data_dir", folder.path().display().to_string())];
        config::read(&Sources {
            given: &given,
            environment: std::collections::BTreeMap::new(),
            file: None,
        })
        .unwrap()
    }

    #[test]
    fn a_store_that_holds_something_is_filled_only_when_that_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        let command = |append| SeedCommand {
            messages: 300,
            one_conversation: 0,
            seed: 1,
            append,
        };
        let accounts = || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let store = wire::open_store(&config).await.unwrap();
                let accounts = store.all_accounts().await.unwrap().len();
                store.close().await.unwrap();
                accounts
            })
        };
        run(&config, &command(false)).unwrap();
        assert_eq!(accounts(), 50);
        let refused = run(&config, &command(false)).unwrap_err();
        assert!(refused.to_string().contains("--append"), "{refused}");
        assert_eq!(accounts(), 50);
        run(&config, &command(true)).unwrap();
        assert_eq!(accounts(), 100);
        let too_many = SeedCommand {
            one_conversation: 301,
            ..command(true)
        };
        assert!(run(&config, &too_many).is_err());
        assert!(
            config.files_dir.read_dir().unwrap().count() > 1,
            "there are files"
        );
    }
}
