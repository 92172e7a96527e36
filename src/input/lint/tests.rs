use super::*;
use crate::input::lint::avatar::avatar;
use crate::input::lint::id::{Census, Habits, id};
use crate::input::lint::shown::shown;
use crate::lang::Lang;

fn hits(look: impl FnOnce(&mut Hits)) -> Vec<&'static str> {
    let mut hits = Hits::default();
    look(&mut hits);
    let hits = hits.iter(Allowed::default());
    hits.map(|(lint, ..)| lint.code()).collect()
}

fn of_id(text: &str) -> Vec<&'static str> {
    hits(|hits| id(text, Habits::default(), None, hits))
}

fn of_nickname(text: &str) -> Vec<&'static str> {
    hits(|hits| nickname(text, hits))
}

fn of_avatar(text: &str) -> Vec<&'static str> {
    hits(|hits| {
        avatar(text, false, hits);
    })
}

#[test]
fn ids_that_excel_or_a_keyboard_changed_are_found() {
    for (text, code) in [
        ("1.23E+10", "scientific notation"),
        ("5E+17", "scientific notation"),
        ("1e+05", "scientific notation"),
        ("2.5E-1", "scientific notation"),
        ("1,23E+10", "scientific notation"),
        ("-1.2E+5", "scientific notation"),
        ("12.3E+9", "scientific notation"),
        ("123.0", "scientific notation"),
        ("45352,00", "scientific notation"),
        ("1,234", "scientific notation"),
        ("12,345,678", "scientific notation"),
        ("12\u{115F}3", "invisible character"),
        ("12\u{34F}3", "invisible character"),
        ("12\u{E0041}3", "invisible character"),
        ("12\u{1D173}3", "invisible character"),
        ("2026/3/1", "date or boolean"),
        ("2026-03-01 08:30", "date or boolean"),
        ("3月1日", "date or boolean"),
        ("1-Mar", "date or boolean"),
        ("Mar-26", "date or boolean"),
        ("TRUE", "date or boolean"),
        ("=\"00123\"", "excel text"),
        ("'00123", "excel text"),
        ("１２３", "full-width character"),
        ("12\u{200B}3", "invisible character"),
        ("12\u{FEFF}3", "invisible character"),
        ("12\u{A0}3", "invisible character"),
        ("12\u{3000}3", "invisible character"),
        ("12\u{202E}3", "control character"),
        ("12\t3", "control character"),
        ("12\n3", "line break"),
        ("NULL", "null word"),
        ("#N/A", "excel error"),
        ("“123”", "smart quotes"),
        ("1\u{FFFD}2", "damaged text"),
    ] {
        assert_eq!(of_id(text), [code], "{text:?}");
    }
    for text in [
        "2kJJBH6G1dfBFUJqXLh0Mg3ELLk",
        "2kJJE5",
        "1e5",
        "1E5",
        "12E34",
        "0x1F",
        "12E3.4",
        "1.2.0",
        "1.5",
        "1234,567",
        "1,23",
        "007",
        "510322199001015000",
        "li.na-7_b@x",
        "2024-001-12345",
        "True1",
        "学生17",
        "a b",
        "Nan",
    ] {
        assert_eq!(of_id(text), [""; 0], "{text:?}");
    }
}

#[test]
fn nicknames_that_are_none_are_found() {
    for (text, code) in [
        ("#REF!", "excel error"),
        ("#####", "excel error"),
        (NO_VALUE, "excel error"),
        ("1.23E+10", "scientific notation"),
        ("5.10322199001015E+17", "scientific notation"),
        ("7E+00", "scientific notation"),
        ("2026-03-01", "date or boolean"),
        ("2026/3/1", "date or boolean"),
        ("NULL", "null word"),
        ("无", "null word"),
        ("-", "null word"),
        ("NA", "null word"),
        ("[NULL]", "null word"),
        ("<NA>", "null word"),
        ("暂无", "null word"),
        ("(null)", "null word"),
        ("nil", "null word"),
        ("None", "null word"),
        ("\\N", "null word"),
        ("Li\u{202E}na", "control character"),
        ("Li\u{7}na", "control character"),
        ("Li\u{9B}na", "control character"),
        ("Li\nna", "line break"),
        ("Li\u{200B}na", "invisible character"),
        ("锟斤拷", "damaged text"),
        ("寮犱笁", "damaged text"),
        // With emoji and the dot between names: 小明👍, 😀, 王·李.
        ("灏忔槑馃憤", "damaged text"),
        ("馃榾", "damaged text"),
        ("鐜嬄锋潕", "damaged text"),
        ("'张三'", "stray quotes"),
        ("\"张三\"", "stray quotes"),
        ("张\u{FFFD}", "damaged text"),
        ("张\u{E863}", "damaged text"),
        ("֣ΰ", "damaged text"),
        ("ÕÅÎ°", "damaged text"),
        ("\\u5f20\\u4f1f", "damaged text"),
        ("b'\\xe5\\xbc\\xa0'", "damaged text"),
        ("&#24352;&#20255;", "damaged text"),
        ("&#x5f20;", "damaged text"),
        ("Tom &amp; Jerry", "damaged text"),
        ("%E5%BC%A0%E4%BC%9F", "damaged text"),
        ("李\\\"娜", "damaged text"),
        ("a\\\\b", "damaged text"),
        ("李\\n娜", "damaged text"),
        ("--------", "null word"),
        ("张?", "lost characters"),
        ("Tom??", "lost characters"),
        ("?", "lost characters"),
        ("“小明”", "smart quotes"),
        ("'=1+1", "excel text"),
    ] {
        assert_eq!(of_nickname(text), [code], "{text:?}");
    }
    for text in [
        "张伟",
        "O'Neill",
        "=王芳",
        "Who?",
        "👨‍👩‍👧",
        "❤\u{FE0F}",
        "🏴\u{E0067}\u{E0062}\u{E007F}",
        "葛\u{E0100}",
        "N",
        "Nan",
        "Na",
        "1-Mar",
        "1.5",
        "3E+5",
        "1.23e+10",
        "\\o/",
        "A\\B",
        "Tom & Jerry;",
        "R&D",
        "100%",
        "50%20",
        "%41%42",
        "-o-",
        "A-E+10",
        "7-3-12",
        "2026级-3班",
        "2026",
        "'tis",
        "娜—娜",
        "さくら",
        "#1",
        "##",
        "3月1日",
        "김 민준",
    ] {
        assert_eq!(of_nickname(text), [""; 0], "{text:?}");
    }
}

