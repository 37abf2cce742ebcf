// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole option strings and whole command lines.

use super::*;

fn parse(text: &str) -> Netdev {
    Netdev::parse(OsStr::new(text), Place::Netdev).unwrap().unwrap()
}

fn error(text: &str, place: Place) -> String {
    match Netdev::parse(OsStr::new(text), place) {
        Err(error) => error.to_string(),
        Ok(netdev) => netdev.unwrap().check().unwrap_err().to_string(),
    }
}

#[test]
fn every_option_has_its_type() {
    let comma = "af-xdp,id=n0,ifname=eth1,mode=skb,force-copy=yes,queues=0x2,start-queue=1,inhibit=on,\
                 sock-fds=7:8";
    let json = "{'type':'af-xdp','id':'n0','ifname':'eth1','mode':'skb','force-copy':true,'queues':2,\
                'start-queue':1,'inhibit':true,'sock-fds':'7:8'}";
    let expected = Options {
        id: Some("n0".into()),
        ifname: "eth1".into(),
        mode: Some(Mode::Skb),
        force_copy: true,
        queues: 2,
        all_queues: false,
        start_queue: 1,
        inhibit: true,
        sock_fds: Some("7:8".into()),
        map_path: None,
        map_start_index: None,
        mac: None,
    };
    for text in [comma, json] {
        let netdev = parse(text);
        assert_eq!(netdev.options(), &expected);
        assert_eq!(netdev.check(), Ok(()));
        assert_eq!(netdev.options().sockets(), Ok(Some(vec![7, 8])));
    }
}

#[test]
fn defaults() {
    let netdev = parse("af-xdp,id=n0,ifname=eth1,start-queue=-3");
    let options = netdev.options();
    assert_eq!((options.queues, options.start_queue, options.mode), (1, 0, None));
    assert_eq!(options.sockets(), Ok(None));
    assert!(!options.complete() && netdev.check().is_ok());
}

#[test]
fn other_types_are_not_ours() {
    for text in
        ["user,id=n0", "id=n0", "", "af-xdpx,id=n0", "type=af-xdp,id=n0,type=tap", "{'type':'tap'}"]
    {
        assert_eq!(Netdev::parse(OsStr::new(text), Place::Netdev), Ok(None), "{text:?}");
    }
    assert!(
        Netdev::parse(OsStr::new("id=n0,ifname=e,type=af-xdp"), Place::Netdev).unwrap().is_some()
    );
    assert_eq!(Netdev::parse(OsStr::new("{'type':'af-xdp'}"), Place::Nic), Ok(None));
}

#[test]
fn errors_are_qemus() {
    let cases = [
        ("af-xdp,ifname=e", "Parameter 'id' is missing"),
        ("af-xdp,id=0,ifname=e", "Parameter 'id' expects an identifier"),
        ("af-xdp,id=n0", "Parameter 'ifname' is missing"),
        ("af-xdp,id=n0,ifname=e,mode=drv", "Parameter 'mode' does not accept value 'drv'"),
        ("af-xdp,id=n0,ifname=e,force-copy=1", "Parameter 'force-copy' expects 'on' or 'off'"),
        ("af-xdp,id=n0,ifname=e,queues=two", "Parameter 'queues' expects an int64 value"),
        ("af-xdp,id=n0,ifname=e,queues", "Parameter 'queues' expects an int64 value"),
        ("af-xdp,id=n0,ifname=e,start-queue=", "Parameter 'start-queue' expects an int64 value"),
        ("af-xdp,id=n0,ifname=e,inhibit=maybe", "Parameter 'inhibit' expects 'on' or 'off'"),
        (
            "af-xdp,id=n0,ifname=e,map-start-index=2147483648",
            "Parameter 'map-start-index' expects int32_t",
        ),
        ("af-xdp,id=n0,ifname=e,mac=1", "Invalid parameter 'mac'"),
        ("af-xdp,id=n0,ifname=e,Queues=2", "Invalid parameter 'Queues'"),
        ("af-xdp,id=n0,ifname=e,queues=0", "invalid number of queues (0) for 'e'"),
        ("af-xdp,id=n0,ifname=e,queues=-1", "invalid number of queues (-1) for 'e'"),
        ("af-xdp,id=n0,ifname=e,inhibit=on", "'inhibit=on' requires 'sock-fds' or 'map-path'"),
        ("af-xdp,id=n0,ifname=e,sock-fds=7", "'sock-fds' and 'map-path' require 'inhibit=on'"),
        (
            "af-xdp,id=n0,ifname=e,inhibit,sock-fds=7,map-path=/x",
            "'sock-fds' and 'map-path' are mutually exclusive",
        ),
        ("af-xdp,id=n0,ifname=e,map-start-index=1", "'map-start-index' requires 'map-path'"),
        (
            "af-xdp,id=n0,ifname=e,inhibit,map-path=/x,map-start-index=-1",
            "'map-start-index' cannot be negative (-1)",
        ),
        ("af-xdp,id=n0,ifname=e,inhibit,sock-fds=7:8", "expected 1 socket fds, got 2"),
        ("af-xdp,id=n0,ifname=e,inhibit,sock-fds=x", "Invalid file descriptor number 'x'"),
        ("{'type':'af-xdp','id':'n0'}", "Parameter 'ifname' is missing"),
        ("{'type':'af-xdp','ifname':'e'}", "Parameter 'id' is missing"),
        (
            "{'type':'af-xdp','id':1,'ifname':'e'}",
            "Invalid parameter type for 'id', expected: string",
        ),
        (
            "{'type':'af-xdp','id':'n','ifname':'e','queues':'2'}",
            "Invalid parameter type for 'queues', expected: integer",
        ),
        (
            "{'type':'af-xdp','id':'n','ifname':'e','inhibit':'on'}",
            "Invalid parameter type for 'inhibit', expected: boolean",
        ),
        ("{'type':'af-xdp','id':'n','ifname':'e','x':1}", "Parameter 'x' is unexpected"),
        ("{'type':'af-xdp'", "JSON parse error, premature EOI"),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text, Place::Netdev), expected, "{text:?}");
    }
}

