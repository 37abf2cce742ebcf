// SPDX-License-Identifier: MIT OR Apache-2.0

// Package xskclient is a client of xsk-helper: AF_XDP sockets for an ordinary user.
//
//	request := xskclient.Request{Ifname: "eth1", Queues: 2}
//	lease, err := xskclient.Acquire(ctx, xskclient.SocketPath, request)
//	if err != nil {
//		return err
//	}
//	defer lease.Release()
//
// It is written from PROTOCOL.md of xsk-helper, and needs the standard library alone.
package xskclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"syscall"
	"time"
)

// SocketPath is where the system's helper listens.
const SocketPath = "/run/xsk-helper/socket"

// Timeout ends a conversation whose context has no deadline.
const Timeout = 10 * time.Second

// AF_XDP and the option that tells a socket's family; package syscall lacks the first.
const (
	afXDP         = 44
	soDomain      = 39
	soNetnsCookie = 71
)

// ErrEnded is the end of a connection: the helper has closed it, or the lease is over.
var ErrEnded = errors.New("the helper closed the connection")

// ErrProtocol is an answer that no helper gives. What came with it is closed.
var ErrProtocol = errors.New("the helper breaks the protocol")

// Lease is sockets in queue order, unbound, in the XSKMAP, close-on-exec. It lasts while a copy of
// the connection is open, in this process or another.
type Lease struct {
	Granted    Granted
	Sockets    []*os.File
	Connection *net.UnixConn
}

// Acquire asks the helper at path for sockets.
func Acquire(ctx context.Context, path string, request Request) (*Lease, error) {
	conn, reply, sockets, err := ask(ctx, path, acquire(request))
	if err != nil {
		return nil, err
	}
	granted, ok := reply.(Granted)
	if !ok {
		conn.Close()
		return nil, unexpected(reply)
	}
	lease := &Lease{granted, sockets, conn}
	if err := lease.checkNamespace(); err != nil {
		lease.Release()
		return nil, err
	}
	return lease, nil
}

// Check asks what Acquire would be granted, and changes nothing.
func Check(ctx context.Context, path string, request Request) (Verdict, error) {
	return once[Verdict](ctx, path, check(request))
}

// Revoke ends leases of the caller's, or anybody's for root: those on ifname ("" for all), that
// hold the queue, of the user (Any for all). It returns how many were told to end.
func Revoke(ctx context.Context, path, ifname string, queue, user uint32) (uint32, error) {
	answer, err := once[revoked](ctx, path, revoke{ifname, queue, user})
	return answer.Leases, err
}

// GetStatus asks what is leased: the caller's leases, and for root everybody's.
func GetStatus(ctx context.Context, path string) (Status, error) {
	var all Status
	conn, reply, _, err := ask(ctx, path, status{})
	if err != nil {
		return all, err
	}
	defer conn.Close()
	for {
		part, ok := reply.(Status)
		if !ok {
			return all, unexpected(reply)
		}
		all.Interfaces = append(all.Interfaces, part.Interfaces...)
		all.Leases = append(all.Leases, part.Leases...)
		if !part.More {
			return all, nil
		}
		if reply, _, err = receive(conn); err != nil {
			return all, err
		}
	}
}

// News waits for the next event of the lease, until the context is over. ErrEnded is its end.
func (l *Lease) News(ctx context.Context) (Event, error) {
	deadline, _ := ctx.Deadline()
	if err := l.Connection.SetReadDeadline(deadline); err != nil {
		return Event{}, err
	}
	stop := interrupt(ctx, l.Connection)
	defer stop()
	reply, _, err := receive(l.Connection)
	if err != nil {
		return Event{}, err
	}
	event, ok := reply.(Event)
	if !ok {
		return Event{}, unexpected(reply)
	}
	return event, nil
}

// Release closes the sockets and the connection.
func (l *Lease) Release() {
	closeAll(l.Sockets)
	l.Connection.Close()
}

func (l *Lease) checkNamespace() error {
	raw, err := l.Connection.SyscallConn()
	if err != nil {
		return err
	}
	var ours uint64
	control := raw.Control(func(fd uintptr) { ours, err = getCookie(int(fd)) })
	if control != nil || err != nil || l.Granted.NetnsCookie == 0 || l.Granted.NetnsCookie == ours {
		return control
	}
	return fmt.Errorf("the grant is for %s of another network namespace", l.Granted.Ifname)
}