#[test]
fn addresses_are_judged_as_addresses() {
    for (text, code) in [
        ("x1", "not an address"),
        ("javascript:alert(1)", "not an address"),
        ("data:image/png;base64,AA", "not an address"),
        ("file:///C:/a.png", "not an address"),
        ("//cdn.example.com/a.png", "not an address"),
        ("https:/cdn.example.com/a.png", "not an address"),
        ("https:cdn.example.com/a.png", "not an address"),
        ("https:\\\\cdn.example.com/a.png", "not an address"),
        ("https://ann:secret@cdn.example.com/a.png", "not an address"),
        ("https://ann@cdn.example.com/a.png", "not an address"),
        ("http://cdn.example.com/a.png", "plain http"),
        ("https://192.168.1.7/a.png", "private host"),
        ("https://[::1]/a.png", "private host"),
        ("https://[::ffff:10.0.0.1]/a.png", "private host"),
        ("https://2130706433/a.png", "private host"),
        ("https://nas/a.png", "private host"),
        ("https://nas.local/a.png", "private host"),
        (
            "https://a.example/p?q-sign-time=1;2&x=1",
            "expiring address",
        ),
        ("https://a.example/p?a=1&Expires=17", "expiring address"),
        ("https://a.example/a b.png", "unencoded address"),
        ("https://a.example/头像.png", "unencoded address"),
    ] {
        assert_eq!(of_avatar(text), [code], "{text:?}");
    }
    for text in [
        "https://cdn.example.com/a/17.png",
        "https://cdn.example.com/a/17.png?v=3&w=200",
        "https://cdn.example.com:8443/a.png",
        "https://CDN.example.com/a.png",
        "HTTPS://cdn.example.com/a@b.png",
        "https://cdn.example.com",
        "https://8.8.8.8/a.png",
    ] {
        assert_eq!(of_avatar(text), [""; 0], "{text:?}");
    }
    let encoded = avatar(
        "https://a.example/头 像.png?n=李",
        true,
        &mut Hits::default(),
    );
    assert_eq!(
        encoded,
        "https://a.example/%E5%A4%B4%20%E5%83%8F.png?n=%E6%9D%8E"
    );
}

#[test]
fn what_is_allowed_is_one_level_lower() {
    let mut hits = Hits::default();
    nickname("NULL?? ??\nNULL", &mut hits);
    id("NULL", Habits::default(), None, &mut hits);
    let levels = |allowed: Allowed| -> Vec<_> {
        let hits = hits.iter(allowed);
        hits.map(|(lint, column, level)| (lint.code(), column.name(), level.name()))
            .collect()
    };
    assert_eq!(
        levels(Allowed::default()),
        [
            ("null word", "UserId", "error"),
            ("line break", "Nickname", "warning"),
            ("lost characters", "Nickname", "warning"),
        ]
    );
    let allowed = Allowed::default().and(Lint::NullWord).and(Lint::LineBreak);
    assert_eq!(
        levels(allowed),
        [
            ("null word", "UserId", "warning"),
            ("lost characters", "Nickname", "warning"),
        ]
    );
}

#[test]
fn codes_are_known_again() {
    for lint in Lint::ALL {
        assert_eq!(Lint::from_code(lint.code()), Some(lint));
        assert_eq!(Lint::from_code(&lint.code().replace(' ', "-")), Some(lint));
        assert_eq!(
            Lint::ALL[lint as usize],
            lint,
            "the order is that of the bits"
        );
    }
    assert_eq!(Lint::from_code("no such"), None);
}

