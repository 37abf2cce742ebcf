// SPDX-License-Identifier: MIT OR Apache-2.0
//! The typed options of a request; one that this helper does not know is refused by its name, never ignored.
#![forbid(unsafe_code)]

use xsk_proto::{Code, Param, Value, param};

use super::mac::{MOST, Mac};
use crate::audit::shown;
use crate::error::Failure;

/// What was asked for beside the queues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Options {
    pub(crate) frags: bool,
    pub(crate) promisc: bool,
    pub(crate) allmulti: bool,
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
                (param::MACS, Value::Text(list)) => {
                    options.macs = Mac::parse_list(list).ok_or_else(bad_macs)?
                }
                (param::BUSY_POLL, Value::Number(usecs)) => options.busy_poll = small(param, *usecs)?,
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
    u16::try_from(number).map(u32::from).map_err(|_| {
        let name = shown(&param.name);
        Failure::new(Code::UnknownOption, &name, format!("the option '{name}' is at most 65535"))
            .hint("the kernel's NAPI takes 64 frames at a time; microseconds are usually 20 to 200")
    })
}

fn bad_macs() -> Failure {
    let message = format!(
        "the option '{}' is 1 to {MOST} addresses with commas, none of them a group's or zero",
        param::MACS
    );
    Failure::new(Code::UnknownOption, param::MACS, message).hint("write them as 52:54:00:12:34:56")
}

fn unknown(param: &Param) -> Failure {
    let name = shown(&param.name);
    use param::{ALLMULTI, BUSY_POLL, BUSY_POLL_BUDGET, FRAGS, MACS, MEMLOCK, PROMISC};
    let known = [FRAGS, PROMISC, ALLMULTI, MACS, BUSY_POLL, BUSY_POLL_BUDGET, MEMLOCK];
    let message = if known.contains(&name.as_str()) {
        format!("the option '{name}' has a value of another type")
    } else {
        format!("this helper does not know the option '{name}'")
    };
    Failure::new(Code::UnknownOption, &name, message).hint(format!("known options: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(parse("macs", Value::Text("01:00:5e:00:00:01".into())), Err(Code::UnknownOption));
        assert_eq!(parse("promisc", Value::Text("on".into())), Err(Code::UnknownOption));
    }
}
