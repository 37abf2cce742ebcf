// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attaches a loaded program in the first mode that works.

use xsk_bpf::{AttachMode, Loaded, Redirect};
use xsk_netlink::Undelivered;
use xsk_proto::Mode;

use super::refusal;
use super::wanted::Wanted;
use crate::bpf_call::raised;
use crate::error::{Failure, ProgramFault, Tried, Unsupported};
use crate::netlink::Netdev;

/// Returns the program on its interface, the mode, and why no mode before it in the request's order
/// did.
pub(super) fn attach(
    mut loaded: Loaded,
    wanted: &Wanted<'_>,
) -> Result<(Redirect, Mode, String), Failure> {
    let mut reason = String::new();
    let mut tried = None;
    for mode in wanted.modes {
        if let Some(why) = undelivered(*mode, wanted) {
            reason = why.to_owned();
            continue;
        }
        let how = if *mode == Mode::Native { AttachMode::Native } else { AttachMode::Skb };
        match raised(|| loaded.attach(wanted.link.ifindex, how))? {
            Ok(redirect) => return Ok((redirect, *mode, reason)),
            Err((_, error)) if matches!(error.errno, libc::EBUSY | libc::EEXIST) => {
                return Err(ProgramFault::Appeared { name: wanted.link.name.clone() }.into());
            }
            Err((back, error)) => {
                let cause = refusal::cause(wanted, *mode, error.errno);
                let errno = std::io::Error::from_raw_os_error(error.errno).to_string();
                let why = cause.as_ref().map_or(errno, |cause| cause.what.clone());
                reason = format!("{mode} mode was refused: {why}");
                tried = Some(Tried { mode: *mode, errno: error.errno, cause });
                loaded = back;
            }
        }
    }
    let name = wanted.link.name.clone();
    Err(ProgramFault::Unsupported(Box::new(Unsupported { name, tried, reason })).into())
}

/// Returns why a program in this mode would attach and no frame reach a socket.
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
