//! The languages in which people are told things, and all words in both: what a run did and will
//! do, findings, codes with advice, the page, notices. Whoever says something asks a [`Lang`] for
//! it, which is handed down from the settings; there is no global one. Codes, JSON, flags, log
//! lines, `--help`, usage errors and chains of errors stay English, for programs and for searching.
//!
//! **To translate,** edit the tables only: `run` (before, during and after a run), `input`
//! (findings), `page`, `explain`, and the two CSV files that [`codes`] reads. English stands
//! first, Chinese below it; `{…}` are values and may stand anywhere in either. The compiler holds
//! the names of the values, tests that both have the same ones, and that Chinese is Chinese.
//!
//! Glossary, one word for one idea:
//!
//! | English | Chinese | |
//! | --- | --- | --- |
//! | user, UserId, Nickname, Avatar | 用户, 用户 ID, 昵称, 头像 | columns keep their names: UserId 列 |
//! | row, line 7, cell, header, column | 行, 第 7 行, 单元格, 表头, 列 | |
//! | change, call, answer | 变更, 请求, 响应 | |
//! | over the quota, pace | 超出频率限制, 速率 | as in Tencent Cloud's 请求频率限制 |
//! | run, ledger, report | 运行, 台账, 报告 | |
//! | applied, unchanged, failed, invalid | 已更新, 无变化, 失败, 无效 | |
//! | superseded, unknown and in doubt, pending | 被覆盖, 结果未知, 未处理 | |
//! | canary, read back | 灰度验证, 回读 | |
//! | key, permission, signature, policy | 密钥, 权限, 签名, 策略 | |
//! | account, sub-account, root account | 账号, 子账号, 主账号 | |
//! | service, endpoint, support | 服务（端）, 服务地址, 技术支持 | |
//! | advice, finding, error, warning | 建议, 问题, 错误, 警告 | |
//! | exit code, code | 退出码, 错误码 | |
//!
//! A blank stands between Chinese and Latin letters or digits, punctuation beside Chinese is
//! Chinese, digits are half-width and grouped as in English.

use std::ffi::OsStr;
use std::fmt::Display;
use std::time::Duration;

use crate::model::Outcome;

/// An entry of a table, for those who look at all of them.
struct Entry {
    name: &'static str,
    texts: [&'static str; 2],
}

/// A table of words: for each name, with its values, English and Chinese. Makes a method of
/// [`Lang`] of each.
macro_rules! messages {
    (@word $name:ident() $en:literal $zh:literal) => {
        #[doc = concat!("`", $en, "`")]
        pub fn $name(self) -> &'static str {
            match self {
                Self::En => $en,
                Self::Zh => $zh,
            }
        }
    };
    (@word $name:ident($($value:ident),+) $en:literal $zh:literal) => {
        #[doc = concat!("`", $en, "`")]
        pub fn $name(self, $($value: impl std::fmt::Display),+) -> String {
            match self {
                Self::En => format!($en),
                Self::Zh => format!($zh),
            }
        }
    };
    ($($name:ident($($value:ident),*) $en:literal $zh:literal;)+) => {
        impl crate::lang::Lang {
            $(messages!(@word $name($($value),*) $en $zh);)+
        }

        #[allow(dead_code, reason = "tests look at all tables, the program at two")]
        pub(super) const ALL: &[super::Entry] = &[
            $(super::Entry { name: stringify!($name), texts: [$en, $zh] }),+
        ];
    };
}

pub mod codes;
mod explain;
pub mod fold;
mod input;
mod page;
mod retold;
mod run;

/// A language.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese, in simplified characters.
    Zh,
}

