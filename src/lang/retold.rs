//! Tells again in Chinese what is on record in English. The reason in a `summary.json` is English,
//! for programs, and so it is all that is left of an old run; where it is a sentence of ours, the
//! table that it was made from says it in the other language, too.

use super::{Lang, NOUNS, input, run};

/// The sentences that may be on record.
const RECORDED: [&str; 14] = [
    "by_signal",
    "same_refusal",
    "not_recorded",
    "input_changed",
    "canary_not_shown",
    "canary_none_accepted",
    "canary_unread",
    "no_new_call",
    "window_is_over",
    "run_did_not_end",
    "too_many_changes",
    "too_many_of_held",
    "too_few_rows",
    "other_account",
];
/// Those of them that a chat group may read: they name no file and no account.
const PUBLIC: [&str; 5] = [
    "no_new_call",
    "window_is_over",
    "too_many_changes",
    "too_many_of_held",
    "too_few_rows",
];

impl Lang {
    /// A reason as it is on record, in this language where the words are ours.
    pub fn retold(self, recorded: &str) -> String {
        if self == Self::En {
            return recorded.to_owned();
        }
        let (_, retold) = sentence(recorded).unzip();
        retold.unwrap_or_else(|| recorded.to_owned())
    }

    /// The first line of a reason as it is on record, in this language, if it is one of ours that
    /// names neither files nor accounts.
    pub fn retold_in_public(self, recorded: &str) -> Option<String> {
        let (name, _) = sentence(recorded)?;
        let is_public = PUBLIC.contains(&name);
        let retold = is_public.then(|| self.retold(recorded))?;
        Some(retold.lines().next()?.to_owned())
    }

    /// An account as it is on record, like `AKID…1234 at HOST`.
    pub fn account_retold(self, recorded: &str) -> String {
        match recorded.rsplit_once(" at ") {
            Some((label, host)) => self.account_at(label, host),
            None => recorded.to_owned(),
        }
    }
}

/// The name of the sentence that is on record, and what it says in Chinese.
fn sentence(recorded: &str) -> Option<(&'static str, String)> {
    let sentences = run::ALL.iter();
    let mut sentences = sentences.filter(|entry| RECORDED.contains(&entry.name));
    sentences.find_map(|entry| Some((entry.name, refilled(entry.texts, recorded)?)))
}

/// The text in the second of two templates, if the first one made it.
fn refilled([english, chinese]: [&str; 2], text: &str) -> Option<String> {
    let mut pieces = english.split('{');
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut retold = chinese.to_owned();
    for piece in pieces {
        let (name, literal) = piece.split_once('}')?;
        let end = match literal {
            "" => rest.len(),
            literal => rest.find(literal)?,
        };
        let value = match name {
            "pinned" | "found" => Lang::Zh.account_retold(&rest[..end]),
            _ => value(&rest[..end]),
        };
        retold = retold.replace(&format!("{{{name}}}"), &value);
        rest = &rest[end + literal.len()..];
    }
    rest.is_empty().then_some(retold)
}

/// A number of things, or a place; anything else as it is.
fn value(text: &str) -> String {
    let places = input::ALL.iter().filter(|entry| entry.name == "place");
    if let Some(place) = places
        .filter_map(|entry| refilled(entry.texts, text))
        .next()
    {
        return place;
    }
    let Some((number, things)) = text.split_once(' ') else {
        return text.to_owned();
    };
    let is_it = |noun: &str| things.strip_suffix('s').unwrap_or(things) == noun;
    match NOUNS.iter().find(|noun| is_it(noun.texts[0])) {
        Some(noun) => format!("{number} {}", noun.texts[1]),
        None => text.to_owned(),
    }
}
