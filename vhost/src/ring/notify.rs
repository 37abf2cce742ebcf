// SPDX-License-Identifier: MIT OR Apache-2.0
//! When the driver wants to be told (virtio 1.2, 2.7.10: `vring_need_event`).
#![forbid(unsafe_code)]

/// Whether the move from `old` to `new` passed the index that the driver waits for.
#[inline]
pub(super) fn is_due(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests {
    use super::is_due;

    #[test]
    fn the_event_is_due_once_it_is_passed() {
        assert!(is_due(5, 5, 6));
        assert!(is_due(5, 3, 9));
        assert!(!is_due(5, 6, 9), "passed before");
        assert!(!is_due(5, 3, 5), "not reached");
        assert!(!is_due(5, 4, 4), "no move");
    }

    #[test]
    fn indices_wrap() {
        assert!(is_due(u16::MAX, u16::MAX, 0));
        assert!(is_due(2, u16::MAX - 1, 3));
        assert!(!is_due(10, u16::MAX - 1, 3));
    }

    #[test]
    fn one_of_the_steps_through_all_indices_is_due() {
        let due = (0..=u16::MAX).filter(|old| is_due(77, *old, old.wrapping_add(1))).count();
        assert_eq!(due, 1);
    }
}
