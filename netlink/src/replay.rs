// SPDX-License-Identifier: MIT OR Apache-2.0
//! A kernel for the tests of this crate: it gives the answers that a test has prepared.

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;

use crate::message::{Message, Request};
use crate::{Ask, messages, read_answer};

/// One answer: messages, or an errno.
type Answer = Result<Vec<Request>, i32>;

/// What is asked is kept, and answered in order.
#[derive(Default)]
pub(crate) struct Kernel {
    answers: RefCell<Vec<Answer>>,
    pub(crate) asked: RefCell<Vec<Vec<u8>>>,
}

impl Kernel {
    pub(crate) fn new(mut answers: Vec<Answer>) -> Self {
        answers.reverse();
        Self { answers: answers.into(), ..Self::default() }
    }
}

impl Ask for Kernel {
    fn ask(&self, request: Request, each: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
        self.asked.borrow_mut().push(request.into_bytes(1));
        let answer = self.answers.borrow_mut().pop().expect("no such question is expected");
        let messages = answer.map_err(io::Error::from_raw_os_error)?;
        for message in messages {
            let read = read_answer(&message.into_bytes(1), 1, each);
            assert!(read.is_continue());
        }
        Ok(())
    }
}

fn datagram(messages: &[(u16, u32, &[u8])]) -> Vec<u8> {
    let bytes = |(kind, sequence, body): &(u16, u32, &[u8])| {
        Request::get(*kind, body).into_bytes(*sequence)
    };
    messages.iter().flat_map(bytes).collect()
}

const DONE: u16 = libc::NLMSG_DONE as u16;
const ERROR: u16 = libc::NLMSG_ERROR as u16;

/// How an answer in one datagram ends, and the types of its messages.
fn read(datagram: &[u8]) -> (Option<Result<(), i32>>, Vec<u16>) {
    let mut kinds = Vec::new();
    let end = match read_answer(datagram, 7, &mut |message| kinds.push(message.kind)) {
        ControlFlow::Continue(()) => None,
        ControlFlow::Break(end) => Some(end.map_err(|error| error.raw_os_error().unwrap())),
    };
    (end, kinds)
}

#[test]
fn an_answer_ends_with_its_last_message() {
    let listed = datagram(&[(16, 7, &[1; 4]), (16, 7, &[2; 4])]);
    assert_eq!(read(&listed), (None, vec![16, 16]));
    let done = datagram(&[(16, 7, &[]), (DONE, 7, &[0; 4]), (17, 7, &[])]);
    assert_eq!(read(&done), (Some(Ok(())), vec![16]));
    let refused = datagram(&[(ERROR, 7, &(-19i32).to_ne_bytes())]);
    assert_eq!(read(&refused), (Some(Err(libc::ENODEV)), vec![]));
}

#[test]
fn an_answer_to_an_earlier_request_is_passed_over() {
    let late = datagram(&[(16, 6, &[]), (ERROR, 6, &(-1i32).to_ne_bytes()), (18, 7, &[])]);
    assert_eq!(read(&late), (None, vec![18]));
}

#[test]
fn a_datagram_that_was_cut_is_an_error() {
    let whole = datagram(&[(16, 7, &[1; 8])]);
    for length in 1..whole.len() {
        assert_eq!(read(&whole[..length]), (Some(Err(libc::EBADMSG)), vec![]), "{length}");
        assert_eq!(messages(&whole[..length]).collect::<Vec<_>>(), [None]);
    }
}
