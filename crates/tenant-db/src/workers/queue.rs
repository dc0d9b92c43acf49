//! What waits for the threads: of all no more than the queue holds, of one owner no more than its
//! share. Knows no threads and no clock.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use uuid::Uuid;

/// Whether a job's turn came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    InTime,
    TooLate,
}

/// Why a job was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The queue is full.
    Queue,
    /// Its owner has as much of the queue as one may have.
    Share,
}

/// Where a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// For a thread.
    Queue,
    /// For another job of its owner to end, who has as many threads as one may have.
    HeldBack,
}

/// How much one owner may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// Threads that its jobs run on, or are about to.
    threads: usize,
    /// Jobs that wait for those.
    queue: usize,
}

impl Share {
    /// So many of a hundred, at least one thread; a hundred is as much as there is.
    pub(crate) fn of(threads: usize, queue: usize, percent: u8) -> Self {
        if percent >= 100 {
            return Self {
                threads: usize::MAX,
                queue: usize::MAX,
            };
        }
        let part = |whole: usize| whole.saturating_mul(percent.into()) / 100;
        Self {
            threads: part(threads).max(1),
            queue: part(queue),
        }
    }
}

/// What runs, or is told that it is too late.
pub(super) type Job = Box<dyn FnOnce(Turn) + Send>;

/// The jobs that wait.
pub(super) struct Queue {
    capacity: usize,
    share: Share,
    /// What runs as soon as a thread is free.
    let_in: VecDeque<Queued>,
    /// Of owners who have jobs.
    pub(super) lanes: HashMap<Uuid, Lane>,
    /// How many jobs are held back in all lanes.
    held: usize,
}

/// The jobs of one owner. While some are held back, as many as may be are let in: so there is
/// always one whose end lets in the next.
#[derive(Default)]
pub(super) struct Lane {
    /// How many run, or are in the queue.
    let_in: usize,
    held: VecDeque<Queued>,
}

/// A job in its place.
pub(super) struct Queued {
    pub(super) owner: Option<Uuid>,
    /// `None`: there was a free thread when it came, so it is not late whatever the scheduler
    /// does; or the longest wait is too long to be told from an endless one.
    deadline: Option<Instant>,
    job: Job,
}

impl Queue {
    /// At most `capacity` jobs wait, and one owner has at most `share`.
    pub(super) fn new(capacity: usize, share: Share) -> Self {
        Self {
            capacity,
            share,
            let_in: VecDeque::new(),
            lanes: HashMap::new(),
            held: 0,
        }
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.let_in.len().saturating_add(self.held)
    }

    /// Takes in a job of this owner, or of nobody, that is late after `latest`, while so many threads
    /// wait for one.
    pub(super) fn put(
        &mut self,
        owner: Option<Uuid>,
        job: Job,
        latest: Option<Instant>,
        idle: usize,
    ) -> Result<Place, Refused> {
        if self.waiting() >= self.capacity.saturating_add(idle) {
            return Err(Refused::Queue);
        }
        if let Some(owner) = owner {
            let lane = self.lanes.entry(owner).or_default();
            if lane.let_in >= self.share.threads {
                if lane.held.len() >= self.share.queue {
                    return Err(Refused::Share);
                }
                lane.held.push_back(Queued {
                    owner: Some(owner),
                    deadline: latest,
                    job,
                });
                self.held = self.held.saturating_add(1);
                return Ok(Place::HeldBack);
            }
            lane.let_in = lane.let_in.saturating_add(1);
        }
        let must_wait = self.let_in.len() >= idle;
        self.let_in.push_back(Queued {
            owner,
            deadline: must_wait.then_some(latest).flatten(),
            job,
        });
        Ok(Place::Queue)
    }

    /// The next one to run.
    pub(super) fn take(&mut self) -> Option<Queued> {
        self.let_in.pop_front()
    }

    /// A job of this owner that was let in has ended: the next one is, behind all that wait.
    /// Answers whether there is one.
    pub(super) fn end(&mut self, owner: Uuid) -> bool {
        let Some(lane) = self.lanes.get_mut(&owner) else {
            return false;
        };
        if let Some(next) = lane.held.pop_front() {
            self.held = self.held.saturating_sub(1);
            self.let_in.push_back(next);
            return true;
        }
        lane.let_in = lane.let_in.saturating_sub(1);
        if lane.let_in == 0 {
            self.lanes.remove(&owner);
        }
        false
    }

    /// Takes out what has waited too long: what was let in, and what was held back.
    pub(super) fn take_late(&mut self, now: Instant) -> (Vec<Queued>, Vec<Queued>) {
        let let_in = split_late(&mut self.let_in, now);
        let mut held = Vec::new();
        if self.held > 0 {
            for lane in self.lanes.values_mut() {
                held.extend(split_late(&mut lane.held, now));
            }
            self.held = self.held.saturating_sub(held.len());
        }
        (let_in, held)
    }
}

/// A queue is not always in the order of its deadlines: what was held back comes to its end late.
fn split_late(queue: &mut VecDeque<Queued>, now: Instant) -> Vec<Queued> {
    let is_late = |queued: &Queued| queued.turn(now) == Turn::TooLate;
    if !queue.iter().any(is_late) {
        return Vec::new();
    }
    let (late, rest): (VecDeque<_>, _) = std::mem::take(queue).into_iter().partition(is_late);
    *queue = rest;
    late.into()
}

impl Queued {
    /// Whether it is late by now.
    pub(super) fn turn(&self, now: Instant) -> Turn {
        match self.deadline {
            Some(deadline) if now > deadline => Turn::TooLate,
            _ => Turn::InTime,
        }
    }

    /// A job catches its own panics; this keeps the thread if one does not.
    pub(super) fn run(self, turn: Turn) {
        if catch_unwind(AssertUnwindSafe(|| (self.job)(turn))).is_err() {
            log::error!("a database job panicked outside of its work");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_part_and_at_least_one_thread() {
        for (threads, queue, percent, expected) in [
            (8, 1024, 50, (4, 512)),
            (3, 10, 50, (1, 5)),
            (1, 10, 50, (1, 5)),
            (8, 0, 50, (4, 0)),
            (8, 10, 0, (1, 0)),
            (8, 10, 99, (7, 9)),
            (8, 10, 100, (usize::MAX, usize::MAX)),
        ] {
            let share = Share::of(threads, queue, percent);
            assert_eq!((share.threads, share.queue), expected, "{percent} %");
        }
    }
}
