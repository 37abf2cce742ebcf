// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is leased, read from the kernel at this moment: locks say who holds what, slots what is
//! occupied, links what program is where. The texts of [`crate::leases::record`] only add to a
//! lease that its locks prove.

use std::collections::{BTreeMap, HashSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::net::if_::if_nameindex;
use xsk_bpf::Redirect;
use xsk_netlink::Link;
use xsk_proto::{Confinement, InterfaceStatus, LeaseStatus, Mode, StatusPart};

use crate::bpf_call::privileged;
use crate::caller::Caller;
use crate::kernel::{Kernel, mode};
use crate::leases;
use crate::leases::key::Key;
use crate::leases::pins;
use crate::leases::record::Record;
use crate::leases::table::{self, Holder};
use crate::sys::clock::boot_time;

/// How many leases or interfaces go into one packet: each has well under 512 bytes.
const AT_ONCE: usize = 64;

/// How long to wait for the texts of leases whose locks are there already.
const PATIENCE: Duration = Duration::from_millis(50);
const STEP: Duration = Duration::from_millis(1);

/// Returns the answer for a user in packets: the user's own leases, and all leases for root.
pub(crate) fn parts(caller: &Caller, kernel: &Kernel) -> Vec<StatusPart> {
    let uid = caller.uid;
    let (mut interfaces, mut all) = (Vec::new(), Vec::new());
    let deadline = Instant::now() + PATIENCE;
    let pinned: HashSet<Key> = pins::all().into_iter().collect();
    let present = indexes();
    for key in leases::interfaces() {
        // Lock files stay for a while when an interface goes; they are many where interfaces come
        // and go. A lease without pins is one whose pins somebody has removed: it is looked for on
        // this namespace's interfaces.
        let here = key.netns == caller.netns && present.contains(&key.ifindex);
        if !here && !pinned.contains(&key) {
            continue;
        }
        let holders = table::holders(key).unwrap_or_default();
        // An index of another namespace says nothing here.
        let netlink = here.then_some(&kernel.netlink);
        let link = netlink.and_then(|netlink| netlink.link_by_index(key.ifindex).ok().flatten());
        let occupied = interface(key, link.as_ref(), &holders);
        let slots = occupied.as_ref().map(|(_, slots)| slots.clone());
        let mut own = leases_of(key, link.as_ref(), &holders, slots.as_deref(), deadline);
        own.retain(|lease| uid == 0 || lease.uid == uid);
        if let Some((status, _)) = occupied.filter(|_| uid == 0 || !own.is_empty()) {
            interfaces.push(status);
        }
        all.extend(own);
    }
    packets(&interfaces, &all)
}

fn packets(interfaces: &[InterfaceStatus], leases: &[LeaseStatus]) -> Vec<StatusPart> {
    let mut parts: Vec<StatusPart> = interfaces
        .chunks(AT_ONCE)
        .map(|chunk| StatusPart { interfaces: chunk.to_vec(), more: true, ..StatusPart::default() })
        .chain(leases.chunks(AT_ONCE).map(|chunk| StatusPart {
            leases: chunk.to_vec(),
            more: true,
            ..StatusPart::default()
        }))
        .collect();
    match parts.last_mut() {
        Some(last) => last.more = false,
        None => parts.push(StatusPart::default()),
    }
    parts
}

/// The indexes of this namespace's interfaces.
fn indexes() -> HashSet<u32> {
    let found = if_nameindex();
    found.iter().flat_map(|found| found.iter().map(|interface| interface.index())).collect()
}

/// The program on an interface, and the occupied slots.
fn interface(
    key: Key,
    link: Option<&Link>,
    holders: &[Holder],
) -> Option<(InterfaceStatus, Vec<u32>)> {
    // Before Linux 5.19 that takes a capability.
    let read = || {
        let redirect = Redirect::open(&pins::folder(key))?;
        Ok((redirect.link.info()?, redirect.slots.occupied_of(&redirect.map).unwrap_or_default()))
    };
    let (info, occupied) = privileged(read).ok()?;
    let attached =
        link.and_then(|link| link.xdp.iter().find(|program| program.prog_id == info.prog_id));
    let held = |queue: &u32| holders.iter().any(|holder| holder.queue == *queue);
    let status = InterfaceStatus {
        ifname: link
            .filter(|_| attached.is_some())
            .map(|link| link.name.clone())
            .unwrap_or_default(),
        ifindex: key.ifindex,
        netns_cookie: key.netns.cookie(),
        program_id: info.prog_id,
        mode: attached.and_then(|attached| mode(attached.mode)).unwrap_or(Mode::Native),
        orphans: occupied.iter().copied().filter(|queue| !held(queue)).collect(),
    };
    Some((status, occupied))
}

/// Returns what the keeper of a lease has written. It writes once the sockets are sent.
fn text(place: (Key, u32), (keeper, uid): (u32, u32), deadline: Instant) -> Option<Record> {
    loop {
        let record =
            Record::read(uid, place.0, place.1).filter(|r| r.keeper == keeper && r.uid == uid);
        if record.is_some() || Instant::now() >= deadline {
            return record;
        }
        sleep(STEP);
    }
}

/// One lease a process that holds queues.
fn leases_of(
    key: Key,
    link: Option<&Link>,
    holders: &[Holder],
    occupied: Option<&[u32]>,
    deadline: Instant,
) -> Vec<LeaseStatus> {
    let mut by_process: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    for holder in holders {
        by_process.entry((holder.pid, holder.uid)).or_default().push(holder.queue);
    }
    let name = link.map(|link| link.name.clone()).unwrap_or_default();
    let lease = |((keeper, uid), queues): ((u32, u32), Vec<u32>)| {
        let first_queue = queues.first().copied().unwrap_or_default();
        let record = text((key, first_queue), (keeper, uid), deadline);
        let idle = queues
            .iter()
            .copied()
            .filter(|queue| occupied.is_some_and(|slots| !slots.contains(queue)));
        LeaseStatus {
            lease: record.as_ref().map_or(0, |record| record.lease),
            ifname: name.clone(),
            ifindex: key.ifindex,
            netns_cookie: key.netns.cookie(),
            first_queue,
            queues: queues.len() as u32,
            uid,
            client: record.as_ref().map_or(0, |record| record.client),
            keeper,
            age: record
                .as_ref()
                .map_or(0, |record| boot_time().as_secs().saturating_sub(record.since)),
            rule: record.as_ref().map(|record| record.rule.clone()).unwrap_or_default(),
            confinement: Confinement {
                device: record.as_ref().is_some_and(|record| record.device),
                queue: record.as_ref().is_some_and(|record| record.queue),
            },
            idle: idle.collect(),
        }
    };
    by_process.into_iter().map(lease).collect()
}
