// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a subcommand ends.
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, Write};

use xsk_command::Failure;
use xsk_proto::exit;

/// The name under which this program speaks.
pub(crate) const PROGRAM: &str = "xsk-client";

/// The exit status of a subcommand that did not fail, or why it did.
pub(crate) type Outcome = Result<u8, Failure>;

/// Writes a subcommand's answer to standard output. A reader that has read enough, as head(1), is
/// no error; a full disk is one of the system's and not of this machine's set-up.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let message = format!("cannot write to standard output: {error}");
            Err(Failure::new(exit::UNREACHABLE, "system", "standard output", message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_gone_is_no_error_and_a_full_disk_is_one() {
        assert!(written(Err(ErrorKind::BrokenPipe.into())).is_ok());
        let failure = written(Err(io::Error::from_raw_os_error(libc::ENOSPC))).unwrap_err();
        assert_eq!(failure.status, exit::UNREACHABLE);
        assert!(failure.to_string().contains("No space left on device"), "{failure}");
    }
}
