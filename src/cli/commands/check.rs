//! `check`: the first pass alone. Says all that is wrong or odd in files, in one go and without
//! keys, ledger or network, and can write a copy with those repairs that can't be wrong.
//!
//! This is the one command that shows what stands in cells, because that is what it is asked for;
//! what steers a terminal or can't be seen is shown as code points.

// Doc comments of flags are help texts of a terminal.
#![allow(rustdoc::bare_urls, rustdoc::invalid_html_tags)]

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::fix;
use crate::cli::input_args::InputArgs;
use crate::cli::look::Look;
use crate::cli::printer::Printer;
use crate::cli::settings::{System, check_files};
use crate::input::findings::{Finding, Findings, Kind};
use crate::input::lint::Level;
use crate::input::rows::Row;
use crate::input::survey::Survey;
use crate::input::{InputError, Source};
use crate::keys::{Keys, ValueKey};
use crate::lang::{Lang, thousands};
use crate::model::Field;
use crate::report::words::clean;

/// The flags of `check`, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = AFTER)]
pub struct CheckArgs {
    /// CSV files or Excel workbooks, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,

    /// How the files are read.
    #[command(flatten)]
    pub input: InputArgs,

    /// Write a copy with the repairs that can't be wrong: UTF-8, line ends, blanks around ids,
    /// rows that stand there twice
    #[arg(long, value_name = "OUT.csv", help_heading = "Output")]
    pub fix: Option<PathBuf>,

    /// The language of what is told: zh or en [default: by the locale]
    #[arg(long, value_name = "LANG", value_parser = ["zh", "en"], help_heading = "Output")]
    pub lang: Option<String>,

    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Read flags from this file [default: ./lcic-sync.toml where there is one]
    #[arg(long, value_name = "TOML", help_heading = "Files")]
    pub config: Option<PathBuf>,
}

const AFTER: &str = "\
A line for each finding: file, line, error or warning, its code, what fits, what was found. The row
of an error would not be sent; that of a warning would. Where there are many, each kind is told
with its first few.

Exit codes:
  0  nothing wrong      3  some rows are invalid      4  a file can't be used      2  usage

Examples:
  lcic-sync check users.csv
  lcic-sync check --json a.csv b.xlsx
  lcic-sync check --fix clean.csv users.csv
  lcic-sync check --allow null-word,plain-http users.csv
  lcic-sync explain null word                   more about a code";

/// The version of the JSON.
const SCHEMA_VERSION: u32 = 1;
/// Findings of one kind that are kept, and so listed at most.
const KEPT: usize = 1000;
/// With more findings than this, each kind is told with its first few.
const LISTED: u64 = 1000;
const FEW: usize = 5;

/// A later row sets the same field to something else.
const CONFLICTING: &str = "conflicting rows";
/// A later row says the same.
pub const REPEATED: &str = "repeated row";
/// Two ids that differ by case only.
const CASE_PAIR: &str = "case pair";

/// Runs the command.
///
/// # Errors
/// Usage and configuration, and when standard output or the copy can't be written.
pub fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    let look = Look::new(&System, args.config.as_deref())?;
    let lang = look.lang(args.lang.as_deref())?;
    // Programs read the same everywhere.
    let lang = if args.json { Lang::En } else { lang };
    let rules = args.input.resolve(&look, lang)?;
    check_files(&args.files)?;
    if args.fix.is_some() && args.files.len() > 1 {
        bail!(
            "--fix writes a copy of one file, and {} were given",
            args.files.len()
        );
    }
    let printer = Printer::new(false, 0).speaking(lang);
    let spool = std::env::temp_dir();
    let mut errors = Vec::new();
    let mut sources = Vec::new();
    for file in &args.files {
        match Source::open_by(file, &spool, &rules) {
            Ok(source) => sources.push(source),
            Err(error) => errors.push(error),
        }
    }
    let survey = surveyed(sources, &mut errors);
    let fixed = match (&args.fix, &survey) {
        (Some(out), Some(survey)) if errors.is_empty() => {
            Some(fix::write(survey, out).with_context(|| format!("{}", out.display()))?)
        }
        _ => None,
    };
    let mut exit = Exit::Done;
    let text = match survey {
        Some(mut survey) => {
            if !survey.invalid.is_empty() {
                exit = Exit::SomeFailed;
            }
            if errors.is_empty() {
                note_case_pairs(&mut survey)?;
            }
            match args.json {
                true => in_json(&survey, &errors),
                false => in_words(&survey, &printer),
            }
        }
        None if args.json => pretty(&json!({
            "schema_version": SCHEMA_VERSION,
            "file_errors": in_lines(&errors),
        })),
        None => String::new(),
    };
    printer.data(&text).context("standard output")?;
    if let (Some(fixed), Some(out)) = (fixed, &args.fix) {
        printer.say(&format!(
            "{}{}{}",
            out.display(),
            lang.colon(),
            fixed.in_words(lang)
        ));
    }
    for error in errors {
        exit = Exit::Refused;
        printer.error(&anyhow!(error));
    }
    Ok(exit)
}

