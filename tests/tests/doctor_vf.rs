// SPDX-License-Identifier: MIT OR Apache-2.0
//! Doctor before a virtual function of a real driver: those of the igb card that a VM of `make vm`
//! has. A program of its own, since the card has fewer queues meanwhile; outside of any lab, since
//! the function and its card have to be in one namespace to be seen together.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use xsk_tests::lab;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::wait_for;

/// A driver in an emulated machine takes its time.
const LONG: Duration = Duration::from_secs(60);

/// The interface whose device is so.
fn interface(is: impl Fn(&Path) -> bool) -> Option<String> {
    let names = fs::read_dir("/sys/class/net").unwrap().flatten();
    let mut names = names.filter(|entry| is(&entry.path().join("device")));
    Some(names.next()?.file_name().into_string().unwrap())
}

/// State, message and mend of the check `vf`.
fn said(ifname: &str) -> [String; 3] {
    let client = PathBuf::from(std::env::var_os("XSK_BIN_DIR").unwrap()).join("xsk-client");
    let none = ["--helper", "/nonexistent", "--qemu", "/nonexistent"];
    let done = Command::new(client).args(["doctor", "--json", ifname]).args(none).output().unwrap();
    let all: Value = serde_json::from_slice(&done.stdout).unwrap();
    let line = all.as_array().unwrap().iter().find(|line| line["check"] == "vf");
    let line = line.unwrap_or_else(|| panic!("no line for vf: {all:#}"));
    ["state", "message", "mend"].map(|key| line[key].as_str().unwrap().to_owned())
}

#[test]
fn a_virtual_function_that_is_trusted_and_one_that_is_not() {
    if std::env::var_os("XSK_VM").is_none() {
        return lab::say_elsewhere("it takes a card with the driver igb for itself");
    }
    // It comes back from the test before when that one's namespaces are gone.
    let card = wait_for(LONG, "the card", || {
        interface(|device| fs::read_link(device.join("driver")).is_ok_and(|d| d.ends_with("igb")))
    });
    let functions = format!("/sys/class/net/{card}/device/sriov_numvfs");
    fs::write(&functions, "1").unwrap();
    let function =
        wait_for(LONG, "a virtual function", || interface(|device| device.join("physfn").exists()));
    let whose = format!("virtual function 0 of {card}");
    let well =
        ["ok", &format!("{whose}: not trusted, checked for spoofing"), ""].map(str::to_owned);
    assert_eq!(said(&function), well);
    for (setting, value) in [("trust", "on"), ("spoofchk", "off")] {
        ip(&["link", "set", &card, "vf", "0", setting, value]);
        let mend = format!("sudo ip link set {card} vf 0 trust off spoofchk on");
        let message = format!("{whose}: it may send from other addresses or receive for them");
        assert_eq!(
            said(&function),
            ["note", &message, &mend].map(str::to_owned),
            "{setting} {value}"
        );
        ip(&mend.split(' ').skip(2).collect::<Vec<_>>());
        assert_eq!(said(&function), well);
    }
    fs::write(&functions, "0").unwrap();
}
