//! Nobody watches: cron's environment, silence, logs, pings, metrics, and what is kept of old runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use lcic_sync::simulator::faults::{Entry, Times};
use lcic_sync::simulator::{Config, Fault, Faults, Key};
use serde_json::Value;

use crate::support::{Bench, PROGRAM, expected, unlimited, users};

/// A service that refuses these users.
fn refusing(refused: &[&str]) -> Config {
    let entry = |user: &&str| Entry {
        user: Some((*user).into()),
        times: Times::FOREVER,
        ..Entry::once(Fault::error("InvalidParameter.Content"))
    };
    let faults = Faults {
        script: refused.iter().map(entry).collect(),
        ..Faults::default()
    };
    Config {
        faults,
        ..unlimited()
    }
}

/// As cron gives it to a command: hardly anything.
fn as_from_cron(command: &str) -> Command {
    let mut cron = Command::new("/usr/bin/env");
    cron.args(["-i", "PATH=/usr/bin:/bin", "/bin/sh", "-c", command])
        .current_dir("/");
    cron
}

#[test]
fn the_sample_crontab_is_silent_and_exits_0_when_all_is_well() {
    let bench = Bench::new(unlimited());
    let goal = users(50, "a");
    bench.write("users.csv", &goal);
    let (id, secret) = (Key::LOCAL_ID, Key::LOCAL_SECRET);
    let key = format!("[default]\nsecret_id = {id}\nsecret_key = {secret}\n");
    bench.write("credentials", key);
    let closed = fs::Permissions::from_mode(0o600);
    fs::set_permissions(bench.path("credentials"), closed).unwrap();

    let crontab = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/crontab");
    let mut crontab = fs::read_to_string(crontab).unwrap();
    let here = bench.path("");
    for (there, here) in [
        ("/usr/local/bin/lcic-sync", PROGRAM.to_owned()),
        (
            "/var/lib/lcic-sync",
            bench.path("state").display().to_string(),
        ),
        ("/etc/lcic-sync/", here.display().to_string()),
        ("/srv/export/", here.display().to_string()),
    ] {
        assert!(crontab.contains(there), "{there}");
        crontab = crontab.replace(there, &here);
    }
    let variables = crontab.lines().filter(|line| !line.starts_with(['#', '7']));
    let variables: Vec<&str> = variables.filter(|line| !line.is_empty()).collect();
    let command = crontab
        .lines()
        .find_map(|line| line.strip_prefix("7 2 * * *  "));
    let (url, command) = (bench.lcic.url(), command.unwrap());
    let line = format!(
        "export LCIC_SYNC_ENDPOINT={url} LCIC_SYNC_RATE=1000 {}; {command}",
        variables.join(" ")
    );
    for night in ["50 applied", "50 unchanged"] {
        let done = bench.spawn(as_from_cron(&line)).wait();
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""));
        assert_eq!(done.checked_code(), 0);
        let log = fs::read_to_string(bench.path("state/lcic-sync.log")).unwrap();
        let last = log.lines().last().unwrap();
        assert!(last.contains("exit 0: "), "{last}");
        assert!(last.contains(&format!("50 rows: {night}; ")), "{last}");
    }
    assert_eq!(bench.held(), expected(goal.as_bytes()));
    assert!(bench.path("state/lcic-sync.prom").exists());
}

#[test]
fn without_a_home_the_list_of_users_says_where_it_is() {
    let output = as_from_cron(&format!("{PROGRAM} config")).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("/.local/state/lcic-sync\""), "{told}");
}

