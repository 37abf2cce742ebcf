// SPDX-License-Identifier: MIT OR Apache-2.0

package xskclient

import (
	"fmt"
	"net"
	"reflect"
)

const (
	magic     = 0x484b5358
	version   = 1
	maxReply  = 65536
	maxQueues = 64
)

// Any stands for every queue or every user in a Revoke.
const Any = 0xffffffff

// ModeRequest is how the program is to be attached.
type ModeRequest uint32

// Auto is native, and skb where the driver has no native XDP.
const (
	Auto ModeRequest = iota
	Native
	Skb
)

func (ModeRequest) variants() uint32 { return 3 }

// Mode is how the program is attached: 0 native, 1 skb.
type Mode uint32

func (Mode) variants() uint32 { return 2 }

func (m Mode) String() string { return [...]string{"native", "skb"}[m] }

// WarningKind is what a warning is about, by its number in PROTOCOL.md.
type WarningKind uint32

func (WarningKind) variants() uint32 { return 8 }

// EventKind is what happened to a lease.
type EventKind uint32

// InterfaceGone, InterfaceMoved and Revoked end the lease.
const (
	InterfaceGone EventKind = iota
	InterfaceMoved
	InterfaceDown
	InterfaceUp
	InterfaceRenamed
	QueuesReduced
	ProgramReplaced
	LeaseRevoked
)

func (EventKind) variants() uint32 { return 8 }

// Code is the stable reason of a refusal.
type Code uint32

var codes = [...]string{
	"not-allowed", "no-such-interface", "bad-name", "queue-range", "busy", "mode-unsupported",
	"foreign-program", "mtu-too-large", "no-bpffs", "kernel-too-old", "not-privileged", "namespace",
	"confinement", "policy", "limit", "identity", "unknown-option", "too-large", "malformed",
	"unsupported", "bad-state", "timeout", "not-installed", "internal", "not-ethernet",
}

func (Code) variants() uint32 { return uint32(len(codes)) }

// String is the name that scripts see.
func (c Code) String() string { return codes[c] }

// Value is a bool, a uint64 or a string.
type Value interface{}

var values = []reflect.Type{reflect.TypeOf(false), reflect.TypeOf(uint64(0)), reflect.TypeOf("")}

// Param is an option of a request, by its name in section 8 of PROTOCOL.md.
type Param struct {
	Name  string
	Value Value
}

type hello struct {
	Magic    uint32
	Min, Max uint16
}

// Request asks for sockets of an interface's queues.
type Request struct {
	Ifname             string
	FirstQueue, Queues uint32
	Mode               ModeRequest
	Params             []Param
}

type acquire Request
type check Request
type status struct{}

type revoke struct {
	Ifname      string
	Queue, User uint32
}

type welcome struct {
	Version uint16
	Helper  string
}

// Confinement is what the kernel holds the sockets to.
type Confinement struct{ Device, Queue bool }

// MAC is a link-layer address.
type MAC [6]byte

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// Filter is which other frames the interface lets in.
type Filter struct {
	Allmulti             bool
	Macs                 []MAC
	AllFrames, AllGroups bool
}

// BusyPoll is busy polling as set on the sockets.
type BusyPoll struct{ Usecs, Budget uint32 }

// Memlock is locked memory in bytes.
type Memlock struct{ Limit, Leased uint64 }

// Warning is something that the user should know about the interface.
type Warning struct {
	Kind WarningKind
	Text string
}

// Granted is what the helper says about the sockets of a lease.
type Granted struct {
	Lease              uint64
	Ifname             string
	Ifindex            uint32
	Mac                MAC
	Mtu                uint32
	FirstQueue, Queues uint32
	Mode               Mode
	ModeReason         string
	ProgramID          uint32
	NetnsCookie        uint64
	Confinement        Confinement
	Frags, Promisc     bool
	Filter             Filter
	BusyPoll           BusyPoll
	Memlock            Memlock
	Rule               string
	Keeper             uint32
	Warnings           []Warning
}

// Refused is the helper's refusal, and an error.
type Refused struct {
	Code                  Code
	Object, Message, Hint string
}

func (r Refused) Error() string {
	if r.Hint == "" {
		return fmt.Sprintf("%s (%s)", r.Message, r.Code)
	}
	return fmt.Sprintf("%s (%s); hint: %s", r.Message, r.Code, r.Hint)
}

// InterfaceStatus is an interface that carries the helper's program.
type InterfaceStatus struct {
	Ifname      string
	Ifindex     uint32
	NetnsCookie uint64
	ProgramID   uint32
	Mode        Mode
	Orphans     []uint32
}

// LeaseStatus is a lease that the caller may see. Age is in seconds.
type LeaseStatus struct {
	Lease               uint64
	Ifname              string
	Ifindex             uint32
	NetnsCookie         uint64
	FirstQueue, Queues  uint32
	UID, Client, Keeper uint32
	Age                 uint64
	Rule                string
	Confinement         Confinement
	Idle                []uint32
}

// Status is the answer to Conn.Status.
type Status struct {
	Interfaces []InterfaceStatus
	Leases     []LeaseStatus
	More       bool
}

// Verdict is what a request would be granted. Mode is nil where it is not known without trying.
type Verdict struct {
	Rule                        string
	Mode                        *Mode
	Confinement                 Confinement
	Promisc, Allmulti, BusyPoll bool
	MemlockMax                  uint64
}

type revoked struct{ Leases uint32 }

// Event is something that happened to a lease.
type Event struct {
	Kind EventKind
	Text string
}

func typesOf(messages ...any) []reflect.Type {
	types := make([]reflect.Type, len(messages))
	for i, message := range messages {
		types[i] = reflect.TypeOf(message)
	}
	return types
}

// The messages in the order of their numbers.
var (
	requests = typesOf(hello{}, acquire{}, status{}, check{}, revoke{})
	replies  = typesOf(welcome{}, Granted{}, Refused{}, Status{}, Verdict{}, revoked{}, Event{})
)
