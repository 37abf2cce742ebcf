// SPDX-License-Identifier: MIT OR Apache-2.0
//! A request whose every word is valid, and that the policy allows. No system call but those of the
//! user database.
#![forbid(unsafe_code)]

use xsk_proto::{Acquire, IfName, MAX_QUEUES};

use super::denial;
use super::options::Options;
use crate::audit::shown;
use crate::caller::Caller;
use crate::error::{Failure, InterfaceFault};
use crate::policy::system::System;
use crate::policy::{Allowed, Policy, Question};

pub(super) struct Request {
    pub(super) name: IfName,
    pub(super) options: Options,
    pub(super) acquire: Acquire,
}

impl Request {
    /// Returns the request with the rule that allows it. A caller that the policy allows nothing is
    /// not told about options either.
    pub(super) fn judge<'p>(
        acquire: Acquire,
        policy: &'p Policy,
        caller: &Caller,
    ) -> Result<(Self, Allowed<'p>), Failure> {
        let (options, unknown) = match Options::parse(&acquire.params) {
            Ok(options) => (options, None),
            Err(failure) => (Options::default(), Some(failure)),
        };
        let request = Self::check(acquire, options)?;
        let allowed = request.allowed(policy, caller)?;
        unknown.map_or(Ok((request, allowed)), Err)
    }

    fn check(acquire: Acquire, options: Options) -> Result<Self, Failure> {
        let name = IfName::parse(&acquire.ifname).map_err(|error| InterfaceFault::BadName {
            shown: shown(&acquire.ifname),
            reason: error.to_string(),
        })?;
        let Acquire { first_queue, queues, .. } = acquire;
        let fits = first_queue.checked_add(queues).is_some_and(|end| end <= i32::MAX as u32);
        if (1..=MAX_QUEUES).contains(&queues) && fits {
            return Ok(Self { name, options, acquire });
        }
        Err(InterfaceFault::QueueCount { name: name.to_string(), first: first_queue, queues }
            .into())
    }

    fn allowed<'p>(&self, policy: &'p Policy, caller: &Caller) -> Result<Allowed<'p>, Failure> {
        let macs: Vec<_> = self.options.macs.iter().map(ToString::to_string).collect();
        let question = Question {
            uid: caller.uid,
            groups: &caller.groups,
            denying: &caller.denying,
            ifname: self.name.as_str(),
            first_queue: self.acquire.first_queue,
            queues: self.acquire.queues,
            mode: self.acquire.mode,
            promisc: self.options.promisc,
            allmulti: self.options.allmulti,
            macs: &macs,
            busy_poll: self.options.busy_poll > 0,
        };
        policy
            .decide(&question, &System)
            .map_err(|denied| denial::fault(&denied, caller.uid, self.name.as_str()).into())
    }
}
