// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sequences of packets: whatever comes, in whatever order, nothing is done before the greeting,
//! the greeting is answered once, and a conversation ends.

use xsk_helper::serve::conversation::{Action, Conversation};
use xsk_proto::codec::{decode_request, encode_reply};
use xsk_proto::{Reply, Request, VERSION_MAX, VERSION_MIN};

const MESSAGES: u32 = 8;

/// Packets, each after its length in two bytes.
pub fn conversation(input: &[u8]) {
    let mut conversation = Conversation::new(MESSAGES);
    let mut greeted = false;
    for (count, packet) in (0..).zip(Packets(input)) {
        let request = decode_request(packet);
        let greeting = matches!(request, Ok(Request::Hello(_)));
        let valid = request.is_ok();
        match conversation.next(request) {
            Action::Close(refused) => {
                assert!(encode_reply(&Reply::Refused(refused)).is_ok());
                return;
            }
            Action::Greet(reply) => {
                welcome(&reply);
                assert!(greeting && !greeted, "{reply:?}");
                greeted = true;
            }
            action => assert!(greeted && valid && !greeting, "{action:?} out of order"),
        }
        assert!(count < MESSAGES, "the conversation goes on after {count} messages");
    }
}

fn welcome(reply: &Reply) {
    let Reply::Welcome { version, .. } = reply else { panic!("greeted by {reply:?}") };
    assert!((VERSION_MIN..=VERSION_MAX).contains(version), "{reply:?}");
}

struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        self.0 = rest;
        Some(packet)
    }
}
