//! One list of users in every form that it may come in: the service ends up holding the same.

use std::fs;
use std::io::Write;

use encoding_rs::GB18030;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{Bench, column, expected, unlimited};

fn users() -> String {
    let rows = (0..2000).map(|n| format!("u{n:05},张伟 {n},https://a.example/{n}.png\n"));
    format!("UserId,Nickname,Avatar\n{}", rows.collect::<String>())
}

fn utf16(text: &str) -> Vec<u8> {
    let text = format!("\u{FEFF}{text}");
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn in_every_format_the_same_users_come_to_the_same() {
    let text = users();
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    // Made by another program.
    let workbook = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/users-2000.xlsx");
    let tabs = text.replace(',', "\t");
    for (name, bytes) in [
        ("utf8.csv", text.clone().into_bytes()),
        ("bom.csv", format!("\u{FEFF}{text}").into_bytes()),
        ("gb18030.csv", GB18030.encode(&text).0.into_owned()),
        ("utf16.csv", utf16(&tabs)),
        ("semicolon.csv", text.replace(',', ";").into_bytes()),
        ("tab.csv", tabs.into_bytes()),
        ("crlf.csv", text.replace('\n', "\r\n").into_bytes()),
        ("users.xlsx", fs::read(workbook).unwrap()),
        ("users.csv.gz", gz.finish().unwrap()),
    ] {
        let bench = Bench::new(unlimited());
        bench.write(name, bytes);
        let done = bench.apply(&["--rate", "1000000", name]);
        assert_eq!(done.checked_code(), 0, "{name}: {}", done.stderr);
        assert!(bench.held() == expected(text.as_bytes()), "{name}");
        let results = done.run().results();
        let lines = column(&results, "line");
        let lines: std::collections::BTreeSet<&str> = lines.iter().map(|line| &**line).collect();
        assert!(lines.contains("2") && lines.contains("2001"), "{name}");
    }
}

#[test]
fn one_gbk_row_in_a_file_in_utf8_is_all_that_is_lost() {
    let text = users();
    let mut lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    lines[1000] = GB18030.encode("u00999,李娜,").0.into_owned();
    let bench = Bench::new(unlimited());
    bench.write("users.csv", lines.join(&b'\n'));
    let done = bench.apply(&["--rate", "1000000", "users.csv"]);
    assert_eq!(done.checked_code(), 3, "{}", done.stderr);
    let mut left = expected(text.as_bytes());
    left.remove("u00999");
    assert!(bench.held() == left);
    assert!(
        done.stderr
            .contains("line 1001: column Nickname: byte 1 (0xC0) is not UTF-8"),
        "{}",
        done.stderr
    );
}

#[test]
fn t5_failures_are_utf8_and_are_read_as_that_whatever_is_said_of_the_file() {
    let mut bench = Bench::new(unlimited());
    bench.set("LCIC_SYNC_ENCODING", "gb18030");
    bench.set("LCIC_SYNC_DELIMITER", ";");
    bench.write(
        "users.csv",
        GB18030
            .encode("用户ID;昵称;备注\nu1;张伟;\nu2;#N/A;李娜\n")
            .0,
    );
    let done = bench.apply(&["--ignore-columns", "备注", "--excel", "users.csv"]);
    assert_eq!(done.checked_code(), 3, "{}", done.stderr);
    let failures = done.run().file("failures.csv");
    let text = fs::read_to_string(&failures).unwrap();
    assert!(text.starts_with("用户ID,昵称,备注,_outcome,"), "{text}");
    assert!(
        text.contains("\nu2,#N/A,李娜,invalid,excel error,"),
        "{text}"
    );
    let copy = fs::read_to_string(done.run().file("failures.excel.csv")).unwrap();
    assert!(copy.starts_with("\u{FEFF}用户ID,昵称,"), "{copy}");
    assert!(done.run().file("results.excel.csv").exists());

    bench.write("mended.csv", text.replace("#N/A", "=王芳"));
    let next = bench.apply(&["--ignore-columns", "备注", "mended.csv"]);
    assert_eq!(next.checked_code(), 0, "{}", next.stderr);
    assert_eq!(bench.held()["u2"].0.as_deref(), Some("=王芳"));
}

#[test]
fn what_is_odd_is_told_before_it_is_sent_and_names_nobody() {
    let bench = Bench::new(unlimited());
    let text = "UserId,Nickname,Avatar\n u1,张?,\nu2,-,\nu3,Zoe,http://a.example/1.png\nUserId,Nickname,Avatar\n";
    bench.write("users.csv", text);
    let done = bench.apply(&["--clear-token", "-", "users.csv"]);
    assert_eq!(done.checked_code(), 0, "{}", done.stderr);
    assert_eq!(bench.held()["u1"].0.as_deref(), Some("张?"));
    assert_eq!(bench.held()["u2"].0.as_deref(), Some(""));
    let (told, _) = done.stderr.split_once("3 rows: 3 changes").unwrap();
    assert_eq!(
        bench.plain(told),
        "new ledger DIR/state/ledger.sqlite3: all rows will be sent\n\
         1 row left out: the header again\n\
         1 cell with the --clear-token: an empty text is sent, and what the service makes of it is not documented\n\
         warning: 1 row, first users.csv: line 2: column UserId: blanks around (taken off)\n\
         warning: 1 row, first users.csv: line 2: column Nickname: lost characters (was an emoji or a rare character replaced by ? on the way?)\n\
         warning: 1 row, first users.csv: line 4: column Avatar: plain http (browsers may not show it in a page with https)\n"
    );
}
