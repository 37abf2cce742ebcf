// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the programs under test are.

use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::Lab;

/// The folder of the test executable's profile (`target/debug` or `target/release`).
fn profile_dir() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let dir = exe.parent().unwrap();
    if dir.ends_with("deps") { dir.parent().unwrap().to_owned() } else { dir.to_owned() }
}

/// Cargo's target folder.
pub fn target_dir() -> PathBuf {
    profile_dir().parent().unwrap().to_owned()
}

/// Finds a program of this workspace: in `XSK_BIN_DIR`, or else beside the test.
///
/// # Errors
/// A sentence for [`crate::skip!`].
pub fn find(name: &str) -> Result<PathBuf, String> {
    let dirs = match std::env::var_os("XSK_BIN_DIR") {
        Some(dir) => vec![PathBuf::from(dir)],
        None => vec![profile_dir(), target_dir().join("release")],
    };
    let found = dirs.iter().map(|dir| dir.join(name)).find(|path| path.is_file());
    found
        .ok_or_else(|| format!("{name} is not built: cargo build --workspace (or set XSK_BIN_DIR)"))
}

/// The release helper, as it is installed.
pub fn helper() -> PathBuf {
    find("xsk-helper").unwrap()
}

/// The build of the helper with the feature `failpoints`, which only the tests have.
///
/// # Errors
/// A sentence for [`crate::skip!`].
pub fn stopping_helper() -> Result<PathBuf, String> {
    let built = std::env::var_os("XSK_FAILPOINTS_BIN")
        .map_or_else(|| target_dir().join("failpoints/debug/xsk-helper"), PathBuf::from);
    let how = "cargo build -p xsk-helper --features failpoints --target-dir";
    let dir = target_dir().join("failpoints");
    if built.is_file() {
        Ok(built)
    } else {
        Err(format!("no helper that stops: {how} {}", dir.display()))
    }
}

/// The QEMU with af-xdp: `XSK_QEMU`, or else what `make qemu` left in its cache.
fn qemu() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("XSK_QEMU") {
        return Ok(path.into());
    }
    let built = caches()
        .into_iter()
        .map(|dir| dir.join("bin/qemu-system-x86_64"))
        .find(|path| path.is_file());
    built.ok_or_else(|| "no QEMU with af-xdp: make qemu (or set XSK_QEMU)".into())
}

impl Lab {
    /// The QEMU with af-xdp, at a place where every user can execute it, and the folder with its
    /// firmware.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn qemu(&self) -> Result<(PathBuf, PathBuf), String> {
        let built = qemu()?;
        let (name, prefix) =
            (built.file_name().unwrap(), built.parent().and_then(Path::parent).unwrap());
        let here = self.path("qemu");
        if !here.exists() {
            std::fs::create_dir(&here).unwrap();
            mount(Some(prefix), &here, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        }
        let firmware = here.join("share/qemu");
        assert!(firmware.is_dir(), "there is no firmware beside {}", built.display());
        Ok((here.join("bin").join(name), firmware))
    }
}

fn caches() -> Vec<PathBuf> {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into()));
    let root = std::env::var_os("XSK_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        std::env::var_os("XDG_CACHE_HOME")
            .map_or_else(|| home().join(".cache"), PathBuf::from)
            .join("xsk-helper")
    });
    let mut found: Vec<PathBuf> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("qemu-"))
        })
        .collect();
    found.sort();
    found.reverse();
    found
}
