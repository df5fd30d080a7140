//! Runs a shard: so many threads, each with a worker and a processor of its own, and one that
//! keeps the results. It can be told to stop, and killed, at any moment, and gone on with.

mod hall;
pub mod processors;
pub mod queue;

use self::hall::{Event, Hall};
use self::queue::Queue;
use super::outcome::Outcome;
use super::result::InjectionResult;
use super::shard::Shard;
use super::store::StoreError;
use super::store::append::Store;
use super::store::line::{Line, Spent, Void, WorkerStart};
use super::work::{Identity, Work};
use crate::target::BenchError;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// So many injections in a row whose bench failed: it is not the injections.
const FAILURES_IN_A_ROW: u32 = 8;
/// Reports of workers on their way to the disk. Workers go on while the disk is slow.
const EVENTS_UNDER_WAY: usize = 1_024;
/// How often results are synchronised with the disk, and time is written down.
const SYNCHRONISED_EVERY: Duration = Duration::from_secs(1);
/// How often the caller is told how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How a shard is run.
pub struct Orders<'a> {
    /// Which part of the sweep.
    pub shard: Shard,
    /// One worker for each, on that processor of the host.
    pub processors: &'a [usize],
    /// Whether to stop. What is running is finished.
    pub is_stop_asked: &'a (dyn Fn() -> bool + Sync),
}

/// How far a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Injections that are over, by this session and those before.
    pub done: u64,
    /// Injections there are, if that is known.
    pub all: Option<u64>,
    /// Injections of this session.
    pub injections: u64,
    /// Time of this session.
    pub elapsed: Duration,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing is left of the shard.
    Complete,
    /// It was told to stop.
    Interrupted,
}

/// Why a session ended before its time. Results so far are kept.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The results cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No engine can be had.
    #[error("start an engine: {0}")]
    NoEngine(BenchError),
    /// The bench fails whatever is injected.
    #[error("inject: the bench failed {FAILURES_IN_A_ROW} times in a row, last: {0}")]
    Bench(String),
    /// An engine does not repeat itself. Its results since it last did are declared void.
    #[error("inject: {0}; what was injected since it last did is run again by the same command")]
    Unrepeatable(BenchError),
    /// There are no processors to run on.
    #[error("inject: found 0 workers, expected at least 1")]
    NoWorkers,
}

/// Runs a shard of a sweep, and keeps its results in a folder. `on_progress` is called a few times
/// a second.
///
/// # Errors
/// See [`ScheduleError`].
pub fn run(
    work: &dyn Work,
    folder: &Path,
    orders: &Orders<'_>,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<End, ScheduleError> {
    if orders.processors.is_empty() {
        return Err(ScheduleError::NoWorkers);
    }
    let sweep = work.identity();
    let (store, done) = Store::open(folder, sweep, orders.shard)?;
    let queue = Mutex::new(Queue::new(sweep, orders.shard, done));
    let (sender, events) = sync_channel(EVENTS_UNDER_WAY);
    let hall = Hall::new(work, &queue, orders.is_stop_asked);
    std::thread::scope(|scope| {
        for processor in orders.processors {
            let (hall, sender) = (&hall, sender.clone());
            scope.spawn(move || hall.labour(*processor, &sender));
        }
        drop(sender);
        let workers = u64::try_from(orders.processors.len()).unwrap_or(u64::MAX);
        let mut keeper = Keeper::new(store, sweep, &queue, workers);
        let kept = keeper.keep(events, on_progress);
        if kept.is_err() {
            // The workers finish what they do, and find nobody at the other end of the channel.
            locked(&queue).close();
        }
        kept
    })?;
    // Each worker told what it did. What was never handed out is left.
    let left = locked(&queue).take();
    Ok(left.map_or(End::Complete, |_| End::Interrupted))
}

