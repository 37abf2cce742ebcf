// SPDX-License-Identifier: MIT OR Apache-2.0
//! A user namespace of the lab's user, made as any user with a subgid range makes one: their own
//! uid is mapped to itself, and every group is dropped. Connections come out of it as descriptors.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::{Lab, SOON, Wire, wire};

/// Makes the namespace, connects to the socket named second and makes a pair, and sends all three
/// ends to the first.
const SCRIPT: &str = r#"
import ctypes, os, socket, subprocess, sys
def packet(): return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
out, to, gids, uid = sys.argv[1], sys.argv[2], sys.argv[3], os.getuid()
made, mapped = socket.socketpair()
if os.fork() == 0:
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):
        os._exit(1)
    made.send(b"x")
    if made.recv(1) != b"x":
        os._exit(1)
    os.setgroups([])
    os.setresgid(1, 1, 1)
    assert os.getresuid() == (uid, uid, uid) and os.getgroups() == []
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    over, test = packet(), packet()
    over.connect(to)
    test.connect(out)
    socket.send_fds(test, [b"x"], [s.fileno() for s in (over, near, far)])
    os._exit(0)
pid = os.getpid() and int(open(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read())
mapped.recv(1)
subprocess.run(["newuidmap", str(pid), str(uid), str(uid), "1"], check=True)
subprocess.run(["newgidmap", str(pid), "1", gids, "1"], check=True)
mapped.send(b"x")
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"#;

/// A gid that nobody has, for the user to be in the namespace.
const SUBGID: u32 = 700_000;

/// Connections of a user without a group.
#[derive(Debug)]
pub struct Dropped {
    /// To the socket that was named.
    pub over: Wire,
    /// A pair.
    pub pair: (Wire, OwnedFd),
}

impl Lab {
    /// Gives the lab's user, who has an account, the range that the namespace takes.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn subgids(&self) -> Result<(), String> {
        let files = ["/usr/bin/newuidmap", "/usr/bin/newgidmap", "/etc/subuid", "/etc/subgid"];
        if let Some(missing) = files.into_iter().find(|file| !Path::new(file).exists()) {
            return Err(format!("{missing} is missing: tests/scripts/setup.sh check"));
        }
        self.cover("/etc/subgid", &format!("{}:{SUBGID}:1\n", self.user.uid));
        Ok(())
    }

    /// Has the user connect to `socket` out of a user namespace in which they have dropped their
    /// groups.
    pub fn without_groups(&self, socket: &str) -> Dropped {
        let path = self.path("out").display().to_string();
        let _ = std::fs::remove_file(&path);
        let listener = wire::listen(&path);
        let python =
            self.user_cmd("python3").args(["-c", SCRIPT, &path, socket, &SUBGID.to_string()]);
        python.run(SOON).ok();
        let out = Wire::accept(&listener, SOON).unwrap();
        let [over, near, far]: [OwnedFd; 3] = out.receive_now().try_into().unwrap();
        Dropped { over: over.into(), pair: (near.into(), far) }
    }
}
