//! Counts what happens during a run: a fold over its events, and over the instants at which calls
//! really left. Where the engine's own view and the wire could differ (how fast?), the wire counts.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::summary::{Calls, Failures, Pace};
use super::timeline::Timeline;
use crate::event::{Answer, Event, Observer};
use crate::model::{Counts, Outcome, Passing};

/// The length of the window in which calls are counted.
const SECOND: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: Counts,
    calls: Calls,
    failures: BTreeMap<String, u64>,
    late_wakeups: u64,
    /// The lowest pace that refusals led to.
    lowest: Option<f64>,
    limit: Option<Option<f64>>,
    /// Calls that left less than a second before the last one.
    window: VecDeque<Duration>,
    max_in_any_second: u64,
    n_left: u64,
    first_left: Option<Duration>,
    last_left: Option<Duration>,
    timeline: Timeline,
}

impl Tally {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A call left at this very instant after the start of the run.
    pub fn left(&mut self, at: Duration) {
        // Two threads may tell of two calls in the wrong order; time does not run backwards.
        let at = self.last_left.map_or(at, |last| at.max(last));
        self.first_left.get_or_insert(at);
        self.last_left = Some(at);
        self.n_left += 1;
        self.window.push_back(at);
        while self
            .window
            .front()
            .is_some_and(|first| at - *first >= SECOND)
        {
            self.window.pop_front();
        }
        self.max_in_any_second = self.max_in_any_second.max(self.window.len() as u64);
    }

    /// Rows by outcome; `read` is what the run said when it started.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Calls by answer.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// How fast calls left, beside the `rate` that was allowed.
    pub fn pace(&self, rate: f64) -> Pace {
        Pace {
            rate,
            mean_per_s: (self.mean_per_s() * 100.0).round() / 100.0,
            max_in_any_second: self.max_in_any_second,
            late_wakeups: self.late_wakeups,
            lowest: self
                .lowest
                .map_or(rate, |lowest| (lowest * 100.0).round() / 100.0),
            limit: self.limit.flatten(),
        }
    }

    /// What the run learned of the service's limit; `Some(None)` when what was known no longer
    /// holds, `None` when it learned nothing.
    pub fn limit(&self) -> Option<Option<f64>> {
        self.limit
    }

    /// Codes of rows that failed or are invalid: at most `n_codes`, most rows first.
    pub fn failures(&self, n_codes: usize) -> Vec<Failures> {
        let failures = self.failures.iter().map(|(code, rows)| Failures {
            code: code.clone(),
            rows: *rows,
        });
        let mut failures: Vec<Failures> = failures.collect();
        // The sort is stable: codes with as many rows stay in their order.
        failures.sort_by_key(|failures| std::cmp::Reverse(failures.rows));
        failures.truncate(n_codes);
        failures
    }

    /// When the first and the last call left.
    pub fn span(&self) -> Option<(Duration, Duration)> {
        self.first_left.zip(self.last_left)
    }

