// SPDX-License-Identifier: MIT OR Apache-2.0
//! Code in another process: root stops it, and makes it run system calls of the test's choice, as
//! an intruder who found a fault in it would. The kernel alone decides what the process may do.

use std::ffi::CString;
use std::io;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::proc::Process;
use super::sys::trace;

/// How far below its stack pointer a process has memory that it does not use: beyond the red zone
/// of its ABI.
const BELOW: u64 = 4096;

/// A process that stands still for the test.
#[derive(Debug)]
pub struct Captive {
    pid: Pid,
    /// How it stood.
    before: trace::Registers,
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Made {
    /// The kernel answered.
    Returned(i64),
    /// The kernel killed the process for it.
    Killed,
}

/// An argument of a call.
#[derive(Debug, Clone)]
pub enum Argument {
    /// A number, or a descriptor of that process.
    Number(u64),
    /// Bytes in that process's memory, which the kernel may read and write.
    Bytes(Vec<u8>),
}

impl Argument {
    /// A path, as the kernel takes it.
    pub fn path(path: &str) -> Self {
        Self::Bytes(CString::new(path).unwrap().into_bytes_with_nul())
    }
}

impl From<u64> for Argument {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl Captive {
    /// Stops a process that waits in a system call.
    pub fn take(process: Process) -> Self {
        let pid = Pid::from_raw(process.pid as i32);
        trace::attach(pid).unwrap();
        assert!(matches!(waitpid(pid, None), Ok(WaitStatus::Stopped(_, Signal::SIGSTOP))));
        Self { pid, before: trace::registers(pid).unwrap() }
    }

    /// Has it make this call.
    pub fn call(&self, number: i64, arguments: &[Argument]) -> Made {
        let mut at = self.before.stack_pointer() - BELOW;
        let mut values = [0; 6];
        for (value, argument) in values.iter_mut().zip(arguments) {
            *value = match argument {
                Argument::Number(number) => *number,
                Argument::Bytes(bytes) => {
                    at -= bytes.len().next_multiple_of(8) as u64;
                    self.write(at, bytes);
                    at
                }
            };
        }
        trace::set_registers(self.pid, &self.before.calling(number, values)).unwrap();
        trace::step(self.pid).unwrap();
        match waitpid(self.pid, None).unwrap() {
            WaitStatus::Stopped(..) => Made::Returned(trace::registers(self.pid).unwrap().result()),
            WaitStatus::Signaled(_, Signal::SIGSYS, _) => Made::Killed,
            other => panic!("the captive: {other:?}"),
        }
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        for (number, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            trace::poke(self.pid, at + 8 * number as u64, u64::from_ne_bytes(word)).unwrap();
        }
    }

    /// Lets it go on where it was.
    ///
    /// # Errors
    /// Those of ptrace(2), where it is dead.
    pub fn release(self) -> io::Result<()> {
        trace::set_registers(self.pid, &self.before)?;
        trace::detach(self.pid)
    }
}
