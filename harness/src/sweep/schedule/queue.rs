//! Which injection is next: scope after scope, in each the points of the shard in their order, but
//! for those that are over. An open sweep's scope ends at the first point that is not activated.

use crate::sweep::fault::Scope;
use crate::sweep::result::{InjectionResult, PointNumber};
use crate::sweep::shard::Shard;
use crate::sweep::store::append::Done;
use crate::sweep::work::{Extent, Identity, OPEN_LIMIT};

/// What is left of a shard.
#[derive(Debug)]
pub struct Queue {
    shard: Shard,
    extent: Extent,
    /// Scopes that are not handed out, the present one first.
    scopes: Vec<Scope>,
    /// The next point of the present scope.
    next: u64,
    done: Done,
    /// Injections of this shard that are over.
    done_here: u64,
    is_closed: bool,
}

impl Queue {
    /// What is left when some injections are over.
    #[must_use]
    pub fn new(sweep: &Identity, shard: Shard, done: Done) -> Self {
        let (extent, scopes) = (sweep.extent, sweep.scopes.clone());
        let done_here = done.count_in(shard);
        Self { shard, extent, scopes, next: shard.first(), done, done_here, is_closed: false }
    }

    /// The next injection. Those that are handed out and not over yet are not handed out again.
    pub fn take(&mut self) -> Option<(PointNumber, Scope)> {
        while !self.is_closed {
            let scope = *self.scopes.first()?;
            let point = self.next;
            if self.is_behind_end(scope, point) {
                self.scopes.remove(0);
                self.next = self.shard.first();
                continue;
            }
            self.next += self.shard.step();
            if !self.done.has(scope, point) {
                return Some((PointNumber(point), scope));
            }
        }
        None
    }

    /// The next injections, at most so many. Of an open sweep some may lie behind the end of their
    /// scope: they are not activated either.
    pub fn take_some(&mut self, count: usize) -> Vec<(PointNumber, Scope)> {
        std::iter::from_fn(|| self.take()).take(count).collect()
    }

    fn is_behind_end(&self, scope: Scope, point: u64) -> bool {
        match self.extent.last() {
            Some(last) => point > last,
            None => point > self.done.end(scope).unwrap_or(OPEN_LIMIT),
        }
    }

    /// Takes note of an injection that is over.
    pub fn note(&mut self, result: &InjectionResult) {
        if self.done.note(result) {
            self.done_here += 1;
        }
    }

    /// Hands out nothing more.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// How many injections of the shard are over, and how many there are if that is known.
    #[must_use]
    pub fn progress(&self, sweep: &Identity) -> (u64, Option<u64>) {
        let scopes = u64::try_from(sweep.scopes.len()).unwrap_or(u64::MAX);
        let all = self.extent.last().map(|last| scopes * self.shard.points_to(last));
        (self.done_here, all)
    }
}
