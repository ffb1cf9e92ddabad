//! A worker: one thread that owns its connections, its hub and its inbox. Nothing of a connection is shared.
//!
//! What other threads have for it waits in the inbox and is taken in one go; every connection that a batch touched
//! is then written once, so that a backlog turns into fewer and larger writes by itself.

mod crowd;
mod inbox;

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chinwag_engine::{
    App, AppNumber, ChannelName, ConnectionId, Delivery, Engine, Hub, Inboxed, Slot, UserId, WorkerNumber,
};
use chinwag_protocol::{Connection as Machine, Input, Millis};
use futures_util::FutureExt;
use hashbrown::HashMap;
use parking_lot::Mutex;
use slab::Slab;
use tokio::task::{LocalSet, yield_now};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::task::TaskTracker;

use self::crowd::{CROWD, Crowds};
use self::inbox::{Item, WorkerInbox, weight};
use crate::connection::{self, Connection};
use crate::listen::{FINISH_TIMEOUT, Sockets};
use crate::quota::Admission;
use crate::reception::Reception;
use crate::traffic::{Counted, Traffic};
use crate::transport::{Transport, Uprooted};
use crate::wheel::{Due, TICK_MS, Wheel};

/// Bytes a worker reads at a time. One buffer serves all of its connections.
const READ_BYTES: usize = 64 * 1024;
/// Connections told to go at a time when the server stops, so that they do not all come back at once.
const STOP_BATCH: usize = 500;
const STOP_PAUSE: Duration = Duration::from_millis(20);

/// What a worker's connections may use.
#[derive(Debug, Clone, Copy)]
pub struct WorkerOptions {
    /// Bytes that may wait for one connection. One that reads too slowly for that is closed.
    pub queue_bytes_max: usize,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            queue_bytes_max: 1024 * 1024,
        }
    }
}

/// A client that has asked for a WebSocket.
pub(crate) struct Visitor {
    pub id: ConnectionId,
    pub app: Arc<App>,
    pub machine: Box<dyn Machine + Send>,
    /// Given back when the connection is gone.
    pub admission: Admission,
}

/// A socket that has become a WebSocket elsewhere, on its way to a worker.
pub(crate) struct Newcomer {
    pub visitor: Visitor,
    pub stream: Uprooted,
    /// What was read behind the handshake.
    pub read_ahead: Bytes,
}

/// All workers of this node.
pub struct Workers {
    inboxes: Vec<Arc<WorkerInbox>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    next: AtomicUsize,
    started: Instant,
    traffic: Arc<Traffic>,
}

impl Workers {
    /// Starts `count` worker threads.
    ///
    /// # Errors
    /// When the system gives no thread or runtime.
    pub fn start(count: usize, engine: &Arc<Engine>, options: WorkerOptions) -> std::io::Result<Self> {
        let mut inboxes = Vec::new();
        let mut threads = Vec::new();
        let started = Instant::now();
        let traffic = Arc::new(Traffic::default());
        for index in 0..count {
            let inbox = Arc::new(WorkerInbox::default());
            let number = engine.node().add_worker(inbox.clone());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let (engine, its_inbox) = (engine.clone(), inbox.clone());
            let its_traffic = traffic.clone();
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    let worker = Rc::new(Worker::new(
                        number,
                        engine,
                        its_inbox,
                        options,
                        started,
                        its_traffic,
                    ));
                    // A task like any other, and not the runtime's own: those that share its thread then wake it
                    // without a system call.
                    let work = async move { tokio::task::spawn_local(worker.run()).await };
                    if let Err(error) = runtime.block_on(LocalSet::new().run_until(work)) {
                        tracing::error!(%error, "A worker ended in a panic");
                    }
                })?;
            inboxes.push(inbox);
            threads.push(thread);
        }
        Ok(Self {
            inboxes,
            threads: Mutex::new(threads),
            next: AtomicUsize::new(0),
            started,
            traffic,
        })
    }

    /// What passes through the workers.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.inboxes.len()
    }

    /// How long they have been running.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Milliseconds on the clock of all workers.
    pub(crate) fn now(&self) -> Millis {
        self.started.elapsed().as_millis() as Millis
    }

    /// Hands a new connection to the next worker in turn.
    pub(crate) fn adopt(&self, newcomer: Newcomer) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.inboxes.len();
        self.inboxes[next].push(Item::Newcomer(Box::new(newcomer)));
    }

    /// Has each worker accept on one of the sockets, of which there is one for each.
    pub(crate) fn receive(&self, sockets: Sockets, reception: &Arc<Reception>) {
        for (inbox, socket) in self.inboxes.iter().zip(sockets.0) {
            inbox.push(Item::Door(socket, reception.clone()));
        }
    }

    /// Asks all clients to come back later, and waits until they are gone; the threads have ended then.
    pub async fn stop(&self) {
        for inbox in &self.inboxes {
            inbox.stopping.store(true, Ordering::Release);
            inbox.notify.notify_one();
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        let joined = tokio::task::spawn_blocking(move || {
            threads
                .into_iter()
                .filter_map(|thread| thread.join().err())
                .count()
        });
        if joined.await.is_ok_and(|panicked| panicked > 0) {
            tracing::error!("A worker thread ended in a panic");
        }
    }
}

