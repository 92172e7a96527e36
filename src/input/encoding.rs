//! What the bytes of a file are, decided once for the whole file: never by row or by cell, because
//! one Chinese name in thirty is valid in both encodings by accident.
//!
//! A byte order mark says it. Else a file that is valid UTF-8 is UTF-8. Else the lines with other
//! than ASCII vote ([`Census::verdict`]): nearly all of them valid UTF-8, and it is a UTF-8 file
//! with some foreign rows, which are invalid; nearly none, and all of it decodes as GB18030, and it
//! is that (the "ANSI" of Chinese Windows); everything between is refused, because either reading
//! would put wrong names under some pictures. Nearly anything decodes as GB18030, so what does must
//! also be characters as Chinese people write them ([`Pairs::are_chinese`]).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;

use encoding_rs::{CoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Lines with other than ASCII that must be valid UTF-8 for a file that is UTF-8: 9 of 10. Chosen,
/// as the next one is: real files lie at the ends.
const MOSTLY: u64 = 10;
/// And at most 1 of 4 in a file that is GB18030: some of its names are valid UTF-8 by accident.
const HARDLY: u64 = 4;

/// Longer lines vote in pieces. Bytes.
const LONGEST_LINE: u64 = 64 * 1024;
const BLOCK: usize = 256 * 1024;

/// What a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Magic {
    /// Text behind a byte order mark of this many bytes.
    Marked(&'static Encoding, u64),
    /// A zip file, as an Excel workbook is.
    Zip,
    /// gzip.
    Gzip,
    /// An old Excel workbook, or one with a password.
    OldWorkbook,
    /// Text, or anything.
    Unmarked,
}

/// Looks at the first bytes of a file; four are enough.
pub fn magic(head: &[u8]) -> Magic {
    match head {
        [0xEF, 0xBB, 0xBF, ..] => Magic::Marked(UTF_8, 3),
        [0xFF, 0xFE, ..] => Magic::Marked(UTF_16LE, 2),
        [0xFE, 0xFF, ..] => Magic::Marked(UTF_16BE, 2),
        [b'P', b'K', 3, 4, ..] => Magic::Zip,
        [0x1F, 0x8B, ..] => Magic::Gzip,
        [0xD0, 0xCF, 0x11, 0xE0, ..] => Magic::OldWorkbook,
        _ => Magic::Unmarked,
    }
}

/// How the lines with other than ASCII voted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// How many there are.
    pub lines: u64,
    /// How many of them are valid UTF-8.
    pub utf8: u64,
    /// The first that is.
    pub first_utf8: u64,
    /// The first that is not.
    pub first_other: u64,
    /// What the characters of the others are, read as GB18030.
    pub pairs: Pairs,
}

/// Characters of two bytes, by where GB18030 has them. Characters of four bytes, full-width ones,
/// punctuation and the letters of Pinyin stand beside any names and are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pairs {
    /// All that are counted.
    all: u64,
    /// Rare or no hanzi: what GBK added to GB2312, kana, Cyrillic, frames, nothing at all.
    odd: u64,
    /// The lesser half of the hanzi of GB2312, its second level.
    second_level: u64,
    /// Where EUC-KR has syllables, which is where hanzi from A to R are.
    syllables: u64,
    /// Where it has the five surnames of half of all Koreans: 김이박최정, or 辫捞冠闵沥.
    surnames: u64,
}

impl Pairs {
    fn count(&mut self, mut line: &[u8]) {
        loop {
            line = match *line {
                [] => return,
                [..=0x80, ref rest @ ..] => rest,
                [_, b'0'..=b'9', _, _, ref rest @ ..]
                | [0xA1..=0xA3, 0xA1..=0xFE, ref rest @ ..] => rest,
                [0xA8, 0xA1..=0xC0, ref rest @ ..] => rest,
                [lead, trail, ref rest @ ..] => {
                    self.all += 1;
                    match (lead, trail) {
                        (0xB0..=0xC8, 0xA1..) => self.syllables += 1,
                        (0xC9..=0xD7, 0xA1..) => {}
                        (0xD8..=0xF7, 0xA1..) => self.second_level += 1,
                        _ => self.odd += 1,
                    }
                    let pair = [lead, trail];
                    self.surnames += u64::from(KOREAN_SURNAMES.contains(&pair));
                    rest
                }
                [_] => {
                    self.all += 1;
                    self.odd += 1;
                    return;
                }
            };
        }
    }

