// SPDX-License-Identifier: MIT OR Apache-2.0
//! What this kernel can do, where it has no other way to say so than by its version.
#![forbid(unsafe_code)]

/// Returns whether sockets take frames of several buffers: `XDP_USE_SG` came with Linux 6.6, and a
/// bind with it is refused before that as any unknown flag is.
pub fn has_several_buffers() -> bool {
    let release = rustix::system::uname();
    version(&release.release().to_string_lossy()).is_some_and(|version| version >= (6, 6))
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_release_is_read_as_far_as_it_matters() {
        assert_eq!(version("6.18.44+deb13-amd64"), Some((6, 18)));
        assert_eq!(version("7.0-rc1"), Some((7, 0)));
        assert_eq!(version("nonsense"), None);
    }
}
