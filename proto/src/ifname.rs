// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interface names, checked in full before anything looks them up and never cut to fit.

use std::fmt;

/// A name that an interface can have: the kernel's `dev_valid_name` (net/core/dev.c), and stricter
/// by `%` and by anything that is not printable ASCII, since those names end up in logs, globs and
/// command lines.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IfName(String);

/// Why a string is not an [`IfName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// The string is empty.
    Empty,
    /// The string has more than [`IfName::MAX`] bytes.
    TooLong,
    /// The string is `.` or `..`.
    Dots,
    /// The string has a character that an interface name cannot have.
    Character,
}

impl IfName {
    /// The longest name in bytes: `IFNAMSIZ` less its NUL.
    pub const MAX: usize = 15;

    /// Checks `name`.
    ///
    /// # Errors
    /// A [`NameError`] where it cannot be the name of an interface.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > Self::MAX {
            return Err(NameError::TooLong);
        }
        if name == "." || name == ".." {
            return Err(NameError::Dots);
        }
        if name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b':' | b'%')) {
            Ok(Self(name.to_owned()))
        } else {
            Err(NameError::Character)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Empty => "an interface name cannot be empty",
            NameError::TooLong => "an interface name has at most 15 bytes",
            NameError::Dots => "an interface name cannot be '.' or '..'",
            NameError::Character => {
                "an interface name has printable ASCII characters only, without space, '/', ':' and '%'"
            }
        })
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_kernel_has() {
        for name in ["e", "eth0", "enp3s0f0v12", "veth-a.100", "123456789012345", "br@x"] {
            assert_eq!(IfName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_everything_else() {
        let cases = [
            ("", NameError::Empty),
            (".", NameError::Dots),
            ("..", NameError::Dots),
            ("1234567890123456", NameError::TooLong),
            ("a/b", NameError::Character),
            ("a\0b", NameError::Character),
            ("a b", NameError::Character),
            ("eth%d", NameError::Character),
            ("eth0:1", NameError::Character),
            ("é", NameError::Character),
            ("a\n", NameError::Character),
        ];
        for (name, error) in cases {
            assert_eq!(IfName::parse(name), Err(error), "{name:?}");
        }
    }
}
