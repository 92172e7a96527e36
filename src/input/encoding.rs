//! What the bytes of a file are. This is the room for more encodings; today a file is UTF-8, with
//! or without a byte order mark, and what is plainly something else is refused by name instead of
//! being read as rubbish.

/// What a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Magic {
    /// UTF-8, whose text begins after this many bytes (3 with a byte order mark).
    Utf8 {
        /// Bytes to skip.
        skip: u64,
    },
    /// Something else, and what to do about it.
    Other {
        /// What it is.
        is: &'static str,
        /// What a person can do.
        hint: &'static str,
    },
}

/// Looks at the first bytes of a file; four are enough.
pub fn magic(head: &[u8]) -> Magic {
    let save_as_csv = "in Excel: Save As, \"CSV UTF-8 (Comma delimited)\"";
    match head {
        [0xEF, 0xBB, 0xBF, ..] => Magic::Utf8 { skip: 3 },
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Magic::Other {
            is: "UTF-16 text (\"Unicode Text\" in Excel)",
            hint: save_as_csv,
        },
        [b'P', b'K', 3, 4, ..] => Magic::Other {
            is: "an Excel workbook or another zip file",
            hint: save_as_csv,
        },
        [0xD0, 0xCF, 0x11, 0xE0, ..] => Magic::Other {
            is: "an old Excel workbook",
            hint: save_as_csv,
        },
        [0x1F, 0x8B, ..] => Magic::Other {
            is: "gzip-compressed",
            hint: "unpack it first: gunzip -c FILE | lcic-sync apply -",
        },
        _ => Magic::Utf8 { skip: 0 },
    }
}
