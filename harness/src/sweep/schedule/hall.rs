//! The threads that inject: each takes what is next, as much at once as its worker likes, has it
//! done, and says what became of it.

use super::locked;
use super::queue::Queue;
use crate::sweep::fault::Scope;
use crate::sweep::outcome::Outcome;
use crate::sweep::result::{InjectionResult, PointNumber};
use crate::sweep::work::{InsteadOf, Work, Worker};
use crate::target::BenchError;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

/// How often an injection is tried when its bench fails, each time with a new engine.
const ATTEMPTS: usize = 2;
/// Injections from one check of a worker to the next.
const CHECKED_EVERY: usize = 100;

/// What a thread has to say.
pub(super) enum Event {
    Began {
        number: u64,
        engine: String,
        instead_of: Option<InsteadOf>,
    },
    Over {
        results: Vec<InjectionResult>,
        /// How many of them needed no run.
        pruned: u64,
    },
    /// Results that it said, and that are none.
    Void(Vec<(PointNumber, Scope)>),
    NoEngine(BenchError),
    Unrepeatable(BenchError),
}

/// What all threads share.
pub(super) struct Hall<'a> {
    work: &'a dyn Work,
    queue: &'a Mutex<Queue>,
    is_stop_asked: &'a (dyn Fn() -> bool + Sync),
    /// Engines started so far.
    engines: AtomicU64,
}

impl<'a> Hall<'a> {
    pub(super) const fn new(
        work: &'a dyn Work,
        queue: &'a Mutex<Queue>,
        is_stop_asked: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self { work, queue, is_stop_asked, engines: AtomicU64::new(0) }
    }

    /// The life of one thread.
    pub(super) fn labour(&self, processor: usize, events: &SyncSender<Event>) {
        let mut place =
            Place { hall: self, processor, events, worker: None, unchecked: Vec::new() };
        while !(self.is_stop_asked)() {
            let together = place.worker.as_ref().map_or(1, |worker| worker.together());
            // A statement of its own, or the queue stays locked while the injections run.
            let next = locked(self.queue).take_some(together);
            if next.is_empty() {
                break;
            }
            if !place.inject_all(&next) {
                return;
            }
        }
        place.check();
    }
}

/// Where one thread works.
struct Place<'a> {
    hall: &'a Hall<'a>,
    processor: usize,
    events: &'a SyncSender<Event>,
    worker: Option<Box<dyn Worker + 'a>>,
    /// What was injected since the last check. Where an engine failed since, that of its successor
    /// counts: both came to the same golden run.
    unchecked: Vec<(PointNumber, Scope)>,
}

impl<'a> Place<'a> {
    /// Whether anybody heard it.
    fn say(&self, event: Event) -> bool {
        self.events.send(event).is_ok()
    }

    /// Some injections; whether to go on. Where the bench fails in one of them, each is run alone,
    /// so that the others have results.
    fn inject_all(&mut self, injections: &[(PointNumber, Scope)]) -> bool {
        if injections.len() > 1
            && let Ok(mut worker) = self.worker()
            && let Ok(results) = worker.run_all(injections)
            && results.iter().map(|it| (it.point, it.scope)).eq(injections.iter().copied())
        {
            self.worker = Some(worker);
            return self.over(results);
        }
        injections.iter().all(|(point, scope)| self.inject(*point, *scope))
    }

    /// Injections are over; whether to go on.
    fn over(&mut self, results: Vec<InjectionResult>) -> bool {
        self.unchecked.extend(results.iter().map(|it| (it.point, it.scope)));
        {
            let mut queue = locked(self.hall.queue);
            results.iter().for_each(|result| queue.note(result));
        }
        let pruned = self.worker.as_mut().map_or(0, |worker| worker.take_pruned());
        self.say(Event::Over { results, pruned })
            && (self.unchecked.len() < CHECKED_EVERY || self.check())
    }

    /// One injection; whether to go on.
    fn inject(&mut self, point: PointNumber, scope: Scope) -> bool {
        let mut problem = String::new();
        for attempt in 1..=ATTEMPTS {
            let mut worker = match self.worker() {
                Ok(worker) => worker,
                Err(error) if attempt == ATTEMPTS => {
                    self.say(Event::NoEngine(error));
                    return false;
                }
                Err(_) => continue,
            };
            match worker.run(point, scope) {
                Ok(result) if (result.point, result.scope) == (point, scope) => {
                    self.worker = Some(worker);
                    return self.over(vec![result]);
                }
                Ok(result) => {
                    problem = format!("asked for point {}, got {}", point.0, result.point.0);
                }
                Err(error) => problem = error.to_string(),
            }
        }
        let results = vec![bench_failed(point, scope, problem)];
        self.say(Event::Over { results, pruned: 0 })
    }

    /// The worker, a new one if need be.
    fn worker(&mut self) -> Result<Box<dyn Worker + 'a>, BenchError> {
        if let Some(worker) = self.worker.take() {
            return Ok(worker);
        }
        let worker = self.hall.work.worker(self.processor)?;
        let number = self.hall.engines.fetch_add(1, Ordering::Relaxed) + 1;
        // Nobody hears it: then nobody hears the result either.
        let (engine, instead_of) = (worker.engine().to_owned(), worker.instead_of().cloned());
        self.say(Event::Began { number, engine, instead_of });
        Ok(worker)
    }

    /// Whether the worker still comes to the golden run.
    fn check(&mut self) -> bool {
        let Some(worker) = self.worker.as_mut().filter(|_| !self.unchecked.is_empty()) else {
            return true;
        };
        let checked = worker.check();
        let injections = std::mem::take(&mut self.unchecked);
        let Err(error) = checked else { return true };
        self.say(Event::Void(injections));
        self.say(Event::Unrepeatable(error));
        false
    }
}

fn bench_failed(point: PointNumber, scope: Scope, detail: String) -> InjectionResult {
    InjectionResult {
        point,
        scope,
        place: String::new(),
        outcome: Outcome::HarnessError,
        detail,
        pc: None,
        instructions: 0,
        evidence_hash: 0,
    }
}
