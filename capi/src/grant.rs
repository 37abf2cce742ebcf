// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a lease is of.

use std::ffi::c_char;

use xsk_client::proto;

use crate::pointers::fill;
use crate::request::Mode;
use crate::text::{NOTHING, Text, text_of};

/// What the helper says about the sockets of a lease.
#[derive(Debug)]
pub struct Grant {
    granted: proto::Granted,
    ifname: Text,
    mode_reason: Text,
    rule: Text,
    warnings: Vec<Text>,
}

impl From<Mode> for u32 {
    fn from(mode: Mode) -> Self {
        mode as u32
    }
}

/// A mode as C has it.
pub(crate) fn mode_of(mode: proto::Mode) -> Mode {
    match mode {
        proto::Mode::Native => Mode::Native,
        proto::Mode::Skb => Mode::Skb,
    }
}

impl Grant {
    pub(crate) fn new(granted: proto::Granted) -> Self {
        Self {
            ifname: Text::new(&granted.ifname),
            mode_reason: Text::new(&granted.mode_reason),
            rule: Text::new(&granted.rule),
            warnings: granted.warnings.iter().map(|warning| Text::new(&warning.text)).collect(),
            granted,
        }
    }
}

/// The lease's number, unique while the machine is up.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_lease(grant: Option<&Grant>) -> u64 {
    grant.map_or(0, |grant| grant.granted.lease)
}

/// The interface's primary name.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_ifname(grant: Option<&Grant>) -> *const c_char {
    text_of(grant, |grant| &grant.ifname)
}

/// The interface's index, for `sxdp_ifindex`.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_ifindex(grant: Option<&Grant>) -> u32 {
    grant.map_or(0, |grant| grant.granted.ifindex)
}

/// Writes the interface's link-layer address to six bytes; zeros where it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xskclient_grant_mac(grant: Option<&Grant>, mac: *mut u8) {
    if let (Some(grant), false) = (grant, mac.is_null()) {
        // SAFETY: the contract is the same.
        unsafe { fill(mac, &grant.granted.mac) };
    }
}

/// The interface's MTU in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_mtu(grant: Option<&Grant>) -> u32 {
    grant.map_or(0, |grant| grant.granted.mtu)
}

/// The queue of the first socket, for `sxdp_queue_id`.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_first_queue(grant: Option<&Grant>) -> u32 {
    grant.map_or(0, |grant| grant.granted.first_queue)
}

/// How many queues, and so sockets, there are.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_queues(grant: Option<&Grant>) -> u32 {
    grant.map_or(0, |grant| grant.granted.queues)
}

/// How the program is attached: XSKCLIENT_MODE_NATIVE or XSKCLIENT_MODE_SKB.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_mode(grant: Option<&Grant>) -> u32 {
    grant.map_or(Mode::Auto, |grant| mode_of(grant.granted.mode)).into()
}

/// Why the program is attached so, where the request left it open; else "".
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_mode_reason(grant: Option<&Grant>) -> *const c_char {
    text_of(grant, |grant| &grant.mode_reason)
}

/// The id of the XDP program on the interface.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_program_id(grant: Option<&Grant>) -> u32 {
    grant.map_or(0, |grant| grant.granted.program_id)
}

/// Whether the kernel lets the sockets bind to this interface alone.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_confined_to_device(grant: Option<&Grant>) -> bool {
    grant.is_some_and(|grant| grant.granted.confinement.device)
}

/// Whether the kernel lets the sockets bind to their queues alone.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_confined_to_queue(grant: Option<&Grant>) -> bool {
    grant.is_some_and(|grant| grant.granted.confinement.queue)
}

/// Whether frames of several buffers arrive: bind with XDP_USE_SG.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_frags(grant: Option<&Grant>) -> bool {
    grant.is_some_and(|grant| grant.granted.frags)
}

/// Whether the interface is promiscuous while the lease lasts.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_promisc(grant: Option<&Grant>) -> bool {
    grant.is_some_and(|grant| grant.granted.promisc)
}

/// RLIMIT_MEMLOCK of this process in bytes, where the helper has raised it; else 0.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_memlock_limit(grant: Option<&Grant>) -> u64 {
    grant.map_or(0, |grant| grant.granted.memlock.limit)
}

/// The rule that allowed it: file and line.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_rule(grant: Option<&Grant>) -> *const c_char {
    text_of(grant, |grant| &grant.rule)
}

/// The process id of the lease's keeper.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_keeper(grant: Option<&Grant>) -> u32 {
    grant.map_or(0, |grant| grant.granted.keeper)
}

/// How many warnings there are.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_warnings(grant: Option<&Grant>) -> usize {
    grant.map_or(0, |grant| grant.warnings.len())
}

/// A warning: a sentence about the interface. "" beyond the last one.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_warning(grant: Option<&Grant>, index: usize) -> *const c_char {
    let warning = grant.and_then(|grant| grant.warnings.get(index));
    warning.map_or(NOTHING.as_ptr(), Text::pointer)
}

/// Frees a grant; the lease and its descriptors stay. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_grant_free(grant: Option<Box<Grant>>) {
    drop(grant);
}
