// SPDX-License-Identifier: MIT OR Apache-2.0
//! The QEMU in PATH: whether it has af-xdp or needs xsk-backend, and the known problems of its
//! version.
#![forbid(unsafe_code)]

use super::finding::Finding;
use super::patience::PATIENCE;
use crate::{programs, qemu};

/// From here on `-netdev stream`, which is what xsk-backend needs.
const STREAM: (u32, u32) = (7, 2);
/// Up to here the program is looked for in the mode that QEMU bound first.
const LOOKS: (u32, u32) = (10, 0);

pub(super) fn finding(program: &str) -> Finding {
    let Ok(path) = programs::resolve(program.as_ref()) else {
        let (what, mend) = if program.contains('/') {
            ("is not a program that you may run", format!("ls -l {program}"))
        } else {
            ("is not in PATH", "sudo apt install qemu-system-x86".to_owned())
        };
        return Finding::note("qemu", format!("{program} {what}"), mend);
    };
    // Both at once: each may take as long as a check may.
    let (version, has) = std::thread::scope(|scope| {
        let version = scope.spawn(|| qemu::version(&path, PATIENCE));
        let has = qemu::has_af_xdp(&path, PATIENCE);
        (version.join().unwrap_or_default(), has)
    });
    said(program, &path.display().to_string(), version.as_deref(), has)
}

fn said(program: &str, path: &str, version: Option<&str>, has: Option<bool>) -> Finding {
    let number = version.and_then(number);
    let shown = format!("{path} {}", version.unwrap_or("of unknown version"));
    match (has, number) {
        (Some(true), Some(number)) if number <= LOOKS => Finding::ok(
            "qemu",
            format!(
                "{shown}, with af-xdp; up to 10.0 it needs mode= as attached, which xsk-client run adds"
            ),
        ),
        (Some(true), _) => Finding::ok("qemu", format!("{shown}, with af-xdp")),
        (Some(false), Some(number)) if number < STREAM => Finding::note(
            "qemu",
            format!(
                "{shown}, without af-xdp, and without -netdev stream for xsk-backend (7.2 has it)"
            ),
            "use QEMU 7.2 or later",
        ),
        (Some(false), _) => Finding::note(
            "qemu",
            format!("{shown}, without af-xdp: it works through xsk-backend"),
            format!("xsk-client run -- {program} ... -netdev af-xdp,..."),
        ),
        (None, _) => Finding::note(
            "qemu",
            format!("{path} does not say which netdevs it has"),
            format!("{path} -netdev help"),
        ),
    }
}

/// Major and minor number of `10.2.2 (Debian ...)`.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(['.', ' ']).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn versions_are_known_for_different_things() {
        let of = |version, has| said("q", "/q", Some(version), Some(has));
        assert!(of("8.2.4 (Debian 1:8.2.4)", true).message.contains("needs mode="));
        assert!(of("10.0.0", true).message.contains("needs mode="));
        assert_eq!(of("10.1.0", true).message, "/q 10.1.0, with af-xdp");
        assert!(of("7.2.22", false).mend.contains("xsk-client run -- "));
        assert_eq!(of("6.2.0", false).mend, "use QEMU 7.2 or later");
        assert_eq!(said("q", "/q", None, None).state, State::Note);
    }
}
