//! Text that was garbled before it came here, so that no choice of encoding mends it.

use std::sync::LazyLock;

use encoding_rs::{GBK, WINDOWS_1252};

/// What UTF-8's replacement character and its quotes become in GBK, and what uninitialised memory
/// looks like there.
pub fn is_known_garble(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Their first bytes; few names have one.
    let mut begins = memchr::memchr3_iter(0xE9, 0xE7, 0xE5, bytes);
    begins.any(|at| {
        let rest = &bytes[at..];
        ["锟斤拷", "烫烫烫", "屯屯屯", "鈥"]
            .iter()
            .any(|garble| rest.starts_with(garble.as_bytes()))
    })
}

/// Nobody else knows what it stands for.
pub fn is_private(c: char) -> bool {
    matches!(c, '\u{E000}'..='\u{F8FF}')
}

/// Whether these are two characters of GBK or more, and nothing but hanzi of GB2312.
fn are_hanzi(bytes: &[u8]) -> bool {
    let is_hanzi = |pair: &[u8]| matches!(pair, [0xB0..=0xF7, 0xA1..=0xFE]);
    bytes.len() >= 4 && bytes.chunks(2).all(is_hanzi)
}

/// Whether a letter of ASCII stands beside another character, as in most names with accents.
fn has_letter_beside(text: &str) -> bool {
    let mut pairs = text.as_bytes().windows(2);
    pairs.any(|pair| {
        pair[0].is_ascii() != pair[1].is_ascii() && pair.iter().any(u8::is_ascii_alphabetic)
    })
}

/// Whether a text is GBK that is valid UTF-8 by accident: `֣ΰ` is 郑伟. It is two hanzi or more, and
/// what it is in UTF-8 is in several scripts, or is what no name is made of.
pub fn is_accident(text: &str) -> bool {
    // Characters of three bytes and more begin so, and make no accidents; nearly all names end here.
    if text.bytes().any(|byte| byte >= 0xE0) {
        return false;
    }
    let others: String = text.chars().filter(|c| !c.is_ascii()).collect();
    if !are_hanzi(others.as_bytes()) || has_letter_beside(text) {
        return false;
    }
    let mut scripts = others.chars().map(script);
    let first = scripts.next().flatten();
    first.is_none() || scripts.any(|script| script != first)
}

/// The script of a letter below U+0800; `None` where no name has it without others beside it.
fn script(c: char) -> Option<u8> {
    match c {
        '\u{A0}'..='\u{17F}' | 'Ơ' | 'ơ' | 'Ư' | 'ư' | 'ǧ' => Some(0),
        '\u{386}'..='\u{3CE}' => Some(1),
        '\u{400}'..='\u{45F}' | '\u{490}'..='\u{4FF}' => Some(2),
        '\u{531}'..='\u{58A}' => Some(3),
        '\u{5B0}'..='\u{5EA}' => Some(4),
        '\u{620}'..='\u{6FF}' | '\u{750}'..='\u{77F}' => Some(5),
        '\u{710}'..='\u{74A}' => Some(6),
        '\u{780}'..='\u{7B1}' => Some(7),
        '\u{7C0}'..='\u{7FA}' => Some(8),
        _ => None,
    }
}

/// Whether a text becomes another when the step is undone that reads UTF-8 or GBK as Latin-1:
/// `å¼ ä¼Ÿ` and `ÕÅÎ°` are 张伟, `JosÃ©` is José.
pub fn is_latin_mojibake(text: &str) -> bool {
    // Chinese begins so, and nothing of windows-1252 does.
    if text.bytes().any(|byte| byte >= 0xE3) {
        return false;
    }
    let (bytes, _, had_errors) = WINDOWS_1252.encode(text);
    if had_errors {
        return false;
    }
    // The last character may have been cut with the blank it ends in.
    let undone = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_some() => String::new(),
        Err(error) => String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned(),
        Ok(text) => text.to_owned(),
    };
    let utf8 = undone(&bytes);
    let mut others = utf8.chars().filter(|c| !c.is_ascii());
    // One É before a ™ is no sign, one Ã before a © is.
    let is_utf8 = match (others.next(), others.next()) {
        (Some(c), None) => c <= '\u{FF}' || c >= '\u{800}',
        (first, _) => first.is_some(),
    };
    // The blank that does not break may have become a plain one.
    let unbroken: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == b' ' { 0xA0 } else { *byte })
        .collect();
    let others: Vec<u8> = bytes.iter().copied().filter(|b| !b.is_ascii()).collect();
    let is_gbk = are_hanzi(&others)
        && !has_letter_beside(text)
        && others.iter().any(|byte| *byte >= 0xC0)
        && others.iter().any(|byte| *byte != others[0]);
    is_utf8 || is_gbk || undone(&unbroken).chars().any(is_chinese)
}

