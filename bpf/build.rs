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
    let include = multiarch_include().map(|path| format!("-I{}", path.display()));
    for name in ["xsk", "guard"] {
        compile(name, &out, include.as_deref());
    }
}

fn compile(name: &str, out: &Path, include: Option<&str>) {
    let source = format!("{name}.bpf.c");
    println!("cargo:rerun-if-changed={source}");
    let skeleton = out.join(format!("{name}.skel.rs"));
    let made =
        SkeletonBuilder::new().source(&source).clang_args(include).build_and_generate(skeleton);
    if let Err(error) = made {
        eprintln!("cannot compile {source}: {error:?}");
        eprintln!("clang and the kernel's headers are needed: apt install clang linux-libc-dev");
        process::exit(1);
    }
}
