// SPDX-License-Identifier: MIT OR Apache-2.0
//! The calls that talk with a helper or with the keeper of a lease.

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use xsk_client::proto::{HELPER_PATH, Revoke, SOCKET_PATH};
use xsk_client::{Endpoint, Kind, Lease, Request as Wanted};

use crate::error::Error;
use crate::event::{Event, News};
use crate::grant::Grant;
use crate::pointers::{elements, fill, guarded, owned, put, set, string};
use crate::request::Request;
use crate::status::Status;
use crate::verdict::Verdict;

/// Stands for every queue, or every user, in xskclient_revoke().
pub const XSKCLIENT_ANY: u32 = u32::MAX;

fn usage(object: &str, message: &str) -> xsk_client::Error {
    xsk_client::Error::new(Kind::Usage, object, message)
}

fn path_or(path: Option<&CStr>, default: &str) -> PathBuf {
    path.map_or_else(|| default.into(), |path| Path::new(OsStr::from_bytes(path.to_bytes())).into())
}

/// The helper that listens at `path`. Nothing is started, whether or not somebody listens.
fn socket(path: Option<&CStr>) -> Endpoint {
    Endpoint::Socket(path_or(path, SOCKET_PATH))
}

fn wanted(request: Option<&Request>) -> Result<&Wanted, xsk_client::Error> {
    request.map(|request| &request.0).ok_or_else(|| usage("request", "the request is NULL"))
}

/// Asks the helper that listens at `path` for sockets. NULL is the system's socket. It forks
/// nothing.
///
/// Writes the sockets, in queue order, to `sockets`, which has room for `capacity`, and the
/// connection to `connection`. Both are the caller's, close-on-exec; xskclient_release() closes
/// them. The lease lasts while a copy of the connection is open, in this process or another. Writes
/// a grant to `grant` unless that is NULL.
///
/// Returns the number of sockets, or -1. It takes at most ten seconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xskclient_acquire(
    path: *const c_char,
    request: Option<&Request>,
    sockets: *mut c_int,
    capacity: usize,
    connection: *mut c_int,
    grant: *mut *mut Grant,
    error: *mut *mut Error,
) -> c_int {
    // SAFETY: the contract is the same.
    let path = unsafe { string(path) };
    // SAFETY: the contract is the same.
    unsafe { acquire(&socket(path), request, (sockets, capacity, connection), grant, error) }
}

/// As xskclient_acquire(), but starts a helper: the installed one where `path` is NULL.
///
/// This forks and executes that program, which is setuid or has file capabilities. It inherits no
/// environment. The call waits until the helper has forked off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xskclient_acquire_from(
    path: *const c_char,
    request: Option<&Request>,
    sockets: *mut c_int,
    capacity: usize,
    connection: *mut c_int,
    grant: *mut *mut Grant,
    error: *mut *mut Error,
) -> c_int {
    // SAFETY: the contract is the same.
    let path = unsafe { string(path) };
    let endpoint = Endpoint::Helper(path_or(path, HELPER_PATH));
    // SAFETY: the contract is the same.
    unsafe { acquire(&endpoint, request, (sockets, capacity, connection), grant, error) }
}

/// # Safety
/// As of [`xskclient_acquire`].
unsafe fn acquire(
    endpoint: &Endpoint,
    request: Option<&Request>,
    (sockets, capacity, connection): (*mut c_int, usize, *mut c_int),
    grant: *mut *mut Grant,
    error: *mut *mut Error,
) -> c_int {
    let act = || {
        let wanted = wanted(request)?;
        if sockets.is_null() || connection.is_null() {
            return Err(usage("sockets", "there is no room for the sockets and the connection"));
        }
        if (capacity as u64) < u64::from(wanted.count()) {
            let message = format!("there is room for {capacity} sockets of {}", wanted.count());
            return Err(usage("sockets", &message));
        }
        let lease = xsk_client::acquire(endpoint, wanted)?;
        if lease.sockets.len() > capacity {
            return Err(xsk_client::Error::new(
                Kind::Protocol,
                "sockets",
                "more sockets than asked for",
            ));
        }
        // SAFETY: there is room for so many, and the contract is the same.
        Ok(unsafe { hand_out(lease, sockets, connection, grant) })
    };
    // SAFETY: the contract is the same.
    unsafe { guarded(error, act) }
}

