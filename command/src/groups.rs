// SPDX-License-Identifier: MIT OR Apache-2.0
//! Multicast on an interface that filters: no guest's neighbour discovery and no mDNS passes it, so
//! it is asked for.

use xsk_client::proto::{Code, Granted};
use xsk_client::{Error, Kind, Lease, Request};

use crate::say;

/// Asks for the frames of every group too where the interface `filters`; where the policy or the
/// helper's age stands against that, for the lease without them, and says in the name of `program`
/// what is then missing.
///
/// # Errors
/// As `ask` has them.
pub fn with_groups(
    program: &str,
    filters: bool,
    request: Request,
    ask: impl Fn(&Request) -> Result<Lease, Error>,
) -> Result<Lease, Error> {
    if !filters {
        return ask(&request);
    }
    match ask(&request.clone().allmulti()) {
        Err(Error { kind: Kind::Refused(Code::NotAllowed | Code::UnknownOption), .. }) => {
            let lease = ask(&request)?;
            missing(&lease.granted).inspect(|text| say(program, text));
            Ok(lease)
        }
        result => result,
    }
}

/// Nothing is missing if something else lets the groups in.
fn missing(granted: &Granted) -> Option<String> {
    let Granted { ifname, filter, .. } = granted;
    (!filter.all_groups).then(|| {
        format!(
            "{ifname}: warning: it lets in no frames for groups, so IPv6 neighbour discovery and mDNS do not reach a \
             guest; the rule must say allmulti = true"
        )
    })
}
