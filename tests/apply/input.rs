//! Files as they come: what is refused before anything is sent, what is merely one bad row.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::{Bench, column, expected, unlimited, users};

/// Applies a file with this text; it is refused in these words, and nothing is sent.
fn assert_refused(text: impl AsRef<[u8]>, words: &str) {
    let bench = Bench::new(unlimited());
    bench.write("users.csv", text);
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.checked_code(), 4, "{}", done.stderr);
    assert_eq!(done.stdout, "");
    assert_eq!(
        bench.plain(&done.stderr),
        format!(
            "Refused before anything was sent\n  \
               {words}\n\
             When that is put right, give the same command again:\n  \
               lcic-sync apply --endpoint http://127.0.0.1:PORT --state-dir state users.csv\n"
        )
    );
    let summary = done.run().summary();
    assert_eq!(
        (&summary["exit_code"], &summary["stopped_by"]),
        (&4.into(), &"refused".into())
    );
    assert_eq!(bench.lcic.stats().calls, 0);
    assert!(
        !bench.path("state/reports/latest").exists(),
        "there was no plan"
    );
}

#[test]
fn a_bad_file_is_refused_and_named() {
    let quote =
        "the quote (\") that opens here is never closed: everything after it would be one cell";
    assert_refused(
        "UserId,Nickname\na,Ann\nb,\"Bob\nc,Cid\nd,Dan\n",
        &format!("users.csv: line 3: {quote}"),
    );
    assert_refused(
        "UserId,Nickname,Klasse\na,Ann,7b\n",
        "users.csv: line 1: unknown column \"Klasse\" (expected UserId, Nickname, Avatar)\n  \
         hint: --ignore-columns \"Klasse\" reads the file without",
    );
    assert_refused(
        "Nickname,Avatar\nAnn,x\n",
        "users.csv: line 1: none of the 2 cells is UserId: is the header row missing, or does something stand above it? (expected a first line like UserId,Nickname,Avatar)\n  \
         hint: a column of another name is told with --map UserId=NAME",
    );
    assert_refused(
        "UserId,Nickname,Nickname\na,Ann,Anna\n",
        "users.csv: line 1: column \"Nickname\" stands in the header twice",
    );
    assert_refused(
        "UserId\na\n",
        "users.csv: line 1: neither a column Nickname nor Avatar in the header: nothing to set",
    );
    assert_refused(
        "",
        "users.csv: is empty, not even a header row (expected a first line like UserId,Nickname,Avatar)",
    );
    assert_refused(
        "PK\x03\x04\x14\0\x06\0",
        "users.csv: looks like an Excel workbook or another zip file, and can't be read as a workbook: \
         Zip error: invalid Zip archive: Could not find EOCD\n  \
         hint: in Excel: Save As, \"CSV UTF-8 (Comma delimited)\"",
    );
}

#[test]
fn a_quote_that_swallows_a_large_file_is_found() {
    let mut text = users(5000, "a");
    let at = text.find("u2500,").unwrap() + "u2500,".len();
    text.insert(at, '"');
    let bench = Bench::new(unlimited());
    bench.write("users.csv", text);
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.checked_code(), 4);
    assert!(
        done.stderr.contains("users.csv: line 2502: "),
        "{}",
        done.stderr
    );
    assert_eq!(bench.lcic.stats().calls, 0);
}

#[test]
fn what_is_no_readable_file_is_refused() {
    let bench = Bench::new(unlimited());
    fs::create_dir(bench.path("directory")).unwrap();
    bench.write("secret.csv", users(1, "a"));
    let locked = fs::Permissions::from_mode(0o000);
    fs::set_permissions(bench.path("secret.csv"), locked).unwrap();
    let mut table = vec![
        ("directory", "directory: is a directory, not a CSV file"),
        ("missing.csv", "missing.csv: No such file or directory"),
    ];
    if fs::read(bench.path("secret.csv")).is_err() {
        table.push(("secret.csv", "secret.csv: Permission denied"));
    } else {
        eprintln!("skipped: a file that can't be read, because root reads every file");
    }
    for (file, words) in table {
        let done = bench.apply(&[file]);
        assert_eq!(done.checked_code(), 4, "{}", done.stderr);
        assert!(
            done.stderr.contains(&format!("  {words}")),
            "{}",
            done.stderr
        );
    }
    assert_eq!(bench.lcic.stats().calls, 0);
}

