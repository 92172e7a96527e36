//! `timeline.json`: how a run went over time and how long answers took, for the charts of the
//! page. Version 1. A fold over the run's events, as coarse as it has to be to stay small: a run
//! of 14 hours takes no more room than one of a minute. It names no person.
//!
//! | field | meaning |
//! | --- | --- |
//! | `schema_version` | 1 |
//! | `slice_s` | seconds that each slice stands for |
//! | `slices` | from the first call's second on: calls `sent`; answers `accepted`, `refused`, `throttled` and `failed` (which may pass); `outage_ms` of it; the lowest `pace` that refusals led to, null where it did not change |
//! | `latency` | answers by the time they took; the n-th number counts those below [`latency_bound`] of n |
//! | `longest_ms` | the slowest of them |

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::summary::save_private;
use crate::event::{Answer, Event, Observer};
use crate::model::Passing;

/// The version of the file that this program writes.
pub const SCHEMA_VERSION: u32 = 1;
/// The name of the file in the run's directory.
pub const FILE_NAME: &str = "timeline.json";

/// When there would be more slices, two become one. Chosen: as fine as a chart can show.
const MOST_SLICES: usize = 240;
/// Bounds of latencies in each tenfold: each is 12 % above the one before.
const PER_TENFOLD: f64 = 20.0;
/// From a tenth of a millisecond to 100 seconds; no call is waited for longer than 60.
const MOST_BOUNDS: usize = 6 * 20 + 1;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Seconds that each slice stands for.
    pub slice_s: u64,
    /// What happened, in order.
    pub slices: Vec<Slice>,
    /// Answers by the time they took.
    pub latency: Vec<u64>,
    /// Milliseconds that the slowest answer took.
    pub longest_ms: f64,
    /// Since when an outage is not yet noted.
    #[serde(skip)]
    outage_since: Option<Duration>,
}

/// What happened in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Calls that left.
    pub sent: u64,
    /// Answers: the service holds the values.
    pub accepted: u64,
    /// Answers: the row is refused, or the run has to stop.
    pub refused: u64,
    /// Answers: over the quota.
    pub throttled: u64,
    /// Failures that may pass, calls without an answer among them.
    pub failed: u64,
    /// Milliseconds of it during which the service failed for everybody.
    pub outage_ms: u64,
    /// The lowest pace, in calls per second, that it changed to.
    #[serde(default)]
    pub pace: Option<f64>,
}

impl Slice {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.throttled += other.throttled;
        self.failed += other.failed;
        self.outage_ms += other.outage_ms;
        if let Some(pace) = other.pace {
            self.note_pace(pace);
        }
    }

    fn note_pace(&mut self, pace: f64) {
        self.pace = Some(self.pace.map_or(pace, |lowest| lowest.min(pace)));
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            slice_s: 1,
            slices: Vec::new(),
            latency: vec![0; MOST_BOUNDS],
            longest_ms: 0.0,
            outage_since: None,
        }
    }
}

