// SPDX-License-Identifier: MIT OR Apache-2.0
//! Segments of one flow that came in one batch are given to a guest as one frame.
//!
//! A segment joins the one before it only where nothing is lost by it: the next number, the same
//! headers but for lengths, numbers and checksums, and all checksums right. What was damaged on its
//! way stays alone, with the checksum that says so. Frames of a flow stay in their order.
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use super::layout::{Layout, flag, put};
use crate::checksum::parse::{IP4, IP6, TCP, ethernet, packet, word};
use crate::checksum::sum::{self, Sum};

/// The longest packet that segments become.
const LONGEST: usize = 65535;

/// Flows that are looked after at a time; one more ends the oldest.
const FLOWS: usize = 8;

/// Frames that go to the guest as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// The first frame, by its number in the batch.
    pub(crate) first: usize,
    last: usize,
    /// How many there are.
    pub(crate) count: usize,
    /// The first one's headers, where it is TCP.
    layout: Option<Layout>,
    /// Bytes of payload of the first one, and of all.
    size: usize,
    total: usize,
    /// Whether the checksums are known to be right; nothing if nobody has looked.
    sound: Option<bool>,
    is_open: bool,
}

/// What became of a batch. To be kept and used again.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    groups: Vec<Group>,
    /// For each frame, the one that follows it in its group.
    next: Vec<Option<usize>>,
    /// The groups that may grow.
    open: Vec<usize>,
}

impl Plan {
    /// The groups of `frames`, in the order of their first frames. With `wants` they are merged
    /// where that is told for IPv4 and for IPv6.
    pub(crate) fn make(&mut self, frames: &[&[u8]], wants: [bool; 2]) {
        self.groups.clear();
        self.open.clear();
        self.next.clear();
        self.next.resize(frames.len(), None);
        for (number, frame) in frames.iter().enumerate() {
            match kind(frame) {
                Kind::Tcp(layout) if wants[usize::from(layout.is_ip6)] => {
                    self.add(frames, number, layout)
                }
                Kind::Tcp(_) | Kind::Other => self.push(number, None),
                Kind::Unclear => {
                    self.open.clear();
                    self.push(number, None);
                }
            }
        }
    }

    /// The groups.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The numbers of a group's frames.
    pub(crate) fn members(&self, group: &Group) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(group.first), |number| self.next[*number])
    }

    fn push(&mut self, number: usize, layout: Option<Layout>) {
        self.groups.push(Group {
            first: number,
            last: number,
            count: 1,
            layout,
            size: 0,
            total: 0,
            sound: None,
            is_open: false,
        });
    }

    /// Adds a frame of TCP to the group of its flow, or begins one.
    fn add(&mut self, frames: &[&[u8]], number: usize, layout: Layout) {
        let frame = frames[number];
        let of_flow = |group: &Group| {
            group
                .layout
                .is_some_and(|first| is_same_flow(frames[group.first], &first, frame, &layout))
        };
        if let Some(at) = self.open.iter().position(|open| of_flow(&self.groups[*open])) {
            let group = &mut self.groups[self.open[at]];
            if group.takes(frames, frame, &layout) {
                self.next[group.last] = Some(number);
                (group.last, group.count) = (number, group.count + 1);
                if !group.is_open {
                    self.open.remove(at);
                }
                return;
            }
            self.open.remove(at);
        }
        self.push(number, Some(layout));
        let size = frame.len() - layout.payload;
        let Some(group) = self.groups.last_mut() else { return };
        (group.size, group.total) = (size, size);
        group.is_open =
            size > 0 && may_be_merged(frame, &layout) && frame[layout.tcp + 13] & flag::PSH == 0;
        if group.is_open {
            if self.open.len() == FLOWS {
                self.open.remove(0);
            }
            self.open.push(self.groups.len() - 1);
        }
    }
}

impl Group {
    /// Whether this frame is the next one of the group; if it is, it is counted in.
    fn takes(&mut self, frames: &[&[u8]], frame: &[u8], layout: &Layout) -> bool {
        let (first, last) = (frames[self.first], frames[self.last]);
        let Some(own) = self.layout else { return false };
        let size = frame.len() - layout.payload;
        let ip = own.payload - own.ip + self.total + size;
        let fits = own == *layout && (1..=self.size).contains(&size) && ip <= LONGEST;
        if !fits
            || !may_be_merged(frame, layout)
            || !is_alike(first, frame, layout)
            || !follows(last, frame, layout)
            || !*self.sound.get_or_insert_with(|| is_sound(first, &own))
            || !is_sound(frame, layout)
        {
            return false;
        }
        self.total += size;
        self.is_open = size == self.size && frame[layout.tcp + 13] & flag::PSH == 0;
        true
    }

    /// Whether the checksums of its only frame were looked at and are right.
    pub(crate) fn is_sound(&self) -> bool {
        self.sound == Some(true)
    }

    /// The headers of the frame that the group becomes, and where in it TCP's begin. The checksum
    /// is left to the guest: its field holds the sum of the pseudo-header.
    pub(crate) fn headers<'a>(&self, frames: &[&[u8]], to: &'a mut [u8]) -> Option<Merged<'a>> {
        let layout = self.layout.filter(|_| self.count > 1)?;
        let Layout { ip, tcp, payload, is_ip6 } = layout;
        let headers = to.get_mut(..payload)?;
        headers.copy_from_slice(frames[self.first].get(..payload)?);
        let segment = payload - tcp + self.total;
        if is_ip6 {
            put(headers, ip + 4, segment as u16);
        } else {
            put(headers, ip + 2, (tcp - ip + segment) as u16);
            put(headers, ip + 10, 0);
            put(headers, ip + 10, sum::of(&headers[ip..tcp]));
        }
        headers[tcp + 13] |= frames[self.last][tcp + 13] & flag::PSH;
        let pseudo = layout.pseudo(headers, segment).fold();
        put(headers, tcp + 16, pseudo);
        Some(Merged { headers, tcp, size: self.size, len: payload + self.total, is_ip6 })
    }
}

