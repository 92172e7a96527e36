use std::collections::BTreeMap;

use clap::{CommandFactory, Parser};

use super::*;
use crate::cli::args::{Cli, Command};
use crate::cli::unattended::LogFormat;
use crate::input::lint::Lint;
use crate::input::rules::{Allowed, Column};
use crate::lang::Lang;
use crate::report::repeat::PROGRAM;

/// Surroundings that a test makes up.
struct Made {
    variables: BTreeMap<String, OsString>,
    passwd: Option<String>,
    files: BTreeMap<PathBuf, String>,
}

impl Environment for Made {
    fn var(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).cloned()
    }

    fn current_dir(&self) -> io::Result<PathBuf> {
        Ok("/srv".into())
    }

    fn passwd(&self) -> Option<String> {
        self.passwd.clone()
    }

    fn uid(&self) -> u32 {
        1000
    }

    fn entropy(&self) -> u64 {
        42
    }

    fn config_text(&self, path: &Path) -> io::Result<String> {
        let text = self.files.get(path).cloned();
        text.ok_or(io::ErrorKind::NotFound.into())
    }
}

fn surroundings(variables: &[(&str, &str)]) -> Made {
    let home = [("HOME", "/home/li")];
    Made {
        variables: home
            .iter()
            .chain(variables)
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect(),
        passwd: None,
        files: BTreeMap::new(),
    }
}

/// With this text in `./lcic-sync.toml`.
fn with_file(text: &str, line: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
    let mut environment = surroundings(variables);
    let path = "/srv/lcic-sync.toml".into();
    environment.files.insert(path, text.to_owned());
    Settings::resolve(&args(line), &environment).map_err(|error| error.to_string())
}

fn args(line: &[&str]) -> ApplyArgs {
    let line = [&[PROGRAM, "apply", "users.csv"], line].concat();
    match Cli::try_parse_from(line).unwrap().command {
        Command::Apply(args) => *args,
        other => panic!("parsed as {other:?}"),
    }
}

fn resolve(line: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
    Settings::resolve(&args(line), &surroundings(variables)).map_err(|error| error.to_string())
}

#[test]
fn defaults_are_those_of_the_manual() {
    let settings = resolve(&[], &[]).unwrap();
    assert_eq!(settings.inputs, ["users.csv"]);
    assert_eq!(settings.endpoint, "https://lcic.tencentcloudapi.com");
    assert_eq!(settings.account, None);
    assert_eq!(settings.ca_file, None);
    let limits = Limits {
        rate: Rate::per_second(20.0).unwrap(),
        concurrency: 64,
        max_attempts: 5,
        max_outage: Duration::from_secs(1800),
        window: 20 + 64 + 2048,
        runway: 20,
        seed: 42,
    };
    assert_eq!(settings.limits, limits);
    assert_eq!(settings.timeout, Duration::from_secs(15));
    assert!(!settings.wishes.all && settings.wishes.limit.is_none());
    let state = Path::new("/home/li/.local/state/lcic-sync");
    assert_eq!(settings.state_dir, state);
    assert_eq!(settings.report_dir, state.join("reports"));
    assert!(settings.progress);
    assert!(!settings.json && !settings.quiet && !settings.yes);
    assert_eq!(settings.verbose, 0);
}

#[test]
fn a_flag_wins_over_its_variable_and_an_empty_variable_is_none() {
    let rate = |line, variables| resolve(line, variables).unwrap().limits.rate.get();
    assert_eq!(rate(&[], &[("LCIC_SYNC_RATE", "7.5")]), 7.5);
    assert_eq!(rate(&["--rate", "3"], &[("LCIC_SYNC_RATE", "7.5")]), 3.0);
    assert_eq!(rate(&[], &[("LCIC_SYNC_RATE", "")]), 20.0);
}

