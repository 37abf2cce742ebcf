// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client run` as a whole: what the command is given, and how it fails.
#![allow(clippy::unwrap_used)]

#[path = "../../client/tests/common/mod.rs"]
mod common;

use std::process::{Command, Output};

use common::{Fake, granted, helper, refused, skipped, xdp_socket};
use xsk_client::proto::{Code, Granted, Memlock, Param, Reply, Request, Value, Verdict};

const CLIENT: &str = env!("CARGO_BIN_EXE_xsk-client");

fn run(fake: &Fake, arguments: &[&str]) -> Output {
    let mut command = Command::new(CLIENT);
    command.arg("run").arg("--socket").arg(&fake.path).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A helper that grants whatever is asked for.
fn generous(name: &str, count: usize) -> Option<(Fake, std::thread::JoinHandle<()>)> {
    let socket = xdp_socket()?;
    Some(helper(name, count, move |peer, _| {
        let Request::Acquire(request) = peer.greet() else { panic!("no acquire") };
        let queues = request.queues;
        let fds: Vec<_> = (0..queues).map(|_| socket.try_clone().unwrap()).collect();
        let promisc = request.params.iter().any(|param| param.name == "promisc");
        let reply = Granted { ifname: request.ifname, promisc, ..granted(queues) };
        peer.say(&Reply::Granted(reply), &fds);
        assert!(peer.wait_end());
    }))
}

#[test]
fn the_command_gets_its_sockets_and_nothing_else() {
    let Some((fake, thread)) = generous("command", 2) else { return };
    let script = "echo \"$@\"; echo $XSK_NETDEV_n1; ls /proc/self/fd | tr '\\n' ' '";
    let acquire = ["--acquire", "af-xdp,id=n1,ifname=eth2", "--", "sh", "-c", script, "sh"];
    let arguments =
        [&acquire[..], &["-netdev", "af-xdp,id=n0,ifname=eth1,queues=2", "x y"]].concat();
    let output = run(&fake, &arguments);
    thread.join().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    let lines: Vec<&str> = out.lines().collect();
    let fds = |line: &str| -> Vec<u32> {
        let list = line.split("sock-fds=").nth(1).unwrap().split(',').next().unwrap();
        list.split(':').map(|fd| fd.parse().unwrap()).collect()
    };
    assert!(
        lines[0].starts_with("-netdev af-xdp,id=n0,ifname=eth1,queues=2,inhibit=on,sock-fds="),
        "{out}"
    );
    assert!(lines[0].ends_with(",mode=skb x y"), "{out}");
    assert!(lines[1].starts_with("af-xdp,id=n1,ifname=eth2,inhibit=on,sock-fds="), "{out}");
    let handed: Vec<u32> = fds(lines[0]).into_iter().chain(fds(lines[1])).collect();
    let open: Vec<u32> = lines[2].split_whitespace().map(|fd| fd.parse().unwrap()).collect();
    // Beside what the command has anyway: three sockets and two leases.
    let anyway = Command::new("sh").args(["-c", script]).output().unwrap();
    let anyway = text(&anyway.stdout).lines().last().unwrap().split_whitespace().count();
    assert_eq!(open.len(), anyway + 3 + 2, "{out}");
    assert!(handed.iter().all(|fd| *fd >= 3 && open.contains(fd)), "{out}");
    assert!(text(&output.stderr).contains("xsk-client: eth1: warning: eth1 has addresses"));
}

#[test]
fn closed_streams_do_not_become_sockets() {
    let Some((fake, thread)) = generous("streams", 1) else { return };
    let path = fake.path.to_str().unwrap();
    let script = format!(
        "exec {CLIENT} run --socket {path} --acquire af-xdp,id=n,ifname=e -- sh -c 'echo $XSK_NETDEV_n' <&- 2>&-"
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    thread.join().unwrap();
    let out = text(&output.stdout);
    let fd: u32 =
        out.split("sock-fds=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert!(fd >= 3, "{out}");
}

#[test]
fn a_full_table_starts_nothing() {
    let Some((fake, thread)) = generous("table", 1) else { return };
    let path = fake.path.to_str().unwrap();
    let script = format!(
        "ulimit -n 4; exec {CLIENT} run --socket {path} --acquire af-xdp,id=n,ifname=e -- echo started"
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    thread.join().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let error = text(&output.stderr);
    assert!(
        error.contains("no descriptor received: 0 of 1 arrived (the table holds 4)"),
        "{error}"
    );
    assert!(
        error.contains("hint: close descriptors, or raise the limit: ulimit -n 4096"),
        "{error}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn fails_like_env() {
    let cases: [(&[&str], i32); 5] = [
        (&["--", "/nonexistent/program"], 127),
        (&["--", "nonesuch-program"], 127),
        (&["--", "/etc/passwd"], 126),
        (&["--", "/"], 126),
        (&["--acquire", "tap,id=x", "--", "true"], 125),
    ];
    let (fake, _thread) = helper("env", 0, |_, _| {});
    for (arguments, status) in cases {
        assert_eq!(run(&fake, arguments).status.code(), Some(status), "{arguments:?}");
    }
}

#[test]
fn a_refusal_is_125_and_json_where_wanted() {
    // Asked with the frames of every group, and without.
    let (fake, thread) = helper("refused", 2, |peer, _| {
        peer.greet();
        peer.say(&refused(Code::NotAllowed), &[]);
    });
    let arguments = ["--error-format=json", "--acquire", "af-xdp,id=n,ifname=lo", "--", "true"];
    let output = run(&fake, &arguments);
    thread.join().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(
        text(&output.stderr),
        "{\"code\":\"not-allowed\",\"object\":\"eth1\",\"message\":\"you may not have eth1\",\
         \"hint\":\"ask the administrator\"}\n"
    );
}

#[test]
fn waits_while_busy() {
    let Some(socket) = xdp_socket() else { return };
    let (fake, thread) = helper("busy", 3, move |peer, index| {
        peer.greet();
        if index < 2 {
            return peer.say(&refused(Code::Busy), &[]);
        }
        peer.say(&Reply::Granted(granted(1)), &[socket.try_clone().unwrap()]);
    });
    let output =
        run(&fake, &["--wait=30", "--acquire", "af-xdp,id=n,ifname=lo", "--", "echo", "started"]);
    thread.join().unwrap();
    assert_eq!(text(&output.stdout), "started\n");
    assert_eq!(text(&output.stderr).matches("xsk-client: waiting: ").count(), 1);
}

#[test]
fn a_wait_has_an_end() {
    let (fake, _thread) = helper("late", 9, |peer, _| {
        peer.greet();
        peer.say(&refused(Code::Busy), &[]);
    });
    let output = run(&fake, &["--wait=1", "--acquire", "af-xdp,id=n,ifname=lo", "--", "true"]);
    assert_eq!(output.status.code(), Some(125));
}

/// As a user without CAP_IPC_LOCK and with little memory to lock, a queue of QEMU is refused before
/// anything is acquired, with the number and the fix.
#[test]
fn too_little_memory_to_lock_is_met_before_anything_is_attached() {
    if !rustix::process::geteuid().is_root() {
        return skipped("needs root, to become another user");
    }
    let (fake, thread) = helper("memlock", 1, |peer, _| {
        let Request::Check(_) = peer.greet() else { panic!("something was acquired") };
        peer.say(
            &Reply::Verdict(Verdict {
                rule: "policy.toml:1".into(),
                mode: None,
                confinement: granted(1).confinement,
                promisc: false,
                allmulti: true,
                busy_poll: false,
                memlock_max: 0,
            }),
            &[],
        );
    });
    open_to_all(&fake);
    let qemu = qemu(&fake);
    let direct = ["--backend", "direct", "--", &qemu, "-netdev", "af-xdp,id=n,ifname=e,queues=2"];
    let output = as_nobody(&fake, &direct);
    assert_eq!(output.status.code(), Some(125));
    let error = text(&output.stderr);
    assert!(
        error.contains("the locked-memory limit is too low: 64 MiB needed, 1 MiB allowed"),
        "{error}"
    );
    assert!(error.contains("sudo prlimit --pid $$ --memlock=134217728:134217728"), "{error}");
    assert!(error.contains("LimitMEMLOCK=134217728"), "{error}");
    assert!(output.stdout.is_empty());
    thread.join().unwrap();
}

/// What a program needs that is neither QEMU nor our backend is its own affair, or what the user
/// says.
#[test]
fn any_other_program_is_started_whatever_the_limit_is() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: needs root, to become another user");
    }
    let Some(socket) = xdp_socket() else { return };
    let (fake, thread) = helper("consumer", 3, move |peer, index| {
        let Request::Acquire(request) = peer.greet() else { panic!("nothing else is asked") };
        let declared = [vec![], vec![64 << 20], vec![64 << 20]];
        let declared = declared[index]
            .iter()
            .map(|bytes| Param { name: "memlock".into(), value: Value::Number(*bytes) });
        assert_eq!(request.params, declared.collect::<Vec<_>>());
        peer.say(&Reply::Granted(granted(1)), &[socket.try_clone().unwrap()]);
    });
    open_to_all(&fake);
    let netdev = "af-xdp,id=n,ifname=e";
    let consumer = ["--", "sh", "-c", "echo started", "-netdev", netdev];
    let plain = as_nobody(&fake, &consumer);
    assert_eq!(text(&plain.stdout), "started\n", "{}", text(&plain.stderr));
    let warning = "xsk-client: warning: the command may lock 1 MiB, where QEMU would need 32 MiB";
    assert!(text(&plain.stderr).contains(warning), "{}", text(&plain.stderr));
    let short = "warning: the locked-memory limit is too low: 64 MiB needed, 1 MiB allowed";
    let acquired = ["--acquire", netdev, "--", "sh", "-c", "echo started"];
    for arguments in [&consumer[..], &acquired] {
        let output = as_nobody(&fake, &[&["--memlock", "64M"][..], arguments].concat());
        assert_eq!(text(&output.stdout), "started\n", "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(short), "{}", text(&output.stderr));
    }
    thread.join().unwrap();
}

/// The helper is asked to raise the limit; where it says so and did not, nothing is started.
#[test]
fn the_limit_is_looked_at_again_after_the_grant() {
    if !rustix::process::geteuid().is_root() {
        return skipped("needs root, to become another user");
    }
    let Some(socket) = xdp_socket() else { return };
    let (fake, thread) = helper("raise", 2, move |peer, _| match peer.greet() {
        Request::Check(_) => peer.say(
            &Reply::Verdict(Verdict {
                rule: "policy.toml:1".into(),
                mode: None,
                confinement: granted(1).confinement,
                promisc: false,
                allmulti: true,
                busy_poll: false,
                memlock_max: 1 << 30,
            }),
            &[],
        ),
        Request::Acquire(request) => {
            assert_eq!(request.params[0].name, "memlock");
            let memlock = Memlock { limit: 32 << 20, leased: 32 << 20 };
            peer.say(
                &Reply::Granted(Granted { memlock, ..granted(1) }),
                &[socket.try_clone().unwrap()],
            );
        }
        other => panic!("{other:?}"),
    });
    open_to_all(&fake);
    let qemu = qemu(&fake);
    let direct = ["--backend", "direct", "--", &qemu, "-netdev", "af-xdp,id=n,ifname=e"];
    let output = as_nobody(&fake, &direct);
    assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
    thread.join().unwrap();
}

/// The kernel charges a user for locked memory over all their processes.
#[test]
fn what_other_leases_lock_counts_against_the_limit() {
    if !rustix::process::geteuid().is_root() {
        return skipped("needs root, to become another user");
    }
    let Some(socket) = xdp_socket() else { return };
    let (fake, thread) = helper("others", 2, move |peer, index| {
        let Request::Acquire(request) = peer.greet() else {
            panic!("the limit is enough for this one")
        };
        assert_eq!(
            request.params[0],
            Param { name: "memlock".into(), value: Value::Number(1 << 20) }
        );
        let leased = [1 << 20, 2 << 20][index];
        let memlock = Memlock { limit: 0, leased };
        peer.say(
            &Reply::Granted(Granted { memlock, ..granted(1) }),
            &[socket.try_clone().unwrap()],
        );
    });
    open_to_all(&fake);
    let qemu = fake.path.with_file_name("qemu-system-x86_64");
    common::script(&qemu, "#!/bin/sh\n[ \"$2\" = help ] && echo hubport || echo started\n");
    // Beside the client, and so the one that is started.
    let backend = format!("#!/bin/bash\n{IS_READY}\necho \"$@\" >&2\n");
    common::script(&fake.path.with_file_name("xsk-backend"), &backend);
    let netdev = "af-xdp,id=n,ifname=e";
    let arguments = ["--backend", "stream", "--", qemu.to_str().unwrap(), "-netdev", netdev];
    let alone = as_nobody(&fake, &arguments);
    assert_eq!(text(&alone.stdout), "started\n", "{}", text(&alone.stderr));
    assert!(text(&alone.stderr).contains("--frames 256"), "{}", text(&alone.stderr));
    let second = as_nobody(&fake, &arguments);
    assert_eq!(second.status.code(), Some(125));
    let error = text(&second.stderr);
    assert!(
        error.contains("1472 KiB needed (1 MiB of it for your other leases), 1 MiB allowed"),
        "{error}"
    );
    assert!(second.stdout.is_empty());
    thread.join().unwrap();
}

/// A QEMU that has af-xdp and does nothing.
fn qemu(fake: &Fake) -> String {
    let path = fake.path.with_file_name("qemu-system-x86_64");
    common::script(
        &path,
        "#!/bin/sh\n[ \"$2\" = help ] && printf 'hubport\\naf-xdp\\n' || echo started\n",
    );
    path.display().to_string()
}

fn open_to_all(fake: &Fake) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&fake.path, PermissionsExt::from_mode(0o777)).unwrap();
}

fn as_nobody(fake: &Fake, arguments: &[&str]) -> Output {
    // The build folder may be closed to others.
    let copy = fake.path.with_file_name("xsk-client");
    common::copy(CLIENT.as_ref(), &copy);
    let mut command = Command::new("prlimit");
    command.args([
        "--memlock=1048576:1048576",
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ]);
    command.args(["--inh-caps=-all", "--bounding-set=-all"]).arg(copy);
    command.arg("run").arg("--socket").arg(&fake.path).args(arguments).output().unwrap()
}

#[test]
fn a_guest_with_another_address_is_warned() {
    let Some((fake, thread)) = generous("mac", 2) else { return };
    let netdev = [
        "-netdev",
        "af-xdp,id=n,ifname=eth1",
        "-device",
        "virtio-net-pci,netdev=n,mac=52:54:00:12:34:56",
    ];
    let arguments = [&["--", "true"][..], &netdev].concat();
    let warned = |output: Output| {
        text(&output.stderr)
            .contains("the guest's mac=52:54:00:12:34:56 is not the interface's, and eth1 drops")
    };
    assert!(warned(run(&fake, &arguments)));
    assert!(!warned(run(&fake, &[&["--promisc=n"][..], &arguments].concat())));
    thread.join().unwrap();
}

#[test]
fn a_dry_run_asks_nobody() {
    let (fake, _thread) = helper("dry", 0, |_, _| {});
    let arguments =
        ["--dry-run", "--", "echo", "-netdev", "af-xdp,id=n,ifname=eth1,queues=2", "it's"];
    let output = run(&fake, &arguments);
    assert_eq!(
        text(&output.stdout),
        "echo -netdev af-xdp,id=n,ifname=eth1,queues=2,inhibit=on,sock-fds=FD:FD,mode=MODE 'it'\\''s'\n"
    );
}

#[test]
fn what_has_its_sockets_is_left_alone() {
    let (fake, _thread) = helper("alone", 0, |_, _| {});
    let netdev = "af-xdp,id=n,ifname=eth1,inhibit=on,sock-fds=9";
    let output = run(&fake, &["--", "echo", "-netdev", netdev]);
    assert_eq!(text(&output.stdout), format!("-netdev {netdev}\n"));
    assert!(text(&output.stderr).contains("warning: sock-fds: descriptor 9 is not open"));
}

/// What a backend does once its queues are bound.
const IS_READY: &str = "for word; do [ \"$was\" = --notify-fd ] && echo >&$word; was=$word; done";

/// A QEMU without af-xdp: the backend gets the sockets and the lease, QEMU one end of a stream and
/// nothing else, and the backend ends when QEMU does.
#[test]
fn a_qemu_without_af_xdp_gets_a_stream() {
    let Some((fake, thread)) = generous("stream", 1) else { return };
    let folder = fake.path.parent().unwrap().to_owned();
    let script = |name: &str, text: &str| {
        common::script(&folder.join(name), &format!("#!/bin/bash\n{text}"));
    };
    script(
        "qemu-system-x86_64",
        "[ \"$2\" = help ] && { echo hubport; exit; }\necho \"$@\"\nls /proc/self/fd | tr '\\n' ' '",
    );
    let backend = "echo $PPID \"$@\" >$0.args\nfd=${5##*:}\ncat <&$fd\necho over >$0.end";
    script("xsk-backend", &format!("{IS_READY}\n{backend}"));
    let client = folder.join("xsk-client");
    common::copy(CLIENT.as_ref(), &client);
    let json = "{'type':'af-xdp','id':'n0','ifname':'eth1','queues':2}";
    let mut command = Command::new(&client);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    command.arg("run").arg("--socket").arg(&fake.path);
    command.args(["--backend", "direct", "--"]);
    let direct = command.args(["qemu-system-x86_64", "-netdev", json]).output().unwrap();
    assert_eq!(direct.status.code(), Some(125));
    assert!(text(&direct.stderr).contains("xsk-client run --backend stream -- COMMAND..."));

    let mut command = Command::new(&client);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    command.arg("run").arg("--socket").arg(&fake.path).args(["--backend", "stream", "--"]);
    let output = command.args(["qemu-system-x86_64", "-netdev", json, "-S"]).output().unwrap();
    let out = text(&output.stdout);
    let (arguments, open) = out.split_once('\n').unwrap();
    let fd = arguments
        .strip_prefix("-netdev stream,id=n0,addr.type=fd,addr.str=")
        .unwrap()
        .strip_suffix(" -S")
        .unwrap();
    let anyway = Command::new("sh").args(["-c", "ls /proc/self/fd"]).output().unwrap();
    // The stream, and what tells the backend of QEMU's end.
    assert_eq!(open.split_whitespace().count(), text(&anyway.stdout).lines().count() + 2, "{out}");
    assert!(open.split_whitespace().any(|word| word == fd), "{out}");

    thread.join().unwrap();
    let backend = std::fs::read_to_string(folder.join("xsk-backend.args")).unwrap();
    let (_, arguments) = backend.split_once(' ').unwrap();
    let expected = "--supervise --netdev af-xdp,id=n0,ifname=eth1,mode=skb,queues=2,start-queue=0,inhibit=on,sock-fds=";
    assert!(arguments.starts_with(expected), "{backend}");
    assert!(arguments.contains(" --peer stream=fd:"), "{backend}");
    assert_eq!(std::fs::read_to_string(folder.join("xsk-backend.end")).unwrap(), "over\n");
}
