// SPDX-License-Identifier: MIT OR Apache-2.0
//! The helper: whether it answers, what its policy allows this user, and where it keeps its pins.
#![forbid(unsafe_code)]

use std::path::Path;

use xsk_client::{Endpoint, Error, Kind, Request, check, status};
use xsk_proto::{Code, HELPER_PATH, Verdict};

use super::finding::Finding;

const BPFFS: &str = "/run/xsk-helper/bpf";
/// include/uapi/linux/magic.h.
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// The findings about the helper, and its answer.
#[derive(Debug, Default)]
pub(super) struct Helper {
    pub(super) findings: Vec<Finding>,
    /// The ids of its programs.
    pub(super) programs: Vec<u32>,
    pub(super) verdict: Option<Verdict>,
}

impl Helper {
    pub(super) fn ask(endpoint: &Endpoint, ifname: Option<&str>) -> Self {
        let asked = endpoint.clone();
        let status = match answered(endpoint, move || status(&asked)) {
            Ok(status) => status,
            // The rest would say the same once more.
            Err(error) => {
                let findings = vec![refused(endpoint, "helper", error), bpffs()];
                return Self { findings, ..Self::default() };
            }
        };
        let answers = format!("it answers; leases that you can see: {}", status.leases.len());
        let mut helper = Self {
            findings: vec![Finding::ok("helper", answers)],
            programs: status.interfaces.iter().map(|interface| interface.program_id).collect(),
            verdict: None,
        };
        if let Some(ifname) = ifname {
            helper.judge(endpoint, ifname);
        }
        helper.findings.push(bpffs());
        helper
    }

    fn judge(&mut self, endpoint: &Endpoint, ifname: &str) {
        let (asked, request) = (endpoint.clone(), Request::new(ifname));
        match answered(endpoint, move || check(&asked, &request)) {
            Ok(verdict) => {
                self.findings.push(allowed(ifname, &verdict));
                self.verdict = Some(verdict);
            }
            Err(error) => self.findings.push(refused(endpoint, "policy", error)),
        }
    }
}

/// The check that an error belongs to, whatever was asked, with the file in the place of a word for
/// it.
fn refused(endpoint: &Endpoint, check: &'static str, error: Error) -> Finding {
    match (error.kind, endpoint) {
        (Kind::Refused(Code::Namespace), _) => Finding::of("namespace", error),
        (Kind::Refused(Code::Policy), _) => Finding::of("policy", error),
        (Kind::Refused(Code::NotPrivileged), endpoint) if is_installed(endpoint) => {
            let path = HELPER_PATH;
            let mend = format!(
                "sudo chown root:xsk {path} && sudo chmod 4750 {path}; or use the system's socket"
            );
            Finding::of(check, error.hint(mend))
        }
        _ => Finding::of(check, error),
    }
}

/// Only the installed helper is ever to be setuid.
fn is_installed(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::System => true,
        Endpoint::Helper(path) => path == Path::new(HELPER_PATH),
        _ => false,
    }
}

/// Asks, and waits for the answer no longer than a check may take, unless a person types a
/// password.
fn answered<T: Send + 'static>(
    endpoint: &Endpoint,
    ask: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if *endpoint == Endpoint::Pkexec {
        return ask();
    }
    super::patience::in_time(ask).unwrap_or_else(|| {
        let message = "the helper does not answer within two seconds";
        Err(Error::new(Kind::Timeout, "helper", message).hint("systemctl status 'xsk-helper@*'"))
    })
}

fn allowed(ifname: &str, verdict: &Verdict) -> Finding {
    let may = |what: bool, word: &str| if what { format!(", {word}") } else { String::new() };
    let memlock = match verdict.memlock_max {
        0 => String::new(),
        bytes => format!(", memlock up to {} MiB", bytes >> 20),
    };
    let more = may(verdict.promisc, "promiscuous mode")
        + &may(verdict.busy_poll, "busy polling")
        + &memlock;
    Finding::ok("policy", format!("you may have {ifname} by {}{more}", verdict.rule))
}

fn bpffs() -> Finding {
    match rustix::fs::statfs(BPFFS) {
        Ok(fs) if fs.f_type as u64 & 0xffff_ffff == BPF_FS_MAGIC => {
            Finding::ok("bpffs", format!("mounted at {BPFFS}"))
        }
        _ => Finding::note(
            "bpffs",
            format!(
                "not mounted at {BPFFS} as seen from here; a helper that starts as root mounts it"
            ),
            format!("sudo mkdir -p {BPFFS} && sudo mount -t bpf bpf {BPFFS}"),
        ),
    }
}
