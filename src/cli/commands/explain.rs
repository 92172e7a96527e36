//! `explain`: a code in words, or the table of all of them.

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::cli::table::{columns, hanging, wrap};
use crate::explain::{self, Explanation, Listed};
use crate::report::words::clean;

/// The flags of `explain`, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// The code, as it stands in results.csv, failures.csv or a message; its blanks need no quotes
    #[arg(
        value_name = "CODE",
        required_unless_present = "list",
        conflicts_with = "list"
    )]
    pub code: Vec<String>,

    /// Print the table of all codes
    #[arg(long)]
    pub list: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  lcic-sync explain ResourceNotFound.User
  lcic-sync explain no answer           codes with blanks are this program's own
  lcic-sync explain http 502
  lcic-sync explain --list              all of them
  lcic-sync explain --list --json       for a program";

/// Runs the command.
///
/// # Errors
/// When standard output does not take it.
pub fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let printer = Printer::new(false, 0);
    let typed = args.code.join(" ");
    let text = match (args.list, args.json) {
        (true, true) => {
            let codes: Vec<Value> = explain::all().map(|line| to_json(&line)).collect();
            pretty(&json!({ "codes": codes }))
        }
        (true, false) => list(columns()),
        (false, true) => {
            let mut json = to_json(&explain::explain(typed.trim()));
            json["suggestion"] = explain::suggestion(typed.trim()).into();
            pretty(&json)
        }
        (false, false) => in_words(&explain::explain(typed.trim()), columns()),
    };
    printer.data(&text).context("standard output")?;
    if !args.list
        && !args.json
        && let Some(meant) = explain::suggestion(typed.trim())
    {
        printer.say(&format!("hint: did you mean {meant}?"));
    }
    Ok(Exit::Done)
}

fn in_words(code: &Explanation<'_>, columns: usize) -> String {
    let treatment = code.treatment();
    let how = match code.listed {
        Listed::Itself => None,
        Listed::Pattern => Some(format!("one of those told as {}", code.code)),
        Listed::Prefix => Some(format!(
            "not documented: treated like {}, the longest documented part of it",
            code.code
        )),
        Listed::Nowhere => Some("not documented, and no part of it is: treated as below".into()),
    };
    let class = format!("{}: {}", code.kind.name(), code.kind.in_words());
    let mut text = format!("{}\n", clean(code.asked));
    if let Some(how) = how {
        text += &hanging("  ", &how, columns);
    }
    for (label, says) in [
        ("class", class.as_str()),
        ("meaning", code.meaning),
        ("advice", code.advice),
        ("retried", &treatment.retried),
        ("the row", &treatment.row),
        ("the run", &treatment.run),
        ("exit", &treatment.exit),
    ] {
        text += &hanging(&format!("  {label:<9}"), says, columns);
    }
    text
}

/// The table: code, class, meaning. A code that is too long for its column has a line of its own.
fn list(columns: usize) -> String {
    const CLASS: usize = 12;
    let longest = explain::all().map(|line| line.code.len()).max();
    let longest = longest.unwrap_or_default() + 2;
    let code_width = if columns >= 120 { longest } else { 37 };
    let meaning_width = columns - code_width - CLASS;
    let heading = format!("{:code_width$}{:CLASS$}MEANING\n", "CODE", "CLASS");
    let mut text = heading;
    for line in explain::all() {
        let mut code = line.code;
        if code.len() + 2 > code_width {
            text += &format!("{code}\n");
            code = "";
        }
        let mut class = line.kind.name();
        for meaning in wrap(line.meaning, meaning_width) {
            text += &format!("{code:code_width$}{class:CLASS$}{meaning}\n");
            (code, class) = ("", "");
        }
    }
    text + "\nlcic-sync explain CODE says what to do about one.\n"
}

fn to_json(code: &Explanation<'_>) -> Value {
    let treatment = code.treatment();
    json!({
        "code": code.asked,
        "listed": code.listed.name(),
        "treated_like": code.code,
        "documented": matches!(code.listed, Listed::Itself | Listed::Pattern),
        "class": code.kind.name(),
        "class_in_words": code.kind.in_words(),
        "meaning": code.meaning,
        "advice": code.advice,
        "retried": treatment.retried,
        "row": treatment.row,
        "run": treatment.run,
        "exit": treatment.exit,
    })
}

fn pretty(json: &Value) -> String {
    format!("{json:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::FEWEST;

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in [FEWEST, 80, 100, 120, 200] {
            let mut text = list(columns);
            for line in explain::all() {
                text += &in_words(&line, columns);
            }
            for line in text.lines() {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn what_is_typed_does_not_steer_the_terminal() {
        let text = in_words(&explain::explain("a\x1b[2J\u{202E}b"), 80);
        assert!(text.starts_with("a [2J b\n"), "{text}");
    }
}
