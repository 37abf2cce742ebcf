// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may be the front end, and how the socket is made so that nobody else can be.
//!
//! No other user can write to the folder, so none can put a socket or a link in its place. The
//! socket has its mode before it has its name. The uid of each connection is checked all the same.
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, stat};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{geteuid, umask};
use xsk_client::proto::exit;

use crate::error::{self, Error};
use crate::peer_spec::VhostSpec;
use crate::sys;

/// Whose connection is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    own: u32,
    user: Option<u32>,
    group: Option<u32>,
}

impl Allowed {
    pub(super) fn of(spec: &VhostSpec) -> Result<Self, Error> {
        let find =
            |name: &Option<String>, file| name.as_ref().map(|name| number(name, file)).transpose();
        let user = find(&spec.user, "/etc/passwd")?;
        Ok(Self { own: geteuid().as_raw(), user, group: find(&spec.group, "/etc/group")? })
    }

    /// Whether the other side may be there.
    pub(super) fn check(&self, stream: &UnixStream) -> Result<(), String> {
        let peer =
            socket_peercred(stream).map_err(|errno| format!("the other side's uid: {errno}"))?;
        let (uid, gid) = (peer.uid.as_raw(), peer.gid.as_raw());
        let groups = || sys::peer_groups(stream).unwrap_or_default();
        let in_group = |group| gid == group || groups().contains(&group);
        if uid == self.own || self.user == Some(uid) || self.group.is_some_and(in_group) {
            return Ok(());
        }
        Err(format!("uid {uid} was turned away: it is not {}; user={uid} would allow it", self.own))
    }
}

/// The number of a user or a group, which may be given as a number.
fn number(name: &str, file: &str) -> Result<u32, Error> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = std::fs::read_to_string(file).map_err(|error| error::io(file, "read", error))?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    let missing = || error::usage("--peer vhost-user", &format!("'{name}' is not in {file}"));
    found.ok_or_else(|| missing().hint("give the number"))
}

/// Listens at the path. To be called before there are threads, since the umask is the process's.
pub(super) fn listen(spec: &VhostSpec, allowed: &Allowed) -> Result<UnixListener, Error> {
    let object = spec.path.display().to_string();
    let failed = |error: io::Error| error::io(&object, "listen", error);
    let path = safe_path(&spec.path)?;
    remove_stale(&path, allowed.own)?;
    let before = umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(&path);
    umask(before);
    let listener = bound.map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    if let Some(group) = allowed.group {
        std::os::unix::fs::chown(&path, None, Some(group)).map_err(failed)?;
    }
    let mode = spec.mode.unwrap_or(if allowed.group.is_some() { 0o660 } else { 0o600 });
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).map_err(failed)?;
    Ok(listener)
}

/// The path without links, so that nobody can make it lead elsewhere later.
///
/// The folder, and each above it, belongs to us or to root and is nobody else's to write; a folder
/// like /tmp, where only one's own files can be removed, may be above it.
fn safe_path(path: &Path) -> Result<PathBuf, Error> {
    let object = path.display().to_string();
    let failed = |error: io::Error| error::io(&object, "look at the socket's folder", error);
    let folder =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(failed)?;
    for (above, folder) in folder.ancestors().enumerate() {
        let stat = stat(folder).map_err(|errno| failed(errno.into()))?;
        let is_ours = stat.st_uid == 0 || stat.st_uid == geteuid().as_raw();
        let is_shared = stat.st_mode & 0o022 != 0;
        let is_sticky = above > 0 && stat.st_mode & 0o1000 != 0;
        if !is_ours || (is_shared && !is_sticky) {
            let message = format!("{object}: {} can be written by other users", folder.display());
            let error = Error::new(exit::CONFIGURATION, "unsafe-folder", &object, message);
            return Err(
                error.hint("use a folder of your own with mode 0700, such as $XDG_RUNTIME_DIR")
            );
        }
    }
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    Ok(folder.join(name))
}

/// Removes a socket of ours at which nobody listens any more, and nothing else.
fn remove_stale(path: &Path, own: u32) -> Result<(), Error> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(()) };
    let object = path.display().to_string();
    let new =
        |status, code, message| Error::new(status, code, &object, format!("{object}: {message}"));
    if !metadata.file_type().is_socket() || metadata.uid() != own {
        let error = new(exit::CONFIGURATION, "path-taken", "what is at this path is not a socket");
        return Err(error.hint("choose another path, or remove it"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
                .map_err(|error| error::io(&object, "remove the old socket", error))
        }
        _ => Err(new(exit::BUSY, "busy", "another process already listens at this path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_numbers_are_taken() {
        assert_eq!(number("root", "/etc/passwd").unwrap(), 0);
        assert_eq!(number("4711", "/etc/group").unwrap(), 4711);
        let message = number("no-such-name", "/etc/group").unwrap_err().to_string();
        assert!(message.contains("'no-such-name' is not in /etc/group"), "{message}");
    }

    #[test]
    fn the_other_side_has_to_be_us_or_named() {
        let (near, _far) = UnixStream::pair().unwrap();
        let own = geteuid().as_raw();
        let allowed = |own, user, group| Allowed { own, user, group };
        assert!(allowed(own, None, None).check(&near).is_ok());
        assert!(allowed(own + 1, None, None).check(&near).is_err());
        assert!(allowed(own + 1, Some(own), None).check(&near).is_ok());
        let gid = rustix::process::getegid().as_raw();
        assert!(allowed(own + 1, None, Some(gid)).check(&near).is_ok());
        assert!(allowed(own + 1, None, Some(gid + 7777)).check(&near).is_err());
    }
}
