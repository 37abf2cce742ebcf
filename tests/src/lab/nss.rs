// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lab's user database: entries of its own, and a service that fails as a test wants it to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount};

use super::Lab;

/// A service of the C library's that hardly any machine uses. Its module is covered with ours,
/// since a privileged program loads modules from the system's folders only.
const SERVICE: &str = "hesiod";

const MODULE: &str = r"
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stddef.h>
#define LOOK_UP(name, key, entry) \
    enum nss_status _nss_hesiod_##name(key k, entry *r, char *b, size_t l, int *e) { FAIL; }
LOOK_UP(getpwnam_r, const char *, struct passwd)
LOOK_UP(getpwuid_r, uid_t, struct passwd)
LOOK_UP(getgrnam_r, const char *, struct group)
LOOK_UP(getgrgid_r, gid_t, struct group)
";

impl Lab {
    /// Adds lines to /etc/passwd or /etc/group.
    pub fn add_to(&self, file: &str, lines: &str) {
        let known = fs::read_to_string(file).unwrap();
        self.cover(file, &(known + lines));
    }

    /// Adds a service to the user database, after the files, whose every look-up does `statements`
    /// (in C, with the result in `r` and errno in `e`).
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn add_service(&self, statements: &str) -> Result<(), String> {
        let place = module()
            .ok_or("the C library has no libnss_hesiod.so.2 to put another in the place of")?;
        // One that is mounted already is not to be built anew.
        let built =
            (0..).map(|number| self.path(&format!("nss{number}.so"))).find(|file| !file.exists());
        let (source, built) = (self.path("nss.c"), built.unwrap());
        fs::write(&source, MODULE).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-w", "-o"])
            .args([&built, &source])
            .arg(format!("-DFAIL={statements}"));
        let done = cc.output().map_err(|error| format!("cc: {error}"))?;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        mount(Some(&built), &place, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        let services = format!("files {SERVICE}");
        self.cover("/etc/nsswitch.conf", &format!("passwd: {services}\ngroup: {services}\n"));
        Ok(())
    }
}

fn module() -> Option<PathBuf> {
    let name = format!("libnss_{SERVICE}.so.2");
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let others = ["/usr/lib64", "/lib64", "/usr/lib"].map(|folder| Path::new(folder).to_owned());
    folders.chain(others).map(|folder| folder.join(&name)).find(|file| file.exists())
}
