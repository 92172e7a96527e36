//! What a person types: the commands, their flags and the words that explain them. Nothing is
//! judged here beyond the shape of the line; [`super::settings`] turns it into values that fit,
//! together with the environment.
//!
//! Values stay text until then, so that a flag and its environment variable are read by the same
//! code and told off in the same words.

// Doc comments here are help texts of a terminal.
#![allow(rustdoc::bare_urls, rustdoc::invalid_html_tags)]

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::cli::commands::check::CheckArgs;
use crate::cli::commands::completions::CompletionsArgs;
use crate::cli::commands::config::ConfigArgs;
use crate::cli::commands::cron_line::CronLineArgs;
use crate::cli::commands::explain::ExplainArgs;
use crate::cli::commands::ledger::LedgerArgs;
use crate::cli::commands::man::ManArgs;
use crate::cli::commands::plan::PlanArgs;
use crate::cli::commands::report::ReportArgs;
use crate::cli::commands::runs::RunsArgs;
use crate::cli::commands::simulate::SimulateArgs;
use crate::cli::commands::whoami::WhoamiArgs;
use crate::cli::input_args::InputArgs;
use crate::report::repeat::{PROGRAM, Repeat};

/// Makes the profiles (nickname, avatar) of Tencent Cloud LCIC users equal to a CSV file.
///
/// At most 20 calls a second, every row accounted for, and running the same command again goes on
/// where it stopped.
#[derive(Debug, Clone, Parser)]
#[command(name = PROGRAM, version, after_help = CLI_EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// When to colour words like "error:" on standard error; NO_COLOR is heeded, too
    #[command(flatten)]
    pub color: colorchoice_clap::Color,
}

const CLI_EXAMPLES: &str = "\
Examples:
  lcic-sync demo                  see it work: no account, no network
  lcic-sync plan users.csv        what would be sent, and how long it would take
  lcic-sync apply users.csv       make all users in the file look like the file
  lcic-sync check users.csv       what is wrong with the file, without sending anything
  lcic-sync apply --help          what the file looks like, and every flag
  lcic-sync explain no answer     what a code in the results means, and what to do";

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Make users' nicknames and avatars equal to CSV files
    Apply(Box<ApplyArgs>),
    /// Say what apply would do, and do nothing
    Plan(Box<PlanArgs>),
    /// Say all that is wrong or odd in files, without sending anything
    Check(Box<CheckArgs>),
    /// Say what a code in the results means, and what is done about it
    Explain(ExplainArgs),
    /// Show a run as a page in the browser
    Report(ReportArgs),
    /// Print an apply as a line for crontab, and as a timer for systemd
    CronLine(CronLineArgs),
    /// Print every setting of apply, and where it comes from
    Config(Box<ConfigArgs>),
    /// Say whom calls would be made for, and with which keys
    Whoami(WhoamiArgs),
    /// Look into what users were last given, and mend it
    Ledger(LedgerArgs),
    /// List past runs
    Runs(RunsArgs),
    /// Run a local LCIC, to try things on
    Simulate(SimulateArgs),
    /// Show how it works: an invented school against a service on this machine
    Demo(DemoArgs),
    /// Print what makes a shell complete commands and flags
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them into a directory
    Man(ManArgs),
}

/// The flags of `apply`, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = APPLY_EXAMPLES)]
pub struct ApplyArgs {
    /// CSV files or Excel workbooks, or - for standard input. A later row of the same user wins
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,

