//! The messenger's REST API as its clients see it: the router in process, over a real SQLite store.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod apps;
mod changes;
mod contract;
mod conventions;
mod departures;
mod devices;
mod events;
mod forwards;
mod groups;
mod hides;
mod limits;
mod lists;
mod mail;
mod media;
mod mentions;
mod moderation;
mod people;
mod pins;
mod push;
mod realtime;
mod receipts;
mod refusals;
mod scenarios;
mod search;
mod second_factor;
mod seed;
mod shapes;
mod smtp;
mod support;
mod threads;
mod typing;
