// SPDX-License-Identifier: MIT OR Apache-2.0
//! The generic netlink family `netdev`, by which a driver says what XDP it can do
//! (Documentation/netlink/specs/netdev.yaml; since Linux 6.3).

use rustix::io::Errno;

use super::netlink::{To, attribute, attributes, get, short, word};

/// `struct genlmsghdr`: command, version, two bytes of nothing.
const GENLMSG: usize = 4;
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;

/// The bits of `xdp-features` that matter here (`enum netdev_xdp_act`, include/uapi/linux/netdev.h).
pub(crate) const BASIC: u32 = 1;
pub(crate) const REDIRECT: u32 = 2;
pub(crate) const ZERO_COPY: u32 = 8;
pub(crate) const FRAGS: u32 = 32;

/// The number of the family; `None` where the kernel has none of that name.
pub(crate) fn family() -> Result<Option<u16>, Errno> {
    let mut payload = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
    payload.extend(attribute(CTRL_ATTR_FAMILY_NAME, b"netdev\0"));
    let mut family = None;
    let answer = get(To::Generic, GENL_ID_CTRL, &payload, |_, body| {
        let id = attributes(body, GENLMSG).find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID);
        family = id.and_then(|(_, value)| short(value, 0));
    });
    match answer {
        Err(Errno::NOENT) => Ok(None),
        other => other.map(|()| family),
    }
}

/// The features of an interface; `None` where the kernel does not tell.
pub(crate) fn xdp_features(index: u32) -> Option<u32> {
    let family = family().ok().flatten()?;
    let mut payload = vec![NETDEV_CMD_DEV_GET, 1, 0, 0];
    payload.extend(attribute(NETDEV_A_DEV_IFINDEX, &index.to_ne_bytes()));
    let mut features = None;
    get(To::Generic, family, &payload, |_, body| {
        let value = attributes(body, GENLMSG).find(|(kind, _)| *kind == NETDEV_A_DEV_XDP_FEATURES);
        // 64 bits in the byte order of the machine, of which the upper half is not used.
        let halves = value.map(|(_, value)| word(value, 0).unwrap_or(0) | word(value, 4).unwrap_or(0));
        features = features.or(halves);
    })
    .ok()?;
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_no_xdp_of_its_own() {
        if family() == Ok(None) {
            assert_eq!(xdp_features(1), None);
        } else {
            assert_eq!(xdp_features(1), Some(0));
        }
    }
}
