//! Text that was garbled before it came here, so that no choice of encoding mends it.

use std::sync::LazyLock;

use encoding_rs::GBK;

/// What UTF-8's replacement character becomes in GBK, and what uninitialised memory looks like
/// there.
pub fn is_known_garble(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Their first bytes; few names have one.
    let mut begins = memchr::memchr2_iter(0xE9, 0xE7, bytes);
    begins.any(|at| {
        let rest = &bytes[at..];
        rest.starts_with("锟斤拷".as_bytes()) || rest.starts_with("烫烫烫".as_bytes())
    })
}

/// Whether a text becomes Chinese when the step is undone that reads UTF-8 as GBK: `寮犱笁` is 张三.
/// At least two characters must come out of it, and nothing but Chinese.
pub fn is_mojibake(text: &str) -> bool {
    // Names that are none, nearly all, are told by their first character.
    if !text
        .chars()
        .find(|c| !c.is_ascii())
        .is_some_and(begins_mojibake)
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
    let mut others = undone.chars().filter(|c| !c.is_ascii()).peekable();
    others.peek().is_some()
        && undone.chars().count() >= 2
        && others.all(|c| ('\u{4E00}'..='\u{9FFF}').contains(&c))
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
        assert!(!is_known_garble("烫"));
    }
}
