// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a request would be granted.

use std::ffi::c_char;

use xsk_client::proto;

use crate::grant::mode_of;
use crate::request::Mode;
use crate::text::{Text, text_of};

/// What a request would be granted.
#[derive(Debug)]
pub struct Verdict {
    verdict: proto::Verdict,
    rule: Text,
}

impl Verdict {
    pub(crate) fn new(verdict: proto::Verdict) -> Self {
        Self { rule: Text::new(&verdict.rule), verdict }
    }
}

/// The rule that allows it: file and line.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_verdict_rule(verdict: Option<&Verdict>) -> *const c_char {
    text_of(verdict, |verdict| &verdict.rule)
}

/// How the program would be attached; XSKCLIENT_MODE_AUTO where that is not known without trying.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_verdict_mode(verdict: Option<&Verdict>) -> u32 {
    verdict.and_then(|verdict| verdict.verdict.mode).map_or(Mode::Auto, mode_of).into()
}

/// Whether the kernel can hold the sockets to the interface.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_verdict_confined_to_device(verdict: Option<&Verdict>) -> bool {
    verdict.is_some_and(|verdict| verdict.verdict.confinement.device)
}

/// Whether the kernel can hold the sockets to their queues.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_verdict_confined_to_queue(verdict: Option<&Verdict>) -> bool {
    verdict.is_some_and(|verdict| verdict.verdict.confinement.queue)
}

/// Whether promiscuous mode may be asked for.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_verdict_promisc(verdict: Option<&Verdict>) -> bool {
    verdict.is_some_and(|verdict| verdict.verdict.promisc)
}

/// Whether all-multicast mode may be asked for.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_verdict_allmulti(verdict: Option<&Verdict>) -> bool {
    verdict.is_some_and(|verdict| verdict.verdict.allmulti)
}

/// Whether busy polling may be asked for.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_verdict_busy_poll(verdict: Option<&Verdict>) -> bool {
    verdict.is_some_and(|verdict| verdict.verdict.busy_poll)
}

/// The most bytes to which RLIMIT_MEMLOCK would be raised; 0 for never.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_verdict_memlock_max(verdict: Option<&Verdict>) -> u64 {
    verdict.map_or(0, |verdict| verdict.verdict.memlock_max)
}

/// Frees a verdict. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_verdict_free(verdict: Option<Box<Verdict>>) {
    drop(verdict);
}
