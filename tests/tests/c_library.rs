// SPDX-License-Identifier: MIT OR Apache-2.0
//! libxskclient, in C and C++, against the real helper and one that talks nonsense.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use xsk_proto::{Reply, codec};
use xsk_tests::lab;
use xsk_tests::lab::packet;
use xsk_tests::lab::proc::{Caps, Process};
use xsk_tests::lab::wire::{self, Wire};
use xsk_tests::lab::{Cmd, Lab, SOON, say_skipped, target_dir, wait_until};

fn capi(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("capi").join(name)
}

/// The library as it is installed, whose panics unwind.
fn library() -> Option<PathBuf> {
    let folder = std::path::absolute(target_dir()).unwrap().join("capi");
    if folder.join("libxskclient.so").is_file() {
        return Some(folder);
    }
    say_skipped("no C library: cargo build --locked --profile capi -p xsk-capi");
    None
}

/// Compiles a program and links it with the shared library; the user can run it.
fn compiled(lab: &Lab, compiler: &[&str], source: &str) -> Option<PathBuf> {
    linked(lab, compiler, source, &[])
}

fn linked(lab: &Lab, compiler: &[&str], source: &str, more: &[&OsStr]) -> Option<PathBuf> {
    let library = library()?;
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("c-{}", lab.user.uid));
    let mut command = Command::new(compiler[0]);
    command.args(&compiler[1..]).args(["-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", "-I"]);
    command.arg(capi("include")).arg(capi(source)).args(["-x", "none", "-o"]).arg(&program);
    command.arg("-L").arg(&library).args(["-lxskclient", "-lpthread"]).args(more);
    let out = command.output().unwrap();
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    lab.copy(&library.join("libxskclient.so"), "libxskclient.so.0");
    Some(lab.copy(&program, "c-client"))
}

const C: [&str; 3] = ["gcc", "-std=c11", "-xc"];

/// The program, run by the user.
fn run(lab: &Lab, program: &Path, words: &[&str]) -> Cmd {
    lab.user_cmd(program).args(words).env("LD_LIBRARY_PATH", lab.path(""))
}

/// The same under valgrind, which fails where memory or a descriptor is lost or misused.
fn checked(lab: &Lab, program: &Path, words: &[&str]) -> Cmd {
    let valgrind =
        lab.user_cmd("valgrind").args(["-q", "--leak-check=full", "--error-exitcode=99"]);
    let valgrind = valgrind.args(["--errors-for-leak-kinds=definite,indirect,possible"]);
    valgrind.arg(program).args(words).env("LD_LIBRARY_PATH", lab.path(""))
}

