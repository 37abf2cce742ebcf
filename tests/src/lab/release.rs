// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `make build` leaves, laid out for `make install RELEASE=…`.

use std::fs;
use std::path::{Path, PathBuf};

/// The programs that are installed.
const PROGRAMS: [&str; 4] = ["xsk-helper", "xsk-helper-admin", "xsk-client", "xsk-backend"];

/// Makes `release` and `capi` below a folder, and returns the former. `program` puts one program at
/// a path. The C library is empty: nothing that is installed here is linked.
///
/// # Errors
/// A sentence for [`crate::skip!`].
pub fn release_tree(
    folder: &Path,
    program: impl Fn(&str, &Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let (release, capi) = (folder.join("release"), folder.join("capi"));
    fs::create_dir_all(&release).unwrap();
    fs::create_dir_all(&capi).unwrap();
    for name in PROGRAMS {
        program(name, &release.join(name))?;
    }
    for name in ["libxskclient.so", "libxskclient.a"] {
        fs::write(capi.join(name), "").unwrap();
    }
    for (path, text) in xsk_pages::programs().iter().flat_map(|program| program.files().unwrap()) {
        let path = release.join("share").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Ok(release)
}
