// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a process does for the first time takes longer: memory that it shares with the one that forked it is copied,
//! and code mapped, where it is touched. So a process that waits for its client touches what a grant will. Nothing of it
//! is kept, and what fails will fail again where there is a client to be told.

use std::hint::black_box;
use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
use xsk_proto::{Hello, MAGIC, Request, VERSION_MAX, VERSION_MIN, codec};

use super::connection::{Connection, Incoming};
use super::conversation::{Action, Conversation};
use super::patience::Patience;
use crate::grant;
use crate::keeper::Revokes;
use crate::kernel::Kernel;

const PAGE: usize = 4096;
/// How deep the stack of a grant is.
const DEPTH: usize = 6 * PAGE;

/// A grant without a client, and without an interface.
pub(super) fn rehearse(kernel: &Kernel) {
    descend();
    let _ = greet();
    if let Ok(revokes) = Revokes::hold() {
        revokes.release();
    }
    grant::rehearse(kernel);
}

#[inline(never)]
fn descend() {
    let mut stack = [0u8; DEPTH];
    stack.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    black_box(&mut stack);
}

/// A client that says hello, and then nothing.
fn greet() -> io::Result<()> {
    let hello = Request::Hello(Hello { magic: MAGIC, min: VERSION_MIN, max: VERSION_MAX });
    let hello = codec::encode_request(&hello).map_err(io::Error::other)?;
    let (client, helper) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    let helper = Connection::new(helper);
    send(client.as_raw_fd(), &hello, MsgFlags::empty())?;
    if let Incoming::Message(packet) = helper.receive(Patience::NONE)? {
        if let Action::Greet(welcome) = Conversation::new(1).next(packet) {
            helper.hold(&welcome, Patience::NONE)?;
        }
    }
    drop(client);
    helper.receive(Patience::NONE).map(drop)
}
