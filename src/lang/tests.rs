use std::collections::BTreeSet;

use super::*;

/// All words, with what stands in each language; codes and findings by their codes.
fn all() -> Vec<(String, [&'static str; 2])> {
    let tables = [run::ALL, input::ALL, page::ALL, explain::ALL, NOUNS];
    let entries = tables.into_iter().flatten();
    let mut all: Vec<_> = entries
        .map(|entry| (entry.name.to_owned(), entry.texts))
        .collect();
    let [codes, findings] = codes::listed();
    for (n, part) in ["meaning", "advice"].into_iter().enumerate() {
        let words = |code: &str| Lang::ALL.map(|lang| lang.explained(code)[n]);
        all.extend(
            codes
                .iter()
                .map(|code| (format!("{code}: {part}"), words(code))),
        );
    }
    for (n, part) in ["name", "fits"].into_iter().enumerate() {
        let words = |code| Lang::ALL.map(|lang| lang.finding_named(code)[n]);
        all.extend(
            findings
                .iter()
                .map(|code| (format!("{code}: {part}"), words(code))),
        );
    }
    all
}

/// The names in braces.
fn values(text: &str) -> BTreeSet<&str> {
    let pieces = text.split('{').skip(1);
    pieces
        .filter_map(|piece| Some(piece.split_once('}')?.0))
        .collect()
}

fn is_hanzi(c: char) -> bool {
    ('\u{4E00}'..='\u{9FFF}').contains(&c)
}

#[test]
fn both_languages_have_every_entry_with_the_same_values() {
    let all = all();
    assert!(all.len() > 400);
    for (name, [english, chinese]) in all {
        assert!(!english.is_empty() && !chinese.is_empty(), "{name}");
        assert_eq!(values(english), values(chinese), "{name}");
        assert_eq!(
            english.matches('\n').count() > 0,
            chinese.contains('\n'),
            "{name}"
        );
        assert!(
            !english.chars().any(is_hanzi) || english.contains('无'),
            "{name}: {english}"
        );
    }
}

/// What stands between the values.
fn own(text: &str) -> String {
    let named = values(text).into_iter();
    named.fold(text.to_owned(), |text, value| {
        text.replace(&format!("{{{value}}}"), " ")
    })
}

/// What is called so in Chinese, too, and what can be typed.
const ENGLISH: &str = "lcic-sync LCIC Excel UTF-8 GBK ASCII TAB ID IP URL UserId Nickname Avatar \
    OriginId SdkAppId RequestId SecretId SecretKey Authorization Token MFA CA TLS DNS STS API MB FILE \
    NULL N/A TRUE FALSE TRUE/FALSE REF 1.23E+10 0x DryRun lcic:DescribeUser lcic:ModifyUserProfile lcic \
    DescribeUser tccli apply plan check explain simulate CODE failures.csv results.csv http https \
    http:// https:// https://cdn.example.com/a/17.png XX --ca-file --encoding --allow --excel-text \
    --clear-token --encode-urls --on-duplicate --fix --limit --all --show --min-rows --max-attempts \
    --max-changes --state-dir cells PowerShell CSV TYPE NO-VALUE SQL stray-quotes ledger adopt \
    --max-outage error precision-lost null-word many-lines lost-characters pending failed unknown";

#[test]
fn chinese_is_chinese() {
    let known: BTreeSet<&str> = ENGLISH.split_whitespace().collect();
    let mut wrong = Vec::new();
    for (name, [english, chinese]) in all() {
        let is_word = |c: char| c.is_ascii_alphabetic();
        if !own(english).contains(is_word) {
            // Signs alone.
            continue;
        }
        let mut say = |what: String| wrong.push(format!("{name}: {what}: {chinese}"));
        if own(chinese).contains(is_word) && !chinese.contains(is_hanzi) {
            say("no hanzi".into());
        }
        let chars: Vec<char> = chinese.chars().collect();
        for pair in chars.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            let is_western = |c: char| ",.;:?!()".contains(c);
            let touch = |is: fn(char) -> bool| {
                is_hanzi(before) && is(after) || is(before) && is_hanzi(after)
            };
            let is_wrong = is_hanzi(before) && is_western(after)
                || is_western(before) && is_hanzi(after)
                || touch(|c| c.is_ascii_alphanumeric())
                || before == ' ' && "，。；：、（）".contains(after)
                || after == ' ' && "，。；：、（）".contains(before)
                || matches!(after, '０'..='９');
            if is_wrong {
                say(format!("{before}{after}"));
            }
        }
        let own = own(chinese);
        let words = own.split(|c: char| !c.is_ascii_graphic());
        for word in words.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '-'))
        {
            if word.contains(is_word) && !known.contains(word) {
                say(format!("{word:?} is English"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A word that nobody says is no word.
#[test]
fn every_word_is_used() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut text = String::new();
    read(&source, &mut text);
    let tables = [run::ALL, input::ALL, page::ALL, explain::ALL, NOUNS];
    let unused = tables.into_iter().flatten().filter(|entry| {
        let (called, passed) = (format!(".{}(", entry.name), format!("::{}", entry.name));
        !text.contains(&called) && !text.contains(&passed)
    });
    let unused: Vec<&str> = unused.map(|entry| entry.name).collect();
    assert_eq!(unused, Vec::<&str>::new());
}

fn read(directory: &std::path::Path, text: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        match ending {
            _ if path.is_dir() => read(&path, text),
            Some("rs" | "html") => *text += &std::fs::read_to_string(path).unwrap(),
            _ => {}
        }
    }
}

#[test]
fn the_language_of_a_locale() {
    for (locale, expected) in [
        ("zh_CN.UTF-8", Lang::Zh),
        ("zh_CN.utf8", Lang::Zh),
        ("zh_CN", Lang::Zh),
        ("zh", Lang::Zh),
        ("zh_TW.UTF-8", Lang::Zh),
        ("zh_CN.UTF-8@pinyin", Lang::Zh),
        // The terminal could not show what we say.
        ("zh_CN.GBK", Lang::En),
        ("zh_CN.GB18030", Lang::En),
        ("C", Lang::En),
        ("C.UTF-8", Lang::En),
        ("POSIX", Lang::En),
        ("en_US.UTF-8", Lang::En),
        ("zhx_CN.UTF-8", Lang::En),
        ("", Lang::En),
    ] {
        assert_eq!(Lang::of_locale(OsStr::new(locale)), expected, "{locale}");
    }
}

#[test]
fn numbers_and_times_read_well() {
    let numbers = [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (1_234_567, "1,234,567"),
    ];
    for (number, expected) in numbers {
        assert_eq!(thousands(number), expected);
    }
    let times = [
        (0.0, "0.0 s", "0.0 秒"),
        (8.24, "8.2 s", "8.2 秒"),
        (9.97, "10 s", "10 秒"),
        (42.4, "42 s", "42 秒"),
        (59.7, "1 min", "1 分"),
        (310.0, "5 min 10 s", "5 分 10 秒"),
        (3600.0, "1 h", "1 小时"),
        (49_920.0, "13 h 52 min", "13 小时 52 分"),
        (183_600.0, "2 d 3 h", "2 天 3 小时"),
    ];
    for (seconds, english, chinese) in times {
        let told = Lang::ALL.map(|lang| lang.duration(Duration::from_secs_f64(seconds)));
        assert_eq!(told, [english, chinese], "{seconds}");
    }
    let counted = |n| Lang::ALL.map(|lang| lang.rows(n));
    assert_eq!(counted(1), ["1 row", "1 行"]);
    assert_eq!(counted(2000), ["2,000 rows", "2,000 行"]);
}
