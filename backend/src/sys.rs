// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one thing that needs `unsafe`: taking over descriptors that were inherited by number.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Takes over inherited descriptors. To be called **once, before this process opens anything itself**, so that none of
/// the numbers can be one of its own.
///
/// # Errors
/// A number that stands twice, is that of a standard stream, or is not open.
pub(crate) fn adopt(numbers: &[RawFd]) -> Result<Vec<OwnedFd>, (RawFd, io::Error)> {
    let mut seen = BTreeSet::new();
    for number in numbers {
        if *number < 3 || !seen.insert(number) {
            let what = "it is a standard stream, or named twice; sock-fds are numbers from 3 on";
            return Err((*number, io::Error::new(io::ErrorKind::InvalidInput, what)));
        }
        // SAFETY: the borrow ends with this statement; if the number is not open, the call only fails.
        let borrowed = unsafe { BorrowedFd::borrow_raw(*number) };
        fcntl_setfd(borrowed, FdFlags::CLOEXEC).map_err(|errno| (*number, errno.into()))?;
    }
    // SAFETY: each number is open, stands here once, and by the contract above belongs to nobody else here.
    Ok(numbers.iter().map(|number| unsafe { OwnedFd::from_raw_fd(*number) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_that_cannot_be_ours_are_refused() {
        assert_eq!(adopt(&[0]).unwrap_err().0, 0);
        assert_eq!(adopt(&[900_000]).unwrap_err().0, 900_000);
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        let number = std::os::fd::IntoRawFd::into_raw_fd(near);
        assert_eq!(adopt(&[number, number]).unwrap_err().0, number);
        assert_eq!(adopt(&[number]).unwrap().len(), 1);
    }
}
