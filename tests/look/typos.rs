//! A slip of the finger is met with what was meant.

use crate::support::{Bench, unlimited};

#[test]
fn mistyped_commands_and_flags_suggest_the_right_one() {
    let bench = Bench::new(unlimited());
    for (line, suggested) in [
        (&["aply", "users.csv"][..], "'apply'"),
        (&["paln", "users.csv"], "'plan'"),
        (&["run"], "'runs'"),
        (&["ledger", "shwo", "u1"], "'show'"),
        (&["ledger", "undoo", "7"], "'undo'"),
        (&["apply", "--dryrun", "users.csv"], "'--dry-run'"),
        (
            &["apply", "--concurency", "5", "users.csv"],
            "'--concurrency'",
        ),
        (&["plan", "--shwo", "5", "users.csv"], "'--show'"),
        (&["ledger", "stats", "--state-dri", "x"], "'--state-dir'"),
        (&["runs", "--lats", "5"], "'--last'"),
    ] {
        let done = bench.run(line);
        assert_eq!(done.code(), 2, "{line:?}: {}", done.stderr);
        assert_eq!(done.stdout, "");
        let tip = done.stderr.lines().find(|line| line.contains("tip:"));
        let tip = tip.unwrap_or_else(|| panic!("{line:?}: {}", done.stderr));
        assert!(tip.ends_with(suggested), "{line:?}: {tip}");
    }
}