/// Reads the files that could be opened. One that ends in an error still has findings before it.
fn surveyed(sources: Vec<Source>, errors: &mut Vec<InputError>) -> Option<Survey> {
    if sources.is_empty() {
        return None;
    }
    let keys = Keys::new(rand::random());
    let mut survey = match Survey::new(sources, keys, Findings::with_cells(KEPT)) {
        Ok(survey) => survey,
        Err(error) => {
            errors.push(error);
            return None;
        }
    };
    match survey.read_all(&AtomicBool::new(false)) {
        Ok(()) => note_duplicates(&mut survey),
        Err(error) => errors.push(error),
    }
    Some(survey)
}

/// Rows that a later row of the same user overrides, or repeats.
fn note_duplicates(survey: &mut Survey) {
    let mut found = Vec::new();
    for group in survey
        .entries
        .chunk_by(|a, b| a.user == b.user && a.user != 0)
    {
        for (at, row) in group.iter().enumerate() {
            let later = &group[at + 1..];
            let conflict = Field::ALL.into_iter().find_map(|field| {
                let value = row.sets[field];
                let mut same = later.iter().filter(|later| later.sets[field].is_set());
                let other = same.find(|later| later.sets[field] != value);
                other
                    .filter(|_| value.is_set())
                    .map(|other| (field, other.row))
            });
            let is_set = |value: ValueKey| value.is_set();
            let repeats = later.iter().find(|later| {
                later.sets == row.sets && Field::ALL.iter().any(|field| is_set(row.sets[*field]))
            });
            match (conflict, repeats) {
                (Some((field, other)), _) => found.push((CONFLICTING, Some(field), row.row, other)),
                (None, Some(other)) => found.push((REPEATED, None, row.row, other.row)),
                (None, None) => {}
            }
        }
    }
    found.sort_unstable_by_key(|(.., row, _)| *row);
    for (code, field, row, other) in found {
        let at = survey.at(row);
        let lang = survey.lang();
        let other = survey.name_of(other, at.file.into());
        let message = match field {
            Some(field) => lang.sets_another(other, field.name()),
            None => lang.says_the_same(other),
        };
        add(survey, code, at, message);
    }
}

/// Ids that differ by case only: two users to the service, and perhaps one to who wrote them.
fn note_case_pairs(survey: &mut Survey) -> anyhow::Result<()> {
    // The entries are not needed any more: these take their place in memory.
    let n_rows = std::mem::take(&mut survey.entries).len();
    let mut keys: Vec<(u64, u64, u32)> = Vec::with_capacity(n_rows);
    let mut lower = String::new();
    let mut row = 0;
    for source in &survey.sources {
        let mut records = source.rows()?;
        while let Some(record) = records.next_record()? {
            if source.skips(&record) {
                continue;
            }
            if let Some(user) = Row::read(source, &record).user {
                lower.clear();
                lower.push_str(user);
                lower.make_ascii_lowercase();
                let key = survey.keys.user(&lower).key;
                keys.push((key, survey.keys.user(user).key, row));
            }
            row += 1;
        }
    }
    keys.sort_unstable();
    // The first row of an id, and that of the first other id that differs by case from it.
    let pair = |group: &[(u64, u64, u32)]| {
        let first = group.iter().min_by_key(|key| key.2)?;
        let others = group.iter().filter(|key| key.1 != first.1);
        Some((first.2, others.map(|key| key.2).min()?))
    };
    let groups = keys.chunk_by(|a, b| a.0 == b.0);
    let mut pairs: Vec<(u32, u32)> = groups.filter_map(pair).collect();
    pairs.sort_unstable();
    for (one, other) in pairs {
        let at = survey.at(other);
        let first = survey.name_of(one, at.file.into());
        let message = survey.lang().case_pair(first);
        add(survey, CASE_PAIR, at, message);
    }
    Ok(())
}

