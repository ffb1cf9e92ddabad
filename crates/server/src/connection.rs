//! A connection: joins a socket, its WebSocket, its protocol's machine and the engine.
//!
//! It belongs to one worker thread. Two things touch it there, never at the same time: its own task, which reads
//! and carries out calls, and the worker, which hands it deliveries and wakes it. Both write what is to be written
//! themselves; the task is woken for writing only when the socket took less than there was.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use chinwag_engine::{Answer, App, Call, ConnectionId, Content, Slot};
use chinwag_protocol::pusher::{is_refusal, refused};
use chinwag_protocol::{Close, Connection as Machine, Effect, Input, Millis};

use crate::traffic::{Counted, Ended, Entry, EntryKind};
use crate::transport::Transport;
use crate::websocket::{Flushed, Incoming, WebSocket};
use crate::worker::{Worker, WorkerOptions};

/// How long a closed connection may take to read what was sent to it and to answer.
const CLOSING_MS: Millis = 5_000;
const TOO_SLOW: Close = Close {
    code: 4100,
    reason: "Reading too slowly",
};

/// What a worker holds of one connection.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) app: Arc<App>,
    pub(crate) slot: Slot,
    pub(crate) generation: u32,
    /// The tick of its entry in the wheel; 0 for none.
    pub(crate) armed: Cell<u64>,
    /// Whether it is in the worker's list of those to be written.
    pub(crate) touched: Cell<bool>,
    counted: Rc<Counted>,
    /// Why it ends, once it does.
    ended: Cell<Ended>,
    waker: RefCell<Option<Waker>>,
    inner: RefCell<Inner>,
}

struct Inner {
    stream: Transport,
    socket: WebSocket,
    machine: Box<dyn Machine>,
    phase: Phase,
    /// The socket took less than there was.
    blocked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// A close frame is on its way; the socket is given up when the client answers, or at this time.
    Closing(Millis),
    Gone,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        app: Arc<App>,
        slot: Slot,
        generation: u32,
        stream: Transport,
        machine: Box<dyn Machine>,
        counted: Rc<Counted>,
    ) -> Self {
        let socket = WebSocket::new(app.options.message_bytes_max);
        Self {
            id,
            app,
            slot,
            generation,
            armed: Cell::new(0),
            touched: Cell::new(false),
            counted,
            ended: Cell::new(Ended::Gone),
            waker: RefCell::new(None),
            inner: RefCell::new(Inner {
                stream,
                socket,
                machine,
                phase: Phase::Open,
                blocked: false,
            }),
        }
    }

    /// When the worker is to wake it.
    pub(crate) fn wake_at(&self) -> Millis {
        let inner = self.inner.borrow();
        match inner.phase {
            Phase::Open => inner.machine.wake_at(),
            Phase::Closing(at) => at,
            Phase::Gone => Millis::MAX,
        }
    }

    /// Hands something to the machine and queues what it sends. Returns the calls it asks for.
    pub(crate) fn input(&self, now: Millis, input: Input<'_>, options: &WorkerOptions) -> Option<Call> {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        match inner.phase {
            Phase::Open => {}
            Phase::Closing(at) => {
                if now >= at && matches!(input, Input::Wake) {
                    inner.phase = Phase::Gone;
                    self.wake();
                }
                return None;
            }
            Phase::Gone => return None,
        }
        let mut effects = EFFECTS.take();
        let is_delivery = matches!(input, Input::Delivery(..));
        let ended = ended_by(&input);
        let (mut sent, mut sent_bytes, mut refusal) = (0, 0, None);
        inner.machine.input(now, input, &mut effects);
        let mut call = None;
        for effect in effects.drain(..) {
            match effect {
                Effect::Send(frame) => {
                    if !is_delivery && is_refusal(&frame.payload()) {
                        refusal = Some(frame.clone());
                    }
                    let (first, second) = frame.into_parts();
                    (sent, sent_bytes) = (sent + 1, sent_bytes + (first.len() + second.len()) as u64);
                    inner.socket.push_parts(first, second);
                }
                Effect::Call(asked) => {
                    debug_assert!(call.is_none(), "a machine asks for one thing at a time");
                    call = Some(asked);
                }
                Effect::Close(close) => {
                    self.ended.set(ended);
                    inner.close(now, close);
                }
            }
        }
        EFFECTS.set(effects);
        self.counted.own.messages_sent.add(sent);
        self.counted.own.bytes_sent.add(sent_bytes);
        if let Some(frame) = refusal {
            // Two frames may tell one refusal.
            self.counted.own.refusals.add(1);
            self.note_refusal(&frame.payload());
        }
        if inner.phase == Phase::Open && inner.socket.queued_bytes() > options.queue_bytes_max {
            inner.socket.drop_queue();
            self.ended.set(Ended::Slow);
            inner.close(now, TOO_SLOW);
        }
        call
    }

    /// Writes what waits. When the socket takes less, the connection's own task goes on once it takes more.
    pub(crate) fn flush(&self) {
        let mut inner = self.inner.borrow_mut();
        if inner.blocked || inner.phase == Phase::Gone {
            return;
        }
        match inner.flush() {
            Flushed::All => {}
            Flushed::Blocked => {
                inner.blocked = true;
                self.wake();
            }
            Flushed::Gone => {
                inner.phase = Phase::Gone;
                self.wake();
            }
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Waits until there is something to read, writing meanwhile what waits, and appends the messages in it.
    /// `false`: the connection is over.
    async fn read(&self, worker: &Worker, messages: &mut Vec<Incoming>) -> bool {
        poll_fn(|context| worker.with_read_buffer(|buffer| self.poll_read(context, buffer, messages))).await
    }

    fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
        messages: &mut Vec<Incoming>,
    ) -> Poll<bool> {
        let mut waker = self.waker.borrow_mut();
        if waker
            .as_ref()
            .is_none_or(|known| !known.will_wake(context.waker()))
        {
            *waker = Some(context.waker().clone());
        }
        drop(waker);
        let mut inner = self.inner.borrow_mut();
        while inner.blocked {
            match inner.stream.poll_write_ready(context) {
                Poll::Pending => break,
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Ready(Ok(())) => match inner.flush() {
                    Flushed::All => inner.blocked = false,
                    Flushed::Blocked => {}
                    Flushed::Gone => inner.phase = Phase::Gone,
                },
            }
            if inner.phase == Phase::Gone {
                break;
            }
        }
        if inner.phase == Phase::Gone {
            return Poll::Ready(false);
        }
        let length = match ready!(inner.stream.poll_read(context, buffer)) {
            Ok(0) | Err(_) => return Poll::Ready(false),
            Ok(length) => length,
        };
        self.counted.own.bytes_received.add(length as u64);
        inner.socket.take_in(&buffer[..length], messages);
        Poll::Ready(true)
    }
}

