//! Whole outcomes (exit code, both streams) of the commands that send nothing: `explain`,
//! `config`, `completions`, `man`, and what a mistyped line is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use lcic_sync::cli::args::Cli;
use lcic_sync::explain;
use serde_json::Value;
use tempfile::TempDir;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// A directory with nothing in it, and an environment with nothing but a home.
struct Place {
    dir: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// Exit code, standard output, standard error.
type Outcome = (i32, String, String);

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            variables: vec![("HOME", "/home/li".into())],
        }
    }

    fn with_file(text: &str) -> Self {
        let place = Self::new();
        fs::write(place.path().join("lcic-sync.toml"), text).unwrap();
        place
    }

    fn set(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn path(&self) -> std::path::PathBuf {
        fs::canonicalize(self.dir.path()).unwrap()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lcic-sync"));
        command
            .args(line.split_whitespace())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Outcome {
        let output = self.command(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("it was not killed");
        // The directory has another name each time.
        let here = self.path().display().to_string();
        let text = |bytes| text(bytes).replace(&here, "/here");
        (code, text(output.stdout), text(output.stderr))
    }
}

fn run(line: &str) -> Outcome {
    Place::new().run(line)
}

fn done(stdout: &str, stderr: &str) -> Outcome {
    (0, stdout.into(), stderr.into())
}

#[test]
fn a_code_of_the_service_is_explained() {
    assert_eq!(
        run("explain ResourceNotFound.User"),
        done(
            "\
ResourceNotFound.User
  class    row: this row is refused, others may do
  meaning  there is no such user
  advice   check the UserId, and that it belongs to this account
  retried  no
  the row  failed; it stands in failures.csv, and the next run sends it again
  the run  goes on; stops after 50 rows in a row with the same code and none
           accepted between
  exit     3 for the row; 5 if the run stops
",
            ""
        )
    );
}

#[test]
fn a_code_of_our_own_needs_no_quotes() {
    let (code, stdout, stderr) = run("explain http 502");
    assert_eq!((code, stderr.as_str()), (0, ""));
    let expected = "\
http 502
  one of those told as http 5xx
  class    passing: a failure that may pass
  meaning  a gateway answered in the service's place; the change may have been
           made
";
    assert!(stdout.starts_with(expected), "{stdout}");
    let (_, stdout, _) = run("explain later row");
    assert!(stdout.contains("  class    superseded: no answer decided this row\n"));
}

#[test]
fn an_undocumented_code_is_explained_by_its_rule_and_a_mistyped_one_by_what_was_meant() {
    let (code, stdout, stderr) = run("explain FailedOperation.Novelty");
    assert_eq!((code, stderr.as_str()), (0, ""));
    let expected = "\
FailedOperation.Novelty
  not documented: treated like FailedOperation, the longest documented part of
  it
";
    assert!(stdout.starts_with(expected), "{stdout}");

    let (code, stdout, stderr) = run("explain RequestLimitExceded");
    assert_eq!(code, 0);
    assert!(stdout.contains("  not documented, and no part of it is: treated as below\n"));
    assert_eq!(stderr, "hint: did you mean RequestLimitExceeded?\n");

    let (_, stdout, stderr) = run("explain --json RequestLimitExceded");
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["suggestion"], "RequestLimitExceeded");
    assert_eq!((&json["documented"], stderr.as_str()), (&false.into(), ""));
}

#[test]
fn every_code_of_the_tables_is_listed_and_explained() {
    let (code, table, stderr) = run("explain --list");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(table.starts_with("CODE  "), "{table}");
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let (_, json, _) = run("explain --list --json");
    let json: Value = serde_json::from_str(&json).unwrap();
    let codes = json["codes"].as_array().unwrap();
    assert_eq!(codes.len(), explain::all().count());
    for (listed, line) in codes.iter().zip(explain::all()) {
        assert_eq!(listed["code"], line.code);
        let begins = |text: &str| {
            let rest = text.strip_prefix(line.code);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("  "))
        };
        assert!(
            table.lines().any(begins),
            "{} is not in the table",
            line.code
        );
        let fields = listed.as_object().unwrap();
        for name in ["meaning", "advice", "retried", "row", "run", "exit"] {
            assert!(fields[name].as_str().is_some_and(|text| !text.is_empty()));
        }
    }
}