    /// Where the service is [default: https://lcic.tencentcloudapi.com]
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "site",
        help_heading = "Service"
    )]
    pub endpoint: Option<String>,

    /// Which site the account belongs to: cn, or intl (https://lcic.intl.tencentcloudapi.com)
    #[arg(long, value_name = "SITE", value_parser = ["cn", "intl"], help_heading = "Service")]
    pub site: Option<String>,

    /// A name for the account; needed only with temporary keys that name no role
    #[arg(long, value_name = "LABEL", help_heading = "Service")]
    pub account: Option<String>,

    /// Trust the certificates in this file, too (a company proxy, a test service)
    #[arg(long, value_name = "PEM", help_heading = "Service")]
    pub ca_file: Option<PathBuf>,

    /// Calls per second, 0.1 to 1000000. The quota is the account's: leave room for others
    /// [default: 20]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "Pace"
    )]
    pub rate: Option<String>,

    /// Calls under way at once [default: 64]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "Pace"
    )]
    pub concurrency: Option<String>,

    /// Tries of one change, for failures that may pass; being over the quota uses up none
    /// [default: 5]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "Pace"
    )]
    pub max_attempts: Option<String>,

    /// How long to wait for the answer to a call, in seconds [default: 15]
    #[arg(
        long,
        value_name = "SECS",
        allow_negative_numbers = true,
        help_heading = "Pace"
    )]
    pub timeout: Option<String>,

    /// Give up when the service has accepted nothing for this long, like 90s or 2h
    /// [default: 30m]
    #[arg(
        long,
        value_name = "DURATION",
        allow_negative_numbers = true,
        help_heading = "Pace"
    )]
    pub max_outage: Option<String>,

    /// Send everything, also what the service was given before
    #[arg(long, help_heading = "What to send")]
    pub all: bool,

    /// Send at most this many changes; run again for the next ones
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "What to send"
    )]
    pub limit: Option<String>,

    /// Send again what was sent longer ago than this, like 30d, spread over several runs
    #[arg(
        long,
        value_name = "DURATION",
        allow_negative_numbers = true,
        help_heading = "What to send"
    )]
    pub max_age: Option<String>,

    /// Send nothing if there are more changes than this: a number, or a share like 5% of the users
    /// in the ledger (no limit while it has none)
    #[arg(
        long,
        value_name = "N|P%",
        allow_negative_numbers = true,
        help_heading = "What to send"
    )]
    pub max_changes: Option<String>,

    /// Send nothing if the input has fewer rows than this
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "What to send"
    )]
    pub min_rows: Option<String>,

    /// Send this many first and read them back; go on only if the service shows what was sent
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "What to send"
    )]
    pub canary: Option<String>,

    /// Only say what would be sent, like lcic-sync plan
    #[arg(long, help_heading = "What to send")]
    pub dry_run: bool,

    /// With --dry-run or plan: show the first N changes, old and new (on a terminal only)
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "What to send"
    )]
    pub show: Option<String>,

    /// Don't ask before sending more than 1,000 changes (asked on a terminal only)
    #[arg(long, help_heading = "What to send")]
    pub yes: bool,

    /// Begin no call after this long, like 2h; run again for the rest
    #[arg(
        long,
        value_name = "DURATION",
        allow_negative_numbers = true,
        help_heading = "Time"
    )]
    pub max_duration: Option<String>,

    /// Begin no call after this time of the local day, like 06:00; more than 12 hours before it,
    /// send nothing
    #[arg(long, value_name = "HH:MM", help_heading = "Time")]
    pub until: Option<String>,

    /// Wait this long for another run to end, like 5m, before giving up
    #[arg(
        long,
        value_name = "DURATION",
        allow_negative_numbers = true,
        help_heading = "Time"
    )]
    pub wait_lock: Option<String>,

    /// How the files are read.
    #[command(flatten)]
    pub input: InputArgs,

    /// Where the ledger is kept [default: $STATE_DIRECTORY, else $XDG_STATE_HOME/lcic-sync, else
    /// ~/.local/state/lcic-sync]
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub state_dir: Option<PathBuf>,

    /// Where the results of runs are kept, each in its own directory
    /// [default: <state-dir>/reports]
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub report_dir: Option<PathBuf>,

    /// Read flags from this file [default: ./lcic-sync.toml where there is one]
    #[arg(long, value_name = "TOML", help_heading = "Files")]
    pub config: Option<PathBuf>,

    /// Leave copies of results.csv and failures.csv beside them that are safe to open in Excel
    #[arg(long, help_heading = "Files")]
    pub excel: bool,

    /// Print the summary as JSON on standard output
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Say nothing unless a person is needed
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,

    /// Say more; -vv and -vvv still more
    #[arg(short, long, action = ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// The language of what is told: zh or en [default: by the locale]
    #[arg(long, value_name = "LANG", value_parser = ["zh", "en"], help_heading = "Output")]
    pub lang: Option<String>,

    /// Show no progress
    #[arg(long, help_heading = "Output")]
    pub no_progress: bool,

    /// For cron: no progress, all talk into the log file, nothing on the screen when all is well and
    /// one line when not
    #[arg(long, help_heading = "Unattended")]
    pub cron: bool,

    /// Log into this file; at 10 MB it becomes FILE.1, and so on up to FILE.5
    /// [default with --cron: <state-dir>/lcic-sync.log]
    #[arg(long, value_name = "FILE", help_heading = "Unattended")]
    pub log_file: Option<PathBuf>,

    /// How log lines are written: text or json [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], help_heading = "Unattended")]
    pub log_format: Option<String>,

    /// Keep the directories of the last N runs; older ones go, unless their failures are still open
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "Unattended"
    )]
    pub keep_runs: Option<String>,

    /// Tell a monitor like healthchecks.io of each start and end. Better in the environment or the
    /// file: a flag can be read by other users of the machine
    #[arg(long, value_name = "URL", help_heading = "Unattended")]
    pub ping_url: Option<String>,

    /// Leave numbers for Prometheus in this file, for node_exporter's textfile collector
    #[arg(long, value_name = "PROM", help_heading = "Unattended")]
    pub metrics_file: Option<PathBuf>,

    /// Tell a WeCom, DingTalk or Feishu group, or a JSON webhook, when runs begin to need a person
    /// and when they no longer do. Better in the environment or the file: a flag can be read by
    /// other users of the machine
    #[arg(long, value_name = "URL", help_heading = "Unattended")]
    pub notify_url: Option<String>,

    /// Repeat the waits of an earlier run: its seed (for tests)
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    pub seed: Option<String>,
}

