// SPDX-License-Identifier: MIT OR Apache-2.0
//! What to ask the helper for, in a caller's words.
#![forbid(unsafe_code)]

use xsk_proto::{Acquire, ModeRequest, Param, Value, param};

use crate::netdev;

/// The sockets of some queues of one interface.
///
/// ```
/// use xsk_client::Request;
/// let request = Request::new("eth1").queues(2, 4).promisc();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request(Acquire);

impl Request {
    /// Queue 0 of `ifname`, attached in whichever mode works.
    pub fn new(ifname: impl Into<String>) -> Self {
        Self(Acquire {
            ifname: ifname.into(),
            first_queue: 0,
            queues: 1,
            mode: ModeRequest::Auto,
            params: Vec::new(),
        })
    }

    /// `count` queues from `first` on.
    pub fn queues(mut self, first: u32, count: u32) -> Self {
        (self.0.first_queue, self.0.queues) = (first, count);
        self
    }

    /// How to attach the program.
    pub fn mode(mut self, mode: ModeRequest) -> Self {
        self.0.mode = mode;
        self
    }

    /// The consumer takes frames of several buffers (`XDP_USE_SG`).
    pub fn frags(self) -> Self {
        self.param(param::FRAGS, Value::Flag(true))
    }

    /// Puts the interface into promiscuous mode while the lease lasts.
    pub fn promisc(self) -> Self {
        self.param(param::PROMISC, Value::Flag(true))
    }

    /// Lets the interface accept the frames for every group while the lease lasts.
    pub fn allmulti(self) -> Self {
        self.param(param::ALLMULTI, Value::Flag(true))
    }

    /// Lets the interface receive for these addresses of guests, at most four, while the lease
    /// lasts.
    pub fn macs(self, macs: &[[u8; 6]]) -> Self {
        let text = |mac: &[u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
        let list = macs.iter().map(text).collect::<Vec<_>>().join(",");
        self.param(param::MACS, Value::Text(list))
    }

    /// Asks to be refused if another lease has queues of the interface.
    pub fn alone(self) -> Self {
        self.param(param::ALONE, Value::Flag(true))
    }

    /// Busy polling on the sockets: microseconds, and frames a poll.
    pub fn busy_poll(self, usecs: u32, budget: u32) -> Self {
        self.param(param::BUSY_POLL, Value::Number(usecs.into()))
            .param(param::BUSY_POLL_BUDGET, Value::Number(budget.into()))
    }

    /// The bytes that the consumer will lock: the helper raises the limit by so much, where the
    /// policy allows.
    pub fn memlock(self, bytes: u64) -> Self {
        self.param(param::MEMLOCK, Value::Number(bytes))
    }

    /// How many queues.
    pub fn count(&self) -> u32 {
        self.0.queues
    }

    /// The interface.
    pub fn ifname(&self) -> &str {
        &self.0.ifname
    }

    fn param(mut self, name: &str, value: Value) -> Self {
        self.0.params.retain(|param| param.name != name);
        self.0.params.push(Param { name: name.to_owned(), value });
        self
    }

    /// The message.
    pub(crate) fn message(&self) -> &Acquire {
        &self.0
    }
}

impl From<&netdev::Options> for Request {
    fn from(options: &netdev::Options) -> Self {
        Self::new(&options.ifname)
            .queues(options.start_queue, options.queues)
            .mode(options.mode_request())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_netdev_becomes_a_request() {
        let text = std::ffi::OsStr::new("af-xdp,id=n0,ifname=eth1,queues=2,start-queue=3,mode=skb");
        let netdev = netdev::Netdev::parse(text, netdev::Place::Netdev).unwrap().unwrap();
        let request = Request::from(netdev.options());
        assert_eq!(request, Request::new("eth1").queues(3, 2).mode(ModeRequest::Skb));
    }

    #[test]
    fn a_parameter_is_sent_once() {
        let request = Request::new("eth1").memlock(1).promisc().memlock(2);
        assert_eq!(request.message().params.len(), 2);
    }
}