#[test]
fn one_bad_file_among_good_ones_is_enough_to_send_nothing() {
    let bench = Bench::new(unlimited());
    bench.write("good.csv", users(5, "a"));
    bench.write("bad.csv", "UserId,Nickname\nb,\"Bob\n");
    let done = bench.apply(&["good.csv", "bad.csv"]);
    assert_eq!(done.checked_code(), 4);
    assert!(done.stderr.contains("bad.csv: line 2: "), "{}", done.stderr);
    assert_eq!(bench.lcic.stats().calls, 0);
}

#[test]
fn a_header_alone_is_fine_with_a_warning() {
    for text in [
        "UserId,Nickname\n",
        "UserId,Nickname",
        "\u{FEFF}UserId,Nickname\r\n\r\n",
    ] {
        let bench = Bench::new(unlimited());
        bench.write("users.csv", text);
        let done = bench.apply(&["users.csv"]);
        assert_eq!(done.checked_code(), 0, "{}", done.stderr);
        assert_eq!(
            bench.plain(&done.stderr),
            "new ledger DIR/state/ledger.sqlite3: all rows will be sent\n\
             warning: no rows behind the header\n\
             0 rows: 0 changes to send\n\
             No rows in the input: nothing to do.\n"
        );
    }
}

#[test]
fn a_byte_order_mark_crlf_and_odd_orders_are_read_like_any_file() {
    let bench = Bench::new(unlimited());
    bench.write(
        "users.csv",
        "\u{FEFF}\"Avatar\",UserId,Nickname\r\n\
         ,007,\"O'Neill, \"\"Shaq\"\"\"\r\n\
         \r\n\
         https://x.example/2,1e5,\"two\r\nlines\"\r\n\
         ,0x1F,王伟 👨‍👩‍👧",
    );
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    let text = |text: &str| Some(text.to_owned());
    let held = bench.held();
    assert_eq!(held.len(), 3);
    assert_eq!(held["007"], (text("O'Neill, \"Shaq\""), None));
    assert_eq!(
        held["1e5"],
        (text("two\r\nlines"), text("https://x.example/2"))
    );
    assert_eq!(held["0x1F"], (text("王伟 👨‍👩‍👧"), None));
    assert_eq!(column(&done.run().results(), "line"), ["2", "4", "6"]);
}

