// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers, strings and attributes in bytes that the kernel sent (include/uapi/linux/netlink.h).
//! The kernel is trusted, but a length is checked all the same: nothing here panics on any input.

/// `struct nlattr`: length and type.
pub(crate) const ATTRIBUTE: usize = 4;
/// The two upper bits of an attribute's type are flags.
const TYPE_MASK: u16 = libc::NLA_TYPE_MASK as u16;

/// Returns the number of two bytes at `at`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

/// Returns the number of four bytes at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

/// Returns the number that an attribute holds.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    u32_at(value, 0)
}

/// Returns a string up to its NUL.
pub(crate) fn text(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Splits off the front of `bytes`, as long as the front itself says in its first two bytes, and
/// moves on to the next multiple of four.
pub(crate) fn split<'a>(bytes: &mut &'a [u8], header: usize) -> Option<&'a [u8]> {
    let length = usize::from(u16_at(bytes, 0)?);
    let front = bytes.get(..length).filter(|_| length >= header)?;
    *bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some(front)
}

/// Type and value of each attribute. One that is cut short ends the list.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let attribute = split(&mut bytes, ATTRIBUTE)?;
        Some((u16_at(attribute, 2)? & TYPE_MASK, attribute.get(ATTRIBUTE..)?))
    })
}

/// Returns the value of the first attribute of a type.
pub(crate) fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_end() {
        assert_eq!((u16_at(&[1], 0), u32_at(&[1, 2, 3, 4], 1), u32_at(&[], 9)), (None, None, None));
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
        assert_eq!(attributes(&[0, 0, 1, 0]).count(), 0);
        assert_eq!(attributes(&[255, 255, 1, 0]).count(), 0);
    }

    #[test]
    fn the_flags_of_a_type_are_no_part_of_it() {
        assert_eq!(find(&[5, 0, 1, 0x80, 7, 0, 0, 0], 1), Some(&[7][..]));
    }

    #[test]
    fn a_last_attribute_may_lack_its_padding() {
        let bytes = [5, 0, 1, 0, 7, 0, 0, 0, 5, 0, 2, 0, 8];
        assert_eq!(attributes(&bytes).collect::<Vec<_>>(), [(1, &[7][..]), (2, &[8][..])]);
    }
}
