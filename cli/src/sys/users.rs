// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names and numbers of users, as the system's user database has them.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::ptr;

/// Room for an entry. One that is longer is shown by its number.
const ROOM: usize = 16 << 10;

/// The name of a user.
pub(crate) fn name(uid: u32) -> Option<String> {
    // SAFETY: `entry` gives pointers to live memory, with its size.
    entry(|entry, text, size, found| unsafe { libc::getpwuid_r(uid, entry, text, size, found) })
        .map(|(name, _)| name)
}

/// The uid of a name.
pub(crate) fn uid(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: as above, and the name ends with its zero.
    entry(|entry, text, size, found| unsafe {
        libc::getpwnam_r(name.as_ptr(), entry, text, size, found)
    })
    .map(|(_, uid)| uid)
}

fn entry(
    call: impl FnOnce(
        *mut libc::passwd,
        *mut libc::c_char,
        usize,
        *mut *mut libc::passwd,
    ) -> libc::c_int,
) -> Option<(String, u32)> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut text = vec![0; ROOM];
    let mut found = ptr::null_mut();
    let failed = call(entry.as_mut_ptr(), text.as_mut_ptr(), text.len(), &mut found);
    if failed != 0 || found.is_null() {
        return None;
    }
    // SAFETY: the call has filled the entry, since `found` points to it.
    let entry = unsafe { entry.assume_init() };
    // SAFETY: the name points into `text`, which is alive, and ends with a zero.
    let name = unsafe { CStr::from_ptr(entry.pw_name) };
    Some((name.to_string_lossy().into_owned(), entry.pw_uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_both_ways_and_nobody_else_is_invented() {
        assert_eq!((name(0).as_deref(), uid("root")), (Some("root"), Some(0)));
        assert_eq!((name(4_000_000_001), uid("no-such-user-here"), uid("\0")), (None, None, None));
    }
}
