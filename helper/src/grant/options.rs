// SPDX-License-Identifier: MIT OR Apache-2.0
//! The typed options of a request. An unknown option is refused by its name, never ignored.
#![forbid(unsafe_code)]

use xsk_proto::{Param, Value, param};

use super::mac::{MOST, Mac};
use crate::audit::shown;
use crate::error::{Failure, PolicyFault};

/// What was asked for beside the queues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Options {
    pub(crate) frags: bool,
    pub(crate) promisc: bool,
    pub(crate) allmulti: bool,
    /// Only where nobody else has a lease of the interface.
    pub(crate) alone: bool,
    /// Addresses of guests.
    pub(crate) macs: Vec<Mac>,
    /// Microseconds; 0 for no busy polling.
    pub(crate) busy_poll: u32,
    /// Frames; 0 for the kernel's default.
    pub(crate) busy_poll_budget: u32,
    /// Bytes that the consumer will lock.
    pub(crate) memlock: u64,
}

impl Options {
    pub(crate) fn parse(params: &[Param]) -> Result<Self, Failure> {
        let mut options = Self::default();
        for param in params {
            match (param.name.as_str(), &param.value) {
                (param::FRAGS, Value::Flag(on)) => options.frags = *on,
                (param::PROMISC, Value::Flag(on)) => options.promisc = *on,
                (param::ALLMULTI, Value::Flag(on)) => options.allmulti = *on,
                (param::ALONE, Value::Flag(on)) => options.alone = *on,
                (param::MACS, Value::Text(list)) => {
                    options.macs = Mac::parse_list(list).ok_or(PolicyFault::Macs { most: MOST })?
                }
                (param::BUSY_POLL, Value::Number(usecs)) => {
                    options.busy_poll = small(param, *usecs)?
                }
                (param::BUSY_POLL_BUDGET, Value::Number(budget)) => {
                    options.busy_poll_budget = small(param, *budget)?;
                }
                (param::MEMLOCK, Value::Number(bytes)) => options.memlock = *bytes,
                _ => return Err(unknown(param)),
            }
        }
        Ok(options)
    }
}

/// Busy polling: 16 bits hold both the budget (NAPI's weight is far below) and 65 ms.
fn small(param: &Param, number: u64) -> Result<u32, Failure> {
    let beyond = |_| PolicyFault::OptionRange { name: shown(&param.name) }.into();
    u16::try_from(number).map(u32::from).map_err(beyond)
}

fn unknown(param: &Param) -> Failure {
    let name = shown(&param.name);
    if PolicyFault::OPTIONS.contains(&name.as_str()) {
        PolicyFault::OptionType { name }.into()
    } else {
        PolicyFault::UnknownOption { name }.into()
    }
}

#[cfg(test)]
mod tests {
    use xsk_proto::Code;

    use super::*;

    fn parse(name: &str, value: Value) -> Result<Options, Code> {
        Options::parse(&[Param { name: name.into(), value }]).map_err(|failure| failure.code())
    }

    #[test]
    fn known_options() {
        assert!(parse("frags", Value::Flag(true)).unwrap().frags);
        assert_eq!(parse("busy-poll", Value::Number(50)).unwrap().busy_poll, 50);
    }

    #[test]
    fn everything_else_is_refused() {
        assert_eq!(parse("turbo", Value::Flag(true)), Err(Code::UnknownOption));
        assert_eq!(parse("frags", Value::Number(1)), Err(Code::UnknownOption));
        assert_eq!(parse("busy-poll", Value::Number(70000)), Err(Code::UnknownOption));
        assert_eq!(
            parse("macs", Value::Text("01:00:5e:00:00:01".into())),
            Err(Code::UnknownOption)
        );
        assert_eq!(parse("promisc", Value::Text("on".into())), Err(Code::UnknownOption));
    }
}