/// Keeps what the workers say.
struct Keeper<'a> {
    store: Store,
    sweep: &'a Identity,
    queue: &'a Mutex<Queue>,
    workers: u64,
    session: String,
    began: Instant,
    /// Injections of this session.
    injections: u64,
    /// Those of them since the last line of time that needed no run.
    pruned: u64,
    failures_in_a_row: u32,
    /// Lines of time written, when the last was, and how many injections there were then.
    spent: (u64, Instant, u64),
    told: Instant,
}

impl<'a> Keeper<'a> {
    fn new(store: Store, sweep: &'a Identity, queue: &'a Mutex<Queue>, workers: u64) -> Self {
        let began = Instant::now();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            store,
            sweep,
            queue,
            workers,
            // Machines of one cluster write into one folder: process and nanosecond together.
            session: format!("{:x}-{:x}", time.as_nanos(), std::process::id()),
            began,
            injections: 0,
            pruned: 0,
            failures_in_a_row: 0,
            spent: (0, began, 0),
            told: began,
        }
    }

    fn keep(
        &mut self,
        events: Receiver<Event>,
        on_progress: &mut dyn FnMut(&Progress),
    ) -> Result<(), ScheduleError> {
        let mut lines = Vec::new();
        loop {
            let first = match events.recv_timeout(PROGRESS_EVERY) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut problem = None;
            lines.clear();
            for event in first.into_iter().chain(events.try_iter()) {
                if let Err(error) = self.take_down(event, &mut lines) {
                    problem = problem.or(Some(error));
                }
            }
            self.store.append(&lines)?;
            if let Some(error) = problem {
                self.write_down_time()?;
                return Err(error);
            }
            if self.spent.1.elapsed() >= SYNCHRONISED_EVERY {
                self.write_down_time()?;
            }
            if self.told.elapsed() >= PROGRESS_EVERY {
                self.told = Instant::now();
                on_progress(&self.progress());
            }
        }
        on_progress(&self.progress());
        self.write_down_time()
    }

    /// An event as lines.
    fn take_down(&mut self, event: Event, lines: &mut Vec<Line>) -> Result<(), ScheduleError> {
        match event {
            Event::Began { number, engine, instead_of } => {
                let session = self.session.clone();
                lines.push(Line::Worker(WorkerStart { session, number, engine, instead_of }));
            }
            Event::Void(injections) => lines.push(Line::Void(Void { injections })),
            Event::NoEngine(error) => return Err(ScheduleError::NoEngine(error)),
            Event::Unrepeatable(error) => return Err(ScheduleError::Unrepeatable(error)),
            Event::Over { results, pruned } => {
                self.pruned += pruned;
                for result in results {
                    self.count(&result)?;
                    lines.push(Line::Result(result));
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, result: &InjectionResult) -> Result<(), ScheduleError> {
        self.injections += 1;
        self.failures_in_a_row = match result.outcome {
            Outcome::HarnessError => self.failures_in_a_row + 1,
            _ => 0,
        };
        match self.failures_in_a_row {
            FAILURES_IN_A_ROW.. => Err(ScheduleError::Bench(result.detail.clone())),
            _ => Ok(()),
        }
    }

    fn progress(&self) -> Progress {
        let (done, all) = locked(self.queue).progress(self.sweep);
        Progress { done, all, injections: self.injections, elapsed: self.began.elapsed() }
    }

    fn write_down_time(&mut self) -> Result<(), ScheduleError> {
        let (sequence, since, injections) = self.spent;
        let now = Instant::now();
        let milliseconds = now.saturating_duration_since(since).as_millis();
        self.store.append(&[Line::Spent(Spent {
            session: self.session.clone(),
            sequence: sequence + 1,
            milliseconds: u64::try_from(milliseconds).unwrap_or(u64::MAX),
            workers: self.workers,
            injections: self.injections - injections,
            pruned: std::mem::take(&mut self.pruned),
        })])?;
        self.store.synchronise()?;
        self.spent = (sequence + 1, now, self.injections);
        Ok(())
    }
}

/// The queue, also after a thread panicked: it is whole after each call.
fn locked(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