    /// Whether this can be Chinese. Names are 85 % and more of the first level, half of that from
    /// S to Z; one in a hundred characters is rare, and nicknames have some kana.
    pub fn are_chinese(&self) -> bool {
        let is_rare = self.odd * 2 > self.all || self.odd > self.all / 20 + 3;
        // Cyrillic, Greek, Hebrew and Arabic of one byte, by twos.
        let is_shifted = self.second_level + self.odd > self.all / 2 + 4;
        let is_korean = self.surnames > 1
            && self.surnames * 20 >= self.all
            && self.syllables * 20 >= self.all * 19;
        self.all == 0 || !(is_rare || is_shifted || is_korean)
    }
}

const KOREAN_SURNAMES: [[u8; 2]; 5] = [
    [0xB1, 0xE8],
    [0xC0, 0xCC],
    [0xB9, 0xDA],
    [0xC3, 0xD6],
    [0xC1, 0xA4],
];

/// What a census comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// UTF-8; what is not valid is invalid.
    Utf8,
    /// GB18030, if all of it decodes.
    Gb18030,
    /// Some of each.
    Mixed,
}

impl Census {
    /// What the lines of `file` from byte `begins` say.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn of(file: &File, begins: u64) -> io::Result<Self> {
        let mut census = Self::default();
        let mut reader = BufReader::with_capacity(BLOCK, At { file, at: begins });
        let mut chunk = Vec::new();
        let mut number = 1;
        loop {
            chunk.clear();
            let mut line = reader.by_ref().take(LONGEST_LINE);
            if line.read_until(b'\n', &mut chunk)? == 0 {
                return Ok(census);
            }
            // Lines may end with CR alone.
            let text = chunk.strip_suffix(b"\n").unwrap_or(&chunk);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let mut pieces = 0;
            for piece in text.split(|byte| *byte == b'\r') {
                census.count(piece, number + pieces);
                pieces += 1;
            }
            let is_whole = chunk.ends_with(b"\n") || chunk.ends_with(b"\r");
            number += pieces - u64::from(!is_whole);
        }
    }

    fn count(&mut self, line: &[u8], number: u64) {
        if line.is_ascii() {
            return;
        }
        self.lines += 1;
        let first = if std::str::from_utf8(line).is_ok() {
            self.utf8 += 1;
            &mut self.first_utf8
        } else {
            self.pairs.count(line);
            &mut self.first_other
        };
        if *first == 0 {
            *first = number;
        }
    }

    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        if (self.lines - self.utf8) * MOSTLY <= self.lines {
            Verdict::Utf8
        } else if self.utf8 * HARDLY <= self.lines {
            Verdict::Gb18030
        } else {
            Verdict::Mixed
        }
    }
}

/// Whether `file` is valid UTF-8 from byte `begins` on.
///
/// # Errors
/// When it can't be read.
pub fn is_utf8(file: &File, begins: u64) -> io::Result<bool> {
    let mut reader = At { file, at: begins };
    let mut block = vec![0; BLOCK];
    let mut kept = 0;
    loop {
        let read = reader.read(&mut block[kept..])?;
        let filled = kept + read;
        let valid = Encoding::utf8_valid_up_to(&block[..filled]);
        kept = filled - valid;
        // A character may be cut by the end of a block.
        if read == 0 || kept > 3 {
            return Ok(kept == 0);
        }
        block.copy_within(valid..filled, 0);
    }
}

/// Writes `file` from byte `begins` on as UTF-8. What can't be decoded becomes U+FFFD, which makes
/// a row invalid wherever it matters; whether there was any is returned.
///
/// # Errors
/// When it can't be read or written.
pub fn transcode(
    file: &File,
    begins: u64,
    encoding: &'static Encoding,
    to: &mut impl Write,
) -> io::Result<bool> {
    let mut reader = At { file, at: begins };
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut block = vec![0; BLOCK];
    let mut text = vec![0; BLOCK];
    let mut had_errors = false;
    loop {
        let filled = reader.read(&mut block)?;
        let mut from = 0;
        loop {
            let (result, read, written, errors) =
                decoder.decode_to_utf8(&block[from..filled], &mut text, filled == 0);
            from += read;
            had_errors |= errors;
            to.write_all(&text[..written])?;
            if result == CoderResult::InputEmpty {
                break;
            }
        }
        if filled == 0 {
            return Ok(had_errors);
        }
    }
}

