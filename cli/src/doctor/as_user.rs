// SPDX-License-Identifier: MIT OR Apache-2.0
//! The checks as another user would see them: with that user's groups and limits, by runuser(1).
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::process::Command;

use xsk_client::{Error, Kind};
use xsk_command::is_quiet;

use super::DoctorArgs;
use crate::sys::users;

/// Runs this program again as `user`, and returns its exit status.
pub(super) fn run(args: &DoctorArgs, user: &str) -> Result<u8, Error> {
    if !rustix::process::geteuid().is_root() {
        let message = "only root can look as another user";
        let hint = format!("sudo xsk-client doctor --as {user}");
        return Err(Error::new(Kind::Usage, "--as", message).hint(hint));
    }
    if users::uid(user).is_none() {
        let message = format!("there is no user '{user}'");
        return Err(Error::new(Kind::Usage, user, message).hint("getent passwd"));
    }
    let own =
        std::env::current_exe().map_err(|error| Error::system("finding xsk-client", error))?;
    let mut command = Command::new("runuser");
    command.args(["-u", user, "--"]).arg(own).args(words(args));
    let status = command.status().map_err(|error| {
        Error::new(Kind::System, "runuser", format!("cannot run runuser: {error}"))
            .hint("apt install util-linux")
    })?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Kind::System.exit_code()))
}

/// The same command, without the user.
fn words(args: &DoctorArgs) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["doctor".into(), "--qemu".into(), args.qemu.clone().into()];
    words.extend(args.endpoint.words());
    words.extend(args.json.then(|| "--json".into()));
    words.extend(is_quiet().then(|| "--quiet".into()));
    words.extend(args.ifname.iter().map(OsString::from));
    words
}
