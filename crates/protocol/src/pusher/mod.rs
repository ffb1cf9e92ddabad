//! The Pusher Channels protocol, version 7, and its HTTP API: what pusher-js, laravel-echo and the server SDKs of
//! Pusher speak, and with them Laravel Reverb and Soketi.

pub mod api;
pub mod auth;
mod channel;
mod connection;
mod error;
mod message;
mod refused;

pub use channel::{Kind, NameError, check_name};
pub use connection::{Handshake, Pusher};
pub use error::Refusal;
pub use message::WIRE;
pub use refused::{Refused, is_refusal, refused};
