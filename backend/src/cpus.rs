// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--cpus`: a processor for each queue's thread. The queue's memory is made while the main thread
//! is there too, so that the kernel takes it from that processor's node.
#![forbid(unsafe_code)]

use std::str::FromStr;

use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::{self, Error};

/// Processors in the order of the queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpus(Vec<usize>);

/// The form of Linux's own lists: `2,4-7`. A processor may stand there more than once.
impl FromStr for Cpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut cpus = vec![];
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number =
                |text: &str| text.parse().ok().filter(|cpu: &usize| *cpu < CpuSet::MAX_CPU);
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => cpus.extend(first..=last),
                _ => return Err(format!("'{part}' is neither a processor nor a range of them")),
            }
        }
        Ok(Self(cpus))
    }
}

impl Cpus {
    /// The processor of a queue, counted from the first of this process.
    pub(crate) fn of(&self, queue: usize) -> Option<usize> {
        self.0.get(queue).copied()
    }

    /// Each queue has one.
    ///
    /// # Errors
    /// There are more queues.
    pub(crate) fn check(&self, queues: usize) -> Result<(), Error> {
        let given = self.0.len();
        if given >= queues {
            return Ok(());
        }
        let message = format!("{given} named, for {queues} queues");
        Err(error::usage("--cpus", &message)
            .hint("name one for each queue; the same one may be named again"))
    }
}

/// Does `work` on a processor, if one is given, and goes back to where the thread may be otherwise.
/// Threads that `work` starts stay there.
///
/// # Errors
/// The processor is not there, or this process may not use it; those of `work`.
pub(crate) fn while_on<T>(
    cpu: Option<usize>,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let Some(cpu) = cpu else { return work() };
    let failed = |errno: Errno| error::io("--cpus", "choose processors", errno);
    let before = sched_getaffinity(None).map_err(failed)?;
    let mut set = CpuSet::new();
    set.set(cpu);
    let refused = |errno: Errno| error::io("--cpus", &format!("use processor {cpu}"), errno);
    sched_setaffinity(None, &set).map_err(refused)?;
    let result = work();
    sched_setaffinity(None, &before).map_err(failed)?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_read_and_mistakes_named() {
        assert_eq!("2,4-6,2".parse(), Ok(Cpus(vec![2, 4, 5, 6, 2])));
        for (text, part) in
            [("", ""), ("1,", ""), ("3-1", "3-1"), ("a", "a"), ("1-b", "1-b"), ("99999", "99999")]
        {
            let message = format!("'{part}' is neither a processor nor a range of them");
            assert_eq!(text.parse::<Cpus>(), Err(message), "{text}");
        }
    }

    #[test]
    fn each_queue_needs_one() {
        let cpus: Cpus = "0,0".parse().unwrap();
        assert!(cpus.check(2).is_ok());
        assert_eq!(cpus.check(3).unwrap_err().to_string(), "--cpus: 2 named, for 3 queues");
        assert_eq!((cpus.of(1), cpus.of(2)), (Some(0), None));
    }

    #[test]
    fn the_thread_comes_back() {
        let before = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|cpu| before.is_set(*cpu)).unwrap();
        let inside =
            while_on(Some(first), || Ok(sched_getaffinity(None).unwrap().count())).unwrap();
        assert_eq!(inside, 1);
        assert!(sched_getaffinity(None).unwrap() == before);
        let message = while_on(Some(CpuSet::MAX_CPU - 1), || Ok(())).unwrap_err().to_string();
        assert!(message.starts_with("--cpus: cannot use processor 1023: "), "{message}");
    }
}
