// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks is not known beyond doubt, or the conversation comes to nothing.
#![forbid(unsafe_code)]

use xsk_proto::{Code, Refused};

use super::say;

/// What is wrong with the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdentityFault {
    /// The kernel names nobody at the other end.
    Unnamed,
    /// The other end is a listener, which the kernel names instead of who connected.
    Listener,
    /// The helper was started by `real`, over a connection that `peer` made.
    StartedBy { real: u32, peer: u32 },
    /// By the word of `variable` the helper was started for `uid`, over a connection that `peer`
    /// made.
    StartedFor { variable: &'static str, uid: u32, peer: u32 },
    /// The variable, which sudo or pkexec sets, has no uid in it.
    NoUid { variable: &'static str },
    /// The client is in another network namespace.
    Namespace,
    /// Nothing was said for so many seconds.
    Silent { seconds: u64 },
    /// So many seconds went by without a lease.
    TooLong { seconds: u64 },
}

const CONNECTION: &str = "connection";

impl IdentityFault {
    pub(super) fn refused(&self) -> Refused {
        let unknown = |message: String| {
            say(Code::Identity, CONNECTION, message, "let xsk-client make the connection itself")
        };
        let timed_out =
            |message: String| say(Code::Timeout, CONNECTION, message, "open another connection");
        match self {
            Self::Unnamed => {
                unknown("the kernel does not say who is at the other end of the connection".into())
            }
            Self::Listener => unknown(
                "the connection is one to a listener, so the kernel names that and not who connected".into(),
            ),
            Self::StartedBy { real, peer } => unknown(format!(
                "the helper was started by uid {real} over a connection that uid {peer} made"
            )),
            Self::StartedFor { variable, uid, peer } => disagreeing(
                variable,
                format!(
                    "the helper was started for uid {uid}, by {variable}, over a connection that uid {peer} made"
                ),
            ),
            Self::NoUid { variable } => {
                disagreeing(variable, format!("{variable} in the helper's environment is not a uid"))
            }
            Self::Namespace => say(
                Code::Namespace,
                "network namespace",
                "the client is in another network namespace than this helper",
                "start a helper in the client's namespace: xsk-client run --helper, or xsk-helper listen there",
            ),
            Self::Silent { seconds } => timed_out(format!("nothing was said for {seconds} s")),
            Self::TooLong { seconds } => {
                timed_out(format!("the conversation took {seconds} s without coming to a lease"))
            }
        }
    }
}

fn disagreeing(variable: &str, message: String) -> Refused {
    let hint =
        format!("start the helper by xsk-client, or without {variable}: env -u {variable} …");
    say(Code::Identity, CONNECTION, message, hint)
}
