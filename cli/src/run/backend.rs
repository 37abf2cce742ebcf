// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting xsk-backend beside QEMU: with the sockets and the lease's connection, under a
//! supervisor of its own that ends when QEMU does, and without anything else that the caller has
//! open.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use xsk_client::descriptors::{above_streams, survive_exec};
use xsk_client::lease_fds::{self, LeaseFds};
use xsk_client::netdev::{Options, valued};
use xsk_client::{Error, Kind};
use xsk_command::is_quiet;

use super::args::RunArgs;
use super::leased::Leased;
use crate::programs;
use crate::sys::{packet, process};

/// How long a backend may take to begin: it waits for nobody.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is the same for all backends of a command.
pub(super) struct Backends {
    program: PathBuf,
    /// The options that say where the helper is, and where is logged.
    common: Vec<OsString>,
    /// Frames of UMEM a queue, where there is a limit.
    frames: Option<u64>,
    /// Readable, without anything to read, once QEMU has ended.
    while_open: OwnedFd,
    /// QEMU's end of it, until it is given to QEMU.
    open: OwnedFd,
}

impl Backends {
    pub(super) fn new(args: &RunArgs, frames: Option<u64>) -> Result<Self, Error> {
        let system = |errno| Error::system("pipe", errno);
        let (while_open, open) = packet::pipe().map_err(system)?;
        let mut common = args.endpoint.words();
        if let Some(path) = &args.log_file {
            common.extend(["--log-file".into(), path.into()]);
        } else if daemonizes(&args.command) {
            common.push("--syslog".into());
        }
        if is_quiet() {
            common.push("--quiet".into());
        }
        Ok(Self {
            program: program()?,
            common,
            frames,
            while_open: above_streams(while_open).map_err(system)?,
            open: above_streams(open).map_err(system)?,
        })
    }

    /// Starts the backend of a lease for this peer, and waits until all its queues are bound.
    /// `passed`: what the peer needs besides. `folder`: of the peer's socket, to be removed.
    pub(super) fn start(
        &self,
        leased: &Leased,
        peer: &str,
        passed: Option<&OwnedFd>,
        folder: Option<&Path>,
    ) -> Result<(), Error> {
        let system = |errno| Error::system("pipe", errno);
        let (ready, notify) = packet::pipe().map_err(system)?;
        let (ready, notify) =
            (above_streams(ready).map_err(system)?, above_streams(notify).map_err(system)?);
        let lease = &leased.lease;
        let sockets: Vec<RawFd> = lease.sockets.iter().map(AsRawFd::as_raw_fd).collect();
        let names = sockets.iter().map(RawFd::to_string).collect::<Vec<_>>().join(":");
        let netdev = netdev(leased.target.netdev().options(), lease.granted.mode.name(), &names);
        let mut command = Command::new(&self.program);
        command.args(["--supervise", "--netdev", &netdev, "--peer", peer]);
        option(&mut command, "--while-open", &self.while_open);
        option(&mut command, "--notify-fd", &notify);
        if let Some(frames) = self.frames {
            command.args(["--frames", &frames.to_string()]);
        }
        if lease.granted.promisc {
            command.arg("--promisc");
        }
        if let Some(folder) = folder {
            command.arg("--folder").arg(folder);
        }
        let fds = LeaseFds { connection: number(&lease.connection), sockets };
        command.env(lease_fds::VARIABLE, lease_fds::text(&[fds]));
        command.args(&self.common).stdin(Stdio::null()).stdout(Stdio::null());
        if self.common.iter().any(|word| word == "--syslog") {
            command.stderr(Stdio::null());
        }
        let own = [&self.while_open, &notify, &lease.connection];
        let keep: Vec<BorrowedFd<'_>> =
            lease.sockets.iter().chain(own).chain(passed).map(AsFd::as_fd).collect();
        process::spawn_detached(&mut command, &keep).map_err(|error| self.cannot_run(&error))?;
        drop(notify);
        if packet::is_told(&ready, Instant::now() + PATIENCE) { Ok(()) } else { Err(self.failed()) }
    }

