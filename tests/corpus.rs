//! Files as they come, each with what `check` says of it beside it (`tests/corpus/NAME.txt`: lines
//! that begin with `$` are commands, below each stand its standard output, its standard error and
//! its exit code); and whether what was written reads back the same.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use encoding_rs::{GB18030, UTF_8, UTF_16BE, UTF_16LE};
use lcic_sync::input::Source;
use lcic_sync::input::findings::Findings;
use lcic_sync::input::rules::Rules;
use lcic_sync::input::survey::Survey;
use lcic_sync::keys::Keys;
use proptest::prelude::*;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// What a line gives in `directory`: both streams and the exit code.
fn told(directory: &Path, line: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lcic-sync"))
        .args(line.split(' ').skip(1))
        .current_dir(directory)
        .env_clear()
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("it was not killed");
    format!(
        "{}{}exit {code}\n",
        text(output.stdout),
        text(output.stderr)
    )
}

#[test]
fn every_file_is_judged_as_it_says_beside_it() {
    let names = fs::read_dir(CORPUS).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names.collect();
    let mut wrong = Vec::new();
    for name in names.iter().filter(|name| !name.ends_with(".txt")) {
        if name.starts_with("users-") {
            continue;
        }
        let expected = fs::read_to_string(format!("{CORPUS}/{name}.txt"));
        let expected = expected.unwrap_or_else(|_| panic!("nothing says what {name} comes to"));
        let lines = expected.lines().filter_map(|line| line.strip_prefix("$ "));
        let found: String = lines
            .map(|line| format!("$ {line}\n{}", told(Path::new(CORPUS), line)))
            .collect();
        if found != expected {
            wrong.push(format!("{name}: expected\n{expected}\nfound\n{found}"));
        }
    }
    assert!(names.len() > 80, "the corpus is there");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What `check` finds, in English or Chinese: place, whether it is an error, code, and the rest.
fn found(told: &str) -> Vec<(String, bool, String, String)> {
    let lines = told.lines().filter_map(|line| {
        let (place, rest) = line.split_once(": ")?;
        let (level, rest) = rest.split_once('[')?;
        let (code, rest) = rest.split_once(']')?;
        let is_error = match level {
            "error" | "错误" => true,
            "warning" | "警告" => false,
            _ => return None,
        };
        Some((place.into(), is_error, code.into(), rest.into()))
    });
    lines.collect()
}

#[test]
fn the_same_is_found_in_chinese() {
    let mut codes = BTreeSet::new();
    for entry in fs::read_dir(CORPUS).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_slow = name.starts_with("users-");
        if is_slow || name.ends_with(".txt") {
            continue;
        }
        let [english, chinese] = ["en", "zh"].map(|lang| {
            let line = format!("lcic-sync check --lang {lang} {name}");
            found(&told(Path::new(CORPUS), &line))
        });
        assert_eq!(chinese.len(), english.len(), "{name}");
        for (one, other) in english.into_iter().zip(chinese) {
            assert_eq!((&one.0, one.1, &one.2), (&other.0, other.1, &other.2));
            let message = other.3.split("：实际为").next().unwrap();
            let is_chinese = message.contains(|c: char| ('\u{4E00}'..='\u{9FFF}').contains(&c));
            let is_english = ["column", "expected", " the ", " of "];
            let is_english = is_english.iter().any(|word| message.contains(word));
            assert!(is_chinese && !is_english, "{name}: {message}");
            codes.insert(one.2);
        }
    }
    assert!(codes.len() > 20, "{codes:?}");
}

#[test]
fn check_in_json_says_the_same() {
    let text = told(Path::new(CORPUS), "lcic-sync check --json 08-blanks.csv");
    let json = text
        .strip_suffix("exit 3\n")
        .expect("some rows are invalid");
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!((&json["errors"], &json["warnings"]), (&7.into(), &4.into()));
    let finding = &json["findings"][3];
    for (field, value) in [
        ("file", "08-blanks.csv".into()),
        ("line", 5.into()),
        ("column", "UserId".into()),
        ("level", "error".into()),
        ("code", "invisible-character".into()),
        ("found", "u<U+200B>4".into()),
    ] as [(&str, serde_json::Value); 6]
    {
        assert_eq!(finding[field], value, "{field}");
    }
    let text = told(Path::new(CORPUS), "lcic-sync check --json 02-zip.csv");
    assert!(
        text.contains("\"file_errors\": [\n    \"02-zip.csv: looks like"),
        "{text}"
    );
}