#[test]
fn bad_news_is_one_line_that_names_outcome_counts_and_report() {
    let bench = Bench::new(refusing(&["u3", "u4"]));
    bench.write("users.csv", users(10, "a") + ",nobody,\n");
    let done = bench.apply(&["--cron", "users.csv"]);
    assert_eq!(done.checked_code(), 3);
    assert_eq!(done.stdout, "");
    let directory = done.run().0.display().to_string();
    assert_eq!(
        done.stderr,
        format!(
            "lcic-sync: exit 3: finished, some rows failed or are invalid; 11 rows: 8 applied, 2 failed, 1 invalid; {directory}\n"
        )
    );
    // The ways out that have no report, too: one line, and in it the hints.
    let mut bench = bench;
    bench.set("TENCENTCLOUD_TOKEN", "a-token-that-names-nobody");
    let done = bench.apply(&["--cron", "users.csv"]);
    assert_eq!(done.code(), 2, "{}", done.stderr);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
    assert!(done.stderr.contains("; hint: "), "{}", done.stderr);
}

#[test]
fn logs_name_lines_and_nobody() {
    for format in ["text", "json"] {
        let bench = Bench::new(refusing(&["u3"]));
        bench.write("users.csv", users(10, "a") + ",nobody,\n");
        let log_file = ["--log-file", "sync.log", "--log-format", format];
        let done = bench.apply(&[&["--cron", "users.csv"], &log_file[..]].concat());
        assert_eq!(done.checked_code(), 3, "{}", done.stderr);
        let log = fs::read_to_string(bench.path("sync.log")).unwrap();
        assert!(log.contains("users.csv:5"), "{log}");
        assert!(log.contains("InvalidParameter.Content"), "{log}");
        for secret in ["name 3", "a.example", "\"u3\"", "nobody", Key::LOCAL_SECRET] {
            assert!(!log.contains(secret), "{secret}: {log}");
        }
        if format == "json" {
            let lines = log.lines().map(serde_json::from_str);
            let lines: Vec<Value> = lines.map(Result::unwrap).collect();
            let failed = lines
                .iter()
                .find(|line| line["outcome"] == "failed")
                .unwrap();
            assert_eq!(failed["at"], "users.csv:5");
            assert_eq!(failed["level"], "INFO");
        }
        let mode = fs::metadata(bench.path("sync.log"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn an_input_is_no_output_and_a_log_that_cannot_be_opened_is_told_at_once() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(2, "a"));
    for (flag, path) in [
        ("--log-file", "users.csv"),
        ("--metrics-file", "users.csv"),
        ("--log-file", "no/such/directory.log"),
    ] {
        let done = bench.apply(&[flag, path, "users.csv"]);
        assert_eq!(done.code(), 2, "{}", done.stderr);
        assert!(done.stderr.contains(path), "{}", done.stderr);
        assert!(!done.has_run());
    }
    assert_eq!(
        fs::read_to_string(bench.path("users.csv")).unwrap(),
        users(2, "a")
    );
}

#[test]
fn a_log_or_metrics_file_is_no_other_file_of_the_run() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(2, "a"));
    bench.write("notes.txt", "mine");
    let ledger = "state/ledger.sqlite3";
    for (there, line) in [
        (false, ["--metrics-file", ledger, "-q"].as_slice()),
        (true, ["--metrics-file", ledger, "-q"].as_slice()),
        (true, ["--log-file", ledger, "-q"].as_slice()),
        (
            true,
            ["--log-file", "a.log", "--metrics-file", "a.log"].as_slice(),
        ),
    ] {
        if there {
            assert_eq!(bench.apply(&["users.csv"]).checked_code(), 0);
        }
        let done = bench.apply(&[line, &["users.csv"]].concat());
        assert_eq!(done.code(), 2, "{line:?}: {}", done.stderr);
        assert!(
            done.stderr.contains("is the same file as"),
            "{}",
            done.stderr
        );
    }
    assert_eq!(bench.apply(&["users.csv"]).counts(), "read 2, unchanged 2");
    // Whatever else it is, it is not replaced, and the run does not suffer.
    let done = bench.apply(&["--metrics-file", "notes.txt", "users.csv"]);
    assert_eq!(done.checked_code(), 0);
    assert!(
        done.stderr.contains("holds something else"),
        "{}",
        done.stderr
    );
    assert_eq!(fs::read_to_string(bench.path("notes.txt")).unwrap(), "mine");
}

