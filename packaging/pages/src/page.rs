// SPDX-License-Identifier: MIT OR Apache-2.0
//! One page a program, its subcommands on the same page.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use crate::Program;

pub(crate) fn render(program: &Program) -> io::Result<Vec<u8>> {
    let mut command = program.command.clone();
    command.build();
    let usage = usage(&mut command);
    let man = Man::new(command.clone().override_usage(usage));
    let mut page = title(&command, program.section).into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    commands(&command, &mut page)?;
    let after = command.get_after_long_help().or(command.get_after_help());
    after_help(&after.map(ToString::to_string).unwrap_or_default(), "SH").to_writer(&mut page)?;
    tail(program).to_writer(&mut page)?;
    Ok(page)
}

/// clap_mangen leaves an empty date out, and what comes after it then takes its place. A date would
/// make each build another one.
fn title(command: &Command, section: &str) -> String {
    let (name, version) = (command.get_name(), command.get_version().unwrap_or_default());
    let manual = if section == "8" { "System administration" } else { "User commands" };
    format!(".TH \"{name}\" \"{section}\" \"\" \"xsk-helper {version}\" \"{manual}\"\n")
}

/// As `--help` has it, without its heading.
fn usage(command: &mut Command) -> String {
    let usage = command.render_usage().to_string();
    usage.trim_start_matches("Usage: ").trim_end().to_owned()
}

/// Without the options that all of them have, which the page has said already.
fn on_its_own(sub: &Command) -> Command {
    let hide = |arg: Arg| {
        let known = arg.is_global_set() || ["help", "version"].contains(&arg.get_id().as_str());
        if known { arg.hide(true) } else { arg }
    };
    let mut sub = sub.clone();
    let usage = usage(&mut sub);
    sub.mut_args(hide).override_usage(usage)
}

/// Each subcommand as clap_mangen would have it on a page of its own, one level deeper.
fn commands(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let mut subcommands =
        command.get_subcommands().filter(|sub| sub.get_name() != "help").peekable();
    if subcommands.peek().is_some() {
        let mut heading = Roff::new();
        heading.control("SH", ["COMMANDS"]);
        heading.to_writer(page)?;
    }
    for sub in subcommands {
        let mut heading = Roff::new();
        heading.control("SS", [sub.get_name()]);
        heading.to_writer(page)?;
        let man = Man::new(on_its_own(sub));
        for render in [
            Man::render_synopsis_section,
            Man::render_description_section,
            Man::render_options_section,
        ] {
            let mut section = Vec::new();
            render(&man, &mut section)?;
            without_heading(&section, page);
        }
        let after = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
        after_help(&after, "PP").to_writer(page)?;
    }
    Ok(())
}

/// The section's text as a paragraph of the one that is open.
fn without_heading(section: &[u8], page: &mut Vec<u8>) {
    for line in section.split_inclusive(|byte| *byte == b'\n') {
        let heading = line.starts_with(b".SH");
        page.extend_from_slice(if heading { b".PP\n" } else { line });
    }
}

/// The text after the options: `Heading: text` and `Heading:` with a block become sections, the
/// block as it is.
fn after_help(text: &str, level: &str) -> Roff {
    let mut roff = Roff::new();
    let mut block = false;
    for line in text.lines() {
        match line.split_once(':') {
            Some((heading, rest)) if is_heading(heading) => {
                end(&mut roff, &mut block);
                let (heading, aside) =
                    heading.split_at(heading.find(" (").unwrap_or(heading.len()));
                open(&mut roff, level, heading);
                roff.text([roman(format!("{aside} {rest}").trim())]);
            }
            _ if line.starts_with(' ') || (block && line.is_empty()) => {
                if !block {
                    roff.control("EX", []);
                    block = true;
                }
                roff.text([roman(line)]);
            }
            _ => {
                end(&mut roff, &mut block);
                if line.is_empty() {
                    roff.control("PP", []);
                } else {
                    roff.text([roman(line)]);
                }
            }
        }
    }
    end(&mut roff, &mut block);
    roff
}

/// A word or two in words of their own: `Examples`, `Exit status`, `Peers (…)`.
fn is_heading(text: &str) -> bool {
    let known = ["Examples", "Exit status", "Signals", "Peers"];
    known.iter().any(|name| text.starts_with(name))
}

fn open(roff: &mut Roff, level: &str, heading: &str) {
    if level == "SH" {
        roff.control("SH", [heading.to_uppercase().as_str()]);
    } else {
        roff.control(level, []);
        roff.text([bold(heading)]);
        roff.control("br", []);
    }
}

fn end(roff: &mut Roff, block: &mut bool) {
    if std::mem::take(block) {
        roff.control("EE", []);
    }
}

fn tail(program: &Program) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["FILES"]);
    for (path, what) in program.files {
        roff.control("TP", []);
        roff.text([bold(*path)]);
        roff.text([roman(*what)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(program.see_also)]);
    roff
}
