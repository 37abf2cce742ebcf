// SPDX-License-Identifier: MIT OR Apache-2.0
//! The user database of the C library, with its errors. nix has these calls too, and sets errno to
//! 0 before each; then a service that fails without setting errno cannot be told from one that has
//! no such entry.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use nix::errno::Errno;

/// An entry is asked for again with more room up to this size.
const MOST: usize = 16 << 20;

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: CString,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A line of group(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) gid: u32,
    pub(crate) members: Vec<CString>,
}

/// The account of this name.
pub(crate) fn account(name: &CStr) -> io::Result<Option<Account>> {
    // SAFETY: `look_up` gives pointers to live memory, with its size, and the name ends with its
    // zero.
    look_up(|r, b, l, f| unsafe { libc::getpwnam_r(name.as_ptr(), r, b, l, f) }, read_account)
}

/// The first account with this uid.
pub(crate) fn account_of(uid: u32) -> io::Result<Option<Account>> {
    // SAFETY: `look_up` gives pointers to live memory, with its size.
    look_up(|r, b, l, f| unsafe { libc::getpwuid_r(uid, r, b, l, f) }, read_account)
}

/// The group of this name.
pub(crate) fn group(name: &CStr) -> io::Result<Option<Group>> {
    // SAFETY: `look_up` gives pointers to live memory, with its size, and the name ends with its
    // zero.
    look_up(|r, b, l, f| unsafe { libc::getgrnam_r(name.as_ptr(), r, b, l, f) }, read_group)
}

/// The first group with this gid.
pub(crate) fn group_of(gid: u32) -> io::Result<Option<Group>> {
    // SAFETY: `look_up` gives pointers to live memory, with its size.
    look_up(|r, b, l, f| unsafe { libc::getgrgid_r(gid, r, b, l, f) }, read_group)
}

/// Calls until there is room enough. 0 and no entry means that there is none; else the call returns
/// errno, be it one that the service did not set.
fn look_up<R, T>(
    call: impl Fn(*mut R, *mut libc::c_char, usize, *mut *mut R) -> libc::c_int,
    read: impl Fn(&R) -> T,
) -> io::Result<Option<T>> {
    let mut buffer = vec![0u8; 4096];
    loop {
        let (mut record, mut found) = (MaybeUninit::<R>::uninit(), ptr::null_mut());
        Errno::EIO.set();
        match call(record.as_mut_ptr(), buffer.as_mut_ptr().cast(), buffer.len(), &mut found) {
            // SAFETY: the call has pointed `found` at `record`, which it filled in; what it points
            // to is static or in `buffer`. All of it lives until `read` has copied it.
            0 => return Ok(unsafe { found.as_ref() }.map(read)),
            libc::ERANGE if buffer.len() < MOST => buffer.resize(buffer.len() * 2, 0),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

fn read_account(record: &libc::passwd) -> Account {
    Account { name: text(record.pw_name), uid: record.pw_uid, gid: record.pw_gid }
}

fn read_group(record: &libc::group) -> Group {
    let mut members = Vec::new();
    let mut next = record.gr_mem;
    // SAFETY: a list of pointers that ends with a null pointer, and none where it is null itself.
    // The C library aligns it.
    while let Some(member) = unsafe { next.as_ref() }.filter(|member| !member.is_null()) {
        members.push(text(*member));
        // SAFETY: the list did not end here.
        next = unsafe { next.add(1) };
    }
    Group { gid: record.gr_gid, members }
}

fn text(pointer: *const libc::c_char) -> CString {
    if pointer.is_null() {
        return CString::default();
    }
    // SAFETY: a string of the C library's, which ends with its zero.
    unsafe { CStr::from_ptr(pointer) }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_every_system_has() {
        let root = account(c"root").unwrap().unwrap();
        assert_eq!((root.uid, account_of(0).unwrap()), (0, Some(root.clone())));
        assert_eq!(group(c"root").unwrap(), group_of(0).unwrap());
        assert_eq!(group(c"no-such-group-here").unwrap(), None);
    }

    #[test]
    fn a_long_entry_gets_the_room_that_it_needs() {
        let long = |_: *mut u8, _: *mut libc::c_char, room: usize, _: *mut *mut u8| {
            if room < 100_000 { libc::ERANGE } else { 0 }
        };
        assert_eq!(look_up(long, |_: &u8| ()).unwrap(), None);
        let endless = |_: *mut u8, _: *mut libc::c_char, _: usize, _: *mut *mut u8| libc::ERANGE;
        assert_eq!(look_up(endless, |_: &u8| ()).unwrap_err().raw_os_error(), Some(libc::ERANGE));
    }

    #[test]
    fn an_error_without_an_errno_is_an_error() {
        let silent =
            |_: *mut u8, _: *mut libc::c_char, _: usize, _: *mut *mut u8| Errno::last_raw();
        assert!(look_up(silent, |_: &u8| ()).is_err());
    }
}