/// A monitor that takes down what it is told and answers with this status; without one, never.
fn monitor(status: Option<u16>) -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/secret-uuid", listener.local_addr().unwrap());
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut chunk = [0; 4096];
            // Small requests: head and body come in one or two pieces.
            stream
                .set_read_timeout(Some(Duration::from_millis(300)))
                .unwrap();
            while let Ok(n @ 1..) = stream.read(&mut chunk) {
                request += std::str::from_utf8(&chunk[..n]).unwrap();
            }
            let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let _ = tell.send((target, body.to_owned()));
            match status {
                Some(status) => {
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    );
                    stream.write_all(answer.as_bytes()).unwrap();
                    stream.shutdown(Shutdown::Both).unwrap();
                }
                None => kept.push(stream),
            }
        }
    });
    (url, told)
}

#[test]
fn a_monitor_is_told_of_start_and_end_and_nothing_of_persons() {
    let bench = Bench::new(refusing(&["u3"]));
    bench.write("users.csv", users(10, "a"));
    let (url, told) = monitor(Some(200));
    let done = bench.apply(&["--cron", "--ping-url", &url, "users.csv"]);
    assert_eq!(done.checked_code(), 3);
    let next = || told.recv_timeout(Duration::from_secs(60)).unwrap();
    let (start, body) = next();
    let rid = start.strip_prefix("/secret-uuid/start?rid=").unwrap();
    assert_eq!((rid.len(), body.as_str()), (36, ""));
    let (end, body) = next();
    assert_eq!(end, format!("/secret-uuid/3?rid={rid}"));
    let run_id = done
        .run()
        .0
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        body,
        format!(
            "exit 3: finished, some rows failed or are invalid\n10 rows: 9 applied, 1 failed\nrun {run_id}\n"
        )
    );
    // Ways out without a run are told, too.
    let line = [
        "apply",
        "--ping-url",
        &url,
        "--endpoint",
        "ftp://x",
        "u.csv",
    ];
    let done = bench.run(&line);
    assert_eq!(done.code(), 2, "{}", done.stderr);
    assert!(next().0.starts_with("/secret-uuid/start?rid="));
    assert!(next().0.starts_with("/secret-uuid/2?rid="));
}

#[test]
fn a_monitor_that_fails_changes_nothing_and_its_url_is_in_no_output() {
    let (never, _never) = monitor(None);
    let (teapot, _teapot) = monitor(Some(418));
    let nobody = "http://127.0.0.1:9/secret-uuid".to_owned();
    for (url, seen) in [
        (never, "timed out"),
        (teapot, "http 418"),
        (nobody, "refused"),
    ] {
        let mut bench = Bench::new(unlimited());
        bench.write("users.csv", users(3, "a"));
        bench.set("LCIC_SYNC_PING_URL", &url);
        let done = bench.apply(&["-vv", "--log-file", "sync.log", "users.csv"]);
        assert_eq!(done.checked_code(), 0, "{}", done.stderr);
        let log = fs::read_to_string(bench.path("sync.log")).unwrap();
        assert!(log.contains(seen), "{seen}: {log}");
        let config = bench.run(&["config"]);
        let json = bench.run(&["config", "--json"]);
        for text in [&done.stderr, &log, &config.stdout, &json.stdout] {
            assert!(!text.contains("secret-uuid"), "{text}");
        }
        assert!(
            config.stdout.contains("# ping-url: \"http://127.0.0.1/…\""),
            "{}",
            config.stdout
        );
    }
    // Nor does a line that is to be given again, or a value that does not fit.
    let bench = Bench::new(refusing(&["u1"]));
    bench.write("users.csv", users(3, "a"));
    let done = bench.apply(&["--ping-url", "http://127.0.0.1:9/secret-uuid", "users.csv"]);
    assert_eq!(done.checked_code(), 3);
    assert!(!done.stderr.contains("secret-uuid"), "{}", done.stderr);
    let done = bench.apply(&["--ping-url", "ftp://x/secret-uuid", "users.csv"]);
    assert_eq!(done.code(), 2);
    assert!(!done.stderr.contains("secret-uuid"), "{}", done.stderr);
}