#[test]
fn all_of_it_in_c_and_under_valgrind() {
    let lab = lab!();
    let Some(program) = compiled(&lab, &C, "tests/client.c") else { return };
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    run(&lab, &program, &["all", &veth.ifname]).run(SOON).ok();
    let done = checked(&lab, &program, &["all", &veth.ifname]).run(8 * SOON).ok();
    assert!(done.stdout.starts_with("done "), "{}", done.stdout);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn all_of_it_in_cpp() {
    let lab = lab!();
    let Some(program) = compiled(&lab, &["g++", "-std=c++17", "-xc++"], "tests/client.c") else {
        return;
    };
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    run(&lab, &program, &["all", &veth.ifname]).run(SOON).ok();
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn a_setuid_helper_is_started_by_the_call_that_says_so() {
    let lab = lab!();
    let Some(program) = compiled(&lab, &C, "tests/client.c") else { return };
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let helper = lab.bin("xsk-helper");
    run(&lab, &program, &["start", helper.to_str().unwrap(), &veth.ifname]).run(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn the_example_holds_a_lease() {
    let lab = lab!();
    let Some(program) = compiled(&lab, &C, "examples/hold.c") else { return };
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let (input, _open) = nix::unistd::pipe().unwrap();
    let mut running = run(&lab, &program, &[&veth.ifname]).stdin(input).start();
    running.says("ready:", SOON);
    lab.cmd("xsk-helper").args(["revoke", &veth.ifname]).run(SOON).ok();
    wait_until(SOON, "the example ends", || !running.runs());
    assert!(running.finish(SOON).ok().stdout.contains("the lease is over"));
    run(&lab, &program, &["lo"]).run(SOON).exits(77).err_has("(not-allowed)");
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// The libxdp that qemu.sh builds beside QEMU: the distribution's may be too old to take a socket.
fn libxdp(lab: &Lab) -> Option<PathBuf> {
    let qemu = lab.qemu().map_err(|why| say_skipped(&why)).ok()?.0;
    let folder = qemu.ancestors().nth(2).unwrap().to_owned();
    if folder.join("lib/libxdp.a").is_file() {
        return Some(folder);
    }
    say_skipped(&format!("there is no libxdp in {}: make qemu", folder.display()));
    None
}

/// What libxdp's test_xsk_non_privileged does with a socket of its own making: an ordinary user
/// without a capability adopts one and moves frames.
#[test]
fn libxdp_adopts_a_socket() {
    let lab = lab!();
    let Some(libxdp) = libxdp(&lab) else { return };
    let (include, archive) = (libxdp.join("include"), libxdp.join("lib/libxdp.a"));
    let more =
        ["-I", include.to_str().unwrap(), archive.to_str().unwrap(), "-lbpf", "-lelf", "-lz"];
    let gcc = ["gcc", "-std=gnu11", "-xc"];
    let Some(program) = linked(&lab, &gcc, "examples/adopt.c", &more.map(OsStr::new)) else {
        return;
    };
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let mut running = run(&lab, &program, &[&veth.ifname, "20"]).start();
    running.says("ready", SOON);
    assert_eq!(Caps { bounding: 0, ..Process::new(running.pid()).caps() }, Caps::NONE);
    let mut tap = lab.peer_tap(&veth);
    for number in 0..20 {
        let text = format!("frame {number}");
        let mut frame = packet::frame(&text);
        frame[..6].fill(0xff);
        tap.send(&frame);
        let back = tap.receive(SOON, |frame| packet::carries(frame, &text) && frame[6] == 0xff);
        assert_eq!(back.unwrap()[..6], frame[6..12]);
    }
    assert!(running.finish(SOON).ok().stdout.contains("20 frames"));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// A row of numbers that is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    /// An answer of which some bytes are others, or that is cut.
    fn spoiled(&mut self, answer: &[u8]) -> Vec<u8> {
        let mut bytes = answer.to_vec();
        for _ in 0..self.next(4) {
            let at = self.next(bytes.len());
            bytes[at] = u8::try_from(self.next(256)).unwrap();
        }
        let length = if self.next(4) == 0 { self.next(bytes.len() + 1) } else { bytes.len() };
        bytes.truncate(length);
        bytes
    }
}

/// Serves one connection with a greeting and a grant that are spoiled, and descriptors of another
/// kind.
fn talk_nonsense(wire: &Wire, numbers: &mut Numbers) {
    let greeting = Reply::Welcome { version: 1, helper: "fake".into() };
    let refusal = Reply::Revoked { leases: 1 };
    for answer in [greeting, refusal] {
        let bytes = numbers.spoiled(&codec::encode_reply(&answer).unwrap());
        let descriptors = [0, 1, 2].map(|_| 2);
        let count = numbers.next(4);
        let _ = wire.send_with(&bytes, &descriptors[..count]);
    }
}

#[test]
fn nonsense_is_an_error_and_nothing_is_lost() {
    const ROUNDS: usize = 400;
    let lab = lab!();
    let Some(program) = compiled(&lab, &C, "tests/client.c") else { return };
    let path = lab.path("nonsense");
    let path = path.to_str().unwrap();
    let listener = wire::listen(path);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let serve = scope.spawn(|| {
            let (mut numbers, mut served) = (Numbers(7), 0);
            while !over.load(Ordering::Relaxed) {
                if let Some(wire) = Wire::accept(&listener, SOON / 50) {
                    talk_nonsense(&wire, &mut numbers);
                    served += 1;
                }
            }
            served
        });
        let rounds = ROUNDS.to_string();
        run(&lab, &program, &["survive", path, &rounds]).run(8 * SOON).ok();
        checked(&lab, &program, &["survive", path, "40"]).run(8 * SOON).ok();
        over.store(true, Ordering::Relaxed);
        assert_eq!(serve.join().unwrap(), ROUNDS + 40);
    });
}
