// SPDX-License-Identifier: MIT OR Apache-2.0
//! One conversation with a helper. The greeting and the request go out together, and the answers
//! are checked. Only what was asked for is accepted; every other descriptor that came with an
//! answer is closed.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use xsk_proto::codec::encode_request;
use xsk_proto::{Granted, Hello, MAX_REPLY, Reply, Request};

use crate::endpoint::HelperConnection;
use crate::sys::{descriptors, packet};
use crate::{Endpoint, Error, Kind, TABLE_HINT, plain};

/// A conversation whose greeting and request were sent.
#[derive(Debug)]
pub(crate) struct Conversation {
    connection: HelperConnection,
}

impl Conversation {
    /// Connects, greets and asks. The helper's own refusal to talk is the error.
    pub(crate) fn begin(endpoint: &Endpoint, request: &Request) -> Result<Self, Error> {
        let connection = endpoint.open()?;
        for message in [&Request::Hello(Hello::default()), request] {
            let bytes = encode_request(message)
                .map_err(|error| Error::new(Kind::Usage, "request", error.to_string()))?;
            match packet::send(&connection.socket, &bytes, connection.deadline) {
                Ok(()) => {}
                // The helper has closed its end. It may have said why first: read on.
                Err(Errno::PIPE | Errno::CONNRESET) => break,
                Err(errno) => return Err(failed(&connection.name, errno)),
            }
        }
        let (mut conversation, reply, _) = Self { connection }.reply()?;
        match reply {
            Reply::Welcome { .. } => Ok(conversation),
            _ => Err(conversation.unexpected("a greeting")),
        }
    }

    /// The next answer. A refusal is an error.
    pub(crate) fn reply(self) -> Result<(Self, Reply, Vec<OwnedFd>), Error> {
        let packet = match packet::receive(
            self.connection.socket.as_fd(),
            MAX_REPLY,
            self.connection.deadline,
        ) {
            Ok(packet) if packet.bytes.is_empty() => return Err(self.connection.ended()),
            Ok(packet) => packet,
            Err(Errno::CONNRESET | Errno::PIPE) => return Err(self.connection.ended()),
            Err(errno) => return Err(failed(&self.connection.name, errno)),
        };
        let name = &self.connection.name;
        match plain::decode(&packet.bytes) {
            Ok(Reply::Refused(refused)) => {
                self.connection.part();
                Err(refused.into())
            }
            Ok(Reply::Granted(granted)) => {
                check_descriptors(&granted, &packet)?;
                Ok((self, Reply::Granted(granted), packet.descriptors))
            }
            Ok(_) if !packet.descriptors.is_empty() => {
                Err(protocol(name, "descriptors beside an answer"))
            }
            Ok(reply) => Ok((self, reply, Vec::new())),
            Err(error) => Err(protocol(name, &error.to_string())),
        }
    }

    /// Ends the talking; the connection stays.
    pub(crate) fn part(self) -> OwnedFd {
        self.connection.part()
    }

    /// The error about an answer that was not the one asked for.
    pub(crate) fn unexpected(&mut self, wanted: &str) -> Error {
        protocol(&self.connection.name, &format!("something else than {wanted}"))
    }
}

fn protocol(name: &str, what: &str) -> Error {
    Error::new(
        Kind::Protocol,
        name,
        format!("the helper behind {name} breaks the protocol: {what}"),
    )
    .hint("client and helper should be of one version: xsk-client --version; xsk-helper --version")
}

fn failed(name: &str, errno: Errno) -> Error {
    match errno {
        Errno::TIMEDOUT => {
            Error::new(Kind::Timeout, name, format!("the helper behind {name} does not answer"))
                .hint("try again, or: systemctl status 'xsk-helper@*'")
        }
        Errno::MSGSIZE => protocol(name, "an answer over the limit"),
        errno => Error::system("the connection to the helper", errno),
    }
}

/// Exactly as many sockets as were granted, and all of them AF_XDP. On an error the caller drops
/// the packet, and with it every descriptor.
fn check_descriptors(granted: &Granted, packet: &packet::Packet) -> Result<(), Error> {
    let (want, got) = (granted.queues as usize, packet.descriptors.len());
    let wrong = |message: String| Error::new(Kind::NoDescriptor, &granted.ifname, message);
    if got == 0 || (packet.cut && got < want) {
        let limit = descriptors::table_size();
        return Err(wrong(format!(
            "no descriptor received: {got} of {want} arrived (the table holds {limit})"
        ))
        .hint(TABLE_HINT));
    }
    if got != want || packet.cut {
        return Err(wrong(format!("the grant came with {got} descriptors instead of {want}")));
    }
    match packet.descriptors.iter().position(|fd| !descriptors::is_af_xdp(fd)) {
        Some(index) => {
            Err(wrong(format!("descriptor {index} of the grant is not an AF_XDP socket")))
        }
        None => Ok(()),
    }
}
