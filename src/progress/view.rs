//! Events folded into what a person wants to know: how far, how fast, how long yet, and why it
//! waits. Pure: time is an argument, words are what comes out.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::pacer::Rate;
use crate::event::{Answer, Event, StopCause, Why};
use crate::lang::{Lang, thousands};
use crate::model::{Counts, Outcome};
use crate::report::words::{fault_in_words, reason};

/// The pace "now" is that of the last five seconds, counted in tenths.
const TENTHS: u64 = 50;

/// See the module.
#[derive(Debug)]
pub struct View {
    lang: Lang,
    rate: f64,
    counts: Counts,
    started: bool,
    changes: u64,
    changes_settled: u64,
    /// Changes that failed and will be tried again.
    retrying: u64,
    /// Changes whose last answer decided, and which are not yet told to be settled.
    decided: u64,
    first_sent: Option<Duration>,
    /// Calls by the tenth of a second in which they left, oldest first.
    recent: VecDeque<(u64, u64)>,
    waiting: Option<(Why, Duration)>,
    in_outage: bool,
    stopping: bool,
}

impl View {
    /// A run that has not started. `rate` is what the remaining time is reckoned with.
    pub fn new(rate: Rate, lang: Lang) -> Self {
        Self {
            lang,
            rate: rate.get(),
            counts: Counts::default(),
            started: false,
            changes: 0,
            changes_settled: 0,
            retrying: 0,
            decided: 0,
            first_sent: None,
            recent: VecDeque::new(),
            waiting: None,
            in_outage: false,
            stopping: false,
        }
    }

    /// Takes in what happened.
    pub fn on(&mut self, at: Duration, event: &Event) {
        match event {
            Event::RunStarted { rows, changes, .. } => {
                self.started = true;
                self.counts.read = *rows;
                self.changes = *changes;
            }
            Event::RowsSettled { outcome, rows, .. } => self.settled(*outcome, *rows),
            Event::CallSent { attempt } => {
                self.sent(at);
                if *attempt > 1 {
                    self.retrying = self.retrying.saturating_sub(1);
                }
                self.waiting = None;
            }
            Event::CallAnswered { answer, .. } => match answer {
                Answer::Again(_) => self.retrying += 1,
                Answer::Accepted | Answer::Refused | Answer::Fatal(_) => self.decided += 1,
            },
            Event::OutageBegan { .. } => self.in_outage = true,
            Event::OutageEnded { .. } => {
                self.in_outage = false;
                self.waiting = None;
            }
            Event::Waiting { why, until } => self.waiting = Some((*why, *until)),
            Event::RunStopping { .. } => {
                self.stopping = true;
                self.waiting = None;
            }
            Event::PaceChanged { per_second } => self.rate = *per_second,
            Event::ClockCorrected { .. }
            | Event::SentLate
            | Event::CanaryHeld { .. }
            | Event::LimitLearned { .. } => {}
        }
    }

    fn settled(&mut self, outcome: Outcome, rows: u64) {
        self.counts.add(outcome, rows);
        match outcome {
            // Only changes end like this, each told once.
            Outcome::Applied | Outcome::Failed | Outcome::Unknown => {
                self.changes_settled += 1;
                if self.decided > 0 {
                    self.decided -= 1;
                } else {
                    // Its tries ran out.
                    self.retrying = self.retrying.saturating_sub(1);
                }
            }
            Outcome::Pending if self.stopping => self.retrying = self.retrying.saturating_sub(1),
            Outcome::Pending | Outcome::Unchanged | Outcome::Invalid | Outcome::Superseded => {}
        }
    }

    fn sent(&mut self, at: Duration) {
        self.first_sent.get_or_insert(at);
        let tenth = tenth(at);
        match self.recent.back_mut() {
            Some((last, calls)) if *last >= tenth => *calls += 1,
            _ => self.recent.push_back((tenth, 1)),
        }
        while self
            .recent
            .front()
            .is_some_and(|(first, _)| first + TENTHS < tenth)
        {
            self.recent.pop_front();
        }
    }

    /// Whether there is anything to show.
    pub fn has_started(&self) -> bool {
        self.started
    }

    /// Rows in the input.
    pub fn rows(&self) -> u64 {
        self.counts.read
    }

    /// Rows that are done with; those left for a later run are not.
    pub fn done(&self) -> u64 {
        self.counts.settled() - self.counts.pending
    }

    /// Calls per second, over the last five seconds or as long as there were calls.
    fn pace(&self, at: Duration) -> f64 {
        let Some(first) = self.first_sent else {
            return 0.0;
        };
        let now = tenth(at);
        let recent = self.recent.iter();
        let calls: u64 = recent
            .filter(|(tenth, _)| tenth + TENTHS > now)
            .map(|(_, calls)| calls)
            .sum();
        let span = at.saturating_sub(first).as_secs_f64();
        calls as f64 / span.clamp(1.0, TENTHS as f64 / 10.0)
    }

