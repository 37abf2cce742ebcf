// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which known word was meant by one that is not known.
#![forbid(unsafe_code)]

/// How many letters may be wrong, missing, too many or in the wrong order.
const MOST: usize = 2;

/// Returns the known word that is most like `word`; `None` where no word is much like it.
pub fn similar<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A short word is like every other short word.
    let most = MOST.min(word.chars().count() / 3);
    let distance = |other: &str| strsim::damerau_levenshtein(word, other);
    let like = known.into_iter().map(|other| (distance(other), other));
    like.filter(|(distance, _)| (1..=most).contains(distance)).min().map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_like_one_word_and_another_word_like_none() {
        let known = ["queues", "start-queue", "mode", "id"];
        let cases = [
            ("queue", Some("queues")),
            ("qeueus", Some("queues")),
            ("quues", Some("queues")),
            ("startqueue", Some("start-queue")),
            ("mod", Some("mode")),
            ("queues", None),
            ("queue-size", None),
            ("is", None),
            ("", None),
        ];
        for (word, meant) in cases {
            assert_eq!(similar(word, known), meant, "{word}");
        }
    }
}