#[test]
fn of_thousands_of_findings_each_kind_is_told_with_its_first_few() {
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..3000).map(|n| format!("u{n},NULL,\n")).collect();
    let text = format!("UserId,Nickname,Avatar\n{rows}x,,\n");
    fs::write(dir.path().join("users.csv"), text).unwrap();
    let told = told(dir.path(), "lcic-sync check users.csv");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 9, "{told}");
    assert!(lines[4].starts_with("users.csv:6: error[null-word]"));
    assert_eq!(lines[5], "  and 2,995 more error[null-word]");
    assert!(lines[6].starts_with("users.csv:3002: error[sets-nothing]"));
    assert_eq!(
        lines[7],
        "3,001 rows: 3,001 errors and 0 warnings; 3,001 are invalid"
    );
}

#[test]
fn a_fixed_copy_has_the_repairs_that_cannot_be_wrong_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let text = "用户ID;昵称;备注;\r\n u1 ;张伟;a;\r\n;;;\r\nu2;李娜;b\r\nu1;张大伟;a;\r\nu1;张伟;a;\r\nu2;李娜;other\r\nu3;NULL;\"x;\"\"y\";\r\n";
    let text = GB18030.encode(text).0;
    fs::write(dir.path().join("users.csv"), &text).unwrap();
    let line = "lcic-sync check --ignore-columns 备注 --fix fixed.csv users.csv";
    let first = told(dir.path(), line);
    let last = "fixed.csv: 5 rows written in UTF-8 (was GB18030: of 6 lines with other than ASCII 0 are valid UTF-8, separated by ;); 1 × row left out that a later one repeats; 1 × row left out that was blank or the header again; all else that is told above is left as it is\nexit 3\n";
    assert!(first.ends_with(last), "{first}");
    let fixed = fs::read_to_string(dir.path().join("fixed.csv")).unwrap();
    assert_eq!(
        fixed,
        "用户ID,昵称,备注\nu2,李娜,b\nu1,张大伟,a\nu1,张伟,a\nu2,李娜,other\nu3,NULL,\"x;\"\"y\"\n"
    );
    let mode = fs::metadata(dir.path().join("fixed.csv"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = told(dir.path(), line);
    assert!(
        again.contains("error: fixed.csv: File exists"),
        "nothing is written over: {again}"
    );
}

/// One small table, saved by LibreOffice 7.4 in four ways.
#[test]
fn what_libreoffice_writes_reads_back_as_it_was_typed() {
    let dir = tempfile::tempdir().unwrap();
    let typed = "用户ID,昵称,头像,备注\nu0001,张伟,https://cdn.example.com/a/1.png,=\n\
        00012345,李娜😀,,a;b\nu0003,欧阳婷婷,https://cdn.example.com/a/3.png,\"两行\n备注\"\n\
        u0004,𬭚生,,\n";
    for name in ["gb18030.csv", "utf16.csv", "semicolon.csv", "xlsx"] {
        let separator = if name == "xlsx" { "." } else { "-" };
        let out = dir.path().join(name);
        let line = format!(
            "lcic-sync check --ignore-columns 备注 --fix {} 19-libreoffice{separator}{name}",
            out.display()
        );
        let told = told(Path::new(CORPUS), &line);
        assert!(told.ends_with("exit 0\n"), "{name}: {told}");
        assert_eq!(fs::read_to_string(out).unwrap(), typed, "{name}");
    }
}

/// A text that a cell may hold: nothing in it is trimmed or damaged.
fn cell() -> impl Strategy<Value = String> {
    "[a-z李娜é,;|\"\t\n 😀]{0,6}[a-z李娜é,;\"😀]"
}

proptest! {
    #[test]
    fn what_was_written_reads_back_the_same(
        rows in prop::collection::vec([cell(), cell(), cell()], 0..12),
        encoding in prop::sample::select(vec![UTF_8, GB18030, UTF_16LE, UTF_16BE]),
        delimiter in prop::sample::select(vec![b',', b';', b'\t']),
        quote in prop::sample::select(vec![csv::QuoteStyle::Always, csv::QuoteStyle::Necessary]),
        crlf in any::<bool>(),
        is_told in any::<bool>(),
    ) {
        let end = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .quote_style(quote)
            .terminator(end)
            .from_writer(Vec::new());
        writer.write_record(["用户ID", "昵称", "头像"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let bytes = match encoding {
            e if e == UTF_16LE => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            e if e == UTF_16BE => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            e => e.encode(&text).0.into_owned(),
        };
        let mark = match encoding {
            e if e == UTF_16LE && !is_told => &b"\xFF\xFE"[..],
            e if e == UTF_16BE && !is_told => &b"\xFE\xFF"[..],
            _ => b"",
        };
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[mark, &bytes].concat()).unwrap();
        // So few lines may vote for the wrong one.
        let is_told = is_told || encoding == GB18030;
        let rules = Rules { encoding: is_told.then_some(encoding), ..Rules::default() };
        let spool = std::env::temp_dir();
        let name = file.path().to_str().unwrap();
        let source = Source::open_by(name, &spool, &rules.into()).unwrap();
        let mut records = source.rows().unwrap();
        for row in &rows {
            let record = records.next_record().unwrap().expect("as many as were written");
            let cells: Vec<&[u8]> = (0..3).map(|at| record.cell(at).unwrap()).collect();
            prop_assert_eq!(cells, row.iter().map(String::as_bytes).collect::<Vec<_>>());
        }
        prop_assert!(records.next_record().unwrap().is_none());
    }

    /// Whatever the bytes: no panic, and each row is read the same a second time. Files of the
    /// corpus with some of their bytes changed get further in than any bytes at all. With
    /// `PROPTEST_CASES=1000000` this is a fuzzer.
    #[test]
    fn no_bytes_are_too_odd(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), change()), 0..8),
        excel_text in any::<bool>(),
        encode_urls in any::<bool>(),
    ) {
        let mut names: Vec<_> = fs::read_dir(CORPUS).unwrap().map(|e| e.unwrap().path()).collect();
        names.retain(|path| !path.to_str().unwrap().contains("users-"));
        names.sort();
        let mut bytes = fs::read(seed.get(&names)).unwrap();
        for (at, piece) in changes {
            let at = at.index(bytes.len() + 1);
            let to = bytes.len().min(at + piece.len() / 2);
            bytes.splice(at..to, piece);
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let rules = Rules {
            excel_text,
            encode_urls,
            ignored: vec!["*".into()],
            clear_token: Some("-".into()),
            ..Rules::default()
        };
        let spool = std::env::temp_dir();
        let opened = Source::open_by(file.path().to_str().unwrap(), &spool, &rules.into());
        if let Ok(source) = opened {
            let survey = Survey::new(vec![source], Keys::new([7; 16]), Findings::with_cells(20));
            let mut survey = survey.unwrap();
            if survey.read_all(&AtomicBool::new(false)).is_ok() {
                let first = survey.entries.clone();
                survey.read_all(&AtomicBool::new(false)).unwrap();
                prop_assert!(first == survey.entries);
            }
        }
    }
}

/// Bytes that mean something somewhere.
fn change() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 16] = [
        b"\"",
        b",",
        b"\n",
        b"\r",
        b"\0",
        b"\xFF",
        b"\xEF\xBB\xBF",
        b"\xD5\xC5",
        b"=\"",
        b"'",
        b"sep=",
        b"1E+5",
        b"\xE2\x80\xAE",
        b";;;;;",
        b"UserId,Nickname\n",
        b"https://[",
    ];
    prop_oneof![
        prop::sample::select(pieces.map(<[u8]>::to_vec).to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ]
}
