// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the manager of services shows of a lease: who has what, as the status line of its unit.
#![forbid(unsafe_code)]

use std::os::unix::net::UnixDatagram;

use xsk_proto::Granted;

/// Where systemd listens (sd_notify(3)). The environment would say so too, and it is not listened
/// to.
const NOTIFY: &str = "/run/systemd/notify";

/// Sends the line; if nothing listens, nothing is lost. Users are shown by number: looking names up
/// (nsswitch.conf(5)) would load other code into a keeper.
pub(crate) fn show(granted: &Granted, uid: u32) {
    let message = format!("STATUS={}", line(granted, uid));
    let _ = UnixDatagram::unbound().and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.send_to(message.as_bytes(), NOTIFY)
    });
}

/// One line, whatever a name has in it.
fn line(granted: &Granted, uid: u32) -> String {
    let Granted { ifname, first_queue, queues, mode, .. } = granted;
    let which = match queues {
        1 => format!("queue {first_queue}"),
        _ => {
            format!("queues {first_queue}-{}", first_queue.saturating_add(queues.saturating_sub(1)))
        }
    };
    let line = format!("uid {uid}: {ifname}, {which}, {mode} mode");
    line.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use xsk_proto::{BusyPoll, Confinement, Filter, Memlock, Mode};

    use super::*;

    fn granted(ifname: &str, first_queue: u32, queues: u32) -> Granted {
        Granted {
            lease: 1,
            ifname: ifname.to_owned(),
            ifindex: 2,
            mac: [0; 6],
            mtu: 1500,
            first_queue,
            queues,
            mode: Mode::Native,
            mode_reason: String::new(),
            program_id: 3,
            netns_cookie: 4,
            confinement: Confinement { device: true, queue: true },
            frags: false,
            promisc: false,
            filter: Filter::default(),
            busy_poll: BusyPoll { usecs: 0, budget: 0 },
            memlock: Memlock::default(),
            rule: String::new(),
            keeper: 5,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_line_says_who_has_what() {
        assert_eq!(line(&granted("eth1", 2, 4), 1000), "uid 1000: eth1, queues 2-5, native mode");
        assert_eq!(line(&granted("eth1", 0, 1), 7), "uid 7: eth1, queue 0, native mode");
    }

    #[test]
    fn a_name_is_no_second_line() {
        assert_eq!(
            line(&granted("e\u{1b}[2J\nA", 0, 1), 7),
            "uid 7: e?[2J?A, queue 0, native mode"
        );
    }
}