const APPLY_EXAMPLES: &str = "\
What happens:
  All files are read first and every row is checked. Then only what the service does not hold yet
  is sent, and what was sent is kept in a ledger: run the same command again to go on after a
  stop, or tomorrow with a new file to send only what is new.

The file:
  UserId,Nickname,Avatar
  2kJJBH6G1dfBFUJqXLh0Mg3ELLk,Zhang Wei,https://cdn.example.com/a/17.png
  3091,Li Na,
  The columns may stand in any order, and Nickname or Avatar may be missing. An empty cell
  leaves things as they are: the second row above does not touch the user's avatar.
  lcic-sync check FILE says all that is wrong or odd in a file, without keys or calls.

The keys:
  TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY in the environment, or where Tencent's own
  tools keep them; lcic-sync whoami says which are used. They are never flags, because other
  users of the machine can read those.

Examples:
  lcic-sync apply users.csv                      everything in the file that is new
  lcic-sync plan users.csv                       only say what would be sent
  lcic-sync apply --limit 10 users.csv           try ten users first
  lcic-sync apply --rate 15 users.csv            leave a quarter of the quota to others
  lcic-sync apply a.csv b.csv                    two files; b.csv wins where they disagree
  lcic-sync apply --cron users.csv               from cron: silent when all is well
  lcic-sync apply --canary 10 users.csv          look at ten with the service's eyes, then go on
  lcic-sync apply 学生.xlsx --map UserId=学号    a workbook; users.csv.gz does as well
  mysql … | lcic-sync apply -                    from a pipe

Each flag can be set in the environment: --max-attempts is LCIC_SYNC_MAX_ATTEMPTS, and so on
(1 or 0 for a flag without a value, a number for LCIC_SYNC_VERBOSE); an empty variable counts as
not set. And each can stand in ./lcic-sync.toml, or in the file that --config names:
  rate = 15
  max-outage = \"2h\"
  all = true
A flag wins over its variable, and a variable over the file; lcic-sync config shows what comes of
it. Keys don't belong into the file and are refused there.

Exit codes:
   0  every row is applied, unchanged or superseded
   3  finished; some rows failed or are invalid (they are in failures.csv)
   5  stopped early or in doubt; run the same command again
   4  refused before anything was sent     7  key, permission or signature
   2  usage or configuration              11  another run is under way
 130, 143  stopped by a signal             1  a bug in this program";

const DEMO_EXAMPLES: &str = "\
Needs no account, no keys and no network, and takes less than a minute.

Examples:
  lcic-sync demo
  lcic-sync demo --dir /tmp/school     keep its files there, to look at them";

/// The flags of `demo`, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = DEMO_EXAMPLES)]
pub struct DemoArgs {
    /// Keep what the demo makes in this directory [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// The language of what is told: zh or en [default: by the locale]
    #[arg(long, value_name = "LANG", value_parser = ["zh", "en"])]
    pub lang: Option<String>,

    /// Show no progress
    #[arg(long)]
    pub no_progress: bool,

