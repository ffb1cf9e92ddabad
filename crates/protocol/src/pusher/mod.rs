//! The Pusher Channels protocol, version 7, and its HTTP API: what pusher-js, laravel-echo and the server SDKs of
//! Pusher speak, and with them Laravel Reverb and Soketi.

pub mod api;
pub mod auth;
mod channel;
mod client_event;
mod connection;
mod error;
mod handshake;
mod message;
mod rate;
mod refused;
mod subscription;
mod users;
pub mod webhook;

pub use channel::{Kind, NameError, cache_namespaces, check_name, check_name_leniently};
pub use connection::Pusher;
pub use error::Refusal;
pub use handshake::Handshake;
pub use message::WIRE;
pub use rate::Bucket;
pub use refused::{Refused, is_refusal, refused};
