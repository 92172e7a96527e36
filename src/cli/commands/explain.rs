//! `explain`: a code in words, or the table of all of them.

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::look::Look;
use crate::cli::printer::Printer;
use crate::cli::settings::System;
use crate::cli::table::{columns, hanging, padded, wrap};
use crate::explain::{self, Explanation, Listed};
use crate::lang::Lang;
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

    /// The language of what is told: zh or en [default: by the locale]
    #[arg(long, value_name = "LANG", value_parser = ["zh", "en"])]
    pub lang: Option<String>,

    /// Print JSON, in English
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
    let lang = Look::new(&System, None)?.lang(args.lang.as_deref())?;
    let printer = Printer::new(false, 0).speaking(lang);
    let typed = args.code.join(" ");
    let text = match (args.list, args.json) {
        (true, true) => {
            let codes: Vec<Value> = explain::all().map(|line| to_json(&line)).collect();
            pretty(&json!({ "codes": codes }))
        }
        (true, false) => list(columns(), lang),
        (false, true) => {
            let mut json = to_json(&explain::explain(typed.trim()));
            json["suggestion"] = explain::suggestion(typed.trim()).into();
            pretty(&json)
        }
        (false, false) => in_words(&explain::explain(typed.trim()), columns(), lang),
    };
    printer.data(&text).context("standard output")?;
    if !args.list
        && !args.json
        && let Some(meant) = explain::suggestion(typed.trim())
    {
        printer.say(&lang.hint(lang.did_you_mean(meant)));
    }
    Ok(Exit::Done)
}

fn in_words(code: &Explanation<'_>, columns: usize, lang: Lang) -> String {
    let treatment = code.treatment(lang);
    let how = match code.listed {
        Listed::Itself => None,
        Listed::Pattern => Some(lang.by_pattern(code.code)),
        Listed::Prefix => Some(lang.by_prefix(code.code)),
        Listed::Nowhere => Some(lang.nowhere().into()),
    };
    let class = lang.kind(code.kind.told(lang), code.kind.in_words(lang));
    let mut text = format!("{}\n", clean(code.asked));
    if let Some(how) = how {
        text += &hanging("  ", &how, columns);
    }
    for (label, says) in [
        (lang.label_class(), class.as_str()),
        (lang.label_meaning(), code.meaning(lang)),
        (lang.label_advice(), code.advice(lang)),
        (lang.label_retried(), &treatment.retried),
        (lang.label_row(), &treatment.row),
        (lang.label_run(), &treatment.run),
        (lang.label_exit(), &treatment.exit),
    ] {
        text += &hanging(&format!("  {}", padded(label, 9)), says, columns);
    }
    text
}

/// The table: code, class, meaning. A code that is too long for its column has a line of its own.
fn list(columns: usize, lang: Lang) -> String {
    const CLASS: usize = 12;
    let longest = explain::all().map(|line| line.code.len()).max();
    let longest = longest.unwrap_or_default() + 2;
    let code_width = if columns >= 120 { longest } else { 37 };
    let meaning_width = columns - code_width - CLASS;
    let line = |code: &str, class: &str, meaning: &str| {
        let (code, class) = (padded(code, code_width), padded(class, CLASS));
        format!("{code}{class}{meaning}\n")
    };
    let mut text = line(lang.list_code(), lang.list_class(), lang.list_meaning());
    for listed in explain::all() {
        let mut code = listed.code;
        if code.len() + 2 > code_width {
            text += &format!("{code}\n");
            code = "";
        }
        let mut class = listed.kind.told(lang);
        for meaning in wrap(listed.meaning(lang), meaning_width) {
            text += &line(code, class, &meaning);
            (code, class) = ("", "");
        }
    }
    text + "\n" + lang.list_ends() + "\n"
}

fn to_json(code: &Explanation<'_>) -> Value {
    let lang = Lang::En;
    let treatment = code.treatment(lang);
    json!({
        "code": code.asked,
        "listed": code.listed.name(),
        "treated_like": code.code,
        "documented": matches!(code.listed, Listed::Itself | Listed::Pattern),
        "class": code.kind.name(),
        "class_in_words": code.kind.in_words(lang),
        "meaning": code.meaning(lang),
        "advice": code.advice(lang),
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
    use textwrap::core::display_width;

    use super::*;
    use crate::cli::table::FEWEST;

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for (columns, lang) in [FEWEST, 80, 100, 120, 200]
            .into_iter()
            .flat_map(|columns| Lang::ALL.map(|lang| (columns, lang)))
        {
            let mut text = list(columns, lang);
            for line in explain::all() {
                text += &in_words(&line, columns, lang);
            }
            for line in text.lines() {
                assert!(display_width(line) <= columns, "{columns}: {line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn what_is_typed_does_not_steer_the_terminal() {
        let text = in_words(&explain::explain("a\x1b[2J\u{202E}b"), 80, Lang::En);
        assert!(text.starts_with("a [2J b\n"), "{text}");
    }
}