#[test]
fn of_several_ids_the_first_counts_and_of_others_the_last() {
    let netdev = parse("af-xdp,id=a,ifname=x,id=b,ifname=y,queues=1,queues=3");
    let options = netdev.options();
    assert_eq!(
        (options.id.as_deref(), options.ifname.as_str(), options.queues),
        (Some("a"), "y", 3)
    );
}

#[test]
fn nic_has_a_mac_and_needs_no_id() {
    let text = OsStr::new("af-xdp,ifname=eth1,model=virtio-net-pci,mac=52:54:00:12:34:56");
    let netdev = Netdev::parse(text, Place::Nic).unwrap().unwrap();
    assert_eq!(netdev.options().mac.as_deref(), Some("52:54:00:12:34:56"));
    assert_eq!(netdev.check(), Ok(()));
    let expected = format!("{},inhibit=on,sock-fds=9,mode=skb", text.to_str().unwrap());
    assert_eq!(netdev.with_sockets(Mode::Skb, &[9]), OsString::from(expected));
}

#[test]
fn rewriting_keeps_what_it_does_not_know() {
    let netdev = parse("type=af-xdp,id=n0,ifname=eth1,future=a,,b,mode=native,noinhibit,");
    let expected = "type=af-xdp,id=n0,ifname=eth1,future=a,,b,mode=skb,inhibit=on,sock-fds=7";
    assert_eq!(netdev.with_sockets(Mode::Skb, &[7]), expected);
    let netdev = parse("{ 'type':'af-xdp', 'id':'n0', 'ifname':'eth1', 'mode' : 'skb' }");
    let expected = "{ 'type':'af-xdp', 'id':'n0', 'ifname':'eth1', 'mode' : \"native\",\"inhibit\":true,\
                    \"sock-fds\":\"7:8\" }";
    assert_eq!(netdev.with_sockets(Mode::Native, &[7, 8]), expected);
}

/// What was rewritten reads back as what was meant, whatever stood there before.
#[test]
fn rewriting_reads_back() {
    let parts = [
        "mode=native",
        "mode=skb",
        "inhibit",
        "noinhibit",
        "inhibit=off",
        "queues=2",
        "x=,,",
        "x=a,,b",
    ];
    for mask in 0..1_u32 << parts.len() {
        let chosen: Vec<&str> = parts
            .iter()
            .enumerate()
            .filter(|(i, _)| mask & (1 << i) != 0)
            .map(|(_, p)| *p)
            .collect();
        let text = ["af-xdp", "id=n0", "ifname=eth1"]
            .into_iter()
            .chain(chosen)
            .collect::<Vec<_>>()
            .join(",");
        let before = parse(&text);
        let after = before.with_sockets(Mode::Skb, &[7, 8]);
        let after = Netdev::parse(&after, Place::Netdev).unwrap().unwrap();
        let expected = Options {
            mode: Some(Mode::Skb),
            inhibit: true,
            sock_fds: Some("7:8".into()),
            ..before.options().clone()
        };
        assert_eq!(after.options(), &expected, "{text}");
    }
}

