// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ethtool ioctl for an interface's channels (include/uapi/linux/ethtool.h).

use std::io;
use std::os::fd::AsRawFd;

use xsk_proto::IfName;

use super::check;

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_GCHANNELS: u32 = 0x3c;

/// `struct ethtool_channels`.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
struct Channels {
    cmd: u32,
    max_rx: u32,
    max_tx: u32,
    max_other: u32,
    max_combined: u32,
    rx_count: u32,
    tx_count: u32,
    other_count: u32,
    combined_count: u32,
}

/// The receive or transmit queues in use, whichever are more; `None` where the driver does not say.
pub(crate) fn channels(name: &IfName) -> io::Result<Option<u32>> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    let mut channels = Channels { cmd: ETHTOOL_GCHANNELS, ..Channels::default() };
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut channels).cast() },
    };
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: `request` and the structure that it points to outlive the call; an IfName leaves room for a NUL.
    match check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &mut request) }) {
        Ok(_) => Ok(Some(channels.combined_count + channels.rx_count.max(channels.tx_count))),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}
