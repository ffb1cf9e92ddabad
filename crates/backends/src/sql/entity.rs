//! Tables as entities, for the ordinary queries.

pub(crate) mod account;
pub(crate) mod account_key;
pub(crate) mod login;