#[test]
fn bad_rows_are_told_with_their_lines_and_hold_their_users_back() {
    let bench = Bench::new(unlimited());
    let mut text = b"UserId,Nickname,Avatar\n\
        a,Ann,https://x.example/1\n\
        b,Bob\n\
        ,nobody,x\n\
        c,\xD5\xC5,\n\
        d,,\n\
        e,Eve,https://x.example/5\n\
        e,\xFF,\n"
        .to_vec();
    // A UTF-8 file nearly all of whose names are fine.
    for n in 0..18 {
        text.extend(format!("u{n},李娜{n},\n").into_bytes());
    }
    bench.write("users.csv", &text);
    let done = bench.apply(&["users.csv"]);
    assert_eq!(done.checked_code(), 3, "{}", done.stderr);
    assert_eq!(done.counts(), "read 25, applied 19, invalid 6");
    assert_eq!(bench.held(), expected(&text));
    let (told, _) = done
        .stderr
        .split_once("25 rows: 19 changes to send")
        .unwrap();
    assert_eq!(
        bench.plain(told),
        "new ledger DIR/state/ledger.sqlite3: all rows will be sent\n\
         5 invalid rows will not be sent:\n  \
           users.csv: line 3: the row has 2 cells, the header 3\n  \
           users.csv: line 4: column UserId is blank\n  \
           users.csv: line 5: column Nickname: byte 1 (0xD5) is not UTF-8\n  \
           users.csv: line 6: Nickname and Avatar are both blank\n  \
           users.csv: line 8: column Nickname: byte 1 (0xFF) is not UTF-8\n\
         1 more row of the same users will not be sent either\n"
    );
    let failures = done.run().failures();
    let told: Vec<[&str; 3]> = failures
        .iter()
        .map(|row| ["_line", "_code", "_message"].map(|name| &*row[name]))
        .collect();
    assert_eq!(
        told,
        [
            [
                "3",
                "wrong number of cells",
                "the row has 2 cells, the header 3"
            ],
            ["4", "no UserId", "column UserId is blank"],
            [
                "5",
                "not UTF-8",
                "column Nickname: byte 1 (0xD5) is not UTF-8"
            ],
            ["6", "sets nothing", "Nickname and Avatar are both blank"],
            [
                "7",
                "another row of the user is invalid",
                "line 8 of the same user is invalid"
            ],
            [
                "8",
                "not UTF-8",
                "column Nickname: byte 1 (0xFF) is not UTF-8"
            ],
        ]
    );
    // A row with too few cells says so, and what is not text is shown as lost, so that fed back
    // unmended no row slips through half right.
    let left = |row: usize, name: &str| &*failures[row][name];
    assert_eq!((left(0, "UserId"), left(0, "Nickname")), ("b", "Bob"));
    assert_eq!(left(0, "_cells"), "2 of 3");
    assert_eq!(left(2, "Nickname"), "\u{FFFD}\u{FFFD}");
    let again = done.run().file("failures.csv");
    let again = bench.apply(&[again.to_str().unwrap()]);
    assert_eq!(again.counts(), "read 6, invalid 6", "{}", again.stderr);
    assert_eq!(again.run().failures()[2]["_code"], "damaged text");

    // Put right, everything arrives.
    let text = String::from_utf8_lossy(&text).replace('\u{FFFD}', "x");
    let text = text.replace("b,Bob\n", "b,Bob,\n").replace("d,,", "d,Dan,");
    let text = text.replace(",nobody,x", "f,Fay,");
    bench.write("users.csv", &text);
    let next = bench.apply(&["users.csv"]);
    assert_eq!(next.checked_code(), 0, "{}", next.stderr);
    assert_eq!(bench.held(), expected(text.as_bytes()));
}

#[test]
fn t1_the_last_file_wins_and_each_field_for_itself() {
    let bench = Bench::new(unlimited());
    bench.write(
        "1.csv",
        "UserId,Nickname,Avatar\na,Ann,https://x.example/1\nb,Bob,https://x.example/2\n",
    );
    bench.write("2.csv", "Nickname,UserId\nAnna,a\n");
    for (files, name) in [(["1.csv", "2.csv"], "Anna"), (["2.csv", "1.csv"], "Ann")] {
        let done = bench.apply(&files);
        assert_eq!(done.checked_code(), 0, "{}", done.stderr);
        let held = &bench.held()["a"];
        assert_eq!(
            *held,
            (
                Some(name.to_owned()),
                Some("https://x.example/1".to_owned())
            )
        );
    }
    assert_eq!(bench.lcic.user("a").unwrap().writes, 2);
    assert_eq!(bench.lcic.user("b").unwrap().writes, 1);
}

#[test]
fn standard_input_is_read_to_its_end_before_anything_is_sent() {
    let bench = Bench::new(unlimited());
    let mut command = bench.command(&bench.line(&["--rate", "1000", "-"]));
    command.stdin(Stdio::piped());
    let mut going = bench.spawn(command);
    let text = users(300, "a");
    let mut stdin = going.stdin();
    stdin.write_all(text.as_bytes()).unwrap();
    going.until_it_has_a_directory();
    assert_eq!(bench.lcic.stats().calls, 0);
    drop(stdin);
    let done = going.wait();
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(bench.held(), expected(text.as_bytes()));
    assert_eq!(column(&done.run().results(), "file")[0], "-");
    assert!(done.stderr.contains("300 rows: 300 applied"));
    let left: Vec<_> = fs::read_dir(bench.path("state")).unwrap().collect();
    assert_eq!(
        left.len(),
        3,
        "ledger, lock and reports; no copy is left: {left:?}"
    );
}

#[test]
fn a_pipe_with_a_name_is_a_file_like_any_other() {
    let bench = Bench::new(unlimited());
    let made = bench.command_of("mkfifo").arg("pipe").status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no mkfifo on this machine");
        return;
    }
    let going = bench.start(&["pipe"]);
    let text = users(3, "a");
    fs::write(bench.path("pipe"), &text).unwrap();
    let done = going.wait();
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(bench.held(), expected(text.as_bytes()));
}
