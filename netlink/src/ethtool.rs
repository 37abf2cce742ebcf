// SPDX-License-Identifier: MIT OR Apache-2.0
//! The generic netlink family `ethtool`: channels and offloads. The kernel lets every user read
//! them (Documentation/networking/ethtool-netlink.rst; channels and features since Linux 5.7).

use std::collections::BTreeSet;
use std::io;

use crate::bytes::{attributes, find, number, text};
use crate::family::{self, FIXED};
use crate::message::{Message, Request};
use crate::{Ask, unless};

/// Each request and each answer begins with this attribute.
const HEADER: u16 = 1;
const HEADER_DEV_INDEX: u16 = 1;

const FEATURES_GET: u8 = 11;
const FEATURES_ACTIVE: u16 = 4;
const BITSET_BITS: u16 = 3;
const BIT: u16 = 1;
const BIT_NAME: u16 = 2;

const CHANNELS_GET: u8 = 17;
const RX_MAX: u16 = 2;
const COMBINED_MAX: u16 = 5;
const RX_COUNT: u16 = 6;
const TX_COUNT: u16 = 7;
const COMBINED_COUNT: u16 = 9;

/// How the queues of an interface are bundled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Channels {
    /// The most channels that only receive.
    pub max_rx: u32,
    /// The most channels that receive and send.
    pub max_combined: u32,
    /// The channels that only receive.
    pub rx: u32,
    /// The channels that only send.
    pub tx: u32,
    /// The channels that receive and send.
    pub combined: u32,
}

impl Channels {
    /// Returns the receive or transmit queues in use, whichever are more.
    pub fn in_use(&self) -> u32 {
        self.combined.saturating_add(self.rx.max(self.tx))
    }

    /// The kernel leaves out the kinds of which there can be none.
    fn read(message: &Message<'_>) -> Self {
        let count = |wanted| message.find(FIXED, wanted).and_then(number).unwrap_or(0);
        Self {
            max_rx: count(RX_MAX),
            max_combined: count(COMBINED_MAX),
            rx: count(RX_COUNT),
            tx: count(TX_COUNT),
            combined: count(COMBINED_COUNT),
        }
    }
}

/// Asks the family, by a socket of NETLINK_GENERIC.
#[derive(Debug)]
pub struct Ethtool<S> {
    socket: S,
    family: u16,
}

impl<S: Ask> Ethtool<S> {
    /// Finds the family; `None` where the kernel was built without it.
    ///
    /// # Errors
    /// The kernel refuses to answer.
    pub fn find(socket: S) -> io::Result<Option<Self>> {
        let family = family::find(&socket, "ethtool")?;
        Ok(family.map(|family| Self { socket, family }))
    }

    /// Returns the channels; `None` where the driver does not tell.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn channels(&self, ifindex: u32) -> io::Result<Option<Channels>> {
        let mut channels = None;
        let asked = self.socket.ask(self.about(CHANNELS_GET, ifindex), &mut |message| {
            channels = Some(Channels::read(&message));
        });
        unless(asked.map(|()| channels), &[libc::EOPNOTSUPP])
    }

    /// Returns the names of the features that are on, as `ethtool -k` has them in its source.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn features(&self, ifindex: u32) -> io::Result<BTreeSet<String>> {
        let mut features = BTreeSet::new();
        self.socket.ask(self.about(FEATURES_GET, ifindex), &mut |message| {
            features.extend(active(&message));
        })?;
        Ok(features)
    }

    fn about(&self, command: u8, ifindex: u32) -> Request {
        let request = family::command(self.family, command);
        request.with_nested_u32(HEADER, HEADER_DEV_INDEX, ifindex)
    }
}

/// A set of bits without a mask lists those that are set.
fn active(message: &Message<'_>) -> impl Iterator<Item = String> {
    let set = message.find(FIXED, FEATURES_ACTIVE).unwrap_or_default();
    let bits = attributes(find(set, BITSET_BITS).unwrap_or_default());
    bits.filter(|(kind, _)| *kind == BIT).filter_map(|(_, bit)| find(bit, BIT_NAME)).map(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Kernel;

    fn ethtool(answer: Result<Request, i32>) -> Ethtool<Kernel> {
        let family = family::command(16, 1).with_u32(libc::CTRL_ATTR_FAMILY_ID as u16, 21);
        let answers = vec![Ok(vec![family]), answer.map(|message| vec![message])];
        Ethtool::find(Kernel::new(answers)).unwrap().unwrap()
    }

    #[test]
    fn channels_are_counted() {
        let answer = family::command(21, 0).with_u32(COMBINED_MAX, 8).with_u32(COMBINED_COUNT, 4);
        let channels = ethtool(Ok(answer)).channels(7).unwrap().unwrap();
        assert_eq!((channels.max_combined, channels.combined, channels.in_use()), (8, 4, 4));
        let split = Channels { rx: 2, tx: 3, combined: 1, ..Channels::default() };
        assert_eq!(split.in_use(), 4);
        let vast = Channels { rx: u32::MAX, combined: 1, ..Channels::default() };
        assert_eq!(vast.in_use(), u32::MAX);
    }

    #[test]
    fn a_driver_without_channels_tells_none() {
        assert_eq!(ethtool(Err(libc::EOPNOTSUPP)).channels(7).unwrap(), None);
        let gone = ethtool(Err(libc::ENODEV)).channels(7);
        assert_eq!(gone.unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn the_interface_is_named_by_its_index() {
        let ethtool = ethtool(Err(libc::EOPNOTSUPP));
        ethtool.channels(7).unwrap();
        let asked = ethtool.socket.asked.borrow();
        assert_eq!(asked[1][16..20], [CHANNELS_GET, 1, 0, 0]);
        assert_eq!(asked[1][20..], [12, 0, 1, 0x80, 8, 0, 1, 0, 7, 0, 0, 0]);
    }

    #[test]
    fn features_that_are_on_have_names() {
        let name = |name: &str| attribute(BIT, &attribute(BIT_NAME, name.as_bytes()));
        let bits = attribute(BITSET_BITS, &[name("rx-gro\0"), name("rx-lro\0")].concat());
        let body = [&[11, 1, 0, 0], &attribute(FEATURES_ACTIVE, &bits)[..]].concat();
        let features = ethtool(Ok(Request::get(21, &body))).features(7).unwrap();
        assert_eq!(features, BTreeSet::from(["rx-gro".to_owned(), "rx-lro".to_owned()]));
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = (4 + value.len()) as u16;
        let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}