#[test]
fn every_flag_is_read_from_its_variable() {
    let variables = [
        ("ENDPOINT", "http://127.0.0.1:1"),
        ("ACCOUNT", "school"),
        ("CA_FILE", "ca.pem"),
        ("RATE", "1"),
        ("CONCURRENCY", "2"),
        ("MAX_ATTEMPTS", "3"),
        ("TIMEOUT", "4"),
        ("MAX_OUTAGE", "5m"),
        ("ALL", "1"),
        ("LIMIT", "6"),
        ("DRY_RUN", "1"),
        ("SHOW", "9"),
        ("MAX_AGE", "30d"),
        ("MAX_CHANGES", "5%"),
        ("MIN_ROWS", "9"),
        ("MAX_DURATION", "2h"),
        ("UNTIL", "06:00"),
        ("WAIT_LOCK", "5m"),
        ("CANARY", "7"),
        ("YES", "true"),
        ("STATE_DIR", "state"),
        ("REPORT_DIR", "/reports"),
        ("JSON", "yes"),
        ("ENCODING", "GBK"),
        ("DELIMITER", "tab"),
        ("SHEET", "Tabelle1"),
        ("MAP", "UserId=学号, nickname=姓名"),
        ("IGNORE_COLUMNS", "班级,*"),
        ("ALLOW", "null-word,plain http"),
        ("CLEAR_TOKEN", "<clear>"),
        ("EXCEL_TEXT", "1"),
        ("ENCODE_URLS", "1"),
        ("ON_DUPLICATE", "error"),
        ("EXCEL", "1"),
        ("VERBOSE", "2"),
        ("LANG", "zh"),
        ("NO_PROGRESS", "on"),
        ("CRON", "1"),
        ("LOG_FILE", "/var/log/sync"),
        ("LOG_FORMAT", "json"),
        ("KEEP_RUNS", "9"),
        ("PING_URL", "https://hc.example/uuid"),
        ("METRICS_FILE", "x.prom"),
        ("NOTIFY_URL", "feishu+https://h.example/hush"),
        ("SEED", "8"),
    ]
    .map(|(name, value)| (format!("LCIC_SYNC_{name}"), value));
    let variables = variables
        .each_ref()
        .map(|(name, value)| (name.as_str(), *value));
    let settings = resolve(&[], &variables).unwrap();
    assert_eq!(settings.endpoint, "http://127.0.0.1:1");
    assert_eq!(settings.account.as_deref(), Some("school"));
    assert_eq!(settings.ca_file.as_deref(), Some(Path::new("/srv/ca.pem")));
    let limits = Limits {
        rate: Rate::per_second(1.0).unwrap(),
        concurrency: 2,
        max_attempts: 3,
        max_outage: Duration::from_secs(300),
        window: 16 + 2 + 2048,
        runway: 16,
        seed: 8,
    };
    assert_eq!(settings.limits, limits);
    assert_eq!(settings.timeout, Duration::from_secs(4));
    assert!(settings.wishes.all && settings.wishes.limit == Some(6));
    assert!(settings.dry_run && settings.show == 9);
    let spans = [
        settings.wishes.max_age,
        settings.max_duration,
        settings.wait_lock,
    ];
    assert_eq!(
        spans.map(|span| span.unwrap().as_secs()),
        [30 * 86_400, 7200, 300]
    );
    assert_eq!(settings.guards.max_changes, Some(MaxChanges::Percent(5.0)));
    assert_eq!(settings.guards.min_rows, Some(9));
    assert_eq!(settings.until, NaiveTime::from_hms_opt(6, 0, 0));
    assert!(settings.yes && settings.json && !settings.progress);
    assert_eq!(settings.canary, Some(7));
    let unattended = &settings.unattended;
    assert!(unattended.cron && unattended.keep_runs == Some(9));
    assert_eq!(
        unattended.log_file.as_deref(),
        Some(Path::new("/var/log/sync"))
    );
    assert_eq!(unattended.log_format, LogFormat::Json);
    assert_eq!(
        unattended.metrics_file.as_deref(),
        Some(Path::new("/srv/x.prom"))
    );
    let shown = format!("{unattended:?}");
    assert!(!shown.contains("uuid"), "{shown}");
    assert_eq!(settings.verbose, 2);
    assert_eq!((settings.lang, settings.rules.lang), (Lang::Zh, Lang::Zh));
    let notices = format!("{:?}", settings.notify_url);
    assert_eq!(
        notices,
        "Some(NotifyUrl { url: SecretUrl(https://h.example/…), form: Feishu })"
    );
    assert_eq!(settings.state_dir, Path::new("/srv/state"));
    assert_eq!(settings.report_dir, Path::new("/reports"));

    let rules = &settings.rules;
    assert_eq!(rules.encoding, Some(encoding_rs::GBK));
    assert_eq!(rules.delimiter, Some(b'\t'));
    assert_eq!(rules.sheet.as_deref(), Some("Tabelle1"));
    let map = [
        (Column::UserId, "学号".into()),
        (Column::Nickname, "姓名".into()),
    ];
    assert_eq!(rules.map, map);
    assert_eq!(rules.ignored, ["班级", "*"]);
    let allowed = Allowed::default().and(Lint::NullWord).and(Lint::PlainHttp);
    assert_eq!(rules.allowed, allowed);
    assert_eq!(rules.clear_token.as_deref(), Some("<clear>"));
    assert!(rules.excel_text && rules.encode_urls && rules.refuse_duplicates && settings.excel);

    // The two that exclude others of the list.
    assert!(resolve(&[], &[("LCIC_SYNC_QUIET", "1")]).unwrap().quiet);
    let intl = resolve(&[], &[("LCIC_SYNC_SITE", "intl")]).unwrap();
    assert_eq!(intl.endpoint, ENDPOINT_INTL);

    // And no flag is forgotten above.
    let tried: Vec<String> = variables
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(["QUIET", "SITE", "CONFIG"].map(|name| format!("LCIC_SYNC_{name}")))
        .collect();
    let command = Cli::command();
    let apply = command.find_subcommand("apply").unwrap();
    for flag in apply.get_arguments().filter_map(|arg| arg.get_long()) {
        assert!(tried.contains(&Look::variable(flag)), "{flag}");
    }
}

