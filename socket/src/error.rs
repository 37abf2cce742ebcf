// SPDX-License-Identifier: MIT OR Apache-2.0
//! One error for the crate. Each says what happened, to what, and what to do about it.
#![forbid(unsafe_code)]

use std::time::Duration;

use rustix::io::Errno;

/// What can go wrong between a descriptor and a bound socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The descriptor is not an AF_XDP socket.
    #[error(
        "the descriptor is not an AF_XDP socket ({0}); pass one that socket(AF_XDP, SOCK_RAW, 0) returned"
    )]
    NotXdp(String),
    /// The socket has a UMEM or rings, or is bound.
    #[error(
        "the AF_XDP socket is in use already: it is bound or has a UMEM or rings; pass a fresh one"
    )]
    InUse,
    /// Creating a socket was refused.
    #[error(
        "creating an AF_XDP socket needs CAP_NET_RAW; let a privileged program create it and pass it in"
    )]
    Unprivileged,
    /// The kernel has no AF_XDP.
    #[error("this kernel has no AF_XDP; it needs CONFIG_XDP_SOCKETS=y")]
    NoKernelSupport,
    /// The configuration cannot work.
    #[error("bad UMEM configuration: {0}")]
    Config(String),
    /// The UMEM does not fit in the limit of locked memory.
    #[error(
        "locking {needed} bytes for the UMEM was refused: the limit is {}{}; run `ulimit -l {}` (KiB) first, or put \
         `LimitMEMLOCK={}` in the systemd unit, or `* hard memlock {}` in /etc/security/limits.conf, or choose \
         fewer frames",
        limit.map_or("unlimited".to_owned(), |limit| format!("{limit} bytes")),
        if *limit >= Some(*needed) { ", and this user's processes have locked the most of it" } else { "" },
        sufficient(*needed, *limit).div_ceil(1024), sufficient(*needed, *limit),
        sufficient(*needed, *limit).div_ceil(1024)
    )]
    Memlock {
        /// Bytes of the smallest UMEM that was tried.
        needed: u64,
        /// The soft RLIMIT_MEMLOCK of this process in bytes; none: unlimited.
        limit: Option<u64>,
    },
    /// Another socket holds the queue, and did so for the whole wait.
    #[error(
        "queue {queue} of interface {ifindex} is held by another AF_XDP socket (waited {} ms); end its holder, or \
         choose another queue", waited.as_millis()
    )]
    Busy {
        /// The interface.
        ifindex: u32,
        /// The queue.
        queue: u32,
        /// How long was waited.
        waited: Duration,
    },
    /// EINVAL from bind.
    #[error(
        "bind to queue {queue} of interface {ifindex} was refused (EINVAL): there is no such queue \
         (`ethtool -l` shows them), or the socket is pinned to another interface"
    )]
    Invalid {
        /// The interface.
        ifindex: u32,
        /// The queue.
        queue: u32,
    },
    /// EPERM or EACCES from bind: the socket is confined to something else.
    #[error(
        "bind to queue {queue} of interface {ifindex} is not permitted: the socket was granted for another \
         queue, or its lease is over; acquire it anew"
    )]
    Denied {
        /// The interface.
        ifindex: u32,
        /// The queue.
        queue: u32,
    },
    /// There is no such interface in the socket's network namespace.
    #[error("there is no interface {0} in the socket's network namespace; `ip -o link` lists them")]
    NoInterface(u32),
    /// The interface is down.
    #[error("interface {0} is down; `ip link set dev NAME up` brings it up")]
    Down(u32),
    /// The driver has no zero-copy.
    #[error("the driver of interface {0} has no zero-copy on that queue; bind in copy mode")]
    NoZeroCopy(u32),
    /// The interface went away under the bound socket.
    #[error(
        "interface {0} was removed, or left the network namespace; the socket is dead, acquire a new one"
    )]
    Gone(u32),
    /// Any other failure of a system call.
    #[error("cannot {step}: {source}")]
    Os {
        /// What was tried.
        step: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

/// The limit with which the UMEM fits: the charge is for all processes of the user together, so one
/// that is large enough by itself has to grow.
fn sufficient(needed: u64, limit: Option<u64>) -> u64 {
    match limit {
        Some(limit) if limit >= needed => limit.saturating_add(needed),
        _ => needed,
    }
}

impl Error {
    pub(crate) fn os(step: &'static str, errno: Errno) -> Self {
        Self::Os { step, source: errno.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn the_limit_to_set_counts_what_other_processes_have() {
        let alone = Error::Memlock { needed: 4 << 20, limit: Some(1 << 20) }.to_string();
        assert!(alone.contains("the limit is 1048576 bytes; run `ulimit -l 4096`"), "{alone}");
        let shared = Error::Memlock { needed: 4 << 20, limit: Some(8 << 20) }.to_string();
        assert!(shared.contains("have locked the most of it; run `ulimit -l 12288`"), "{shared}");
    }
}
