// SPDX-License-Identifier: MIT OR Apache-2.0
//! Multicast on an interface that filters: no guest's neighbour discovery and no mDNS passes it, so
//! it is asked for.

use xsk_client::proto::Code;
use xsk_client::{Error, Kind, Lease, Request};

/// Asks for the frames of every group too where the interface `filters`; where the policy or the
/// helper's age stands against that, for the lease without them.
///
/// # Errors
/// As `ask` has them.
pub fn with_groups(
    filters: bool,
    request: Request,
    ask: impl Fn(&Request) -> Result<Lease, Error>,
) -> Result<Lease, Error> {
    if !filters {
        return ask(&request);
    }
    match ask(&request.clone().allmulti()) {
        Err(Error { kind: Kind::Refused(Code::NotAllowed | Code::UnknownOption), .. }) => ask(&request),
        result => result,
    }
}