#[test]
fn a_value_that_does_not_fit_is_named_with_what_fits() {
    let table: [(&[&str], &str); 19] = [
        (
            &["--max-changes", "200%"],
            "--max-changes: found \"200%\", expected a whole number, or a share like 5%",
        ),
        (
            &["--until", "24:00"],
            "--until: found \"24:00\", expected a time of day, like 06:00",
        ),
        (
            &["--max-age", "30"],
            "--max-age: found \"30\", expected a time with its unit",
        ),
        (
            &["--rate", "0"],
            "--rate: found \"0\", expected calls per second, from 0.1 to 1000000",
        ),
        (&["--rate", "-1"], "--rate: found \"-1\", expected calls"),
        (&["--rate", "NaN"], "--rate: found \"NaN\", expected calls"),
        (&["--rate", "1000001"], "--rate: found"),
        (&["--rate", "20/s"], "--rate: found \"20/s\""),
        (&["--rate", ""], "--rate: found \"\", expected a value"),
        (
            &["--concurrency", "0"],
            "--concurrency: found \"0\", expected a whole number from 1 to",
        ),
        (
            &["--max-attempts", "x"],
            "--max-attempts: found \"x\", expected a whole number",
        ),
        (
            &["--max-outage", "30"],
            "--max-outage: found \"30\", expected a time with its unit",
        ),
        (&["--max-outage", "0s"], "--max-outage: found \"0s\""),
        (&["--max-outage", "1000000y"], "--max-outage: found"),
        (
            &["--timeout", "0"],
            "--timeout: found \"0\", expected seconds, from 0.1 to 60",
        ),
        (&["--timeout", "inf"], "--timeout: found"),
        (
            &["--limit", "0"],
            "--limit: found \"0\", expected a whole number from 1",
        ),
        (
            &["--account", " "],
            "--account: found \" \", expected some text",
        ),
        (
            &["--seed", "-3"],
            "--seed: found \"-3\", expected a whole number from 0",
        ),
    ];
    for (line, expected) in table {
        let error = resolve(line, &[]).unwrap_err();
        assert!(error.starts_with(expected), "{line:?}: {error}");
    }
    let table = [
        ("LCIC_SYNC_RATE", "fast", "LCIC_SYNC_RATE: found \"fast\""),
        (
            "LCIC_SYNC_ALL",
            "maybe",
            "LCIC_SYNC_ALL: found \"maybe\", expected 1 or 0",
        ),
        (
            "LCIC_SYNC_SITE",
            "eu",
            "LCIC_SYNC_SITE: found \"eu\", expected cn or intl",
        ),
        ("LCIC_SYNC_VERBOSE", "9", "LCIC_SYNC_VERBOSE: found \"9\""),
    ];
    for (name, value, expected) in table {
        let error = resolve(&[], &[(name, value)]).unwrap_err();
        assert!(error.starts_with(expected), "{name}: {error}");
    }
}

