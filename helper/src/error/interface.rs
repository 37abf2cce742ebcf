// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface is not one that the request can have.
#![forbid(unsafe_code)]

use xsk_netlink::{SINGLE_BUFFER, SINGLE_BUFFER_MTU};
use xsk_proto::{Code, MAX_QUEUES, Refused};

use super::say;

/// What is wrong with the interface, or with what the request says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InterfaceFault {
    /// The name cannot be one; `shown` is as much of it as may be repeated.
    BadName { shown: String, reason: String },
    /// There is none of this name.
    Missing(String),
    /// It was there when the request began.
    Removed(String),
    /// It has another name since the request began.
    Renamed(String),
    /// The name is a further one of the interface.
    NotPrimary(String),
    /// It carries no Ethernet frames.
    NotEthernet {
        name: String,
        why: &'static str,
        /// A tun device has a sibling that does.
        tun: bool,
    },
    /// No interface can have so many queues, or none at all.
    QueueCount { name: String, first: u32, queues: u32 },
    /// It has fewer queues.
    QueueRange { name: String, real: u32, first: u32, last: u32 },
    /// Its frames are larger than one buffer of the consumer.
    Mtu { name: String, mtu: u32 },
    /// It receives for its own address alone.
    FixedAddress { name: String, kind: String, own: String },
}

const LIST: &str = "list the interfaces of this network namespace: ip link";

impl InterfaceFault {
    pub(super) fn refused(&self) -> Refused {
        match self {
            Self::BadName { shown, reason } => say(Code::BadName, shown, reason, "see the names: ip link"),
            Self::Missing(name) => {
                say(Code::NoSuchInterface, name, format!("there is no interface '{name}'"), LIST)
            }
            Self::Removed(name) => say(
                Code::NoSuchInterface,
                name,
                format!("the interface '{name}' was removed meanwhile"),
                LIST,
            ),
            Self::Renamed(name) => say(
                Code::Busy,
                name,
                format!("the interface '{name}' has just changed its name"),
                "try again",
            ),
            Self::NotPrimary(name) => say(
                Code::BadName,
                name,
                format!("'{name}' is not the primary name of an interface"),
                "ask for it by the first name that ip link shows",
            ),
            Self::NotEthernet { name, why, tun } => say(
                Code::NotEthernet,
                name,
                format!("{name} cannot carry a guest's frames: {why}"),
                if *tun {
                    "take a tap, whose frames have the header: ip tuntap add dev NAME mode tap"
                } else {
                    "take another interface: ip link shows those of type link/ether"
                },
            ),
            Self::QueueCount { name, first, queues } => say(
                Code::QueueRange,
                name,
                format!("{queues} queues from {first} on cannot be asked for"),
                format!("ask for 1 to {MAX_QUEUES}"),
            ),
            Self::QueueRange { name, real, first, last } => say(
                Code::QueueRange,
                name,
                format!(
                    "{name} has {real} queues (0 to {}); asked for were {first} to {last}",
                    real.saturating_sub(1)
                ),
                format!(
                    "ask for fewer, or as root give it more: ethtool -L {name} combined {}",
                    last.saturating_add(1)
                ),
            ),
            Self::Mtu { name, mtu } => say(
                Code::MtuTooLarge,
                name,
                format!(
                    "the MTU of {name} is {mtu}; a consumer of single buffers gets frames of {SINGLE_BUFFER} bytes \
                     at most"
                ),
                format!("as root: ip link set dev {name} mtu {SINGLE_BUFFER_MTU}"),
            ),
            Self::FixedAddress { name, kind, own } => say(
                Code::ModeUnsupported,
                name,
                format!("{name} is a {kind}, which receives for its own address alone"),
                format!("give the guest that address: mac={own}"),
            ),
        }
    }
}
