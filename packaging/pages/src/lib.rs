// SPDX-License-Identifier: MIT OR Apache-2.0
//! Man pages and shell completions, made from the definitions that the programs parse their
//! arguments by, so that neither can say what a program does not do. What no definition holds,
//! files and further reading, is here.
#![forbid(unsafe_code)]

mod functions;
mod page;
mod values;

use std::io;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

pub use functions::functions;

/// A program, and what of its man page is not in its definition.
pub struct Program {
    /// The definition.
    pub command: Command,
    /// The section of the manual.
    pub section: &'static str,
    /// Files and sockets, with what each is.
    files: &'static [(&'static str, &'static str)],
    /// Other pages, with their sections.
    see_also: &'static str,
}

/// All programs.
pub fn programs() -> [Program; 3] {
    [
        Program {
            command: xsk_helper_admin::cli::Cli::command(),
            section: "8",
            files: HELPER_FILES,
            see_also: "xsk-client(1), xsk-policy.toml(5), systemd.socket(5), pkexec(1), dpkg-statoverride(1)",
        },
        Program {
            command: xsk_cli::Cli::command(),
            section: "1",
            files: CLIENT_FILES,
            see_also: "xsk-backend(1), xsk-helper(8), xsk-policy.toml(5), env(1), qemu(1)",
        },
        Program {
            command: xsk_backend::cli::command(),
            section: "1",
            files: CLIENT_FILES,
            see_also: "xsk-client(1), xsk-helper(8), qemu(1)",
        },
    ]
}

const HELPER_FILES: &[(&str, &str)] = &[
    ("/etc/xsk-helper/policy.toml", "the policy; see xsk-policy.toml(5)"),
    ("/etc/xsk-helper/policy.d/*.toml", "more of it, read in the order of the names"),
    (
        "/etc/xsk-helper/editor",
        "the editor of edit-policy, instead of /usr/bin/editor: a path, or the word environment",
    ),
    ("/run/xsk-helper/socket", "the system's socket, for the group xsk (xsk-helper.socket)"),
    (
        "/run/xsk-helper/instances",
        "where connections are passed on to a unit each, for the service user",
    ),
    ("/run/xsk-helper/leases", "the locks of leases, and a text about each"),
    ("/run/xsk-helper/bpf", "the pins of programs, on a bpffs of its own"),
    (
        "/run/systemd/journal/socket, /dev/log",
        "where grants, refusals and ends are logged; the second without the first",
    ),
    ("/usr/libexec/xsk-helper", "the program, with a link in /usr/sbin"),
    ("/usr/libexec/xsk-helper-admin", "what it executes where it has arguments; never setuid"),
];

const CLIENT_FILES: &[(&str, &str)] = &[
    ("/run/xsk-helper/socket", "the system's socket"),
    ("/usr/libexec/xsk-helper", "the helper, which is run where that socket does not exist"),
];

impl Program {
    /// The files to install, below `share/`.
    ///
    /// # Errors
    /// None that a string can give; those of a writer are passed on.
    pub fn files(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let name = self.command.get_name();
        Ok(vec![
            (format!("man/man{0}/{name}.{0}", self.section), self.page()?),
            (format!("bash-completion/completions/{name}"), self.completion(Shell::Bash)),
            (format!("zsh/site-functions/_{name}"), self.completion(Shell::Zsh)),
            (format!("fish/vendor_completions.d/{name}.fish"), self.completion(Shell::Fish)),
        ])
    }

    /// The man page.
    ///
    /// # Errors
    /// As [`files`](Self::files).
    pub fn page(&self) -> io::Result<Vec<u8>> {
        page::render(self)
    }

    fn completion(&self, shell: Shell) -> Vec<u8> {
        let mut text = Vec::new();
        let name = self.command.get_name();
        clap_complete::generate(shell, &mut self.command.clone(), name, &mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let text = if shell == Shell::Bash { one_name_for_the_function(name, &text) } else { text };
        values::add(shell, &self.command, &text).into_bytes()
    }
}

/// clap_complete 4.6 writes the hyphen of a program's name in two ways into its bash script, and so
/// finds no option of a subcommand.
fn one_name_for_the_function(name: &str, text: &str) -> String {
    text.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}
