// SPDX-License-Identifier: MIT OR Apache-2.0
//! For whom sudo(8) and pkexec(1) started this process, as their variables say. The environment is
//! believed in this alone, since it can only take something away: another user's connection.

use std::ffi::OsStr;

/// What each of them sets, whatever its user had set before.
const VARIABLES: [&str; 2] = ["SUDO_UID", PKEXEC];
const PKEXEC: &str = "PKEXEC_UID";

/// One of the variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Invoker {
    pub(crate) variable: &'static str,
    /// Nobody's, where the variable has no uid in it.
    pub(crate) uid: Option<u32>,
}

impl Invoker {
    /// All that the environment says. A variable that is there twice says two things.
    pub(crate) fn from_environment() -> Vec<Self> {
        std::env::vars_os().filter_map(|(name, value)| Self::read(&name, &value)).collect()
    }

    fn read(name: &OsStr, value: &OsStr) -> Option<Self> {
        let variable = VARIABLES.into_iter().find(|variable| *variable == name)?;
        Some(Self { variable, uid: value.to_str().and_then(|uid| uid.parse().ok()) })
    }

    /// Whether it is pkexec's. That lets a user be root for this program, whatever the arguments.
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
