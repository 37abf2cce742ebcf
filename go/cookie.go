// SPDX-License-Identifier: MIT OR Apache-2.0

package xskclient

import (
	"syscall"
	"unsafe"
)

// getCookie is SO_NETNS_COOKIE of a socket. Package syscall has no getsockopt for 64 bits.
func getCookie(fd int) (uint64, error) {
	var cookie uint64
	size := uint32(unsafe.Sizeof(cookie))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, soNetnsCookie,
		uintptr(unsafe.Pointer(&cookie)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, errno
	}
	return cookie, nil
}