    /// Lets QEMU have what tells of its end.
    pub(super) fn hand_over(self) -> Result<(), Error> {
        survive_exec(self.open).map(drop).map_err(|errno| Error::system("fcntl", errno))
    }

    fn cannot_run(&self, error: &std::io::Error) -> Error {
        let program = self.program.display();
        Error::new(Kind::System, program.to_string(), format!("cannot run {program}: {error}"))
    }

    fn failed(&self) -> Error {
        let program = self.program.display();
        Error::new(
            Kind::System,
            program.to_string(),
            format!("{program} could not begin, and has said why"),
        )
    }
}

fn option(command: &mut Command, name: &str, fd: &OwnedFd) {
    command.args([name, &fd.as_raw_fd().to_string()]);
}

/// Whether QEMU leaves the caller, whose streams are then nobody's to keep.
fn daemonizes(command: &[OsString]) -> bool {
    // It has no value, so it is none of an option that has.
    let values: Vec<usize> = valued(command).map(|(index, ..)| index).collect();
    let is_it = |word: &OsString| word == "-daemonize" || word == "--daemonize";
    command.iter().enumerate().any(|(index, word)| is_it(word) && !values.contains(&index))
}

/// The netdev of a backend that inherits these sockets.
pub(super) fn netdev(options: &Options, mode: &str, names: &str) -> String {
    let Options { queues, start_queue, .. } = options;
    let id = options.id.as_deref().unwrap_or("nic");
    let ifname = options.ifname.replace(',', ",,");
    let copy = if options.force_copy { ",force-copy=on" } else { "" };
    format!(
        "af-xdp,id={id},ifname={ifname},mode={mode},queues={queues},start-queue={start_queue}{copy},inhibit=on,\
         sock-fds={names}"
    )
}

/// For a dry run: the command of a backend, with words for what only a lease tells.
pub(super) fn shown(options: &Options, peer: &str) -> Vec<OsString> {
    let names = vec!["FD"; options.queues as usize].join(":");
    let netdev = netdev(options, options.mode.map_or("MODE", |mode| mode.name()), &names);
    ["xsk-backend", "--supervise", "--netdev", &netdev, "--peer", peer].map(OsString::from).to_vec()
}

/// The backend beside our own file, or in PATH.
pub(super) fn program() -> Result<PathBuf, Error> {
    let name = "xsk-backend";
    let beside =
        std::env::current_exe().ok().and_then(|own| own.parent().map(|folder| folder.join(name)));
    if let Some(path) = beside.filter(|path| process::executable(path).is_ok()) {
        return Ok(path);
    }
    programs::resolve(name.as_ref()).map_err(|_| {
        Error::new(Kind::NotInstalled, name, "xsk-backend is not installed")
            .hint("make install, or put it into PATH")
    })
}

/// Makes a folder for one socket that nobody else can enter: in XDG_RUNTIME_DIR, or where there is
/// none in /tmp, whose sticky bit keeps others from it.
pub(super) fn fresh_folder() -> Result<PathBuf, Error> {
    let place = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| Path::new(path).is_absolute());
    let place = PathBuf::from(place.unwrap_or_else(|| "/tmp".into()));
    for attempt in 0..1000_u32 {
        let folder = place.join(format!("xsk-{}-{attempt}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let folder = folder.display();
                let message = format!("cannot make the folder {folder}: {error}");
                return Err(Error::new(Kind::System, folder.to_string(), message)
                    .hint("export XDG_RUNTIME_DIR=/run/user/$(id -u)"));
            }
        }
    }
    Err(Error::new(Kind::System, place.display().to_string(), "no name is free for a folder"))
}

/// A path as the value of an option of QEMU's or of a peer.
pub(super) fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// A descriptor by its number.
pub(super) fn number(fd: &OwnedFd) -> RawFd {
    fd.as_raw_fd()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_told_by_its_option_alone() {
        let is_one =
            |text: &str| daemonizes(&text.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(is_one("qemu -m 1G -daemonize -netdev x"));
        assert!(is_one("timeout 5 qemu --daemonize"));
        assert!(!is_one("qemu -name -daemonize -m 1G"));
    }
}
