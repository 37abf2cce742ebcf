// SPDX-License-Identifier: MIT OR Apache-2.0
//! ptrace(2), as far as it takes to make another process run a system call.

use std::io;
use std::mem::MaybeUninit;

use nix::libc;
use nix::unistd::Pid;

/// The length of the instruction `syscall`.
const INSTRUCTION: u64 = 2;
/// Says in the registers that the process is in no system call, so that none is made again.
const NO_CALL: u64 = u64::MAX;

/// The registers of a process that stands still.
#[derive(Debug, Clone, Copy)]
pub(in crate::lab) struct Registers(libc::user_regs_struct);

impl Registers {
    pub(in crate::lab) fn stack_pointer(&self) -> u64 {
        self.0.rsp & !0xf
    }

    pub(in crate::lab) fn result(&self) -> i64 {
        self.0.rax as i64
    }

    /// The same, about to make this call: a process that waits in one stands behind the instruction
    /// of that.
    pub(in crate::lab) fn calling(&self, number: i64, arguments: [u64; 6]) -> Self {
        let mut registers = self.0;
        registers.rip -= INSTRUCTION;
        registers.rax = number as u64;
        registers.orig_rax = NO_CALL;
        [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9] =
            arguments;
        Self(registers)
    }
}

fn trace(request: libc::c_uint, pid: Pid, address: u64, data: u64) -> io::Result<()> {
    // SAFETY: the callers give requests that take numbers, or write to memory of the other process.
    let ret = unsafe { libc::ptrace(request, pid.as_raw(), address, data) };
    if ret == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(in crate::lab) fn attach(pid: Pid) -> io::Result<()> {
    trace(libc::PTRACE_ATTACH, pid, 0, 0)
}

pub(in crate::lab) fn detach(pid: Pid) -> io::Result<()> {
    trace(libc::PTRACE_DETACH, pid, 0, 0)
}

/// One instruction, the system call.
pub(in crate::lab) fn step(pid: Pid) -> io::Result<()> {
    trace(libc::PTRACE_SINGLESTEP, pid, 0, 0)
}

pub(in crate::lab) fn poke(pid: Pid, address: u64, word: u64) -> io::Result<()> {
    trace(libc::PTRACE_POKEDATA, pid, address, word)
}

pub(in crate::lab) fn registers(pid: Pid) -> io::Result<Registers> {
    let mut registers = MaybeUninit::<libc::user_regs_struct>::uninit();
    // SAFETY: the structure is what the kernel writes, and outlives the call.
    let ret =
        unsafe { libc::ptrace(libc::PTRACE_GETREGS, pid.as_raw(), 0, registers.as_mut_ptr()) };
    if ret == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has filled the structure.
    Ok(Registers(unsafe { registers.assume_init() }))
}

pub(in crate::lab) fn set_registers(pid: Pid, registers: &Registers) -> io::Result<()> {
    let pointer: *const libc::user_regs_struct = &registers.0;
    // SAFETY: the structure is what the kernel reads, and outlives the call.
    let ret = unsafe { libc::ptrace(libc::PTRACE_SETREGS, pid.as_raw(), 0, pointer) };
    if ret == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
