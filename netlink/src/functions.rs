// SPDX-License-Identifier: MIT OR Apache-2.0
//! The virtual functions of a card, as its physical function tells them
//! (include/uapi/linux/if_link.h).

use crate::bytes::{attributes, find, number, u32_at};
use crate::link::FIXED;
use crate::message::{Message, Request};

const WITH_FUNCTIONS: u32 = libc::RTEXT_FILTER_VF as u32;
// The attributes inside of IFLA_VFINFO_LIST, which libc has not.
const VF_INFO: u16 = 1;
const VF_SPOOFCHK: u16 = 4;
const VF_TRUST: u16 = 9;

/// What the administrator lets a virtual function do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualFunction {
    /// Whether it may change its address and receive for others.
    pub trusted: bool,
    /// Whether the card drops what it sends from other addresses.
    pub spoof_checked: bool,
}

impl Request {
    /// Asks for a physical function with the settings of its virtual ones.
    pub(crate) fn functions(physical: u32) -> Self {
        Self::link(physical, WITH_FUNCTIONS)
    }
}

impl VirtualFunction {
    /// Finds function number `vf` in the description of its physical one.
    pub(crate) fn read(message: &Message<'_>, vf: u32) -> Option<Self> {
        let list = message.find(FIXED, libc::IFLA_VFINFO_LIST)?;
        let infos = attributes(list).filter(|(kind, _)| *kind == VF_INFO);
        infos.map(|(_, info)| info).find_map(|info| {
            Some(Self {
                trusted: setting(info, VF_TRUST, vf)?,
                spoof_checked: setting(info, VF_SPOOFCHK, vf)?,
            })
        })
    }
}

/// A setting is the number of the function and the value.
fn setting(info: &[u8], wanted: u16, vf: u32) -> Option<bool> {
    let value = find(info, wanted).filter(|value| number(value) == Some(vf))?;
    u32_at(value, 4).map(|on| on == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        [&((4 + value.len()) as u16).to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
    }

    fn function(vf: u32, trusted: u32, checked: u32) -> Vec<u8> {
        let setting =
            |kind, on: u32| attribute(kind, &[vf.to_ne_bytes(), on.to_ne_bytes()].concat());
        attribute(VF_INFO, &[setting(VF_TRUST, trusted), setting(VF_SPOOFCHK, checked)].concat())
    }

    #[test]
    fn a_function_is_found_by_its_number() {
        let list = [function(0, 0, 1), function(1, 1, 0)].concat();
        let body = [vec![0; FIXED], attribute(libc::IFLA_VFINFO_LIST, &list)].concat();
        let bytes = Request::get(libc::RTM_NEWLINK, &body).into_bytes(0);
        let message = crate::messages(&bytes).next().unwrap().unwrap();
        let read = |vf| VirtualFunction::read(&message, vf);
        assert_eq!(read(0), Some(VirtualFunction { trusted: false, spoof_checked: true }));
        assert_eq!(read(1), Some(VirtualFunction { trusted: true, spoof_checked: false }));
        assert_eq!(read(2), None);
    }
}
