// SPDX-License-Identifier: MIT OR Apache-2.0
//! Netdevs that already have their sockets are left alone, but checked: QEMU does not check its
//! descriptors, and a wrong one kills it without a message.

use std::os::fd::RawFd;

use xsk_client::netdev::Found;
use xsk_client::{Error, Kind};
use xsk_command::say;

use crate::outcome::PROGRAM;
use crate::programs::{Programs, is_qemu};
use crate::sys::descriptors::{self, Misfit};

/// Refuses where QEMU would get a descriptor that it cannot use. A wrapper around QEMU may still
/// open what is missing here, so before one this is a warning.
pub(super) fn check(given: &[Found], programs: &Programs) -> Result<(), Error> {
    for found in given {
        // Where the text itself is wrong QEMU says so.
        let sockets = found.netdev.options().sockets().ok().flatten().unwrap_or_default();
        let misfits =
            sockets.into_iter().filter_map(|fd| descriptors::misfit(fd).map(|misfit| (fd, misfit)));
        for (fd, misfit) in misfits {
            let error = wrong(fd, &misfit);
            if is_qemu(programs.first.as_os_str()) {
                return Err(error);
            }
            say(PROGRAM, &format!("warning: {error}"));
        }
    }
    Ok(())
}

fn wrong(fd: RawFd, misfit: &Misfit) -> Error {
    let what = match misfit {
        Misfit::Stream => "is a standard stream: QEMU takes 0 for none; use 3 or more",
        Misfit::Closed => "is not open",
        Misfit::ClosedOnExec => "is closed on exec, so that QEMU would not get it",
        Misfit::NotAfXdp => "is not an AF_XDP socket",
    };
    Error::new(Kind::Usage, format!("sock-fds={fd}"), format!("sock-fds: descriptor {fd} {what}"))
        .hint("leave out inhibit and sock-fds: the sockets then come from the helper")
}
