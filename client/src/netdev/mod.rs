// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU's af-xdp netdev option: read by QEMU's rules, rewritten in place.
//!
//! ```
//! use std::ffi::OsStr;
//! use xsk_client::netdev::{Mode, Netdev, Place};
//!
//! let text = OsStr::new("af-xdp,id=n0,ifname=eth1,queues=2");
//! let netdev = Netdev::parse(text, Place::Netdev)?.expect("is of type af-xdp");
//! assert_eq!((netdev.options().ifname.as_str(), netdev.options().queues), ("eth1", 2));
//! assert_eq!(
//!     netdev.with_sockets(Mode::Native, &[7, 8]),
//!     "af-xdp,id=n0,ifname=eth1,queues=2,inhibit=on,sock-fds=7:8,mode=native"
//! );
//! # Ok::<(), xsk_client::netdev::Error>(())
//! ```
//!
//! Nothing in here opens, asks or changes anything: text goes in and text comes out.
#![forbid(unsafe_code)]

mod card;
mod command;
mod error;
mod json;
mod keyval;
mod options;
mod source;
mod values;

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub use card::{Card, cards};
pub use command::{Found, find, replace, valued};
pub use error::Error;
pub use options::Options;
pub use xsk_proto::Mode;

use source::{Members, Pairs, Source};

/// The type that all of this is about.
const TYPE: &str = "af-xdp";

/// The options of an af-xdp netdev that there is something to acquire for.
pub const SYNTAX: &str = "af-xdp,id=ID,ifname=INTERFACE[,mode=native|skb][,queues=N|all][,start-queue=N][,force-copy=on|off]";

/// Where an option string stands, since that decides what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// After `-netdev`: `id` is needed, and JSON is allowed.
    Netdev,
    /// After `-nic`: `model` and `mac` are allowed, `id` is not needed.
    Nic,
    /// After `-net`: `id` is not needed.
    Net,
    /// After `--netdev` of `xsk-backend`: as [`Place::Netdev`], and `id` is not needed.
    Backend,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Comma(Vec<keyval::Pair>),
    Json(Vec<json::Member>),
}

/// An option string of type af-xdp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netdev {
    text: Vec<u8>,
    place: Place,
    form: Form,
    options: Options,
    unknown: Option<Error>,
}

impl Netdev {
    /// Reads `text`; `None` where it is a netdev of another type.
    ///
    /// An option that is not known here is kept: the program that gets it may be newer.
    /// [`Netdev::check`] refuses it.
    ///
    /// # Errors
    /// The sentence with which QEMU refuses the text.
    pub fn parse(text: &OsStr, place: Place) -> Result<Option<Self>, Error> {
        let text = text.as_bytes();
        // QEMU takes a brace for JSON after -netdev only (netdev_is_modern, net/net.c).
        if text.first() == Some(&b'{') && matches!(place, Place::Netdev | Place::Backend) {
            return Self::parse_json(text, place);
        }
        let pairs = keyval::split(text, "type");
        match Pairs::new(&pairs).text("type") {
            Ok(Some(kind)) if kind == TYPE => {}
            _ => return Ok(None),
        }
        let mut source = Pairs::new(&pairs);
        let options = options::read(&mut source, place)?;
        let unknown = source.unknown();
        Ok(Some(Self { text: text.to_vec(), place, form: Form::Comma(pairs), options, unknown }))
    }

    fn parse_json(text: &[u8], place: Place) -> Result<Option<Self>, Error> {
        let members = json::object(text)?;
        if Members::new(&members).text("type")?.as_deref() != Some(TYPE) {
            return Ok(None);
        }
        let mut source = Members::new(&members);
        let options = options::read(&mut source, place)?;
        let unknown = source.unknown();
        Ok(Some(Self { text: text.to_vec(), place, form: Form::Json(members), options, unknown }))
    }

    /// What it asks for.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Refuses what QEMU 10.2 would refuse before it touches the interface: an unknown option, or
    /// options that do not go together ([`Options::check`], [`Options::sockets`]).
    ///
    /// # Errors
    /// QEMU's sentence.
    pub fn check(&self) -> Result<(), Error> {
        match &self.unknown {
            Some(error) => Err(error.clone()),
            None => self.options.check().and_then(|()| self.options.sockets().map(|_| ())),
        }
    }

    /// Returns the error about an option that is not known and is like one that is. Another one may
    /// be a newer QEMU's.
    pub fn misspelt(&self) -> Option<Error> {
        self.unknown.clone().filter(Error::is_typo)
    }

