//! What this program does about a code: the rules of pace and truth in the words of the person
//! who meets them. Numbers come from the engine where it has them.

use super::Kind;
use crate::engine::breaker::{FAILURES_TO_OPEN, USERS_TO_OPEN};
use crate::engine::retry::{BASE, CAP};
use crate::engine::{IMPOSTORS_TO_STOP, SAME_REFUSALS_TO_STOP};
use crate::model::{FatalCause, Outcome, Passing};
use crate::tencent::codes::{Class, NOT_THE_SERVICE};

/// The default of `--max-attempts`; the command line takes it from here.
pub const DEFAULT_MAX_ATTEMPTS: u32 = 5;
/// The default of `--max-outage`, as one would type it.
pub const DEFAULT_MAX_OUTAGE: &str = "30m";

/// What is done, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Treatment {
    /// Whether it is tried again, and how often.
    pub retried: String,
    /// How the row ends.
    pub row: String,
    /// What becomes of the run.
    pub run: String,
    /// The exit code that comes of it.
    pub exit: String,
}

impl Treatment {
    /// What is done about this kind; some codes have a rule of their own.
    pub(super) fn of(kind: Kind, code: &str) -> Self {
        match kind {
            Kind::Call(Class::Throttled) => throttled(),
            Kind::Call(Class::Passing(passing)) => passing_by(passing, code),
            Kind::Call(Class::Row) => refused(),
            Kind::Call(Class::Fatal(cause)) => fatal(cause, code),
            Kind::Row(outcome) => undecided(outcome),
            Kind::Warning => new("sent like any other", "as the answer says", "goes on", "0"),
        }
    }
}

fn new(
    retried: impl Into<String>,
    row: impl Into<String>,
    run: impl Into<String>,
    exit: impl Into<String>,
) -> Treatment {
    Treatment {
        retried: retried.into(),
        row: row.into(),
        run: run.into(),
        exit: exit.into(),
    }
}

fn waits() -> String {
    let (base, cap) = (BASE.as_secs_f64(), CAP.as_secs());
    format!("random waits, of up to {base} s at first and {cap} s later")
}

fn outage() -> String {
    format!("stops when nothing is accepted for --max-outage ({DEFAULT_MAX_OUTAGE})")
}

fn few_tries() -> String {
    format!(
        "yes, until --max-attempts ({DEFAULT_MAX_ATTEMPTS}) tries are used up, after {}",
        waits()
    )
}

fn probes() -> String {
    format!(
        "after {FAILURES_TO_OPEN} in a row from {USERS_TO_OPEN} or more users one call at a time probes the service; {}",
        outage()
    )
}

fn throttled() -> Treatment {
    new(
        format!(
            "yes, as often as needed: it uses up no try; after {}",
            waits()
        ),
        "decided by a later answer; pending if the run stops first",
        format!("goes on at a slightly lower pace; {}", outage()),
        "none of its own; 5 if the run stops",
    )
}

fn passing_by(passing: Passing, code: &str) -> Treatment {
    let stops = "5 if the run stops";
    match passing {
        // `Mended` and `Throttled` are no classes of the table; they are treated alike.
        Passing::Throttled | Passing::Mended => throttled(),
        Passing::NotSent => new(
            format!(
                "yes, as often as needed: it uses up no try; after {}",
                waits()
            ),
            "decided by a later answer; pending if the run stops first",
            probes(),
            format!("none of its own; {stops}"),
        ),
        Passing::Busy => new(
            few_tries(),
            "failed when they are used up",
            format!("goes on; {}", outage()),
            format!("3 for the row; {stops}"),
        ),
        Passing::Internal => new(
            few_tries(),
            "failed when they are used up, and in doubt in the ledger: the next run sends it again",
            probes(),
            format!("3 for the row; {stops}"),
        ),
        Passing::NoAnswer => new(
            few_tries(),
            "unknown when they are used up: sent, and no answer decided; the next run sends it again",
            match code == NOT_THE_SERVICE {
                true => format!(
                    "stops after {IMPOSTORS_TO_STOP} of them before the service has answered once; otherwise as in an outage"
                ),
                false => probes(),
            },
            "5, the same command goes on",
        ),
    }
}

fn refused() -> Treatment {
    new(
        "no",
        "failed; it stands in failures.csv, and the next run sends it again",
        format!(
            "goes on; stops after {SAME_REFUSALS_TO_STOP} rows in a row with the same code and none accepted between"
        ),
        "3 for the row; 5 if the run stops",
    )
}

fn fatal(cause: FatalCause, code: &str) -> Treatment {
    let retried = match code {
        "AuthFailure.SignatureExpire" => {
            "once the clock is corrected: the service's own time is taken over and the call is signed again"
        }
        _ => "no",
    };
    let exit = match cause {
        FatalCause::Key => "7",
        FatalCause::Service => "5",
    };
    new(
        retried,
        "pending, and so are all that are left: the same command goes on with them",
        "stops at once, because no row can work",
        exit,
    )
}

fn undecided(outcome: Outcome) -> Treatment {
    let named = outcome.name();
    match outcome {
        Outcome::Invalid => new(
            "never sent",
            format!("{named}; it stands in failures.csv where it has the header's number of cells"),
            "goes on",
            "3",
        ),
        Outcome::Pending => new(
            "not sent in this run",
            format!("{named}; the same command goes on with it"),
            "ends when the others are done",
            "5",
        ),
        Outcome::Unknown => new(
            "not in this run",
            format!("{named}; the next run sends it again"),
            "was being stopped already",
            "that of what stopped the run: 5, 7, 130 or 143",
        ),
        Outcome::Superseded | Outcome::Unchanged | Outcome::Applied | Outcome::Failed => {
            new("never sent", named, "goes on", "0")
        }
    }
}
