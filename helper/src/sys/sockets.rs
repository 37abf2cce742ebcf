// SPDX-License-Identifier: MIT OR Apache-2.0
//! AF_XDP sockets up to the hand-over, and what the kernel says of the other end of a connection.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::check;

/// include/uapi/asm-generic/socket.h; younger than the oldest C library that we build with.
const SO_NETNS_COOKIE: libc::c_int = 71;
const SO_PREFER_BUSY_POLL: libc::c_int = 69;
const SO_BUSY_POLL_BUDGET: libc::c_int = 70;
const SO_BINDTOIFINDEX: libc::c_int = 62;

/// Which busy-polling option to set (see socket(7)).
#[derive(Debug, Clone, Copy)]
pub(crate) enum BusyPollOption {
    Prefer,
    Usecs,
    Budget,
}

/// A new AF_XDP socket; wants CAP_NET_RAW.
pub(crate) fn xdp_socket() -> io::Result<OwnedFd> {
    // SAFETY: a plain system call.
    let fd = check(unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_int(socket: BorrowedFd<'_>, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    set_int_at(socket, libc::SOL_SOCKET, option, value)
}

fn set_int_at(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let pointer: *const libc::c_int = &value;
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` outlives the call, and `len` is its size.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, pointer.cast(), len) })
        .map(drop)
}

/// Has rtnetlink check requests, and filter dumps by what they say.
pub(crate) fn set_strict_netlink(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_int_at(socket, libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, 1)
}

/// Pins the socket to an interface by its index: changing that takes CAP_NET_RAW.
pub(crate) fn bind_to_ifindex(socket: BorrowedFd<'_>, ifindex: u32) -> io::Result<()> {
    set_int(socket, SO_BINDTOIFINDEX, ifindex as libc::c_int)
}

/// Sets an option of busy polling; wants CAP_NET_ADMIN.
pub(crate) fn set_busy_poll(
    socket: BorrowedFd<'_>,
    option: BusyPollOption,
    value: u32,
) -> io::Result<()> {
    let option = match option {
        BusyPollOption::Prefer => SO_PREFER_BUSY_POLL,
        BusyPollOption::Usecs => libc::SO_BUSY_POLL,
        BusyPollOption::Budget => SO_BUSY_POLL_BUDGET,
    };
    set_int(socket, option, value as libc::c_int)
}

/// The errno of bind(2) for an interface and a queue. On a socket without rings it always fails.
pub(crate) fn bind_errno(socket: BorrowedFd<'_>, ifindex: u32, queue: u32) -> i32 {
    bind_with(socket, ifindex, queue, 0)
}

fn bind_with(socket: BorrowedFd<'_>, ifindex: u32, queue: u32, flags: u16) -> i32 {
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: flags,
        sxdp_ifindex: ifindex,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: 0,
    };
    let pointer: *const libc::sockaddr_xdp = &address;
    let len = size_of::<libc::sockaddr_xdp>() as libc::socklen_t;
    // SAFETY: `address` outlives the call, and `len` is its size.
    let ret = unsafe { libc::bind(socket.as_raw_fd(), pointer.cast(), len) };
    if ret == 0 { 0 } else { io::Error::last_os_error().raw_os_error().unwrap_or(0) }
}

/// The cookie of the network namespace that the socket belongs to; for an accepted one, the
/// client's. `None` where the kernel has no such thing.
pub(crate) fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    let mut cookie = 0u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    let pointer: *mut u64 = &mut cookie;
    let (fd, level) = (socket.as_raw_fd(), libc::SOL_SOCKET);
    // SAFETY: `cookie` and `len` outlive the call, and `len` is the size of `cookie`.
    match check(unsafe { libc::getsockopt(fd, level, SO_NETNS_COOKIE, pointer.cast(), &mut len) }) {
        Ok(_) => Ok(Some(cookie)),
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The supplementary groups that the other end had when it connected.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut groups = vec![0u32; 64];
    loop {
        let mut len = (groups.len() * size_of::<u32>()) as libc::socklen_t;
        let (fd, level) = (socket.as_raw_fd(), libc::SOL_SOCKET);
        let buffer = groups.as_mut_ptr().cast();
        // SAFETY: `groups` and `len` outlive the call, and `len` is the size of the buffer in
        // bytes.
        match check(unsafe { libc::getsockopt(fd, level, libc::SO_PEERGROUPS, buffer, &mut len) }) {
            Ok(_) => {
                groups.truncate(len as usize / size_of::<u32>());
                return Ok(groups);
            }
            // The kernel says how many bytes it would need.
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) => {
                groups.resize(len as usize / size_of::<u32>(), 0);
            }
            Err(error) => return Err(error),
        }
    }
}

/// What a packet socket asks of the interface while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// Every frame.
    Everything,
    /// The frames for every group.
    Groups,
    /// The frames for this address.
    Unicast([u8; 6]),
}

impl Membership {
    fn request(self, ifindex: u32) -> libc::packet_mreq {
        let (kind, address) = match self {
            Self::Everything => (libc::PACKET_MR_PROMISC, None),
            Self::Groups => (libc::PACKET_MR_ALLMULTI, None),
            Self::Unicast(address) => (libc::PACKET_MR_UNICAST, Some(address)),
        };
        let mut request = libc::packet_mreq {
            mr_ifindex: ifindex as libc::c_int,
            mr_type: kind as libc::c_ushort,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        if let Some(address) = address {
            request.mr_alen = address.len() as libc::c_ushort;
            request.mr_address[..address.len()].copy_from_slice(&address);
        }
        request
    }
}

/// Makes a packet socket that asks the interface for more frames, and receives none; wants
/// CAP_NET_RAW.
pub(crate) fn members(ifindex: u32, wanted: &[Membership]) -> io::Result<OwnedFd> {
    // SAFETY: a plain system call. Protocol 0: the socket receives nothing.
    let fd =
        check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    for membership in wanted {
        let request = membership.request(ifindex);
        let pointer: *const libc::packet_mreq = &request;
        let len = size_of::<libc::packet_mreq>() as libc::socklen_t;
        let option = libc::PACKET_ADD_MEMBERSHIP;
        // SAFETY: `request` outlives the call, and `len` is its size.
        check(unsafe {
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, pointer.cast(), len)
        })?;
    }
    Ok(socket)
}

/// Returns whether the descriptor is a socket of this domain and type.
pub(crate) fn is_socket(fd: BorrowedFd<'_>, domain: libc::c_int, kind: libc::c_int) -> bool {
    let get = |option| {
        let mut value = MaybeUninit::<libc::c_int>::zeroed();
        let mut len = size_of::<libc::c_int>() as libc::socklen_t;
        let pointer = value.as_mut_ptr();
        // SAFETY: `value` and `len` outlive the call, and `len` is the size of `value`.
        let ret = unsafe {
            libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, pointer.cast(), &mut len)
        };
        // SAFETY: it was zeroed, so it is initialised whether the kernel wrote or not.
        (ret == 0).then(|| unsafe { value.assume_init() })
    };
    get(libc::SO_DOMAIN) == Some(domain) && get(libc::SO_TYPE) == Some(kind)
}

/// Has the kernel drop every link event but those of one interface (a classic BPF program over the
/// message: `ifi_index` stands 20 bytes in, in the byte order of the machine, and loads are in that
/// of the network).
pub(crate) fn filter_link_events(socket: BorrowedFd<'_>, ifindex: u32) -> io::Result<()> {
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 20),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, ifindex.to_be()),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let pointer: *const libc::sock_fprog = &filter;
    let len = size_of::<libc::sock_fprog>() as libc::socklen_t;
    let option = libc::SO_ATTACH_FILTER;
    // SAFETY: `filter` and the program that it points to outlive the call, and the lengths are
    // theirs.
    check(unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, pointer.cast(), len)
    })
    .map(drop)
}

/// Accepts a connection.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (address, len) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: no address is asked for, as the call allows.
    let fd =
        check(unsafe { libc::accept4(listener.as_raw_fd(), address, len, libc::SOCK_CLOEXEC) })?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Returns whether the other end has received all that was sent on a connection, or is gone.
pub(crate) fn is_all_received(connection: BorrowedFd<'_>) -> bool {
    let mut left: libc::c_int = 0;
    // SAFETY: the command (SIOCOUTQ) writes one number, and `left` outlives the call.
    unsafe { libc::ioctl(connection.as_raw_fd(), libc::TIOCOUTQ, &mut left) == 0 && left == 0 }
}

/// Receives the one descriptor of the packet that is there.
pub(crate) fn receive_descriptor(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut data = [io::IoSliceMut::new(&mut byte)];
    let mut room = nix::cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut data, Some(&mut room), flags)?;
    let all = message.cmsgs()?.flat_map(|control| match control {
        ControlMessageOwned::ScmRights(descriptors) => descriptors,
        _ => Vec::new(),
    });
    // SAFETY: the kernel has just made these descriptors for us, so nobody else owns them.
    let all: Vec<OwnedFd> = all.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect();
    // There is room for a second, by the rounding up of sizes: it is closed.
    all.into_iter().next().ok_or_else(|| io::Error::other("none came"))
}

/// The errno of a bind(2) in zero-copy mode, on a driver that has none: EBUSY while another socket
/// is bound to the queue, and EOPNOTSUPP, with nothing kept, when it is free
/// (net/xdp/xsk_buff_pool.c, `xp_assign_dev`).
pub(crate) fn zero_copy_bind_errno(ifindex: u32, queue: u32) -> io::Result<i32> {
    let socket = xdp_socket()?;
    // The kernel takes a UMEM of one page that is writable and stays where it is.
    let page = Page::new()?;
    let umem = libc::xdp_umem_reg {
        addr: page.0 as u64,
        len: PAGE as u64,
        chunk_size: PAGE as u32,
        headroom: 0,
        flags: 0,
        tx_metadata_len: 0,
    };
    let pointer: *const libc::xdp_umem_reg = &umem;
    // Kernels before 6.8 know the structure without its last member, and all of them that shorter
    // size.
    let len = std::mem::offset_of!(libc::xdp_umem_reg, tx_metadata_len) as libc::socklen_t;
    // SAFETY: `umem` outlives the call, `len` is at most its size, and the page that it names stays
    // mapped until after the socket is closed.
    check(unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_XDP, libc::XDP_UMEM_REG, pointer.cast(), len)
    })?;
    for ring in [libc::XDP_UMEM_FILL_RING, libc::XDP_UMEM_COMPLETION_RING, libc::XDP_RX_RING] {
        set_int_at(socket.as_fd(), libc::SOL_XDP, ring, 1)?;
    }
    let errno = bind_with(socket.as_fd(), ifindex, queue, libc::XDP_ZEROCOPY);
    drop(socket);
    drop(page);
    Ok(errno)
}

const PAGE: usize = 4096;

/// A page of memory of its own.
struct Page(*mut libc::c_void);

impl Page {
    fn new() -> io::Result<Self> {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice touches nobody's memory.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, protection, flags, -1, 0) };
        if page == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self(page)) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this size, and nothing points into it any more.
        unsafe { libc::munmap(self.0, PAGE) };
    }
}
