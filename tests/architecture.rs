//! Arrows go down only (ARCHITECTURE.md): which module may know which. Read from the source, so
//! that a new `use` that points upwards fails here and not in a year.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// For each module at the top, those that it may name; itself is always allowed.
const ARROWS: [(&str, &[&str]); 22] = [
    ("model", &[]),
    ("event", &["model"]),
    ("lang", &["model"]),
    ("keys", &["model"]),
    ("clock", &[]),
    ("signals", &[]),
    ("state", &[]),
    ("engine", &["event", "model"]),
    ("input", &["keys", "lang", "model"]),
    ("tencent", &["model"]),
    ("explain", &["engine", "lang", "model", "tencent"]),
    ("plan", &["input", "keys", "lang", "model"]),
    ("ledger", &["engine", "event", "keys", "model", "plan"]),
    (
        "report",
        &[
            "engine", "event", "explain", "input", "lang", "model", "plan", "tencent",
        ],
    ),
    ("progress", &["engine", "event", "lang", "model", "report"]),
    (
        "recorder",
        &["engine", "event", "ledger", "model", "plan", "report"],
    ),
    ("canary", &["engine", "event", "model", "tencent"]),
    (
        "run",
        &[
            "canary", "clock", "engine", "event", "lang", "model", "plan", "recorder", "report",
            "tencent",
        ],
    ),
    ("prepare", &["input", "lang", "ledger", "plan", "report"]),
    ("simulator", &["model"]),
    (
        "cli",
        &[
            "canary",
            "clock",
            "engine",
            "event",
            "explain",
            "input",
            "keys",
            "lang",
            "ledger",
            "model",
            "plan",
            "prepare",
            "progress",
            "recorder",
            "report",
            "run",
            "signals",
            "simulator",
            "state",
            "tencent",
        ],
    ),
    ("lib", &[]),
];

/// What a module that only decides has no use for: other threads of time, files, clocks, logs.
const DOING: [&str; 14] = [
    "tokio",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::env",
    "std::thread",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "chrono",
    "tracing",
    "rusqlite",
    "reqwest",
];
const DECIDES: [&str; 3] = ["model", "event", "engine"];

#[test]
fn arrows_go_down_only() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let mut wrong = Vec::new();
    for line in lines() {
        let Some(allowed) = arrows.get(line.module.as_str()) else {
            wrong.push(format!(
                "{}: a module that no arrow is drawn for",
                line.place
            ));
            continue;
        };
        for named in named_modules(&line.text) {
            if named != line.module && !allowed.contains(&named.as_str()) {
                let (place, module) = (&line.place, &line.module);
                wrong.push(format!(
                    "{place}: `{module}` must not know `{named}`: {}",
                    line.text
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_decides_does_nothing() {
    let mut wrong = Vec::new();
    for line in lines() {
        if !DECIDES.contains(&line.module.as_str()) {
            continue;
        }
        let words = DOING.iter().filter(|word| names(&line.text, word));
        let does =
            words.map(|word| format!("{}: `{}` must not use {word}", line.place, line.module));
        wrong.extend(does);
        for word in ["async fn", ".await", "println!", "eprintln!"] {
            if line.text.contains(word) {
                wrong.push(format!(
                    "{}: `{}` must not have {word}",
                    line.place, line.module
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_lines_sees_what_it_shall_see() {
    let modules = |text: &str| named_modules(text);
    assert_eq!(modules("use crate::model::{A, B};"), ["model"]);
    assert_eq!(
        modules("use crate::{event::Event, model};"),
        ["event", "model"]
    );
    assert_eq!(
        modules("let x: crate::cli::exit::Exit = crate::run::now();"),
        ["cli", "run"]
    );
    assert_eq!(modules("use super::model;"), Vec::<String>::new());
    assert!(names("use std::{fs, io};", "std::fs"));
    assert!(names("std::fs::read(x)", "std::fs"));
    assert!(!names("use std::fmt;", "std::fs"));
    assert!(names("use tokio::sync::mpsc;", "tokio"));
    assert!(
        lines()
            .iter()
            .any(|line| line.module == "cli" && line.text.contains("crate::run"))
    );
    let seen: Vec<String> = lines().into_iter().map(|line| line.module).collect();
    for (module, _) in ARROWS {
        assert!(
            seen.iter().any(|seen| seen == module),
            "nothing is read of {module}"
        );
    }
}

/// A statement of the source, without comments and tests.
struct Line {
    /// `src/engine/mod.rs:12`
    place: String,
    /// The module at the top of the tree.
    module: String,
    text: String,
}

fn lines() -> Vec<Line> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lines = Vec::new();
    read(&source, &source, &mut lines);
    lines
}

fn read(source: &Path, directory: &Path, lines: &mut Vec<Line>) {
    for entry in fs::read_dir(directory).expect("the source is there") {
        let path = entry.expect("the source is readable").path();
        if path.is_dir() {
            read(source, &path, lines);
            continue;
        }
        let name = path.strip_prefix(source).expect("it lies below");
        let is_rust = path.extension().is_some_and(|ending| ending == "rs");
        if !is_rust || name.ends_with("tests.rs") || name == Path::new("main.rs") {
            continue;
        }
        let first = name.iter().next().and_then(|first| first.to_str());
        let module = first.expect("names are text").trim_end_matches(".rs");
        let text = fs::read_to_string(&path).expect("the source is text");
        // Tests stand at the end, and may know everything.
        let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
        let mut statement = String::new();
        let mut begins = 0;
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default().trim();
            if code.is_empty() {
                continue;
            }
            if statement.is_empty() {
                begins = number + 1;
            }
            statement.push_str(code);
            // Only a `use` is spread over lines in a way that matters here.
            if is_use(&statement) && !statement.ends_with(';') {
                continue;
            }
            lines.push(Line {
                place: format!("src/{}:{begins}", name.display()),
                module: module.to_owned(),
                text: std::mem::take(&mut statement),
            });
        }
    }
}

fn is_use(statement: &str) -> bool {
    statement.starts_with("use ") || statement.starts_with("pub use ")
}

/// The modules at the top that a statement names through `crate::`.
fn named_modules(text: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        modules.extend(heads(&text[at + "crate::".len()..]));
    }
    modules
}

/// The first words of what follows a `::`: one, or all in its braces.
fn heads(path: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        let is_part = |c: &char| c.is_alphanumeric() || *c == '_';
        text.trim_start().chars().take_while(is_part).collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let mut depth = 0;
    let mut heads = Vec::new();
    let mut begins = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && !c.is_whitespace() => {
                heads.push(word(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    heads
}

/// Whether a statement names `path`, written out or from a group in braces.
fn names(text: &str, path: &str) -> bool {
    let Some((root, rest)) = path.split_once("::") else {
        let in_use = text
            .strip_prefix("use ")
            .is_some_and(|used| heads(used).first().is_some_and(|head| head == path));
        return in_use || text.contains(&format!("{path}::"));
    };
    text.match_indices(&format!("{root}::")).any(|(at, _)| {
        let behind = &text[at + root.len() + 2..];
        heads(behind)
            .iter()
            .any(|head| match rest.split_once("::") {
                None => head == rest,
                Some((middle, last)) => {
                    head == middle
                        && names(
                            behind.get(middle.len()..).map_or("", |_| behind),
                            &format!("{middle}::{last}"),
                        )
                }
            })
    })
}
