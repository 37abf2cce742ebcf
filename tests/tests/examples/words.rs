// SPDX-License-Identifier: MIT OR Apache-2.0
//! A line of a shell as its commands and their words, as far as examples need it: quotes, comments,
//! and what stands between two commands.

/// What may stand before a command and is none of its words.
const BEFORE: &[&str] = &["sudo", "exec", "env", "$"];

/// What ends a command.
const BETWEEN: &[&str] = &["|", "||", "&&", "&", ";"];

/// The commands of a line. A string that is given to a shell is taken for a line of its own.
pub(crate) fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for words in words(line).split(|word| BETWEEN.contains(&word.as_str())) {
        let start = words.iter().position(|word| !before(word)).unwrap_or(words.len());
        let words: Vec<String> = words[start..].iter().filter_map(|word| plain(word)).collect();
        if let Some(script) =
            words.windows(2).find(|pair| pair[0] == "-c").map(|pair| pair[1].clone())
        {
            found.extend(commands(&script));
        }
        if !words.is_empty() {
            found.push(words);
        }
    }
    found
}

fn before(word: &str) -> bool {
    BEFORE.contains(&word)
        || (word.contains('=') && !word.starts_with(['-', '/']) && !word.contains(','))
}

/// A word without the `…` that stands for more of the kind; none if it stands for whole words.
fn plain(word: &str) -> Option<String> {
    let word = word.trim_end_matches(['…', '.']).trim_end_matches(',');
    (!word.is_empty()).then(|| word.to_owned())
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut begun = false;
    let mut quote = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\'' | '"', None) => (quote, begun) = (Some(letter), true),
            (_, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => word.push(letter),
            ('#', None) if word.is_empty() => break,
            ('>', None) => {
                // The file that output goes to is no word of the command.
                while letters.next_if(|next| !next.is_whitespace() || word.is_empty()).is_some() {
                    word.push('.');
                }
                word.clear();
            }
            (' ', None) => {
                if !word.is_empty() || begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (';', None) => words.extend([std::mem::take(&mut word), ";".to_owned()]),
            _ => word.push(letter),
        }
    }
    if !word.is_empty() || begun {
        words.push(word);
    }
    words.retain(|word| !word.is_empty());
    words
}