/// One of the hanzi that nearly all names are made of.
pub fn is_chinese(c: char) -> bool {
    ('\u{4E00}'..='\u{9FFF}').contains(&c)
}

/// Whether a text becomes Chinese when the step is undone that reads UTF-8 as GBK: `寮犱笁` is 张三.
/// At least two characters must come out of it, and nothing but Chinese.
pub fn is_mojibake(text: &str) -> bool {
    // Names that are none, nearly all, are told by their first character.
    if !text
        .chars()
        .find(|c| !c.is_ascii())
        .is_some_and(|c| matches!(c, '锘' | '馃') || begins_mojibake(c))
    {
        return false;
    }
    // An odd last byte had no partner and became a question mark.
    let text = text.trim_end_matches(['?', char::REPLACEMENT_CHARACTER]);
    let (bytes, _, had_errors) = GBK.encode(text);
    if had_errors {
        return false;
    }
    let undone = match std::str::from_utf8(&bytes) {
        Ok(undone) => undone,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to there")
        }
        Err(_) => return false,
    };
    // A byte order mark in front: `锘縊` begins with O.
    if undone.starts_with('\u{FEFF}') {
        return undone.len() > 3;
    }
    let mut others = undone.chars().filter(|c| !c.is_ascii()).peekable();
    let is_of_names = |c| is_chinese(c) || is_sign(c);
    let is_long = undone.chars().count() >= 2 || undone.chars().all(is_sign);
    others.peek().is_some() && is_long && others.all(is_of_names)
}

/// What stands in nicknames beside letters: emoji, what joins them, and the dot between names.
fn is_sign(c: char) -> bool {
    matches!(c, '\u{1F000}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}' | '\u{200D}' | '\u{FE0F}' | '·')
}

/// The characters of GBK whose two bytes begin a Chinese character in UTF-8.
static FIRST: LazyLock<Box<[u64]>> = LazyLock::new(|| {
    let mut bits = vec![0_u64; 0x1_0000 / 64].into_boxed_slice();
    for lead in 0xE4..=0xE9 {
        for trail in 0x80..=0xBF {
            let pair = [lead, trail];
            let (text, _) = GBK.decode_without_bom_handling(&pair);
            for c in text.chars() {
                let at = u32::from(c) as usize;
                bits[at / 64] |= 1 << (at % 64);
            }
        }
    }
    bits
});

fn begins_mojibake(c: char) -> bool {
    let at = u32::from(c) as usize;
    FIRST
        .get(at / 64)
        .is_some_and(|bits| bits & 1 << (at % 64) != 0)
}