    /// The same with `count` queues, written as the number.
    ///
    /// # Errors
    /// None where [`Netdev::parse`] had none; it reads the new text.
    pub fn with_queues(&self, count: u32) -> Result<Self, Error> {
        self.with("queues", count.to_string())
    }

    /// A `-nic` whose card has this address.
    ///
    /// # Errors
    /// None where [`Netdev::parse`] had none; it reads the new text.
    pub fn with_mac(&self, mac: &str) -> Result<Self, Error> {
        self.with("mac", mac.to_owned())
    }

    /// The same with another value for one option, which in JSON is a number.
    fn with(&self, key: &str, value: String) -> Result<Self, Error> {
        let change = [(key, value)];
        let text = OsString::from_vec(match &self.form {
            Form::Comma(pairs) => keyval::rewrite(&self.text, pairs, &change),
            Form::Json(members) => json::rewrite(&self.text, members, &change),
        });
        Self::parse(&text, self.place).map(|read| read.unwrap_or_else(|| self.clone()))
    }

    /// The text with `inhibit=on`, these sockets and this mode, and every other byte as it was.
    pub fn with_sockets(&self, mode: Mode, sockets: &[RawFd]) -> OsString {
        let numbers: Vec<String> = sockets.iter().map(RawFd::to_string).collect();
        self.with_names(mode.name(), &numbers.join(":"))
    }

    /// As [`Netdev::with_sockets`], with the words that `mode` and `sock-fds` are to have: over QMP
    /// QEMU takes names for descriptors.
    pub fn with_names(&self, mode: &str, sockets: &str) -> OsString {
        let text = |value: &str| format!("\"{value}\"");
        OsString::from_vec(match &self.form {
            Form::Comma(pairs) => {
                let changes = [("inhibit", "on"), ("sock-fds", sockets), ("mode", mode)];
                keyval::rewrite(
                    &self.text,
                    pairs,
                    &changes.map(|(key, value)| (key, value.to_owned())),
                )
            }
            Form::Json(members) => {
                let changes = [
                    ("inhibit", "true".to_owned()),
                    ("sock-fds", text(sockets)),
                    ("mode", text(mode)),
                ];
                json::rewrite(&self.text, members, &changes)
            }
        })
    }

    /// What of a `-nic` is not about af-xdp, each option with a comma before it: the card's
    /// `model`, `mac`, and whatever else is not known here.
    pub fn rest_for_nic(&self) -> String {
        const OWN: [&str; 11] = [
            "type",
            "id",
            "ifname",
            "mode",
            "force-copy",
            "queues",
            "start-queue",
            "inhibit",
            "sock-fds",
            "map-path",
            "map-start-index",
        ];
        let Form::Comma(pairs) = &self.form else { return String::new() };
        let foreign = pairs.iter().filter(|pair| !OWN.iter().any(|own| own.as_bytes() == pair.key));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let option = |pair: &keyval::Pair| {
            [",".to_owned(), text(&pair.key), "=".to_owned(), text(&pair.value).replace(',', ",,")]
        };
        foreign.flat_map(option).collect()
    }
}

/// The options of any comma or JSON option string whose values are text, in order; for a look at
/// what stands beside a netdev.
pub fn members_of(text: &OsStr) -> Vec<(String, String)> {
    let bytes = text.as_bytes();
    if bytes.first() == Some(&b'{') {
        let members = json::object(bytes).unwrap_or_default();
        return members
            .into_iter()
            .filter_map(|member| match member.value {
                json::Value::Text(value) => Some((member.key, value)),
                _ => None,
            })
            .collect();
    }
    pairs_of(text)
}

/// The same where the comma form is the only one.
fn pairs_of(text: &OsStr) -> Vec<(String, String)> {
    let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs = keyval::split(text.as_bytes(), "driver");
    pairs.iter().map(|pair| (owned(&pair.key), owned(&pair.value))).collect()
}

/// Any comma or JSON option string with one option more, or another value for it; the value is a
/// number.
pub fn with_number(text: &OsStr, key: &str, value: u32) -> OsString {
    let bytes = text.as_bytes();
    let changes = [(key, value.to_string())];
    OsString::from_vec(match json::object(bytes) {
        Ok(members) if bytes.first() == Some(&b'{') => json::rewrite(bytes, &members, &changes),
        _ => keyval::rewrite(bytes, &keyval::split(bytes, "driver"), &changes),
    })
}

#[cfg(test)]
mod tests;
