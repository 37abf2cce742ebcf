// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens when the front end makes the file behind guest memory shorter: the next access is a
//! SIGBUS. The handler puts zeroes in the place of the whole mapping and marks it as lost, so that
//! the access ends and the device can be stopped in an orderly way.
//!
//! The handler may only look at atomics and make system calls, so the mappings stand in a fixed
//! table.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// Mappings at a time, over all devices of the process.
const SLOTS: usize = 1024;

struct Slot {
    base: AtomicUsize,
    len: AtomicUsize,
    lost: AtomicBool,
}

static TABLE: [Slot; SLOTS] = [const {
    Slot { base: AtomicUsize::new(0), len: AtomicUsize::new(0), lost: AtomicBool::new(false) }
}; SLOTS];

/// A mapping's place in the table, free again when dropped.
#[derive(Debug)]
pub(super) struct Watch(usize);

impl Watch {
    /// Nothing if the table is full.
    pub(super) fn new(base: usize, len: usize) -> Option<Self> {
        let claim = |slot: &Slot| {
            slot.base.compare_exchange(0, base, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let index = TABLE.iter().position(claim)?;
        TABLE[index].lost.store(false, Ordering::Relaxed);
        TABLE[index].len.store(len, Ordering::Release);
        Some(Self(index))
    }

    /// Whether the mapping holds zeroes in the place of what the guest had there.
    #[inline]
    pub(super) fn is_lost(&self) -> bool {
        TABLE[self.0].lost.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        TABLE[self.0].len.store(0, Ordering::Release);
        TABLE[self.0].base.store(0, Ordering::Release);
    }
}

/// Makes the loss of guest memory an error of its device, not the end of the process. For the
/// binary to call, before it has threads; without it the kernel's default applies. A bus error
/// anywhere else still ends the process.
///
/// # Errors
/// The handler cannot be installed.
pub fn catch_bus_errors() -> std::io::Result<()> {
    // SAFETY: all zeroes are a valid `struct sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_bus_error as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
    // SAFETY: the action is initialised, and the handler keeps to what a handler may do.
    match unsafe { libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

extern "C" fn on_bus_error(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo to a handler with SA_SIGINFO.
    let info = unsafe { &*info };
    // SAFETY: that of a SIGBUS has an address.
    let address = unsafe { info.si_addr() } as usize;
    if !TABLE.iter().any(|slot| is_there(slot, address) && replace(slot)) {
        // SAFETY: the default action is always valid. The access is tried again, and ends the
        // process.
        unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
    }
}

fn is_there(slot: &Slot, address: usize) -> bool {
    let len = slot.len.load(Ordering::Acquire);
    address.wrapping_sub(slot.base.load(Ordering::Relaxed)) < len
}

/// Returns whether there are zeroes now.
fn replace(slot: &Slot) -> bool {
    let (base, len) = (slot.base.load(Ordering::Relaxed), slot.len.load(Ordering::Relaxed));
    let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
    slot.lost.store(true, Ordering::Relaxed);
    // SAFETY: the range is a mapping of guest memory that `Mapping` owns, and that is only reached
    // by accesses for which any bytes will do.
    unsafe { mmap_anonymous(base as *mut _, len, ProtFlags::READ | ProtFlags::WRITE, flags) }
        .is_ok()
}
