// SPDX-License-Identifier: MIT OR Apache-2.0
//! Foreign XDP programs as their own tools attach them, line 27 of the list: behind libxdp's
//! dispatcher, by `ip link`, and by a bpf_link. Each is recognised, named and left alone, and
//! doctor says what the administrator can do, which is done. The dispatcher wants freplace
//! programs, which not every kernel lets root load.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use xsk_tests::lab;
use xsk_tests::lab::foreign::{NATIVE, Way};
use xsk_tests::lab::{Done, Lab, SOON, Veth};
use xsk_tests::proto::Code;

/// An XSK program as libxdp brings it: what another consumer of AF_XDP would have there.
const OBJECT: &str = "/usr/lib/x86_64-linux-gnu/bpf/xsk_def_xdp_prog.o";

/// Two programs are loaded and linked in an emulated machine.
const LONG: Duration = Duration::from_secs(60);

/// A lab with one cable; says so where libxdp and its tools are not installed.
fn lab_with_tools() -> Option<(Lab, Veth)> {
    let loader = ["/usr/sbin/xdp-loader", "/usr/bin/xdp-loader"];
    if !Path::new(OBJECT).exists() || !loader.iter().any(|path| Path::new(path).exists()) {
        lab::say_elsewhere("there is no xdp-loader: apt-get install xdp-tools");
        return None;
    }
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => {
            lab::say_skipped(&why);
            return None;
        }
    };
    let veth = lab.veth(1);
    lab.allow("*");
    mount(Some("bpf"), "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), None::<&str>).unwrap();
    Some((lab, veth))
}

fn loader(lab: &Lab, arguments: &[&str]) -> Done {
    lab.cmd("xdp-loader").args(arguments).run(LONG)
}

/// A request is refused, with the program's id; the program stays; doctor has a note with this
/// command in it.
fn is_named_and_left_alone(lab: &Lab, veth: &Veth, command: &str) {
    let before = lab.xdp(&veth.ifname).expect("no program was attached");
    let (wire, _run) = lab.exec(&lab.user);
    let refused = wire.is_refused(&veth.ifname, 0, 1, Code::ForeignProgram);
    assert!(
        refused.message.contains(&format!("id {}", before.id)),
        "its id is not named: {refused:?}"
    );
    assert!(refused.hint.contains("left alone"), "{refused:?}");
    drop(wire);
    lab.no_helpers_but(&[]);
    assert_eq!(lab.xdp(&veth.ifname).as_ref(), Some(&before), "the program was not left alone");
    assert!(lab.pins().is_empty(), "{:?}", lab.pins());
    let doctor = lab.client("doctor").arg(&veth.ifname).run(LONG).stdout;
    assert!(doctor.contains(&format!("XDP program {} is on it", before.id)), "{doctor}");
    assert!(doctor.contains(command), "doctor does not say {command:?}:\n{doctor}");
}

fn is_granted(lab: &Lab, veth: &Veth) {
    let (wire, _run) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap_or_else(|refused| panic!("{refused:?}"));
    drop((grant, wire));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h27_a_program_behind_libxdps_dispatcher() {
    let Some((lab, veth)) = lab_with_tools() else { return };
    let loaded = loader(&lab, &["load", "-m", "native", &veth.ifname, OBJECT]);
    let status = loader(&lab, &["status", &veth.ifname]).ok().stdout;
    if !status.contains("xdp_dispatcher") {
        return lab::say_elsewhere(&format!(
            "this kernel takes no dispatcher: {}{status}",
            loaded.stderr
        ));
    }
    is_named_and_left_alone(&lab, &veth, &format!("xdp-loader unload {} --all", veth.ifname));
    let after = loader(&lab, &["status", &veth.ifname]).ok().stdout;
    assert_eq!(status, after, "what is behind the dispatcher has changed");
    // What doctor says is done, and then the queue is to be had.
    loader(&lab, &["unload", &veth.ifname, "--all"]).ok();
    is_granted(&lab, &veth);
}

#[test]
fn h27_a_program_that_ip_link_attached() {
    let Some((lab, veth)) = lab_with_tools() else { return };
    let xdp = |arguments: &[&str]| {
        lab.cmd("ip").args(["link", "set", "dev", &veth.ifname, "xdp"]).args(arguments).run(LONG)
    };
    xdp(&["object", OBJECT, "section", "xdp"]).ok();
    is_named_and_left_alone(&lab, &veth, &format!("ip link set dev {} xdp off", veth.ifname));
    xdp(&["off"]).ok();
    is_granted(&lab, &veth);
}

#[test]
fn h27_a_program_that_a_bpf_link_attached() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let stranger = lab.stranger(&veth.ifname, Way::Link, NATIVE);
    is_named_and_left_alone(&lab, &veth, "bpftool link");
    // It goes with whoever holds the link, and in no other way.
    let off = lab.cmd("ip").args(["link", "set", "dev", &veth.ifname, "xdp", "off"]).run(SOON);
    assert!(!off.status.success(), "{off:?}");
    drop(stranger);
    is_granted(&lab, &veth);
}
