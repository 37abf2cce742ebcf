// SPDX-License-Identifier: MIT OR Apache-2.0
//! What completions offer beyond the definitions: interfaces, ids, and the command after `--`.

use clap::{Arg, Command};
use clap_complete::Shell;

/// The script with its additions. `name` is that of the program.
pub(crate) fn add(shell: Shell, command: &Command, script: &str) -> String {
    match shell {
        Shell::Bash => bash(command, script),
        Shell::Zsh => zsh(script),
        Shell::Fish => fish(command, script),
        _ => script.to_owned(),
    }
}

/// The subcommands with an argument of this name that has no option.
fn with_positional(command: &Command, name: &str) -> Vec<String> {
    let takes = |arg: &Arg| arg.is_positional() && arg.get_id() == name;
    let subcommands = command.get_subcommands().filter(|sub| sub.get_arguments().any(takes));
    subcommands.map(|sub| sub.get_name().to_owned()).collect()
}

/// A function before clap's: it answers where it knows the values, and asks that one otherwise.
fn bash(command: &Command, script: &str) -> String {
    let name = command.get_name();
    let function = format!("_{}", name.replace('-', "__"));
    let positional = with_positional(command, "ifname").join("|");
    let values = BASH
        .replace("FUNCTION", &function)
        .replace("SUBCOMMANDS", if positional.is_empty() { "-" } else { &positional });
    let script = script
        .replace(&format!("complete -F {function} "), &format!("complete -F {function}_values "));
    // Before the lines that register the function, which are the last.
    match script.rfind("\nif [[ \"${BASH_VERSINFO[0]}\"") {
        Some(at) => format!("{}\n{values}{}", &script[..at], &script[at..]),
        None => script + &values,
    }
}

/// In the words of bash `=` is a word of its own.
const BASH: &str = r#"
FUNCTION_values() {
    local at=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} key="" i
    for ((i = 1; i < at; i++)); do
        if [[ ${COMP_WORDS[i]} == -- ]]; then
            FUNCTION_command $((i + 1))
            return
        fi
    done
    if [[ $cur == = ]]; then
        key=${COMP_WORDS[at - 1]} cur=""
    elif [[ ${COMP_WORDS[at - 1]} == = ]]; then
        key=${COMP_WORDS[at - 2]}
    elif [[ $cur != -* && ${COMP_WORDS[at - 1]} != -* ]]; then
        case ${COMP_WORDS[1]} in SUBCOMMANDS) key=ifname ;; esac
    fi
    if [[ ${COMP_WORDS[at - 1]} == --as ]]; then
        COMPREPLY=($(compgen -u -- "$cur"))
    elif [[ $at -gt 1 && ${COMP_WORDS[at - 2]} == --as || $key == *ifname ]]; then
        COMPREPLY=($(compgen -W "$(command ls /sys/class/net)" -- "$cur"))
    elif [[ $key == --promisc || $key == --busy-poll ]]; then
        COMPREPLY=($(compgen -W "$(grep -o '\bid=[^, ]*' <<<"$COMP_LINE" | cut -c 4-)" -- "$cur"))
    else
        FUNCTION "$@"
    fi
}

# The command that begins at this word completes as it does on its own.
FUNCTION_command() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif [[ $COMP_CWORD -eq $1 ]]; then
        COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}"))
    else
        COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
    fi
}
"#;

fn zsh(script: &str) -> String {
    let line = |line: &str| {
        if line.starts_with("'::ifname -- ") {
            line.replace(":_default'", ":_net_interfaces'")
        } else if line.starts_with("'*::command -- ") {
            line.replace(":_default'", ":_normal'")
        } else {
            line.replace(":USER:_default'", ":USER:_users'")
        }
    };
    script.lines().map(|text| line(text) + "\n").collect()
}

fn fish(command: &Command, script: &str) -> String {
    let name = command.get_name();
    let using = format!("__fish_{}_using_subcommand", name.replace('-', "_"));
    let mut script = script.to_owned();
    for sub in with_positional(command, "ifname") {
        script += &format!(
            "complete -c {name} -n \"{using} {sub}\" -f -a \"(__fish_print_interfaces)\"\n"
        );
    }
    for sub in with_positional(command, "command") {
        script += &FISH.replace("NAME", name).replace("USING", &using).replace("SUB", &sub);
    }
    script
}

const FISH: &str = r#"function __fish_xsk_command
    set -l words (commandline -opc) (commandline -ct)
    set -l start (math (contains -i -- -- $words) + 1)
    complete -C (string join ' ' -- $words[$start..-1])
end
complete -c NAME -n "USING SUB; and contains -- -- (commandline -opc)" -f -a "(__fish_xsk_command)"
"#;
