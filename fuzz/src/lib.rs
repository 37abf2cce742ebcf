// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is fuzzed, each an ordinary function that panics when a promise is broken: the fuzz targets
//! call them, and so does `tests/tests/corpus.rs` over the kept inputs, so that `make check`
//! replays what was found.
#![forbid(unsafe_code)]

pub mod conversation;
pub mod netdev;
pub mod netlink;
pub mod policy;
pub mod vhost;
pub mod wire;

/// An entry point.
pub type Entry = fn(&[u8]);

/// Every entry point by the name of its target and of its folder of inputs.
pub const ENTRIES: [(&str, Entry); 8] = [
    ("conversation", conversation::conversation),
    ("netdev", netdev::netdev),
    ("netlink", netlink::netlink),
    ("policy", policy::policy),
    ("reply", wire::reply),
    ("request", wire::request),
    ("vhost_messages", vhost::messages),
    ("vhost_rings", vhost::rings),
];
