// SPDX-License-Identifier: MIT OR Apache-2.0
//! Patterns of interface names: `*`, `?`, `[a-f0]` and `[!a-f0]`, as in a shell. A crate for globs
//! is made for paths, and this runs as root for a caller: so what is needed is here, and what a
//! shell has beyond it is an error, since a rule must not mean another name than it seems to.
#![forbid(unsafe_code)]

use std::fmt;
use std::str::Chars;

/// A pattern, after it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    /// As it was written.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Any characters, or none.
    Star,
    /// One character of these, or where the flag is set one of all others.
    One(bool, Vec<(char, char)>),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut rest = text.chars();
        let mut parts = Vec::new();
        while let Some(character) = rest.next() {
            parts.push(match character {
                '*' => Part::Star,
                '?' => Part::One(true, Vec::new()),
                '[' => set(&mut rest)?,
                character => Part::One(false, vec![(character, character)]),
            });
        }
        Ok(Self { parts, text: text.to_owned() })
    }

    /// Returns whether the whole of a name matches. Takes at most the product of both lengths in
    /// steps: only the last star is ever tried again, since what an earlier one could take, that
    /// one can take as well.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut part, mut at) = (0, 0);
        let mut retry = None;
        while at < name.len() || part < self.parts.len() {
            match self.parts.get(part) {
                Some(Part::Star) => {
                    retry = Some((part, at));
                    part += 1;
                }
                Some(one) if name.get(at).is_some_and(|character| one.is(*character)) => {
                    (part, at) = (part + 1, at + 1);
                }
                _ => match retry {
                    Some((star, taken)) if taken < name.len() => {
                        retry = Some((star, taken + 1));
                        (part, at) = (star + 1, taken + 1);
                    }
                    _ => return false,
                },
            }
        }
        true
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Part {
    fn is(&self, character: char) -> bool {
        match self {
            Part::Star => false,
            Part::One(others, ranges) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != *others
            }
        }
    }
}

/// Reads what is behind a `[`, up to its `]`, which is itself meant where it comes first.
fn set(rest: &mut Chars<'_>) -> Result<Part, String> {
    let open = || "a '[' has no ']' (a bracket itself is written [[])".to_owned();
    let others = rest.as_str().starts_with('!');
    if others {
        rest.next();
    }
    if rest.as_str().starts_with('^') {
        return Err(
            "a set that begins with '^' means different things in different shells (write [!…])"
                .into(),
        );
    }
    let mut ranges = Vec::new();
    loop {
        match rest.next().ok_or_else(open)? {
            ']' if !ranges.is_empty() => return Ok(Part::One(others, ranges)),
            '[' if rest.as_str().starts_with([':', '.', '=']) => {
                return Err("named classes such as [:digit:] are not known (write [0-9])".into());
            }
            from => ranges.push(range(from, rest)?),
        }
    }
}

/// Reads what may follow the first character of a range. A hyphen before the `]` is itself meant.
fn range(from: char, rest: &mut Chars<'_>) -> Result<(char, char), String> {
    let mut ahead = rest.clone();
    match (ahead.next(), ahead.next()) {
        (Some('-'), Some(to)) if to != ']' => {
            *rest = ahead;
            let ends = from <= to;
            ends.then_some((from, to))
                .ok_or_else(|| format!("the range '{from}-{to}' ends before it begins"))
        }
        _ => Ok((from, from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the definition says, word for word, however long that takes.
    fn by_definition(parts: &[Part], name: &[char]) -> bool {
        match parts.split_first() {
            None => name.is_empty(),
            Some((Part::Star, rest)) => {
                (0..=name.len()).any(|taken| by_definition(rest, &name[taken..]))
            }
            Some((one, rest)) => {
                name.first().is_some_and(|character| one.is(*character))
                    && by_definition(rest, &name[1..])
            }
        }
    }

    /// All texts of up to `length` of these characters.
    fn texts(alphabet: &str, length: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..length {
            last = last
                .iter()
                .flat_map(|text| alphabet.chars().map(move |c| format!("{text}{c}")))
                .collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    #[test]
    fn every_short_pattern_matches_what_its_definition_says() {
        let names = texts("ab", 5);
        for text in texts("*?a[!b]-", 5) {
            let Ok(pattern) = Pattern::new(&text) else { continue };
            for name in &names {
                let characters: Vec<char> = name.chars().collect();
                assert_eq!(
                    pattern.matches(name),
                    by_definition(&pattern.parts, &characters),
                    "{text} {name}"
                );
            }
        }
    }

    #[test]
    fn matches_as_a_shell_does() {
        for (text, matching, others) in [
            ("eth1", &["eth1"][..], &["eth10", "eth", "Eth1", "xeth1"][..]),
            ("*", &["", "eth1"], &[]),
            ("enp3s0f0v*", &["enp3s0f0v", "enp3s0f0v12"], &["enp3s0f1v1"]),
            ("eth?", &["eth1", "ethx"], &["eth", "eth10"]),
            ("eth[0-35]", &["eth0", "eth3", "eth5"], &["eth4", "eth", "eth-"]),
            ("eth[!0-3]", &["eth4", "ethx"], &["eth0", "eth"]),
            ("[]-]x", &["]x", "-x"], &["ax"]),
            ("[[]", &["["], &["]"]),
            ("[!]]", &["a"], &["]"]),
            ("*v*v", &["vv", "avbvcv"], &["v", "avb"]),
            ("a**b", &["ab", "axxb"], &["a"]),
            ("\\*", &["\\", "\\a"], &["*"]),
        ] {
            let pattern = Pattern::new(text).unwrap();
            assert_eq!(pattern.to_string(), text);
            for name in matching {
                assert!(pattern.matches(name), "{text} {name}");
            }
            for name in others {
                assert!(!pattern.matches(name), "{text} {name}");
            }
        }
    }

    #[test]
    fn refuses_what_it_would_not_do_as_a_shell_does() {
        for text in
            ["[", "[]", "[a", "eth[0-", "[!", "[!]", "[^a]", "[z-a]", "[[:digit:]]", "[a[.x.]]"]
        {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn takes_no_longer_than_it_has_to() {
        let pattern = Pattern::new(&format!("{}b", "a*".repeat(5000))).unwrap();
        assert!(!pattern.matches(&"a".repeat(5000)));
    }
}
