//! Text in columns, for a terminal of any width and for a pipe.

use std::borrow::Cow;
use std::io::{self, IsTerminal};

use textwrap::core::display_width;

use crate::lang::fold;

/// Columns where there is no terminal to ask.
pub const COLUMNS: usize = 80;

/// Fewer than these are not laid out for: the terminal breaks the lines then.
pub const FEWEST: usize = 72;

/// The columns of standard output: the terminal's, or 80 where there is none.
pub fn columns() -> usize {
    let out = io::stdout();
    if !out.is_terminal() {
        return COLUMNS;
    }
    let size = rustix::termios::tcgetwinsize(out).ok();
    // Some terminals don't know, and say 0.
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 {
        COLUMNS
    } else {
        columns.max(FEWEST)
    }
}

/// `text` in lines of at most `width` columns; a longer word stands alone.
pub fn wrap(text: &str, width: usize) -> Vec<Cow<'_, str>> {
    textwrap::wrap(text, fold::options(width))
}

/// `text` behind `before`, its further lines indented to begin below it.
pub fn hanging(before: &str, text: &str, columns: usize) -> String {
    let indent = display_width(before);
    let lines = wrap(text, columns.saturating_sub(indent).max(20));
    format!("{before}{}\n", lines.join(&format!("\n{:indent$}", "")))
}

/// `text` with blanks behind it, up to so many columns.
pub fn padded(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(display_width(text));
    format!("{text}{:missing$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_blanks() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("abcdef g", 4), ["abcdef", "g"]);
        assert_eq!(wrap("", 4), [""]);
        let told = hanging("  run  ", "goes on until it is stopped by somebody", 30);
        assert_eq!(
            told,
            "  run  goes on until it is\n       stopped by somebody\n"
        );
    }
}
