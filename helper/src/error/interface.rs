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
    QueueRange {
        name: String,
        real: u32,
        first: u32,
        last: u32,
        /// The options of `ethtool -L` that give it more, if its driver can.
        more: Option<String>,
    },
    /// Its frames are larger than one buffer of the consumer.
    Mtu { name: String, mtu: u32 },
    /// It receives for its own address alone.
    FixedAddress { name: String, kind: String, own: String },
}

const LIST: &str = "list the interfaces of this network namespace: ip link";

impl InterfaceFault {
    pub(super) fn refused(&self) -> Refused {
        say(self.code(), self.name(), self.message(), self.hint())
    }

    fn code(&self) -> Code {
        match self {
            Self::BadName { .. } | Self::NotPrimary(_) => Code::BadName,
            Self::Missing(_) | Self::Removed(_) => Code::NoSuchInterface,
            Self::Renamed(_) => Code::Busy,
            Self::NotEthernet { .. } => Code::NotEthernet,
            Self::QueueCount { .. } | Self::QueueRange { .. } => Code::QueueRange,
            Self::Mtu { .. } => Code::MtuTooLarge,
            Self::FixedAddress { .. } => Code::ModeUnsupported,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Missing(name)
            | Self::Removed(name)
            | Self::Renamed(name)
            | Self::NotPrimary(name) => name,
            Self::BadName { shown: name, .. }
            | Self::NotEthernet { name, .. }
            | Self::QueueCount { name, .. }
            | Self::QueueRange { name, .. }
            | Self::Mtu { name, .. }
            | Self::FixedAddress { name, .. } => name,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::BadName { reason, .. } => reason.clone(),
            Self::Missing(name) => format!("there is no interface '{name}'"),
            Self::Removed(name) => format!("the interface '{name}' was removed meanwhile"),
            Self::Renamed(name) => format!("the interface '{name}' has just changed its name"),
            Self::NotPrimary(name) => format!("'{name}' is not the primary name of an interface"),
            Self::NotEthernet { name, why, .. } => {
                format!("{name} cannot carry a guest's frames: {why}")
            }
            Self::QueueCount { first, queues, .. } => {
                format!("{queues} queues from {first} on cannot be asked for")
            }
            Self::QueueRange { name, real, first, last, .. } => {
                let highest = real.saturating_sub(1);
                format!(
                    "{name} has {real} queues (0 to {highest}); asked for were {first} to {last}"
                )
            }
            Self::Mtu { name, mtu } => format!(
                "the MTU of {name} is {mtu}; a consumer of single buffers gets frames of {SINGLE_BUFFER} \
                 bytes at most"
            ),
            Self::FixedAddress { name, kind, .. } => {
                format!("{name} is a {kind}, which receives for its own address alone")
            }
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::BadName { .. } => "see the names: ip link".into(),
            Self::Missing(_) | Self::Removed(_) => LIST.into(),
            Self::Renamed(_) => "try again".into(),
            Self::NotPrimary(_) => "ask for it by the first name that ip link shows".into(),
            Self::NotEthernet { tun: true, .. } => {
                "take a tap, whose frames have the header: ip tuntap add dev NAME mode tap".into()
            }
            Self::NotEthernet { tun: false, .. } => {
                "take another interface: ip link shows those of type link/ether".into()
            }
            Self::QueueCount { .. } => format!("ask for 1 to {MAX_QUEUES}"),
            Self::QueueRange { name, more: Some(options), .. } => {
                format!("ask for fewer, or as root give it more: ethtool -L {name} {options}")
            }
            Self::QueueRange { real, .. } => {
                format!("ask for {real} at most: queues=all takes all of them")
            }
            Self::Mtu { name, .. } => {
                format!("as root: ip link set dev {name} mtu {SINGLE_BUFFER_MTU}")
            }
            Self::FixedAddress { own, .. } => format!("give the guest that address: mac={own}"),
        }
    }
}
