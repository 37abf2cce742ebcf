// SPDX-License-Identifier: MIT OR Apache-2.0
//! The XSK program on an interface: the one that is there and ours is used again, residue is removed, and
//! anybody else's is left alone. All of it under the interface's lock.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use caps::Capability::{CAP_BPF, CAP_NET_ADMIN};
use xsk_bpf::{AttachMode, Error, LinkInfo, Loaded, Redirect, Step};
use xsk_netlink::{Link, Undelivered, XdpMode};
use xsk_proto::{Code, Mode};

use super::refusal;
use crate::error::Failure;
use crate::failpoints::failpoint;
use crate::kernel::Kernel;
use crate::leases::key::Key;
use crate::leases::table::Table;
use crate::netlink::Netdev;
use crate::paths;
use crate::sys::privilege;

/// Where the objects of an interface are pinned.
pub(crate) fn folder(key: Key) -> PathBuf {
    Path::new(paths::BPF).join(key.to_string())
}

/// How the program is on its interface.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) mode: Mode,
    /// Why this mode, where the request left it open.
    pub(crate) reason: String,
    pub(crate) prog_id: u32,
    pub(crate) frags: bool,
    /// Attached for this request.
    pub(crate) fresh: bool,
}

/// A program on its interface, and how.
pub(crate) type Installed = (Redirect, Attachment);

/// What is needed to know which program will do.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) key: Key,
    pub(crate) link: &'a Link,
    /// Where it is asked what is known of the interface.
    pub(crate) kernel: &'a Kernel,
    /// In the order in which to try them.
    pub(crate) modes: &'a [Mode],
    pub(crate) frags: bool,
}

/// Returns the mode as a client knows it; `None` for a program in the hardware.
pub(crate) fn mode(mode: XdpMode) -> Option<Mode> {
    match mode {
        XdpMode::Native => Some(Mode::Native),
        XdpMode::Skb => Some(Mode::Skb),
        XdpMode::Hardware => None,
    }
}

/// Runs a bpf() call that wants capabilities.
pub(crate) fn privileged<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    privilege::with(&[CAP_BPF, CAP_NET_ADMIN], work)
        .map_err(|error| Failure::internal("raising CAP_BPF and CAP_NET_ADMIN", error))?
        .map_err(|error| explain(&error))
}

/// The errno that everybody meets first is worth a sentence.
pub(crate) fn explain(error: &Error) -> Failure {
    let failure = Failure::internal(&error.step.to_string(), std::io::Error::from_raw_os_error(error.errno));
    match (error.step, error.errno) {
        (Step::Load, libc::EINVAL | libc::E2BIG) => {
            Failure::new(Code::KernelTooOld, "kernel", failure.refused().message.clone()).hint(
                "the XSK program needs Linux 5.10 or later with CONFIG_XDP_SOCKETS and CONFIG_BPF_SYSCALL",
            )
        }
        _ => failure,
    }
}

/// Finds or makes the program. `idle` tells whether nobody has a queue of the interface.
pub(crate) fn install(wanted: &Wanted<'_>, idle: bool) -> Result<Installed, Failure> {
    match existing(wanted, idle) {
        Ok(Some(installed)) => Ok(installed),
        missing => {
            check_bpffs()?;
            missing?;
            check_foreign(wanted.link)?;
            create(wanted)
        }
    }
}

/// What is pinned is on one, so it is looked at where nothing was found.
fn check_bpffs() -> Result<(), Failure> {
    if xsk_bpf::is_bpffs(Path::new(paths::BPF)).unwrap_or(false) {
        return Ok(());
    }
    let message = format!("{} is not a bpffs", paths::BPF);
    Err(Failure::new(Code::NoBpffs, paths::BPF, message).hint(format!(
        "as root: mkdir -p {0} && mount -t bpf -o mode=0700 bpf {0} && chown {1}: {0}",
        paths::BPF,
        crate::isolation::service::NAME
    )))
}

/// What is pinned, and what its link and program say of themselves.
struct Pinned {
    redirect: Redirect,
    prog_id: u32,
    frags: bool,
}

