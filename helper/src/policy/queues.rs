// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sets of queues as a policy writes them: `"0-7,12"`.
#![forbid(unsafe_code)]

use std::ops::RangeInclusive;

/// The largest queue number that a lock's byte has room for.
const LARGEST: u32 = (1 << 30) - 2;

/// Some queues, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueSet {
    /// Every queue that the interface has.
    All,
    /// These.
    Ranges(Vec<RangeInclusive<u32>>),
}

impl QueueSet {
    /// Reads `"0-7,12"`.
    ///
    /// # Errors
    /// A sentence about the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(|part| range(part.trim())).collect::<Result<_, _>>().map(Self::Ranges)
    }

    /// Returns whether every queue from `first` on, `count` of them, is in the set.
    pub fn contains(&self, first: u32, count: u32) -> bool {
        match self {
            QueueSet::All => true,
            QueueSet::Ranges(ranges) => first.checked_add(count).is_some_and(|end| {
                (first..end).all(|queue| ranges.iter().any(|range| range.contains(&queue)))
            }),
        }
    }
}

fn range(part: &str) -> Result<RangeInclusive<u32>, String> {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let number = digits.parse::<u32>().ok().filter(|n| plain && *n <= LARGEST);
        number.ok_or_else(|| {
            format!("'{part}' is neither a queue nor a range of queues (write \"0-7,12\")")
        })
    };
    let (from, to) = match part.split_once('-') {
        Some((from, to)) => (number(from)?, number(to)?),
        None => (number(part)?, number(part)?),
    };
    if from <= to {
        Ok(from..=to)
    } else {
        Err(format!("the range '{part}' ends before it begins"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges() {
        let set = QueueSet::parse("0-3, 7").unwrap();
        assert!(set.contains(0, 4) && set.contains(7, 1) && set.contains(2, 2));
        assert!(!set.contains(3, 2) && !set.contains(7, 2) && !set.contains(4, 1));
        assert!(!set.contains(u32::MAX, 2));
        assert!(QueueSet::All.contains(5, 60));
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "a", "1-", "-1", "3-1", "1,,2", "4294967296", "+1", "1-2-3", "1073741823"]
        {
            assert!(QueueSet::parse(text).is_err(), "{text}");
        }
    }
}
