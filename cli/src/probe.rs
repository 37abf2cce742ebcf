// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program behind a command: where it is, whether it is QEMU, and what that QEMU can do.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::process;

/// How long a QEMU may take to say what it can do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What QEMU locks for a queue, in bytes: 8192 frames of 4096 (`af_xdp_umem_create`, net/af-xdp.c).
pub(crate) const QEMU_QUEUE: u64 = 32 << 20;

/// The programs in a command.
#[derive(Debug)]
pub(crate) struct Program {
    /// What will be run first.
    pub(crate) path: PathBuf,
    /// The QEMU in the command, be it the first program or behind a wrapper.
    pub(crate) qemu: Option<PathBuf>,
}

/// Finds the programs of `command`; the error is about the first one.
pub(crate) fn find(command: &[OsString]) -> Result<Program, (OsString, io::Error)> {
    let first = command.first().cloned().unwrap_or_default();
    let path = resolve(&first).map_err(|error| (first, error))?;
    let qemu = command.iter().find(|word| is_qemu(word)).and_then(|word| resolve(word).ok());
    Ok(Program { path, qemu })
}

/// Whether a word names a QEMU system emulator.
pub(super) fn is_qemu(word: &OsStr) -> bool {
    let name = Path::new(word).file_name().unwrap_or_default().as_bytes();
    name.starts_with(b"qemu-system-") || name == b"qemu-kvm" || name == b"kvm"
}

/// Whether a command's program is xsk-backend.
pub(crate) fn is_backend(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new("xsk-backend"))
}

/// Where execvp(3) would find `program`.
pub(crate) fn resolve(program: &OsStr) -> io::Result<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return process::executable(Path::new(program)).map(|()| program.into());
    }
    let mut worst = io::Error::from(io::ErrorKind::NotFound);
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        match process::executable(&folder.join(program)) {
            Ok(()) => return Ok(folder.join(program)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => worst = error,
            Err(_) => {}
        }
    }
    Err(worst)
}

/// Whether this QEMU has the af-xdp netdev; `None` where it does not say.
pub(crate) fn has_af_xdp(qemu: &Path, patience: Duration) -> Option<bool> {
    let list = process::output(qemu, &["-netdev", "help"], patience)?;
    let types: Vec<&str> = list.lines().map(str::trim).collect();
    // Every QEMU has hubport: without it this is not such a list.
    types.contains(&"hubport").then(|| types.contains(&"af-xdp"))
}

/// The version that this QEMU says it has.
pub(crate) fn version(qemu: &Path, patience: Duration) -> Option<String> {
    let text = process::output(qemu, &["--version"], patience)?;
    let line = text.lines().next()?;
    line.strip_prefix("QEMU emulator version ").map(str::to_owned)
}
