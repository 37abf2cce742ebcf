// SPDX-License-Identifier: MIT OR Apache-2.0
//! One face for the commands of the project: how an error is written and what the exit status says,
//! where the helper is and how long to wait for it. A person or a script that knows one command
//! knows the others.
#![forbid(unsafe_code)]

#[cfg(feature = "client")]
mod endpoint;
mod failure;
#[cfg(feature = "client")]
mod grant;
#[cfg(feature = "client")]
mod groups;
#[cfg(feature = "client")]
mod interface;
#[cfg(feature = "client")]
mod netlink;
mod notice;
mod progress;
mod seconds;
mod usage;

#[cfg(feature = "client")]
pub use endpoint::EndpointArgs;
pub use failure::{ErrorArgs, ErrorFormat, Failure};
#[cfg(feature = "client")]
pub use grant::{Patience, Wait, WaitArgs, warnings};
#[cfg(feature = "client")]
pub use groups::with_groups;
#[cfg(feature = "client")]
pub use interface::{rx_queues, settle};
#[cfg(feature = "client")]
pub use netlink::link;
pub use notice::{NoticeArgs, is_quiet, say};
pub use progress::waiting;
pub use seconds::seconds;
pub use usage::refuse;
