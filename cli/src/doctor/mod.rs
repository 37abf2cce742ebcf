// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client doctor`: one line for everything that is needed, with the command that fixes what is
//! missing. It changes nothing: it asks the helper for a verdict, not for a lease. No check takes
//! more than two seconds.
#![forbid(unsafe_code)]

mod args;
mod as_user;
mod finding;
mod helper;
mod host;
mod interface;
mod kind;
mod native;
mod offloads;
mod patience;
mod peer;
mod qemu;
mod queues;
mod stack;
mod virtio;

use serde_json::{Value, json};
use xsk_client::Kind;
use xsk_command::waiting;

use crate::outcome::{Outcome, PROGRAM, print};
use finding::{Finding, State};
use helper::Helper;
use patience::in_time;

pub use args::DoctorArgs;
pub(crate) use native::attaches_natively;
pub(crate) use peer::{CHECKSUMS, of_peer};

/// Runs all checks, and ends with the status of the worst failure.
pub(crate) fn run(args: &DoctorArgs) -> Outcome {
    if let Some(user) = &args.user {
        return Ok(as_user::run(args, user)?);
    }
    let findings = waiting(PROGRAM, "the helper, the kernel and QEMU to answer", || all(args));
    let text = if args.json { format!("{:#}\n", json_of(&findings)) } else { lines(&findings) };
    print(&text)?;
    Ok(worst(&findings))
}

fn all(args: &DoctorArgs) -> Vec<Finding> {
    let mut findings = host::kernel();
    let helper = Helper::ask(&args.endpoint.endpoint(), args.ifname.as_deref());
    let verdict = helper.verdict.as_ref();
    findings.push(host::guard(verdict));
    findings.extend(helper.findings);
    let of_interface = args.ifname.clone().map(|name| of_interface(name, helper.programs));
    let of_interface = of_interface.unwrap_or_default();
    // What the helper refuses for the interface's sake stands with the interface.
    findings.retain(|finding| {
        finding.check != "policy" || !of_interface.iter().any(|other| finding.is_refused_as(other))
    });
    findings.extend(of_interface);
    findings.push(host::memlock(&args.qemu, verdict));
    findings.push(qemu::finding(&args.qemu));
    findings
}

/// A driver that is busy with the link makes every question about it wait.
fn of_interface(ifname: String, programs: Vec<u32>) -> Vec<Finding> {
    let name = ifname.clone();
    in_time(move || interface::findings(&name, &programs)).unwrap_or_else(|| {
        let message = format!("the kernel says nothing about {ifname} within two seconds");
        vec![Finding::fail(
            "interface",
            Kind::Timeout,
            message,
            format!("ip link show {ifname}, and try again"),
        )]
    })
}

fn lines(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        text += &format!("{:<4}  {:<width$}  {}\n", finding.word(), finding.check, finding.message);
        if !finding.mend.is_empty() {
            text += &format!("{:<4}  {:<width$}  -> {}\n", "", "", finding.mend);
        }
    }
    text
}

fn json_of(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        json!({
            "check": finding.check,
            "state": finding.word().to_lowercase(),
            "message": finding.message,
            "mend": finding.mend,
        })
    };
    findings.iter().map(one).collect()
}

/// A missing helper is worse than a refusal, and a refusal is worse than something to configure.
fn worst(findings: &[Finding]) -> u8 {
    let codes = findings.iter().filter_map(|finding| match finding.state {
        State::Fail(kind) => Some(kind.exit_code()),
        _ => None,
    });
    let rank = |code: &u8| [78, 75, 77, 69].iter().position(|known| known == code);
    codes.max_by_key(rank).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xsk_proto::Code;

    #[test]
    fn the_worst_decides() {
        let fail = |kind| Finding::fail("x", kind, "", "");
        assert_eq!(worst(&[Finding::ok("x", ""), Finding::note("x", "", "")]), 0);
        assert_eq!(worst(&[fail(Kind::Memlock), fail(Kind::Unreachable)]), 69);
        assert_eq!(worst(&[fail(Kind::Refused(Code::NotAllowed)), fail(Kind::Memlock)]), 77);
    }

    #[test]
    fn a_finding_has_its_mend_below() {
        let text = lines(&[Finding::note("memlock", "8 MiB", "raise it")]);
        assert_eq!(text, "note  memlock  8 MiB\n               -> raise it\n");
    }
}