/// What the live log is told, when somebody watches it.
impl Connection {
    fn entry<'a>(&self, kind: EntryKind) -> Entry<'a> {
        Entry::new(kind, self.app.number).of(self.id)
    }

    fn note_refusal(&self, payload: &[u8]) {
        if !self.counted.log.is_watched() {
            return;
        }
        let Some(refused) = refused(payload) else { return };
        self.counted.log.note(|| {
            let entry = self.entry(EntryKind::Refusal).detail(&refused.text);
            match &refused.channel {
                Some(channel) => entry.on(channel),
                None => entry,
            }
        });
    }

    fn note_call(&self, call: &Call) {
        let log = &self.counted.log;
        match call {
            Call::Unsubscribe { channel } => {
                log.note(|| self.entry(EntryKind::Unsubscribed).on(channel.as_str()));
            }
            Call::Publish(publication) => {
                self.counted.own.client_events.add(1);
                let Content::Message { event, data } = &publication.content else {
                    return;
                };
                log.note(|| {
                    let entry = self
                        .entry(EntryKind::ClientEvent)
                        .on(publication.channel.as_str());
                    entry.event(event.as_deref().unwrap_or_default(), data)
                });
            }
            _ => {}
        }
    }

    fn note_answer(&self, answer: &Answer) {
        let log = &self.counted.log;
        if let Answer::Subscribed(subscribed) = answer {
            log.note(|| self.entry(EntryKind::Subscribed).on(subscribed.channel.as_str()));
        }
    }
}

/// Why a connection ends when its machine closes it upon this.
fn ended_by(input: &Input<'_>) -> Ended {
    match input {
        Input::Wake => Ended::Silent,
        Input::Stop => Ended::Stopping,
        Input::Opened
        | Input::Text(_)
        | Input::Binary(_)
        | Input::Control
        | Input::Delivery(..)
        | Input::Answer(_) => Ended::Refused,
        _ => Ended::Ordered,
    }
}

impl Inner {
    fn flush(&mut self) -> Flushed {
        self.socket.flush(&mut self.stream)
    }

    fn close(&mut self, now: Millis, close: Close) {
        self.socket.close(close);
        self.phase = Phase::Closing(now + CLOSING_MS);
    }
}

thread_local! {
    static EFFECTS: Cell<Vec<Effect>> = const { Cell::new(Vec::new()) };
}

