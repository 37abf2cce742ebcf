// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client list`: the interfaces that the caller may use.
#![forbid(unsafe_code)]

mod args;
mod held;
mod row;

use serde_json::Value;
use xsk_client::{Endpoint, Error, Kind, Request};
use xsk_command::{say, waiting};
use xsk_netlink::Link;
use xsk_proto::Code;

use crate::nic::Nic;
use crate::outcome::{Outcome, PROGRAM, print};
use crate::sys::netlink;
use held::Held;
use row::Row;

pub use args::ListArgs;

/// Prints the list.
pub(crate) fn run(args: &ListArgs) -> Outcome {
    let endpoint = args.endpoint.endpoint();
    let rows = waiting(PROGRAM, "the helper's answers", || rows(&endpoint))?;
    if args.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        print(&format!("{:#}\n", Value::from(rows)))?;
        return Ok(0);
    }
    if rows.is_empty() {
        say(PROGRAM, "the policy allows you no interface of this network namespace");
    }
    print(&row::text(&rows))?;
    Ok(0)
}

fn rows(endpoint: &Endpoint) -> Result<Vec<Row>, Error> {
    let failed = |error| Error::system("rtnetlink", error);
    let status = xsk_client::status(endpoint)?;
    let mut links = netlink::route().and_then(|route| route.links()).map_err(failed)?;
    links.retain(|link| link.not_ethernet().is_none());
    links.sort_by(|a, b| a.name.cmp(&b.name));
    let mut rows = Vec::new();
    for link in links {
        let verdict = xsk_client::check(endpoint, &request(&link));
        if verdict.as_ref().is_err_and(|error| is_none_of_theirs(error, &link.name)) {
            continue;
        }
        if let Err(error) = &verdict
            && !matches!(error.kind, Kind::Refused(_))
        {
            return verdict.map(|_| rows);
        }
        let Some(nic) = Nic::find(&link.name).map_err(failed)? else { continue };
        let held = Held::of(&nic, &status);
        rows.push(Row { nic, verdict, held });
    }
    Ok(rows)
}

/// As a consumer asks that takes what the interface has.
fn request(link: &Link) -> Request {
    let request = Request::new(&link.name);
    if link.fits_single_buffer() { request } else { request.frags() }
}

/// No rule is about the caller and this interface, or it has just gone. Where a rule allows the
/// interface, and not so, the refusal is about the rule.
fn is_none_of_theirs(error: &Error, ifname: &str) -> bool {
    match error.kind {
        Kind::Refused(Code::NoSuchInterface) => true,
        Kind::Refused(Code::NotAllowed) => error.object == ifname,
        _ => false,
    }
}
