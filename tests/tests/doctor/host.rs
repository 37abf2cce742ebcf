// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine: its kernel, its limits, its QEMU.

use std::fs;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::resource::Resource;
use xsk_tests::lab;
use xsk_tests::lab::{Cmd, HELPER, Lab, SOCKET, SOON};

use super::said::{NO_QEMU, Said, run};

fn with(lab: &Lab, options: &[&str]) -> Said {
    run(|| lab.client("doctor").args(options))
}

/// A program in the place of QEMU.
fn qemu(lab: &Lab, name: &str, script: &str) -> String {
    lab.script(name, &format!("#!/bin/sh\n{script}\n")).to_str().unwrap().to_owned()
}

fn version(number: &str, netdevs: &str) -> String {
    format!(
        "case $1 in --version) echo 'QEMU emulator version {number}';; \
         *) printf 'Available netdev backend types:\\nhubport\\n{netdevs}\\n';; esac"
    )
}

#[test]
fn no_qemu_in_the_path() {
    let lab = lab!();
    lab.policy("");
    let said = run(|| lab.client("doctor").env("PATH", "/nonexistent"));
    let message = "qemu-system-x86_64 is not in PATH";
    said.has("note", "qemu", message, "sudo apt install qemu-system-x86");
    said.exits(0);
    let plain = lab.path("plain");
    fs::write(&plain, "").unwrap();
    let plain = plain.to_str().unwrap();
    let message = format!("{plain} is not a program that you may run");
    with(&lab, &["--qemu", plain]).has("note", "qemu", &message, &format!("ls -l {plain}"));
    lab.no_helpers_but(&[]);
}

#[test]
fn a_qemu_without_af_xdp_and_those_with_it() {
    let lab = lab!();
    let path = qemu(&lab, "old", &version("6.2.0 (Debian 1:6.2)", "tap"));
    let message = format!(
        "{path} 6.2.0 (Debian 1:6.2), without af-xdp, and without -netdev stream for xsk-backend (7.2 has it)"
    );
    with(&lab, &["--qemu", &path]).has("note", "qemu", &message, "use QEMU 7.2 or later");
    let path = qemu(&lab, "debians", &version("7.2.22", "stream"));
    let message = format!("{path} 7.2.22, without af-xdp: it works through xsk-backend");
    let mend = format!("xsk-client run -- {path} ... -netdev af-xdp,...");
    with(&lab, &["--qemu", &path]).has("note", "qemu", &message, &mend);
    let path = qemu(&lab, "looks", &version("10.0.2", "af-xdp"));
    with(&lab, &["--qemu", &path]).ok(
        "qemu",
        "with af-xdp; up to 10.0 it needs mode= as attached, which xsk-client run adds",
    );
    match lab.qemu() {
        Ok((qemu, _)) => {
            // So that it is in memory.
            lab.user_cmd(&qemu).args(["-netdev", "help"]).run(SOON).ok();
            with(&lab, &["--qemu", qemu.to_str().unwrap()]).ok("qemu", ", with af-xdp");
        }
        Err(why) => lab::say_skipped(&why),
    }
    lab.no_helpers_but(&[]);
}

#[test]
fn a_qemu_that_says_nothing_is_not_waited_for() {
    let lab = lab!();
    let path = qemu(&lab, "silent", "exec sleep 30");
    let begun = Instant::now();
    lab.client("doctor").args(["--qemu", &path]).run(SOON);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let said = with(&lab, &["--qemu", &path]);
    let message = format!("{path} does not say which netdevs it has");
    said.has("note", "qemu", &message, &format!("{path} -netdev help"));
    lab.no_helpers_but(&[]);
}

#[test]
fn little_memory_may_be_locked() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let limited = || {
        lab.client("doctor")
            .args(NO_QEMU)
            .arg(&veth.ifname)
            .rlimit(Resource::RLIMIT_MEMLOCK, 64 << 10)
    };
    let said = run(limited);
    said.exits(0);
    said.has(
        "note",
        "memlock",
        "64 KiB may be locked, by 0 guests behind xsk-backend; QEMU's af-xdp needs 32 MiB per queue",
        "echo \"$USER - memlock 32768\" | sudo tee /etc/security/limits.d/xsk.conf, and log in again; or: memlock_mib \
         = 32 in the policy's rule",
    );
    lab.policy(&format!(
        "[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\nmemlock_mib = 32\n",
        lab.user.uid
    ));
    let said = run(limited);
    said.ok("memlock", "64 KiB here, which the helper may raise to 32 MiB");
    said.ok("policy", "memlock up to 32 MiB");
    lab.no_helpers_but(&[]);
}

