// SPDX-License-Identifier: MIT OR Apache-2.0
//! Getting a lease: how long to wait for one, and what it warns of.

use std::cell::Cell;
use std::time::{Duration, Instant};

use clap::Args;
use xsk_client::netdev::Netdev;
use xsk_client::proto::{Code, Granted, WarningKind};
use xsk_client::{Endpoint, Error, Kind, Lease, Request};
use xsk_netlink::Link;

use crate::interface::{find, settle};
use crate::netlink::{News, link};
use crate::{say, seconds, waiting};

/// Between two attempts at busy queues.
const RETRY: Duration = Duration::from_millis(200);

/// The longest that only news of interfaces are waited for.
const LOOK: Duration = Duration::from_secs(1);

/// Whether to wait for what is not to be had yet.
#[derive(Debug, Clone, Copy, Args)]
pub struct WaitArgs {
    /// Wait while a queue is busy or the interface does not exist yet: for ever, or for so many
    /// seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
        default_missing_value = FOREVER, value_parser = limit)]
    pub wait: Option<Wait>,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// As long as it takes.
    Forever,
    /// So long.
    For(Duration),
}

/// What stands for `--wait` without a number.
const FOREVER: &str = "forever";

fn limit(text: &str) -> Result<Wait, String> {
    if text == FOREVER { Ok(Wait::Forever) } else { seconds(text).map(Wait::For) }
}

/// A wait that has begun: all that a command has to wait for has one limit.
#[derive(Debug)]
pub struct Patience {
    program: &'static str,
    wait: Option<Wait>,
    start: Instant,
    told: Cell<bool>,
}

impl WaitArgs {
    /// Begins to wait, in the name of the program.
    pub fn begin(self, program: &'static str) -> Patience {
        Patience { program, wait: self.wait, start: Instant::now(), told: Cell::new(false) }
    }
}

impl Patience {
    /// Returns the netdev with numbers for what depends on its interface, which may be waited for.
    ///
    /// # Errors
    /// As [`settle`].
    pub fn settle(&self, netdev: Netdev) -> Result<Netdev, Error> {
        let ifname = netdev.options().ifname.clone();
        self.until_it_is_had(&ifname, || settle(netdev.clone()))
    }

    /// Returns the interface, which may be waited for; `None` where it is not there.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn interface(&self, ifname: &str) -> Result<Option<Link>, Error> {
        let found = self.until_it_is_had(ifname, || find(ifname));
        match found {
            Err(error) if error.kind == Kind::Refused(Code::NoSuchInterface) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Acquires a lease; what is busy, or not there yet, is asked for again until the time is over.
    ///
    /// # Errors
    /// As [`xsk_client::acquire`], the last time.
    pub fn acquire(&self, endpoint: &Endpoint, request: &Request) -> Result<Lease, Error> {
        let lease = self.until_it_is_had(request.ifname(), || {
            waiting(self.program, "the helper's answer", || xsk_client::acquire(endpoint, request))
        });
        lease.map_err(|error| self.explained(error, request.ifname()))
    }

    /// The helper tells nobody which interfaces there are; whoever may list them finds out what is
    /// wrong with a name. And what may come later can be waited for, where that was not done.
    fn explained(&self, error: Error, ifname: &str) -> Error {
        match error.kind {
            Kind::Refused(Code::NotAllowed | Code::NoSuchInterface | Code::BadName) => {
                let own = find(ifname).err().filter(|own| is_plainer(own.kind, error.kind));
                own.unwrap_or(error)
            }
            Kind::Refused(Code::Busy | Code::Limit)
                if self.wait.is_none() && error.object == ifname =>
            {
                let own = if error.hint.is_empty() {
                    String::new()
                } else {
                    format!("{}; or ", error.hint)
                };
                error.hint(format!("{own}wait for it with --wait"))
            }
            _ => error,
        }
    }

    fn until_it_is_had<T>(
        &self,
        ifname: &str,
        mut get: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let error = match get() {
                Err(error) if comes_later(&error) => error,
                result => return result,
            };
            let left = self.left();
            if left.is_zero() {
                return Err(error);
            }
            if !self.told.replace(true) {
                say(self.program, &format!("waiting: {error}"));
            }
            if error.kind == Kind::Refused(Code::NoSuchInterface) {
                self.wait_for(ifname)?;
            }
            std::thread::sleep(RETRY.min(left));
        }
    }

    /// What is left of the time.
    fn left(&self) -> Duration {
        match self.wait {
            None => Duration::ZERO,
            Some(Wait::Forever) => Duration::MAX,
            Some(Wait::For(limit)) => limit.saturating_sub(self.start.elapsed()),
        }
    }

    /// Waits until there is such an interface, or the time is over. No helper is held meanwhile.
    fn wait_for(&self, ifname: &str) -> Result<(), Error> {
        let failed = |error| Error::system("rtnetlink", error);
        let news = News::listen().map_err(failed)?;
        while link(ifname).map_err(failed)?.is_none() && !self.left().is_zero() {
            news.wait(self.left().min(LOOK)).map_err(failed)?;
        }
        Ok(())
    }
}

/// Whether what was found here says more than the refusal. That a name cannot be one the helper
/// knows best.
fn is_plainer(own: Kind, refused: Kind) -> bool {
    match own {
        Kind::Refused(Code::BadName) => true,
        Kind::Refused(Code::NoSuchInterface) => refused != Kind::Refused(Code::BadName),
        _ => false,
    }
}

/// Whether the same may work later.
fn comes_later(error: &Error) -> bool {
    matches!(error.kind, Kind::Refused(Code::Busy | Code::Limit | Code::NoSuchInterface))
}

/// What the kernel lacks is the same for each start, and `doctor` and `status` say it.
fn is_about_this_start(kind: WarningKind) -> bool {
    !matches!(
        kind,
        WarningKind::NoDeviceConfinement | WarningKind::NoQueueConfinement | WarningKind::Kernel
    )
}

/// Says what a grant warns of, as far as that is about this interface or this start.
pub fn warnings(program: &str, granted: &Granted) {
    let ifname = &granted.ifname;
    if !granted.mode_reason.is_empty() {
        say(program, &format!("{ifname}: mode {}: {}", granted.mode, granted.mode_reason));
    }
    for warning in granted.warnings.iter().filter(|warning| is_about_this_start(warning.kind)) {
        let word = if warning.kind == WarningKind::Down {
            "warning (no frame will pass)"
        } else {
            "warning"
        };
        say(program, &format!("{ifname}: {word}: {}", warning.text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_a_limit_or_none() {
        assert_eq!(limit("forever"), Ok(Wait::Forever));
        assert_eq!(limit("0.5"), Ok(Wait::For(Duration::from_millis(500))));
        assert!(limit("soon").is_err());
        let left = |wait| WaitArgs { wait }.begin("prog").left();
        assert_eq!(left(None), Duration::ZERO);
        assert_eq!(left(Some(Wait::Forever)), Duration::MAX);
        assert_eq!(left(Some(Wait::For(Duration::ZERO))), Duration::ZERO);
    }
}
