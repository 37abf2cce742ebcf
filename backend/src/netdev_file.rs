// SPDX-License-Identifier: MIT OR Apache-2.0
//! A netdev that is kept in a file, for units that are started by name.
#![forbid(unsafe_code)]

use xsk_client::proto::exit;

use crate::cli::Cli;
use crate::error::{self, Error};

/// The netdevs as they were written: on the command line, or in a file.
///
/// # Errors
/// The file cannot be read, or does not hold one netdev.
pub(crate) fn texts(cli: &Cli) -> Result<Vec<String>, Error> {
    let Some(file) = &cli.netdev_file else { return Ok(cli.netdev.clone()) };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        let message = format!("{name}: cannot read the netdev: {error}");
        Error::new(exit::CONFIGURATION, "configuration", &name, message)
            .hint("write the file: xsk-client device add NAME af-xdp,ifname=INTERFACE")
    })?;
    Ok(vec![only_line(&text).map_err(|message| error::usage(&name, &message))?])
}

/// The one line of a file that is neither empty nor a comment.
fn only_line(text: &str) -> Result<String, String> {
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(line.to_owned()),
        (None, _) => Err("the file holds no netdev, such as af-xdp,ifname=eth1".to_owned()),
        (Some(_), Some(second)) => {
            Err(format!("the file holds one netdev, and '{second}' is a second line"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_netdev() {
        let text = "# the card of vm1\n\n  af-xdp,ifname=eth1,queues=2\n";
        assert_eq!(only_line(text).as_deref(), Ok("af-xdp,ifname=eth1,queues=2"));
        assert!(only_line("# nothing\n").is_err_and(|message| message.contains("holds no netdev")));
        assert!(only_line("a\nb\n").is_err_and(|message| message.contains("'b' is a second line")));
    }
}
