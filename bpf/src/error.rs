// SPDX-License-Identifier: MIT OR Apache-2.0
//! A failed call to the kernel: which step, and its errno.

use std::{fmt, io};

/// The step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reading the compiled programs.
    Open,
    /// Creating the map and loading the programs.
    Load,
    /// Attaching the program to the interface.
    Attach,
    /// Detaching the program.
    Detach,
    /// Pinning an object in bpffs.
    Pin,
    /// Removing a pin from bpffs.
    Unpin,
    /// Opening a pinned object.
    OpenPin,
    /// Reading an object's information.
    Info,
    /// Putting a socket into the map.
    Insert,
    /// Taking a socket out of the map.
    Remove,
    /// Reading the map's slots.
    Slots,
    /// Loading the bind guard.
    GuardLoad,
    /// Attaching the bind guard.
    GuardAttach,
    /// Stamping a socket for the bind guard.
    Stamp,
    /// Telling the bind guard which leases live.
    Living,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Open => "reading the compiled BPF programs",
            Step::Load => "creating the XSKMAP and loading the XSK program",
            Step::Attach => "attaching the XSK program",
            Step::Detach => "detaching the XSK program",
            Step::Pin => "pinning in bpffs",
            Step::Unpin => "removing a pin from bpffs",
            Step::OpenPin => "opening a pin in bpffs",
            Step::Info => "reading the BPF object's information",
            Step::Insert => "putting the socket into the XSKMAP",
            Step::Remove => "taking the socket out of the XSKMAP",
            Step::Slots => "reading the XSKMAP's slots",
            Step::GuardLoad => "loading the bind guard",
            Step::GuardAttach => "attaching the bind guard",
            Step::Stamp => "stamping the socket for the bind guard",
            Step::Living => "telling the bind guard which leases live",
        })
    }
}

/// A step that failed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// What was being done.
    pub step: Step,
    /// The kernel's errno.
    pub errno: i32,
}

impl Error {
    pub(crate) fn new(step: Step, error: &io::Error) -> Self {
        Self { step, errno: error.raw_os_error().unwrap_or(0) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, io::Error::from_raw_os_error(self.errno))
    }
}

impl std::error::Error for Error {}

/// Adds the step to a plain result.
pub(crate) trait At<T> {
    fn at(self, step: Step) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, step: Step) -> Result<T, Error> {
        self.map_err(|error| Error::new(step, &error))
    }
}

/// libbpf-rs does not give the errno that it wraps, but libbpf leaves it where every C library
/// does.
pub(crate) fn at(step: Step) -> impl Fn(libbpf_rs::Error) -> Error {
    move |_| Error::new(step, &io::Error::last_os_error())
}
