//! A rootless AF_XDP network backend with the options of QEMU.
