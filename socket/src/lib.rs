//! An existing AF_XDP descriptor to UMEM, rings and a bound socket.
