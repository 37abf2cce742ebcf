// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel holds sockets to, and whether that is enough. A grant and a check get a
//! [`Confinement`] from here alone, so neither can pass over the decision.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;

use xsk_proto::{Confinement, Warning, WarningKind};

use super::sockets;
use crate::error::KernelFault;
use crate::guard::Guard;
use crate::policy::rule::Confine;

/// What the kernel holds a socket to; a trait so that the decision can be tested.
pub(super) trait Probe {
    /// Returns whether the kernel holds the socket to its interface.
    fn device(&self) -> bool;
    /// Returns whether the bind guard holds it to its queue.
    fn queue(&self) -> bool;
}

/// The sockets of a request, on the first of which this is tried. The guard's stamp on it is made
/// anew afterwards.
pub(super) struct Sockets<'a> {
    pub(super) sockets: &'a [OwnedFd],
    pub(super) guard: Option<&'a Guard>,
}

impl Probe for Sockets<'_> {
    fn device(&self) -> bool {
        self.sockets.first().is_some_and(sockets::confined_to_device)
    }

    fn queue(&self) -> bool {
        self.sockets.first().zip(self.guard).is_some_and(|(socket, guard)| guard.in_force(socket))
    }
}

/// Returns what the kernel holds sockets to, if that is enough for this caller. A client other than
/// root gets nothing that the kernel does not hold to its interface, and what a rule demands beyond
/// that has to hold too.
pub(super) fn establish(
    probe: &impl Probe,
    demanded: Confine,
    uid: u32,
    ifname: &str,
) -> Result<Confinement, KernelFault> {
    let name = || ifname.to_owned();
    let device = probe.device();
    let queue = device && probe.queue();
    if !device && uid != 0 {
        return Err(KernelFault::NoDeviceConfinement { name: name() });
    }
    if demanded == Confine::Queue && !queue {
        return Err(KernelFault::NoQueueConfinement { name: name() });
    }
    Ok(Confinement { device, queue })
}

/// Returns what a grant says of confinement that is not complete.
pub(super) fn warning(held: Confinement, ifname: &str) -> Option<Warning> {
    let (kind, text) = match (held.device, held.queue) {
        (false, _) => (
            WarningKind::NoDeviceConfinement,
            format!("this kernel does not hold the sockets to {ifname}"),
        ),
        (true, false) => (
            WarningKind::NoQueueConfinement,
            format!("this kernel holds the sockets to {ifname}, not to their queues"),
        ),
        (true, true) => return None,
    };
    Some(Warning { kind, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Probe for Confinement {
        fn device(&self) -> bool {
            self.device
        }

        fn queue(&self) -> bool {
            self.queue
        }
    }

    const NOTHING: Confinement = Confinement { device: false, queue: false };
    const DEVICE: Confinement = Confinement { device: true, queue: false };
    const QUEUE: Confinement = Confinement { device: true, queue: true };

    const NO_DEVICE: Option<bool> = Some(false);
    const NO_QUEUE: Option<bool> = Some(true);

    /// Which of both is missing; none if it is enough.
    fn missing(held: Confinement, demanded: Confine, uid: u32) -> Option<bool> {
        let fault = establish(&held, demanded, uid, "eth1").err()?;
        Some(matches!(fault, KernelFault::NoQueueConfinement { .. }))
    }

    #[test]
    fn only_root_gets_a_socket_that_is_not_held_to_its_interface() {
        assert_eq!(missing(NOTHING, Confine::Device, 1000), NO_DEVICE);
        assert_eq!(missing(NOTHING, Confine::Device, 0), None);
        assert_eq!(missing(DEVICE, Confine::Device, 1000), None);
    }

    #[test]
    fn what_a_rule_demands_has_to_hold_for_root_too() {
        for uid in [0, 1000] {
            assert_eq!(missing(DEVICE, Confine::Queue, uid), NO_QUEUE);
            assert_eq!(missing(QUEUE, Confine::Queue, uid), None);
        }
        assert_eq!(establish(&QUEUE, Confine::Device, 1000, "eth1"), Ok(QUEUE));
    }

    #[test]
    fn what_is_missing_is_said() {
        let kind = |held| warning(held, "eth1").map(|warning| warning.kind);
        assert_eq!(kind(NOTHING), Some(WarningKind::NoDeviceConfinement));
        assert_eq!(kind(DEVICE), Some(WarningKind::NoQueueConfinement));
        assert_eq!(kind(QUEUE), None);
    }
}
