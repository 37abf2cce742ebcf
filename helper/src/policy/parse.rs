// SPDX-License-Identifier: MIT OR Apache-2.0
//! From TOML to rules: every key is known, every value checked, every error has its line.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use xsk_proto::{MAX_QUEUES, Mode};

use super::pattern::Pattern;
use super::rule::{Confine, Limits, Policy, Principal, QueueSet, Rule};
use crate::leases::quota::MOST;

/// Why a policy is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// The file, and the line where there is one.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// The kernel's word, if it does not let the file be read.
    pub errno: Option<i32>,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for PolicyError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    #[serde(default)]
    allow: Vec<Spanned<AllowText>>,
    #[serde(default)]
    deny: Vec<Spanned<DenyText>>,
    limits: Option<Spanned<LimitsText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowText {
    #[serde(default)]
    users: Vec<PrincipalText>,
    #[serde(default)]
    groups: Vec<PrincipalText>,
    interfaces: Vec<String>,
    queues: Option<String>,
    confine: Option<ConfineText>,
    modes: Option<Vec<ModeText>>,
    max_queues: Option<u32>,
    max_leases: Option<u32>,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    promisc: bool,
    allmulti: Option<bool>,
    #[serde(default)]
    macs: Vec<String>,
    #[serde(default)]
    busy_poll: bool,
    #[serde(default)]
    memlock_mib: u32,
    linger_seconds: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenyText {
    #[serde(default)]
    users: Vec<PrincipalText>,
    #[serde(default)]
    groups: Vec<PrincipalText>,
    interfaces: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsText {
    connections: Option<u32>,
    idle_seconds: Option<u32>,
    messages: Option<u32>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a user or a group is a name in quotes or a number")]
enum PrincipalText {
    Name(String),
    Number(i64),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ConfineText {
    Device,
    Queue,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeText {
    Native,
    Skb,
}

/// A file's text, to tell lines by.
struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, span: Option<Range<usize>>) -> String {
        let Some(span) = span else { return self.name.to_owned() };
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        format!("{}:{}", self.name, before.iter().filter(|b| **b == b'\n').count() + 1)
    }

    fn error(&self, span: Range<usize>, message: String) -> PolicyError {
        PolicyError { place: self.place(Some(span)), message, errno: None }
    }
}

impl Policy {
    /// Adds the rules of a file.
    ///
    /// # Errors
    /// What is wrong with it; then nothing was added.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), PolicyError> {
        let source = Source { name, text };
        let file: FileText = toml::from_str(text).map_err(|error| PolicyError {
            place: source.place(error.span()),
            message: error.message().to_owned(),
            errno: None,
        })?;
        let allow = file
            .allow
            .into_iter()
            .map(|rule| allow(&source, rule))
            .collect::<Result<Vec<_>, _>>()?;
        let deny =
            file.deny.into_iter().map(|rule| deny(&source, rule)).collect::<Result<Vec<_>, _>>()?;
        if let Some(text) = file.limits {
            self.limits = limits(&source, text, &self.limits)?;
        }
        self.allow.extend(allow);
        self.deny.extend(deny);
        Ok(())
    }
}

fn allow(source: &Source<'_>, text: Spanned<AllowText>) -> Result<Rule, PolicyError> {
    let span = text.span();
    let text = text.into_inner();
    let fail = |message: String| source.error(span.clone(), message);
    let confine = match (text.confine, &text.queues) {
        (Some(ConfineText::Device), _) | (None, None) => Confine::Device,
        (Some(ConfineText::Queue), _) | (None, Some(_)) => Confine::Queue,
    };
    let queues =
        text.queues.map_or(Ok(QueueSet::All), |queues| QueueSet::parse(&queues)).map_err(fail)?;
    let modes = text
        .modes
        .map_or(vec![Mode::Native, Mode::Skb], |modes| modes.iter().map(ModeText::mode).collect());
    if modes.is_empty() {
        return Err(fail("'modes' is empty, so this rule allows nothing".into()));
    }
    Ok(Rule {
        queues,
        confine,
        modes,
        max_queues: at_most("max_queues", text.max_queues, Rule::MAX_QUEUES, MAX_QUEUES)
            .map_err(fail)?,
        max_leases: at_most("max_leases", text.max_leases, Rule::MAX_LEASES, MOST).map_err(fail)?,
        shared: text.shared,
        promisc: text.promisc,
        allmulti: text.allmulti.unwrap_or(true),
        macs: text.macs.into_iter().map(mac_pattern).collect::<Result<_, _>>().map_err(fail)?,
        busy_poll: text.busy_poll,
        memlock: u64::from(text.memlock_mib) << 20,
        linger: linger(text.linger_seconds).map_err(fail)?,
        ..plain(source, &span, text.users, text.groups, text.interfaces)?
    })
}

fn deny(source: &Source<'_>, text: Spanned<DenyText>) -> Result<Rule, PolicyError> {
    let span = text.span();
    let text = text.into_inner();
    plain(source, &span, text.users, text.groups, text.interfaces)
}

/// The part that both kinds of rule have.
fn plain(
    source: &Source<'_>,
    span: &Range<usize>,
    users: Vec<PrincipalText>,
    groups: Vec<PrincipalText>,
    interfaces: Vec<String>,
) -> Result<Rule, PolicyError> {
    let fail = |message: String| source.error(span.clone(), message);
    if users.is_empty() && groups.is_empty() {
        return Err(fail("a rule needs 'users' or 'groups'".into()));
    }
    if interfaces.is_empty() {
        return Err(fail("a rule needs at least one pattern in 'interfaces'".into()));
    }
    let pattern = |text: String| {
        Pattern::new(&text).map_err(|error| fail(format!("the pattern '{text}': {error}")))
    };
    Ok(Rule {
        label: source.place(Some(span.clone())),
        users: users.into_iter().map(principal).collect::<Result<_, _>>().map_err(fail)?,
        groups: groups.into_iter().map(principal).collect::<Result<_, _>>().map_err(fail)?,
        interfaces: interfaces.into_iter().map(pattern).collect::<Result<_, _>>()?,
        queues: QueueSet::All,
        confine: Confine::Device,
        modes: Vec::new(),
        max_queues: Rule::MAX_QUEUES,
        max_leases: Rule::MAX_LEASES,
        shared: false,
        promisc: false,
        allmulti: false,
        macs: Vec::new(),
        busy_poll: false,
        memlock: 0,
        linger: Rule::LINGER,
    })
}

/// Addresses are compared as text in small letters.
fn mac_pattern(text: String) -> Result<Pattern, String> {
    Pattern::new(&text.to_ascii_lowercase())
        .map_err(|error| format!("the pattern '{text}': {error}"))
}

/// -1 and 4294967295 mean "no change" to setresuid(2), so no user and no group has that number.
fn principal(text: PrincipalText) -> Result<Principal, String> {
    match text {
        PrincipalText::Name(name) if name.is_empty() => Err("a user or group name is empty".into()),
        PrincipalText::Name(name) if name.bytes().all(|b| b.is_ascii_digit()) => {
            Err(format!("'{name}' in quotes is a name; write the number without quotes"))
        }
        PrincipalText::Name(name) => Ok(Principal::Name(name)),
        PrincipalText::Number(number) => u32::try_from(number)
            .ok()
            .filter(|number| *number != u32::MAX)
            .map(Principal::Number)
            .ok_or_else(|| format!("{number} is not a user or group number (0 to 4294967294)")),
    }
}

/// How long the program stays; 0 for not at all.
fn linger(seconds: Option<u32>) -> Result<Duration, String> {
    match seconds {
        None => Ok(Rule::LINGER),
        Some(0) => Ok(Duration::ZERO),
        seconds => {
            at_most("linger_seconds", seconds, 0, 3600).map(|s| Duration::from_secs(s.into()))
        }
    }
}

fn at_most(key: &str, value: Option<u32>, before: u32, most: u32) -> Result<u32, String> {
    match value {
        None => Ok(before),
        Some(value) if (1..=most).contains(&value) => Ok(value),
        Some(value) => Err(format!("'{key}' is {value}; it has to be from 1 to {most}")),
    }
}

/// What a file does not say stays as the files before it have it.
fn limits(
    source: &Source<'_>,
    text: Spanned<LimitsText>,
    before: &Limits,
) -> Result<Limits, PolicyError> {
    let span = text.span();
    let text = text.into_inner();
    let fail = |message: String| source.error(span.clone(), message);
    let idle = at_most("idle_seconds", text.idle_seconds, before.idle.as_secs() as u32, 3600)
        .map_err(fail)?;
    Ok(Limits {
        connections: at_most("connections", text.connections, before.connections, MOST)
            .map_err(fail)?,
        idle: Duration::from_secs(idle.into()),
        messages: at_most("messages", text.messages, before.messages, 1024).map_err(fail)?,
    })
}

impl ModeText {
    fn mode(&self) -> Mode {
        match self {
            ModeText::Native => Mode::Native,
            ModeText::Skb => Mode::Skb,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Policy, PolicyError> {
        let mut policy = Policy::default();
        policy.add("policy.toml", text).map(|()| policy)
    }

    #[test]
    fn a_second_file_changes_only_the_limits_that_it_names() {
        let mut policy = read("[limits]\nconnections = 16\nmessages = 4\n").unwrap();
        policy.add("50.toml", "[limits]\nidle_seconds = 30\nmessages = 8\n").unwrap();
        let expected = Limits { connections: 16, idle: Duration::from_secs(30), messages: 8 };
        assert_eq!(policy.limits, expected);
    }

    #[test]
    fn reads_the_least_form() {
        let policy = read(
            "[[allow]]\nusers = [\"alice\", 65534]\ninterfaces = [\"eth1\", \"enp3s0f0v*\"]\n\n\
             [[allow]]\ngroups = [\"kvm\"]\ninterfaces = [\"eth2\"]\nqueues = \"0-7\"\n\n\
             [[deny]]\nusers = [\"mallory\"]\ninterfaces = [\"*\"]\n",
        )
        .unwrap();
        assert_eq!((policy.allow.len(), policy.deny.len()), (2, 1));
        assert_eq!(
            policy.allow[0].users,
            [Principal::Name("alice".into()), Principal::Number(65534)]
        );
        assert_eq!(policy.allow[0].confine, Confine::Device);
        assert_eq!(policy.allow[1].confine, Confine::Queue);
        assert_eq!(policy.allow[1].label, "policy.toml:5");
        assert!(policy.allow[0].covers("enp3s0f0v12") && !policy.allow[0].covers("eth10"));
    }

    #[test]
    fn says_the_line_of_an_error() {
        for (text, place, part) in [
            ("[[allow]]\nusers = [1]\n", "policy.toml:1", "missing field `interfaces`"),
            (
                "[[allow]]\nusers = [1]\ninterfaces = [\"e\"]\nquues = \"0\"\n",
                "policy.toml:4",
                "unknown field `quues`",
            ),
            (
                "\n[[allow]]\nusers = [-1]\ninterfaces = [\"e\"]\n",
                "policy.toml:2",
                "-1 is not a user",
            ),
            (
                "[[deny]]\nusers = [4294967295]\ninterfaces = [\"e\"]\n",
                "policy.toml:1",
                "4294967295 is not a user",
            ),
            ("[[deny]]\nusers = [1]\ninterfaces = [\"[\"]\n", "policy.toml:1", "the pattern '['"),
            ("[[allow]]\ninterfaces = [\"e\"]\n", "policy.toml:1", "needs 'users' or 'groups'"),
            (
                "[[allow]]\nusers = [\"1\"]\ninterfaces = [\"e\"]\n",
                "policy.toml:1",
                "without quotes",
            ),
            (
                "[[allow]]\nusers = [1]\ninterfaces = [\"e\"]\nmax_queues = 65\n",
                "policy.toml:1",
                "from 1 to 64",
            ),
            ("a = \n", "policy.toml:1", ""),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.place, place, "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }
}