/// The task of a connection: from its first frame until it is gone from everything.
///
/// `answer` is what the client is still to be told of its handshake; it goes out with what the machine says first.
pub(crate) async fn run(connection: Rc<Connection>, worker: Rc<Worker>, answer: Bytes, read_ahead: Bytes) {
    let mut messages = Vec::new();
    if !answer.is_empty() {
        connection.inner.borrow_mut().socket.push(answer);
    }
    let (counted, opened_at) = (connection.counted.clone(), worker.now());
    counted.opened();
    talk(&connection, &worker, Input::Opened).await;
    if connection.inner.borrow().phase == Phase::Open {
        counted.log.note(|| connection.entry(EntryKind::Connection));
    }
    if !read_ahead.is_empty() {
        connection
            .inner
            .borrow_mut()
            .socket
            .take_in(&read_ahead, &mut messages);
    }
    // Even when it is empty it holds the whole buffer that the handshake was read into.
    drop(read_ahead);
    loop {
        let alive = listen(&connection, &worker, &mut messages).await;
        connection.flush();
        worker.arm(&connection);
        if !alive || !connection.read(&worker, &mut messages).await {
            break;
        }
    }
    {
        let mut inner = connection.inner.borrow_mut();
        inner.phase = Phase::Gone;
        inner.stream.say_goodbye();
    }
    let ended = connection.ended.get();
    counted.closed(ended);
    if counted.log.is_watched() {
        let detail = format!("{}, after {} s", ended.name(), (worker.now() - opened_at) / 1_000);
        counted
            .log
            .note(|| connection.entry(EntryKind::Disconnection).detail(&detail));
    }
    worker.forget(&connection).await;
}

/// Takes in what was read. `false`: the connection is over.
async fn listen(connection: &Rc<Connection>, worker: &Rc<Worker>, messages: &mut Vec<Incoming>) -> bool {
    let counted = &connection.counted.own;
    for message in std::mem::take(messages) {
        if matches!(message, Incoming::Text(_) | Incoming::Binary(_)) {
            counted.frames_received.add(1);
        }
        match message {
            Incoming::Text(text) => talk(connection, worker, Input::Text(&text)).await,
            Incoming::Binary(bytes) => talk(connection, worker, Input::Binary(&bytes)).await,
            Incoming::Control => talk(connection, worker, Input::Control).await,
            Incoming::Broken(close) => {
                let now = worker.now();
                let mut inner = connection.inner.borrow_mut();
                // What comes after that is read and thrown away until the client answers or its time is up:
                // closing over unread bytes would reset the connection and take the close frame with it.
                if inner.phase == Phase::Open {
                    connection.ended.set(Ended::Broken);
                    inner.close(now, close);
                }
            }
            Incoming::Closed => return false,
        }
    }
    true
}

/// Hands something to the machine and carries out what it asks for, until it asks for nothing.
async fn talk(connection: &Rc<Connection>, worker: &Rc<Worker>, input: Input<'_>) {
    let mut call = connection.input(worker.now(), input, &worker.options);
    while let Some(asked) = call {
        connection.note_call(&asked);
        // Boxed, so that a connection that asks for nothing does not keep room for it.
        let mut answer = Box::pin(carry_out(connection, worker, asked));
        // What was said before the call must not wait for a call that takes long.
        let first = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
        let answer = match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                connection.flush();
                answer.await
            }
        };
        if let Some(answer) = &answer {
            connection.note_answer(answer);
        }
        call =
            answer.and_then(|answer| connection.input(worker.now(), Input::Answer(answer), &worker.options));
    }
}

async fn carry_out(connection: &Rc<Connection>, worker: &Rc<Worker>, call: Call) -> Option<Answer> {
    let (engine, app) = (&worker.engine, &connection.app);
    match call {
        Call::Subscribe {
            channel,
            member,
            mut beginning,
        } => {
            let present = member.is_some();
            let new = worker
                .hub
                .borrow_mut()
                .subscribe(connection.slot, app.number, &channel, present);
            let subscribed = if new {
                engine
                    .subscribe(worker.number, connection.id, app, &channel, member, beginning)
                    .await
            } else {
                beginning.roster |= present;
                engine.resubscribe(app.number, &channel, beginning).await
            };
            Some(match subscribed {
                Ok(subscribed) => Answer::Subscribed(subscribed),
                Err(why) => {
                    // One that was there before stays, and is seen to when the connection goes.
                    if new {
                        worker
                            .hub
                            .borrow_mut()
                            .unsubscribe(connection.slot, app.number, &channel);
                    }
                    Answer::SubscribeRefused { channel, why }
                }
            })
        }
        Call::Unsubscribe { channel } => {
            let was = worker
                .hub
                .borrow_mut()
                .unsubscribe(connection.slot, app.number, &channel);
            if let Some(present) = was {
                engine
                    .unsubscribe(worker.number, connection.id, app.number, &channel, present)
                    .await;
            }
            None
        }
        Call::Publish(publication) => engine
            .publish_of_client(publication)
            .await
            .err()
            .map(|_| Answer::PublishRefused),
    }
}
