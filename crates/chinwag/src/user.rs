//! `chinwag user …`: accounts from the command line, beside a running server or without one.

use std::io::{IsTerminal, Write};

use anyhow::{Context, bail, ensure};
use chinwag_messenger::{Account, Messenger, NewAccount, ServerRole};
use clap::{Subcommand, ValueEnum};

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Create an account. Its password is asked for, or read from the first line of standard input.
    Add {
        /// The username: 3 to 32 of a–z, 0–9, dot, underscore and hyphen.
        name: String,
        /// The name shown to others; the username when absent.
        #[arg(long)]
        display_name: Option<String>,
        /// What the account may do on this server. The first account becomes the owner by itself.
        #[arg(long, value_enum)]
        role: Option<RoleName>,
    },
    /// List all accounts.
    List,
    /// Set a new password, read as for `add`, and end all logins of the account.
    Password {
        /// The username.
        name: String,
    },
    /// Take the second factor of an account away, for somebody who has lost it and the recovery codes.
    DropSecondFactor {
        /// The username.
        name: String,
    },
}

/// What an account may do on this server.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleName {
    /// Uses the messenger.
    Member,
    /// Also runs the server.
    Admin,
    /// An administrator who cannot be removed.
    Owner,
}

impl From<RoleName> for ServerRole {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Member => Self::Member,
            RoleName::Admin => Self::Admin,
            RoleName::Owner => Self::Owner,
        }
    }
}

/// Carries the command out and says on standard output what was done.
pub(crate) async fn run(command: UserCommand, messenger: &Messenger) -> anyhow::Result<()> {
    match command {
        UserCommand::Add {
            name,
            display_name,
            role,
        } => {
            let password = read_password()?;
            let new = NewAccount {
                username: name,
                display_name,
                password,
                invite: None,
                device_name: String::new(),
            };
            let account = messenger.add_account(new, role.map(Into::into)).await?;
            say(&format!(
                "Created {} with id {} as {}.",
                account.username.as_str(),
                account.id,
                role_name(&account)
            ))
        }
        UserCommand::List => {
            let accounts = messenger
                .accounts()
                .await
                .context("the accounts cannot be read")?;
            say(&table(&accounts))
        }
        UserCommand::Password { name } => {
            let password = read_password()?;
            if !messenger.set_password(&name, &password).await? {
                bail!("there is no account named {name:?}");
            }
            say("The password is set, and all logins of the account have ended.")
        }
        UserCommand::DropSecondFactor { name } => {
            let accounts = messenger
                .accounts()
                .await
                .context("the accounts cannot be read")?;
            let named = |account: &&Account| {
                account.deleted_at.is_none() && account.username.as_str().eq_ignore_ascii_case(&name)
            };
            let Some(account) = accounts.iter().find(named) else {
                bail!("there is no account named {name:?}");
            };
            match messenger.drop_second_factor(account.id).await? {
                true => say("The second factor is gone; the password alone logs in."),
                false => say("The account has no second factor."),
            }
        }
    }
}

/// Asks twice on a terminal without showing what is typed; else takes the first line of standard input.
///
/// Blocks the thread, which has nothing else to do.
fn read_password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        let password = rpassword::prompt_password("Password: ").context("the password cannot be read")?;
        let again = rpassword::prompt_password("Again: ").context("the password cannot be read")?;
        ensure!(password == again, "the two passwords differ");
        return Ok(password);
    }
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .context("the password cannot be read from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty(), "there is no password on standard input");
    Ok(password.to_owned())
}

fn role_name(account: &Account) -> &'static str {
    match account.server_role {
        ServerRole::Member => "member",
        ServerRole::Admin => "admin",
        ServerRole::Owner => "owner",
    }
}

/// One line per account: id, username, role, state and display name.
fn table(accounts: &[Account]) -> String {
    let wide = accounts
        .iter()
        .map(|account| account.username.as_str().len())
        .max()
        .unwrap_or_default();
    let line = |account: &Account| {
        let state = match (account.deleted_at, account.suspended) {
            (Some(_), _) => "deleted",
            (None, true) => "suspended",
            (None, false) => "active",
        };
        let (id, username, role) = (account.id.0, account.username.as_str(), role_name(account));
        format!(
            "{id:>6}  {username:<wide$}  {role:<6}  {state:<9}  {}",
            account.display_name
        )
    };
    accounts.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if !text.is_empty() {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chinwag_messenger::{AccountKind, Timestamp, UserId, Username};

    #[test]
    fn the_list_has_a_line_per_account() {
        let account = |id: i64, name: &str, server_role, suspended| Account {
            id: UserId(id),
            username: Username::parse(name).unwrap(),
            display_name: format!("The {name}"),
            avatar: None,
            kind: AccountKind::Human,
            server_role,
            suspended,
            deleted_at: None,
            locale: "en".to_owned(),
            user_rev: 0,
            last_seen_at: None,
            created_at: Timestamp(0),
        };
        let accounts = [
            account(1, "sam", ServerRole::Owner, false),
            account(23, "beatrix", ServerRole::Member, true),
        ];
        assert_eq!(
            table(&accounts),
            "     1  sam      owner   active     The sam\n    23  beatrix  member  suspended  The beatrix"
        );
        assert_eq!(table(&[]), "");
    }
}
