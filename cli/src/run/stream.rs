// SPDX-License-Identifier: MIT OR Apache-2.0
//! A QEMU without af-xdp: xsk-backend holds the sockets, and QEMU gets one end of a socketpair as
//! its netdev. There is no path and no process in between, and this process still becomes QEMU. The
//! backend ends with QEMU; a QEMU whose backend is killed runs on without its network, as with a
//! cable pulled (QEMU, net/stream.c).

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use xsk_client::descriptors::{above_streams, survive_exec};
use xsk_client::lease_fds::{self, LeaseFds};
use xsk_client::netdev::{Options, Place};
use xsk_client::{Error, Kind};

use super::leased::Leased;
use super::start::Start;
use super::target::Target;
use crate::programs;
use crate::sys::{packet, process};

/// Starts a backend for each of these leases, and rewrites the command. `frames`: of UMEM, for each
/// queue, where there is a limit.
pub(super) fn start(start: &mut Start, held: Vec<Leased>, frames: Option<u64>) -> Result<(), Error> {
    let mut ends = Vec::new();
    for held in held {
        ends.push(one(&mut start.command, held, frames)?);
    }
    // Once no backend is started any more, which would have them too.
    for end in ends {
        survive_exec(end).map_err(|errno| Error::system("fcntl", errno))?;
    }
    Ok(())
}

/// Starts the backend of one netdev; returns QEMU's end of the stream.
fn one(
    command: &mut [OsString],
    Leased { target, lease, .. }: Leased,
    frames: Option<u64>,
) -> Result<OwnedFd, Error> {
    let system = |step| move |errno| Error::system(step, errno);
    let (qemu, backend) = packet::stream_pair().map_err(system("socketpair"))?;
    let qemu = above_streams(qemu).map_err(system("fcntl"))?;
    let backend = above_streams(backend).map_err(system("fcntl"))?;
    let numbers: Vec<RawFd> = lease.sockets.iter().map(AsRawFd::as_raw_fd).collect();
    let names = numbers.iter().map(RawFd::to_string).collect::<Vec<_>>().join(":");
    let words =
        backend_command(target.netdev().options(), lease.granted.mode.name(), &names, backend.as_raw_fd());
    let program = backend_program()?;
    let mut process = Command::new(&program);
    process.args(words.iter().skip(1));
    if let Some(frames) = frames {
        process.args(["--frames", &frames.to_string()]);
    }
    // QEMU may speak QMP there, or be a terminal.
    process.stdin(Stdio::null()).stdout(Stdio::null());
    let fds = LeaseFds { connection: lease.connection.as_raw_fd(), sockets: numbers };
    process.env(lease_fds::VARIABLE, lease_fds::text(&[fds]));
    let keep = lease.sockets.iter().chain([&lease.connection, &backend]).map(AsFd::as_fd).collect::<Vec<_>>();
    process::spawn_detached(&mut process, &keep).map_err(|error| {
        let message = format!("cannot run {}: {error}", program.display());
        Error::new(Kind::System, program.display().to_string(), message)
    })?;
    put(&target, &qemu.as_raw_fd().to_string(), command);
    Ok(qemu)
}

/// The netdev that takes one end of a stream. `-netdev` has `stream` since QEMU 7.2; behind `-nic`
/// and `-net` QEMU takes the older `socket` only, which has the same framing.
fn put(target: &Target, fd: &str, command: &mut [OsString]) {
    let options = target.netdev().options();
    let id = options.id.as_deref().map(|id| format!(",id={id}")).unwrap_or_default();
    let text = match target.option() {
        Some(Place::Nic | Place::Net) => format!("socket{id},fd={fd}{}", target.netdev().rest_for_nic()),
        _ => format!("stream{id},addr.type=fd,addr.str={fd}"),
    };
    target.put(text.as_ref(), command, &mut Vec::new());
}

/// For a dry run: rewrites `command`, and returns the backend's.
pub(super) fn shown(target: &Target, command: &mut [OsString]) -> Vec<OsString> {
    let options = target.netdev().options();
    put(target, "FD", command);
    let names = vec!["FD"; options.queues as usize].join(":");
    let mut words = backend_command(options, options.mode.map_or("MODE", |mode| mode.name()), &names, 0);
    if let Some(last) = words.last_mut() {
        *last = "stream=fd:FD".into();
    }
    words
}

fn backend_command(options: &Options, mode: &str, names: &str, fd: RawFd) -> Vec<OsString> {
    let Options { queues, start_queue, .. } = options;
    let id = options.id.as_deref().unwrap_or("nic");
    let ifname = options.ifname.replace(',', ",,");
    let copy = if options.force_copy { ",force-copy=on" } else { "" };
    let netdev = format!(
        "af-xdp,id={id},ifname={ifname},mode={mode},queues={queues},start-queue={start_queue}{copy},inhibit=on,\
         sock-fds={names}"
    );
    ["xsk-backend".into(), "--netdev".into(), netdev, "--peer".into(), format!("stream=fd:{fd}")]
        .map(OsString::from)
        .to_vec()
}

/// The backend beside our own file, or in PATH.
fn backend_program() -> Result<PathBuf, Error> {
    let name = "xsk-backend";
    let beside = std::env::current_exe().ok().and_then(|own| own.parent().map(|folder| folder.join(name)));
    if let Some(path) = beside.filter(|path| process::executable(path).is_ok()) {
        return Ok(path);
    }
    programs::resolve(name.as_ref()).map_err(|_| {
        Error::new(Kind::NotInstalled, name, "xsk-backend is not installed")
            .hint("make install, or put it into PATH")
    })
}
