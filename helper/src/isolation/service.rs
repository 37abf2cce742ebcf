// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fourth stage: the service user, with the few capabilities that a grant needs and none in
//! effect.

use std::collections::HashSet;

use caps::{CapSet, Capability};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{
    Gid, Group, Uid, getegid, geteuid, getgroups, getresgid, getresuid, setgroups, setresgid,
    setresuid,
};

use crate::accounts::account;
use crate::error::{Failure, SetupFault};
use crate::sys::privilege as prctl;

use crate::paths::SERVICE_USER as NAME;

/// Whose members may connect to the socket, and start a setuid helper.
const GROUP: &str = "xsk";

/// What every grant needs, and so has to be there.
pub(crate) const KEPT: [Capability; 3] =
    [Capability::CAP_BPF, Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW];

/// What single features need, kept if it is permitted and the feature can be used: CAP_PERFMON to
/// load the bind guard, CAP_SYS_RESOURCE to raise a user's memlock.
const OPTIONAL: [Capability; 2] = [Capability::CAP_PERFMON, Capability::CAP_SYS_RESOURCE];

/// The service user as the system's user database has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceUser {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
}

impl ServiceUser {
    /// Looks the user up.
    pub(crate) fn find() -> Result<Self, Failure> {
        match account(NAME) {
            Ok(Some(user)) if user.uid != 0 => {
                Ok(Self { uid: user.uid.into(), gid: user.gid.into() })
            }
            Ok(_) => Err(SetupFault::NoServiceUser.into()),
            Err(error) => Err(SetupFault::UnknownServiceUser { error: error.to_string() }.into()),
        }
    }
}

/// Before Linux 5.11 maps and programs count as locked memory of the user who loads them, over all
/// leases: some 30 KiB an interface, and a MiB for the bind guard.
const MEMLOCK: u64 = 1 << 30;

/// Raises the limit if that is allowed. If it is not, a load that needs more says so.
fn raise_memlock() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK) {
        let most = MEMLOCK.max(hard);
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, most, most)
            .or_else(|_| setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard));
    }
}

/// The fourth stage.
pub(crate) fn enter(user: ServiceUser) -> Result<(), Failure> {
    raise_memlock();
    let at = |step: &'static str| {
        move |error: &dyn std::fmt::Display| Failure::sys(step, error.to_string())
    };
    let permitted = privileged()?;
    let kept: HashSet<Capability> =
        KEPT.into_iter().chain(OPTIONAL).filter(|cap| permitted.contains(cap)).collect();
    if permitted.contains(&Capability::CAP_SETPCAP) {
        empty_bounding_set().map_err(|e| at("emptying the bounding set")(&e))?;
    }
    if geteuid() != user.uid
        || getegid() != user.gid
        || getresuid().is_ok_and(|uids| uids.real != user.uid)
    {
        become_user(user)?;
    }
    caps::clear(None, CapSet::Ambient).map_err(|e| at("clearing the ambient set")(&e))?;
    caps::clear(None, CapSet::Inheritable).map_err(|e| at("clearing the inheritable set")(&e))?;
    caps::clear(None, CapSet::Effective).map_err(|e| at("clearing the effective set")(&e))?;
    caps::set(None, CapSet::Permitted, &kept).map_err(|e| at("reducing the permitted set")(&e))?;
    prctl::set_no_new_privs().map_err(|e| at("setting no_new_privs")(&e))?;
    prctl::set_not_dumpable().map_err(|e| at("setting PR_SET_DUMPABLE")(&e))?;
    read_back(user, &kept)
}

/// What a command becomes that only reads: the service user, without its capabilities. A process
/// that is that user already stays as it is.
pub(crate) fn enter_to_read(user: ServiceUser) -> Result<(), Failure> {
    if geteuid() == user.uid {
        return Ok(());
    }
    become_user(user)?;
    caps::clear(None, CapSet::Effective)
        .and_then(|()| caps::clear(None, CapSet::Permitted))
        .map_err(|error| Failure::sys("giving up the capabilities", error))?;
    prctl::set_no_new_privs().map_err(|error| Failure::sys("setting no_new_privs", error))?;
    prctl::set_not_dumpable().map_err(|error| Failure::sys("setting PR_SET_DUMPABLE", error))?;
    read_back(user, &HashSet::new())
}

