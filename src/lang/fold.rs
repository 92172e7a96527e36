//! Folds text into lines. Columns are counted, not characters: a Chinese one takes two. English is
//! broken at blanks, Chinese between any two characters, but no line begins with what closes or
//! ends with what opens.

use textwrap::{Options, WordSeparator, WordSplitter, core::Word};

/// How text is folded into lines of so many columns. A longer word stands alone.
pub fn options<'a>(columns: usize) -> Options<'a> {
    Options::new(columns)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation)
        .word_separator(WordSeparator::Custom(words))
}

fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut breaks: Vec<usize> = vec![0];
    let mut before = None;
    for (at, c) in line.char_indices() {
        if before.is_some_and(|before| may_break(before, c)) {
            breaks.push(at);
        }
        before = Some(c);
    }
    breaks.push(line.len());
    let pieces: Vec<Word<'_>> = breaks
        .windows(2)
        .map(|ends| Word::from(&line[ends[0]..ends[1]]))
        .collect();
    Box::new(pieces.into_iter())
}

fn may_break(before: char, c: char) -> bool {
    match (before, c) {
        (_, ' ') => false,
        (' ', _) => true,
        _ => (is_wide(before) || is_wide(c)) && !opens(before) && !closes(c),
    }
}

/// Hanzi and full-width signs.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}' | '\u{20000}'..='\u{3FFFF}')
}

fn opens(c: char) -> bool {
    "（“「《【([".contains(c)
}

fn closes(c: char) -> bool {
    "，。；：、？！）”」》】…,.;:?!)]".contains(c)
}

#[cfg(test)]
mod tests {
    use textwrap::core::display_width;
    use textwrap::wrap;

    use super::*;

    #[test]
    fn chinese_is_folded_between_characters_and_english_at_blanks() {
        let table: [(&str, usize, &[&str]); 5] = [
            ("abc def-ghi jkl", 8, &["abc", "def-ghi", "jkl"]),
            ("检查用户 ID，并确认它", 12, &["检查用户 ", "ID，并确认它"]),
            // Neither the comma nor what the bracket opens is torn off.
            ("一二三，四", 6, &["一二", "三，四"]),
            ("一二（三）", 6, &["一二", "（三）"]),
            (
                "https://a.example/很长",
                10,
                &["https://a.example/", "很长"],
            ),
        ];
        for (text, columns, expected) in table {
            let lines = wrap(text, options(columns));
            let trimmed: Vec<&str> = expected.iter().map(|line| line.trim_end()).collect();
            assert_eq!(lines, trimmed, "{text}");
            let fits = |line: &str| display_width(line) <= columns || line.is_ascii();
            assert!(lines.iter().all(|line| fits(line)), "{lines:?}");
        }
    }
}
