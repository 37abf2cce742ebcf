// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection: messages in, answers out, and never a wait. A message that comes in pieces is
//! kept until it is whole.
#![forbid(unsafe_code)]

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendFlags, recvmsg, sendmsg,
};

use super::Descriptor;
use super::message::{Head, MAX_DESCRIPTORS, MAX_PAYLOAD, Message, flag};

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The other side closed it.
    #[error("the front end closed the connection")]
    Closed,
    /// Not the version of the protocol that there is, or a reply where a request belongs.
    #[error("a message with the flags {0:#x}")]
    Flags(u32),
    /// A payload that no message has.
    #[error("a message with {0} bytes of payload")]
    Size(u32),
    /// More descriptors than a message may have.
    #[error("a message with more than {MAX_DESCRIPTORS} descriptors")]
    Descriptors,
    /// Answers are not read.
    #[error("the front end does not read its answers")]
    Unread,
    /// The kernel refused.
    #[error("{0}")]
    Os(Errno),
}

/// A connection with what has come of the next message.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    bytes: Vec<u8>,
    descriptors: Vec<Descriptor>,
    closer: Sender<OwnedFd>,
}

impl Channel {
    /// Takes over a connection. Descriptors that could hold up whoever closes them go to `closer`:
    /// drop them on a thread that does nothing else.
    pub fn new(stream: UnixStream, closer: Sender<OwnedFd>) -> Self {
        Self { stream, bytes: vec![], descriptors: vec![], closer }
    }

    /// The next message, if it is there in full.
    ///
    /// # Errors
    /// [`Failure`]: the connection is of no more use.
    pub fn receive(&mut self) -> Result<Option<Message>, Failure> {
        loop {
            let needs = self.needs()?;
            if needs == 0 {
                return Ok(self.whole());
            }
            match self.read(needs) {
                Ok(0) => return Err(Failure::Closed),
                Ok(_) => {}
                Err(Failure::Os(Errno::AGAIN)) => return Ok(None),
                Err(Failure::Os(Errno::CONNRESET)) => return Err(Failure::Closed),
                Err(Failure::Os(Errno::INTR)) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// How many bytes the message still lacks.
    fn needs(&self) -> Result<usize, Failure> {
        let Some((head, payload)) = self.bytes.split_first_chunk() else {
            return Ok(Head::LEN - self.bytes.len());
        };
        let head = Head::read(head);
        if head.flags & (flag::VERSION_MASK | flag::REPLY) != flag::VERSION {
            return Err(Failure::Flags(head.flags));
        }
        if head.size > MAX_PAYLOAD {
            return Err(Failure::Size(head.size));
        }
        Ok(head.size as usize - payload.len())
    }

    fn whole(&mut self) -> Option<Message> {
        let bytes = std::mem::take(&mut self.bytes);
        let (head, payload) = bytes.split_first_chunk()?;
        let descriptors = std::mem::take(&mut self.descriptors);
        Some(Message { head: Head::read(head), payload: payload.to_vec(), descriptors })
    }

    /// Reads up to `most` bytes, and the descriptors that come with them.
    fn read(&mut self, most: usize) -> Result<usize, Failure> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let at = self.bytes.len();
        self.bytes.resize(at + most, 0);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let got = recvmsg(
            &self.stream,
            &mut [IoSliceMut::new(&mut self.bytes[at..])],
            &mut control,
            flags,
        );
        self.bytes.truncate(at + got.as_ref().map_or(0, |got| got.bytes));
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                let sorted = descriptors.map(|descriptor| sort(descriptor, &self.closer));
                self.descriptors.extend(sorted);
            }
        }
        let got = got.map_err(Failure::Os)?;
        if got.flags.contains(ReturnFlags::CTRUNC) || self.descriptors.len() > MAX_DESCRIPTORS {
            return Err(Failure::Descriptors);
        }
        Ok(got.bytes)
    }

    /// Answers a message. The kernel keeps a few hundred answers; a front end that reads none of
    /// them has ended.
    ///
    /// # Errors
    /// [`Failure::Unread`], [`Failure::Os`].
    pub fn answer(&mut self, to: &Head, payload: &[u8]) -> Result<(), Failure> {
        let flags = flag::VERSION | flag::REPLY;
        let head = Head { request: to.request, flags, size: payload.len() as u32 }.bytes();
        let whole = [&head[..], payload].concat();
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match sendmsg(
            &self.stream,
            &[IoSlice::new(&whole)],
            &mut SendAncillaryBuffer::default(),
            flags,
        ) {
            Ok(sent) if sent == whole.len() => Ok(()),
            Ok(_) | Err(Errno::AGAIN) => Err(Failure::Unread),
            Err(Errno::PIPE | Errno::CONNRESET) => Err(Failure::Closed),
            Err(errno) => Err(Failure::Os(errno)),
        }
    }
}

fn sort(descriptor: OwnedFd, closer: &Sender<OwnedFd>) -> Descriptor {
    Descriptor::of(descriptor).unwrap_or_else(|foreign| {
        // Without a closer it is closed here.
        let _ = closer.send(foreign);
        Descriptor::Foreign
    })
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
