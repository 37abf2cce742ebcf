//! The XSK redirect program and typed wrappers around its map, link and pins.