#[test]
fn what_was_typed_of_site_and_endpoint_wins_over_both_variables() {
    let variables = [("LCIC_SYNC_SITE", "intl")];
    let typed = resolve(&["--endpoint", "https://a.example"], &variables).unwrap();
    assert_eq!(typed.endpoint, "https://a.example");
    let variables = [("LCIC_SYNC_ENDPOINT", "https://a.example")];
    let typed = resolve(&["--site", "intl"], &variables).unwrap();
    assert_eq!(typed.endpoint, ENDPOINT_INTL);
    let both = [variables[0], ("LCIC_SYNC_SITE", "cn")];
    assert_eq!(
        resolve(&[], &both).unwrap_err(),
        "LCIC_SYNC_ENDPOINT and LCIC_SYNC_SITE exclude each other: leave one of them out"
    );
}

#[test]
fn what_was_typed_of_quiet_and_verbose_wins_over_both_variables() {
    let quiet = [("LCIC_SYNC_QUIET", "1")];
    let typed = resolve(&["-vv"], &quiet).unwrap();
    assert_eq!((typed.quiet, typed.verbose), (false, 2));
    let both = [quiet[0], ("LCIC_SYNC_VERBOSE", "1")];
    assert!(resolve(&[], &both).unwrap_err().contains("exclude"));
}

