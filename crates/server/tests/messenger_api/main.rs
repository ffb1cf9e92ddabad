//! The messenger's REST API as its clients see it: the router in process, over a real SQLite store.

mod realtime;
mod refusals;
mod shapes;
mod support;
