// SPDX-License-Identifier: MIT OR Apache-2.0
//! How QEMU reads a boolean, a number, an identifier: what it accepts and the words in which it
//! refuses.
//!
//! Read from QEMU 10.2: `qapi_bool_parse` (qapi/qapi-util.c), `opts_type_int64`
//! (qapi/opts-visitor.c), `id_wellformed` (util/id.c), `qemu_parse_fd` (util/cutils.c).
#![forbid(unsafe_code)]

use super::Error;

/// `on`, `yes`, `true`, `y` and their opposites, in lower case only.
pub(super) fn boolean(key: &str, value: &[u8]) -> Result<bool, Error> {
    match value {
        b"on" | b"yes" | b"true" | b"y" => Ok(true),
        b"off" | b"no" | b"false" | b"n" => Ok(false),
        _ => Err(Error::expects(key, "'on' or 'off'")),
    }
}

/// A number of 64 bits with sign, as `strtoll` with base 0 reads it.
pub(super) fn int64(key: &str, value: &[u8]) -> Result<i64, Error> {
    strtoll(value, None).ok_or_else(|| Error::expects(key, "an int64 value"))
}

/// A number of 32 bits with sign.
pub(super) fn int32(key: &str, value: i64) -> Result<i32, Error> {
    i32::try_from(value).map_err(|_| Error::expects(key, "int32_t"))
}

/// A descriptor's number: decimal, not negative.
pub(super) fn descriptor(value: &[u8]) -> Option<i32> {
    i32::try_from(strtoll(value, Some(10))?).ok().filter(|fd| *fd >= 0)
}

/// A letter, then letters, digits, `-`, `.`, `_`.
pub(super) fn identifier(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_alphabetic)
        && value.iter().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(b))
}

/// C's `strtoll` over a whole string: leading white space, a sign, and where the base is open the
/// prefixes `0x` and `0`.
fn strtoll(text: &[u8], base: Option<u32>) -> Option<i64> {
    let start = text.iter().position(|b| !b" \t\n\x0b\x0c\r".contains(b))?;
    let (sign, rest) = match text.get(start)? {
        b'-' => ("-", text.get(start + 1..)?),
        b'+' => ("", text.get(start + 1..)?),
        _ => ("", text.get(start..)?),
    };
    let (base, digits) = match (base, rest) {
        (Some(base), _) => (base, rest),
        (None, [b'0', b'x' | b'X', hex @ ..]) => (16, hex),
        (None, [b'0', _, ..]) => (8, rest),
        (None, _) => (10, rest),
    };
    let digits = std::str::from_utf8(digits).ok()?;
    // from_str_radix would accept a sign of its own.
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_qemus() {
        for (text, value) in
            [("on", true), ("y", true), ("yes", true), ("true", true), ("n", false)]
        {
            assert_eq!(boolean("inhibit", text.as_bytes()), Ok(value));
        }
        for text in ["", "ON", "1", "0", "enable", "on "] {
            let error = boolean("force-copy", text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "Parameter 'force-copy' expects 'on' or 'off'");
        }
    }

    #[test]
    fn numbers_are_strtolls() {
        let good = [
            ("2", 2),
            ("0", 0),
            (" 7", 7),
            ("+7", 7),
            ("-7", -7),
            ("0x10", 16),
            ("0X1f", 31),
            ("010", 8),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ];
        for (text, value) in good {
            assert_eq!(int64("queues", text.as_bytes()), Ok(value), "{text:?}");
        }
        for text in
            ["", " ", "two", "2 ", "0x", "08", "++2", "+-2", "2k", "9223372036854775808", "\u{b2}"]
        {
            let error = int64("queues", text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "Parameter 'queues' expects an int64 value", "{text:?}");
        }
    }

    #[test]
    fn descriptors_are_decimal() {
        assert_eq!(descriptor(b"7"), Some(7));
        assert_eq!(descriptor(b"010"), Some(10));
        for text in ["", "-1", "0x7", "7a", "2147483648", "name"] {
            assert_eq!(descriptor(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn identifiers() {
        assert!(identifier(b"n0") && identifier(b"a.b-c_d"));
        assert!(
            !identifier(b"") && !identifier(b"0n") && !identifier(b"n,0") && !identifier(b"n\xff")
        );
    }
}
