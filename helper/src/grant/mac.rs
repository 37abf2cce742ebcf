// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses of guests, as a request names them.
#![forbid(unsafe_code)]

use std::fmt;

/// The most addresses of one lease.
pub(crate) const MOST: usize = 4;

/// An address of one station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

impl Mac {
    /// Reads six pairs of hexadecimal digits. Refuses the address of a group, and zero.
    fn parse(text: &str) -> Option<Self> {
        let mut mac = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut mac {
            let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'))?;
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        let valid = parts.next().is_none() && mac[0] & 1 == 0 && mac != [0; 6];
        valid.then_some(Self(mac))
    }

    /// Reads a list with commas; `None` if it is empty, too long, or has anything but addresses of
    /// single stations.
    pub(crate) fn parse_list(text: &str) -> Option<Vec<Self>> {
        let list = text.split(',').take(MOST + 1).map(Self::parse).collect::<Option<Vec<_>>>()?;
        (list.len() <= MOST).then_some(list)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_stations() {
        assert_eq!(Mac::parse("52:54:00:12:34:AB").unwrap().to_string(), "52:54:00:12:34:ab");
        let bad = [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "52:54:0:12:34:56",
            "+2:54:00:12:34:56",
            "52-54-00-12-34-56",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
            "52:54:00:12:34:g6",
        ];
        for text in bad {
            assert_eq!(Mac::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_lease_has_a_few() {
        assert_eq!(Mac::parse_list(&["02:00:00:00:00:01"; 4].join(",")).unwrap().len(), 4);
        assert_eq!(Mac::parse_list(&["02:00:00:00:00:01"; 5].join(",")), None);
        assert_eq!(Mac::parse_list("02:00:00:00:00:01,"), None);
    }
}