#[test]
fn metrics_are_left_for_prometheus_and_the_last_success_outlives_failures() {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", users(10, "a"));
    bench.write("broken.csv", "Nickname\nx\n");
    let metrics = || {
        let text = fs::read_to_string(bench.path("x.prom")).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let state = format!("{{state_dir=\"{}\"", bench.path("state").display());
            assert!(name.contains(&state), "{name}");
            (
                name.replace(&state, "").replace(['}', ','], " "),
                value.parse().unwrap(),
            )
        });
        samples.collect::<BTreeMap<String, f64>>()
    };
    let done = bench.apply(&["--metrics-file", "x.prom", "users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    let first = metrics();
    assert_eq!(first["lcic_sync_last_run_exit_code "], 0.0);
    assert_eq!(first["lcic_sync_last_run_rows outcome=\"applied\" "], 10.0);
    let success = first["lcic_sync_last_success_timestamp_seconds "];
    assert_eq!(success, first["lcic_sync_last_run_timestamp_seconds "]);
    thread::sleep(Duration::from_millis(1100));
    let done = bench.apply(&["--metrics-file", "x.prom", "broken.csv"]);
    assert_eq!(done.checked_code(), 4);
    let second = metrics();
    assert_eq!(second["lcic_sync_last_run_exit_code "], 4.0);
    assert_eq!(second["lcic_sync_last_success_timestamp_seconds "], success);
    assert!(second["lcic_sync_last_run_timestamp_seconds "] > success);
}

#[test]
fn old_runs_go_but_those_with_open_failures_and_what_is_no_run_stays() {
    let bench = Bench::new(refusing(&["u3"]));
    let apply = |file: &str, text: String| {
        bench.write(file, text);
        // Names sort by the second.
        thread::sleep(Duration::from_millis(1050));
        let done = bench.apply(&["--keep-runs", "2", file]);
        let name = done
            .run()
            .0
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        (name, done.code())
    };
    let (failed, code) = apply("users.csv", users(5, "a"));
    assert_eq!(code, 3);
    let reports = bench.path("state/reports");
    // What only looks like a run, a run of another ledger, and a run that holds something more.
    let copy = |from: &str, to: &str| {
        fs::create_dir(reports.join(to)).unwrap();
        let summary = fs::read_to_string(reports.join(from).join("summary.json")).unwrap();
        let summary = summary.replace(from, to);
        fs::write(reports.join(to).join("summary.json"), &summary).unwrap();
        summary
    };
    let kept = [
        "20200101T000000Z-alik",
        "20200102T000000Z-othr",
        "20200103T000000Z-more",
        "notes",
    ];
    fs::create_dir(reports.join(kept[0])).unwrap();
    let summary = copy(&failed, kept[1]).replace("ledger.sqlite3", "other.sqlite3");
    fs::write(reports.join(kept[1]).join("summary.json"), summary).unwrap();
    copy(&failed, kept[2]);
    fs::write(
        reports.join(kept[2]).join("mended.csv"),
        "work of a morning",
    )
    .unwrap();
    fs::create_dir(reports.join(kept[3])).unwrap();
    std::os::unix::fs::symlink(&reports, reports.join("20200104T000000Z-link")).unwrap();

    let (second, _) = apply("other.csv", users(2, "b"));
    let (third, _) = apply("other.csv", users(2, "c"));
    let (fourth, _) = apply("other.csv", users(2, "d"));
    let mut expected: Vec<&str> = kept.into();
    expected.extend(["20200104T000000Z-link", &failed, &third, &fourth, "latest"]);
    let names = || {
        let entries = fs::read_dir(&reports).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(names(), set(&expected), "without {second}");

    // A newer run takes the failure over: the old one is nobody's work any more.
    let (fifth, code) = apply("users.csv", users(5, "e"));
    assert_eq!(code, 3);
    expected.retain(|name| *name != failed && *name != third);
    expected.push(&fifth);
    assert_eq!(names(), set(&expected));
}
