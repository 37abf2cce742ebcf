// SPDX-License-Identifier: MIT OR Apache-2.0
//! What to ask for.

use std::ffi::c_char;

use xsk_client::proto::ModeRequest;

use crate::pointers::{elements, string};

/// What to ask the helper for.
#[derive(Debug)]
pub struct Request(pub(crate) xsk_client::Request);

/// How the XDP program is attached.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In a request: native, and skb where the driver has no native XDP. In an answer: not known.
    Auto = 0,
    /// By the driver.
    Native = 1,
    /// By the kernel, for any driver.
    Skb = 2,
}

/// A request for queue 0 of an interface. NULL where `ifname` is NULL or no UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xskclient_request_new(ifname: *const c_char) -> Option<Box<Request>> {
    // SAFETY: the contract is the same.
    let ifname = unsafe { string(ifname) }?.to_str().ok()?;
    Some(Box::new(Request(xsk_client::Request::new(ifname))))
}

/// Frees a request. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_request_free(request: Option<Box<Request>>) {
    drop(request);
}

fn change(
    request: Option<&mut Request>,
    by: impl FnOnce(xsk_client::Request) -> xsk_client::Request,
) {
    if let Some(request) = request {
        request.0 = by(request.0.clone());
    }
}

/// Asks for `count` queues, from `first` on.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_request_queues(request: Option<&mut Request>, first: u32, count: u32) {
    change(request, |request| request.queues(first, count));
}

/// Asks for an attach mode: XSKCLIENT_MODE_NATIVE or XSKCLIENT_MODE_SKB; any other number is
/// XSKCLIENT_MODE_AUTO.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_request_mode(request: Option<&mut Request>, mode: u32) {
    let mode = match mode {
        1 => ModeRequest::Native,
        2 => ModeRequest::Skb,
        _ => ModeRequest::Auto,
    };
    change(request, |request| request.mode(mode));
}

/// Says that the consumer takes frames of several buffers (XDP_USE_SG).
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_request_frags(request: Option<&mut Request>) {
    change(request, xsk_client::Request::frags);
}

/// Asks for promiscuous mode while the lease lasts.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_request_promisc(request: Option<&mut Request>) {
    change(request, xsk_client::Request::promisc);
}

/// Asks for the frames of every multicast group while the lease lasts.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_request_allmulti(request: Option<&mut Request>) {
    change(request, xsk_client::Request::allmulti);
}

/// Asks to receive for `count` link-layer addresses while the lease lasts; at most four.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xskclient_request_macs(
    request: Option<&mut Request>,
    macs: *const [u8; 6],
    count: usize,
) {
    // SAFETY: the contract is the same.
    let macs = unsafe { elements(macs, count) };
    change(request, |request| request.macs(macs));
}

/// Asks for busy polling on the sockets: microseconds, and frames a poll.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_request_busy_poll(
    request: Option<&mut Request>,
    usecs: u32,
    budget: u32,
) {
    change(request, |request| request.busy_poll(usecs, budget));
}

/// Declares the bytes that the consumer will lock. Where the policy allows it, the helper raises
/// RLIMIT_MEMLOCK of this process by as much.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_request_memlock(request: Option<&mut Request>, bytes: u64) {
    change(request, |request| request.memlock(bytes));
}
