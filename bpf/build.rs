// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles the BPF programs with clang and makes their skeletons.

use std::path::{Path, PathBuf};
use std::{env, process};

use libbpf_cargo::SkeletonBuilder;

/// Where Debian and its kin keep `asm/types.h`, which the target `bpf` does not look for.
fn multiarch_include() -> Option<PathBuf> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").ok()?;
    let path = PathBuf::from(format!("/usr/include/{arch}-linux-gnu"));
    path.is_dir().then_some(path)
}

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // The line numbers in an object have the path of its source, which is the builder's.
    let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let mut options = vec![format!("-ffile-prefix-map={folder}=xsk-bpf")];
    options.extend(multiarch_include().map(|path| format!("-I{}", path.display())));
    for name in ["xsk", "guard"] {
        compile(name, &out, &options);
    }
}

fn compile(name: &str, out: &Path, options: &[String]) {
    let source = format!("{name}.bpf.c");
    println!("cargo:rerun-if-changed={source}");
    let skeleton = out.join(format!("{name}.skel.rs"));
    let made =
        SkeletonBuilder::new().source(&source).clang_args(options).build_and_generate(skeleton);
    if let Err(error) = made {
        eprintln!("cannot compile {source}: {error:?}");
        eprintln!("clang and the kernel's headers are needed: apt install clang linux-libc-dev");
        process::exit(1);
    }
}