impl Lang {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// The word for it, as a flag has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// The language with this word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.name() == name)
    }

    /// How a page names it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-CN",
        }
    }

    /// The language of a locale, like `zh_CN.UTF-8`. We speak UTF-8 only, so where a locale says
    /// that the terminal does not, Chinese could not be read there.
    pub fn of_locale(locale: &OsStr) -> Self {
        let Some(locale) = locale.to_str() else {
            return Self::En;
        };
        let locale = locale.split('@').next().unwrap_or_default();
        let (place, charset) = locale.split_once('.').unwrap_or((locale, "UTF-8"));
        let language = place.split(['_', '-']).next().unwrap_or_default();
        let is_utf8 = charset.replace('-', "").eq_ignore_ascii_case("utf8");
        match language.eq_ignore_ascii_case("zh") && is_utf8 {
            true => Self::Zh,
            false => Self::En,
        }
    }

    /// The word for an outcome; results and JSON have [`Outcome::name`].
    pub fn outcome(self, outcome: Outcome) -> &'static str {
        match outcome {
            Outcome::Applied => self.applied(),
            Outcome::Unchanged => self.unchanged(),
            Outcome::Failed => self.failed(),
            Outcome::Invalid => self.invalid(),
            Outcome::Superseded => self.superseded(),
            Outcome::Unknown => self.unknown(),
            Outcome::Pending => self.pending(),
        }
    }

    /// `180 applied, 2 failed`, without those that there are none of.
    pub fn numbered(self, named: &[(u64, &str)]) -> Option<String> {
        let some = named.iter().filter(|(number, _)| *number > 0);
        let told: Vec<String> = some
            .map(|(number, name)| self.so_many(thousands(*number), name))
            .collect();
        (!told.is_empty()).then(|| told.join(self.comma()))
    }

    /// A length of time as a person says it: `8.2 s`, `42 s`, `5 min 10 s`, `13 h 52 min`.
    pub fn duration(self, duration: Duration) -> String {
        let seconds = duration.as_secs_f64();
        // What rounds to ten is told like ten.
        if seconds < 9.95 {
            return self.seconds(format!("{seconds:.1}"));
        }
        let seconds = seconds.round() as u64;
        let two = |big: String, small: u64, in_words: fn(Self, u64) -> String| match small {
            0 => big,
            small => format!("{big} {}", in_words(self, small)),
        };
        match seconds {
            0..60 => self.seconds(seconds),
            60..3600 => two(self.minutes(seconds / 60), seconds % 60, Self::seconds),
            3600..86_400 => two(
                self.hours(seconds / 3600),
                seconds % 3600 / 60,
                Self::minutes,
            ),
            _ => two(
                self.days(seconds / 86_400),
                seconds % 86_400 / 3600,
                Self::hours,
            ),
        }
    }

    /// `1 row`, `2,000 rows`; Chinese has a measure word for each noun.
    fn counted(self, number: u64, noun: &str, measured: &str) -> String {
        match self {
            Self::En => count(number, noun),
            Self::Zh => format!("{} {measured}", thousands(number)),
        }
    }
}

macro_rules! nouns {
    ($($name:ident $en:literal $zh:literal;)+) => {
        impl Lang {
            $(
                #[doc = concat!("`2 ", $en, "s`")]
                pub fn $name(self, number: u64) -> String {
                    self.counted(number, $en, $zh)
                }
            )+
        }

        const NOUNS: &[Entry] = &[
            $(Entry { name: stringify!($name), texts: [$en, $zh] }),+
        ];
    };
}

nouns! {
    rows "row" "行";
    invalid_rows "invalid row" "行无效数据";
    more_rows "more row" "行";
    lines "line" "行";
    cells "cell" "个单元格";
    users "user" "个用户";
    profiles "profile" "份用户资料";
    changes "change" "项变更";
    calls "call" "次请求";
    answers "answer" "个响应";
    errors "error" "个错误";
    warnings "warning" "个警告";
    other_codes "other code" "种错误码";
}

/// `12345` as `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 row`, `2,000 rows`: for what is told in English only.
pub fn count(number: u64, noun: impl Display) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

#[cfg(test)]
mod tests;
