//! The tables, built up step by step. A step that was released is never changed.
//!
//! A step is one text for both databases. Its types are BIGINT, TEXT, BOOLEAN, and what each database calls
//! otherwise: `{ID}` for a key that counts up by itself, `{BLOB}` for bytes. `{CLUSTERED}` behind a table keeps its
//! rows in the order of their key, where the database can. `{MESSAGE_INDEX}` is the table of the search index.

use super::{postgres, sqlite};
use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Step {
                name: "0001_start",
                sql: include_str!("migrations/0001_start.sql"),
            }),
            Box::new(Step {
                name: "0002_webhooks",
                sql: include_str!("migrations/0002_webhooks.sql"),
            }),
            Box::new(Step {
                name: "0003_apps",
                sql: include_str!("migrations/0003_apps.sql"),
            }),
            Box::new(Step {
                name: "0004_statistics",
                sql: include_str!("migrations/0004_statistics.sql"),
            }),
            Box::new(Step {
                name: "0010_groups",
                sql: include_str!("migrations/0010_groups.sql"),
            }),
            Box::new(Step {
                name: "0015_messages",
                sql: include_str!("migrations/0015_messages.sql"),
            }),
            Box::new(Step {
                name: "0025_people",
                sql: include_str!("migrations/0025_people.sql"),
            }),
            Box::new(Step {
                name: "0030_mentions",
                sql: include_str!("migrations/0030_mentions.sql"),
            }),
            Box::new(Step {
                name: "0032_attachments",
                sql: include_str!("migrations/0032_attachments.sql"),
            }),
            Box::new(Step {
                name: "0033_search",
                sql: include_str!("migrations/0033_search.sql"),
            }),
            Box::new(Step {
                name: "0034_proofs",
                sql: include_str!("migrations/0034_proofs.sql"),
            }),
            Box::new(Step {
                name: "0035_push",
                sql: include_str!("migrations/0035_push.sql"),
            }),
            Box::new(Step {
                name: "0036_moderation",
                sql: include_str!("migrations/0036_moderation.sql"),
            }),
            Box::new(Step {
                name: "0037_receipt_times",
                sql: include_str!("migrations/0037_receipt_times.sql"),
            }),
            Box::new(Step {
                name: "0038_held_activity",
                sql: include_str!("migrations/0038_held_activity.sql"),
            }),
            Box::new(Step {
                name: "0039_changed",
                sql: include_str!("migrations/0039_changed.sql"),
            }),
        ]
    }
}

struct Step {
    name: &'static str,
    sql: &'static str,
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let types: &[(&str, &str)] = match manager.get_database_backend() {
            DbBackend::Postgres => &postgres::TYPES,
            _ => &sqlite::TYPES,
        };
        let mut sql = self.sql.to_owned();
        for (name, here) in types {
            sql = sql.replace(name, here);
        }
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
