// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which editor, and in which environment. The environment chooses one only if root has said so in
//! a file, since sudo may leave a user's variables in it.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use xsk_helper::{Code, Refused};

use super::refused;
use super::target::{read, trusted};

/// One line: an absolute path, with arguments if need be, or the word `environment`.
const SETTING: &str = "/etc/xsk-helper/editor";
/// Debian's name for the editor that the administrator has chosen.
const USUAL: &str = "/usr/bin/editor";
/// The variables that may name an editor; the first one that is set counts.
const CHOOSING: [&str; 3] = ["SUDO_EDITOR", "VISUAL", "EDITOR"];
/// What an editor needs to know.
const PASSED_ON: [&str; 7] =
    ["TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "HOME"];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment that the process was started with, before it was emptied.
pub(crate) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.to_str()).filter(|value| !value.trim().is_empty())
    }
}

/// The words of the editor's command.
pub(super) fn choose(environment: &Environment) -> Result<Vec<String>, Refused> {
    let setting = match read(Path::new(SETTING))? {
        Some((text, found)) => trusted(Path::new(SETTING), &found).map(|()| Some(text))?,
        None => None,
    };
    let command = command(setting.as_deref(), environment)?;
    Ok(command.split_whitespace().map(str::to_owned).collect())
}

fn command(setting: Option<&str>, environment: &Environment) -> Result<String, Refused> {
    match setting.map(str::trim) {
        None | Some("") => Ok(USUAL.to_owned()),
        Some("environment") => {
            let named = CHOOSING.iter().find_map(|name| environment.get(name));
            Ok(named.unwrap_or(USUAL).to_owned())
        }
        Some(command) if command.starts_with('/') && command.lines().count() == 1 => {
            Ok(command.to_owned())
        }
        Some(_) => Err(refused(
            Code::Policy,
            SETTING,
            format!("{SETTING} names no editor"),
            "write one line: an absolute path, or the word environment",
        )),
    }
}

/// Has a file edited.
pub(super) fn run(
    editor: &[String],
    file: &Path,
    environment: &Environment,
) -> Result<(), Refused> {
    let (program, arguments) =
        editor.split_first().map_or((USUAL, &[][..]), |(first, rest)| (first, rest));
    let failure = |what: String| {
        let hint = format!("nothing was changed; name another one in {SETTING}");
        refused(Code::NotInstalled, program, format!("the editor {program}: {what}"), hint)
    };
    let passed_on =
        environment.0.iter().filter(|(name, _)| PASSED_ON.iter().any(|known| name == known));
    let mut command = Command::new(program);
    command.args(arguments).arg(file).env_clear().envs(passed_on.cloned()).env("PATH", PATH);
    let ended = command.status().map_err(|error| failure(error.to_string()))?;
    if ended.success() { Ok(()) } else { Err(failure(ended.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_only_where_root_lets_it() {
        let environment =
            Environment(vec![("EDITOR".into(), "/tmp/evil".into()), ("VISUAL".into(), " ".into())]);
        let chosen = |setting: Option<&str>| command(setting, &environment).ok();
        assert_eq!(chosen(None).as_deref(), Some(USUAL));
        assert_eq!(chosen(Some("\n")).as_deref(), Some(USUAL));
        assert_eq!(chosen(Some("/usr/bin/vim -n\n")).as_deref(), Some("/usr/bin/vim -n"));
        assert_eq!(chosen(Some("environment\n")).as_deref(), Some("/tmp/evil"));
        assert_eq!(chosen(Some("vim")), None);
        assert_eq!(chosen(Some("/usr/bin/vim\n/usr/bin/nano\n")), None);
    }
}
