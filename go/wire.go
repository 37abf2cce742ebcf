// SPDX-License-Identifier: MIT OR Apache-2.0

package xskclient

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// ErrMalformed is a packet that cannot be what it is read as.
var ErrMalformed = errors.New("malformed")

// enum is a type whose values are numbers of a table of PROTOCOL.md.
type enum interface{ variants() uint32 }

var (
	enumType  = reflect.TypeOf((*enum)(nil)).Elem()
	valueType = reflect.TypeOf((*Value)(nil)).Elem()
)

// reader walks through a packet by the types of section 2 of PROTOCOL.md.
type reader struct {
	packet []byte
	at     int
}

func malformed(format string, words ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, words...))
}

func (r *reader) take(count uint64) ([]byte, error) {
	if count > uint64(len(r.packet)-r.at) {
		return nil, malformed("the packet ends at %d, %d more bytes are missing", len(r.packet), count)
	}
	r.at += int(count)
	return r.packet[r.at-int(count) : r.at], nil
}

func (r *reader) number(size int) (uint64, error) {
	bytes, err := r.take(uint64(size))
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], bytes)
	return binary.LittleEndian.Uint64(wide[:]), nil
}

func (r *reader) flag() (bool, error) {
	byte, err := r.number(1)
	if err == nil && byte > 1 {
		err = malformed("%d is not a bool", byte)
	}
	return byte == 1, err
}

func (r *reader) text() (string, error) {
	length, err := r.number(8)
	if err != nil {
		return "", err
	}
	bytes, err := r.take(length)
	if err == nil && !utf8.Valid(bytes) {
		err = malformed("a string is not UTF-8")
	}
	return string(bytes), err
}

func (r *reader) variant(count uint32) (uint64, error) {
	number, err := r.number(4)
	if err == nil && number >= uint64(count) {
		err = malformed("there is no variant %d", number)
	}
	return number, err
}

// read fills in a value from the packet.
func (r *reader) read(into reflect.Value) error {
	if into.Type() == valueType {
		return r.readValue(into)
	}
	switch into.Kind() {
	case reflect.Bool:
		flag, err := r.flag()
		into.SetBool(flag)
		return err
	case reflect.String:
		text, err := r.text()
		into.SetString(text)
		return err
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return r.readNumber(into)
	case reflect.Array:
		bytes, err := r.take(uint64(into.Len()))
		reflect.Copy(into, reflect.ValueOf(bytes))
		return err
	case reflect.Slice:
		return r.readList(into)
	case reflect.Pointer:
		return r.readOption(into)
	}
	for i := 0; i < into.NumField(); i++ {
		if err := r.read(into.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) readNumber(into reflect.Value) error {
	var number uint64
	var err error
	if into.Type().Implements(enumType) {
		number, err = r.variant(into.Interface().(enum).variants())
	} else {
		number, err = r.number(int(into.Type().Size()))
	}
	into.SetUint(number)
	return err
}

func (r *reader) readList(into reflect.Value) error {
	count, err := r.number(8)
	if err != nil {
		return err
	}
	if count > uint64(len(r.packet)-r.at) {
		return malformed("a list of %d elements does not fit", count)
	}
	list := reflect.MakeSlice(into.Type(), int(count), int(count))
	for i := 0; i < list.Len(); i++ {
		if err := r.read(list.Index(i)); err != nil {
			return err
		}
	}
	into.Set(list)
	return nil
}

func (r *reader) readOption(into reflect.Value) error {
	present, err := r.flag()
	if err != nil || !present {
		return err
	}
	into.Set(reflect.New(into.Type().Elem()))
	return r.read(into.Elem())
}

func (r *reader) readValue(into reflect.Value) error {
	number, err := r.variant(uint32(len(values)))
	if err != nil {
		return err
	}
	content := reflect.New(values[number]).Elem()
	if err := r.read(content); err != nil {
		return err
	}
	into.Set(content)
	return nil
}

// decode reads a packet: the number of one of the kinds, and then its content.
func decode(kinds []reflect.Type, packet []byte) (any, error) {
	r := reader{packet: packet}
	number, err := r.variant(uint32(len(kinds)))
	if err != nil {
		return nil, err
	}
	message := reflect.New(kinds[number]).Elem()
	if err := r.read(message); err != nil {
		return nil, err
	}
	if r.at != len(packet) {
		return nil, malformed("%d bytes follow the message", len(packet)-r.at)
	}
	return message.Interface(), nil
}

// write appends a value to a packet.
func write(packet []byte, value reflect.Value) []byte {
	if value.Type() == valueType {
		value = value.Elem()
		packet = binary.LittleEndian.AppendUint32(packet, numberOf(values, value.Type()))
	}
	switch value.Kind() {
	case reflect.Bool:
		if value.Bool() {
			return append(packet, 1)
		}
		return append(packet, 0)
	case reflect.String:
		packet = binary.LittleEndian.AppendUint64(packet, uint64(value.Len()))
		return append(packet, value.String()...)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		wide := binary.LittleEndian.AppendUint64(nil, value.Uint())
		return append(packet, wide[:value.Type().Size()]...)
	case reflect.Slice:
		packet = binary.LittleEndian.AppendUint64(packet, uint64(value.Len()))
		return writeEach(packet, value)
	case reflect.Array:
		return writeBytes(packet, value)
	case reflect.Pointer:
		if value.IsNil() {
			return append(packet, 0)
		}
		return write(append(packet, 1), value.Elem())
	}
	for i := 0; i < value.NumField(); i++ {
		packet = write(packet, value.Field(i))
	}
	return packet
}

func writeEach(packet []byte, list reflect.Value) []byte {
	for i := 0; i < list.Len(); i++ {
		packet = write(packet, list.Index(i))
	}
	return packet
}

func writeBytes(packet []byte, array reflect.Value) []byte {
	for i := 0; i < array.Len(); i++ {
		packet = append(packet, byte(array.Index(i).Uint()))
	}
	return packet
}

func numberOf(kinds []reflect.Type, kind reflect.Type) uint32 {
	for number, each := range kinds {
		if each == kind {
			return uint32(number)
		}
	}
	panic("not a message of the protocol: " + kind.String())
}

// encode is the inverse of decode.
func encode(kinds []reflect.Type, message any) []byte {
	value := reflect.ValueOf(message)
	return write(binary.LittleEndian.AppendUint32(nil, numberOf(kinds, value.Type())), value)
}