    /// How it went over time.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Steps from call to call, over the time that they took: one call has no speed.
    fn mean_per_s(&self) -> f64 {
        match self.span() {
            Some((first, last)) if last > first => {
                (self.n_left - 1) as f64 / (last - first).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}

impl Observer for Tally {
    fn on(&mut self, at: Duration, event: &Event) {
        self.timeline.on(at, event);
        match event {
            Event::RunStarted { rows, .. } => self.counts.read = *rows,
            Event::RowsSettled {
                outcome,
                rows,
                code,
                ..
            } => {
                self.counts.add(*outcome, *rows);
                let is_failure = matches!(outcome, Outcome::Failed | Outcome::Invalid);
                if let (true, Some(code)) = (is_failure, code) {
                    *self.failures.entry(code.clone()).or_default() += rows;
                }
            }
            Event::CallSent { attempt } => {
                self.left(at);
                self.calls.total += 1;
                self.calls.retried += u64::from(*attempt > 1);
            }
            Event::CallAnswered { answer, code, .. } => {
                self.calls.accepted += u64::from(*answer == Answer::Accepted);
                let throttled = *answer == Answer::Again(Passing::Throttled);
                self.calls.throttled += u64::from(throttled);
                if let Some(code) = code {
                    *self.calls.by_code.entry(code.clone()).or_default() += 1;
                }
            }
            Event::SentLate => self.late_wakeups += 1,
            Event::PaceChanged { per_second } => {
                let lowest = self.lowest.map_or(*per_second, |l| l.min(*per_second));
                self.lowest = Some(lowest);
            }
            Event::LimitLearned { per_second } => self.limit = Some(*per_second),
            Event::OutageBegan { .. }
            | Event::OutageEnded { .. }
            | Event::Waiting { .. }
            | Event::ClockCorrected { .. }
            | Event::CanaryHeld { .. }
            | Event::RunStopping { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RowRef;

    fn answered(answer: Answer, code: Option<&str>) -> Event {
        Event::CallAnswered {
            answer,
            latency: Duration::from_millis(80),
            at: RowRef { file: 0, line: 2 },
            code: code.map(Into::into),
        }
    }

    fn settled(outcome: Outcome, rows: u64, code: Option<&str>) -> Event {
        Event::RowsSettled {
            outcome,
            rows,
            at: None,
            code: code.map(Into::into),
        }
    }

    fn left(millis: &[u64]) -> Tally {
        let mut tally = Tally::new();
        for at in millis {
            tally.left(Duration::from_millis(*at));
        }
        tally
    }

    #[test]
    fn a_run_is_folded_into_counts_and_calls() {
        let mut tally = Tally::new();
        let events = [
            Event::RunStarted {
                rows: 6,
                rows_to_send: 4,
                changes: 3,
            },
            settled(Outcome::Invalid, 2, Some("no UserId")),
            Event::CallSent { attempt: 1 },
            answered(
                Answer::Again(Passing::Throttled),
                Some("RequestLimitExceeded"),
            ),
            Event::CallSent { attempt: 2 },
            Event::SentLate,
            answered(Answer::Again(Passing::NoAnswer), Some("no answer")),
            Event::CallSent { attempt: 3 },
            answered(Answer::Accepted, None),
            settled(Outcome::Applied, 2, None),
            Event::CallSent { attempt: 1 },
            answered(Answer::Refused, Some("ResourceNotFound.User")),
            settled(Outcome::Failed, 1, Some("ResourceNotFound.User")),
            settled(Outcome::Pending, 1, None),
        ];
        for event in &events {
            tally.on(Duration::ZERO, event);
        }
        let counts = tally.counts();
        assert!(counts.add_up(), "{counts:?}");
        assert_eq!((counts.applied, counts.failed, counts.invalid), (2, 1, 2));
        let by_code = [
            ("RequestLimitExceeded", 1),
            ("ResourceNotFound.User", 1),
            ("no answer", 1),
        ];
        let calls = Calls {
            total: 4,
            accepted: 1,
            throttled: 1,
            retried: 2,
            by_code: by_code.map(|(code, n)| (code.to_owned(), n)).into(),
        };
        assert_eq!(tally.calls(), &calls);
        assert_eq!(tally.pace(20.0).late_wakeups, 1);
        let codes = |n| {
            let failures = tally.failures(n).into_iter();
            failures.map(|f| (f.code, f.rows)).collect::<Vec<_>>()
        };
        assert_eq!(codes(1), [("no UserId".to_owned(), 2)]);
        assert_eq!(codes(9).len(), 2);
    }

    #[test]
    fn the_fullest_second_may_begin_anywhere() {
        let table: [(&[u64], u64); 6] = [
            (&[], 0),
            (&[0], 1),
            // A second later is another second.
            (&[0, 1000], 1),
            (&[0, 999], 2),
            (&[0, 600, 900, 1500, 1599], 4),
            // Told in the wrong order.
            (&[0, 700, 690, 1690], 3),
        ];
        for (millis, expected) in table {
            let found = left(millis).pace(20.0).max_in_any_second;
            assert_eq!(found, expected, "{millis:?}");
        }
    }

    #[test]
    fn the_mean_is_from_the_first_call_to_the_last() {
        assert_eq!(left(&[]).pace(20.0).mean_per_s, 0.0);
        assert_eq!(left(&[7]).pace(20.0).mean_per_s, 0.0);
        assert_eq!(left(&[500, 550, 600]).pace(20.0).mean_per_s, 20.0);
        let span = left(&[500, 550, 600]).span().unwrap();
        assert_eq!(span.1 - span.0, Duration::from_millis(100));
    }
}
