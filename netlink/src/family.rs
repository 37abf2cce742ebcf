// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generic netlink: families that are found by their name, and commands to them
//! (include/uapi/linux/genetlink.h).

use std::io;

use crate::bytes::u16_at;
use crate::message::Request;
use crate::{Ask, unless};

/// `struct genlmsghdr`: command, version, two bytes of nothing.
pub(crate) const FIXED: usize = size_of::<libc::genlmsghdr>();
const CONTROLLER: u16 = libc::GENL_ID_CTRL as u16;
const GET_FAMILY: u8 = libc::CTRL_CMD_GETFAMILY as u8;
const FAMILY_ID: u16 = libc::CTRL_ATTR_FAMILY_ID as u16;
const FAMILY_NAME: u16 = libc::CTRL_ATTR_FAMILY_NAME as u16;

/// Returns a request of a family.
pub(crate) fn command(family: u16, command: u8) -> Request {
    Request::get(family, &[command, 1, 0, 0])
}

/// Returns the number of a family; `None` where the kernel has none of that name.
pub(crate) fn find(socket: &impl Ask, name: &str) -> io::Result<Option<u16>> {
    let mut family = None;
    let request = command(CONTROLLER, GET_FAMILY).with_text(FAMILY_NAME, name);
    let asked = socket.ask(request, &mut |message| {
        family = message.find(FIXED, FAMILY_ID).and_then(|id| u16_at(id, 0));
    });
    unless(asked.map(|()| family), &[libc::ENOENT])
}
