// SPDX-License-Identifier: MIT OR Apache-2.0
//! The question after a draft that cannot be used.

use std::io::{self, BufRead, Write};

use xsk_helper::Refused;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Edit,
    Quit,
}

/// Says what is wrong, and asks until there is an answer. At the end of the input, nothing is
/// changed.
pub(super) fn what_now(refused: &Refused, text: &str) -> Answer {
    let mut input = io::stdin().lock();
    loop {
        println!("{}\n  hint: {}", refused.message, refused.hint);
        print!("What now? (e)dit again, (q)uit without a change, (s)how the text: ");
        let _ = io::stdout().flush();
        match answer(&mut input) {
            Some('e') => return Answer::Edit,
            Some('q') | None => return Answer::Quit,
            Some('s') => show(text),
            Some(_) => {}
        }
    }
}

/// The first letter of a line; none at the end of the input.
fn answer(input: &mut impl BufRead) -> Option<char> {
    let mut line = String::new();
    match input.read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim().chars().next().unwrap_or(' ').to_ascii_lowercase()),
    }
}

fn show(text: &str) {
    for (number, line) in text.lines().enumerate() {
        println!("{:4}  {line}", number + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_letter_and_the_end_is_none() {
        let mut input = io::Cursor::new("Edit\n\n q\n");
        let answers: Vec<_> = (0..4).map(|_| answer(&mut input)).collect();
        assert_eq!(answers, [Some('e'), Some(' '), Some('q'), None]);
    }
}