    /// How long yet: at the rate that is allowed, or slower where calls have been leaving slower.
    /// `None` when nobody can know.
    fn left(&self, at: Duration) -> Option<Duration> {
        let changes = self.changes.saturating_sub(self.changes_settled);
        if changes == 0 || self.in_outage || self.stopping {
            return None;
        }
        let settled_in = Duration::from_millis(100 * TENTHS);
        let pace = self.pace(at);
        let is_known = self
            .first_sent
            .is_some_and(|first| at >= first + settled_in);
        let pace = if is_known && pace > 0.0 {
            pace.min(self.rate)
        } else {
            self.rate
        };
        // While nothing may be sent, the end can't come before that is over.
        let wait = self.waiting.map(|(_, until)| until.saturating_sub(at));
        Some(Duration::from_secs_f64(changes as f64 / pace) + wait.unwrap_or_default())
    }

    /// Beside the bar: how far, how fast, how long yet.
    pub fn headline(&self, at: Duration) -> String {
        let done = format!("{}/{}", thousands(self.done()), thousands(self.rows()));
        let parts = [
            Some(done),
            Some(self.pace_in_words(at)),
            self.end_in_words(at),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
    }

    /// Below it: what became of the rows.
    pub fn numbers(&self) -> String {
        self.lang.numbers(
            thousands(self.counts.applied),
            thousands(self.counts.failed),
            thousands(self.retrying),
        )
    }

    /// Below that: why nothing happens, while nothing happens.
    pub fn waiting(&self, at: Duration) -> Option<String> {
        let (why, until) = self.waiting?;
        // Rounded up, "in 0 s" would be no wait.
        let wait = Duration::from_secs(until.checked_sub(at)?.as_secs_f64().ceil() as u64);
        if wait.is_zero() {
            return None;
        }
        let time = match wait.as_secs() {
            seconds @ ..60 => self.lang.seconds(seconds),
            _ => self.lang.duration(wait),
        };
        match why {
            Why::Pace => None,
            Why::Backoff => Some(self.lang.waits_to_retry(time)),
            Why::Cooldown => Some(self.lang.waits_for_earlier(time)),
            Why::Probe => Some(self.lang.waits_for_service(time)),
        }
    }

    /// All of it in one line, for a log.
    pub fn line(&self, at: Duration) -> String {
        let (done, all) = (thousands(self.done()), thousands(self.rows()));
        let pace = self.pace_in_words(at);
        let mut line = self.lang.progress(done, all, self.numbers(), pace);
        if let Some(end) = self.end_in_words(at) {
            line += &self.lang.and_end(end);
        }
        if let Some(waiting) = self.waiting(at) {
            line += &self.lang.and_waiting(waiting);
        }
        line
    }

    fn pace_in_words(&self, at: Duration) -> String {
        let pace = self.pace(at);
        match pace {
            ..100.0 => self.lang.pace(format!("{pace:.1}")),
            pace => self.lang.pace(thousands(pace.round() as u64)),
        }
    }

    fn end_in_words(&self, at: Duration) -> Option<String> {
        if self.stopping {
            return Some(self.lang.stopping().into());
        }
        let left = self.left(at)?;
        Some(self.lang.left(self.lang.duration(left)))
    }
}

fn tenth(at: Duration) -> u64 {
    (at.as_millis() / 100) as u64
}

/// What a person is told at once, however progress is shown.
pub fn warning(event: &Event, lang: Lang) -> Option<String> {
    let warning = |told: String| Some(format!("{}{told}", lang.warning()));
    match event {
        Event::OutageBegan { fault } => warning(lang.outage_began(fault_in_words(fault))),
        Event::OutageEnded { after } => Some(lang.outage_ended(lang.duration(*after))),
        Event::ClockCorrected { seconds } => {
            let by = lang.duration(Duration::from_secs(seconds.unsigned_abs()));
            warning(match *seconds > 0 {
                true => lang.clock_behind(by),
                false => lang.clock_ahead(by),
            })
        }
        Event::CanaryHeld { users } => Some(lang.canary_held(lang.users(*users))),
        Event::RunStopping { cause, in_flight } => {
            let mut words = lang.is_stopping(lang.retold(&reason(cause)));
            if *in_flight > 0 {
                words += &lang.waits_for(lang.answers(*in_flight as u64));
                if let StopCause::Signal(_) = cause {
                    words += lang.second_signal();
                }
            }
            Some(words)
        }
        Event::RunStarted { .. }
        | Event::RowsSettled { .. }
        | Event::CallSent { .. }
        | Event::CallAnswered { .. }
        | Event::Waiting { .. }
        | Event::PaceChanged { .. }
        | Event::LimitLearned { .. }
        | Event::SentLate => None,
    }
}

#[cfg(test)]
mod tests;
