// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as a whole: a header, a fixed part that goes with the type, and attributes
//! (include/uapi/linux/netlink.h).

use std::io;

use crate::bytes::{ATTRIBUTE, attributes, u16_at, u32_at};

/// `struct nlmsghdr`: length, type, flags, sequence at 8, port.
const HEADER: usize = size_of::<libc::nlmsghdr>();
const SEQUENCE: usize = 8;

const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const ACK: u16 = libc::NLM_F_ACK as u16;
const DUMP: u16 = libc::NLM_F_DUMP as u16;
const FILTERED: u16 = libc::NLM_F_DUMP_FILTERED as u16;
const ERROR: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;
const NESTED: u16 = libc::NLA_F_NESTED as u16;

/// A request. Its answer always has an end: the kernel acknowledges what it does not list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request(Vec<u8>);

impl Request {
    /// Makes a request for one thing, with the fixed part that goes with its type.
    pub(crate) fn get(kind: u16, fixed: &[u8]) -> Self {
        Self::new(kind, REQUEST | ACK, fixed)
    }

    /// Makes a request for all things of a kind.
    pub(crate) fn dump(kind: u16, fixed: &[u8]) -> Self {
        Self::new(kind, REQUEST | DUMP, fixed)
    }

    fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(fixed);
        Self(bytes)
    }

    /// Adds a number.
    pub(crate) fn with_u32(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// Adds a string, with the NUL that the kernel wants.
    pub(crate) fn with_text(self, kind: u16, value: &str) -> Self {
        self.with(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Adds a number inside of another attribute.
    pub(crate) fn with_nested_u32(self, outer: u16, kind: u16, value: u32) -> Self {
        let inner = Self(Vec::new()).with_u32(kind, value).0;
        self.with(outer | NESTED, &inner)
    }

    /// Every caller has a value of a few bytes.
    fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = (ATTRIBUTE + value.len()) as u16;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Returns the bytes to send. `sequence` is what tells the answer from that to another request
    /// on the same socket.
    pub fn into_bytes(mut self, sequence: u32) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[SEQUENCE..SEQUENCE + 4].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }
}

/// A message that the kernel sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    pub(crate) kind: u16,
    flags: u16,
    pub(crate) sequence: u32,
    /// What follows the header.
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Returns type and value of each attribute after a fixed part of `fixed` bytes.
    pub(crate) fn attributes(&self, fixed: usize) -> impl Iterator<Item = (u16, &'a [u8])> {
        attributes(self.body.get(fixed..).unwrap_or_default())
    }

    /// Returns the value of the first attribute of a type after a fixed part of `fixed` bytes.
    pub(crate) fn find(&self, fixed: usize, wanted: u16) -> Option<&'a [u8]> {
        self.attributes(fixed).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
    }

    /// Returns whether the kernel listed only what the request asked for.
    pub(crate) fn is_filtered(&self) -> bool {
        self.flags & FILTERED != 0
    }

    /// Returns how the answer ended, if this message ends it. `struct nlmsgerr` begins with a
    /// negative errno, or with 0; so does the end of a list.
    pub(crate) fn outcome(&self) -> Option<io::Result<()>> {
        let errno = u32_at(self.body, 0).map(|errno| (errno as i32).wrapping_neg());
        match (self.kind, errno) {
            (DONE, None | Some(..=0)) | (ERROR, Some(0)) => Some(Ok(())),
            (DONE | ERROR, Some(errno)) => Some(Err(io::Error::from_raw_os_error(errno))),
            (ERROR, None) => Some(Err(io::Error::from_raw_os_error(libc::EBADMSG))),
            _ => None,
        }
    }
}

/// Returns the messages of a datagram. One that is cut short is `None`, and the last.
pub fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Option<Message<'_>>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let (message, rest) = first(datagram).unzip();
        datagram = rest.unwrap_or_default();
        Some(message)
    })
}

fn first(datagram: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = u32_at(datagram, 0)? as usize;
    let message = Message {
        kind: u16_at(datagram, 4)?,
        flags: u16_at(datagram, 6)?,
        sequence: u32_at(datagram, SEQUENCE)?,
        body: datagram.get(HEADER..length)?,
    };
    Some((message, datagram.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::text;

    #[test]
    fn a_request_reads_back() {
        let request = Request::dump(18, &[7; 16]).with_text(3, "eth0").with_nested_u32(1, 2, 8);
        let bytes = request.into_bytes(5);
        let found: Vec<Message<'_>> = messages(&bytes).flatten().collect();
        assert_eq!((found.len(), found[0].kind, found[0].sequence), (1, 18, 5));
        assert_eq!(found[0].flags, REQUEST | DUMP);
        let attributes: Vec<(u16, &[u8])> = found[0].attributes(16).collect();
        assert_eq!(text(attributes[0].1), "eth0");
        assert_eq!(attributes[1], (1, &[8, 0, 2, 0, 8, 0, 0, 0][..]));
    }

    #[test]
    fn a_message_that_is_cut_short_is_told_and_ends_the_list() {
        let bytes = Request::get(18, &[]).with_u32(29, 8).into_bytes(0);
        for length in 1..bytes.len() {
            let found: Vec<_> = messages(&bytes[..length]).collect();
            assert_eq!(found, [None], "{length}");
        }
        assert_eq!(messages(&[]).count(), 0);
    }

    #[test]
    fn the_end_of_an_answer_has_its_outcome() {
        let outcome = |kind, body: &[u8]| {
            let message = Message { kind, flags: 0, sequence: 0, body };
            message.outcome().map(|outcome| outcome.map_err(|error| error.raw_os_error().unwrap()))
        };
        assert_eq!(outcome(ERROR, &0u32.to_ne_bytes()), Some(Ok(())));
        assert_eq!(outcome(ERROR, &(-19i32).to_ne_bytes()), Some(Err(19)));
        assert_eq!(outcome(ERROR, &i32::MIN.to_ne_bytes()), Some(Err(i32::MIN)));
        assert_eq!(outcome(ERROR, &[0]), Some(Err(libc::EBADMSG)));
        assert_eq!(outcome(DONE, &[]), Some(Ok(())));
        assert_eq!(outcome(DONE, &(-2i32).to_ne_bytes()), Some(Err(2)));
        assert_eq!(outcome(16, &[]), None);
    }
}
