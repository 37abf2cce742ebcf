// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why there is no helper to talk to: a sentence for each reason, with the command that fixes it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use rustix::io::Errno;

use xsk_proto::HELPER_PATH;

use crate::sys::limits;
use crate::{Error, Kind};

const START_SOCKET: &str = "systemctl enable --now xsk-helper.socket";

/// The connect to a listening helper failed.
pub(crate) fn socket(path: &Path, errno: Errno) -> Error {
    let path = path.display().to_string();
    let error = |message: String| Error::new(Kind::Unreachable, path.clone(), message);
    match errno {
        Errno::NOENT => error(format!("there is no socket at {path}")).hint(format!(
            "start the helper: {START_SOCKET}, or: xsk-helper listen --socket {path}"
        )),
        Errno::CONNREFUSED => error(format!("nobody listens on {path} any more"))
            .hint("restart the helper: systemctl restart xsk-helper.socket"),
        Errno::ACCESS => error(format!("you may not connect to {path}")).hint(may_connect(&path)),
        Errno::PROTOTYPE => {
            error(format!("{path} is a socket of another kind (not SOCK_SEQPACKET)"))
                .hint("name the helper's: --socket /run/xsk-helper/socket")
        }
        Errno::TIMEDOUT => error(format!("{path} accepts no connection: too many are waiting"))
            .hint("try again, or: systemctl status 'xsk-helper@*'"),
        Errno::NAMETOOLONG => {
            error(format!("the path {path} is too long for a socket (107 bytes at most)"))
                .hint("use a shorter path: cd to its folder, and --socket ./NAME")
        }
        errno => error(format!("cannot connect to {path}: {}", std::io::Error::from(errno)))
            .hint("see the helper: systemctl status xsk-helper.socket"),
    }
}

/// As a rule, the socket's group may connect. If the folder hides the socket, the user has to look.
fn may_connect(path: &str) -> String {
    match std::fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o020 != 0 => {
            format!("sudo usermod -aG {} $USER, and log in again", group_name(meta.gid()))
        }
        _ => format!("namei -l {path}"),
    }
}

/// Neither the system's socket nor the installed helper is there.
pub(crate) fn nothing_installed(socket: &Path, helper: &Path) -> Error {
    let message =
        format!("no helper: there is neither {} nor {}", socket.display(), helper.display());
    Error::new(Kind::Unreachable, socket.display().to_string(), message)
        .hint(format!("install it and start it: make install && {START_SOCKET}"))
}

/// The helper's file is not there.
pub(crate) fn helper_missing(path: &Path) -> Error {
    let path = path.display().to_string();
    let hint = if path == "pkexec" {
        "apt install pkexec"
    } else {
        "make install, or name another: --helper PATH"
    };
    Error::new(Kind::NotInstalled, path.clone(), format!("{path} is not installed")).hint(hint)
}

/// The helper's file is there, and the kernel does not let us run it.
pub(crate) fn helper_barred(path: &Path) -> Error {
    let name = path.display().to_string();
    let error = |message: String| Error::new(Kind::NotInstalled, name.clone(), message);
    let Ok(meta) = path.metadata() else {
        return error(format!("you may not enter the folder of {name}"))
            .hint(format!("namei -l {name}"));
    };
    let mode = meta.permissions().mode();
    if mode & 0o111 == 0 {
        return error(format!("{name} is not executable")).hint(installed(path));
    }
    let group = group_name(meta.gid());
    error(format!("{name} may be run by group {group} only, and you are not in it"))
        .hint(format!("sudo usermod -aG {group} $USER, and log in again"))
}

/// Only the installed helper is ever to be setuid.
fn installed(path: &Path) -> String {
    if path == Path::new(HELPER_PATH) {
        return format!("sudo chown root:xsk {HELPER_PATH} && sudo chmod 4750 {HELPER_PATH}");
    }
    format!("use the system's helper, or the installed one: --helper {HELPER_PATH}")
}

/// The name of a group of this machine, or its number.
fn group_name(gid: u32) -> String {
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    };
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    groups.lines().find_map(name).unwrap_or_else(|| gid.to_string())
}

/// The system's helper closed the connection.
pub(crate) fn hung_up(name: &str) -> Error {
    let message = format!("the helper behind {name} closed the connection without an answer");
    Error::new(Kind::Unreachable, name, message).hint("journalctl -e -t xsk-helper")
}

/// A helper that we started ended before it had answered.
pub(crate) fn helper_ended(path: &Path, status: Option<ExitStatus>, said: Option<String>) -> Error {
    let name = path.display().to_string();
    let error = |message: String| Error::new(Kind::Unreachable, name.clone(), message);
    // pkexec(1): 126 dismissed, 127 not authorized or not run.
    match (name.as_str(), status.and_then(|s| s.code())) {
        ("pkexec", Some(126)) => {
            return error("pkexec: the question for a password was dismissed".into());
        }
        ("pkexec", Some(127)) => {
            return error("pkexec: not authorized, or no helper is installed".into())
                .hint("see the rules in /usr/share/polkit-1/rules.d, or: make install");
        }
        _ => {}
    }
    if let Some(reason) = unprivileged(path) {
        return Error { kind: Kind::NotInstalled, ..reason };
    }
    let how = match status.map(|s| (s.code(), s.signal())) {
        Some((Some(code), _)) => format!("exited with status {code}"),
        Some((_, Some(signal))) => format!("was killed by signal {signal}"),
        _ => "closed the connection".into(),
    };
    let said = said.map(|line| format!(": {line}")).unwrap_or_default();
    error(format!("{name} {how} before it answered{said}")).hint("journalctl -e -t xsk-helper")
}

/// Why the file at `path` cannot have had privileges, where that is so.
fn unprivileged(path: &Path) -> Option<Error> {
    let name = path.display().to_string();
    let error = |message: String| Some(Error::new(Kind::NotInstalled, name.clone(), message));
    if rustix::process::geteuid().is_root() {
        return None;
    }
    if limits::privileges_are_barred() {
        return error(format!(
            "{name} cannot gain privileges here: no_new_privs is set on this process"
        ))?
        .hint("use the system's helper: systemctl enable --now xsk-helper.socket")
        .into();
    }
    let meta = path.metadata().ok()?;
    let setuid = meta.permissions().mode() & 0o4000 != 0 && meta.uid() == 0;
    if setuid || limits::has_file_capabilities(path) {
        return None;
    }
    error(format!(
        "{name} has no privileges: it is neither setuid root nor has it file capabilities"
    ))?
    .hint(installed(path))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_names() {
        assert_eq!(group_name(0), "root");
        assert_eq!(group_name(4_000_000), "4000000");
    }
}
