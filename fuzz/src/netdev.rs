// SPDX-License-Identifier: MIT OR Apache-2.0
//! The netdev grammar: what is rewritten reads back as what was meant, and nothing else of a
//! command changes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use xsk_client::netdev::{Mode, Netdev, Place, cards, find, replace};

/// A first byte that chooses, and then an option string, or the arguments of a command by line.
pub fn netdev(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    let place = match choice {
        b'n' => Place::Netdev,
        b'c' => Place::Nic,
        b'o' => Place::Net,
        b'b' => Place::Backend,
        _ => return command(text),
    };
    let text = OsStr::from_bytes(text);
    if let Ok(Some(netdev)) = Netdev::parse(text, place) {
        option(&netdev, place);
    }
}

const MAC: &str = "02:00:00:00:00:2a";

/// Each card gets an address, reads back with it, and nothing else of the command changes.
fn each_card(before: &[OsString]) {
    let all = cards(before);
    for (number, card) in all.iter().enumerate() {
        let mut after = before.to_vec();
        card.put_mac(&mut after, MAC);
        let same = |(index, (old, new)): (usize, (&OsString, &OsString))| {
            index == card.index || old == new
        };
        assert!(before.iter().zip(&after).enumerate().all(same), "{card:?}: {after:?}");
        let again = cards(&after);
        let Some(now) = again.get(number) else { panic!("{card:?} is gone: {after:?}") };
        assert_eq!((now.index, &now.netdev), (card.index, &card.netdev), "{after:?}");
        assert_eq!(now.effective(), Some([2, 0, 0, 0, 0, 0x2a]), "{after:?}");
        assert_eq!(again.len(), all.len(), "{after:?}");
    }
}

fn descriptors(netdev: &Netdev) -> Vec<i32> {
    (10..).take(netdev.options().queues.min(64) as usize).collect()
}

fn option(netdev: &Netdev, place: Place) {
    let options = netdev.options();
    let verdict = netdev.check();
    let sockets = descriptors(netdev);
    if options.all_queues {
        let numbered = netdev.with_queues(7);
        let Ok(numbered) = numbered else { panic!("{netdev:?} became {numbered:?}") };
        let now = numbered.options();
        assert_eq!((now.queues, now.all_queues), (7, false), "{netdev:?} became {numbered:?}");
        assert_eq!(
            (&now.id, &now.ifname, now.start_queue),
            (&options.id, &options.ifname, options.start_queue)
        );
        return option(&numbered, place);
    }
    if place == Place::Nic {
        let addressed = netdev.with_mac(MAC);
        let Ok(addressed) = &addressed else { panic!("{netdev:?} became {addressed:?}") };
        let now = addressed.options();
        assert_eq!(now.mac.as_deref(), Some(MAC), "{netdev:?} became {addressed:?}");
        assert_eq!(
            (&now.id, &now.ifname, now.queues),
            (&options.id, &options.ifname, options.queues)
        );
    }
    let text = netdev.with_sockets(Mode::Skb, &sockets);
    let again = Netdev::parse(&text, place);
    let Ok(Some(again)) = &again else { panic!("{netdev:?} became {text:?}: {again:?}") };
    let now = again.options();
    assert_eq!(
        (&now.id, &now.ifname, now.queues),
        (&options.id, &options.ifname, options.queues),
        "{text:?}"
    );
    assert_eq!(
        (now.start_queue, now.force_copy),
        (options.start_queue, options.force_copy),
        "{text:?}"
    );
    assert!(now.inhibit && now.mode == Some(Mode::Skb), "{text:?}");
    if options.queues <= 64 {
        assert_eq!(now.sockets(), Ok(Some(sockets)), "{text:?}");
        assert!(verdict.is_err() || options.complete() || again.check().is_ok(), "{text:?}");
    }
}

fn command(text: &[u8]) {
    let before: Vec<OsString> =
        text.split(|byte| *byte == b'\n').map(|line| OsStr::from_bytes(line).to_owned()).collect();
    each_card(&before);
    let Ok(found) = find(&before) else { return };
    let mut after = before.clone();
    for one in &found {
        let text = one.netdev.with_sockets(Mode::Native, &descriptors(&one.netdev));
        replace(&mut after, one.index, one.argument(&text));
    }
    for (index, (old, new)) in before.iter().zip(&after).enumerate() {
        let meant = found.iter().any(|one| one.index == index);
        assert!(meant || old == new, "argument {index} became {new:?}");
    }
    let again = find(&after);
    let places =
        |list: &[xsk_client::netdev::Found]| list.iter().map(|one| one.index).collect::<Vec<_>>();
    assert_eq!(again.as_deref().map(places), Ok(places(&found)), "{after:?}");
}
