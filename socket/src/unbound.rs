// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first state: a descriptor, proven to be a fresh AF_XDP socket.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::xdp::{XdpUmemReg, XdpUmemRegFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
use rustix::process::{Resource, getrlimit};

use crate::config::Config;
use crate::datapath::DataPath;
use crate::error::Error;
use crate::ready::Ready;
use crate::rings::Rings;
use crate::sys::Umem;

/// An AF_XDP socket without memory, bound to nothing.
#[derive(Debug)]
pub struct Unbound {
    fd: OwnedFd,
}

impl Unbound {
    /// Takes over a descriptor, after checking that it is AF_XDP and has neither a UMEM nor a
    /// binding.
    ///
    /// # Errors
    /// [`Error::NotXdp`], [`Error::InUse`]. The descriptor is closed then.
    pub fn adopt(fd: OwnedFd) -> Result<Self, Error> {
        match sockopt::socket_domain(&fd) {
            Ok(AddressFamily::XDP) => {}
            Ok(other) => {
                return Err(Error::NotXdp(format!("its address family is {}", other.as_raw())));
            }
            Err(errno) => return Err(Error::NotXdp(std::io::Error::from(errno).to_string())),
        }
        check_fresh(fd.as_fd())?;
        Ok(Self { fd })
    }

    /// Creates a socket in this network namespace. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// [`Error::Unprivileged`], [`Error::NoKernelSupport`].
    pub fn create() -> Result<Self, Error> {
        match socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None) {
            Ok(fd) => Ok(Self { fd }),
            Err(Errno::PERM | Errno::ACCESS) => Err(Error::Unprivileged),
            Err(Errno::AFNOSUPPORT) => Err(Error::NoKernelSupport),
            Err(errno) => Err(Error::os("create an AF_XDP socket", errno)),
        }
    }

    /// Registers the UMEM, sets up the rings, and fills the fill ring.
    ///
    /// # Errors
    /// [`Error::Config`]; [`Error::Memlock`] when not even the configuration's least fits;
    /// [`Error::InUse`].
    pub fn prepare(self, config: &Config) -> Result<Ready, Error> {
        config.check()?;
        let (umem, config) = register(self.fd.as_fd(), config)?;
        let rings = Rings::create(self.fd.as_fd(), config.ring_size())?;
        Ok(Ready::new(DataPath::new(self.fd, umem, rings, &config)))
    }

    /// The descriptor itself, for whoever passes it on.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Unbound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A UMEM registration that no kernel accepts tells a fresh socket (EINVAL) from one in use (EBUSY)
/// and changes neither: `xsk_setsockopt` in `net/xdp/xsk.c` looks at the state first.
fn check_fresh(fd: BorrowedFd<'_>) -> Result<(), Error> {
    match sockopt::set_xdp_umem_reg(fd, registration(0, 0, 0)) {
        Err(Errno::INVAL) => Ok(()),
        Err(Errno::BUSY) | Ok(()) => Err(Error::InUse),
        Err(errno) => Err(Error::os("probe the AF_XDP socket", errno)),
    }
}

fn registration(addr: u64, len: u64, chunk_size: u32) -> XdpUmemReg {
    XdpUmemReg {
        addr,
        len,
        chunk_size,
        headroom: 0,
        flags: XdpUmemRegFlags::empty(),
        tx_metadata_len: 0,
    }
}

/// Registers a UMEM, a smaller one where the limit of locked memory asks for it.
fn register(fd: BorrowedFd<'_>, wanted: &Config) -> Result<(Umem, Config), Error> {
    let mut config = wanted.clone();
    loop {
        let umem = Umem::new(config.bytes() as usize)
            .map_err(|errno| Error::os("allocate the UMEM", errno))?;
        let request = registration(umem.address(), umem.len() as u64, 1 << config.shift());
        match sockopt::set_xdp_umem_reg(fd, request) {
            Ok(()) => return Ok((umem, config)),
            Err(Errno::BUSY) => return Err(Error::InUse),
            Err(Errno::NOBUFS | Errno::NOMEM) => match config.halved() {
                Some(smaller) => config = smaller,
                None => return Err(memlock(config.bytes())),
            },
            Err(errno) => return Err(Error::os("register the UMEM", errno)),
        }
    }
}

fn memlock(needed: u64) -> Error {
    Error::Memlock { needed, limit: getrlimit(Resource::Memlock).current }
}
