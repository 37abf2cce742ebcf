// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which of its few jobs a process was started for.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use nix::sys::socket::{getsockopt, sockopt::AcceptConn, sockopt::PeerCredentials};
use nix::unistd::getuid;

use crate::caller::Entry;
use crate::connection::Connection;
use crate::connection::patience::Patience;
use crate::error::Failure;
use crate::exit::{CONFIGURATION, DENIED, NOT_FOR_YOU, USAGE, fail};
use crate::failpoints::failpoint;
use crate::isolation::entry::{self, Origin};
use crate::isolation::service::ServiceUser;
use crate::serve::{self, Ready, Terms};
use crate::sys::{process, sockets};
use crate::{delegate, gate, isolation, service_process};

/// Runs the program.
pub fn start() -> ExitCode {
    let commanded = std::env::args_os().len() > 1;
    let environment = if commanded { delegate::environment() } else { Vec::new() };
    let origin = match entry::enter() {
        Ok(origin) => origin,
        Err(failure) => return turn_away(&failure),
    };
    if commanded {
        return command(&origin, &environment);
    }
    if !connected() {
        return fail(
            USAGE,
            "standard input is not a connection; xsk-client starts this program, see xsk-helper(8)",
        );
    }
    serve_standard_input(origin)
}

/// Who came with a connection and no arguments is told there too.
fn turn_away(failure: &Failure) -> ExitCode {
    if std::env::args_os().len() <= 1 && connected() {
        let service = ServiceUser::find().is_ok_and(|user| user.uid == getuid());
        if let Ok((connection, _)) = client(process::take_standard_input(), service) {
            connection.refuse(failure, Patience::of(serve::REFUSAL));
        }
    }
    fail(CONFIGURATION, &failure.to_string())
}

/// Returns whether standard input is a connection.
fn connected() -> bool {
    sockets::is_socket(std::io::stdin().as_fd(), libc::AF_UNIX, libc::SOCK_SEQPACKET)
}

/// Has the other program do what the arguments say.
fn command(origin: &Origin, environment: &[CString]) -> ExitCode {
    if origin.may_command() {
        fail(CONFIGURATION, &delegate::execute(origin, environment).to_string())
    } else {
        fail(DENIED, NOT_FOR_YOU)
    }
}

/// The bare invocation: one connection, and then its lease.
fn serve_standard_input(origin: Origin) -> ExitCode {
    let input = process::take_standard_input();
    let user = ServiceUser::find();
    let service = user.as_ref().is_ok_and(|user| origin.real_uid == user.uid.as_raw());
    if service && getsockopt(&input, AcceptConn) == Ok(true) {
        return match user.and_then(|user| gate::stand(&input, user)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => fail(CONFIGURATION, &failure.to_string()),
        };
    }
    match client(input, service) {
        Ok((connection, link)) => serve_client(origin, user, connection, link),
        Err(failure) => fail(CONFIGURATION, &failure.to_string()),
    }
}

/// The client's connection: behind the gate, which is of the service user as well, it comes as a
/// descriptor.
fn client(input: OwnedFd, service: bool) -> Result<(Connection, Option<OwnedFd>), Failure> {
    let own =
        || getsockopt(&input, PeerCredentials).is_ok_and(|peer| peer.uid() == getuid().as_raw());
    if service && own() {
        return gate::receive(input).map(|(connection, link)| (connection, Some(link)));
    }
    Ok((Connection::new(input), None))
}

/// Isolates the process, which is up by then, as the gate is told by the end of its link.
fn serve_client(
    origin: Origin,
    user: Result<ServiceUser, Failure>,
    connection: Connection,
    link: Option<OwnedFd>,
) -> ExitCode {
    let isolated = user.and_then(|user| isolate(origin, user));
    drop(link);
    match isolated {
        Ok(terms) => {
            serve::serve(connection, Ready::new(&terms));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            connection.refuse(&failure, Patience::of(serve::REFUSAL));
            fail(CONFIGURATION, &failure.to_string())
        }
    }
}

/// The second to the fourth stage. With the service user as its real uid the process was started by
/// a manager of services, which watches over it: there it stays the main process.
fn isolate(origin: Origin, user: ServiceUser) -> Result<Terms, Failure> {
    let service = origin.real_uid == user.uid.as_raw();
    if service {
        entry::leave_directory()?;
    } else {
        entry::detach()?;
    }
    failpoint!("forked");
    service_process::become_service(user, || log_stream(service))?;
    let entry = if service { Entry::Accepted } else { Entry::Exec(origin) };
    Ok(Terms { entry, policy: None, unit: service })
}

/// Where the log goes without a journal: a manager of services has given a stream for it. Behind
/// sudo and pkexec standard error is the user's, as it is behind setuid.
fn log_stream(service: bool) -> Result<Option<OwnedFd>, Failure> {
    if service {
        Ok(std::io::stderr().as_fd().try_clone_to_owned().ok())
    } else {
        isolation::silence().map(|()| None)
    }
}
