//! The one writer. It takes whatever has queued, carries it all out in one transaction and commits once, so that
//! the wait for the disk is shared; then a task tells of it and answers, in the order of the commits.
//!
//! Messages of a group are stored by a handful of statements for all of them, watermarks likewise; other jobs
//! each run behind a savepoint, so that one that fails takes nobody with it. When a statement for many fails,
//! the group is undone and its jobs tried one by one.
//!
//! Between the groups the search index follows, a fifth of a second behind.

use super::append;
use super::heads::{Heads, closed};
use super::query::{query, store_error};
use super::receipts;
use super::search_index;
use super::store::Home;
use chinwag_messenger::store::{
    AdvanceOutcomes, AdvanceTerms, Announce, AppendRefusal, Appended, NewMessage, StoreError,
};
use chinwag_messenger::{Advance, UserId};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr};
use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Jobs that may wait. When so many do, those who bring more wait to be let in.
const QUEUE_MAX: usize = 4_096;

/// Jobs carried out together at most: bounds the size of a statement and the time until the first is answered.
const GROUP_MAX: usize = 128;

/// Beyond so many, messages are stored in multiples of it. Each number is a statement of its own, and preparing one for
/// a hundred messages takes as long as running it: were there one for every number, they would not be kept for long.
const APPENDS_STEP: usize = 8;

/// Committed groups not yet told of. When so many wait the writer does, too.
const ANNOUNCED_MAX: usize = 16;

/// How long the search index waits for more to do at once.
const INDEX_DELAY: Duration = Duration::from_millis(200);

/// How long it waits after a failure.
const INDEX_RETRY: Duration = Duration::from_secs(10);

/// The transaction in progress, as the jobs see it.
pub(super) struct Group {
    pub(super) tx: DatabaseTransaction,
    /// The commit counter's value in this transaction.
    pub(super) time: i64,
    pub(super) heads: Heads,
    /// Whether anything was written that must be committed.
    pub(super) dirty: bool,
    /// Why the whole transaction must be undone, if it must.
    lost: Option<StoreError>,
}

type Outcome = Box<dyn Any + Send>;
type Answer<T> = oneshot::Sender<Result<T, StoreError>>;
type Working<'g> = Pin<Box<dyn Future<Output = Result<Outcome, DbErr>> + Send + 'g>>;
type Work = Box<dyn for<'g> FnOnce(&'g mut Group) -> Working<'g> + Send>;

/// A message to store.
struct AppendJob {
    new: NewMessage,
    announce: Announce<Appended>,
    answer: Answer<Result<Appended, AppendRefusal>>,
}

/// Watermarks somebody wishes to move.
pub(super) struct Wishes {
    pub(super) user: UserId,
    pub(super) wishes: Vec<Advance>,
    pub(super) terms: AdvanceTerms,
}

/// Watermarks to move.
struct AdvanceJob {
    wishes: Wishes,
    announce: Announce<AdvanceOutcomes>,
    answer: Answer<AdvanceOutcomes>,
}

/// Anything else.
struct OtherJob {
    work: Work,
    announce: Box<dyn FnOnce(&Outcome) + Send>,
    answer: Answer<Outcome>,
}

enum Job {
    Append(Box<AppendJob>),
    Advance(Box<AdvanceJob>),
    Other(OtherJob),
    /// A pass of the search index. The answer is whether there may be more to do.
    Index(Answer<bool>),
    Stop,
}

/// What is left to do for a job, given how the commit went.
type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The way to the writer. Its thread and its task end after [`Writer::stop`], or when this is dropped.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    tasks: TaskTracker,
    #[cfg(test)]
    pub(super) home: std::sync::Arc<Home>,
}

impl Writer {
    pub(super) fn start(connection: DatabaseConnection, home: Home) -> Result<Self, DbErr> {
        let home = std::sync::Arc::new(home);
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let (finished, to_finish) = mpsc::channel(ANNOUNCED_MAX);
        let tasks = TaskTracker::new();
        let state = Loop {
            connection: Some(connection),
            home: std::sync::Arc::clone(&home),
            heads: Heads::default(),
            time: None,
            finished,
        };
        run_apart(state.run(queue), tasks.token())
            .map_err(|error| DbErr::Custom(format!("the writer's thread could not start: {error}")))?;
        tasks.spawn(finish_in_order(to_finish));
        tasks.close();
        Ok(Self {
            jobs,
            tasks,
            #[cfg(test)]
            home,
        })
    }