pub(crate) struct Worker {
    pub(crate) number: WorkerNumber,
    pub(crate) engine: Arc<Engine>,
    pub(crate) options: WorkerOptions,
    pub(crate) hub: RefCell<Hub>,
    inbox: Arc<WorkerInbox>,
    connections: RefCell<Slab<Rc<Connection>>>,
    generation: Cell<u32>,
    /// Connections that speak HTTP here.
    pub(crate) http: TaskTracker,
    wheel: RefCell<Wheel>,
    crowds: RefCell<Crowds>,
    read_buffer: RefCell<Box<[u8]>>,
    started: Instant,
    traffic: Arc<Traffic>,
    /// This worker's own counters of each app.
    counted: RefCell<HashMap<AppNumber, Rc<Counted>>>,
}

impl Worker {
    fn new(
        number: WorkerNumber,
        engine: Arc<Engine>,
        inbox: Arc<WorkerInbox>,
        options: WorkerOptions,
        started: Instant,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self {
            number,
            engine,
            options,
            hub: RefCell::default(),
            inbox,
            connections: RefCell::default(),
            generation: Cell::new(0),
            http: TaskTracker::new(),
            wheel: RefCell::new(Wheel::new(0)),
            crowds: RefCell::default(),
            read_buffer: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
            started,
            traffic,
            counted: RefCell::default(),
        }
    }

    fn counted(&self, app: &App) -> Rc<Counted> {
        let mut counted = self.counted.borrow_mut();
        let own = counted
            .entry(app.number)
            .or_insert_with(|| Rc::new(self.traffic.counted(app)));
        own.clone()
    }

    /// Milliseconds since the workers started.
    pub(crate) fn now(&self) -> Millis {
        self.started.elapsed().as_millis() as Millis
    }

    pub(crate) fn with_read_buffer<T>(&self, read: impl FnOnce(&mut [u8]) -> T) -> T {
        read(&mut self.read_buffer.borrow_mut())
    }