/// A frame that stands for several.
#[derive(Debug)]
pub(crate) struct Merged<'a> {
    /// Its headers; the payloads of the group follow.
    pub(crate) headers: &'a [u8],
    /// Where TCP's begin.
    pub(crate) tcp: usize,
    /// Bytes of payload that each segment had; the last one may have had fewer.
    pub(crate) size: usize,
    /// Bytes in all.
    pub(crate) len: usize,
    /// IPv6.
    pub(crate) is_ip6: bool,
}

/// What a frame is to those that are open.
enum Kind {
    /// TCP, whole, with nothing behind it.
    Tcp(Layout),
    /// Of no flow of TCP.
    Other,
    /// Perhaps of one, so that it must not be overtaken.
    Unclear,
}

#[inline]
fn kind(frame: &[u8]) -> Kind {
    match Layout::of(frame) {
        Some(layout) if layout.end(frame) == Some(frame.len()) => Kind::Tcp(layout),
        Some(_) => Kind::Unclear,
        None => match packet(frame, 0) {
            Some((IP4 | IP6, _)) if ethernet(frame, 0).is_none_or(|segment| segment.is(TCP)) => {
                Kind::Unclear
            }
            _ => Kind::Other,
        },
    }
}

/// The same ends, on the same link.
#[inline]
fn is_same_flow(first: &[u8], own: &Layout, frame: &[u8], layout: &Layout) -> bool {
    let ports =
        |frame: &[u8], layout: &Layout| word(frame, layout.tcp).zip(word(frame, layout.tcp + 2));
    own.ip == layout.ip
        && own.is_ip6 == layout.is_ip6
        && ports(first, own) == ports(frame, layout)
        && own.addresses(first) == layout.addresses(frame)
        && first.get(..own.ip) == frame.get(..layout.ip)
}

/// Neither congestion, nor options of IPv4, nor a flag but ACK, PSH and ECE.
#[inline]
fn may_be_merged(frame: &[u8], layout: &Layout) -> bool {
    let Layout { ip, tcp, is_ip6, .. } = *layout;
    let (ecn, is_short) =
        if is_ip6 { (frame[ip + 1] >> 4, true) } else { (frame[ip + 1], tcp - ip == 20) };
    let flags = frame[tcp + 13];
    let allowed = flag::ACK | flag::PSH | flag::ECE;
    // The low bits beside the length are reserved.
    let is_plain = flags & !allowed == 0 && flags & flag::ACK != 0 && frame[tcp + 12] & 0x0f == 0;
    ecn & 3 != 3 && is_short && is_plain
}

/// Whether the headers differ in nothing but lengths, numbers, checksums and PSH. The layout is the
/// same.
#[inline]
fn is_alike(first: &[u8], frame: &[u8], layout: &Layout) -> bool {
    let Layout { ip, tcp, payload, is_ip6 } = *layout;
    let same = |from: usize, to: usize| first.get(from..to) == frame.get(from..to);
    let network = if is_ip6 {
        same(ip, ip + 4) && same(ip + 6, tcp)
    } else {
        same(ip, ip + 2) && same(ip + 6, ip + 10) && same(ip + 12, tcp)
    };
    let flags = (first[tcp + 13] ^ frame[tcp + 13]) & !flag::PSH == 0;
    // Ports; acknowledgement; length; window; the urgent pointer and options.
    network
        && flags
        && same(tcp, tcp + 4)
        && same(tcp + 8, tcp + 13)
        && same(tcp + 14, tcp + 16)
        && same(tcp + 18, payload)
}

/// Whether a frame's numbers go on where the last one's end. A packet that must not be fragmented
/// needs no number of IPv4's.
#[inline]
fn follows(last: &[u8], frame: &[u8], layout: &Layout) -> bool {
    let Layout { ip, tcp, payload, is_ip6 } = *layout;
    let number =
        |frame: &[u8]| frame.get(tcp + 4..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    let expected = number(last).map(|number| number.wrapping_add((last.len() - payload) as u32));
    let id = |frame| word(frame, ip + 4);
    let is_whole = is_ip6 || frame[ip + 6] & 0x40 != 0;
    number(frame) == expected && (is_whole || id(frame) == id(last).map(|id| id.wrapping_add(1)))
}

/// Whether all checksums are right. A sum that the sender left to a card that it does not have was
/// not over any wire; see [`crate::checksum`].
#[inline]
fn is_sound(frame: &[u8], layout: &Layout) -> bool {
    let Layout { ip, tcp, is_ip6, .. } = *layout;
    let segment = frame.get(tcp..).unwrap_or_default();
    let pseudo = layout.pseudo(frame, segment.len());
    let header = || is_ip6 || Sum::default().bytes(&frame[ip..tcp]).fold() == 0xffff;
    let is_left = word(frame, tcp + 16) == Some(pseudo.fold());
    header() && (is_left || pseudo.bytes(segment).fold() == 0xffff)
}
