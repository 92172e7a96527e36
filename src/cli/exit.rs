//! How the program ends: the one table of exit codes, and what decides between them.
//!
//! Scripts and cron jobs rely on these numbers; they are not changed and not reused.

use std::process::ExitCode;

use crate::event::StopCause;
use crate::lang::Lang;
use crate::model::Counts;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// All rows are applied, unchanged or superseded.
    Done = 0,
    /// A bug: counts that don't add up, a panic.
    Internal = 1,
    /// Usage or configuration; missing keys too.
    Usage = 2,
    /// Finished, but some rows failed or are invalid.
    SomeFailed = 3,
    /// Refused before anything was sent, or by the canary.
    Refused = 4,
    /// Stopped early, or some rows are in doubt; the same command goes on.
    StoppedEarly = 5,
    /// Key, permission or signature.
    Key = 7,
    /// Another run holds the lock.
    Locked = 11,
    /// Stopped by SIGINT (Ctrl-C) with something left.
    Interrupted = 130,
    /// Stopped by SIGTERM or SIGHUP with something left.
    Terminated = 143,
}

/// The number of SIGINT, the same on every Unix.
const SIGINT: i32 = 2;

impl Exit {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Internal,
        Self::Usage,
        Self::SomeFailed,
        Self::Refused,
        Self::StoppedEarly,
        Self::Key,
        Self::Locked,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the caller sees.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The exit with this number, for reading a summary.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| exit.number() == number)
    }

    /// What it means, for people.
    pub fn meaning(self, lang: Lang) -> &'static str {
        match self {
            Self::Done => lang.done(),
            Self::Internal => lang.internal_error(),
            Self::Usage => lang.usage_error(),
            Self::SomeFailed => lang.some_failed(),
            Self::Refused => lang.refused_or_canary(),
            Self::StoppedEarly => lang.early_or_in_doubt(),
            Self::Key => lang.key_refused(),
            Self::Locked => lang.locked(),
            Self::Interrupted => lang.interrupted(),
            Self::Terminated => lang.terminated(),
        }
    }

    /// How a run ended that a signal stopped with something left.
    pub fn of_signal(number: i32) -> Self {
        match number {
            SIGINT => Self::Interrupted,
            _ => Self::Terminated,
        }
    }

    /// How a run ended that got as far as making its plan: the first that fits. Counts that don't
    /// add up are an internal error by themselves.
    pub fn of_run(counts: &Counts, stopped: Option<&StopCause>, internal_error: bool) -> Self {
        if internal_error || !counts.add_up() {
            return Self::Internal;
        }
        let something_left = counts.pending + counts.unknown > 0;
        match stopped {
            Some(cause) if cause.is_key() => return Self::Key,
            Some(StopCause::Canary(_)) => return Self::Refused,
            Some(StopCause::Signal(number)) if something_left => return Self::of_signal(*number),
            // It came too late to stop anything.
            Some(StopCause::Signal(_) | StopCause::TimeUp(_)) if !something_left => {}
            Some(_) => return Self::StoppedEarly,
            None if something_left => return Self::StoppedEarly,
            None => {}
        }
        if counts.failed + counts.invalid > 0 {
            Self::SomeFailed
        } else {
            Self::Done
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.number().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CanaryFailure;
    use crate::model::{FatalCause, Fault, Outcome};

    fn counts(of: &[(Outcome, u64)]) -> Counts {
        let mut counts = Counts::default();
        for (outcome, rows) in of {
            counts.add(*outcome, *rows);
        }
        counts.read = counts.settled();
        counts
    }

    #[test]
    fn numbers_are_those_of_the_manual() {
        let numbers = Exit::ALL.map(Exit::number);
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 7, 11, 130, 143]);
        for exit in Exit::ALL {
            assert_eq!(Exit::from_number(exit.number()), Some(exit));
        }
        assert_eq!(Exit::from_number(6), None);
    }

    #[test]
    fn the_first_that_fits() {
        use Outcome::*;
        let fault = || Fault::ours("no answer", "");
        let fatal = |cause| StopCause::Fatal {
            cause,
            fault: fault(),
        };
        let key = || Some(fatal(FatalCause::Key));
        let signal = |number| Some(StopCause::Signal(number));
        let good = [(Applied, 5), (Unchanged, 2), (Superseded, 1)];
        let bad = [(Applied, 5), (Failed, 1)];
        let left = [(Applied, 5), (Failed, 1), (Pending, 2)];
        let doubt = [(Applied, 5), (Unknown, 1)];
        let time = || Some(StopCause::TimeUp(String::new()));
        type Case<'c> = (&'c [(Outcome, u64)], Option<StopCause>, Exit);
        let table: [Case; 28] = [
            (&left, time(), Exit::StoppedEarly),
            (&good, time(), Exit::Done),
            (&bad, time(), Exit::SomeFailed),
            (&[], None, Exit::Done),
            (&good, None, Exit::Done),
            (&bad, None, Exit::SomeFailed),
            (&[(Invalid, 1)], None, Exit::SomeFailed),
            (&doubt, None, Exit::StoppedEarly),
            (&left, None, Exit::StoppedEarly),
            (&left, key(), Exit::Key),
            (&good, key(), Exit::Key),
            (&left, signal(2), Exit::Interrupted),
            (&doubt, signal(2), Exit::Interrupted),
            (&left, signal(15), Exit::Terminated),
            (&left, signal(1), Exit::Terminated),
            (&good, signal(2), Exit::Done),
            (&good, signal(15), Exit::Done),
            (&bad, signal(1), Exit::SomeFailed),
            (&left, Some(fatal(FatalCause::Service)), Exit::StoppedEarly),
            (&good, Some(fatal(FatalCause::Service)), Exit::StoppedEarly),
            (&left, Some(StopCause::Outage(fault())), Exit::StoppedEarly),
            (
                &left,
                Some(StopCause::SameRefusal {
                    fault: fault(),
                    rows: 50,
                }),
                Exit::StoppedEarly,
            ),
            (
                &left,
                Some(StopCause::NotRecorded(String::new())),
                Exit::StoppedEarly,
            ),
            (
                &good,
                Some(StopCause::NotRecorded(String::new())),
                Exit::StoppedEarly,
            ),
            (
                &left,
                Some(StopCause::InputChanged("users.csv: line 2".into())),
                Exit::StoppedEarly,
            ),
            (
                &left,
                Some(StopCause::InputUnreadable(String::new())),
                Exit::StoppedEarly,
            ),
            (&[(Failed, 1), (Unknown, 1)], None, Exit::StoppedEarly),
            (
                &doubt,
                Some(StopCause::Canary(CanaryFailure::NoneAccepted { of: 1 })),
                Exit::Refused,
            ),
        ];
        for (of, stopped, expected) in table {
            let found = Exit::of_run(&counts(of), stopped.as_ref(), false);
            assert_eq!(found, expected, "{of:?} {stopped:?}");
            // A bug comes before everything else.
            let found = Exit::of_run(&counts(of), stopped.as_ref(), true);
            assert_eq!(found, Exit::Internal);
        }
    }

    #[test]
    fn counts_that_do_not_add_up_are_a_bug() {
        let counts = Counts {
            read: 2,
            applied: 1,
            ..Counts::default()
        };
        let signal = Some(StopCause::Signal(2));
        assert_eq!(
            Exit::of_run(&counts, signal.as_ref(), false),
            Exit::Internal
        );
    }
}