/// Linux shows a process of this personality a number below 3.
#[test]
fn a_kernel_that_is_too_old() {
    let lab = lab!();
    lab.bin("xsk-helper");
    let client = lab.bin("xsk-client");
    let old = || lab.user_cmd("setarch").arg("--uname-2.6").arg(&client).arg("doctor");
    let said = run(|| old().args(["--helper", HELPER]).args(NO_QEMU));
    said.exits(78);
    let done = lab.user_cmd("setarch").args(["--uname-2.6", "uname", "-r"]).run(SOON).ok();
    let message =
        format!("{} cannot put an unbound socket into an XSKMAP (5.10 can)", done.stdout.trim());
    said.has("fail", "kernel", &message, "boot a newer kernel");
    lab.no_helpers_but(&[]);
}

/// Doctor with some of its system calls failing; the helper is one that listens, since a setuid one
/// cannot be traced.
fn with_fault(lab: &Lab, fault: &str) -> Said {
    let client = lab.bin("xsk-client");
    let traced = || -> Cmd {
        let strace = lab.user_cmd("strace").args([
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "signal=none",
            "-e",
            fault,
        ]);
        strace.arg(&client).args(["doctor", "--socket", SOCKET]).args(NO_QEMU)
    };
    run(traced)
}

#[test]
fn a_kernel_without_something() {
    let lab = lab!();
    lab.policy("");
    let listener = lab.listen();
    let plain =
        run(|| lab.user_cmd("xsk-client").args(["doctor", "--socket", SOCKET]).args(NO_QEMU));
    plain.exits(0);
    if !plain.is_ok("features") {
        // One that really lacks something needs no faults.
        assert!(plain.says("features", "boot 6.15 or later"), "{plain:?}");
        return lab.no_helpers_but(&[listener.pid()]);
    }
    let message = "without SO_NETNS_COOKIE (namespaces go by their inode), SO_PEERPIDFD (clients go by their process id)";
    let said = with_fault(&lab, "inject=getsockopt:error=ENOPROTOOPT");
    said.has("note", "features", message, "boot 6.5 or later");
    let said = with_fault(&lab, "inject=socket:error=EAFNOSUPPORT:when=1");
    said.exits(78);
    let mend = "boot a kernel that was built with CONFIG_XDP_SOCKETS=y";
    said.has("fail", "af-xdp", "this kernel has no AF_XDP sockets", mend);
    let message = "without netdev netlink (what drivers can do is guessed)";
    let said = with_fault(&lab, "inject=recvfrom:error=ENOENT:when=1");
    said.has("note", "features", message, "boot 6.3 or later");
    lab.no_helpers_but(&[listener.pid()]);
}

#[test]
fn the_list_of_security_modules() {
    let lab = lab!();
    let folder = "/sys/kernel/security";
    if !fs::exists(folder).unwrap() {
        return lab::say_elsewhere("this kernel has no securityfs");
    }
    mount(Some("lab"), folder, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
    let said = with(&lab, &NO_QEMU);
    let message = "cannot see whether the BPF LSM is on";
    said.has("note", "guard", message, "sudo cat /sys/kernel/security/lsm");
    let write = |list: &str| fs::write(format!("{folder}/lsm"), list).unwrap();
    write("lockdown,yama\n");
    let message = "the BPF LSM is off (lockdown,yama): sockets are confined to the interface, not to their queues";
    with(&lab, &NO_QEMU).has("note", "guard", message, "boot with lsm=lockdown,yama,bpf");
    write("lockdown,yama,bpf\n");
    with(&lab, &NO_QEMU).ok("guard", "the BPF LSM is on: sockets can be confined to their queues");
    lab.no_helpers_but(&[]);
}
