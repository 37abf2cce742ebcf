//! The privileged program that grants AF_XDP sockets to ordinary users.
