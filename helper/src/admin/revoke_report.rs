// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `revoke` has to say to a person.
#![forbid(unsafe_code)]

use crate::revoke::{About, Cleared, End, Ended, Revoked};

/// One line a thing that was done.
pub(super) fn lines(revoked: &Revoked) -> Vec<String> {
    let ended = revoked.leases.iter().filter(|lease| lease.end != End::Holding).count();
    let plural = if ended == 1 { "" } else { "s" };
    let mut lines = vec![format!(
        "{ended} lease{plural} revoked; their holders can still send until they close their sockets"
    )];
    for lease in &revoked.leases {
        lines.extend(revoked.about(lease).map(|about| which(lease, about)));
        if lease.end == End::Killed {
            lines.push(format!(
                "keeper {} (uid {}) did not end on SIGTERM and was killed",
                lease.keeper, lease.uid
            ));
        }
        lines.extend(cleared(
            &lease.cleared,
            &format!("that keeper {} had left filled", lease.keeper),
        ));
    }
    lines.extend(cleared(&revoked.orphans, "that no lease accounted for"));
    lines
}

/// Which lease it was, and whose.
fn which(lease: &Ended, about: &About) -> String {
    let queues: Vec<String> = lease.queues.iter().map(u32::to_string).collect();
    let (uid, ifname, queues) = (lease.uid, &about.ifname, queues.join(", "));
    let client = about.client.as_deref().unwrap_or("not known");
    format!("{ifname} queue {queues} of uid {uid}: client {client}")
}

fn cleared(cleared: &Cleared, which: &str) -> Option<String> {
    let slots: Vec<String> = cleared.slots.iter().map(u32::to_string).collect();
    let plural = if slots.len() == 1 { "" } else { "s" };
    let emptied = format!("emptied the slot{plural} of queue {} {which}", slots.join(", "));
    let program = "took the program off the interface, which nobody uses any more";
    match (slots.is_empty(), cleared.program) {
        (true, false) => None,
        (true, true) => Some(program.to_owned()),
        (false, false) => Some(emptied),
        (false, true) => Some(format!("{emptied}; {program}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leases::key::{Key, Netns};

    fn lease(end: End, slots: &[u32]) -> Ended {
        let key = Key { netns: Netns::Cookie(1), ifindex: 2 };
        let cleared = Cleared { slots: slots.to_vec(), program: !slots.is_empty() };
        Ended { uid: 1000, keeper: 7, key, queues: vec![0, 1], end, cleared }
    }

    fn said(leases: Vec<Ended>, orphans: Cleared) -> String {
        let client = Some("70 (qemu -M pc)".to_owned());
        let about = vec![About { keeper: 7, ifname: "eth1".into(), client, sockets: vec![] }];
        lines(&Revoked { leases, about, orphans }).join("\n")
    }

    #[test]
    fn a_lease_that_ends_when_told_to_is_named() {
        assert_eq!(
            said(vec![lease(End::Told, &[])], Cleared::default()),
            "1 lease revoked; their holders can still send until they close their sockets\n\
             eth1 queue 0, 1 of uid 1000: client 70 (qemu -M pc)"
        );
    }

    #[test]
    fn what_had_to_be_done_is_said() {
        let killed = said(vec![lease(End::Killed, &[0, 1])], Cleared::default());
        assert!(
            killed.contains("keeper 7 (uid 1000) did not end on SIGTERM and was killed"),
            "{killed}"
        );
        assert!(
            killed.contains("slots of queue 0, 1 that keeper 7 had left filled; took"),
            "{killed}"
        );
        let orphan = said(Vec::new(), Cleared { slots: vec![3], program: false });
        assert!(orphan.contains("0 leases revoked"), "{orphan}");
        assert!(
            orphan.ends_with("emptied the slot of queue 3 that no lease accounted for"),
            "{orphan}"
        );
        assert!(said(vec![lease(End::Holding, &[])], Cleared::default()).starts_with("0 leases"));
    }
}
