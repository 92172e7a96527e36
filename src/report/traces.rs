//! What a run did, as far as its `results.csv` tells: for one that was killed before it wrote its
//! summary. The lines become events again and are counted as any run's are; what only the run
//! itself knew (which tries failed before the last, throttling, the pace) is not there.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::results::RESULTS;
use super::tally::Tally;
use crate::event::{Answer, Event, Observer};
use crate::model::{Outcome, Passing, RowRef};
use crate::tencent::codes::{Class, lookup};

/// Something that a line tells of, at a time of its own.
struct Trace {
    at: DateTime<Utc>,
    event: Event,
}

/// Counts what `results.csv` in `directory` tells of a run that began at `began`; nothing where
/// there is no such file.
///
/// # Errors
/// When the file can't be read.
pub fn read(directory: &Path, began: DateTime<Utc>) -> io::Result<Tally> {
    let mut tally = Tally::new();
    let file = match File::open(directory.join(RESULTS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(tally),
        file => file?,
    };
    let mut lines = csv::Reader::from_reader(file);
    let header = lines.headers()?.clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let places = [
        "outcome",
        "code",
        "RequestId",
        "attempts",
        "first_attempt",
        "last_attempt",
        "latency_ms",
    ]
    .map(place);
    let mut traces = Vec::new();
    let mut line = csv::StringRecord::new();
    let mut last_request = String::new();
    while lines.read_record(&mut line)? {
        let [outcome, code, request_id, attempts, first, last, latency] =
            places.map(|at| at.and_then(|at| line.get(at)).unwrap_or_default());
        let Some(outcome) = Outcome::ALL.into_iter().find(|o| o.name() == outcome) else {
            continue;
        };
        tally.on(Duration::ZERO, &settled(outcome, code));
        // Rows of one user share a call, and stand together.
        let is_same_call = !request_id.is_empty() && request_id == last_request;
        last_request.clear();
        last_request.push_str(request_id);
        let attempts: u32 = attempts.parse().unwrap_or_default();
        let (Ok(first), Ok(last)) = (first.parse(), last.parse()) else {
            continue;
        };
        if is_same_call || attempts == 0 {
            continue;
        }
        let sent = |at, attempt| Trace {
            at,
            event: Event::CallSent { attempt },
        };
        traces.push(sent(first, 1));
        // When those between left is not told.
        traces.extend((2..=attempts).map(|attempt| sent(last, attempt)));
        let latency = latency.parse().map(Duration::from_millis);
        let latency = latency.unwrap_or_default();
        traces.push(Trace {
            at: last + latency,
            event: answered(outcome, code, latency),
        });
    }
    traces.sort_by_key(|trace| trace.at);
    for Trace { at, event } in traces {
        tally.on((at - began).to_std().unwrap_or_default(), &event);
    }
    Ok(tally)
}

fn settled(outcome: Outcome, code: &str) -> Event {
    Event::RowsSettled {
        outcome,
        rows: 1,
        at: None,
        code: Some(code.to_owned()),
    }
}

/// The last answer of a change.
fn answered(outcome: Outcome, code: &str, latency: Duration) -> Event {
    let answer = match (outcome, lookup(code).class) {
        (Outcome::Applied, _) => Answer::Accepted,
        (Outcome::Unknown, _) => Answer::Again(Passing::NoAnswer),
        (_, Class::Throttled) => Answer::Again(Passing::Throttled),
        (_, Class::Passing(passing)) => Answer::Again(passing),
        (_, Class::Row) => Answer::Refused,
        (_, Class::Fatal(cause)) => Answer::Fatal(cause),
    };
    Event::CallAnswered {
        answer,
        latency,
        at: RowRef { file: 0, line: 0 },
        code: (answer != Answer::Accepted).then(|| code.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::Failures;

    #[test]
    fn the_lines_of_a_killed_run_tell_its_calls() {
        let dir = tempfile::tempdir().unwrap();
        let began: DateTime<Utc> = "2026-03-01T08:00:00Z".parse().unwrap();
        let text = "\
file,line,UserId,outcome,code,message,RequestId,attempts,first_attempt,last_attempt,latency_ms
u.csv,2,a,applied,,,r-1,1,2026-03-01T08:00:01.000Z,2026-03-01T08:00:01.000Z,40
u.csv,3,a,applied,,,r-1,1,2026-03-01T08:00:01.000Z,2026-03-01T08:00:01.000Z,40
u.csv,4,b,superseded,superseded,a later row,,0,,,
u.csv,5,c,failed,ResourceNotFound.UserNotExist,no,r-2,2,2026-03-01T08:00:01.500Z,2026-03-01T08:00:03.000Z,60
u.csv,6,,invalid,no UserId,,,0,,,
u.csv,7,d,unknown,no answer,,,1,2026-03-01T08:00:02.000Z,2026-03-01T08:00:02.000Z,
";
        std::fs::write(dir.path().join(RESULTS), text).unwrap();
        let tally = read(dir.path(), began).unwrap();
        let calls = tally.calls();
        assert_eq!((calls.total, calls.accepted, calls.retried), (4, 1, 1));
        let by_code: Vec<_> = calls.by_code.iter().collect();
        let refused = "ResourceNotFound.UserNotExist".to_owned();
        assert_eq!(
            by_code,
            [(&refused, &1), (&"no answer".to_owned(), &1)],
            "each change once"
        );
        let failures = [refused.as_str(), "no UserId"].map(|code| Failures {
            code: code.into(),
            rows: 1,
        });
        assert_eq!(tally.failures(9), failures);
        assert_eq!(tally.pace(20.0).max_in_any_second, 2);
        let sent: Vec<u64> = tally.timeline().slices.iter().map(|s| s.sent).collect();
        assert_eq!(sent, [0, 2, 1, 1]);
        assert_eq!(tally.timeline().longest_ms, 60.0);
    }

    #[test]
    fn a_run_without_results_did_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let tally = read(dir.path(), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(tally.calls().total, 0);
        assert!(tally.timeline().is_empty());
    }
}
