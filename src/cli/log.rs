//! Log lines: what happens during a run, for `-v` and `-vv`. They name rows by file and line,
//! never by the person's data.

use std::time::Duration;

use tracing::{debug, info};

use crate::event::{Event, Observer};
use crate::report::words::reason;

/// Writes log lines; how many of them are seen is up to the subscriber.
#[derive(Debug, Clone, Copy)]
pub struct Log;

impl Observer for Log {
    fn on(&mut self, _at: Duration, event: &Event) {
        match event {
            Event::RunStarted {
                rows,
                rows_to_send,
                changes,
            } => info!(rows, rows_to_send, changes, "run started"),
            Event::RowsSettled {
                outcome,
                rows,
                at,
                code,
            } => {
                let code = code.as_deref().unwrap_or_default();
                let (file, line) = at.map_or((0, 0), |at| (at.file, at.line));
                debug!(file, line, rows, outcome = outcome.name(), code, "settled");
            }
            Event::CallSent { attempt } => debug!(attempt, "call sent"),
            Event::CallAnswered {
                answer,
                latency,
                at,
                code,
            } => debug!(
                file = at.file,
                line = at.line,
                answer = ?answer,
                code = code.as_deref().unwrap_or_default(),
                ms = latency.as_millis() as u64,
                "call answered"
            ),
            Event::OutageBegan { fault } => info!(code = fault.code, "outage began"),
            Event::OutageEnded { after } => info!(seconds = after.as_secs(), "outage ended"),
            Event::Waiting { why, until } => {
                info!(why = ?why, until_s = until.as_secs(), "waiting");
            }
            Event::ClockCorrected { seconds } => info!(seconds, "clock corrected"),
            Event::PaceChanged { per_second } => info!(per_second, "pace changed"),
            Event::LimitLearned { per_second } => info!(per_second, "limit learned"),
            Event::SentLate => debug!("a call left late"),
            Event::RunStopping { cause, in_flight } => {
                info!(
                    cause = cause.name(),
                    why = reason(cause),
                    in_flight,
                    "run stopping"
                );
            }
        }
    }
}