impl Pinned {
    fn open(dir: &Path) -> Result<Option<Self>, Failure> {
        let opened = privilege::with(&[CAP_BPF, CAP_NET_ADMIN], || {
            let redirect = Redirect::open(dir)?;
            Ok(Self { prog_id: redirect.link.info()?.prog_id, frags: redirect.frags()?, redirect })
        });
        match opened {
            Ok(Ok(pinned)) => Ok(Some(pinned)),
            Ok(Err(Error { step: Step::OpenPin, errno: libc::ENOENT })) => Ok(None),
            Ok(Err(error)) => Err(explain(&error)),
            Err(error) => Err(Failure::internal("raising CAP_BPF and CAP_NET_ADMIN", error)),
        }
    }

    fn is_unoccupied(&self) -> Result<bool, Failure> {
        privileged(|| self.redirect.slots.occupied_of(&self.redirect.map)).map(|slots| slots.is_empty())
    }
}

/// The program that is pinned for this interface, if it is on it. Anything else that is pinned is residue.
fn existing(wanted: &Wanted<'_>, idle: bool) -> Result<Option<Installed>, Failure> {
    let dir = folder(wanted.key);
    let Some(pinned) = Pinned::open(&dir)? else { return clear(&dir, None).map(|()| None) };
    let prog_id = pinned.prog_id;
    let attached = wanted.link.xdp.iter().find(|program| program.prog_id == prog_id);
    let mode = match attached.and_then(|program| mode(program.mode)) {
        Some(mode) => mode,
        None => return clear(&dir, Some(&pinned.redirect)).map(|()| None),
    };
    if wanted.modes.contains(&mode) && (pinned.frags || !wanted.frags) {
        let reason = format!("the program was attached in {mode} mode already");
        let attachment = Attachment { mode, reason, prog_id, frags: pinned.frags, fresh: false };
        Ok(Some((pinned.redirect, attachment)))
    } else if idle && pinned.is_unoccupied()? {
        clear(&dir, Some(&pinned.redirect)).map(|()| None)
    } else {
        let name = &wanted.link.name;
        Err(Failure::new(
            Code::Busy,
            name,
            format!("the program on {name} is attached in {mode} mode for other leases"),
        )
        .hint(format!("ask for mode={mode}, or wait until they have ended (xsk-client status)")))
    }
}

/// Takes the program off, wherever it is by now, and removes the pins.
fn clear(dir: &Path, redirect: Option<&Redirect>) -> Result<(), Failure> {
    if let Some(redirect) = redirect {
        privileged(|| redirect.link.detach())?;
    }
    Redirect::unpin(dir).map_err(|error| explain(&error))
}

/// A program that no pin of ours accounts for belongs to somebody else; one that a pin under another key
/// accounts for came with the interface from another network namespace.
fn check_foreign(link: &Link) -> Result<(), Failure> {
    for program in &link.xdp {
        match pinned_elsewhere(program.prog_id)? {
            Some(key) => remove_stray(key, &link.name)?,
            None => return Err(foreign(&link.name, program.prog_id, mode(program.mode))),
        }
    }
    Ok(())
}

fn foreign(name: &str, prog_id: u32, mode: Option<Mode>) -> Failure {
    let mode = mode.map_or("hardware", Mode::name);
    Failure::new(
        Code::ForeignProgram,
        name,
        format!("another XDP program is on {name}: id {prog_id}, in {mode} mode"),
    )
    .hint(format!("see what it is: bpftool prog show id {prog_id}; it is left alone"))
}

