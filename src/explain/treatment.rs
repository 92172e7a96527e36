//! What this program does about a code: the rules of pace and truth in the words of the person
//! who meets them. Numbers come from the engine where it has them.

use super::Kind;
use crate::engine::breaker::{FAILURES_TO_OPEN, USERS_TO_OPEN};
use crate::engine::retry::{BASE, CAP};
use crate::engine::{IMPOSTORS_TO_STOP, SAME_REFUSALS_TO_STOP};
use crate::lang::Lang;
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
    pub(super) fn of(kind: Kind, code: &str, lang: Lang) -> Self {
        match kind {
            Kind::Call(Class::Throttled) => throttled(lang),
            Kind::Call(Class::Passing(passing)) => passing_by(passing, code, lang),
            Kind::Call(Class::Row) => refused(lang),
            Kind::Call(Class::Fatal(cause)) => fatal(cause, code, lang),
            Kind::Row(outcome) => undecided(outcome, lang),
            Kind::Warning => new(
                lang.sent_like_others(),
                lang.as_answered(),
                lang.goes_on(),
                "0",
            ),
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

fn waits(lang: Lang) -> String {
    lang.waits(BASE.as_secs_f64(), CAP.as_secs())
}

fn outage(lang: Lang) -> String {
    lang.stops_in_outage(DEFAULT_MAX_OUTAGE)
}

fn few_tries(lang: Lang) -> String {
    lang.few_tries(DEFAULT_MAX_ATTEMPTS, waits(lang))
}

fn probes(lang: Lang) -> String {
    lang.probes(FAILURES_TO_OPEN, USERS_TO_OPEN, outage(lang))
}

fn throttled(lang: Lang) -> Treatment {
    new(
        lang.free_tries(waits(lang)),
        lang.decided_later(),
        lang.goes_on_slower(outage(lang)),
        lang.none_but_stop(),
    )
}

fn passing_by(passing: Passing, code: &str, lang: Lang) -> Treatment {
    match passing {
        // `Mended` and `Throttled` are no classes of the table; they are treated alike.
        Passing::Throttled | Passing::Mended => throttled(lang),
        Passing::NotSent => new(
            lang.free_tries(waits(lang)),
            lang.decided_later(),
            probes(lang),
            lang.none_but_stop(),
        ),
        Passing::Busy => new(
            few_tries(lang),
            lang.failed_then(),
            lang.goes_on_unless(outage(lang)),
            lang.row_or_stop(),
        ),
        Passing::Internal => new(
            few_tries(lang),
            lang.failed_in_doubt(),
            probes(lang),
            lang.row_or_stop(),
        ),
        Passing::NoAnswer => new(
            few_tries(lang),
            lang.unknown_then(),
            match code == NOT_THE_SERVICE {
                true => lang.impostors(IMPOSTORS_TO_STOP),
                false => probes(lang),
            },
            lang.five_goes_on(),
        ),
    }
}

fn refused(lang: Lang) -> Treatment {
    new(
        lang.no(),
        lang.failed_at_once(),
        lang.goes_on_until(SAME_REFUSALS_TO_STOP),
        lang.row_or_stop(),
    )
}

fn fatal(cause: FatalCause, code: &str, lang: Lang) -> Treatment {
    let retried = match code {
        "AuthFailure.SignatureExpire" => lang.once_corrected(),
        _ => lang.no(),
    };
    let exit = match cause {
        FatalCause::Key => "7",
        FatalCause::Service => "5",
    };
    new(retried, lang.pending_all(), lang.stops_at_once(), exit)
}

fn undecided(outcome: Outcome, lang: Lang) -> Treatment {
    let named = outcome.name();
    match outcome {
        Outcome::Invalid => new(
            lang.never_sent(),
            lang.invalid_row(named),
            lang.goes_on(),
            "3",
        ),
        Outcome::Pending => new(
            lang.not_sent_now(),
            lang.pending_row(named),
            lang.ends_with_others(),
            "5",
        ),
        Outcome::Unknown => new(
            lang.not_in_this_run(),
            lang.unknown_row(named),
            lang.was_stopping(),
            lang.of_the_stop(),
        ),
        Outcome::Superseded | Outcome::Unchanged | Outcome::Applied | Outcome::Failed => new(
            lang.never_sent(),
            lang.outcome(outcome),
            lang.goes_on(),
            "0",
        ),
    }
}
