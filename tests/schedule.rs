//! What `cron-line` prints is taken by those who shall take it: a shell, shellcheck, systemd.

mod support;

use std::process::Command;

use support::{Bench, PROGRAM, unlimited};

/// Everything that a shell, cron or systemd might read as something else.
const NAME: &str = "it's 100% \"the\" $HOME\\file `x`; 用户.csv";

fn printed(bench: &Bench, args: &[&str]) -> String {
    let done = bench.run(&[&["cron-line"], args].concat());
    assert_eq!(done.code(), 0, "{}", done.stderr);
    done.stdout
}

/// The part that begins with the comment for this file.
fn part<'t>(text: &'t str, file: &str) -> &'t str {
    let parts = text
        .split("\n\n# ")
        .map(|part| part.trim_start_matches("# "));
    let mut found = parts.filter(|part| part.starts_with(file));
    found.next().unwrap_or_else(|| panic!("{file}: {text}"))
}

/// Whether the tool is here; says so where it is not.
fn is_here(tool: &str) -> bool {
    let is_here = Command::new(tool).arg("--version").output().is_ok();
    if !is_here {
        eprintln!("skipped: there is no {tool} here");
    }
    is_here
}

#[test]
fn the_line_does_what_was_tried_wherever_cron_stands() {
    let mut bench = Bench::new(unlimited());
    bench.set("LCIC_SYNC_RATE", "500");
    bench.write(NAME, support::users(3, "a"));
    let url = bench.lcic.url();
    let line = [
        "--at",
        "9:05",
        "--",
        "apply",
        "-q",
        "--endpoint",
        &url,
        "--state-dir",
        "my state",
        NAME,
    ];
    let text = printed(&bench, &line);
    let cron = text.lines().nth(1).unwrap();
    let command = cron
        .strip_prefix("5 9 * * *  ")
        .unwrap_or_else(|| panic!("{cron}"));
    // cron takes the backslash away before a %, and would break the line at one without.
    assert_eq!(command.matches('%').count(), command.matches(r"\%").count());
    let command = command.replace(r"\%", "%");

    let elsewhere = tempfile::tempdir().unwrap();
    let mut shell = bench.command_of("sh");
    shell.args(["-c", &command]).current_dir(elsewhere.path());
    let done = bench.spawn(shell).wait();
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{command}");
    assert_eq!(bench.lcic.users().len(), 3);
    assert!(bench.path("my state/ledger.sqlite3").is_file());

    if is_here("shellcheck") {
        bench.write("line.sh", format!("#!/bin/sh\n{command}\n"));
        let path = bench.path("line.sh");
        let output = Command::new("shellcheck")
            .args(["--severity=warning"])
            .arg(path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
    assert!(
        text.contains("# LCIC_SYNC_RATE TENCENTCLOUD_SECRET_ID TENCENTCLOUD_SECRET_KEY\n"),
        "{text}"
    );
    assert!(!text.contains(lcic_sync::simulator::Key::LOCAL_SECRET));
}

#[test]
fn systemd_takes_the_units_and_reads_the_same_words() {
    let bench = Bench::new(unlimited());
    let text = printed(&bench, &["--", "apply", "--account=a b", NAME]);
    let (service, timer) = (
        part(&text, "/etc/systemd/system/lcic-sync.service"),
        part(&text, "/etc/systemd/system/lcic-sync.timer"),
    );
    let exec = "--account \"a b\" \"it's 100%% \\\"the\\\" $$HOME\\\\file `x`; 用户.csv\"\n";
    assert!(
        service.contains(&format!("ExecStart={PROGRAM} apply {exec}")),
        "{service}"
    );
    assert!(timer.contains("OnCalendar=*-*-* 02:07:00\n"), "{timer}");
    if !is_here("systemd-analyze") {
        return;
    }
    for (name, unit) in [("lcic-sync.service", service), ("lcic-sync.timer", timer)] {
        let (_, unit) = unit.split_once('\n').unwrap();
        bench.write(name, unit);
    }
    let mut verify = bench.command_of("systemd-analyze");
    verify.args([
        "verify",
        "--man=no",
        "./lcic-sync.service",
        "./lcic-sync.timer",
    ]);
    let output = verify.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("lcic-sync"))
        .collect();
    assert!(ours.is_empty(), "{told}\n{text}");
    assert!(output.status.success(), "{told}");
}

#[test]
fn what_can_not_be_put_on_a_schedule_is_refused() {
    let bench = Bench::new(unlimited());
    for (line, why) in [
        (&["--", "apply", "-"][..], "no standard input"),
        (&["--", "plan", "a.csv"], "only an apply"),
        (&["--", "apply", "--rat", "5", "a.csv"], "--rat"),
        (
            &["--", "apply", "--notify-url", "https://h/hush", "a.csv"],
            "is a secret",
        ),
        (
            &["--", "apply", "--ping-url", "https://h/hush", "a.csv"],
            "hint: set LCIC_SYNC_PING_URL there, or ping-url in lcic-sync.toml",
        ),
        (&["--", "apply", "a\nb.csv"], "line break"),
        (
            &["--at", "24:00", "--", "apply", "a.csv"],
            "--at: found \"24:00\"",
        ),
        (
            &["--at", "+1:00", "--", "apply", "a.csv"],
            "--at: found \"+1:00\"",
        ),
    ] {
        let done = bench.run(&[&["cron-line"], line].concat());
        assert_eq!(done.code(), 2, "{line:?}");
        assert!(done.stderr.contains(why), "{line:?}: {}", done.stderr);
        assert!(!done.stderr.contains("hush"), "{}", done.stderr);
    }
}
