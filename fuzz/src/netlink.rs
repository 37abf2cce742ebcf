// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel answers by netlink: any datagrams to any question. They are read or are an
//! error, and what is read is never more than what came.

use std::cell::Cell;
use std::io;

use xsk_netlink::{Ask, Ethtool, Event, Message, Netdev, Request, Route, messages, read_answer};

/// A kernel that answers every question with the same datagrams.
struct Answers<'a> {
    input: &'a [u8],
    messages: Cell<usize>,
}

const SEQUENCE: u32 = 0;
/// So that an input can end an answer and go on with another datagram.
const DATAGRAM: usize = 16384;

impl Ask for &Answers<'_> {
    fn ask(&self, request: Request, each: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
        let request = request.into_bytes(SEQUENCE);
        assert_eq!(messages(&request).flatten().count(), 1, "a request is one message");
        let mut count = |message: Message<'_>| {
            self.messages.set(self.messages.get() + 1);
            each(message);
        };
        for datagram in self.input.chunks(DATAGRAM) {
            if let Some(end) = read_answer(datagram, SEQUENCE, &mut count).break_value() {
                return end;
            }
        }
        Ok(())
    }
}

/// One byte for the interface, and then the answer.
pub fn netlink(input: &[u8]) {
    let Some((ifindex, input)) = input.split_first() else { return };
    let ifindex = u32::from(*ifindex);
    let answers = Answers { input, messages: Cell::new(0) };
    if let Some(Event::Changed(link)) = Event::read(input, ifindex) {
        assert_eq!(link.ifindex, ifindex);
    }
    routes(&answers, ifindex);
    if let Ok(Some(netdev)) = Netdev::find(&answers, (7, 0)) {
        let _ = (netdev.features(ifindex), netdev.bound(ifindex, 0), netdev.has_queue(ifindex, 0));
    }
    if let Ok(Some(ethtool)) = Ethtool::find(&answers) {
        let _ = ethtool.channels(ifindex).map(|channels| channels.unwrap_or_default().in_use());
        let features = ethtool.features(ifindex).unwrap_or_default();
        assert!(features.iter().map(String::len).sum::<usize>() <= 3 * input.len());
    }
}

fn routes(answers: &Answers<'_>, ifindex: u32) {
    let route = Route(answers);
    if let Ok(Some(link)) = route.link_by_index(ifindex) {
        assert!(
            link.xdp.len() <= answers.input.len() / 8 && link.name.len() <= 3 * answers.input.len()
        );
    }
    answers.messages.set(0);
    if let Ok(addresses) = route.addresses(ifindex) {
        assert!(addresses.len() <= answers.messages.get());
    }
    let _ = route.has_default_route(ifindex);
    let _ = route.virtual_function(ifindex, 0);
}
