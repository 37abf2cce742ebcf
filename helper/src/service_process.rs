// SPDX-License-Identifier: MIT OR Apache-2.0
//! The third and the fourth stage of isolation as one step: what every process of ours becomes
//! before it takes a lock.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;

use crate::audit;
use crate::error::Failure;
use crate::failpoints::failpoint;
use crate::guard;
use crate::isolation;
use crate::isolation::service::{self, ServiceUser};

/// Makes the folders, becomes the service user with its few capabilities, opens the log that `log`
/// returns, and loads the bind guard where that is still to be done.
pub(crate) fn become_service(
    user: ServiceUser,
    log: impl FnOnce() -> Result<Option<OwnedFd>, Failure>,
) -> Result<(), Failure> {
    isolation::prepare_folders()?;
    failpoint!("folders");
    service::enter(user)?;
    failpoint!("isolated");
    audit::open(log()?.map(Into::into));
    guard::prepare()
}

/// The same for a command of root's, which logs as the helper does where nobody gave a stream.
pub(crate) fn as_service() -> Result<(), Failure> {
    become_service(ServiceUser::find()?, || Ok(None))
}
