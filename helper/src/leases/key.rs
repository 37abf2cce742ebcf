// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which interface: an ifindex is unique within a network namespace only, and a name changes.
#![forbid(unsafe_code)]

use std::fmt;

/// Marks the number of a namespace that is known by its inode.
const INODE: u64 = 1 << 63;

/// A network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Netns {
    /// By its cookie, which is never used again.
    Cookie(u64),
    /// By its inode, before Linux 5.14, where there is no cookie.
    Inode(u64),
}

impl Netns {
    /// The cookie as the protocol has it: 0 for none.
    pub(crate) fn cookie(self) -> u64 {
        match self {
            Netns::Cookie(cookie) => cookie,
            Netns::Inode(_) => 0,
        }
    }

    /// A number that no other namespace has: cookies count up from 1, inodes have 32 bits.
    pub(crate) fn number(self) -> u64 {
        match self {
            Netns::Cookie(cookie) => cookie,
            Netns::Inode(inode) => inode | INODE,
        }
    }

    /// The namespace of such a number.
    pub(crate) fn of_number(number: u64) -> Self {
        if number & INODE == 0 { Netns::Cookie(number) } else { Netns::Inode(number & !INODE) }
    }
}

/// An interface, in the form that names its folder of pins and its lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) netns: Netns,
    pub(crate) ifindex: u32,
}

impl Key {
    /// Reads the name back.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (netns, ifindex) = name.split_once("-i")?;
        let ifindex = ifindex.parse().ok()?;
        let netns = match netns.split_at_checked(1)? {
            ("c", number) => Netns::Cookie(number.parse().ok()?),
            ("n", number) => Netns::Inode(number.parse().ok()?),
            _ => return None,
        };
        Some(Self { netns, ifindex })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.netns {
            Netns::Cookie(cookie) => write!(f, "c{cookie}-i{}", self.ifindex),
            Netns::Inode(inode) => write!(f, "n{inode}-i{}", self.ifindex),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_back() {
        for netns in [Netns::Cookie(1), Netns::Inode(4_026_531_840)] {
            assert_eq!(Netns::of_number(netns.number()), netns);
        }
    }

    #[test]
    fn a_name_reads_back() {
        for netns in [Netns::Cookie(u64::MAX), Netns::Inode(4_026_531_840)] {
            let key = Key { netns, ifindex: 7 };
            assert_eq!(Key::parse(&key.to_string()), Some(key));
        }
        for name in ["", "users", "c1", "c-i1", "x1-i1", "c1-i", "c1-i-1", "é1-i1"] {
            assert_eq!(Key::parse(name), None, "{name}");
        }
    }
}
