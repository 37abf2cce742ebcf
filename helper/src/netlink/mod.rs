// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel says of an interface, by rtnetlink.

pub(crate) mod link;
pub(crate) mod monitor;
pub(crate) mod surroundings;

use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Whether a request is for one object or for all that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    One,
    Dump,
}

/// A connection to rtnetlink that filters dumps in the kernel.
pub(crate) struct Rtnetlink(Socket);

impl Rtnetlink {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_netlink_get_strict_chk(true)?;
        Ok(Self(socket))
    }

    fn ask(&self, what: RouteNetlinkMessage, ask: Ask) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | if ask == Ask::Dump { NLM_F_DUMP } else { 0 };
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(what));
        request.finalize();
        let mut packet = vec![0; request.buffer_len()];
        request.serialize(&mut packet);
        self.0.send(&packet, 0)?;
        let mut answers = Vec::new();
        while !self.receive(&mut answers, ask)? {}
        Ok(answers)
    }

    /// Receives one datagram; true when the answer is complete.
    fn receive(&self, answers: &mut Vec<RouteNetlinkMessage>, ask: Ask) -> io::Result<bool> {
        let (datagram, from) = self.0.recv_from_full()?;
        if from.port_number() != 0 {
            return Ok(false);
        }
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
            let used = (message.header.length as usize).next_multiple_of(4).min(rest.len());
            rest = &rest[used.max(1)..];
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::Error(error) => return error.code.map_or(Ok(true), |_| Err(error.to_io())),
                NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                _ => {}
            }
            if ask == Ask::One {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
