//! How text looks where it is shown: folded between words at the edge of a terminal, its first
//! word in colour. Colour is decoration, nothing is told by it alone.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};
use textwrap::{core::display_width, wrap};

use crate::lang::fold;

/// What the place can show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Looks {
    /// Where lines end; `None` where they need not.
    columns: Option<usize>,
    colour: bool,
}

impl Looks {
    /// Of standard error, now: windows change. `--color` was told to anstream; it knows NO_COLOR.
    pub fn of_stderr() -> Self {
        let stderr = io::stderr();
        let size = stderr
            .is_terminal()
            .then(|| rustix::termios::tcgetwinsize(&stderr));
        let columns = size
            .and_then(Result::ok)
            .map(|size| usize::from(size.ws_col));
        Self {
            columns: columns.filter(|columns| *columns >= 20),
            colour: AutoStream::choice(&stderr) != ColorChoice::Never,
        }
    }

    /// The text as it is to be written.
    pub fn fit(self, text: &str) -> String {
        let lines = text.split_inclusive('\n');
        lines
            .map(|line| self.coloured(&self.folded(line)))
            .collect()
    }

    fn folded(self, line: &str) -> String {
        let told = line.trim_end();
        let indent = line.len() - line.trim_start().len();
        // What is there to be copied stays in one piece.
        let is_command = ["lcic-sync ", "$ "]
            .iter()
            .any(|begins| line[indent..].starts_with(begins));
        match self.columns {
            Some(columns) if display_width(told) > columns && !is_command => {
                let deeper = " ".repeat(indent + 2);
                let options = fold::options(columns).subsequent_indent(&deeper);
                wrap(told, options).join("\n") + &line[told.len()..]
            }
            _ => line.to_owned(),
        }
    }

    fn coloured(self, line: &str) -> String {
        const WORDS: [(&str, &str); 5] = [
            ("error:", "1;31"),
            ("warning:", "33"),
            ("hint:", "36"),
            ("警告：", "33"),
            ("提示：", "36"),
        ];
        let first = WORDS.iter().find(|(word, _)| line.starts_with(word));
        match first {
            Some((word, colour)) if self.colour => {
                format!("\x1b[{colour}m{word}\x1b[0m{}", &line[word.len()..])
            }
            _ => line.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wider_than_the_terminal_but_what_is_to_be_copied() {
        let looks = Looks {
            columns: Some(80),
            colour: false,
        };
        let command = format!("  lcic-sync apply{}", " --state-dir x".repeat(9));
        let text = format!(
            "2 rows are in doubt: sent, but no answer came back, so the service may hold them or not. \
             Sending them again does no harm.\n\
             \n  1 × FailedOperation.ImageArgInvalid: 图片 the picture's URL is not accepted; correct the Avatar\n\
             {command}\nshort\n"
        );
        let fitted = looks.fit(&text);
        let wide: Vec<&str> = fitted
            .lines()
            .filter(|line| display_width(line) > 80)
            .collect();
        assert_eq!(wide, [&command]);
        assert_eq!(fitted.lines().count(), 7);
        assert!(
            fitted.contains("\n    ") && fitted.ends_with("short\n"),
            "{fitted}"
        );
        // Not a word is lost, and what follows a question stays there.
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&fitted), words(&text));
        let question = format!("Send {}? [y/N] ", "many ".repeat(20));
        assert!(looks.fit(&question).ends_with("[y/N] "));
        assert_eq!(Looks::default().fit(&text), text);
    }

    #[test]
    fn colour_changes_no_word() {
        let looks = Looks {
            columns: None,
            colour: true,
        };
        let text = "warning: slow\nerror: no\nhint: do\n3 error: rows\n";
        assert_eq!(
            looks.fit(text),
            "\x1b[33mwarning:\x1b[0m slow\n\x1b[1;31merror:\x1b[0m no\n\x1b[36mhint:\x1b[0m do\n3 error: rows\n"
        );
        assert_eq!(Looks::default().fit(text), text);
    }
}
