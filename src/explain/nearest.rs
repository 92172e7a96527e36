//! The word that a mistyped one was meant to be.

/// The candidate that `word` was probably meant to be, or `None` when none is near: at most a
/// third of its letters differ. Case, `_` for `-`, and what stands before the last dot of a
/// candidate may be left out.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = plain(word);
    let n_letters = word.chars().count();
    let furthest = n_letters.div_ceil(3).min(6);
    let distance = |candidate: &str| {
        let candidate = plain(candidate);
        let whole = strsim::osa_distance(&word, &candidate);
        // The end of a code alone: `User` for `ResourceNotFound.User`. A whole one goes first.
        let end = candidate.rsplit_once('.').map(|(_, end)| end);
        let end = end.map(|end| strsim::osa_distance(&word, end) * 2 + 1);
        end.map_or(whole * 2, |end| end.min(whole * 2))
    };
    let near = candidates.into_iter().map(|c| (distance(c), c));
    let (distance, candidate) = near.min_by_key(|(distance, _)| *distance)?;
    // What shares nothing with the word is not near, however short it is.
    let is_near = distance / 2 <= furthest && distance / 2 < n_letters;
    is_near.then_some(candidate)
}

fn plain(word: &str) -> String {
    word.trim().to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let candidates = [
            "rate",
            "max-outage",
            "max-attempts",
            "ResourceNotFound",
            "ResourceNotFound.User",
            "InternalError",
        ];
        let table = [
            ("rat", Some("rate")),
            ("Rate", Some("rate")),
            ("raet", Some("rate")),
            ("max_outage", Some("max-outage")),
            ("max-atempts", Some("max-attempts")),
            ("resourcenotfound.user", Some("ResourceNotFound.User")),
            ("ResourceNotFond", Some("ResourceNotFound")),
            ("User", Some("ResourceNotFound.User")),
            ("IntenralEror", Some("InternalError")),
            ("elephant", None),
            ("x", None),
            ("", None),
        ];
        for (word, expected) in table {
            assert_eq!(nearest(word, candidates), expected, "{word}");
        }
        assert_eq!(nearest("rate", []), None);
    }
}
