// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stable reasons for a refusal, the same on the wire, in `--error-format=json` and in exit
//! codes.

use serde::{Deserialize, Serialize};

/// Why a request was refused. The discriminant is the number on the wire and never changes its
/// meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u32)]
pub enum Code {
    /// No rule allows this, or a rule denies it.
    NotAllowed = 0,
    /// There is no such interface in the network namespace of the request.
    NoSuchInterface = 1,
    /// The name cannot be an interface name, or it is not the interface's primary name.
    BadName = 2,
    /// The queues asked for do not exist on this interface.
    QueueRange = 3,
    /// Somebody holds what was asked for.
    Busy = 4,
    /// The driver does not support the mode.
    ModeUnsupported = 5,
    /// Another XDP program is on the interface.
    ForeignProgram = 6,
    /// The interface's frames are larger than the consumer can take.
    MtuTooLarge = 7,
    /// The directory for pins is not on a bpffs.
    NoBpffs = 8,
    /// The kernel lacks something that cannot be done without.
    KernelTooOld = 9,
    /// The helper runs without the capabilities that it needs.
    NotPrivileged = 10,
    /// Client and helper are in different network namespaces.
    Namespace = 11,
    /// The policy asks for a confinement that this kernel cannot give.
    Confinement = 12,
    /// The policy cannot be read or cannot be trusted; nobody is served.
    Policy = 13,
    /// The user has as many leases or connections as the policy allows.
    Limit = 14,
    /// Who asks cannot be established beyond doubt.
    Identity = 15,
    /// An option that this helper does not know.
    UnknownOption = 16,
    /// The packet is longer than the limit.
    TooLarge = 17,
    /// The packet cannot be decoded.
    Malformed = 18,
    /// A protocol version or message that this helper does not speak.
    Unsupported = 19,
    /// The message is valid, and not at this point of the conversation.
    BadState = 20,
    /// Nothing was said for too long.
    Timeout = 21,
    /// The service user or a folder that the helper needs is missing.
    NotInstalled = 22,
    /// A system call failed that should not; the message names the step.
    Internal = 23,
    /// The interface carries no Ethernet frames.
    NotEthernet = 24,
}

impl Code {
    /// Every code, in the order of the numbers.
    pub const ALL: [Code; 25] = [
        Code::NotAllowed,
        Code::NoSuchInterface,
        Code::BadName,
        Code::QueueRange,
        Code::Busy,
        Code::ModeUnsupported,
        Code::ForeignProgram,
        Code::MtuTooLarge,
        Code::NoBpffs,
        Code::KernelTooOld,
        Code::NotPrivileged,
        Code::Namespace,
        Code::Confinement,
        Code::Policy,
        Code::Limit,
        Code::Identity,
        Code::UnknownOption,
        Code::TooLarge,
        Code::Malformed,
        Code::Unsupported,
        Code::BadState,
        Code::Timeout,
        Code::NotInstalled,
        Code::Internal,
        Code::NotEthernet,
    ];

    /// The code's name as scripts and logs see it.
    pub const fn name(self) -> &'static str {
        match self {
            Code::NotAllowed => "not-allowed",
            Code::NoSuchInterface => "no-such-interface",
            Code::BadName => "bad-name",
            Code::QueueRange => "queue-range",
            Code::Busy => "busy",
            Code::ModeUnsupported => "mode-unsupported",
            Code::ForeignProgram => "foreign-program",
            Code::MtuTooLarge => "mtu-too-large",
            Code::NoBpffs => "no-bpffs",
            Code::KernelTooOld => "kernel-too-old",
            Code::NotPrivileged => "not-privileged",
            Code::Namespace => "namespace",
            Code::Confinement => "confinement",
            Code::Policy => "policy",
            Code::Limit => "limit",
            Code::Identity => "identity",
            Code::UnknownOption => "unknown-option",
            Code::TooLarge => "too-large",
            Code::Malformed => "malformed",
            Code::Unsupported => "unsupported",
            Code::BadState => "bad-state",
            Code::Timeout => "timeout",
            Code::NotInstalled => "not-installed",
            Code::Internal => "internal",
            Code::NotEthernet => "not-ethernet",
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