/// The codes of rows are given deep down, where nobody knows of explanations. So that a new one
/// is not forgotten, they are read from there.
#[test]
fn every_code_that_the_sources_give_is_explained() {
    let read = |path: &str| {
        let text = fs::read_to_string(Path::new(SOURCES).join(path)).unwrap();
        // On one line, however it is formatted.
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let behind = |text: &str, mark: &str| -> Vec<String> {
        let parts = text.split(mark).skip(1);
        let literals = parts.filter_map(|part| part.trim_start().strip_prefix('"'));
        literals
            .filter_map(|part| Some(part.split_once('"')?.0.to_owned()))
            .collect()
    };
    let mut given = BTreeSet::new();
    let reasons = read("input/rows.rs");
    let (_, reasons) = reasons.split_once("fn code(&self)").unwrap();
    let (reasons, _) = reasons.split_once("pub fn column").unwrap();
    given.extend(behind(reasons, "=>"));
    let lints = read("input/lint/mod.rs");
    let (_, lints) = lints.split_once("fn code(self)").unwrap();
    let (lints, _) = lints.split_once("pub fn from_code").unwrap();
    given.extend(behind(lints, "=>"));
    let of_check = behind(&read("cli/commands/check.rs"), ": &str =");
    // Its help is no code.
    given.extend(of_check.into_iter().filter(|code| !code.starts_with('\\')));
    let plan = read("plan/rows.rs");
    given.extend(behind(&plan, "let code ="));
    // Constants of codes.
    given.extend(behind(&plan, ": &str ="));
    for outcome in ["Invalid", "Superseded", "Pending"] {
        given.extend(behind(&plan, &format!("Outcome::{outcome},")));
    }
    given.extend(behind(&read("engine/mod.rs"), "Fault::ours("));
    given.extend(behind(&read("canary.rs"), "NOT_SHOWN: &str ="));

    let listed: BTreeSet<String> = explain::rows::ROWS
        .iter()
        .map(|row| row.code.into())
        .collect();
    assert_eq!(given, listed);
}

#[test]
fn config_shows_every_setting_and_where_it_comes_from_and_can_be_read_again() {
    let place = Place::with_file("rate = 15\nmax-outage = \"2h\"\nstate-dir = \"state\"\n")
        .set("LCIC_SYNC_LIMIT", "500");
    let expected = "\
# configuration file: \"/here/lcic-sync.toml\"
endpoint = \"https://lcic.tencentcloudapi.com\"  # default
# site: not set                                # default
# account: not set                             # default
# ca-file: not set                             # default
rate = 15                                      # /here/lcic-sync.toml:1
concurrency = 8                                # --concurrency
max-attempts = 5                               # default
timeout = 15                                   # default
max-outage = \"2h\"                              # /here/lcic-sync.toml:2
all = false                                    # default
limit = 500                                    # LCIC_SYNC_LIMIT
# max-age: not set                             # default
# max-changes: not set                         # default
# min-rows: not set                            # default
# canary: not set                              # default
dry-run = false                                # default
show = 0                                       # default
yes = false                                    # default
# max-duration: not set                        # default
# until: not set                               # default
# wait-lock: not set                           # default
# encoding: not set # default
# delimiter: not set # default
# sheet: not set # default
# map: not set # default
# ignore-columns: not set # default
# allow: not set # default
# clear-token: not set # default
excel-text = false # default
encode-urls = false # default
on-duplicate = \"fold\" # default
state-dir = \"/here/state\"  # /here/lcic-sync.toml:3
report-dir = \"/here/state/reports\"  # default
excel = false # default
json = false                                   # default
quiet = false                                  # default
verbose = 0                                    # default
lang = \"en\"                                    # default
no-progress = false                            # default
cron = false                                   # default
# log-file: not set                            # default
log-format = \"text\"                            # default
# keep-runs: not set                           # default
# ping-url: not set                            # default
# metrics-file: not set                        # default
# notify-url: not set                          # default
# seed: another one for each run               # default
";
    let squeezed = |text: &str| {
        let lines = text.lines().map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.join(" ")
        });
        lines.collect::<Vec<_>>()
    };
    let (code, stdout, stderr) = place.run("config --concurrency 8 users.csv");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(squeezed(&stdout), squeezed(expected));

    // What it prints is a file that says the same.
    let printed = stdout.replace("/here", &place.path().display().to_string());
    let again = Place::with_file(&printed);
    let (code, stdout_again, stderr) = again.run("config");
    assert_eq!((code, stderr.as_str()), (0, ""));
    let values = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let lines = lines.filter(|line| !line.contains("-dir"));
        let values = lines.map(|line| line.split("  #").next().unwrap().trim_end().to_owned());
        values.collect::<Vec<_>>()
    };
    assert_eq!(values(&stdout_again), values(&stdout));
    assert!(stdout_again.contains("rate = 15 ") && stdout_again.contains("lcic-sync.toml:6"));
}