impl Timeline {
    /// The timeline that a run left in `directory`; `None` where it left none: nothing
    /// was sent.
    ///
    /// # Errors
    /// When there is one that can't be read.
    pub fn read(directory: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(directory.join(FILE_NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let timeline: Self = serde_json::from_slice(&text)?;
        match timeline.schema_version {
            SCHEMA_VERSION => Ok(Some(timeline)),
            other => Err(io::Error::other(format!(
                "found version {other}, this program reads {SCHEMA_VERSION}"
            ))),
        }
    }

    /// Writes `timeline.json` into `directory`, whole or not at all, for its owner only.
    ///
    /// # Errors
    /// When the system does not take it.
    pub fn save(&self, directory: &Path) -> io::Result<PathBuf> {
        save_private(directory, FILE_NAME, &serde_json::to_vec(self)?)
    }

    /// Whether any call left.
    pub fn is_empty(&self) -> bool {
        self.slices.iter().all(|slice| slice.sent == 0)
    }

    /// How long outages lasted, all together.
    pub fn outage(&self) -> Duration {
        Duration::from_millis(self.slices.iter().map(|slice| slice.outage_ms).sum())
    }

    /// Milliseconds within which this share of the answers came; `None` where there are none.
    pub fn within_ms(&self, share: f64) -> Option<f64> {
        let answers: u64 = self.latency.iter().sum();
        let enough = (answers as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let reaches = self.latency.iter().position(|n| {
            seen += n;
            seen >= enough
        });
        Some(latency_bound(reaches?).min(self.longest_ms))
    }

    fn slice(&mut self, at: Duration) -> &mut Slice {
        let mut index = (at.as_secs() / self.slice_s) as usize;
        while index >= MOST_SLICES {
            self.halve();
            index = (at.as_secs() / self.slice_s) as usize;
        }
        if index >= self.slices.len() {
            self.slices.resize(index + 1, Slice::default());
        }
        &mut self.slices[index]
    }

    fn halve(&mut self) {
        let pairs = self.slices.chunks(2);
        let halves = pairs.map(|pair| {
            let mut both = pair[0];
            pair[1..].iter().for_each(|slice| both.add(*slice));
            both
        });
        self.slices = halves.collect();
        self.slice_s *= 2;
    }

    /// Notes the outage that lasts until now.
    fn note_outage(&mut self, now: Duration) {
        let Some(mut since) = self.outage_since else {
            return;
        };
        self.outage_since = Some(now);
        // The width of a slice may change on the way.
        while since < now {
            self.slice(since);
            let slice_s = self.slice_s;
            let ends = Duration::from_secs((since.as_secs() / slice_s + 1) * slice_s);
            let until = ends.min(now);
            self.slice(since).outage_ms += (until - since).as_millis() as u64;
            since = until;
        }
    }

    fn answered(&mut self, at: Duration, answer: Answer, latency: Duration) {
        let slice = self.slice(at);
        match answer {
            Answer::Accepted => slice.accepted += 1,
            Answer::Refused | Answer::Fatal(_) => slice.refused += 1,
            Answer::Again(Passing::Throttled) => slice.throttled += 1,
            Answer::Again(_) => slice.failed += 1,
        }
        // A time-out is not the time that an answer took.
        if !matches!(answer, Answer::Again(Passing::NoAnswer | Passing::NotSent)) {
            let ms = latency.as_secs_f64() * 1000.0;
            self.latency[bound_above(ms)] += 1;
            self.longest_ms = self.longest_ms.max((ms * 1000.0).round() / 1000.0);
        }
    }
}

/// The upper end, in milliseconds, of what `latency[n]` counts.
pub fn latency_bound(n: usize) -> f64 {
    0.1 * 10_f64.powf(n as f64 / PER_TENFOLD)
}

fn bound_above(ms: f64) -> usize {
    let n = ((ms.max(0.1) / 0.1).log10() * PER_TENFOLD).ceil();
    (n as usize).min(MOST_BOUNDS - 1)
}

impl Observer for Timeline {
    fn on(&mut self, at: Duration, event: &Event) {
        self.note_outage(at);
        match event {
            Event::CallSent { .. } => self.slice(at).sent += 1,
            Event::CallAnswered {
                answer, latency, ..
            } => self.answered(at, *answer, *latency),
            Event::OutageBegan { .. } => self.outage_since = Some(at),
            Event::OutageEnded { .. } => self.outage_since = None,
            Event::PaceChanged { per_second } => self.slice(at).note_pace(*per_second),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fault, RowRef};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn answered(answer: Answer, millis: u64) -> Event {
        Event::CallAnswered {
            answer,
            latency: Duration::from_millis(millis),
            at: RowRef { file: 0, line: 2 },
            code: None,
        }
    }

    #[test]
    fn a_night_takes_no_more_room_than_a_minute_and_loses_no_call() {
        let mut timeline = Timeline::default();
        for second in 0..14 * 3600 {
            timeline.on(seconds(second), &Event::CallSent { attempt: 1 });
            timeline.on(seconds(second), &answered(Answer::Accepted, 80));
        }
        let pace = |per_second| Event::PaceChanged { per_second };
        timeline.on(seconds(1000), &pace(18.0));
        timeline.on(seconds(1010), &pace(19.0));
        assert_eq!(timeline.slices[3].pace, Some(18.0));
        assert!(timeline.slices.len() <= MOST_SLICES);
        assert_eq!(timeline.slice_s, 256);
        let sum = |of: fn(&Slice) -> u64| timeline.slices.iter().map(of).sum::<u64>();
        assert_eq!(sum(|slice| slice.sent), 14 * 3600);
        assert_eq!(sum(|slice| slice.accepted), 14 * 3600);
        assert_eq!(timeline.slices[3].sent, 256);
    }

    #[test]
    fn an_outage_is_noted_where_it_lasted() {
        let mut timeline = Timeline::default();
        let fault = Fault::ours("no answer", "timed out");
        timeline.on(
            Duration::from_millis(2500),
            &Event::OutageBegan {
                fault: fault.clone(),
            },
        );
        timeline.on(seconds(4), &Event::CallSent { attempt: 1 });
        timeline.on(seconds(5), &Event::OutageEnded { after: seconds(2) });
        timeline.on(seconds(7), &Event::CallSent { attempt: 1 });
        let noted: Vec<u64> = timeline
            .slices
            .iter()
            .map(|slice| slice.outage_ms)
            .collect();
        assert_eq!(noted, [0, 0, 500, 1000, 1000, 0, 0, 0][..noted.len()]);
        assert_eq!(timeline.outage(), Duration::from_millis(2500));
        // One that goes on for hours, with nothing between, changes the width on its way.
        timeline.on(seconds(10), &Event::OutageBegan { fault });
        timeline.on(seconds(20_010), &Event::CallSent { attempt: 1 });
        assert_eq!(timeline.outage(), Duration::from_millis(20_002_500));
        assert!(timeline.slices.len() <= MOST_SLICES);
    }

    #[test]
    fn shares_of_answers_are_within_what_is_said() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.within_ms(0.5), None);
        for millis in 1..=100 {
            timeline.on(seconds(1), &answered(Answer::Accepted, millis));
        }
        // Time-outs are no answers.
        let no_answer = Answer::Again(Passing::NoAnswer);
        timeline.on(seconds(1), &answered(no_answer, 15_000));
        assert_eq!(timeline.slices[1].failed, 1);
        for (share, exact) in [(0.5, 50.0), (0.95, 95.0), (1.0, 100.0)] {
            let within = timeline.within_ms(share).unwrap();
            assert!(
                (exact..=exact * 1.13).contains(&within),
                "{share}: {within}"
            );
        }
        assert_eq!(timeline.within_ms(1.0), Some(100.0));
        let no_time = answered(Answer::Accepted, 0);
        timeline.on(seconds(1), &no_time);
        assert_eq!(timeline.latency[0], 1);
    }

    #[test]
    fn what_is_saved_is_read_again_and_the_sample_of_version_1_is_still_read() {
        let sample = include_str!("../../samples/timeline.json");
        let sample: Timeline = serde_json::from_str(sample).unwrap();
        assert_eq!(sample.outage(), seconds(12));
        assert!(!sample.is_empty());
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Timeline::read(directory.path()).unwrap(), None);
        let path = sample.save(directory.path()).unwrap();
        assert_eq!(Timeline::read(directory.path()).unwrap(), Some(sample));
        fs::write(path, "{}").unwrap();
        assert!(Timeline::read(directory.path()).is_err());
    }
}