/// Returns the permitted set, if it has what every grant needs.
pub(crate) fn privileged() -> Result<HashSet<Capability>, Failure> {
    let permitted = caps::read(None, CapSet::Permitted)
        .map_err(|error| Failure::sys("reading the capabilities", error))?;
    if KEPT.iter().all(|cap| permitted.contains(cap)) {
        Ok(permitted)
    } else {
        Err(unprivileged(&permitted, prctl::no_new_privs()).into())
    }
}

/// Gives up an optional capability for good, once it is known that nothing will need it.
pub(crate) fn give_up(cap: Capability) -> Result<(), Failure> {
    caps::drop(None, CapSet::Permitted, cap)
        .map_err(|error| Failure::sys("giving up a capability", error))
}

/// Needs CAP_SETPCAP. Without it the set stays, and no_new_privs makes it irrelevant.
fn empty_bounding_set() -> Result<(), String> {
    let emptied = caps::raise(None, CapSet::Effective, Capability::CAP_SETPCAP)
        .and_then(|()| caps::clear(None, CapSet::Bounding))
        .and_then(|()| caps::read(None, CapSet::Bounding));
    match emptied {
        Ok(left) if left.is_empty() => Ok(()),
        Ok(_) => Err("it is not empty afterwards".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn become_user(user: ServiceUser) -> Result<(), Failure> {
    let fail = |error: nix::errno::Errno| SetupFault::BecomeUser(error.into());
    for cap in [Capability::CAP_SETUID, Capability::CAP_SETGID] {
        // If it is not permitted, the call that needs it says so.
        let _ = caps::raise(None, CapSet::Effective, cap);
    }
    prctl::keep_across_setuid().map_err(|error| Failure::sys("setting PR_SET_KEEPCAPS", error))?;
    setgroups(&[]).map_err(fail)?;
    setresgid(user.gid, user.gid, user.gid).map_err(fail)?;
    Ok(setresuid(user.uid, user.uid, user.uid).map_err(fail)?)
}

/// Reads back everything that was set.
fn read_back(user: ServiceUser, kept: &HashSet<Capability>) -> Result<(), Failure> {
    let wrong = |what: &str| {
        Err(Failure::sys("becoming the service user", format!("{what} is not as it was set")))
    };
    let uids = getresuid().map_err(|error| Failure::sys("reading the uids", error))?;
    let gids = getresgid().map_err(|error| Failure::sys("reading the gids", error))?;
    if [uids.real, uids.effective, uids.saved] != [user.uid; 3] {
        return wrong("a uid");
    }
    if [gids.real, gids.effective, gids.saved] != [user.gid; 3] {
        return wrong("a gid");
    }
    if !getgroups().is_ok_and(|groups| groups.iter().all(|group| is_own(*group, user))) {
        return wrong("the list of groups");
    }
    let empty = HashSet::new();
    let sets = [
        (CapSet::Permitted, kept),
        (CapSet::Effective, &empty),
        (CapSet::Inheritable, &empty),
        (CapSet::Ambient, &empty),
    ];
    for (set, expected) in sets {
        if !caps::read(None, set).is_ok_and(|now| now == *expected) {
            return wrong("a capability set");
        }
    }
    if !prctl::no_new_privs() || prctl::dumpable() {
        wrong("no_new_privs or dumpable")
    } else {
        Ok(())
    }
}

/// Returns whether it is the service user's own group, or the socket's group. A unit has that one
/// so that systemd can execute a file that only the group may execute; all that it opens is the
/// socket.
fn is_own(group: Gid, user: ServiceUser) -> bool {
    group == user.gid
        || Group::from_name(GROUP).ok().flatten().is_some_and(|found| found.gid == group)
}

/// Tells the ways apart in which the privileges can have been lost.
fn unprivileged(permitted: &HashSet<Capability>, no_new_privs: bool) -> SetupFault {
    if !permitted.is_empty() {
        let missing = KEPT.iter().filter(|cap| !permitted.contains(cap));
        SetupFault::Lacks(missing.map(ToString::to_string).collect())
    } else if no_new_privs {
        SetupFault::NoNewPrivileges
    } else {
        SetupFault::NoPrivileges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_privileges_are_told_apart() {
        let none = HashSet::new();
        assert_eq!(unprivileged(&none, true), SetupFault::NoNewPrivileges);
        assert_eq!(unprivileged(&none, false), SetupFault::NoPrivileges);
        let some = HashSet::from([Capability::CAP_BPF, Capability::CAP_PERFMON]);
        let missing = vec!["CAP_NET_ADMIN".to_owned(), "CAP_NET_RAW".to_owned()];
        assert_eq!(unprivileged(&some, true), SetupFault::Lacks(missing));
    }
}
