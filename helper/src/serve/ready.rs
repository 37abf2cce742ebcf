// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a process prepares before it has a client, so that the client does not wait for it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::caller::Entry;
use crate::error::Failure;
use crate::kernel::Kernel;
use crate::paths;
use crate::policy::files::Texts;
use crate::policy::{Policy, PolicyError};

/// On what terms a connection is served.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) entry: Entry,
    /// The policy, where root named another one.
    pub(crate) policy: Option<PathBuf>,
    /// Whether a manager of services has a unit for this very process.
    pub(crate) unit: bool,
}

/// The terms, and what was done beforehand.
#[derive(Debug)]
pub(crate) struct Ready<'t> {
    pub(super) terms: &'t Terms,
    policy: Option<(Texts, Policy)>,
    kernel: Option<Kernel>,
    /// Closed with this.
    _busy: Option<OwnedFd>,
}

impl<'t> Ready<'t> {
    /// Nothing was.
    pub(crate) fn new(terms: &'t Terms) -> Self {
        Self { terms, policy: None, kernel: None, _busy: None }
    }

    /// Everything that no client has a part in.
    pub(crate) fn prepared(terms: &'t Terms) -> Self {
        let kernel = Kernel::open().ok();
        let texts = Texts::read(terms.path()).ok();
        let policy = texts.and_then(|texts| texts.parse().ok().map(|policy| (texts, policy)));
        Self { terms, policy, kernel, _busy: None }
    }

    /// Keeps the pipe open until the client is answered: the listener has its other end.
    pub(crate) fn until_answered(self, busy: Option<OwnedFd>) -> Self {
        Self { _busy: busy, ..self }
    }

    /// The policy as its files have it at this moment. They are read in any case, and parsed only
    /// where they differ from what was parsed before.
    pub(super) fn policy(&mut self) -> Result<Policy, PolicyError> {
        let texts = Texts::read_settled(self.terms.path())?;
        match self.policy.take() {
            Some((known, policy)) if known == texts => Ok(policy),
            _ => texts.parse(),
        }
    }

    pub(super) fn kernel(&mut self) -> Result<Kernel, Failure> {
        self.kernel.take().map_or_else(Kernel::open, Ok)
    }
}

impl Terms {
    fn path(&self) -> &Path {
        self.policy.as_deref().unwrap_or(Path::new(paths::POLICY))
    }
}
