// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which leases are shown, and in which order.
#![forbid(unsafe_code)]

use xsk_client::{Error, Kind};
use xsk_proto::StatusPart;

use super::StatusArgs;
use crate::sys::users;

/// Which leases are shown.
#[derive(Debug, Default)]
pub(super) struct Filter {
    ifname: Option<String>,
    uid: Option<u32>,
}

impl Filter {
    pub(super) fn of(args: &StatusArgs) -> Result<Self, Error> {
        let uid = args.user.as_deref().map(uid).transpose()?;
        Ok(Self { ifname: args.ifname.clone(), uid })
    }

    /// Takes out what is not wanted, and sorts the rest by interface and queue.
    pub(super) fn apply(&self, status: &mut StatusPart) {
        let wanted = |ifname: &str| self.ifname.as_deref().is_none_or(|wanted| wanted == ifname);
        status
            .leases
            .retain(|lease| wanted(&lease.ifname) && self.uid.is_none_or(|uid| uid == lease.uid));
        status.interfaces.retain(|interface| wanted(&interface.ifname));
        status.leases.sort_by(|a, b| {
            (&a.ifname, a.netns_cookie, a.ifindex, a.first_queue).cmp(&(
                &b.ifname,
                b.netns_cookie,
                b.ifindex,
                b.first_queue,
            ))
        });
        status.interfaces.sort_by(|a, b| (&a.ifname, a.ifindex).cmp(&(&b.ifname, b.ifindex)));
    }
}

fn uid(user: &str) -> Result<u32, Error> {
    let known = user.parse().ok().or_else(|| users::uid(user));
    known.ok_or_else(|| {
        Error::new(Kind::Usage, user, format!("there is no user '{user}'"))
            .hint("a name or a number; see: getent passwd")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use xsk_proto::{Confinement, LeaseStatus};

    fn lease(ifname: &str, first_queue: u32, uid: u32) -> LeaseStatus {
        LeaseStatus {
            lease: 1,
            ifname: ifname.into(),
            ifindex: 4,
            netns_cookie: 1,
            first_queue,
            queues: 1,
            uid,
            client: 50,
            keeper: 51,
            age: 1,
            rule: String::new(),
            confinement: Confinement { device: true, queue: false },
            idle: vec![],
        }
    }

    fn left(filter: &Filter) -> Vec<(String, u32)> {
        let leases = vec![lease("eth2", 0, 1), lease("eth1", 10, 2), lease("eth1", 9, 1)];
        let mut status = StatusPart { leases, ..StatusPart::default() };
        filter.apply(&mut status);
        status.leases.into_iter().map(|lease| (lease.ifname, lease.first_queue)).collect()
    }

    #[test]
    fn leases_are_sorted_by_interface_and_number_and_both_filters_hold() {
        let eth1 = Some("eth1".to_owned());
        let all =
            [("eth1", 9), ("eth1", 10), ("eth2", 0)].map(|(name, queue)| (name.to_owned(), queue));
        assert_eq!(left(&Filter::default()), all);
        assert_eq!(left(&Filter { ifname: eth1.clone(), uid: None }), all[..2]);
        assert_eq!(left(&Filter { ifname: eth1, uid: Some(2) }), all[1..2]);
        assert!(left(&Filter { ifname: None, uid: Some(3) }).is_empty());
    }

    #[test]
    fn a_user_is_a_name_or_a_number() {
        assert_eq!((uid("root").ok(), uid("4000000001").ok()), (Some(0), Some(4_000_000_001)));
        assert!(uid("no-such-user-here").is_err());
    }
}
