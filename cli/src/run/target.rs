// SPDX-License-Identifier: MIT OR Apache-2.0
//! A netdev of the command that needs sockets.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};

use xsk_client::Request;
use xsk_client::netdev::{self, Found, Netdev, Place};

/// A netdev that needs sockets.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) place: Where,
    pub(super) request: Request,
}

/// Where its option string stands.
#[derive(Debug)]
pub(super) enum Where {
    /// An argument of the command.
    Argument(Found),
    /// A variable in the command's environment.
    Variable(Netdev),
}

impl Where {
    pub(super) fn netdev(&self) -> &Netdev {
        match self {
            Where::Argument(found) => &found.netdev,
            Where::Variable(netdev) => netdev,
        }
    }
}

impl Target {
    pub(super) fn netdev(&self) -> &Netdev {
        self.place.netdev()
    }

    /// Whether it stands in the command itself.
    pub(super) fn is_argument(&self) -> bool {
        matches!(self.place, Where::Argument(_))
    }

    /// The place of its argument.
    pub(super) fn argument(&self) -> Option<usize> {
        match &self.place {
            Where::Argument(found) => Some(found.index),
            Where::Variable(_) => None,
        }
    }

    /// Gives the card of a `-nic` this address.
    pub(super) fn put_mac(&mut self, mac: &str) -> Result<(), netdev::Error> {
        if let Where::Argument(found) = &mut self.place {
            found.netdev = found.netdev.with_mac(mac)?;
        }
        Ok(())
    }

    /// The option that it stands behind.
    pub(super) fn option(&self) -> Option<Place> {
        match &self.place {
            Where::Argument(found) => Some(found.place),
            Where::Variable(_) => None,
        }
    }

    /// Puts its finished option string where the command finds it.
    pub(super) fn put(
        &self,
        text: &OsStr,
        command: &mut [OsString],
        variables: &mut Vec<(OsString, OsString)>,
    ) {
        match &self.place {
            Where::Argument(found) => netdev::replace(command, found.index, found.argument(text)),
            Where::Variable(netdev) => {
                let id = netdev.options().id.as_deref().unwrap_or_default();
                variables.push((format!("XSK_NETDEV_{id}").into(), text.to_owned()));
            }
        }
    }
}
