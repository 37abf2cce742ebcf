// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gives the shared library its soname. The number is that of the ABI: `tests/symbols.txt` is its
//! list.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libxskclient.so.0");
}
