// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions to rtnetlink.

use std::io;
use std::net::IpAddr;

use crate::functions::VirtualFunction;
use crate::link::{self, Link};
use crate::message::Request;
use crate::{Ask, stack, unless};

/// Asks rtnetlink, by a socket of NETLINK_ROUTE with NETLINK_GET_STRICT_CHK. Without that the
/// kernel lists more than it was asked for, and does not tell the interfaces of a nexthop group.
#[derive(Debug)]
pub struct Route<S>(pub S);

impl<S: Ask> Route<S> {
    /// Returns all interfaces of this namespace.
    ///
    /// # Errors
    /// The kernel refuses to answer.
    pub fn links(&self) -> io::Result<Vec<Link>> {
        let mut found = Vec::new();
        self.0.ask(Request::dump(libc::RTM_GETLINK, &[0; link::FIXED]), &mut |message| {
            found.extend(Link::read(&message));
        })?;
        Ok(found)
    }

    /// Returns the interface of this name, or of this altname.
    ///
    /// # Errors
    /// The kernel refuses to answer. That there is no such interface is no error.
    pub fn link_by_name(&self, name: &str) -> io::Result<Option<Link>> {
        match Request::link_by_name(name) {
            Some(request) => self.link(request),
            None => Ok(None),
        }
    }

    /// Returns the interface of this index.
    ///
    /// # Errors
    /// See [`Self::link_by_name`].
    pub fn link_by_index(&self, ifindex: u32) -> io::Result<Option<Link>> {
        self.link(Request::link_by_index(ifindex))
    }

    fn link(&self, request: Request) -> io::Result<Option<Link>> {
        let mut found = None;
        let asked = self.0.ask(request, &mut |message| {
            found = found.take().or_else(|| Link::read(&message));
        });
        unless(asked.map(|()| found), &[libc::ENODEV])
    }

    /// Returns what virtual function number `vf` of a physical one may do, if the card tells.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn virtual_function(&self, physical: u32, vf: u32) -> io::Result<Option<VirtualFunction>> {
        let mut found = None;
        self.0.ask(Request::functions(physical), &mut |message| {
            found = found.or_else(|| VirtualFunction::read(&message, vf));
        })?;
        Ok(found)
    }

    /// Returns the addresses that the host has on the interface, without link-local ones.
    ///
    /// # Errors
    /// The kernel refuses to answer.
    pub fn addresses(&self, ifindex: u32) -> io::Result<Vec<IpAddr>> {
        let mut found = Vec::new();
        self.0.ask(Request::addresses(ifindex), &mut |message| {
            found.extend(stack::address(&message, ifindex));
        })?;
        Ok(found)
    }

    /// Returns whether a default route of the main table leaves by the interface, alone or among
    /// others.
    ///
    /// # Errors
    /// The kernel refuses to answer.
    pub fn has_default_route(&self, ifindex: u32) -> io::Result<bool> {
        let mut found = false;
        self.0.ask(Request::routes(ifindex), &mut |message| {
            found |= stack::is_default_route(&message, ifindex);
        })?;
        Ok(found)
    }
}
