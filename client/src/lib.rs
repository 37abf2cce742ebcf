//! The unprivileged side: acquire AF_XDP sockets from xsk-helper and hand them to QEMU.