    pub(super) async fn append(
        &self,
        new: NewMessage,
        announce: Announce<Appended>,
    ) -> Result<Result<Appended, AppendRefusal>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.submit(Job::Append(Box::new(AppendJob {
            new,
            announce,
            answer,
        })))
        .await?;
        answered.await.map_err(|_| closed())?
    }

    pub(super) async fn advance(
        &self,
        wishes: Wishes,
        announce: Announce<AdvanceOutcomes>,
    ) -> Result<AdvanceOutcomes, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.submit(Job::Advance(Box::new(AdvanceJob {
            wishes,
            announce,
            answer,
        })))
        .await?;
        answered.await.map_err(|_| closed())?
    }

    /// Runs `work` in the writer's transaction. It must check before it writes where it can; what it returns
    /// is announced and answered after the commit.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        announce: Option<Announce<T>>,
        work: impl for<'g> FnOnce(&'g mut Group) -> Pin<Box<dyn Future<Output = Result<T, DbErr>> + Send + 'g>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = OtherJob {
            work: Box::new(move |group| {
                let working = work(group);
                Box::pin(async move { Ok(Box::new(working.await?) as Outcome) })
            }),
            announce: Box::new(move |outcome| {
                if let (Some(announce), Some(outcome)) = (announce, outcome.downcast_ref()) {
                    announce(outcome);
                }
            }),
            answer,
        };
        self.submit(Job::Other(job)).await?;
        let outcome = answered.await.map_err(|_| closed())??;
        outcome
            .downcast()
            .map(|outcome| *outcome)
            .map_err(|_| StoreError::Broken("mixed up jobs".into()))
    }

    /// Lets the search index follow by one pass. Whether there may be more to do.
    pub(super) async fn index(&self) -> Result<bool, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.submit(Job::Index(answer)).await?;
        answered.await.map_err(|_| closed())?
    }

    /// Carries out what is queued, answers it, and ends.
    pub(super) async fn stop(&self) -> Result<(), StoreError> {
        // The writer may have stopped before; then there is nothing left to ask of it.
        let _ = self.jobs.send(Job::Stop).await;
        self.tasks.wait().await;
        Ok(())
    }

    async fn submit(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.send(job).await.map_err(|_| closed())
    }
}

/// Runs the writer on a thread of its own. Each statement of a group is a way to the database and back, during which
/// all who send wait; among the runtime's other tasks the writer would wait for its turn after every one of them.
fn run_apart(
    writing: impl Future<Output = ()> + Send + 'static,
    ended: TaskTrackerToken,
) -> Result<(), std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let run = move || {
        runtime.block_on(writing);
        drop(runtime);
        drop(ended);
    };
    let thread = std::thread::Builder::new().name("store-writer".into());
    thread.spawn(run).map(|_| ())
}

/// Tells and answers in the order of the commits.
async fn finish_in_order(mut finished: mpsc::Receiver<Vec<Finish>>) {
    while let Some(group) = finished.recv().await {
        for finish in group {
            // Whoever listens must not be able to stop the store.
            if std::panic::catch_unwind(AssertUnwindSafe(|| finish(Ok(())))).is_err() {
                tracing::error!("Telling of a committed change panicked");
            }
        }
    }
}

struct Loop {
    /// `None` after a failure, until it could be opened again.
    connection: Option<DatabaseConnection>,
    home: std::sync::Arc<Home>,
    heads: Heads,
    /// The commit counter as this writer left it.
    time: Option<i64>,
    finished: mpsc::Sender<Vec<Finish>>,
}

/// Jobs by kind, each kind in the order it came.
#[derive(Default)]
struct Batch {
    appends: Vec<AppendJob>,
    advances: Vec<AdvanceJob>,
    others: Vec<OtherJob>,
    indexing: Vec<Answer<bool>>,
}

impl Batch {
    fn add(&mut self, job: Job, queue: &mut mpsc::Receiver<Job>) {
        match job {
            Job::Append(job) => self.appends.push(*job),
            Job::Advance(job) => self.advances.push(*job),
            Job::Other(job) => self.others.push(job),
            Job::Index(answer) => self.indexing.push(answer),
            Job::Stop => queue.close(),
        }
    }

    /// Leaves a number of messages that there is a statement for; returns the others.
    fn trim(&mut self) -> Vec<AppendJob> {
        match self.appends.len() {
            few if few <= APPENDS_STEP => Vec::new(),
            many => self.appends.split_off(many / APPENDS_STEP * APPENDS_STEP),
        }
    }

    fn len(&self) -> usize {
        self.appends.len() + self.advances.len() + self.others.len()
    }

    fn fail(self, error: &StoreError) {
        for job in self.appends {
            let _ = job.answer.send(Err(error.clone()));
        }
        for job in self.advances {
            let _ = job.answer.send(Err(error.clone()));
        }
        for job in self.others {
            let _ = job.answer.send(Err(error.clone()));
        }
    }

