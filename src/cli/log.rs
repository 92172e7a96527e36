//! Log lines: what happens during a run, for `-v` and `-vv`. They name rows by file and line,
//! never by the person's data.

use std::time::Duration;

use tracing::{Level, debug, enabled, info};

use crate::event::{Event, Observer};
use crate::model::{Outcome, RowRef};
use crate::report::words::reason;

/// Writes log lines; how many of them are seen is up to the subscriber.
#[derive(Debug, Clone)]
pub struct Log {
    inputs: Vec<String>,
}

impl Log {
    /// A log of a run on these FILE arguments.
    pub fn new(inputs: &[String]) -> Self {
        Self {
            inputs: inputs.to_vec(),
        }
    }

    /// `users.csv:17`; nothing for what is no row's.
    fn place(&self, at: Option<RowRef>) -> String {
        let Some(at) = at else { return String::new() };
        let file = self.inputs.get(usize::from(at.file));
        format!("{}:{}", file.map_or("?", String::as_str), at.line)
    }
}

impl Observer for Log {
    fn on(&mut self, _at: Duration, event: &Event) {
        // Places are put into words before the macros could tell that nobody reads them.
        if !enabled!(Level::INFO) {
            return;
        }
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
                let (code, name) = (code.as_deref().unwrap_or_default(), outcome.name());
                match outcome {
                    Outcome::Failed | Outcome::Invalid | Outcome::Unknown => {
                        info!(at = self.place(*at), rows, outcome = name, code, "settled");
                    }
                    _ => debug!(at = self.place(*at), rows, outcome = name, code, "settled"),
                }
            }
            Event::CallSent { attempt } => debug!(attempt, "call sent"),
            Event::CallAnswered {
                answer,
                latency,
                at,
                code,
            } => debug!(
                at = self.place(Some(*at)),
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
            Event::CanaryHeld { users } => info!(users, "canary held"),
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
