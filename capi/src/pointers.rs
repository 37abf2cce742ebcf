// SPDX-License-Identifier: MIT OR Apache-2.0
//! What C passes by pointer, and a wall around panics. Every dereference of this crate is here.

use std::ffi::{CStr, c_char, c_int};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Once;

use xsk_client::Kind;

use crate::error::Error;

/// Puts a box of `value` where `out` points, unless that is nowhere.
///
/// # Safety
/// `out` is NULL or valid for a write.
pub(crate) unsafe fn put<T>(out: *mut *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: by the contract it is valid for a write; what was there is not read or dropped.
        unsafe { out.write(Box::into_raw(Box::new(value))) };
    }
}

/// Writes a plain value where `out` points, unless that is nowhere.
///
/// # Safety
/// `out` is NULL or valid for a write.
pub(crate) unsafe fn set<T: Copy>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: by the contract it is valid for a write.
        unsafe { out.write(value) };
    }
}

/// The string at `pointer`; `None` for NULL.
///
/// # Safety
/// `pointer` is NULL or a string that ends with a NUL and does not change during the call.
pub(crate) unsafe fn string<'a>(pointer: *const c_char) -> Option<&'a CStr> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: by the contract it is a string that ends.
    Some(unsafe { CStr::from_ptr(pointer) })
}

/// `count` elements at `pointer`; none for NULL.
///
/// # Safety
/// `pointer` is NULL or valid for reads of `count` elements that do not change during the call.
pub(crate) unsafe fn elements<'a, T>(pointer: *const T, count: usize) -> &'a [T] {
    if pointer.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: by the contract it is valid for reads of `count` elements.
    unsafe { std::slice::from_raw_parts(pointer, count) }
}

/// Writes `values` to the array at `out`.
///
/// # Safety
/// `out` is valid for writes of `values.len()` elements.
pub(crate) unsafe fn fill<T: Copy>(out: *mut T, values: &[T]) {
    // SAFETY: by the contract the target is valid; a borrowed slice does not overlap it.
    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), out, values.len()) };
}

/// A descriptor that C gives up.
///
/// # Safety
/// `descriptor` is open and belongs to the caller of the library.
pub(crate) unsafe fn owned(descriptor: RawFd) -> OwnedFd {
    // SAFETY: by the contract nobody else closes it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Runs `act` behind a wall: a panic becomes an error, and an error -1 with the error put at `out`.
///
/// # Safety
/// `out` is NULL or valid for a write.
pub(crate) unsafe fn guarded(
    out: *mut *mut Error,
    act: impl FnOnce() -> Result<c_int, xsk_client::Error>,
) -> c_int {
    let result = quietly(act).unwrap_or_else(|| Err(a_panic()));
    result.unwrap_or_else(|error| {
        // SAFETY: the contract is the same.
        unsafe { put(out, Error::new(&error)) };
        -1
    })
}

/// Runs `act`; `None` where it panics.
pub(crate) fn quietly<T>(act: impl FnOnce() -> T) -> Option<T> {
    silence();
    catch_unwind(AssertUnwindSafe(act)).ok()
}

fn a_panic() -> xsk_client::Error {
    let message = "the library met a fault of its own";
    xsk_client::Error::new(Kind::System, "libxskclient", message)
        .hint("report it, with the version")
}

/// Keeps a panic from being printed. The standard library is linked into this one, so the hook is
/// nobody else's; the unit tests of the crate keep theirs.
fn silence() {
    static ONCE: Once = Once::new();
    if cfg!(not(test)) {
        ONCE.call_once(|| set_hook(Box::new(|_| {})));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let mut error = std::ptr::null_mut();
        // SAFETY: the pointer is to a local variable.
        let result = unsafe { guarded(&mut error, || panic!("a test")) };
        assert_eq!(result, -1);
        // SAFETY: `guarded` has put a box there.
        let error = unsafe { Box::from_raw(error) };
        assert_eq!(error.code.pointer_text(), c"system");
    }
}
