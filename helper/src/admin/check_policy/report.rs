// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `check-policy` found: lines for a person, and the same as fields for a program.
#![forbid(unsafe_code)]

use std::fmt;

use serde::Serialize;

use crate::error::Failure;
use crate::policy::rule::{Confine, QueueSet};
use crate::policy::{Principal, Rule};

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The policy's first file.
    pub file: String,
    /// How many allow rules there are.
    pub allow: usize,
    /// How many deny rules there are.
    pub deny: usize,
    /// Names that nobody has, and names that cannot be looked up.
    pub names: Vec<String>,
    /// What holds for the user who was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Subject>,
    /// Why the answer is no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
    /// The same, for the exit status.
    #[serde(skip)]
    pub(super) failure: Option<Failure>,
}

impl Report {
    /// Why the answer is no, if it is.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        self.failure.map_or(Ok(()), Err)
    }
}

/// A user, and what the policy says about them.
#[derive(Debug, Serialize)]
pub struct Subject {
    /// The name or number that was given.
    pub name: String,
    /// The uid.
    pub uid: u32,
    /// The groups that the next login gives.
    pub groups: Vec<String>,
    /// The interface that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The rule that grants the interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted_by: Option<String>,
    /// Every rule about this user, of those about the interface.
    pub rules: Vec<Named>,
    /// How the user reaches the helper, if at all.
    pub reach: Reach,
}

/// A rule that is about the user.
#[derive(Debug, Serialize)]
pub struct Named {
    /// Its file and line.
    pub place: String,
    /// Whether it is a deny rule.
    pub denies: bool,
    /// The users and groups of the rule by which it is about this user.
    pub by: Vec<String>,
    /// The patterns of interfaces.
    pub interfaces: Vec<String>,
    /// What an allow rule gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

/// What an allow rule gives.
#[derive(Debug, Serialize)]
pub struct Terms {
    queues: String,
    max_queues: u32,
    max_leases: u32,
    modes: Vec<&'static str>,
    confine: &'static str,
    shared: bool,
    promisc: bool,
    allmulti: bool,
    macs: Vec<String>,
    busy_poll: bool,
    memlock_mib: u64,
    linger_seconds: u64,
}

/// Whether the user can start a conversation with the helper.
#[derive(Debug, Serialize)]
pub struct Reach {
    /// Whether.
    pub can: bool,
    /// By which file.
    pub path: String,
    /// A sentence, with what to type if the answer is no.
    pub text: String,
}

/// An error's four parts.
#[derive(Debug, Serialize)]
pub struct Fault {
    code: &'static str,
    object: String,
    message: String,
    hint: String,
}

impl From<&Failure> for Fault {
    fn from(failure: &Failure) -> Self {
        let refused = failure.refused();
        let (object, message, hint) = (refused.object, refused.message, refused.hint);
        Self { code: refused.code.name(), object, message, hint }
    }
}

impl Named {
    /// A rule, and the principals of it that are the user.
    pub(super) fn new(rule: &Rule, denies: bool, by: Vec<String>) -> Self {
        let interfaces = rule.interfaces.iter().map(ToString::to_string).collect();
        let terms = (!denies).then(|| Terms::of(rule));
        Self { place: rule.label.clone(), denies, by, interfaces, terms }
    }
}

/// A principal in words.
pub(super) fn words(kind: &str, principal: &Principal) -> String {
    match principal {
        Principal::Name(name) => format!("{kind} {name}"),
        Principal::Number(number) => format!("{kind} {number}"),
    }
}

impl Terms {
    fn of(rule: &Rule) -> Self {
        Self {
            queues: queues(&rule.queues),
            max_queues: rule.max_queues,
            max_leases: rule.max_leases,
            modes: rule.modes.iter().map(|mode| mode.name()).collect(),
            confine: if rule.confine == Confine::Queue { "queue" } else { "device" },
            shared: rule.shared,
            promisc: rule.promisc,
            allmulti: rule.allmulti,
            macs: rule.macs.iter().map(ToString::to_string).collect(),
            busy_poll: rule.busy_poll,
            memlock_mib: rule.memlock >> 20,
            linger_seconds: rule.linger.as_secs(),
        }
    }
}

fn queues(set: &QueueSet) -> String {
    match set {
        QueueSet::All => "all".to_owned(),
        QueueSet::Ranges(ranges) => {
            let ranges = ranges.iter().map(|range| format!("{}-{}", range.start(), range.end()));
            ranges.collect::<Vec<_>>().join(",")
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => write!(f, "{user}"),
            None => {
                writeln!(f, "{}: {} allow rules, {} deny rules", self.file, self.allow, self.deny)?;
                self.names.iter().try_for_each(|line| writeln!(f, "{line}"))
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(ifname), Some(rule)) = (&self.interface, &self.granted_by) {
            writeln!(f, "{} (uid {}) may use {ifname} by {rule}", self.name, self.uid)?;
        }
        let groups =
            if self.groups.is_empty() { "none".to_owned() } else { self.groups.join(", ") };
        writeln!(f, "groups of {}: {groups}", self.name)?;
        self.rules.iter().try_for_each(|rule| write!(f, "{rule}"))?;
        if self.rules.is_empty() {
            writeln!(f, "no rule is about {}", self.name)?;
        }
        writeln!(f, "{}", self.reach.text)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.denies { "denies" } else { "allows" };
        let (by, interfaces) = (self.by.join(", "), self.interfaces.join(", "));
        writeln!(f, "{} {word} {interfaces} to {by}", self.place)?;
        self.terms.iter().try_for_each(|terms| write!(f, "{terms}"))
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (modes, macs) = (self.modes.join(", "), self.macs.join(", "));
        let (queues, max, leases) = (&self.queues, self.max_queues, self.max_leases);
        writeln!(f, "  queues {queues}, at most {max} in a lease, {leases} leases")?;
        writeln!(f, "  modes {modes}, confinement {}, shared {}", self.confine, self.shared)?;
        let macs = if macs.is_empty() { "none" } else { &macs };
        writeln!(f, "  promisc {}, allmulti {}, macs {macs}", self.promisc, self.allmulti)?;
        let (memlock, linger) = (self.memlock_mib, self.linger_seconds);
        writeln!(
            f,
            "  busy polling {}, memlock up to {memlock} MiB, linger {linger} s",
            self.busy_poll
        )
    }
}
