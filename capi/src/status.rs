// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is leased.

use std::ffi::c_char;

use xsk_client::proto;

use crate::grant::mode_of;
use crate::request::Mode;
use crate::text::{Text, text_of};

/// What is leased at one moment.
#[derive(Debug)]
pub struct Status {
    interfaces: Vec<Interface>,
    leases: Vec<LeaseInfo>,
}

/// An interface that carries the helper's program. It belongs to its status.
#[derive(Debug)]
pub struct Interface {
    status: proto::InterfaceStatus,
    ifname: Text,
}

/// A lease of a status. It belongs to that status.
#[derive(Debug)]
pub struct LeaseInfo {
    status: proto::LeaseStatus,
    ifname: Text,
    rule: Text,
}

impl Status {
    pub(crate) fn new(all: proto::StatusPart) -> Self {
        let interface = |status: proto::InterfaceStatus| {
            let ifname = Text::new(&status.ifname);
            Interface { status, ifname }
        };
        let lease = |status: proto::LeaseStatus| {
            let (ifname, rule) = (Text::new(&status.ifname), Text::new(&status.rule));
            LeaseInfo { status, ifname, rule }
        };
        Self {
            interfaces: all.interfaces.into_iter().map(interface).collect(),
            leases: all.leases.into_iter().map(lease).collect(),
        }
    }
}

/// How many leases there are: the caller's, or for root everybody's.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_status_leases(status: Option<&Status>) -> usize {
    status.map_or(0, |status| status.leases.len())
}

/// A lease; NULL beyond the last one.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_status_lease(
    status: Option<&Status>,
    index: usize,
) -> Option<&LeaseInfo> {
    status.and_then(|status| status.leases.get(index))
}

/// How many interfaces carry the helper's program.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_status_interfaces(status: Option<&Status>) -> usize {
    status.map_or(0, |status| status.interfaces.len())
}

/// An interface; NULL beyond the last one.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_status_interface(
    status: Option<&Status>,
    index: usize,
) -> Option<&Interface> {
    status.and_then(|status| status.interfaces.get(index))
}

/// Frees a status, and with it its leases and interfaces. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_status_free(status: Option<Box<Status>>) {
    drop(status);
}

/// The lease's number.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_lease_id(lease: Option<&LeaseInfo>) -> u64 {
    lease.map_or(0, |lease| lease.status.lease)
}

/// The interface's name now; "" where it is gone.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_lease_ifname(lease: Option<&LeaseInfo>) -> *const c_char {
    text_of(lease, |lease| &lease.ifname)
}

/// The interface's index.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_lease_ifindex(lease: Option<&LeaseInfo>) -> u32 {
    lease.map_or(0, |lease| lease.status.ifindex)
}

/// The first queue.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_lease_first_queue(lease: Option<&LeaseInfo>) -> u32 {
    lease.map_or(0, |lease| lease.status.first_queue)
}

/// How many queues.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_lease_queues(lease: Option<&LeaseInfo>) -> u32 {
    lease.map_or(0, |lease| lease.status.queues)
}

/// Who holds it.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_lease_uid(lease: Option<&LeaseInfo>) -> u32 {
    lease.map_or(0, |lease| lease.status.uid)
}

/// The process that asked for it.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_lease_client(lease: Option<&LeaseInfo>) -> u32 {
    lease.map_or(0, |lease| lease.status.client)
}

/// The process that keeps it.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_lease_keeper(lease: Option<&LeaseInfo>) -> u32 {
    lease.map_or(0, |lease| lease.status.keeper)
}

/// Seconds since the grant.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_lease_age(lease: Option<&LeaseInfo>) -> u64 {
    lease.map_or(0, |lease| lease.status.age)
}

/// The rule that allowed it: file and line.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_lease_rule(lease: Option<&LeaseInfo>) -> *const c_char {
    text_of(lease, |lease| &lease.rule)
}

/// The interface's name now; "" where it is gone.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_interface_ifname(interface: Option<&Interface>) -> *const c_char {
    text_of(interface, |interface| &interface.ifname)
}

/// The interface's index.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_interface_ifindex(interface: Option<&Interface>) -> u32 {
    interface.map_or(0, |interface| interface.status.ifindex)
}

/// The id of the XDP program.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_interface_program_id(interface: Option<&Interface>) -> u32 {
    interface.map_or(0, |interface| interface.status.program_id)
}

/// How the program is attached: XSKCLIENT_MODE_NATIVE or XSKCLIENT_MODE_SKB.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_interface_mode(interface: Option<&Interface>) -> u32 {
    interface.map_or(Mode::Auto, |interface| mode_of(interface.status.mode)).into()
}

/// How many occupied queues no lease accounts for.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_interface_orphans(interface: Option<&Interface>) -> usize {
    interface.map_or(0, |interface| interface.status.orphans.len())
}