#[test]
fn every_flag_of_apply_is_shown_by_config() {
    let place = Place::with_file("").set("LCIC_SYNC_RATE", "7.5");
    let (code, stdout, stderr) = place.run("config --json");
    assert_eq!((code, stderr.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["config_file"], "/here/lcic-sync.toml");
    let settings = json["settings"].as_array().unwrap();
    let names: Vec<&str> = settings
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    let command = Cli::command();
    let apply = command.find_subcommand("apply").unwrap();
    let flags = apply.get_arguments().filter_map(|arg| arg.get_long());
    let flags: Vec<&str> = flags.filter(|flag| *flag != "config").collect();
    assert_eq!(names, flags);
    let of = |name: &str| settings.iter().find(|s| s["name"] == name).unwrap();
    assert_eq!(of("rate")["value"], 7.5);
    assert_eq!(of("rate")["source"], "environment");
    assert_eq!(of("rate")["from"], "LCIC_SYNC_RATE");
    // This is the command's own flag, not a setting.
    assert_eq!(of("json")["value"], false);
    // `explain` tells these two defaults as well.
    assert_eq!(of("max-attempts")["value"], explain::DEFAULT_MAX_ATTEMPTS);
    assert_eq!(of("max-outage")["value"], explain::DEFAULT_MAX_OUTAGE);
}

#[test]
fn a_file_that_is_not_to_be_used_ends_apply_and_config_alike() {
    let table = [
        (
            "rate = 15\nmax-outge = \"2h\"\n",
            "error: /here/lcic-sync.toml:2: unknown key \"max-outge\"\nhint: did you mean max-outage?\n",
        ),
        (
            "rate = \"15\"\n",
            "error: /here/lcic-sync.toml:1: rate: found \"15\", expected calls per second, from 0.1 to 1000000, without quotes\n",
        ),
        (
            "\nsecret-key = \"hush\"\n",
            "error: /here/lcic-sync.toml:2: \"secret-key\" looks like a secret, and this file must never hold one: it is copied, committed and read by others\n\
             hint: take it out, and treat it as known to others if the file was shared\n\
             hint: keys go into TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or into the file that TENCENTCLOUD_CREDENTIALS_FILE names\n",
        ),
    ];
    for (text, stderr) in table {
        let place = Place::with_file(text);
        for line in ["config", "apply users.csv"] {
            assert_eq!(place.run(line), (2, String::new(), stderr.into()));
        }
    }
    let (code, stdout, stderr) = run("config --config none.toml");
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.starts_with("error: /here/none.toml: "), "{stderr}");
}

#[test]
fn apply_names_the_file_that_it_goes_by_and_the_line_of_a_wrong_endpoint() {
    let place = Place::with_file("endpoint = \"ftp://a.example\"\n")
        .set("TENCENTCLOUD_SECRET_ID", "AKID1")
        .set("TENCENTCLOUD_SECRET_KEY", "hush");
    let (code, stdout, stderr) = place.run("apply users.csv");
    assert_eq!((code, stdout.as_str()), (2, ""));
    let expected = "settings from /here/lcic-sync.toml\nerror: /here/lcic-sync.toml:1: endpoint ftp://a.example: ";
    assert!(stderr.starts_with(expected), "{stderr}");
}

