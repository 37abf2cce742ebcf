// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to a lease.

use std::ffi::c_char;

use xsk_client::proto;

use crate::text::{Text, text_of};

/// Something that happened to a lease.
#[derive(Debug)]
pub struct Event {
    kind: Text,
    text: Text,
}

/// What xskclient_news() returns where it does not fail.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing happened until the time was over.
    None = 0,
    /// There is an event.
    Event = 1,
    /// The lease is over.
    Ended = 2,
}

impl Event {
    pub(crate) fn new(event: &proto::Event) -> Self {
        Self { kind: Text::new(event.kind.name()), text: Text::new(&event.text) }
    }
}

/// The stable name of what happened, such as "interface-down" or "revoked".
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_event_kind(event: Option<&Event>) -> *const c_char {
    text_of(event, |event| &event.kind)
}

/// What happened: a sentence for people.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_event_text(event: Option<&Event>) -> *const c_char {
    text_of(event, |event| &event.text)
}

/// Frees an event. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_event_free(event: Option<Box<Event>>) {
    drop(event);
}