fn add(survey: &mut Survey, code: &'static str, at: crate::model::RowRef, message: String) {
    let kind = Kind {
        level: Level::Warning,
        code,
        column: None,
    };
    let found = String::new();
    survey.findings.add(kind, || Finding { at, message, found });
}

fn in_words(survey: &Survey, printer: &Printer) -> String {
    let lang = printer.lang();
    for source in &survey.sources {
        if let Some(read_as) = &source.read_as {
            printer.say(&lang.read_as(clean(&source.name), clean(read_as)));
        }
    }
    if survey.repeated_headers > 0 {
        printer.say(&lang.header_again(lang.rows(survey.repeated_headers)));
    }
    let name = |file: u16| clean(&survey.sources[usize::from(file)].name);
    let level_and_code = |kind: &Kind| {
        let level = match kind.level {
            Level::Error => lang.level_error(),
            Level::Warning => lang.level_warning(),
        };
        (level, dashed(kind.code))
    };
    let line = |kind: &Kind, finding: &Finding| {
        let Finding { at, message, found } = finding;
        let (level, code) = level_and_code(kind);
        let place = format!("{}:{}", name(at.file), at.line);
        let mut told = lang.finding(place, level, code, message);
        if !found.is_empty() {
            told += &lang.found(found);
        }
        told + "\n"
    };
    let mut text = String::new();
    let errors = survey.findings.count(Level::Error);
    let warnings = survey.findings.count(Level::Warning);
    if errors + warnings <= LISTED {
        for (kind, finding) in survey.findings.in_order() {
            text += &line(kind, finding);
        }
    } else {
        for (kind, group) in survey.findings.groups() {
            for finding in group.first.iter().take(FEW) {
                text += &line(kind, finding);
            }
            let more = group.count.saturating_sub(FEW as u64);
            if more > 0 {
                let (level, code) = level_and_code(kind);
                text += &lang.more_findings(thousands(more), level, code);
                text.push('\n');
            }
        }
    }
    let invalid: u64 = survey.invalid.values().sum();
    let invalid = match invalid {
        0 => lang.none_invalid().into(),
        1 => lang.one_invalid().into(),
        n => lang.some_invalid(thousands(n)),
    };
    let rows = lang.rows(survey.n_rows_read());
    text += &lang.checked(rows, lang.errors(errors), lang.warnings(warnings), invalid);
    text.push('\n');
    text
}

fn in_json(survey: &Survey, errors: &[InputError]) -> String {
    let name = |file: u16| &survey.sources[usize::from(file)].name;
    let files = survey.sources.iter();
    let files: Vec<Value> = files
        .map(|source| json!({ "file": source.name, "read_as": source.read_as }))
        .collect();
    let findings: Vec<Value> = survey
        .findings
        .in_order()
        .into_iter()
        .map(|(kind, finding)| {
            json!({
                "file": name(finding.at.file),
                "line": finding.at.line,
                "column": kind.column.map(|column| column.name()),
                "level": kind.level.name(),
                "code": dashed(kind.code),
                "message": finding.message,
                "found": finding.found,
            })
        })
        .collect();
    let kinds: Vec<Value> = survey
        .findings
        .groups()
        .map(|(kind, group)| {
            json!({
                "level": kind.level.name(),
                "code": dashed(kind.code),
                "column": kind.column.map(|column| column.name()),
                "count": group.count,
                "listed": group.first.len(),
            })
        })
        .collect();
    pretty(&json!({
        "schema_version": SCHEMA_VERSION,
        "files": files,
        "file_errors": in_lines(errors),
        "rows": survey.n_rows_read(),
        "invalid": survey.invalid.values().sum::<u64>(),
        "blank_rows": survey.blank_rows,
        "repeated_headers": survey.repeated_headers,
        "errors": survey.findings.count(Level::Error),
        "warnings": survey.findings.count(Level::Warning),
        "kinds": kinds,
        "findings": findings,
    }))
}

/// A code as one word: as `--allow` takes it.
fn dashed(code: &str) -> String {
    code.replace(' ', "-")
}

fn in_lines(errors: &[InputError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn pretty(json: &Value) -> String {
    format!("{json:#}\n")
}