fn pinned_elsewhere(prog_id: u32) -> Result<Option<Key>, Failure> {
    for key in pinned() {
        if privileged(|| pinned_link(key)).is_ok_and(|info| info.prog_id == prog_id) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn pinned_link(key: Key) -> Result<LinkInfo, Error> {
    Redirect::open_link(&folder(key))?.info()
}

/// Whether the program pinned under this key is on an interface, in whichever namespace that is by now.
pub(crate) fn is_attached(key: Key) -> Result<bool, Error> {
    pinned_link(key).map(|info| info.ifindex != 0)
}

/// Every interface for which something is pinned.
pub(crate) fn pinned() -> Vec<Key> {
    let Ok(entries) = std::fs::read_dir(paths::BPF) else { return Vec::new() };
    entries.flatten().filter_map(|entry| Key::parse(entry.file_name().to_str()?)).collect()
}

/// Takes a program off that came with its interface, if nobody uses it there.
fn remove_stray(key: Key, name: &str) -> Result<(), Failure> {
    let failed = |error| Failure::internal("opening a lock file", error);
    let holders = Table::open(key).map_err(failed)?.holders().map_err(failed)?;
    let Some(pinned) = Pinned::open(&folder(key))? else { return Ok(()) };
    if holders.is_empty() && pinned.is_unoccupied()? {
        return clear(&folder(key), Some(&pinned.redirect));
    }
    Err(Failure::new(
        Code::Busy,
        name,
        format!("{name} has come from another network namespace with its leases"),
    )
    .hint("end them first: xsk-helper revoke, or close the sockets"))
}

/// Loads, attaches in the first mode that works, and pins.
fn create(wanted: &Wanted<'_>) -> Result<Installed, Failure> {
    super::residue::sweep(wanted.key);
    let loaded = privileged(|| Redirect::load(wanted.link.queues_allocated().max(1), wanted.frags))
        .map_err(|failure| if wanted.frags { without_frags(failure) } else { failure })?;
    failpoint!("loaded");
    let (redirect, mode, reason) = attach(loaded, wanted)?;
    failpoint!("attached");
    let prog_id = privileged(|| redirect.link.info())?.prog_id;
    let dir = folder(wanted.key);
    std::fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|error| {
        Failure::internal("making a folder in bpffs", error).object(dir.display().to_string())
    })?;
    failpoint!("folder");
    if let Err(failure) = privileged(|| redirect.pin(&dir)) {
        // The link goes with `redirect`, and what cannot be removed is residue.
        let _ = Redirect::unpin(&dir);
        return Err(failure);
    }
    Ok((redirect, Attachment { mode, reason, prog_id, frags: wanted.frags, fresh: true }))
}

/// Only the program for frames of several buffers asks for more than Linux 5.10.
fn without_frags(failure: Failure) -> Failure {
    if failure.code() != Code::KernelTooOld {
        return failure;
    }
    Failure::new(Code::KernelTooOld, "frags", "this kernel has no XDP programs for frames of several buffers")
        .hint("use Linux 5.18 or later, or ask without frags")
}

fn attach(mut loaded: Loaded, wanted: &Wanted<'_>) -> Result<(Redirect, Mode, String), Failure> {
    let mut reason = String::new();
    let mut refused = None;
    for mode in wanted.modes {
        if let Some(why) = undelivered(*mode, wanted) {
            reason = why.to_owned();
            continue;
        }
        let how = if *mode == Mode::Native { AttachMode::Native } else { AttachMode::Skb };
        let attached = privilege::with(&[CAP_BPF, CAP_NET_ADMIN], || loaded.attach(wanted.link.ifindex, how))
            .map_err(|error| Failure::internal("raising CAP_BPF and CAP_NET_ADMIN", error))?;
        match attached {
            Ok(redirect) => return Ok((redirect, *mode, reason)),
            Err((_, error)) if matches!(error.errno, libc::EBUSY | libc::EEXIST) => {
                return Err(appeared(&wanted.link.name));
            }
            Err((back, error)) => {
                let cause = refusal::cause(wanted, *mode, error.errno);
                let errno = std::io::Error::from_raw_os_error(error.errno).to_string();
                let why = cause.as_ref().map_or(errno, |cause| cause.what.clone());
                reason = format!("{mode} mode was refused: {why}");
                refused = Some((*mode, error, cause));
                loaded = back;
            }
        }
    }
    Err(refusal::unsupported(&wanted.link.name, refused, &reason))
}

/// Why a program in this mode would attach, and no frame reach a socket.
fn undelivered(mode: Mode, wanted: &Wanted<'_>) -> Option<&'static str> {
    if mode != Mode::Native {
        return None;
    }
    let ask = |netdev: &Netdev| netdev.features(wanted.link.ifindex).ok();
    match wanted.link.undelivered_natively(wanted.kernel.netdev.as_ref().and_then(ask))? {
        Undelivered::Bond => Some("a bond delivers nothing to AF_XDP in native mode"),
        Undelivered::Driver => Some("its driver drops what an XDP program redirects"),
    }
}

fn appeared(name: &str) -> Failure {
    Failure::new(Code::ForeignProgram, name, format!("another XDP program has just been attached to {name}"))
        .hint(format!("see what it is: bpftool net show dev {name}; it is left alone"))
}
