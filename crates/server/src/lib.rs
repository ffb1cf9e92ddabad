//! placeholder

pub mod error;
pub mod messenger;
