// SPDX-License-Identifier: MIT OR Apache-2.0
//! One message of every kind, by the name that `PROTOCOL.md` gives to its bytes.
//!
//! Each integration test is a crate of its own and uses its own part of this module.
#![allow(dead_code)]

use xsk_proto::{
    Acquire, BusyPoll, Code, Confinement, Event, EventKind, Filter, Granted, Hello,
    InterfaceStatus, LeaseStatus, Memlock, Mode, ModeRequest, Param, Refused, Reply, Request,
    Revoke, StatusPart, Value, Verdict, Warning, WarningKind, param,
};

/// Every request of the specification.
pub(crate) fn requests() -> Vec<(&'static str, Request)> {
    let params = vec![
        Param { name: param::PROMISC.to_owned(), value: Value::Flag(true) },
        Param { name: param::MEMLOCK.to_owned(), value: Value::Number(64 << 20) },
        Param { name: "flavour".to_owned(), value: Value::Text("mild".to_owned()) },
    ];
    vec![
        ("hello", Request::Hello(Hello::default())),
        ("acquire", Request::Acquire(acquire("eth1", 0, 2, ModeRequest::Auto, Vec::new()))),
        ("acquire-params", Request::Acquire(acquire("enp3s0f0v1", 4, 1, ModeRequest::Skb, params))),
        ("status", Request::Status),
        ("check", Request::Check(acquire("eth1", 1, 1, ModeRequest::Native, Vec::new()))),
        (
            "revoke",
            Request::Revoke(Revoke { ifname: "eth1".to_owned(), queue: 3, user: Revoke::ANY }),
        ),
    ]
}

fn acquire(
    ifname: &str,
    first_queue: u32,
    queues: u32,
    mode: ModeRequest,
    params: Vec<Param>,
) -> Acquire {
    Acquire { ifname: ifname.to_owned(), first_queue, queues, mode, params }
}

/// Every reply of the specification.
pub(crate) fn replies() -> Vec<(&'static str, Reply)> {
    vec![
        ("welcome", Reply::Welcome { version: 1, helper: "0.1.0".to_owned() }),
        ("granted", Reply::Granted(granted())),
        ("refused", Reply::Refused(refused())),
        ("status-part", Reply::Status(status())),
        ("status-empty", Reply::Status(StatusPart::default())),
        ("verdict", Reply::Verdict(verdict())),
        ("revoked", Reply::Revoked { leases: 2 }),
        (
            "event",
            Reply::Event(Event { kind: EventKind::Revoked, text: "revoked by root".to_owned() }),
        ),
    ]
}

fn granted() -> Granted {
    Granted {
        lease: 0x0000_0192_0000_0007,
        ifname: "eth1".to_owned(),
        ifindex: 5,
        mac: [0x02, 0, 0, 0, 0, 0x2a],
        mtu: 1500,
        first_queue: 0,
        queues: 2,
        mode: Mode::Skb,
        mode_reason: "no native XDP".to_owned(),
        program_id: 77,
        netns_cookie: 1,
        confinement: Confinement { device: true, queue: false },
        frags: false,
        promisc: true,
        filter: Filter {
            allmulti: true,
            macs: vec![[0x02, 0, 0, 0, 0, 0x2b]],
            all_frames: true,
            all_groups: true,
        },
        busy_poll: BusyPoll { usecs: 20, budget: 64 },
        memlock: Memlock { limit: 0, leased: 64 << 20 },
        rule: "policy.toml:3".to_owned(),
        keeper: 4242,
        warnings: vec![Warning {
            kind: WarningKind::NoQueueConfinement,
            text: "not confined to its queues".to_owned(),
        }],
    }
}

fn refused() -> Refused {
    Refused {
        code: Code::Busy,
        object: "eth1 queue 3".to_owned(),
        message: "queue 3 of eth1 is taken".to_owned(),
        hint: "xsk-client status".to_owned(),
    }
}

fn status() -> StatusPart {
    StatusPart {
        interfaces: vec![InterfaceStatus {
            ifname: "eth1".to_owned(),
            ifindex: 5,
            netns_cookie: 1,
            program_id: 77,
            mode: Mode::Native,
            orphans: vec![7],
        }],
        leases: vec![LeaseStatus {
            lease: 9,
            ifname: "eth1".to_owned(),
            ifindex: 5,
            netns_cookie: 1,
            first_queue: 0,
            queues: 2,
            uid: 1000,
            client: 4240,
            keeper: 4242,
            age: 3600,
            rule: "policy.toml:3".to_owned(),
            confinement: Confinement { device: true, queue: true },
            idle: vec![],
        }],
        more: true,
    }
}

fn verdict() -> Verdict {
    Verdict {
        rule: "policy.toml:3".to_owned(),
        mode: Some(Mode::Native),
        confinement: Confinement { device: true, queue: true },
        promisc: false,
        allmulti: true,
        busy_poll: true,
        memlock_max: 128 << 20,
    }
}