// once asks, and expects one answer of a kind.
func once[T any](ctx context.Context, path string, request any) (T, error) {
	var none T
	conn, reply, sockets, err := ask(ctx, path, request)
	if err != nil {
		return none, err
	}
	conn.Close()
	closeAll(sockets)
	answer, ok := reply.(T)
	if !ok {
		return none, unexpected(reply)
	}
	return answer, nil
}

// ask connects, greets, asks, and returns the answer with its descriptors.
func ask(ctx context.Context, path string, request any) (*net.UnixConn, any, []*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var dialer net.Dialer
	dialed, err := dialer.DialContext(ctx, "unixpacket", path)
	if err != nil {
		return nil, nil, nil, err
	}
	conn := dialed.(*net.UnixConn)
	reply, sockets, err := converse(ctx, conn, request)
	if err != nil {
		conn.Close()
		return nil, nil, nil, err
	}
	return conn, reply, sockets, conn.SetDeadline(time.Time{})
}

func converse(ctx context.Context, conn *net.UnixConn, request any) (any, []*os.File, error) {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, nil, err
	}
	stop := interrupt(ctx, conn)
	defer stop()
	for _, message := range []any{hello{magic, version, version}, request} {
		if _, err := conn.Write(encode(requests, message)); err != nil {
			break // The helper has closed its end, and may have said why first.
		}
	}
	reply, _, err := receive(conn)
	if err != nil {
		return nil, nil, err
	}
	if greeting, ok := reply.(welcome); !ok || greeting.Version != version {
		return nil, nil, unexpected(reply)
	}
	return receive(conn)
}

// interrupt ends what waits on the connection when the context is cancelled.
func interrupt(ctx context.Context, conn *net.UnixConn) (stop func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			_ = conn.SetDeadline(time.Unix(1, 0))
		case <-done:
		}
	}()
	return func() { close(done) }
}

func unexpected(reply any) error {
	return fmt.Errorf("%w: an unexpected %s", ErrProtocol, reflect.TypeOf(reply).Name())
}

// receive reads one answer. A refusal is an error.
func receive(conn *net.UnixConn) (any, []*os.File, error) {
	packet := make([]byte, maxReply)
	control := make([]byte, syscall.CmsgSpace(maxQueues*4))
	// The package net sets MSG_CMSG_CLOEXEC.
	length, controls, flags, _, err := conn.ReadMsgUnix(packet, control)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || (err == nil && length == 0) {
		return nil, nil, ErrEnded
	}
	if err != nil {
		return nil, nil, err
	}
	sockets, err := descriptors(control[:controls])
	if err == nil {
		var reply any
		if reply, err = checked(packet[:length], sockets, flags); err == nil {
			return reply, sockets, nil
		}
	}
	closeAll(sockets)
	return nil, nil, err
}

func descriptors(control []byte) ([]*os.File, error) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		numbers, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			continue // Another kind of control message carries no descriptors.
		}
		for _, number := range numbers {
			files = append(files, os.NewFile(uintptr(number), "AF_XDP"))
		}
	}
	return files, nil
}

func checked(packet []byte, sockets []*os.File, flags int) (any, error) {
	if flags&syscall.MSG_TRUNC != 0 {
		return nil, fmt.Errorf("%w: an answer over the limit", ErrProtocol)
	}
	reply, err := decode(replies, packet)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrProtocol, err)
	}
	if refused, ok := reply.(Refused); ok {
		return nil, refused
	}
	wanted := 0
	if granted, ok := reply.(Granted); ok {
		wanted = int(granted.Queues)
	}
	if flags&syscall.MSG_CTRUNC != 0 || len(sockets) != wanted {
		return nil, fmt.Errorf("%w: %d of %d descriptors arrived (ulimit -n?)", ErrProtocol, len(sockets), wanted)
	}
	for _, socket := range sockets {
		family, err := syscall.GetsockoptInt(int(socket.Fd()), syscall.SOL_SOCKET, soDomain)
		if err != nil || family != afXDP {
			return nil, fmt.Errorf("%w: a descriptor is not an AF_XDP socket", ErrProtocol)
		}
	}
	return reply, nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		file.Close()
	}
}