    /// The same jobs, each on its own.
    fn split(self) -> impl Iterator<Item = Batch> {
        let appends = self.appends.into_iter().map(|job| Batch {
            appends: vec![job],
            ..Batch::default()
        });
        let advances = self.advances.into_iter().map(|job| Batch {
            advances: vec![job],
            ..Batch::default()
        });
        let others = self.others.into_iter().map(|job| Batch {
            others: vec![job],
            ..Batch::default()
        });
        appends.chain(advances).chain(others)
    }
}

/// A group of which nothing was written and nobody has been answered.
struct Undone(Batch, DbErr);

impl Loop {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        // When the search index is to follow, if it may be behind; it may be from the start.
        let mut index_at = Some(Instant::now());
        // The first of the next group.
        let mut left_over = Vec::new();
        loop {
            if index_at.is_some_and(|at| at <= Instant::now()) {
                index_at = match self.index().await {
                    Ok(more) => more.then(Instant::now),
                    Err(error) => {
                        report(&error);
                        Some(Instant::now() + INDEX_RETRY)
                    }
                };
            }
            let mut batch = Batch {
                appends: std::mem::take(&mut left_over),
                ..Batch::default()
            };
            if batch.appends.is_empty() {
                let job = match index_at {
                    None => queue.recv().await,
                    Some(at) => match tokio::time::timeout_at(at, queue.recv()).await {
                        Ok(job) => job,
                        Err(_) => continue,
                    },
                };
                let Some(job) = job else { break };
                batch.add(job, &mut queue);
            }
            while batch.len() < GROUP_MAX
                && let Ok(job) = queue.try_recv()
            {
                batch.add(job, &mut queue);
            }
            left_over = batch.trim();
            let indexing = std::mem::take(&mut batch.indexing);
            if batch.len() > 0 {
                self.carry_out(batch).await;
                index_at = index_at.or_else(|| Some(Instant::now() + INDEX_DELAY));
            }
            if !indexing.is_empty() {
                let indexed = self.index().await;
                for answer in indexing {
                    // Whoever asked may have gone meanwhile.
                    let _ = answer.send(indexed.clone());
                }
            }
        }
        if let Some(connection) = self.connection.take() {
            if let Err(error) = self.home.leave(&connection).await {
                tracing::warn!(%error, "The write-ahead log could not be emptied");
            }
            let _ = connection.close().await;
        }
    }

    /// Lets the search index follow by one pass. Whether there may be more to do.
    async fn index(&mut self) -> Result<bool, StoreError> {
        let indexed = match self.begin_transaction().await {
            Ok(tx) => search_index::pass(tx).await,
            Err(error) => Err(error),
        };
        if indexed.is_err() {
            self.distrust();
        }
        indexed.map_err(store_error)
    }

    async fn carry_out(&mut self, batch: Batch) {
        let Err(Undone(batch, error)) = self.try_group(batch).await else {
            return;
        };
        let error = store_error(error);
        if batch.len() <= 1 || !matches!(error, StoreError::Broken(_)) {
            report(&error);
            batch.fail(&error);
            return;
        }
        for single in batch.split() {
            if let Err(Undone(single, error)) = self.try_group(single).await {
                let error = store_error(error);
                report(&error);
                single.fail(&error);
            }
        }
    }

    async fn try_group(&mut self, batch: Batch) -> Result<(), Undone> {
        let mut group = match self.begin().await {
            Ok(group) => group,
            Err(error) => {
                self.distrust();
                return Err(Undone(batch, error));
            }
        };
        let news: Vec<&NewMessage> = batch.appends.iter().map(|job| &job.new).collect();
        let wishes: Vec<&Wishes> = batch.advances.iter().map(|job| &job.wishes).collect();
        let written = write_many(&mut group, &news, &wishes).await;
        let (appended, advanced) = match written {
            Ok(written) => written,
            Err(error) => {
                let _ = group.tx.rollback().await;
                self.distrust();
                return Err(Undone(batch, error));
            }
        };
        let mut finishes: Vec<Finish> = Vec::with_capacity(batch.appends.len() + batch.advances.len());
        for (AppendJob { announce, answer, .. }, outcome) in batch.appends.into_iter().zip(appended) {
            let announce = move |outcome: &Result<Appended, AppendRefusal>| {
                if let Ok(appended) = outcome {
                    announce(appended);
                }
            };
            finishes.push(finish(outcome, announce, answer));
        }
        for (AdvanceJob { announce, answer, .. }, outcomes) in batch.advances.into_iter().zip(advanced) {
            finishes.push(finish(outcomes, announce, answer));
        }
        for OtherJob {
            work,
            announce,
            answer,
        } in batch.others
        {
            match run_behind_savepoint(&mut group, work).await {
                Ok(outcome) => finishes.push(finish(outcome, announce, answer)),
                Err(error) => {
                    let error = store_error(error);
                    report(&error);
                    let _ = answer.send(Err(error));
                }
            }
        }
        self.commit(group, finishes).await;
        Ok(())
    }

    /// Begins a transaction in which the commit counter is raised.
    async fn begin(&mut self) -> Result<Group, DbErr> {
        let tx = self.begin_transaction().await?;
        let raise = "UPDATE commit_counter SET value = value + 1 WHERE id = 1 RETURNING value";
        let row = query(&tx, raise, Vec::new()).await?.pop();
        let row = row.ok_or_else(|| DbErr::Type("the commit counter is missing".into()))?;
        let time: i64 = row.try_get_by_index(0)?;
        if self.time.is_none_or(|last| last + 1 != time) {
            // Somebody else has written since.
            self.heads.forget_all();
        }
        Ok(Group {
            tx,
            time,
            heads: std::mem::take(&mut self.heads),
            dirty: false,
            lost: None,
        })
    }

    /// Connects when need be: also when a connection that was idle turns out to be cut.
    async fn begin_transaction(&mut self) -> Result<DatabaseTransaction, DbErr> {
        if let Some(connection) = &self.connection
            && let Ok(tx) = self.home.begin_write(connection).await
        {
            return Ok(tx);
        }
        self.distrust();
        let connection = self.connection.insert(self.home.connect_writer().await?);
        self.home.begin_write(connection).await
    }

    /// Commits, and passes on how that went. After a failed commit it is not known whether the changes are
    /// there; the honest word is the failure, and trying again is harmless for every job.
    async fn commit(&mut self, group: Group, finishes: Vec<Finish>) {
        let Group {
            tx,
            time,
            heads,
            dirty,
            lost,
        } = group;
        let ended = match (lost, dirty) {
            (Some(error), _) => {
                let _ = tx.rollback().await;
                Err(error)
            }
            (None, true) => tx.commit().await.map_err(store_error),
            (None, false) => tx.rollback().await.map_err(store_error),
        };
        if let Err(error) = ended {
            self.distrust();
            report(&error);
            for finish in finishes {
                finish(Err(error.clone()));
            }
            return;
        }
        self.time = Some(if dirty { time } else { time - 1 });
        self.heads = heads;
        // Fails only when the telling task is gone, which ends after this one.
        let _ = self.finished.send(finishes).await;
    }

    /// Forgets the connection and what was known through it.
    fn distrust(&mut self) {
        self.connection = None;
        self.heads.forget_all();
        self.time = None;
    }
}