    /// Say nothing unless a person is needed
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say more; -vv and -vvv still more
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

impl ApplyArgs {
    /// The same line again. What the environment says is not repeated: it will say so again. Nor are
    /// `--ping-url` and `--notify-url`: they are secrets, and the line is printed.
    pub fn repeat(&self) -> Repeat {
        let value = |name: &str, value: &Option<String>| {
            let value = value.clone()?;
            Some((name.to_owned(), Some(value)))
        };
        let path = |name: &str, path: &Option<PathBuf>| {
            let path = path.as_ref()?;
            Some((name.to_owned(), Some(path.to_string_lossy().into_owned())))
        };
        let switch = |name: &str, on: bool| on.then(|| (name.to_owned(), None));
        let verbose = format!("-{}", "v".repeat(self.verbose.into()));
        let flags = [
            value("--endpoint", &self.endpoint),
            value("--site", &self.site),
            value("--account", &self.account),
            path("--ca-file", &self.ca_file),
            value("--rate", &self.rate),
            value("--concurrency", &self.concurrency),
            value("--max-attempts", &self.max_attempts),
            value("--timeout", &self.timeout),
            value("--max-outage", &self.max_outage),
            switch("--all", self.all),
            value("--limit", &self.limit),
            value("--canary", &self.canary),
            switch("--dry-run", self.dry_run),
            value("--show", &self.show),
            value("--max-age", &self.max_age),
            value("--max-changes", &self.max_changes),
            value("--min-rows", &self.min_rows),
            switch("--yes", self.yes),
            value("--max-duration", &self.max_duration),
            value("--until", &self.until),
            value("--wait-lock", &self.wait_lock),
            switch("--excel", self.excel),
            path("--state-dir", &self.state_dir),
            path("--report-dir", &self.report_dir),
            path("--config", &self.config),
            switch("--json", self.json),
            switch("--quiet", self.quiet),
            switch(&verbose, self.verbose > 0),
            value("--lang", &self.lang),
            switch("--no-progress", self.no_progress),
            switch("--cron", self.cron),
            path("--log-file", &self.log_file),
            value("--log-format", &self.log_format),
            value("--keep-runs", &self.keep_runs),
            path("--metrics-file", &self.metrics_file),
            value("--seed", &self.seed),
        ];
        Repeat {
            flags: flags
                .into_iter()
                .flatten()
                .chain(self.input.typed())
                .collect(),
            files: self.files.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn apply(line: &[&str]) -> Result<ApplyArgs, clap::Error> {
        let line = [&[PROGRAM, "apply"], line].concat();
        match Cli::try_parse_from(line)?.command {
            Command::Apply(args) => Ok(*args),
            other => panic!("parsed as {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn apply_needs_a_file_and_usage_errors_exit_with_2() {
        let error = apply(&["--rate", "5"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn site_and_endpoint_exclude_each_other_and_so_do_quiet_and_verbose() {
        for line in [
            &["--site", "intl", "--endpoint", "https://a.example", "f"][..],
            &["-q", "-v", "f"],
        ] {
            let error = apply(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{line:?}");
        }
    }

    #[test]
    fn standard_input_is_a_file() {
        assert_eq!(apply(&["-"]).unwrap().files, ["-"]);
    }

    #[test]
    fn a_line_given_again_means_the_same() {
        let lines: [&[&str]; 4] = [
            &["a.csv"],
            &["a.csv", "-", "-vv", "--all", "--site", "intl"],
            &[
                "--endpoint=https://e.example",
                "--account",
                "school",
                "--ca-file=ca.pem",
                "--rate=15",
                "--concurrency=8",
                "--max-attempts=3",
                "--timeout=9",
                "--max-outage=1h",
                "--limit=10",
                "--max-age=30d",
                "--max-changes=5%",
                "--min-rows=100",
                "--max-duration=2h",
                "--until=06:00",
                "--wait-lock=5m",
                "--canary=3",
                "--cron",
                "--log-file=l.log",
                "--log-format=json",
                "--keep-runs=30",
                "--metrics-file=x.prom",
                "--state-dir=s",
                "--report-dir=r",
                "--config=c.toml",
                "--seed=7",
                "--all",
                "--dry-run",
                "--show=3",
                "--yes",
                "--json",
                "-q",
                "--lang=zh",
                "--no-progress",
                "a.csv",
            ],
            &["--rate=-1", "a.csv"],
        ];
        for line in lines {
            let args = apply(line).unwrap();
            let again = args.repeat().arguments();
            let again: Vec<&str> = again.iter().map(String::as_str).collect();
            assert_eq!(apply(&again).unwrap(), args, "{again:?}");
        }
    }

    #[test]
    fn help_fits_into_80_columns_names_every_flag_and_has_examples() {
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        let mut commands = vec![program];
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let mut command = command.term_width(80);
            let help = command.render_long_help().to_string();
            // The examples are not wrapped by clap; up to 100 columns is still readable.
            for line in help.lines() {
                assert!(line.chars().count() <= 100, "{line}");
            }
            let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
            for flag in shown.filter_map(|arg| arg.get_long()) {
                assert!(help.contains(&format!("--{flag}")), "{flag}");
            }
            let name = command.get_bin_name().unwrap_or(PROGRAM);
            let example = format!("\n  {name}");
            assert!(help.contains("\nExamples:\n"), "{name}: {help}");
            assert!(help.contains(&example), "{name}: {help}");
        }
    }
}
