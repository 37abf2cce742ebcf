// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which queues of an interface are held, and by whom: by the caller's leases, as the helper says;
//! by others, as the kernel says, or the helper to root.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use xsk_proto::StatusPart;

use crate::kernel;
use crate::nic::Nic;
use crate::sys::netlink;

/// The queues of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// How many receive.
    pub(super) queues: u32,
    pub(super) yours: BTreeSet<u32>,
    /// `None` where nobody tells.
    pub(super) others: Option<BTreeSet<u32>>,
}

impl Held {
    pub(super) fn of(nic: &Nic, status: &StatusPart) -> Self {
        let queues = nic.receives().unwrap_or(nic.link.rx_queues);
        let uid = rustix::process::getuid().as_raw();
        let bound = bound(nic.link.ifindex, queues);
        Self::from(queues, nic.link.ifindex, (uid, uid == 0), status, bound)
    }

    /// `caller`: their uid, and whether the helper shows them everybody's leases.
    fn from(
        queues: u32,
        ifindex: u32,
        (uid, sees_all): (u32, bool),
        status: &StatusPart,
        bound: Option<BTreeSet<u32>>,
    ) -> Self {
        let leases = || status.leases.iter().filter(|lease| lease.ifindex == ifindex);
        let of = |yours: bool| -> BTreeSet<u32> {
            let leases = leases().filter(|lease| (lease.uid == uid) == yours);
            leases.flat_map(|lease| (lease.first_queue..).take(lease.queues as usize)).collect()
        };
        let (yours, leased) = (of(true), of(false));
        let others = match bound {
            Some(bound) => Some(&(&bound - &yours) | &leased),
            None => sees_all.then_some(leased),
        };
        Self { queues, yours, others }
    }

    /// The queues that nobody holds; `None` where that is not known.
    pub(super) fn free(&self) -> Option<BTreeSet<u32>> {
        let others = self.others.as_ref()?;
        Some((0..self.queues).filter(|q| !self.yours.contains(q) && !others.contains(q)).collect())
    }
}

/// The queues to which a socket is bound; `None` where the kernel does not tell.
fn bound(ifindex: u32, queues: u32) -> Option<BTreeSet<u32>> {
    let netdev = netlink::netdev(kernel::version()).ok().flatten()?;
    let mut bound = BTreeSet::new();
    for queue in 0..queues {
        if netdev.bound(ifindex, queue).ok().flatten()? {
            bound.insert(queue);
        }
    }
    Some(bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xsk_proto::{Confinement, LeaseStatus};

    fn lease(uid: u32, ifindex: u32, first_queue: u32, queues: u32) -> LeaseStatus {
        LeaseStatus {
            lease: 1,
            ifname: "eth1".into(),
            ifindex,
            netns_cookie: 1,
            first_queue,
            queues,
            uid,
            client: 50,
            keeper: 51,
            age: 1,
            rule: String::new(),
            confinement: Confinement { device: true, queue: false },
            idle: vec![],
        }
    }

    fn set(queues: &[u32]) -> BTreeSet<u32> {
        queues.iter().copied().collect()
    }

    fn held(caller: (u32, bool), bound: Option<&[u32]>) -> Held {
        let leases = vec![lease(1000, 4, 0, 2), lease(1001, 4, 3, 1), lease(1000, 5, 4, 1)];
        let leases = leases.into_iter().filter(|lease| caller.1 || lease.uid == caller.0).collect();
        let status = StatusPart { leases, ..StatusPart::default() };
        Held::from(5, 4, caller, &status, bound.map(set))
    }

    #[test]
    fn what_the_kernel_tells_counts_for_everybody() {
        let held = held((1000, false), Some(&[0, 2, 3]));
        assert_eq!((held.yours.clone(), held.others.clone()), (set(&[0, 1]), Some(set(&[2, 3]))));
        assert_eq!(held.free(), Some(set(&[4])));
    }

    #[test]
    fn without_the_kernels_word_only_root_knows_of_others() {
        let user = held((1000, false), None);
        assert_eq!((user.others.clone(), user.free()), (None, None));
        let root = held((0, true), None);
        assert_eq!(root.others, Some(set(&[0, 1, 3])));
        assert_eq!(root.free(), Some(set(&[2, 4])));
    }
}