/// Counts these ids.
fn census(ids: impl Iterator<Item = String>) -> Census {
    let mut census = Census::default();
    for (row, text) in ids.enumerate() {
        let counted = Some((&mut census, row as u32));
        id(&text, Habits::default(), counted, &mut Hits::default());
    }
    census
}

#[test]
fn many_long_ids_in_zeros_have_lost_their_digits_and_a_few_have_not() {
    let whole = |n: u64| format!("51032219900101{:04}", n * 7 % 10_000);
    let lost = |n: u64| format!("51032219900{n:04}000");
    assert!(!census((0..1000).map(whole)).habits().zeros);
    assert!(census((0..1000).map(lost)).habits().zeros);
    let some = (0..1000).map(|n| if n % 50 == 0 { lost(n) } else { whole(n) });
    assert!(census(some).habits().zeros);
    // Of sixteen digits one in ten ends in a zero.
    let sixteen = (0..1000).map(|n: u64| format!("510322199001{n:04}"));
    assert!(!census(sixteen).habits().zeros);
    // A time and a machine before a counter that is 0: one in 625 ends in four zeros.
    let timed = |n: u64| (((1_700_000_000_000 + n * 37) << 22) | ((n % 32) << 12)).to_string();
    let timed = census((0..20_000).map(timed));
    assert!(!timed.habits().zeros);
    let habits = Habits {
        zeros: true,
        dates: false,
    };
    assert_eq!(
        hits(|hits| id(&lost(1), habits, None, hits)),
        ["precision lost"]
    );
    assert_eq!(hits(|hits| id(&whole(1), habits, None, hits)), [""; 0]);
}

#[test]
fn where_all_ids_look_like_dates_they_are_none() {
    assert!(census((1..20).map(|n| format!("7-3-{n}"))).habits().dates);
    let few = (1..20).map(|n| {
        if n < 3 {
            format!("7-3-{n}")
        } else {
            format!("73{n}")
        }
    });
    assert!(!census(few).habits().dates);
}

#[test]
fn ids_that_look_unlike_the_others_are_listed() {
    let told = |ids: Vec<String>| -> Vec<String> {
        let outliers = census(ids.into_iter()).outliers();
        outliers
            .iter()
            .map(|outliers| outliers.in_words(Lang::En))
            .collect()
    };
    let mut ids: Vec<String> = (0..1000).map(|n| format!("{n:08}")).collect();
    assert!(told(ids.clone()).is_empty());
    ids[17] = "123".into();
    ids[18] = "124".into();
    ids[30] = "0000003O".into();
    let fits = "(were zeros lost at its front, or something typed by hand?)";
    assert_eq!(
        told(ids),
        [
            format!(
                "column UserId: 2 ids of 3 digits, the first here, where others have 8 digits {fits}"
            ),
            format!(
                "column UserId: an id of 8 letters and digits, where others have 8 digits {fits}"
            ),
        ]
    );
    let cut = (0..200).map(|n: u32| (n * 37 % 1000).to_string());
    assert!(!told(cut.collect()).is_empty());
    // Of many lengths: half of 20,000 numbers, or what is left of ids with zeros at their front.
    let many = (0..200).map(|n: u32| (n * 100 + 7).to_string());
    assert_eq!(
        told(many.collect()),
        [format!(
            "column UserId: 100 ids of 1 to 4 digits, the first here, where others have 5 digits {fits}"
        )]
    );
    let few = (0..19).map(|n: u32| (n * 1000 + 7).to_string());
    assert!(told(few.collect()).is_empty());
    let mixed = (0..200).map(|n: u32| format!("{:x}", n * n * n));
    assert!(told(mixed.collect()).is_empty());
}

#[test]
fn where_most_ids_are_names_that_is_told() {
    let ids = |texts: &[&str]| census(texts.iter().map(|text| (*text).into())).are_names();
    assert_eq!(ids(&["u3", "张伟", "李娜"]), Some(1));
    assert_eq!(ids(&["u3", "u4", "李娜"]), None);
    assert_eq!(ids(&["学生1", "学生2"]), None);
}

#[test]
fn what_is_shown_steers_no_terminal() {
    assert_eq!(
        shown("张\x1b[31m\u{202E}x\u{A0}".as_bytes()),
        "张<U+001B>[31m<U+202E>x<U+00A0>"
    );
    assert_eq!(shown(b"a\xD5\xC5b"), "a<D5><C5>b");
    assert_eq!(shown("李".repeat(61).as_bytes()), "李".repeat(60) + "…");
}

#[test]
fn every_finding_has_a_name_and_what_fits_and_none_is_left_over() {
    let mut codes = Lint::ALL.map(Lint::code);
    codes.sort_unstable();
    let [_, listed] = crate::lang::codes::listed();
    assert_eq!(listed, codes);
}
