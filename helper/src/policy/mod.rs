// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may have what. Default deny; a deny rule wins whatever the order; whatever cannot be read,
//! trusted or understood means that nobody is served.
//!
//! [`parse`] makes rules of text, [`Pattern`] of names, [`decide`] answers a question by them,
//! [`deny`] first: none of them makes a system call. [`files`] reads what can be trusted,
//! [`system`] asks the user database.

pub mod decide;
mod deny;
#[cfg(test)]
mod fake;
pub(crate) mod files;
mod names;
pub mod parse;
mod pattern;
mod queues;
pub mod rule;
pub(crate) mod system;
mod unreadable;

pub use crate::accounts::{Answer, Unanswered};
pub use decide::{Allowed, Denied, Detail, Question};
pub use names::{GroupEntry, Names};
pub use parse::PolicyError;
pub use pattern::Pattern;
pub use rule::{Limits, Policy, Principal, Rule};
