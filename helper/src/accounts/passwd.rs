// SPDX-License-Identifier: MIT OR Apache-2.0
//! The accounts that share a uid. getpwuid_r(3) tells of the first one only, and the others have
//! groups of their own. /etc/passwd is read whole, since that is where second names of a uid stand;
//! other services are not enumerated: some cannot be, and some take seconds.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fs;
use std::io;
use std::str;

use super::{Answer, Unanswered};
use crate::sys::database::Account;

const PASSWD: &str = "/etc/passwd";

/// The accounts in /etc/passwd that have the uid.
pub(super) fn accounts_of(uid: u32) -> Answer<Vec<Account>> {
    match fs::read(PASSWD) {
        Ok(text) => {
            Ok(text.split(|byte| *byte == b'\n').filter_map(|line| account(line, uid)).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Unanswered(format!("{PASSWD}: {error}"))),
    }
}

/// The account of a line of passwd(5), if it has the uid.
fn account(line: &[u8], uid: u32) -> Option<Account> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    let number = |field: &[u8]| str::from_utf8(field).ok()?.trim().parse::<u32>().ok();
    match fields[..] {
        [name, _, found, gid, ..] if number(found) == Some(uid) => Some(Account {
            name: CString::new(name.trim_ascii_start()).ok()?,
            uid,
            gid: number(gid)?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_as_the_c_library_does() {
        let named = |line: &[u8]| account(line, 1000).map(|account| (account.name, account.gid));
        assert_eq!(named(b"alice:x:1000:77:Alice:/:/bin/sh"), Some((c"alice".to_owned(), 77)));
        assert_eq!(named(b"  bob:x: 1000 :078::/:"), Some((c"bob".to_owned(), 78)));
        for other in
            [&b"carol:x:1001:77::/:"[..], b"", b"alice:x:1000", b"+::::::", b"\xff:x:y:1000:"]
        {
            assert_eq!(named(other), None);
        }
    }
}
