// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first two stages: out of the caller's reach.

use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Uid, geteuid, getgroups, getresgid, getresuid, setresgid, setresuid, setsid,
};

use super::cgroup;
use super::invoker::Invoker;
use super::service::ServiceUser;
use crate::error::{Failure, KernelFault, SetupFault};
use crate::sys::process::{self, Fork};
use crate::sys::{privilege, schedule};

/// Who started this process, as the kernel had it before anything was changed.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The real uid at the start.
    pub(crate) real_uid: u32,
    /// The groups at the start: the real one, the effective one, and all others.
    pub(crate) groups: Vec<u32>,
    /// For whom the process was started, as sudo or pkexec say.
    pub(crate) invokers: Vec<Invoker>,
}

impl Origin {
    /// Returns whether arguments are for this caller; asked before one is looked at.
    pub(crate) fn may_command(&self) -> bool {
        let service = || ServiceUser::find().is_ok_and(|user| user.uid.as_raw() == self.real_uid);
        self.may_command_if(service)
    }

    /// By pkexec a user is root for this program, whatever the arguments.
    fn may_command_if(&self, is_service_user: impl FnOnce() -> bool) -> bool {
        !self.invokers.iter().any(Invoker::is_pkexec) && (self.real_uid == 0 || is_service_user())
    }
}

/// The first stage. A process that is setuid root becomes root in all its uids and gids here, since
/// until then the caller may stop it or kill it.
pub(crate) fn enter() -> Result<Origin, Failure> {
    let uids = getresuid().map_err(|error| Failure::sys("reading the uids", error))?;
    let groups = groups().map_err(|error| Failure::sys("reading the groups", error))?;
    if geteuid().is_root() {
        become_root().map_err(|error| Failure::sys("becoming root", error))?;
    }
    privilege::set_not_dumpable()
        .map_err(|error| Failure::sys("setting PR_SET_DUMPABLE", error))?;
    process::close_all_but_standard().map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSYS) => KernelFault::TooOld("has no close_range(2)").into(),
        _ => Failure::sys("closing descriptors", error),
    })?;
    let invokers = Invoker::from_environment();
    process::clear_environment();
    process::cancel_timers();
    process::reset_signals();
    umask(Mode::from_bits_truncate(0o077));
    let small = process::reset_limits();
    if small.is_empty() {
        Ok(Origin { real_uid: uids.real.as_raw(), groups, invokers })
    } else {
        Err(SetupFault::Limits(small).into())
    }
}

/// Changes the uids first, because they end the caller's power over this process. The gids follow,
/// so that files made as root have root's group.
fn become_root() -> nix::Result<()> {
    let (root, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setresuid(root, root, root)?;
    setresgid(group, group, group)
}

fn groups() -> nix::Result<Vec<u32>> {
    let gids = getresgid()?;
    let all = getgroups()?.into_iter().chain([gids.real, gids.effective]);
    Ok(all.map(Gid::as_raw).collect())
}

/// The second stage: resets scheduling, forks, and ends the parent. The child goes on in a session
/// of its own (and so in a scheduling group of its own, if the kernel has autogroups).
pub(crate) fn detach() -> Result<(), Failure> {
    // The move takes locks that every fork on the machine waits for, so the process must not be
    // descheduled with them.
    schedule::hurry();
    cgroup::leave();
    schedule::reset();
    match process::fork().map_err(|error| Failure::sys("forking off", error))? {
        Fork::Parent => process::exit_now(0),
        Fork::Child => {
            setsid().map_err(|error| Failure::sys("starting a session", error))?;
            leave_directory()
        }
    }
}

/// Leaves the caller's directory, which would keep that file system busy.
pub(crate) fn leave_directory() -> Result<(), Failure> {
    nix::unistd::chdir("/").map_err(|error| Failure::sys("changing to /", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(real_uid: u32, variable: Option<&'static str>, service: bool) -> bool {
        let invokers =
            variable.map(|variable| Invoker { variable, uid: Some(1000) }).into_iter().collect();
        Origin { real_uid, groups: Vec::new(), invokers }.may_command_if(|| service)
    }

    #[test]
    fn arguments_are_for_root_and_the_service_user_and_not_by_pkexec() {
        assert!(may(0, None, false) && may(990, None, true) && may(0, Some("SUDO_UID"), false));
        assert!(!may(1000, None, false));
        assert!(!may(0, Some("PKEXEC_UID"), false) && !may(990, Some("PKEXEC_UID"), true));
    }
}
