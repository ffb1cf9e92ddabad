//! Accounts.
#![allow(unreachable_pub, reason = "the derive makes its types public")]

use sea_orm::entity::prelude::*;

/// A row of `account`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub username: String,
    pub display_name: String,
    pub password_hash: String,
    pub kind: i64,
    pub server_role: i64,
    pub suspended: bool,
    pub deleted_at: Option<i64>,
    pub locale: String,
    pub user_rev: i64,
    pub last_seen_at: Option<i64>,
    pub created_at: i64,
    pub avatar_id: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