#[test]
fn the_ledger_is_kept_where_the_system_wants_it() {
    let table: [(&[(&str, &str)], &str); 7] = [
        (&[], "/home/li/.local/state/lcic-sync"),
        (&[("XDG_STATE_HOME", "/x")], "/x/lcic-sync"),
        (
            &[("XDG_STATE_HOME", "x")],
            "/home/li/.local/state/lcic-sync",
        ),
        (&[("XDG_STATE_HOME", "")], "/home/li/.local/state/lcic-sync"),
        (
            &[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")],
            "/var/lib/a",
        ),
        (
            &[("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "/x")],
            "/x/lcic-sync",
        ),
        (&[("HOME", "")], "/home/of-passwd/.local/state/lcic-sync"),
    ];
    let passwd =
        "root:x:0:0::/root:/bin/sh\nbad line\nli:x:1000:1000:,,,:/home/of-passwd:/bin/sh\n";
    for (variables, expected) in table {
        let mut environment = surroundings(variables);
        environment.passwd = Some(passwd.into());
        let settings = Settings::resolve(&args(&[]), &environment).unwrap();
        assert_eq!(settings.state_dir, Path::new(expected), "{variables:?}");
    }
    let homeless = surroundings(&[("HOME", "")]);
    let error = Settings::resolve(&args(&[]), &homeless).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("hint: name a place with --state-dir DIR")
    );
    assert!(Settings::resolve(&args(&["--state-dir", "here"]), &homeless).is_ok());
}

#[test]
fn the_runway_is_a_second_long_and_the_window_holds_it_and_the_calls_in_flight() {
    let table = [
        (0.1, 1, 16),
        (20.0, 64, 20),
        (500.5, 64, 501),
        (1_000_000.0, 64, 2048),
    ];
    for (rate, concurrency, expected) in table {
        let rate = Rate::per_second(rate).unwrap();
        assert_eq!(Limits::runway_at(rate), expected, "{rate:?}");
        assert!(Limits::window_at(rate, concurrency) >= expected + concurrency);
    }
}

#[test]
fn standard_input_is_read_once() {
    let error = resolve(&["-", "-"], &[]).unwrap_err();
    assert!(error.starts_with("- (standard input) stands there twice"));
    assert!(resolve(&["-"], &[]).is_ok());
    assert!(resolve(&[""], &[]).unwrap_err().starts_with("FILE: found"));
}

#[test]
fn the_real_surroundings_give_different_seeds() {
    assert_ne!(System.entropy(), System.entropy());
}

#[test]
fn the_file_comes_after_the_environment_and_before_the_default() {
    let file = "\n# slow at night\nrate = 15\n";
    let resolved = |line: &[&str], variables: &[(&str, &str)]| {
        let settings = with_file(file, line, variables).unwrap();
        let origin = settings.origins.of("rate").to_string();
        (settings.limits.rate.get(), origin)
    };
    let variable = [("LCIC_SYNC_RATE", "7")];
    assert_eq!(
        resolved(&["--rate", "3"], &variable),
        (3.0, "--rate".into())
    );
    assert_eq!(resolved(&[], &variable), (7.0, "LCIC_SYNC_RATE".into()));
    let of_file = (15.0, "/srv/lcic-sync.toml:3".to_owned());
    assert_eq!(resolved(&[], &[]), of_file);
    assert_eq!(resolved(&[], &[("LCIC_SYNC_RATE", "")]), of_file);
    let settings = resolve(&[], &[]).unwrap();
    assert!(settings.origins.is_default("rate"));
    assert_eq!(settings.config_file, None);
}

#[test]
fn the_language_is_that_of_the_locale_unless_it_is_said() {
    type Case<'c> = (&'c [&'c str], &'c [(&'c str, &'c str)], Lang, &'c str);
    let table: [Case; 8] = [
        // As cron has it.
        (&[], &[], Lang::En, "default"),
        (&[], &[("LANG", "zh_CN.UTF-8")], Lang::Zh, "LANG"),
        (
            &[],
            &[("LC_ALL", "C"), ("LANG", "zh_CN.UTF-8")],
            Lang::En,
            "LC_ALL",
        ),
        (
            &[],
            &[
                ("LC_ALL", ""),
                ("LC_MESSAGES", "zh_CN.UTF-8"),
                ("LANG", "C"),
            ],
            Lang::Zh,
            "LC_MESSAGES",
        ),
        (&[], &[("LC_CTYPE", "zh_CN.UTF-8")], Lang::En, "default"),
        (
            &[],
            &[("LCIC_SYNC_LANG", "en"), ("LANG", "zh_CN.UTF-8")],
            Lang::En,
            "LCIC_SYNC_LANG",
        ),
        (
            &["--lang", "zh"],
            &[("LCIC_SYNC_LANG", "en")],
            Lang::Zh,
            "--lang",
        ),
        (&["--lang", "en"], &[("LC_ALL", "zh")], Lang::En, "--lang"),
    ];
    for (line, variables, lang, origin) in table {
        let settings = resolve(line, variables).unwrap();
        assert_eq!(
            (settings.lang, settings.rules.lang),
            (lang, lang),
            "{variables:?}"
        );
        assert_eq!(settings.origins.of("lang").to_string(), origin);
    }
    let error = resolve(&[], &[("LCIC_SYNC_LANG", "chinese")]).unwrap_err();
    assert_eq!(
        error,
        "LCIC_SYNC_LANG: found \"chinese\", expected zh or en"
    );
}

#[test]
fn every_flag_can_stand_in_the_file() {
    let mut lines = [
        ("account", "\"school\""),
        ("all", "true"),
        ("allow", "\"null-word\""),
        ("ca-file", "\"ca.pem\""),
        ("canary", "5"),
        ("clear-token", "\"<clear>\""),
        ("concurrency", "2"),
        ("cron", "false"),
        ("delimiter", "\";\""),
        ("dry-run", "true"),
        ("encode-urls", "true"),
        ("encoding", "\"gb18030\""),
        ("endpoint", "\"http://127.0.0.1:1\""),
        ("excel", "true"),
        ("excel-text", "true"),
        ("ignore-columns", "\"*\""),
        ("json", "true"),
        ("keep-runs", "30"),
        ("lang", "\"zh\""),
        ("limit", "1_000"),
        ("log-file", "\"sync.log\""),
        ("log-format", "\"json\""),
        ("map", "\"UserId=学号\""),
        ("max-age", "\"30d\""),
        ("max-attempts", "0x3"),
        ("max-changes", "\"500\""),
        ("max-duration", "\"2h\""),
        ("max-outage", "\"5m\""),
        ("metrics-file", "\"x.prom\""),
        ("min-rows", "9"),
        ("no-progress", "true"),
        ("on-duplicate", "\"fold\""),
        ("ping-url", "\"https://hc.example/uuid\""),
        ("notify-url", "\"https://h.example/x\""),
        ("quiet", "false"),
        ("rate", "1.5"),
        ("report-dir", "\"/reports\""),
        ("seed", "8"),
        ("sheet", "\"1\""),
        ("show", "9"),
        ("site", "\"intl\""),
        ("state-dir", "\"../state\""),
        ("timeout", "4"),
        ("until", "\"06:00\""),
        ("verbose", "2"),
        ("wait-lock", "\"5m\""),
        ("yes", "true"),
    ];
    lines.sort_unstable();
    let listed: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
    let known = crate::cli::config_file::kinds();
    assert_eq!(known.keys().map(String::as_str).collect::<Vec<_>>(), listed);

    let lines = lines.iter().filter(|(name, _)| *name != "site");
    let text: String = lines
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect();
    let mut environment = surroundings(&[("LCIC_SYNC_CONFIG", "night/all.toml")]);
    environment.files.insert("/srv/night/all.toml".into(), text);
    let settings = Settings::resolve(&args(&[]), &environment).unwrap();
    assert_eq!(settings.account.as_deref(), Some("school"));
    // Paths are seen from the file, not from where one stands.
    assert_eq!(
        settings.ca_file.as_deref(),
        Some(Path::new("/srv/night/ca.pem"))
    );
    assert_eq!(settings.state_dir, Path::new("/srv/night/../state"));
    assert_eq!(settings.report_dir, Path::new("/reports"));
    assert_eq!(settings.endpoint, "http://127.0.0.1:1");
    let limits = settings.limits;
    assert_eq!((limits.rate.get(), limits.concurrency), (1.5, 2));
    assert_eq!((limits.max_attempts, limits.seed), (3, 8));
    let unattended = &settings.unattended;
    assert_eq!((settings.canary, unattended.keep_runs), (Some(5), Some(30)));
    assert_eq!(
        unattended.log_file.as_deref(),
        Some(Path::new("/srv/night/sync.log"))
    );
    assert_eq!(limits.max_outage, Duration::from_secs(300));
    assert_eq!(settings.timeout, Duration::from_secs(4));
    assert!(settings.wishes.all && settings.wishes.limit == Some(1000));
    assert!(settings.dry_run && settings.show == 9);
    assert!(settings.yes && settings.json && !settings.progress && !settings.quiet);
    assert_eq!(settings.verbose, 2);
    let path = Path::new("/srv/night/all.toml");
    assert_eq!(settings.config_file.as_deref(), Some(path));
    for (at, (name, _)) in known.iter().filter(|(name, _)| *name != "site").enumerate() {
        let (path, line) = (path.to_owned(), at + 1);
        assert_eq!(
            *settings.origins.of(name),
            Origin::File { path, line },
            "{name}"
        );
    }
}

#[test]
fn what_does_not_fit_in_the_file_is_told_with_its_line_and_what_fits() {
    let table = [
        (
            "rate = \"15\"",
            "rate: found \"15\", expected calls per second, from 0.1 to 1000000, without quotes",
        ),
        (
            "rate = true",
            "rate: found \"true\", expected calls per second, from 0.1 to 1000000, without quotes",
        ),
        (
            "rate = 0",
            "rate: found \"0\", expected calls per second, from 0.1 to 1000000",
        ),
        (
            "rate = inf",
            "rate: found \"inf\", expected calls per second, from 0.1 to 1000000",
        ),
        (
            "limit = -3",
            "limit: found \"-3\", expected a whole number from 1",
        ),
        (
            "limit = [1]",
            "limit: found \"[1]\", expected a whole number from 1, without quotes",
        ),
        ("all = 1", "all: found \"1\", expected true or false"),
        (
            "all = \"yes\"",
            "all: found \"yes\", expected true or false",
        ),
        (
            "verbose = true",
            "verbose: found \"true\", expected a whole number from 0 to 3, without quotes",
        ),
        (
            "max-outage = 30",
            "max-outage: found \"30\", expected a time with its unit, like 90s, 30m or 2h, from 1s to 365d, in quotes",
        ),
        (
            "state-dir = 1",
            "state-dir: found \"1\", expected a path, in quotes",
        ),
        ("state-dir = \"\"", "state-dir: found \"\", expected a path"),
        (
            "account = \" \"",
            "account: found \" \", expected some text",
        ),
        ("site = \"eu\"", "site: found \"eu\", expected cn or intl"),
    ];
    for (line, expected) in table {
        let error = with_file(&format!("\n{line}\n"), &[], &[]).unwrap_err();
        assert_eq!(error, format!("/srv/lcic-sync.toml:2: {expected}"));
    }
}

#[test]
fn of_two_that_exclude_each_other_the_nearer_wins() {
    let intl = "site = \"intl\"";
    let endpoint = |line: &[&str], variables: &[(&str, &str)]| {
        with_file(intl, line, variables).unwrap().endpoint
    };
    assert_eq!(endpoint(&[], &[]), ENDPOINT_INTL);
    assert_eq!(
        endpoint(&["--endpoint", "https://a.example"], &[]),
        "https://a.example"
    );
    assert_eq!(endpoint(&[], &[("LCIC_SYNC_SITE", "cn")]), ENDPOINT_CN);
    let both = format!("{intl}\nendpoint = \"https://a.example\"");
    assert_eq!(
        with_file(&both, &[], &[]).unwrap_err(),
        "/srv/lcic-sync.toml:2: endpoint and /srv/lcic-sync.toml:1: site exclude each other: \
         leave one of them out"
    );

    let loud = |file: &str, line: &[&str], variables: &[(&str, &str)]| {
        let settings = with_file(file, line, variables).unwrap();
        (settings.quiet, settings.verbose)
    };
    let (quiet, verbose) = ("quiet = true", "verbose = 2");
    assert_eq!(loud(quiet, &[], &[]), (true, 0));
    assert_eq!(loud(quiet, &["-vv"], &[]), (false, 2));
    assert_eq!(loud(quiet, &[], &[("LCIC_SYNC_VERBOSE", "1")]), (false, 1));
    assert_eq!(loud(quiet, &[], &[("LCIC_SYNC_VERBOSE", "0")]), (true, 0));
    assert_eq!(loud(quiet, &[], &[("LCIC_SYNC_QUIET", "0")]), (false, 0));
    assert_eq!(loud(verbose, &["-q"], &[]), (true, 0));
    assert_eq!(loud(verbose, &[], &[("LCIC_SYNC_QUIET", "0")]), (false, 2));
    let both = with_file("quiet = true\nverbose = 1", &[], &[]);
    assert!(both.unwrap_err().contains("exclude each other"));
}

#[test]
fn a_file_that_is_named_must_be_there() {
    for (line, variables) in [
        (&["--config", "none.toml"][..], &[][..]),
        (&[], &[("LCIC_SYNC_CONFIG", "none.toml")]),
    ] {
        let error = with_file("rate = 1", line, variables).unwrap_err();
        assert!(error.starts_with("/srv/none.toml: "), "{error}");
    }
}