/// Whether another program wrote characters in a way of its own, and nobody read them back: `\u5f20`,
/// `&#24352;`, `&amp;`, `%E5%BC%A0`, and what MySQL and C put a backslash before. Single backslashes,
/// as in `\o/`, are left alone.
pub fn is_escaped(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr3_iter(b'\\', b'&', b'%', bytes).any(|at| {
        let rest = &bytes[at + 1..];
        let are_hex = |range: std::ops::Range<usize>| {
            let digits = rest.get(range);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        match bytes[at] {
            b'\\' => match rest {
                [
                    b'\\' | b'"' | b'\'' | b'n' | b'r' | b't' | b'\n' | b'\r' | b'\t',
                    ..,
                ] => true,
                [b'u', ..] => are_hex(1..5),
                [b'x', ..] => are_hex(1..3),
                _ => false,
            },
            b'&' => {
                let end = rest.iter().take(9).position(|byte| *byte == b';');
                match end.map(|end| &rest[..end]) {
                    Some([b'#', number @ ..]) => {
                        !number.is_empty() && number.iter().all(u8::is_ascii_alphanumeric)
                    }
                    Some(name) => {
                        matches!(name, b"amp" | b"lt" | b"gt" | b"quot" | b"apos" | b"nbsp")
                    }
                    None => false,
                }
            }
            // Two bytes of a character, at least: `100%` and `50%20` are no such thing.
            _ => are_hex(0..2) && rest[0] > b'7' && rest.get(2) == Some(&b'%') && are_hex(3..5),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_that_was_read_as_gbk_is_found_and_names_are_not() {
        for name in ["张三", "李娜", "欧阳娜娜", "王小明", "Ann 李娜", "7班李"] {
            let (garbled, _) = GBK.decode_without_bom_handling(name.as_bytes());
            assert!(is_mojibake(&garbled), "{name} {garbled}");
            assert!(!is_mojibake(name), "{name}");
        }
        assert!(is_mojibake("寮犱笁"));
        for name in ["Zoë", "𠮷田 太郎", "김민준", "Ёлкин", "👨‍👩‍👧", "赵", "雩"]
        {
            assert!(!is_mojibake(name), "{name}");
        }
        assert!(is_known_garble("锟斤拷锟斤拷") && is_known_garble("烫烫烫烫"));
        assert!(is_known_garble("屯屯屯") && is_known_garble("鈥"));
        assert!(!is_known_garble("烫") && !is_known_garble("屯屯"));
        assert!(is_mojibake("锘縊") && is_mojibake("锘垮紶"));
        assert!(!is_mojibake("锘") && !is_mojibake("锘可") && !is_mojibake("锘涵"));
    }

    const NAMES: &str = "张伟 王𬭚 马龑 王祎 䶮 㛃 朱镕基 田中さくら 김민준 李서연 Иван Слава Снежана Ёлкин Әлия \
        Қайрат Ελένη Σοφία Γιώργος שָׂרָה דוד רות محمد فاطمة علی Արամ ܐܒ Nguyễn Đặng Ươm Thị José Jürgen Müller \
        Noël Zoë Éléonore Hämäläinen Pääkkönen Þórður Bóðvar Hróðný Łukasz Żółć Brzęczyk Çağla Ağaoğlu Ñandú \
        ÑÑ éé ÄÖÜ ß Öö Mª·José Ål Çiğdem αβγ ΰ ÀÀÀÀ Spaß» CAFÉ™ IRMÃ ¿Qué? «Léa» °º°º 😀 👨‍👩‍👧 José\u{A0}María Jose\u{301}";

    #[test]
    fn gbk_that_is_valid_utf8_is_found_and_names_are_not() {
        for name in ["郑伟", "郑强", "郑伟伟", "郑伟霞", "郑伟平1", "伟强"] {
            let (bytes, ..) = GBK.encode(name);
            let accident = std::str::from_utf8(&bytes).expect("an accident");
            assert!(is_accident(accident), "{name} {accident}");
        }
        for name in NAMES.split(' ') {
            assert!(!is_accident(name), "{name}");
        }
    }

    #[test]
    fn what_was_read_as_latin_1_is_found_and_names_are_not() {
        for name in [
            "张伟",
            "李娜",
            "你好",
            "José",
            "Иван",
            "김민준",
            "😀",
            "“a”",
            "\u{FFFD}",
        ] {
            let (garbled, ..) = WINDOWS_1252.decode_without_bom_handling(name.as_bytes());
            assert!(is_latin_mojibake(&garbled), "{name} {garbled}");
        }
        for text in [
            "ÕÅÎ°",
            "ÀîÄÈ",
            "¹ùâù",
            "ä½ å¥½",
            "å¼ ä¼Ÿ",
            "ï¿½ï¿½",
            "Ã©",
            "â€œ",
        ] {
            assert!(is_latin_mojibake(text), "{text}");
        }
        for name in NAMES.split(' ').chain([NAMES, "Éva É À", "À la José"]) {
            assert!(!is_latin_mojibake(name), "{name}");
        }
    }
}
