//! What happened, in the past tense. Everything a person sees (bar, log lines, summary, page) is
//! a fold over this one stream; nothing that decides anything reads it.
//!
//! Events name rows by file and line, never by the person's data.

use std::time::Duration;

use crate::model::{FatalCause, Fault, Outcome, Passing, RowRef};

/// One thing that happened during a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The plan is made, the first call may leave.
    RunStarted {
        /// Rows in the input.
        rows: u64,
        /// Rows that belong to a change to be sent.
        rows_to_send: u64,
        /// Changes to be sent.
        changes: u64,
    },
    /// Rows got an outcome without a call, or with their change.
    RowsSettled {
        /// What became of them.
        outcome: Outcome,
        /// How many rows.
        rows: u64,
        /// The first of them, where known.
        at: Option<RowRef>,
        /// Why, for the outcomes that have a reason.
        code: Option<String>,
    },
    /// A call left; told at the instant at which it really did.
    CallSent {
        /// 1 for the first call of a change.
        attempt: u32,
    },
    /// A call came back, or was given up.
    CallAnswered {
        /// How it came back.
        answer: Answer,
        /// From sending to answer.
        latency: Duration,
        /// The change's first row.
        at: RowRef,
        /// The code, where it was not accepted.
        code: Option<String>,
    },
    /// The service fails for everybody: from now on one call at a time (rule P7).
    OutageBegan {
        /// The last failure that led to this.
        fault: Fault,
    },
    /// The service answers again.
    OutageEnded {
        /// How long it lasted.
        after: Duration,
    },
    /// Nothing can be sent for now, for a reason that is worth telling.
    Waiting {
        /// Why.
        why: Why,
        /// Until when after the start of the run.
        until: Duration,
    },
    /// The service's clock differs from ours by this much; calls are signed for its clock now.
    ClockCorrected {
        /// Seconds to add to our clock.
        seconds: i64,
    },
    /// A call left later than its permit said; the pace was moved back so that no window overflows.
    SentLate,
    /// The service refused calls, or has not for a while: calls leave at another pace now.
    PaceChanged {
        /// Calls per second.
        per_second: f64,
    },
    /// The service said how much it allows, or now takes more than it said.
    LimitLearned {
        /// Calls per second; `None` when what was known no longer holds.
        per_second: Option<f64>,
    },
    /// The canary held: the service shows what these users were given.
    CanaryHeld {
        /// How many.
        users: u64,
    },
    /// No new call will be sent.
    RunStopping {
        /// Why.
        cause: StopCause,
        /// Calls whose answers are awaited.
        in_flight: usize,
    },
}

/// How a call ended, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The service holds the values.
    Accepted,
    /// The row is refused.
    Refused,
    /// It may pass.
    Again(Passing),
    /// It stops the run.
    Fatal(FatalCause),
}

/// Why the engine waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// For its next permit.
    Pace,
    /// Until a change may be tried again.
    Backoff,
    /// Until an earlier run's call with another value can no longer arrive (rule T3).
    Cooldown,
    /// Until the service is tried again.
    Probe,
}

/// Why a run stopped before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopCause {
    /// A person or the system asked for it: the number of the signal.
    Signal(i32),
    /// Nothing was accepted for `--max-outage`.
    Outage(Fault),
    /// No row can work until a person changes something.
    Fatal {
        /// What kind of thing.
        cause: FatalCause,
        /// What was said.
        fault: Fault,
    },
    /// This many rows in a row were refused with this code, and none accepted between them.
    SameRefusal {
        /// The refusal.
        fault: Fault,
        /// How many.
        rows: u32,
    },
    /// The record could not be written; what was seen.
    NotRecorded(String),
    /// The input is not what the survey saw; file and line.
    InputChanged(String),
    /// The input could not be read to its end; what was seen.
    InputUnreadable(String),
    /// The time that the person gave it is over; when that was, or is.
    TimeUp(String),
    /// The canary did not hold.
    Canary(CanaryFailure),
}

/// Why the run does not go on after its canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CanaryFailure {
    /// The service accepted a change, and does not show it.
    NotShown {
        /// Of how many users.
        users: u64,
        /// Of how many that were accepted.
        of: u64,
        /// The first of those.
        first: RowRef,
    },
    /// The service accepted none.
    NoneAccepted {
        /// Of how many that were sent.
        of: u64,
    },
    /// The service can't be asked; what was said or seen.
    Unread(Fault),
}

impl StopCause {
    /// Whether the key, its permission or the signature was refused.
    pub fn is_key(&self) -> bool {
        matches!(
            self,
            Self::Fatal {
                cause: FatalCause::Key,
                ..
            }
        )
    }

    /// The word for `stopped_by` in the summary.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Signal(_) => "signal",
            Self::Outage(_) => "outage",
            Self::Fatal {
                cause: FatalCause::Key,
                ..
            } => "key",
            Self::Fatal {
                cause: FatalCause::Service,
                ..
            } => "service",
            Self::SameRefusal { .. } => "same-refusal",
            Self::NotRecorded(_) => "not-recorded",
            Self::InputChanged(_) => "input-changed",
            Self::InputUnreadable(_) => "input-unreadable",
            Self::TimeUp(_) => "time",
            Self::Canary(_) => "canary",
        }
    }
}

/// Somebody who is told. Called in the order of events, by one thread, and must not block.
pub trait Observer: Send {
    /// `at` is the time since the start of the run.
    fn on(&mut self, at: Duration, event: &Event);

    /// A second has passed, whether or not anything happened.
    fn tick(&mut self, _at: Duration) {}
}

/// Tells several observers, in their order.
#[derive(Default)]
pub struct Fanout(pub Vec<Box<dyn Observer>>);

impl Observer for Fanout {
    fn on(&mut self, at: Duration, event: &Event) {
        for observer in &mut self.0 {
            observer.on(at, event);
        }
    }

    fn tick(&mut self, at: Duration) {
        for observer in &mut self.0 {
            observer.tick(at);
        }
    }
}
