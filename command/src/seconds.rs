// SPDX-License-Identifier: MIT OR Apache-2.0
//! A number of seconds on a command line.

use std::time::Duration;

/// Longer than any machine runs, and short enough to be added to a point in time.
const MOST: f64 = 1e9;

/// Reads a number of seconds, which may have a fraction.
///
/// # Errors
/// A sentence about a text that is no such number.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|number| (0.0..=MOST).contains(number));
    let duration = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
    duration.ok_or_else(|| format!("'{text}' is not a number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for text in ["", "-1", "inf", "nan", "1e10", "5s", "0x5"] {
            assert_eq!(seconds(text), Err(format!("'{text}' is not a number of seconds")));
        }
    }
}
