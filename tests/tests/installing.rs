// SPDX-License-Identifier: MIT OR Apache-2.0
//! `make install` and `make uninstall`, below a folder of the test's own. The programs are
//! stand-ins: what they do is tested elsewhere.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, process};

use xsk_tests::lab;

const PREFIXES: [&str; 2] = ["/usr", "/opt/xsk"];

/// A folder for built programs and one to install them in.
struct Tree {
    folder: PathBuf,
    prefix: &'static str,
}

impl Tree {
    fn new(name: &str, prefix: &'static str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "{name}-{}{}",
            process::id(),
            prefix.replace('/', "-")
        ));
        let stand_in = format!("{prefix}/libexec/xsk-helper-admin");
        let program = |_: &str, path: &Path| fs::write(path, &stand_in).map_err(|e| e.to_string());
        lab::release_tree(&folder, program).unwrap();
        fs::create_dir(folder.join("root")).unwrap();
        Self { folder, prefix }
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn make(&self, goal: &str) -> Output {
        let mut make = Command::new("make");
        make.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
            .args(["-s", goal]);
        make.arg(format!("DESTDIR={}", self.root().display()))
            .arg(format!("PREFIX={}", self.prefix));
        make.arg(format!("RELEASE={}", self.folder.join("release").display()));
        let done = make.output().unwrap();
        assert!(done.status.success(), "make {goal}: {}", String::from_utf8_lossy(&done.stderr));
        done
    }

    /// Everything below the root, as find(1) lists it.
    fn there(&self) -> Vec<String> {
        let mut find = Command::new("find");
        let list =
            find.arg(self.root()).args(["-mindepth", "1", "-printf", "/%P\\n"]).output().unwrap();
        String::from_utf8(list.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn an_uninstall_leaves_nothing() {
    for prefix in PREFIXES {
        let tree = Tree::new("nothing", prefix);
        tree.make("install");
        tree.make("install");
        let there = tree.there();
        for path in ["libexec/xsk-helper", "bin/xsk-client", "share/man/man1/xsk-backend.1"] {
            assert!(there.contains(&format!("{prefix}/{path}")), "{path}: {there:?}");
        }
        tree.make("uninstall");
        assert_eq!(tree.there(), Vec::<String>::new());
        tree.make("uninstall");
    }
}

#[test]
fn licences_and_documents_are_installed() {
    for prefix in PREFIXES {
        let tree = Tree::new("documents", prefix);
        tree.make("install");
        let there = tree.there();
        for name in
            ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "docs/qemu.md", "docs/design.svg"]
        {
            assert!(
                there.contains(&format!("{prefix}/share/doc/xsk-helper/{name}")),
                "{name}: {there:?}"
            );
        }
    }
}

#[test]
fn an_uninstall_keeps_what_the_administrator_wrote() {
    let tree = Tree::new("kept", "/usr");
    tree.make("install");
    let policy = tree.root().join("etc/xsk-helper/policy.toml");
    fs::write(&policy, "[[allow]]\nusers = [\"alice\"]\ninterfaces = [\"eth1\"]\n").unwrap();
    fs::write(tree.root().join("etc/xsk-helper/policy.d/bob.toml"), "").unwrap();
    fs::write(tree.root().join("usr/bin/another"), "").unwrap();
    let said = tree.make("uninstall").stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("etc/xsk-helper/policy.toml was edited and stays"), "{said}");
    let mut files = tree.there();
    files.retain(|path| tree.root().join(&path[1..]).is_file());
    files.sort();
    assert_eq!(
        files,
        ["/etc/xsk-helper/policy.d/bob.toml", "/etc/xsk-helper/policy.toml", "/usr/bin/another"]
    );
}

/// Holds the lock of apt's lists, as another apt does, and lets it go after three seconds.
const HOLDER: &str = "import fcntl, sys, time
lock = open(sys.argv[1], 'w')
fcntl.lockf(lock, fcntl.LOCK_EX)
print('held', flush=True)
time.sleep(3)";

#[test]
fn package_set_up_waits_for_another_apt() {
    if !Path::new("/usr/bin/apt-get").exists() {
        println!("SKIPPED: there is no apt-get here");
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("apt-{}", process::id()));
    for path in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join(path)).unwrap();
    }
    let conf = format!(
        "Dir::State::Lists \"{0}/lists\";\nDir::Cache \"{0}/cache\";\nDir::Etc::sourcelist \"/dev/null\";\n\
         Dir::Etc::sourceparts \"/dev/null\";\n",
        folder.display()
    );
    fs::write(folder.join("conf"), conf).unwrap();
    let mut holder = Command::new("python3");
    holder.args(["-c", HOLDER]).arg(folder.join("lists/lock")).stdout(process::Stdio::piped());
    let mut holder = holder.spawn().unwrap();
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut [0; 5]).unwrap();
    let mut update = Command::new("bash");
    update.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts"));
    update.args(["-euc", ". ./common.sh; apt_update"]).env("APT_CONFIG", folder.join("conf"));
    let done = update.output().unwrap();
    holder.wait().unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("another apt is at work; waiting for it"), "{said}");
}