    async fn run(self: Rc<Self>) {
        let mut tick = interval(Duration::from_millis(TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let under_way = !self.crowds.borrow().is_empty();
            tokio::select! {
                () = self.inbox.notify.notified() => self.empty_inbox(),
                _ = tick.tick() => self.wake_due(),
                () = yield_now(), if under_way => self.serve_slice(),
            }
            if self.inbox.stopping.load(Ordering::Acquire) {
                break;
            }
        }
        self.stop().await;
    }

    /// Takes what waits, hands it out, and writes each touched socket once.
    pub(crate) fn empty_inbox(self: &Rc<Self>) {
        let items = std::mem::take(&mut *self.inbox.items.lock());
        if items.is_empty() {
            return;
        }
        let now = self.now();
        let mut touched = Vec::new();
        let mut taken = 0;
        for item in items {
            match item {
                Item::Engine(Inboxed::Delivery(delivery)) => {
                    let channel = &delivery.publication.channel;
                    if self.deliver(now, &delivery, channel, &mut touched) {
                        taken += weight(&delivery);
                    }
                }
                Item::Engine(Inboxed::Deliveries(delivery, channels)) => {
                    taken += weight(&delivery);
                    for channel in &channels {
                        if !self.deliver(now, &delivery, channel, &mut touched) {
                            self.inbox.bytes.fetch_add(weight(&delivery), Ordering::Relaxed);
                        }
                    }
                }
                Item::Engine(Inboxed::Disconnect {
                    connection,
                    app,
                    channel,
                    farewell,
                }) => {
                    if let Some(connection) = self.subscribed(connection, app, &channel) {
                        if let Some(farewell) = &farewell {
                            connection.input(now, Input::Delivery(farewell, &channel), &self.options);
                        }
                        self.order(now, &connection, Input::Disconnect);
                    }
                }
                Item::Engine(Inboxed::Renew {
                    connection,
                    app,
                    channel,
                }) => {
                    if let Some(connection) = self.subscribed(connection, app, &channel) {
                        self.order(now, &connection, Input::Renew);
                    }
                }
                Item::Engine(Inboxed::DisconnectUser { app, user }) => self.disconnect_user(now, app, &user),
                Item::Engine(Inboxed::CloseApp(app)) => self.close_app(now, app),
                Item::Newcomer(newcomer) => self.adopt(*newcomer),
                Item::Door(socket, reception) => {
                    // Owned by the worker's LocalSet, which lives as long as the thread.
                    tokio::task::spawn_local(reception.run(socket, self.clone()));
                }
            }
        }
        self.inbox.bytes.fetch_sub(taken, Ordering::Relaxed);
        for connection in touched {
            connection.touched.set(false);
            connection.flush();
            self.arm(&connection);
        }
    }

    /// Hands it to the channel's connections. `false`: they are a crowd, and it waits for the next pass over them.
    fn deliver(
        &self,
        now: Millis,
        delivery: &Arc<Delivery>,
        channel: &ChannelName,
        touched: &mut Vec<Rc<Connection>>,
    ) -> bool {
        let app = delivery.publication.app;
        if self.crowds.borrow_mut().add(channel, delivery) {
            return false;
        }
        let (hub, connections) = (self.hub.borrow(), self.connections.borrow());
        let subscribers = hub.subscribers(app, channel);
        if subscribers.len() > CROWD {
            self.crowds.borrow_mut().begin(channel, delivery);
            return false;
        }
        for slot in subscribers {
            let connection = &connections[slot.0 as usize];
            if delivery.publication.except == Some(connection.id) {
                continue;
            }
            connection.input(now, Input::Delivery(delivery, channel), &self.options);
            if !connection.touched.replace(true) {
                touched.push(connection.clone());
            }
        }
        true
    }

    /// The connection with this id, if it is one of ours and subscribed to the channel.
    fn subscribed(&self, id: ConnectionId, app: AppNumber, channel: &ChannelName) -> Option<Rc<Connection>> {
        let (hub, connections) = (self.hub.borrow(), self.connections.borrow());
        let found = hub
            .subscribers(app, channel)
            .find(|slot| connections[slot.0 as usize].id == id);
        found.map(|slot| connections[slot.0 as usize].clone())
    }

    fn order(&self, now: Millis, connection: &Rc<Connection>, order: Input<'_>) {
        connection.input(now, order, &self.options);
        connection.flush();
        self.arm(connection);
    }

    /// Every connection of the app is asked: it is a rare order, and a table of users would cost each connection.
    fn disconnect_user(&self, now: Millis, app: AppNumber, user: &UserId) {
        let of_app: Vec<_> = {
            let connections = self.connections.borrow();
            let all = connections.iter().map(|(_, connection)| connection);
            all.filter(|connection| connection.app.number == app)
                .cloned()
                .collect()
        };
        for connection in of_app {
            self.order(now, &connection, Input::DisconnectUser(user));
        }
    }

    fn close_app(&self, now: Millis, app: AppNumber) {
        let all: Vec<_> = self
            .connections
            .borrow()
            .iter()
            .filter(|(_, connection)| connection.app.number == app)
            .map(|(_, connection)| connection.clone())
            .collect();
        for connection in all {
            self.order(now, &connection, Input::AppClosed);
        }
    }

    fn adopt(self: &Rc<Self>, newcomer: Newcomer) {
        match newcomer.stream.settle() {
            Ok(stream) => self.seat(newcomer.visitor, stream, Bytes::new(), newcomer.read_ahead),
            Err(error) => tracing::warn!(%error, "A new connection could not be registered"),
        }
    }

    /// Gives a new connection its place and its task. `answer` is what it is still to be told of its handshake.
    pub(crate) fn seat(
        self: &Rc<Self>,
        visitor: Visitor,
        stream: Transport,
        answer: Bytes,
        read_ahead: Bytes,
    ) {
        let Visitor {
            id,
            app,
            machine,
            admission,
        } = visitor;
        let counted = self.counted(&app);
        self.generation.set(self.generation.get().wrapping_add(1));
        let connection = {
            let mut connections = self.connections.borrow_mut();
            let entry = connections.vacant_entry();
            let slot = Slot(entry.key() as u32);
            let connection = Rc::new(Connection::new(
                id,
                app,
                slot,
                self.generation.get(),
                stream,
                machine,
                counted,
            ));
            entry.insert(connection.clone());
            connection
        };
        let worker = self.clone();
        // Owned by the worker's LocalSet, which lives as long as the thread.
        tokio::task::spawn_local(async move {
            let run = connection::run(connection.clone(), worker.clone(), answer, read_ahead);
            let run = AssertUnwindSafe(run);
            if run.catch_unwind().await.is_err() {
                tracing::error!("A connection's task panicked; the connection is given up");
                worker.forget(&connection).await;
            }
            drop(admission);
        });
    }

    /// Sees to it that the connection is woken when it wants to be.
    pub(crate) fn arm(&self, connection: &Connection) {
        let at = connection.wake_at();
        if at == Millis::MAX {
            return;
        }
        let armed = connection.armed.get();
        if armed != 0 && armed * TICK_MS <= at + TICK_MS {
            return;
        }
        let due = Due {
            slot: connection.slot,
            generation: connection.generation,
        };
        connection.armed.set(self.wheel.borrow_mut().add(at, due));
    }

    fn wake_due(&self) {
        let now = self.now();
        let due = self.wheel.borrow_mut().take(now);
        for (tick, due) in due {
            let connection = match self.connections.borrow().get(due.slot.0 as usize) {
                Some(connection)
                    if connection.generation == due.generation && connection.armed.get() == tick =>
                {
                    connection.clone()
                }
                _ => continue,
            };
            connection.armed.set(0);
            if connection.wake_at() <= now {
                connection.input(now, Input::Wake, &self.options);
                connection.flush();
            }
            self.arm(&connection);
        }
    }

    /// Takes a connection out of everything.
    pub(crate) async fn forget(&self, connection: &Connection) {
        let dropped = self.hub.borrow_mut().drop_connection(connection.slot);
        {
            let mut connections = self.connections.borrow_mut();
            connections.try_remove(connection.slot.0 as usize);
            // Seldom, since what is in use stands where it is.
            if connections.len() * 4 < connections.capacity() && connections.len().is_power_of_two() {
                connections.shrink_to_fit();
            }
            if connections.is_empty() {
                self.wheel.borrow_mut().clear();
            }
        }
        for gone in dropped {
            self.engine
                .unsubscribe(self.number, connection.id, gone.app, &gone.channel, gone.present)
                .await;
        }
    }

    async fn stop(self: &Rc<Self>) {
        loop {
            self.empty_inbox();
            while !self.crowds.borrow().is_empty() {
                self.serve_slice();
            }
            let open: Vec<_> = self.connections.borrow().iter().map(|(_, c)| c.clone()).collect();
            if open.is_empty() {
                break;
            }
            for batch in open.chunks(STOP_BATCH) {
                let now = self.now();
                for connection in batch {
                    connection.input(now, Input::Stop, &self.options);
                    connection.flush();
                    self.arm(connection);
                }
                tokio::time::sleep(STOP_PAUSE).await;
                self.wake_due();
            }
        }
        self.http.close();
        if timeout(FINISH_TIMEOUT, self.http.wait()).await.is_err() {
            tracing::warn!("Some requests were still under way when a worker stopped");
        }
    }
}