/// Nothing fails any more from here on, so that no descriptor is lost.
///
/// # Safety
/// As of [`xskclient_acquire`], with room for the lease's sockets.
unsafe fn hand_out(
    lease: Lease,
    sockets: *mut c_int,
    connection: *mut c_int,
    grant: *mut *mut Grant,
) -> c_int {
    let numbers: Vec<RawFd> = lease.sockets.into_iter().map(IntoRawFd::into_raw_fd).collect();
    // SAFETY: there is room for so many.
    unsafe { fill(sockets, &numbers) };
    // SAFETY: the contract is the same.
    unsafe { set(connection, lease.connection.into_raw_fd()) };
    // SAFETY: the contract is the same.
    unsafe { put(grant, Grant::new(lease.granted)) };
    c_int::try_from(numbers.len()).unwrap_or(c_int::MAX)
}

/// Closes `count` sockets and the connection, which have to be open and the caller's; numbers below
/// 0 are skipped. The lease ends if no other process has a copy of the connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xskclient_release(sockets: *const c_int, count: usize, connection: c_int) {
    // SAFETY: the contract is the same.
    let sockets = unsafe { elements(sockets, count) };
    for number in sockets.iter().chain([&connection]).filter(|number| **number >= 0) {
        // SAFETY: by the contract it is open and the caller's.
        drop(unsafe { owned(*number) });
    }
}

/// Waits up to `timeout` milliseconds for something to happen to the lease of `connection`.
///
/// Returns a number of xskclient_news_kind, or -1. With XSKCLIENT_NEWS_KIND_EVENT it writes the
/// event to `event` unless that is NULL. The connection is readable for poll(2) when there is news.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xskclient_news(
    connection: c_int,
    timeout: u32,
    event: *mut *mut Event,
    error: *mut *mut Error,
) -> c_int {
    let act = || {
        if connection < 0 {
            return Err(usage("connection", "the connection is not a descriptor"));
        }
        // SAFETY: by the contract it stays open during the call.
        let connection = unsafe { BorrowedFd::borrow_raw(connection) };
        Ok(match xsk_client::news(connection, Duration::from_millis(timeout.into()))? {
            xsk_client::News::Nothing => News::None,
            xsk_client::News::Ended => News::Ended,
            xsk_client::News::Event(happened) => {
                // SAFETY: the contract is the same.
                unsafe { put(event, Event::new(&happened)) };
                News::Event
            }
        } as c_int)
    };
    // SAFETY: the contract is the same.
    unsafe { guarded(error, act) }
}

/// Asks what xskclient_acquire() would be granted, and changes nothing. Returns 0, or -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xskclient_check(
    path: *const c_char,
    request: Option<&Request>,
    verdict: *mut *mut Verdict,
    error: *mut *mut Error,
) -> c_int {
    let act = || {
        // SAFETY: the contract is the same.
        let path = unsafe { string(path) };
        let answer = xsk_client::check(&socket(path), wanted(request)?)?;
        // SAFETY: the contract is the same.
        unsafe { put(verdict, Verdict::new(answer)) };
        Ok(0)
    };
    // SAFETY: the contract is the same.
    unsafe { guarded(error, act) }
}

/// Asks what is leased. Returns 0, or -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xskclient_get_status(
    path: *const c_char,
    status: *mut *mut Status,
    error: *mut *mut Error,
) -> c_int {
    let act = || {
        // SAFETY: the contract is the same.
        let path = unsafe { string(path) };
        let answer = xsk_client::status(&socket(path))?;
        // SAFETY: the contract is the same.
        unsafe { put(status, Status::new(answer)) };
        Ok(0)
    };
    // SAFETY: the contract is the same.
    unsafe { guarded(error, act) }
}

/// Ends leases of the caller's, or anybody's for root: those on `ifname` (NULL for every interface)
/// that hold `queue` and are of `user` (XSKCLIENT_ANY for every one).
///
/// Returns how many leases were told to end, or -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xskclient_revoke(
    path: *const c_char,
    ifname: *const c_char,
    queue: u32,
    user: u32,
    error: *mut *mut Error,
) -> c_int {
    let act = || {
        // SAFETY: the contract is the same.
        let path = unsafe { string(path) };
        // SAFETY: the contract is the same.
        let ifname = unsafe { string(ifname) };
        let ifname = ifname.unwrap_or_default().to_str();
        let ifname =
            ifname.map_err(|_| usage("ifname", "the interface's name is no UTF-8"))?.to_owned();
        let ended = xsk_client::revoke(&socket(path), Revoke { ifname, queue, user })?;
        Ok(c_int::try_from(ended).unwrap_or(c_int::MAX))
    };
    // SAFETY: the contract is the same.
    unsafe { guarded(error, act) }
}

/// The library's version.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}
