// SPDX-License-Identifier: MIT OR Apache-2.0
//! By which way the sockets serve QEMU: as the virtio card of its guest, as its own af-xdp netdev,
//! or as a stream. What was asked for is done or refused; else the first one that works is taken,
//! and one line says which, and why not one before it.

use std::path::Path;

use xsk_client::netdev::valued;
use xsk_client::{Endpoint, Error, Kind};
use xsk_command::{say, waiting};

use super::args::{Backend, RunArgs};
use super::memory::Need;
use super::plan::Plan;
use super::target::Target;
use super::{backend, stream, vhost};
use crate::nic::Nic;
use crate::outcome::PROGRAM;
use crate::programs::{Consumer, Programs};
use crate::qemu::{self, Described};

/// How the command gets at the sockets.
#[derive(Debug)]
pub(super) enum Way {
    /// By inheriting them.
    Direct,
    /// By a backend that is a virtio card.
    VhostUser(vhost::Fit),
    /// By a backend at a unix socket, with the option by which QEMU connects again.
    Stream(Option<&'static str>),
}

impl Way {
    /// Chooses it, and sees to it that a backend is there where one is needed.
    pub(super) fn choose(args: &RunArgs, plan: &Plan, programs: &Programs) -> Result<Self, Error> {
        let way = Self::of(args, plan, programs)?;
        if way.is_backend() && !args.dry_run {
            backend::program()?;
        }
        Ok(way)
    }

    fn of(args: &RunArgs, plan: &Plan, programs: &Programs) -> Result<Self, Error> {
        if !plan.targets.iter().any(Target::is_argument) {
            return Ok(Self::Direct);
        }
        let Some(qemu) = programs.consumer.qemu() else {
            return no_qemu(args.backend, &programs.consumer);
        };
        let ask = || qemu::netdevs(qemu, qemu::PATIENCE);
        let types = waiting(PROGRAM, "QEMU to say what it has", ask);
        let has =
            |name: &str| types.as_ref().is_none_or(|types| types.iter().any(|known| known == name));
        let described = || qemu::describe(qemu, qemu::PATIENCE);
        match args.backend {
            Backend::Direct if has("af-xdp") => Ok(Self::Direct),
            Backend::Direct => Err(lacks_af_xdp(qemu)),
            Backend::Stream => Ok(Self::Stream(stream::reconnect(described().as_ref()))),
            Backend::VhostUser => vhost::fit(&plan.targets, &plan.command, described().as_ref())
                .map(Self::VhostUser)
                .map_err(|why| no_vhost(&why)),
            // What says nothing of itself is left to itself.
            Backend::Auto if types.is_none() => Ok(Self::Direct),
            Backend::Auto => Ok(first_that_works(args, plan, programs, has("af-xdp"), described())),
        }
    }

    /// Whether the sockets go to xsk-backend.
    pub(super) fn is_backend(&self) -> bool {
        !matches!(self, Self::Direct)
    }
}

/// A program that is not known to be QEMU inherits the sockets, and nothing else is possible.
fn no_qemu(backend: Backend, consumer: &Consumer) -> Result<Way, Error> {
    let name = match backend {
        Backend::Auto | Backend::Direct => return Ok(Way::Direct),
        Backend::Stream => "stream",
        Backend::VhostUser => "vhost-user",
    };
    let program = consumer.path().display();
    let message = format!("--backend {name} rewrites a QEMU's command, and {program} is none");
    Err(Error::new(Kind::Usage, "--backend", message).hint("leave out --backend"))
}

fn lacks_af_xdp(qemu: &Path) -> Error {
    let message = format!("{} has no af-xdp netdev built in", qemu.display());
    Error::new(Kind::Usage, qemu.display().to_string(), message)
        .hint("leave out --backend, or: xsk-client run --backend stream -- COMMAND...")
}

fn no_vhost(why: &str) -> Error {
    let message = format!("--backend vhost-user cannot serve this command: {why}");
    Error::new(Kind::Usage, "--backend", message)
        .hint("xsk-client run --backend stream -- COMMAND...")
}

fn first_that_works(
    args: &RunArgs,
    plan: &Plan,
    programs: &Programs,
    has_af_xdp: bool,
    qemu: Option<Described>,
) -> Way {
    if has_af_xdp && backend::program().is_err() {
        say(PROGRAM, "--backend direct: QEMU has af-xdp, and xsk-backend is not installed");
        return Way::Direct;
    }
    let vhost = match loads(plan) {
        Some(option) => Err(format!("{option} loads a state of another device")),
        None => vhost::fit(&plan.targets, &plan.command, qemu.as_ref()),
    };
    let not_vhost = match vhost {
        Ok(fit) => {
            say(PROGRAM, "--backend vhost-user: the guest's memory can be shared");
            return Way::VhostUser(fit);
        }
        Err(why) => why,
    };
    let Some(not_direct) = bars_direct(args, plan, programs, has_af_xdp) else {
        say(PROGRAM, &format!("--backend direct: QEMU has af-xdp (not vhost-user: {not_vhost})"));
        return Way::Direct;
    };
    say(
        PROGRAM,
        &format!("--backend stream (not vhost-user: {not_vhost}; not direct: {not_direct})"),
    );
    Way::Stream(stream::reconnect(qemu.as_ref()))
}

/// The option by which the guest goes on from a saved state, which names the devices that it had.
fn loads(plan: &Plan) -> Option<&'static str> {
    valued(&plan.command).find_map(|(_, name, _)| match name {
        b"loadvm" => Some("-loadvm"),
        b"incoming" => Some("-incoming"),
        _ => None,
    })
}

/// Why QEMU's own af-xdp would not work, if it would not.
fn bars_direct(
    args: &RunArgs,
    plan: &Plan,
    programs: &Programs,
    has_af_xdp: bool,
) -> Option<String> {
    if !has_af_xdp {
        return Some("QEMU has no af-xdp".into());
    }
    let unfinished = plan.targets.iter().find_map(|target| unfinished(target.request.ifname()));
    if unfinished.is_some() {
        return unfinished;
    }
    let endpoint: Endpoint = args.endpoint.endpoint();
    let need = Need::of(plan, &programs.consumer, false, args.memlock);
    match need.check_before(&endpoint, plan) {
        Err(error) if error.kind == Kind::Memlock => {
            Some("the locked memory does not suffice".into())
        }
        // Any other refusal comes again, and is said then.
        _ => None,
    }
}

/// A veth whose other end leaves checksums to a card that is not there: AF_XDP hands such frames
/// on, and a guest drops them. Nobody can ask an end in another namespace; that is so by default.
fn unfinished(ifname: &str) -> Option<String> {
    let nic = Nic::find(ifname).ok()??;
    let is_left =
        nic.other_features.as_ref().is_none_or(|on| on.contains("tx-checksum-ip-generic"));
    (nic.link.kind == "veth" && is_left)
        .then(|| format!("the other end of {ifname} leaves checksums unfinished"))
}
