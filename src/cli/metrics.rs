//! Numbers of the last run for Prometheus, in a file that node_exporter's textfile collector reads.
//!
//! It is replaced whole, so no reader ever sees half of one, and it may be read by all: the
//! collector is another user. When the last success was is taken over from the file that is
//! replaced, so that an alert can say "none since yesterday" whatever happened in between.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::exit::Exit;
use crate::model::Outcome;
use crate::report::summary::Summary;

/// How every file of ours begins.
const BEGINS: &str = "# HELP lcic_sync_";
const LAST_SUCCESS: &str = "lcic_sync_last_success_timestamp_seconds";

/// Replaces the file. `state_dir` tells the jobs of one machine apart.
///
/// # Errors
/// When the system does not take it; the old file stands.
pub fn save(
    path: &Path,
    state_dir: &Path,
    exit: Exit,
    summary: Option<&Summary>,
    now: DateTime<Utc>,
) -> io::Result<()> {
    let earlier = match fs::read_to_string(path) {
        Ok(earlier) if earlier.is_empty() || earlier.starts_with(BEGINS) => earlier,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
        // A slip in a path must not cost a file.
        _ => return Err(io::Error::other("holds something else, and is left alone")),
    };
    let text = text(&earlier, state_dir, exit, summary, now);
    let directory = path.parent().unwrap_or(Path::new("/"));
    // The collector takes up every *.prom, so the temporary name is none.
    let mut file = tempfile::Builder::new()
        .prefix(".lcic-sync-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    // Not the umask's business.
    let readable = Permissions::from_mode(0o644);
    file.as_file().set_permissions(readable)?;
    file.persist(path)?;
    Ok(())
}

fn text(
    earlier: &str,
    state_dir: &Path,
    exit: Exit,
    summary: Option<&Summary>,
    now: DateTime<Utc>,
) -> String {
    let state_dir = state_dir.to_string_lossy();
    let quoted = state_dir.replace('\\', r"\\").replace('"', "\\\"");
    let label = format!("state_dir=\"{}\"", quoted.replace('\n', r"\n"));
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, samples: &[(&str, f64)]| {
        // Writing to a String can't fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (more, value) in samples {
            let _ = writeln!(text, "{name}{{{label}{more}}} {value}");
        }
    };
    let now = now.timestamp() as f64;
    gauge(
        "lcic_sync_last_run_timestamp_seconds",
        "When the last run ended.",
        &[("", now)],
    );
    let success = match exit {
        Exit::Done => Some(now),
        _ => last_success(earlier),
    };
    if let Some(success) = success {
        gauge(
            LAST_SUCCESS,
            "When a run last ended with exit code 0.",
            &[("", success)],
        );
    }
    gauge(
        "lcic_sync_last_run_exit_code",
        "How the last run ended.",
        &[("", exit.number().into())],
    );
    let Some(summary) = summary else {
        return text;
    };
    gauge(
        "lcic_sync_last_run_duration_seconds",
        "How long the last run took.",
        &[("", summary.seconds)],
    );
    let outcomes = Outcome::ALL.map(|outcome| format!(",outcome=\"{}\"", outcome.name()));
    let rows = Outcome::ALL.map(|outcome| summary.counts.of(outcome) as f64);
    let samples: Vec<(&str, f64)> = outcomes.iter().map(String::as_str).zip(rows).collect();
    gauge(
        "lcic_sync_last_run_rows",
        "Rows of the last run, by outcome.",
        &samples,
    );
    let calls = &summary.calls;
    gauge(
        "lcic_sync_last_run_calls",
        "Calls of the last run, and how many of them were over the quota.",
        &[
            (",answer=\"throttled\"", calls.throttled as f64),
            (",answer=\"other\"", (calls.total - calls.throttled) as f64),
        ],
    );
    text
}

/// When the last success was, by the file that an earlier run left.
fn last_success(earlier: &str) -> Option<f64> {
    let line = earlier
        .lines()
        .find(|line| line.starts_with(LAST_SUCCESS))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::tests::sample;

    #[test]
    fn the_last_success_outlives_failures_and_everybody_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.prom");
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let state = Path::new("/var/a \"b\"\\c");
        let read = || fs::read_to_string(&path).unwrap();
        let sample = sample();
        save(&path, state, Exit::Locked, None, at(1)).unwrap();
        assert!(!read().contains(LAST_SUCCESS), "there was none");
        save(&path, state, Exit::Done, Some(&sample), at(2)).unwrap();
        for (n, exit) in [(3, Exit::SomeFailed), (4, Exit::Usage)] {
            save(&path, state, exit, Some(&sample), at(n)).unwrap();
        }
        let text = read();
        let line = |name: &str, value: &str| {
            let label = r#"state_dir="/var/a \"b\"\\c""#;
            let name = name.replace('}', &format!("{label}}}"));
            let line = format!("{}{value}\n", name.replace("{,", &format!("{{{label},")));
            assert!(text.contains(&line), "{line}{text}");
        };
        line("lcic_sync_last_success_timestamp_seconds{}", " 2");
        line("lcic_sync_last_run_timestamp_seconds{}", " 4");
        line("lcic_sync_last_run_exit_code{}", " 2");
        assert!(text.contains(r#",outcome="invalid"} "#), "{text}");
        assert!(text.ends_with('\n'));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
