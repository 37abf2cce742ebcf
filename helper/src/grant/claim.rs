// SPDX-License-Identifier: MIT OR Apache-2.0
//! The claim: under the interface's lock the queues, the program, the slots, the filter and the
//! guard; or nothing of it.

use std::cell::LazyCell;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::device::Device;
use super::filter;
use super::lease::Lease;
use super::program::{self, Attachment, Wanted};
use super::request::Request;
use crate::error::{Failure, Taken};
use crate::failpoints::failpoint;
use crate::guard::Guard;
use crate::policy::Allowed;

/// How long a request waits for a queue whose holder may just be going.
const PATIENCE: Duration = Duration::from_millis(400);
const PAUSE: Duration = Duration::from_millis(2);

/// Everything that a claim works with and changes.
pub(super) struct Claim<'a> {
    pub(super) request: &'a Request,
    pub(super) allowed: &'a Allowed<'a>,
    pub(super) device: Device<'a>,
    pub(super) sockets: Vec<OwnedFd>,
    /// The bind guard, if it holds sockets to their queues.
    pub(super) guard: Option<Guard>,
    pub(super) lease: Lease,
}

/// What came of a claim: the program, and the interface's filter if the request changes it.
pub(super) type Claimed = (Attachment, Option<OwnedFd>);

impl Claim<'_> {
    /// Claims, and tries again for a while if what is in the way may just be going. On failure all
    /// is as it was before.
    pub(super) fn make(&mut self) -> Result<Claimed, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.attempt() {
                Err(failure) if failure.may_pass() && Instant::now() < deadline => sleep(PAUSE),
                made => return made,
            }
        }
    }

    fn attempt(&mut self) -> Result<Claimed, Failure> {
        self.lease.lock_interface(self.request.name.as_str())?;
        failpoint!("locked");
        let made = self.attempt_locked();
        self.lease.unlock_interface();
        made
    }

    fn attempt_locked(&mut self) -> Result<Claimed, Failure> {
        let Self { request, allowed: Allowed { rule, .. }, device, lease, .. } = self;
        let count = request.acquire.queues;
        let real = LazyCell::new(|| device.real_queues(&request.name));
        let may_begin =
            |first: u32| first.saturating_add(count) <= *real && rule.queues.contains(first, count);
        let idle = lease.take_queues(request.name.as_str(), rule.shared, may_begin)?;
        self.occupy(idle).inspect_err(|_| self.lease.roll_back())
    }

    /// With the queues taken. `idle` tells whether nobody else has one of the interface.
    fn occupy(&mut self, idle: bool) -> Result<Claimed, Failure> {
        if self.request.options.alone && !idle {
            return Err(Taken::NotAlone { name: self.request.name.to_string() }.into());
        }
        self.device.refresh()?;
        let attachment = self.install(idle).map_err(|failure| self.device.explain(failure))?;
        let filter = filter::open(&self.device, &self.request.options)
            .map_err(|failure| self.device.explain(failure))?;
        if let Some(guard) = &self.guard {
            self.lease.hold_to_queues(guard, &self.sockets, attachment.fresh)?;
        }
        if let Some(guard) = self.guard.take() {
            self.lease.ends_with(guard);
        }
        Ok((attachment, filter))
    }

    /// The program, and the sockets in its map.
    fn install(&mut self, idle: bool) -> Result<Attachment, Failure> {
        let Self { request, allowed, device, sockets, lease, .. } = self;
        let wanted = Wanted {
            key: lease.key,
            link: &device.link,
            kernel: device.kernel(),
            modes: &allowed.modes,
            frags: request.options.frags,
        };
        failpoint!("claimed");
        let (redirect, attachment) = program::install(&wanted, idle)?;
        failpoint!("installed");
        lease.keep(redirect, attachment.prog_id)?;
        for (queue, socket) in (request.acquire.first_queue..).zip(sockets.iter()) {
            lease.fill(queue, socket, request.name.as_str())?;
            failpoint!("inserted");
        }
        Ok(attachment)
    }
}
