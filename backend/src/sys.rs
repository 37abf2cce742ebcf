// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two things that need `unsafe`: taking over descriptors that were inherited by number, and asking the kernel
//! for an interface's MAC address (by ioctl: sysfs shows the network namespace that it was mounted in, which need not
//! be ours).
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::ioctl::{Updater, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

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

/// `SIOCGIFHWADDR` of linux/sockios.h.
const SIOCGIFHWADDR: u32 = 0x8927;

/// `struct ifreq`, as far as the hardware address needs it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    family: u16,
    address: [u8; 6],
    rest: [u8; 16],
}

/// Index and MAC address of an interface in this network namespace.
///
/// # Errors
/// There is no such interface.
pub(crate) fn station(ifname: &str) -> io::Result<(u32, [u8; 6])> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let ifindex = netdevice::name_to_index(&socket, ifname)?;
    let mut request = InterfaceRequest { name: [0; 16], family: 0, address: [0; 6], rest: [0; 16] };
    let name = request.name.get_mut(..ifname.len()).ok_or(io::ErrorKind::InvalidInput)?;
    name.copy_from_slice(ifname.as_bytes());
    // SAFETY: the operation reads and writes a `struct ifreq`, and this has its layout and at least its size.
    let update = unsafe { Updater::<{ SIOCGIFHWADDR as rustix::ioctl::Opcode }, _>::new(&mut request) };
    // SAFETY: as above; the socket is open, and the operation has no other effect.
    unsafe { ioctl(&socket, update) }?;
    Ok((ifindex, request.address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_and_a_long_name_is_not_cut() {
        assert_eq!(station("lo").unwrap(), (1, [0; 6]));
        assert!(station("lo\0").is_err());
        assert!(station("no-such-if").is_err());
        assert!(station("lo00000000000000000000").is_err());
    }

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
