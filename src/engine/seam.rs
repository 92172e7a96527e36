//! What goes into the engine and what comes out of it: the whole outside world in one enum, and
//! everything that is to be done in another. Both can be logged, replayed and made up.

use std::sync::Arc;
use std::time::Duration;

use super::pacer::Rate;
use crate::event::{Event, StopCause};
use crate::model::{Change, Fault, Fields, Outcome, Verdict};

/// What the engine holds to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Calls per second.
    pub rate: Rate,
    /// Calls in flight at once; at least 1.
    pub concurrency: usize,
    /// Tries of a change before it settles as failed or unknown; at least 1.
    pub max_attempts: u32,
    /// The run stops when nothing was accepted for this long.
    pub max_outage: Duration,
    /// Changes in memory at once; more than `concurrency` and `runway` together.
    pub window: usize,
    /// Changes whose doubt is on disk, or on its way there, before it is their turn: enough that
    /// the record never makes a call wait, few enough that a kill leaves little in doubt.
    pub runway: usize,
    /// For the jitter of the waits.
    pub seed: u64,
}

impl Limits {
    /// The runway that fits a pace: a second's worth, so that the record can commit in large
    /// groups where the pace is high, and a kill leaves little in doubt where it is not. More
    /// than 2,048 don't stay in a processor's cache until it is their turn (BENCHMARKS.md); at such
    /// paces a disk that takes a quarter of a second to sync is waited for.
    pub fn runway_at(rate: Rate) -> usize {
        (rate.get().ceil() as usize).clamp(16, 2048)
    }

    /// The window that fits a pace: the changes ahead, those in flight, those whose outcome is on
    /// its way to disk, and room for many that wait to be tried again.
    pub fn window_at(rate: Rate, concurrency: usize) -> usize {
        Self::runway_at(rate) + concurrency + 2048
    }
}

/// The number of a change within a run, in the order in which changes came; also the mark that
/// tells up to where doubt is durable.
pub type Mark = u64;

/// A slot: it leaves with the call and comes back with the answer, so no more calls can be in
/// flight than there are tickets.
#[derive(Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(super) mark: Mark,
    pub(super) attempt: u32,
    pub(super) permit: Duration,
}

impl Ticket {
    /// The instant for which the pace permitted the call. If it leaves more than
    /// [`super::pacer::GRACE`] later, the engine is to be told ([`Input::LeftLate`]).
    pub fn permit(&self) -> Duration {
        self.permit
    }

    /// Which call of its change this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// The whole outside world, as the engine sees it.
#[derive(Debug)]
pub enum Input {
    /// More changes; to be asked for with [`super::Engine::wants_changes`].
    Changes(Vec<Change>),
    /// There are no more.
    InputEnded,
    /// All that was to be recorded up to this mark is on disk.
    Durable(Mark),
    /// A call came back.
    Answered(Ticket, Verdict),
    /// A call left later than the pace permitted, by more than [`super::pacer::GRACE`].
    LeftLate {
        /// When it was permitted.
        permit: Duration,
        /// When it left.
        at: Duration,
    },
    /// Send nothing new; settle the rest when the calls in flight are back.
    Stop(StopCause),
    /// Don't wait for the calls in flight either: their outcome is unknown.
    Abandon,
    /// It is the time that [`super::Engine::wake_at`] said.
    Woke,
}

/// What is to be done, in this order.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Put on disk that a call for this change may leave. The answer is [`Input::Durable`].
    MarkDoubt(Mark, Arc<Change>),
    /// Send it. The answer is [`Input::Answered`].
    Send(Ticket, Arc<Change>),
    /// Put on disk what became of it.
    Settle(Settlement),
    /// Tell the observers.
    Tell(Event),
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// Its number.
    pub mark: Mark,
    /// The change.
    pub change: Arc<Change>,
    /// How it ended.
    pub ending: Ending,
    /// Calls made for it.
    pub attempts: u32,
    /// When the first and the last of them left, since the start of the run.
    pub sent: Option<(Duration, Duration)>,
    /// From the last call to its answer.
    pub latency: Option<Duration>,
    /// The sent fields of which nobody knows whether the service holds them (rule T3).
    pub in_doubt: Fields,
    /// Some call of it was never answered: it may still arrive, even where a later one was.
    pub may_arrive_late: bool,
}

impl Settlement {
    /// The event that tells of it.
    pub fn told(&self) -> Event {
        Event::RowsSettled {
            outcome: self.ending.outcome(),
            rows: self.change.rows.len() as u64,
            at: self.change.rows.first().map(|row| row.at),
            code: self.ending.fault().map(|fault| fault.code.clone()),
        }
    }
}

/// How a change ended, with the particulars of each way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The service said so.
    Applied {
        /// The service's RequestId.
        request_id: String,
    },
    /// Refused, or its tries ran out.
    Failed(Fault),
    /// Sent, and no answer decided.
    Unknown(Fault),
    /// The run stopped first.
    Pending,
}

impl Ending {
    /// The outcome of the change's rows.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Applied { .. } => Outcome::Applied,
            Self::Failed(_) => Outcome::Failed,
            Self::Unknown(_) => Outcome::Unknown,
            Self::Pending => Outcome::Pending,
        }
    }

    /// What was said or seen, where something went wrong.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Failed(fault) | Self::Unknown(fault) => Some(fault),
            Self::Applied { .. } | Self::Pending => None,
        }
    }
}
