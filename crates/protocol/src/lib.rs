//! The wire protocols as state machines: no I/O, no clock, nothing asynchronous.
//!
//! A connection is one machine. What happens to it goes in as an [`Input`], together with the time; what is to be
//! done comes out as [`Effect`]s, to be carried out in order. A machine that asks for something with
//! [`Effect::Call`] gets no further frame until the answer is in, but deliveries at any time.

pub mod frame;
pub mod pusher;

use std::sync::Arc;

use chinwag_engine::{Answer, Call, ChannelName, Delivery, UserId};

pub use frame::Frame;

/// Milliseconds on a clock that never goes back, as given by whoever drives the machine.
pub type Millis = u64;

/// What happens to a connection.
#[derive(Debug)]
pub enum Input<'a> {
    /// It is open. First and once.
    Opened,
    /// A text message arrived.
    Text(&'a str),
    /// A binary message arrived.
    Binary(&'a [u8]),
    /// A WebSocket ping or pong arrived; pings are answered below the protocol.
    Control,
    /// Something was published on this channel, which it is subscribed to.
    Delivery(&'a Arc<Delivery>, &'a ChannelName),
    /// The answer to its call.
    Answer(Answer),
    /// The time it asked for has come, or passed.
    Wake,
    /// It is to be closed for good, by somebody's order.
    Disconnect,
    /// It is to be closed so that its client comes back at once, for it has lost a right.
    Renew,
    /// All connections of this user are to be closed for good. It is not known whether this is one.
    DisconnectUser(&'a UserId),
    /// Its app was switched off or removed.
    AppClosed,
    /// The server stops.
    Stop,
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Send this frame.
    Send(Frame),
    /// Ask the engine.
    Call(Call),
    /// Close the connection with this code; nothing may follow.
    Close(Close),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// Close code (RFC 6455 §7.4 and each protocol's own).
    pub code: u16,
    /// At most 123 bytes.
    pub reason: &'static str,
}

/// A protocol's side of one connection.
pub trait Connection {
    /// Takes in what happened at `now` and adds what is to be done.
    fn input(&mut self, now: Millis, input: Input<'_>, effects: &mut Vec<Effect>);

    /// When it next wants to be woken; `Millis::MAX` for never. May change with every input.
    fn wake_at(&self) -> Millis;
}
