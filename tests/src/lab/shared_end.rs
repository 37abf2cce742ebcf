// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a user does to the helper's end of a connection, of which a user who starts the helper
//! keeps a copy: the flags, the time-outs, the buffers and the receiver of signals belong to the
//! file, and the file is the user's too.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    MsgFlags, Shutdown, recv, send, setsockopt, shutdown,
    sockopt::{RcvBuf, ReceiveTimeout, SendTimeout, SndBuf},
};
use nix::sys::time::TimeVal;

use super::proc::Process;
use super::sys;

/// A copy of the helper's end.
#[derive(Debug)]
pub struct SharedEnd(pub OwnedFd);

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Calls wait, and without end.
    Blocking,
    /// There is next to no room to send, and what there is is taken.
    Filled,
    /// What comes is received before the helper receives it, and it is told at once that something
    /// is there.
    Robbed,
    /// Each packet sends the helper a signal that ends a process.
    Signals,
    /// One direction, or both.
    Shut(Shutdown),
}

impl Change {
    /// Everything that can be done.
    pub const ALL: [Self; 7] = [
        Self::Blocking,
        Self::Filled,
        Self::Robbed,
        Self::Signals,
        Self::Shut(Shutdown::Read),
        Self::Shut(Shutdown::Write),
        Self::Shut(Shutdown::Both),
    ];
}

impl SharedEnd {
    /// Does it, and has calls wait without end in any case. `helpers` are to get the signals.
    pub fn change(&self, change: Change, helpers: &[Process]) {
        self.block();
        match change {
            Change::Blocking => {}
            Change::Filled => self.fill(),
            Change::Robbed => self.rob(),
            Change::Signals => helpers.iter().for_each(|helper| self.signal(*helper)),
            Change::Shut(how) => drop(shutdown(self.0.as_raw_fd(), how)),
        }
    }

    fn block(&self) {
        let never = TimeVal::new(0, 0);
        fcntl(&self.0, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        setsockopt(&self.0, ReceiveTimeout, &never).unwrap();
        setsockopt(&self.0, SendTimeout, &never).unwrap();
    }

    fn fill(&self) {
        setsockopt(&self.0, RcvBuf, &1).unwrap();
        setsockopt(&self.0, SndBuf, &1).unwrap();
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        while send(self.0.as_raw_fd(), b"?", flags).is_ok() {}
    }

    fn rob(&self) {
        while recv(self.0.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT)
            .is_ok_and(|len| len > 0)
        {}
    }

    /// The last helper that is named gets them; there is one in most cases.
    fn signal(&self, helper: Process) {
        sys::send_signals_to(self.0.as_fd(), helper.pid, Signal::SIGKILL as i32).unwrap();
        fcntl(&self.0, FcntlArg::F_SETFL(OFlag::O_ASYNC)).unwrap();
    }
}
