// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a process that a guest may take over can still do. In this order, each before the first
//! message of a front end:
//!
//! 1. [`before_threads`]: no new privileges, no dump and no tracer, no file (Landlock, where the
//!    kernel has it);
//! 2. [`with_threads`]: a list of system calls for all threads; anything else ends the process.
#![forbid(unsafe_code)]

mod filter;

use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

use crate::error::{self, Error};

/// Whether the process connects, and so needs sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It listens at a socket that it has.
    Server,
    /// It makes unix sockets and connects them.
    Client,
}

/// Gives up what a thread gives up for those that it starts.
pub(crate) fn before_threads() -> Result<(), Error> {
    let failed = |step, error: std::io::Error| error::io("", step, error);
    set_no_new_privs(true).map_err(|errno| failed("set no_new_privs", errno.into()))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| failed("forbid dumps", errno.into()))?;
    no_files().map_err(|error| failed("use Landlock", std::io::Error::other(error)))
}

/// Puts the list into force for all threads.
pub(crate) fn with_threads(role: Role) -> Result<(), Error> {
    filter::install(role)
        .map_err(|error| error::io("", "install the seccomp list", std::io::Error::other(error)))
}

/// No file can be opened, made or removed, no abstract socket outside be reached. A kernel without
/// Landlock, or with less of it, does what it can.
fn no_files() -> Result<(), landlock::RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?
        .restrict_self()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::ErrorKind::PermissionDenied;

    use landlock::{AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};

    use super::no_files;

    #[test]
    fn with_landlock_no_file_is_reached_and_what_is_open_stays() {
        let wanted = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let has_landlock =
            wanted.handle_access(AccessFs::Execute).and_then(|set| set.create()).is_ok();
        // What is given up is the thread's.
        let thread = std::thread::spawn(move || {
            let open = File::open("/proc/self/status").unwrap();
            no_files().unwrap();
            let after = File::open("/proc/self/status").map_err(|error| error.kind());
            let made = File::create("/tmp/xsk-backend-landlock").map_err(|error| error.kind());
            if has_landlock {
                assert_eq!(
                    (after.unwrap_err(), made.unwrap_err()),
                    (PermissionDenied, PermissionDenied)
                );
            }
            assert!(std::io::read_to_string(open).unwrap().contains("Threads:"));
        });
        thread.join().unwrap();
    }
}