async fn write_many(
    group: &mut Group,
    news: &[&NewMessage],
    wishes: &[&Wishes],
) -> Result<(Vec<Result<Appended, AppendRefusal>>, Vec<AdvanceOutcomes>), DbErr> {
    let appended = match news.is_empty() {
        true => Vec::new(),
        false => append::append_all(group, news).await?,
    };
    let advanced = match wishes.is_empty() {
        true => Vec::new(),
        false => receipts::advance_all(group, wishes).await?,
    };
    Ok((appended, advanced))
}

async fn run_behind_savepoint(group: &mut Group, work: Work) -> Result<Outcome, DbErr> {
    group.tx.execute_unprepared("SAVEPOINT job").await?;
    let worked = work(group).await;
    let undo = match &worked {
        Ok(_) => "RELEASE job",
        Err(_) => "ROLLBACK TO job; RELEASE job",
    };
    if worked.is_err() {
        // What the job noted in memory is undone with it.
        group.heads.forget_all();
    }
    if let Err(undoing) = group.tx.execute_unprepared(undo).await {
        // SQLite undoes a whole transaction by itself when the disk is full, for one.
        let error = worked.err().unwrap_or(undoing);
        group.lost = Some(store_error(error.clone()));
        return Err(error);
    }
    worked
}

/// Announces and answers when the commit went well; says what went wrong otherwise.
fn finish<T: Send + 'static>(
    outcome: T,
    announce: impl FnOnce(&T) + Send + 'static,
    answer: Answer<T>,
) -> Finish {
    Box::new(move |committed| {
        let answered = match committed {
            Ok(()) => {
                announce(&outcome);
                Ok(outcome)
            }
            Err(error) => Err(error),
        };
        // Whoever asked may have gone meanwhile.
        let _ = answer.send(answered);
    })
}

fn report(error: &StoreError) {
    match error {
        StoreError::Full => tracing::error!("The disk of the store is full"),
        error => tracing::error!(%error, "A group of changes could not be stored"),
    }
}