fn command(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[test]
fn finds_each_form_in_a_command() {
    let command = command(&[
        "qemu-system-x86_64",
        "-nodefaults",
        "-netdev",
        "af-xdp,id=a,ifname=e",
        "--netdev",
        "{'type':'af-xdp','id':'b','ifname':'e'}",
        "-nic",
        "af-xdp,ifname=e",
        "-net",
        "af-xdp,ifname=e",
        "-netdev",
        "user,id=c",
        "-append",
        "-netdev",
        "af-xdp,id=d,ifname=e",
        "-netdev",
    ]);
    let found = find(&command).unwrap();
    let places: Vec<_> = found.iter().map(|f| (f.index, f.place)).collect();
    assert_eq!(places, [(3, Place::Netdev), (5, Place::Netdev), (7, Place::Nic), (9, Place::Net)]);
}

#[test]
fn finds_behind_wrappers_and_for_the_backend() {
    let wrapped = command(&[
        "nice",
        "-n",
        "5",
        "setpriv",
        "--clear-groups",
        "qemu",
        "-netdev",
        "af-xdp,id=a,ifname=e",
    ]);
    assert_eq!(find(&wrapped).unwrap().len(), 1);
    let backend = command(&[
        "/usr/bin/xsk-backend",
        "--netdev=af-xdp,ifname=e",
        "--netdev",
        "af-xdp,ifname=f",
    ]);
    let found = find(&backend).unwrap();
    assert_eq!(found.iter().map(|f| f.index).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(found[0].argument(OsStr::new("x")), "--netdev=x");
    let wrapped = command(&["timeout", "-k", "1", "2", "xsk-backend", "--netdev=af-xdp,ifname=e"]);
    assert_eq!(find(&wrapped).unwrap()[0].place, Place::Backend);
    let named = command(&["qemu", "-name", "xsk-backend", "--netdev=af-xdp,ifname=e"]);
    assert!(find(&named).unwrap().is_empty());
}

#[test]
fn all_queues_become_a_number() {
    let cases = [
        ("af-xdp,id=n0,ifname=e,queues=all,mode=skb", "af-xdp,id=n0,ifname=e,queues=4,mode=skb"),
        ("af-xdp,id=n0,queues=2,ifname=e,queues=all", "af-xdp,id=n0,queues=2,ifname=e,queues=4"),
        (
            "{'type':'af-xdp','id':'n0','ifname':'e','queues':'all'}",
            "{'type':'af-xdp','id':'n0','ifname':'e','queues':4}",
        ),
    ];
    for (text, expected) in cases {
        let netdev = Netdev::parse(OsStr::new(text), Place::Netdev).unwrap().unwrap();
        assert!(netdev.options().all_queues && netdev.check().is_ok(), "{text}");
        let numbered = netdev.with_queues(4).unwrap();
        assert_eq!((numbered.options().queues, numbered.options().all_queues), (4, false));
        assert_eq!(numbered.text, expected.as_bytes());
    }
    let both = Netdev::parse(
        OsStr::new("af-xdp,id=n0,ifname=e,queues=all,inhibit=on,sock-fds=3"),
        Place::Netdev,
    );
    assert!(both.unwrap().unwrap().check().is_err());
    for wrong in ["queues=ALL", "queues=all,queues=x", "queues=all "] {
        let text = format!("af-xdp,id=n0,ifname=e,{wrong}");
        assert!(Netdev::parse(OsStr::new(&text), Place::Netdev).is_err(), "{text}");
    }
}

#[test]
fn errors_name_the_option() {
    let command = command(&["qemu", "-netdev", "af-xdp,id=n0"]);
    assert_eq!(
        find(&command).unwrap_err().to_string(),
        "-netdev af-xdp,id=n0: Parameter 'ifname' is missing"
    );
}

/// Any bytes but the netdev itself survive, and the netdev's own other options too.
#[test]
fn untouched_arguments_are_byte_identical() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..20_000 {
        let mut command = vec![OsString::from("qemu")];
        for _ in 0..random() % 6 {
            let bytes: Vec<u8> = (0..random() % 12).map(|_| (random() % 255 + 1) as u8).collect();
            command.push(OsString::from_vec(bytes));
        }
        let at = command.len() + 1;
        command.extend([
            "-netdev".into(),
            "af-xdp,id=n0,ifname=eth1".into(),
            OsString::from_vec(vec![0xff, 0x80]),
        ]);
        let mut rewritten = command.clone();
        for found in find(&command).unwrap_or_default() {
            let text = found.netdev.with_sockets(Mode::Native, &[5]);
            replace(&mut rewritten, found.index, found.argument(&text));
        }
        let changed: Vec<usize> =
            (0..command.len()).filter(|i| command[*i] != rewritten[*i]).collect();
        // A random last argument may itself be an option that takes "-netdev" for its value.
        assert!(changed.is_empty() || changed == [at], "{command:?}");
        assert!(
            rewritten[at] == command[at]
                || rewritten[at] == "af-xdp,id=n0,ifname=eth1,inhibit=on,sock-fds=5,mode=native"
        );
    }
}