#[test]
fn the_sample_configuration_is_read() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/lcic-sync.toml");
    let (code, stdout, stderr) = run(&format!("config --json --config {sample}"));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&stdout).unwrap();
    let settings = json["settings"].as_array().unwrap();
    let from_file = settings
        .iter()
        .filter(|setting| setting["source"] == "file");
    let from_file: Vec<String> = from_file
        .map(|setting| format!("{} {}", setting["name"].as_str().unwrap(), setting["value"]))
        .collect();
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
    let expected = [
        "rate 15".into(),
        "max-outage \"2h\"".into(),
        format!("state-dir \"{samples}/state\""),
        format!("report-dir \"{samples}/reports\""),
        "quiet true".into(),
        "no-progress true".into(),
    ];
    assert_eq!(from_file, expected);
}

#[test]
fn completions_know_every_command_and_bash_takes_them() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, stderr) = place.run(&format!("completions {shell}"));
        assert_eq!((code, stderr.as_str()), (0, ""));
        for command in Cli::command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{shell}");
        }
        assert!(script.contains("max-outage"), "{shell}");
    }
    let (_, script, _) = place.run("completions bash");
    let script = format!(
        "{script}\nCOMP_WORDS=(lcic-sync apply --max-o) COMP_CWORD=2\n\
         _lcic__sync lcic-sync --max-o apply\nprintf '%s ' \"${{COMPREPLY[@]}}\""
    );
    let completed = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&completed.stdout), "--max-outage ");
}

#[test]
fn each_command_has_a_manual_page() {
    let place = Place::new();
    let (code, page, stderr) = place.run("man apply");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(page.contains(".TH lcic-sync-apply 1"), "{page}");
    assert!(page.contains("max\\-outage"), "{page}");
    let (_, page, _) = place.run("man");
    assert!(page.contains(".TH lcic-sync 1"), "{page}");

    let mut expected = Vec::new();
    let mut commands = vec![("lcic-sync".to_owned(), Cli::command())];
    while let Some((name, command)) = commands.pop() {
        for command in command.get_subcommands() {
            commands.push((format!("{name}-{}", command.get_name()), command.clone()));
        }
        expected.push(name + ".1");
    }
    expected.sort();
    let (code, stdout, stderr) = place.run("man --dir man1");
    let said = format!("{} pages in man1\n", expected.len());
    assert_eq!((code, stdout.as_str(), stderr), (0, "", said));
    let files = fs::read_dir(place.path().join("man1")).unwrap();
    let mut files: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, expected);

    let expected = "error: no command \"aply\"\nhint: did you mean apply?\n";
    assert_eq!(place.run("man aply"), (2, String::new(), expected.into()));
}

#[test]
fn what_is_mistyped_is_told_with_what_was_meant() {
    for (line, meant) in [
        ("aply users.csv", "'apply'"),
        ("explane x", "'explain'"),
        ("apply --rat 5 users.csv", "'--rate'"),
        ("apply --max-outge 5m users.csv", "'--max-outage'"),
        ("apply --site itl users.csv", "'intl'"),
        ("completions fisch", "'fish'"),
        ("explain --lst", "'--list'"),
        ("paln users.csv", "'plan'"),
        ("run", "'runs'"),
        ("ledger shwo u1", "'show'"),
        ("ledger undoo 7", "'undo'"),
        ("apply --dryrun users.csv", "'--dry-run'"),
        ("plan --shwo 5 users.csv", "'--show'"),
        ("ledger stats --state-dri x", "'--state-dir'"),
        ("runs --lats 5", "'--last'"),
    ] {
        let (code, stdout, stderr) = run(line);
        assert_eq!((code, stdout.as_str()), (2, ""), "{line}");
        assert!(
            stderr.contains("similar") && stderr.contains(meant),
            "{line}: {stderr}"
        );
    }
    let (code, _, stderr) = run("explain");
    assert_eq!(code, 2);
    assert!(stderr.contains("Usage: lcic-sync explain"), "{stderr}");
    assert_eq!(run("explain --list no answer").0, 2);
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let place = Place::new();
    for line in [
        "explain --list --json",
        "explain no answer",
        "config",
        "completions bash",
        "man apply",
        "apply --help",
        "plan --help",
    ] {
        let mut child = place.command(line);
        let mut child = child
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), stderr.as_str()),
            (Some(0), ""),
            "{line}"
        );
    }
}
