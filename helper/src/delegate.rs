// SPDX-License-Identifier: MIT OR Apache-2.0
//! With arguments, this program executes `xsk-helper-admin`, which is never setuid. So what only
//! root's commands need, above all the argument parser, is not in the program that users start.
//!
//! The other program gets the caller's own privileges. The setuid bit adds nothing to them; what a
//! unit or file capabilities give to the service user is passed on.
#![forbid(unsafe_code)]

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

use caps::CapSet;
use nix::errno::Errno;
use nix::unistd::{execve, geteuid, getuid, setresgid, setresuid};

use crate::error::{Failure, SetupFault};
use crate::isolation::entry::Origin;
use crate::isolation::service::ServiceUser;
use crate::paths::ADMIN;

/// What an editor needs to know of the terminal and the language, and which editor root chose.
const KEPT: [&str; 10] = [
    "TERM",
    "COLORTERM",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "HOME",
    "SUDO_EDITOR",
    "VISUAL",
    "EDITOR",
];

/// Returns root's variables that are passed on. No other caller's are. Called before the
/// environment is emptied.
pub(crate) fn environment() -> Vec<CString> {
    let variables = if getuid().is_root() { std::env::vars_os().collect() } else { Vec::new() };
    variables
        .into_iter()
        .filter(|(name, _)| KEPT.iter().any(|kept| name == kept))
        .filter_map(joined)
        .collect()
}

fn joined((mut name, value): (OsString, OsString)) -> Option<CString> {
    name.push("=");
    name.push(value);
    CString::new(name.into_vec()).ok()
}

/// Executes the other program. Returns only if that fails.
pub(crate) fn execute(origin: &Origin, environment: &[CString]) -> Failure {
    let arguments =
        std::env::args_os().skip(1).filter_map(|text| CString::new(text.into_vec()).ok());
    let arguments: Vec<CString> =
        std::iter::once(c"xsk-helper".to_owned()).chain(arguments).collect();
    let program = CString::new(ADMIN).unwrap_or_default();
    let failed = |errno: Errno| SetupFault::NoAdmin(errno.into()).into();
    let executed =
        privileges(origin).and_then(|()| execve(&program, &arguments, environment).map_err(failed));
    match executed {
        Ok(never) => match never {},
        Err(failure) => failure,
    }
}

/// Takes back what the setuid bit gave, or makes capabilities survive the exec.
fn privileges(origin: &Origin) -> Result<(), Failure> {
    if origin.real_uid != 0 && geteuid().is_root() {
        let ServiceUser { uid, gid } = ServiceUser::find()?;
        let taken = setresgid(gid, gid, gid).and_then(|()| setresuid(uid, uid, uid));
        return taken.map_err(|error| Failure::sys("taking the setuid bit back", error));
    }
    if origin.real_uid == 0 {
        return Ok(());
    }
    caps::read(None, CapSet::Permitted)
        .and_then(|permitted| {
            caps::set(None, CapSet::Inheritable, &permitted)?;
            caps::set(None, CapSet::Ambient, &permitted)
        })
        .map_err(|error| Failure::sys("passing the capabilities on", error))
}
