// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lines that the log has not taken yet. Any user can fill the queue of journald's socket, so a
//! line that is refused waits here; how many, and how long, is bounded, and what does not fit is
//! counted.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

/// How many lines wait at most, and of how many bytes together.
const LINES: usize = 64;
const BYTES: usize = 64 << 10;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Taken,
    /// Not now.
    Later,
    /// Never.
    Lost,
}

/// Lines in their order, each as it goes off.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Vec<u8>>,
    lost: u64,
    /// The log answered last that it takes nothing any more.
    gone: bool,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new(), lost: 0, gone: false }
    }

    /// Appends a line, if there is room for it.
    pub(super) fn push(&mut self, line: Vec<u8>) {
        let bytes: usize = self.waiting.iter().map(Vec::len).sum();
        if self.waiting.len() < LINES && bytes + line.len() <= BYTES {
            self.waiting.push_back(line);
        } else {
            self.lost += 1;
        }
    }

    /// Sends off what is taken. `lost` makes the line that says how many were lost before.
    pub(super) fn send(
        &mut self,
        mut send: impl FnMut(&[u8]) -> Sent,
        lost: impl Fn(u64) -> Vec<u8>,
    ) {
        while let Some(line) = self.waiting.front() {
            let sent = send(line);
            if sent == Sent::Later {
                return;
            }
            self.gone = sent == Sent::Lost;
            self.lost += u64::from(self.gone);
            self.waiting.pop_front();
        }
        if self.lost > 0 && !self.gone && send(&lost(self.lost)) == Sent::Taken {
            self.lost = 0;
        }
    }

    /// Returns whether nothing is left that the log may still take.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && (self.lost == 0 || self.gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lost: u64) -> Vec<u8> {
        format!("lost {lost}").into_bytes()
    }

    /// Sends to a log that takes so many lines.
    fn send(queue: &mut Queue, room: usize) -> Vec<String> {
        let mut taken = Vec::new();
        let log = |line: &[u8]| {
            if taken.len() == room {
                return Sent::Later;
            }
            taken.push(String::from_utf8_lossy(line).into_owned());
            Sent::Taken
        };
        queue.send(log, said);
        taken
    }

    #[test]
    fn what_is_not_taken_waits_in_its_order() {
        let mut queue = Queue::new();
        ["a", "b", "c"].iter().for_each(|line| queue.push(line.as_bytes().to_vec()));
        assert_eq!(send(&mut queue, 1), ["a"]);
        assert!(!queue.is_done());
        assert_eq!(send(&mut queue, 9), ["b", "c"]);
        assert!(queue.is_done());
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut queue = Queue::new();
        (0..LINES + 3).for_each(|line| queue.push(line.to_string().into_bytes()));
        assert_eq!(send(&mut queue, LINES).len(), LINES);
        assert!(!queue.is_done());
        assert_eq!(send(&mut queue, 9), ["lost 3"]);
        queue.push(vec![b'x'; BYTES + 1]);
        assert_eq!(send(&mut queue, 9), ["lost 1"]);
        assert!(queue.is_done());
    }

    #[test]
    fn a_log_that_is_gone_keeps_nothing() {
        let mut queue = Queue::new();
        queue.push(b"a".to_vec());
        queue.send(|_| Sent::Lost, said);
        assert!(queue.is_done());
        queue.push(b"b".to_vec());
        assert_eq!(send(&mut queue, 9), ["b", "lost 1"]);
    }
}
