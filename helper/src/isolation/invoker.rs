// SPDX-License-Identifier: MIT OR Apache-2.0
//! The user for whom sudo(8) or pkexec(1) started this process, by their variables. This is all
//! that the environment is trusted for, because it can only take rights away: to another user's
//! connection.

use std::ffi::OsStr;

/// The variables that they set, whatever the user had set before.
const VARIABLES: [&str; 2] = ["SUDO_UID", PKEXEC];
const PKEXEC: &str = "PKEXEC_UID";

/// One of the variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Invoker {
    pub(crate) variable: &'static str,
    /// `None` if the variable has no uid in it.
    pub(crate) uid: Option<u32>,
}

impl Invoker {
    /// Returns every such variable. One that is there twice counts twice.
    pub(crate) fn from_environment() -> Vec<Self> {
        std::env::vars_os().filter_map(|(name, value)| Self::read(&name, &value)).collect()
    }

    fn read(name: &OsStr, value: &OsStr) -> Option<Self> {
        let variable = VARIABLES.into_iter().find(|variable| *variable == name)?;
        Some(Self { variable, uid: value.to_str().and_then(|uid| uid.parse().ok()) })
    }

    /// Returns whether it is pkexec's. That lets a user be root for this program, whatever the
    /// arguments.
    pub(crate) fn is_pkexec(&self) -> bool {
        self.variable == PKEXEC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_a_uid() {
        let read = |name: &str, value: &str| Invoker::read(name.as_ref(), value.as_ref());
        let invoker = |variable, uid| Some(Invoker { variable, uid });
        assert_eq!(read("SUDO_UID", "1000"), invoker("SUDO_UID", Some(1000)));
        assert_eq!(read("PKEXEC_UID", "4294967294"), invoker("PKEXEC_UID", Some(4_294_967_294)));
        for nobody in ["", "-1", "4294967296", "root", "1000 ", "0x0"] {
            assert_eq!(read("SUDO_UID", nobody), invoker("SUDO_UID", None), "{nobody}");
        }
        assert_eq!(read("SUDO_USER", "0"), None);
    }
}
