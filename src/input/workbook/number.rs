//! A number of a workbook as the text that a person saw in its cell, or as one that no cell may
//! hold: what Excel did not keep, or showed as something else, is not put right by guessing.

/// Whole numbers below this are exact, and so is what Excel showed of them.
const EXACT: f64 = 1e15;

/// The text of a number.
///
/// In the column of the ids it must be whole, and where ids are `mixed` (others are texts) its
/// zeros must be known from its format. What does not fit is written in scientific notation, which
/// [`crate::input::lint`] knows for what it is.
pub fn text(number: f64, format: &str, is_id: bool, mixed: bool) -> String {
    let is_short = number.abs() < EXACT;
    let is_whole = number.fract() == 0.0;
    match shown(format) {
        Shown::Padded(width) if is_short && is_whole && number >= 0.0 => {
            format!("{number:0>width$}")
        }
        Shown::Plain if is_short && (!is_id || (is_whole && !mixed)) => number.to_string(),
        _ => scientific(number),
    }
}

/// What a format makes of a number that is not negative.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// Its digits.
    Plain,
    /// So many digits, zeros at the front.
    Padded(usize),
    /// Something that its digits don't say.
    Otherwise,
}

/// Reads the first part of a format, the one for numbers above zero
/// (ECMA-376, part 1, 18.8.31).
fn shown(format: &str) -> Shown {
    if format.eq_ignore_ascii_case("general") || format == "@" {
        return Shown::Plain;
    }
    let (mut zeros, mut has_comma, mut is_fraction) = (0, false, false);
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        match c {
            ';' => break,
            // A blank as wide as the next character, or filled up with it.
            '_' | '*' => drop(rest.next()),
            // A colour, or a language; but conditions and other digits are told like this, too.
            '[' => {
                let within: String = rest.by_ref().take_while(|c| *c != ']').collect();
                let is_color = within.chars().all(|c| c.is_ascii_alphabetic());
                let is_language = within.starts_with("$-");
                if !(is_color || is_language) || within.to_ascii_uppercase().starts_with("DBNUM") {
                    return Shown::Otherwise;
                }
            }
            '0' if is_fraction => {}
            '0' => zeros += 1,
            '#' => {}
            ',' => has_comma = true,
            '.' => is_fraction = true,
            ' ' => {}
            // Percent, exponents, fractions, dates, and what is written around a number.
            _ => return Shown::Otherwise,
        }
    }
    match zeros {
        _ if format.trim().is_empty() => Shown::Otherwise,
        0 | 1 => Shown::Plain,
        _ if has_comma || is_fraction => Shown::Otherwise,
        n => Shown::Padded(n),
    }
}

/// As Excel writes it: the exponent has a sign, and two digits.
fn scientific(number: f64) -> String {
    let text = format!("{number:E}");
    let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{mantissa}E-{exponent:0>2}"),
        None => format!("{mantissa}E+{exponent:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_that_a_format_shows_are_in_the_text() {
        let id = |format| text(12345.0, format, true, false);
        for (format, expected) in [
            ("General", "12345"),
            ("0", "12345"),
            ("@", "12345"),
            ("0_ ", "12345"),
            ("0_);[Red]\\(0\\)", "12345"),
            ("[Red]0", "12345"),
            ("#,##0", "12345"),
            ("0.00", "12345"),
            ("####", "12345"),
            ("00000000", "00012345"),
            ("00000000;@", "00012345"),
            ("[$-804]00000000_ ", "00012345"),
            ("000", "12345"),
        ] {
            assert_eq!(id(format), expected, "{format}");
        }
        assert_eq!(text(7.0, "000", false, false), "007", "a nickname");
        assert_eq!(text(7.0, "000", true, true), "007", "the zeros are known");
        assert_eq!(text(7.0, "0", true, true), "7E+00", "they are not");
    }

    #[test]
    fn what_a_format_says_beside_the_digits_is_not_guessed() {
        for format in [
            "000-0000",
            "\"S\"0000",
            "\\S0000",
            "0000.00",
            "0,000",
            "[<100]000;0000",
            "[DBNum1]0",
            "[$¥-804]0",
            "0%",
            "0.00E+00",
            "# ?/?",
            "第0号",
            "",
        ] {
            for is_id in [true, false] {
                assert_eq!(text(1050.0, format, is_id, false), "1.05E+03", "{format}");
            }
        }
    }

    #[test]
    fn digits_that_excel_did_not_keep_are_not_sent() {
        for is_id in [true, false] {
            let long = text(510_322_199_001_015_000.0, "0", is_id, false);
            assert_eq!(long, "5.10322199001015E+17");
        }
        assert_eq!(text(1.5, "General", false, false), "1.5");
        assert_eq!(text(1.5, "General", true, false), "1.5E+00");
        assert_eq!(text(0.25, "General", true, false), "2.5E-01");
        assert_eq!(text(1.5, "000", false, false), "1.5E+00");
    }
}
