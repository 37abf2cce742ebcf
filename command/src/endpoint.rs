// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options that say where the helper is.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use xsk_client::Endpoint;

/// Where the helper is.
#[derive(Debug, Clone, Default, Args)]
pub struct EndpointArgs {
    /// Ask the helper that listens on this socket [default: $XSK_HELPER_SOCKET, or
    /// /run/xsk-helper/socket].
    #[arg(long, value_name = "PATH", group = "endpoint")]
    pub socket: Option<PathBuf>,

    /// Run this helper instead of asking one that listens.
    ///
    /// Without any of these options, the installed helper (/usr/libexec/xsk-helper) is run only if
    /// the system's socket is absent, and never after a refusal.
    #[arg(long, value_name = "PATH", group = "endpoint")]
    pub helper: Option<PathBuf>,

    /// Run the installed helper through pkexec.
    #[arg(long, group = "endpoint")]
    pub pkexec: bool,
}

/// The variable that names the socket where no option says where the helper is.
const VARIABLE: &str = "XSK_HELPER_SOCKET";

fn named() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

impl EndpointArgs {
    /// The endpoint that was chosen.
    pub fn endpoint(&self) -> Endpoint {
        match (&self.socket, &self.helper) {
            (Some(path), _) => Endpoint::Socket(path.clone()),
            (_, Some(path)) => Endpoint::Helper(path.clone()),
            _ if self.pkexec => Endpoint::Pkexec,
            _ => named().map_or(Endpoint::System, Endpoint::Socket),
        }
    }

    /// The options that choose it, for another command of ours.
    pub fn words(&self) -> Vec<OsString> {
        let with = |name: &str, path: &Path| vec![name.into(), path.into()];
        match (&self.socket, &self.helper) {
            (Some(path), _) => with("--socket", path),
            (_, Some(path)) => with("--helper", path),
            _ if self.pkexec => vec!["--pkexec".into()],
            _ => Vec::new(),
        }
    }
}