/// A file read by position, so that its own is left alone.
pub struct At<'f> {
    /// The file.
    pub file: &'f File,
    /// Where it is read next.
    pub at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.at += read as u64;
                    return Ok(read);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{BIG5, EUC_JP, EUC_KR, GB18030, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252};

    use super::*;

    fn census(lines: &[&[u8]]) -> Census {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&lines.concat()).unwrap();
        Census::of(&file, 0).unwrap()
    }

    fn gbk(text: &str) -> Vec<u8> {
        GB18030.encode(text).0.into_owned()
    }

    #[test]
    fn the_whole_file_is_decided_by_its_lines() {
        let (utf8, other) = ("a,张伟\n".as_bytes(), gbk("a,张伟\n"));
        for (n_utf8, n_other, expected) in [
            (1000, 1, Verdict::Utf8),
            (9, 1, Verdict::Utf8),
            (8, 1, Verdict::Mixed),
            (1, 2, Verdict::Mixed),
            (1, 3, Verdict::Gb18030),
            (0, 1, Verdict::Gb18030),
        ] {
            let mut lines = vec![b"UserId,Nickname\n".as_slice()];
            lines.extend(std::iter::repeat_n(utf8, n_utf8));
            lines.extend(std::iter::repeat_n(other.as_slice(), n_other));
            let census = census(&lines);
            assert_eq!(census.verdict(), expected, "{n_utf8} {n_other}");
            assert_eq!(census.first_other, 2 + n_utf8 as u64);
        }
    }

    #[test]
    fn only_what_can_be_chinese_is() {
        let names = "张伟 王芳 李娜 刘洋 陈静 欧阳娜娜 张婷婷 朱镕基 祎 阿依古丽·买买提 José 王喆 周晗 \
            莹莹 𬭚 の小明 郑浩宇 孙梓涵 赵雨萱 😀吴迪 冠霖 闵行 Jürgen 马龑 Ñandú 徐（班长） 何ＡＢ";
        let texts = [
            names,
            "张婷婷",
            "朱镕基",
            "婷婷 琪琪",
            "李华 李华",
            "冠 李丽",
            "😀",
            "é",
            "王",
        ];
        for text in texts {
            let pairs = census(&[&gbk(text)]).pairs;
            assert!(pairs.are_chinese(), "{text} {pairs:?}");
        }
        for (encoding, text) in [
            (BIG5, "陳小明 林志明 黃淑芬 張家豪 李美玲"),
            (EUC_KR, "김민수 이영희 박철수 최지우 정하늘"),
            (
                EUC_KR,
                "김민준 강서연 조도윤 윤하은 장시우 임지호 한예준 오서준 서지유 신하준 박지민",
            ),
            (SHIFT_JIS, "田中太郎 佐藤花子 鈴木一郎 さくら"),
            (EUC_JP, "さくら 田中 ひなた"),
            (WINDOWS_1252, "Jürgen Günter Jörg Käthe Bärbel Sören"),
            (WINDOWS_1252, "Jérôme Müller Renée"),
            (WINDOWS_1252, "José"),
            (
                WINDOWS_1251,
                "Сергей Мариям Наталья1 Дмитрий Александра Владимир Екатерина Людмила",
            ),
        ] {
            let (bytes, _, had_errors) = encoding.encode(text);
            assert!(!had_errors, "{text}");
            let pairs = census(&[&bytes]).pairs;
            assert!(!pairs.are_chinese(), "{text} {pairs:?}");
        }
    }

    #[test]
    fn lines_are_told_apart_however_they_end() {
        for end in ["\n", "\r\n", "\r"] {
            let bad = gbk("张伟");
            let end = end.as_bytes();
            let good = "李娜".as_bytes();
            let census = census(&[b"id", end, &bad, end, end, good, end, good]);
            assert_eq!((census.lines, census.utf8), (3, 2));
            assert_eq!((census.first_other, census.first_utf8), (2, 4));
        }
    }

    #[test]
    fn characters_across_blocks_are_valid() {
        for lead in 0..4 {
            let mut file = tempfile::tempfile().unwrap();
            let text = "a".repeat(lead) + &"李".repeat(BLOCK);
            file.write_all(text.as_bytes()).unwrap();
            assert!(is_utf8(&file, 0).unwrap());
            let mut copy = Vec::new();
            assert!(!transcode(&file, 0, UTF_8, &mut copy).unwrap());
            assert!(copy == text.as_bytes());
            file.write_all(&"李".as_bytes()[..2]).unwrap();
            assert!(!is_utf8(&file, 0).unwrap());
        }
    }
}
