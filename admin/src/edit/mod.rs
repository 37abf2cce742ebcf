// SPDX-License-Identifier: MIT OR Apache-2.0
//! `edit-policy`: a copy is edited, checked as the service reads it, and replaces the file in one
//! step. A file that is written in place is incomplete for a moment, and a helper may read it then.
//!
//! It is for root alone, and in this program, which is never setuid, since an editor can execute
//! anything.

mod ask;
mod draft;
mod editor;
mod target;

use std::path::{Path, PathBuf};

use nix::unistd::getresuid;
use xsk_helper::admin;
use xsk_helper::{Code, Refused};

use ask::Answer;
use draft::Draft;
pub(crate) use editor::Environment;
use target::Target;

/// The file where none is named.
const POLICY: &str = "/etc/xsk-helper/policy.toml";
/// Further ones are below it.
const FOLDER: &str = "/etc/xsk-helper/policy.d";

/// Edits a file of the policy, and says what became of it.
pub(crate) fn edit(file: Option<&Path>, environment: &Environment) -> Result<(), Refused> {
    only_root()?;
    let path = path(file)?;
    let target = Target::open(&path)?;
    let draft = Draft::of(&target)?;
    let editor = editor::choose(environment)?;
    let Some(text) = until_it_holds(&target, &draft, &editor, environment)? else {
        println!("{}: unchanged", path.display());
        return Ok(());
    };
    target.is_unchanged()?;
    draft.replace(&target, &text)?;
    println!("{}: saved; it applies to requests from now on", path.display());
    Ok(())
}

/// The text that can be used; none where it is what it was.
fn until_it_holds(
    target: &Target,
    draft: &Draft,
    editor: &[String],
    environment: &Environment,
) -> Result<Option<String>, Refused> {
    loop {
        editor::run(editor, draft.path(), environment)?;
        let text = draft.text()?;
        if target.text() == Some(&text) {
            return Ok(None);
        }
        let Err(failure) = admin::check_draft(target.path(), &text) else { return Ok(Some(text)) };
        match ask::what_now(&failure, &text) {
            Answer::Edit => {}
            Answer::Quit => return Err(Refused { hint: "nothing was changed".into(), ..failure }),
        }
    }
}

fn only_root() -> Result<(), Refused> {
    let root = getresuid()
        .is_ok_and(|uids| [uids.real, uids.effective, uids.saved].iter().all(|uid| uid.is_root()));
    if root {
        Ok(())
    } else {
        Err(refused(Code::NotAllowed, "edit-policy", "only root edits the policy", ""))
    }
}

/// `policy.toml`, or a file of `policy.d` by its path or its name.
fn path(file: Option<&Path>) -> Result<PathBuf, Refused> {
    let Some(file) = file else { return Ok(POLICY.into()) };
    let path =
        if file.components().count() == 1 { Path::new(FOLDER).join(file) } else { file.to_owned() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let further = path.parent() == Some(Path::new(FOLDER))
        && name.ends_with(".toml")
        && !name.starts_with('.');
    if further || path == Path::new(POLICY) {
        return Ok(path);
    }
    let message = format!("{} is not a file of the policy", file.display());
    let hint = format!("those are {POLICY} and {FOLDER}/NAME.toml");
    Err(refused(Code::Policy, file.display().to_string(), message, hint))
}

/// What is said to the person at the terminal: nothing is decided by it.
fn refused(
    code: Code,
    object: impl Into<String>,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Refused {
    Refused { code, object: object.into(), message: message.into(), hint: hint.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_policy_are_edited() {
        let of = |file: &str| path(Some(Path::new(file))).ok();
        assert_eq!(path(None).ok(), Some(POLICY.into()));
        assert_eq!(of(POLICY), Some(POLICY.into()));
        assert_eq!(of("10-alice.toml"), Some(format!("{FOLDER}/10-alice.toml").into()));
        assert_eq!(of("/etc/xsk-helper/policy.d/a.toml"), Some(format!("{FOLDER}/a.toml").into()));
        for file in [
            "",
            "a",
            ".a.toml",
            "../policy.toml",
            "/etc/passwd",
            "/etc/xsk-helper/policy.d/../b.toml",
            "x/a.toml",
        ] {
            assert_eq!(of(file), None, "{file}");
        }
    }
}
