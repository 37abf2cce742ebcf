// SPDX-License-Identifier: MIT OR Apache-2.0
//! The second state: memory and rings are there, and the socket can be bound.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::bind;
use rustix::net::sockopt::xdp_options;
use rustix::net::xdp::{SocketAddrXdp, SocketAddrXdpFlags, XdpOptionsFlags};

use crate::bound::Bound;
use crate::config::{BindOptions, CopyMode};
use crate::datapath::DataPath;
use crate::error::Error;

/// How long to sleep between two attempts at a busy queue.
const RETRY: Duration = Duration::from_millis(2);

/// A socket with UMEM and rings, not bound yet.
#[derive(Debug)]
pub struct Ready {
    datapath: DataPath,
}

/// A bind that failed. The kernel leaves such a socket as it was, so it comes back to be bound
/// elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct BindFailed {
    /// Why.
    pub error: Error,
    /// The socket.
    pub ready: Box<Ready>,
}

impl From<BindFailed> for Error {
    fn from(failed: BindFailed) -> Self {
        failed.error
    }
}

impl Ready {
    pub(crate) fn new(datapath: DataPath) -> Self {
        Self { datapath }
    }

    /// Frames in the UMEM: as many as were asked for, or fewer if the limit of locked memory was
    /// short.
    pub fn frames(&self) -> usize {
        self.datapath.ledger.frames()
    }

    /// Binds to a queue of an interface in the socket's network namespace, and waits a bounded time
    /// for a queue whose last holder has just gone.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Invalid`], [`Error::Denied`], [`Error::NoInterface`],
    /// [`Error::Down`], [`Error::NoZeroCopy`]; the socket comes back with it.
    pub fn bind(
        self,
        ifindex: u32,
        queue: u32,
        options: &BindOptions,
    ) -> Result<Bound, BindFailed> {
        let several = options.several(self.datapath.ledger.frame_size());
        let address = SocketAddrXdp::new(flags(options, several), ifindex, queue);
        let result = bind_patiently(self.as_fd(), &address, options.busy_wait)
            .map_err(|(errno, waited)| explain(errno, ifindex, queue, options, waited))
            .and_then(|()| {
                xdp_options(&self).map_err(|errno| Error::os("read the socket's options", errno))
            });
        match result {
            Ok(read) => {
                let zero_copy = read.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY);
                Ok(Bound::new(self.datapath, (ifindex, queue), options, zero_copy))
            }
            Err(error) => Err(BindFailed { error, ready: Box::new(self) }),
        }
    }
}

impl AsFd for Ready {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.datapath.fd.as_fd()
    }
}

fn flags(options: &BindOptions, several: bool) -> SocketAddrXdpFlags {
    let copy = match options.copy {
        CopyMode::Auto => SocketAddrXdpFlags::empty(),
        CopyMode::ForceCopy => SocketAddrXdpFlags::XDP_COPY,
        CopyMode::ForceZeroCopy => SocketAddrXdpFlags::XDP_ZEROCOPY,
    };
    let wakeup = if options.need_wakeup {
        SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP
    } else {
        SocketAddrXdpFlags::empty()
    };
    let buffers =
        if several { SocketAddrXdpFlags::XDP_USE_SG } else { SocketAddrXdpFlags::empty() };
    copy | wakeup | buffers
}

fn bind_patiently(
    fd: BorrowedFd<'_>,
    to: &SocketAddrXdp,
    longest: Duration,
) -> Result<(), (Errno, Duration)> {
    let start = Instant::now();
    loop {
        match bind(fd, to) {
            Err(Errno::BUSY) if start.elapsed() < longest => std::thread::sleep(RETRY),
            Err(errno) => return Err((errno, start.elapsed())),
            Ok(()) => return Ok(()),
        }
    }
}

fn explain(
    errno: Errno,
    ifindex: u32,
    queue: u32,
    options: &BindOptions,
    waited: Duration,
) -> Error {
    match errno {
        Errno::BUSY => Error::Busy { ifindex, queue, waited },
        Errno::INVAL => Error::Invalid { ifindex, queue },
        Errno::PERM | Errno::ACCESS => Error::Denied { ifindex, queue },
        Errno::NODEV => Error::NoInterface(ifindex),
        Errno::NETDOWN => Error::Down(ifindex),
        Errno::OPNOTSUPP if options.copy == CopyMode::ForceZeroCopy => Error::NoZeroCopy(ifindex),
        _ => Error::os("bind the AF_XDP socket", errno),
    }
}
