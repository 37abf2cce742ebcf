// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel lacks what the request, or the policy, cannot do without.
#![forbid(unsafe_code)]

use xsk_bpf::Step;
use xsk_proto::{Code, Refused};

use super::{Cause, say};

/// What the kernel lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KernelFault {
    /// It is older than all that can work.
    TooOld(&'static str),
    /// Programs for frames of several buffers.
    NoFrags,
    /// AF_XDP sockets.
    NoSockets,
    /// It takes a socket into the map only when neither the helper nor the keeper can put it there.
    NoDeferredInsert,
    /// Busy polling.
    NoBusyPolling(Cause),
    /// It does not hold sockets to their interface, `name`.
    NoDeviceConfinement { name: String },
    /// It does not hold sockets to their queue, which the rule demands.
    NoQueueConfinement { name: String },
}

const KERNEL: &str = "kernel";

impl KernelFault {
    pub(super) fn refused(&self) -> Refused {
        let too_old =
            |object, message: String, hint| say(Code::KernelTooOld, object, message, hint);
        match self {
            Self::TooOld(lacks) => too_old(
                KERNEL,
                format!("Linux 5.10 or later is needed, and this kernel {lacks}"),
                "use Linux 6.1 or later, which has everything; what 5.10 lacks is in docs/operations.md",
            ),
            Self::NoFrags => too_old(
                "frags",
                "this kernel has no XDP programs for frames of several buffers".into(),
                "use Linux 5.18 or later, or ask without frags",
            ),
            Self::NoSockets => {
                too_old(KERNEL, "the kernel has no AF_XDP sockets".into(), "it needs CONFIG_XDP_SOCKETS")
            }
            Self::NoDeferredInsert => too_old(
                KERNEL,
                "this kernel takes a socket into the map only after its consumer has set it up, and from a capability \
                 only"
                    .into(),
                "use Linux 5.19 or later",
            ),
            Self::NoBusyPolling(cause) => too_old(
                "busy-poll",
                format!("the kernel refuses busy polling: {cause}"),
                "it needs Linux 5.11 or later; leave --busy-poll out",
            ),
            Self::NoDeviceConfinement { name } => say(
                Code::Confinement,
                name,
                "this kernel does not hold an AF_XDP socket to its interface, so only root can have one",
                "use Linux 6.5 or later, or a stable kernel that honours SO_BINDTODEVICE on AF_XDP sockets",
            ),
            Self::NoQueueConfinement { name } => say(
                Code::Confinement,
                name,
                format!(
                    "the policy demands that sockets of {name} are held to their queues, which this kernel cannot do"
                ),
                "boot with bpf among the security modules (lsm=…,bpf), or set confine = \"device\" in the rule",
            ),
        }
    }
}

/// The errno of a load that everybody meets first is worth a sentence.
pub(super) fn refused_load(error: &xsk_bpf::Error) -> Option<Refused> {
    let hint =
        "the XSK program needs Linux 5.10 or later with CONFIG_XDP_SOCKETS and CONFIG_BPF_SYSCALL";
    is_refused_load(error).then(|| say(Code::KernelTooOld, KERNEL, error.to_string(), hint))
}

/// Returns whether the kernel does not know what the program asks for.
pub(super) fn is_refused_load(error: &xsk_bpf::Error) -> bool {
    error.step == Step::Load && matches!(error.errno, libc::EINVAL | libc::E2BIG)
}
