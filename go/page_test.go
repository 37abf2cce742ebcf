// SPDX-License-Identifier: MIT OR Apache-2.0

package xskclient

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

type vector struct {
	kinds  []reflect.Type
	name   string
	packet []byte
}

// vectors are the golden vectors of PROTOCOL.md.
func vectors(t *testing.T) []vector {
	t.Helper()
	page, err := os.ReadFile("../proto/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	found := regexp.MustCompile("(?s)```golden (request|reply) (\\S+)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	for _, each := range found {
		kinds := map[string][]reflect.Type{"request": requests, "reply": replies}[each[1]]
		var digits strings.Builder
		for _, line := range strings.Split(each[3], "\n") {
			left, _, _ := strings.Cut(line, ";")
			digits.WriteString(strings.ReplaceAll(left, " ", ""))
		}
		packet, err := hex.DecodeString(digits.String())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, vector{kinds, each[2], packet})
	}
	if len(all) < 10 {
		t.Fatalf("the page has %d vectors", len(all))
	}
	return all
}

func TestEveryVectorIsReadAndWritten(t *testing.T) {
	for _, each := range vectors(t) {
		message, err := decode(each.kinds, each.packet)
		if err != nil {
			t.Errorf("%s: %v", each.name, err)
		} else if again := encode(each.kinds, message); !bytes.Equal(again, each.packet) {
			t.Errorf("%s is written as %x", each.name, again)
		}
	}
}

func TestTheValuesAreThoseOfThePage(t *testing.T) {
	for _, each := range vectors(t) {
		message, _ := decode(each.kinds, each.packet)
		switch each.name {
		case "granted":
			granted := message.(Granted)
			if granted.Mac.String() != "02:00:00:00:00:2a" || granted.Mode.String() != "skb" {
				t.Errorf("%+v", granted)
			}
		case "acquire-params":
			params := message.(acquire).Params
			if params[0].Value != true || params[1].Value != uint64(64<<20) || params[2].Value != "mild" {
				t.Errorf("%+v", params)
			}
		}
	}
}

func TestAPacketThatIsCutOrChangedIsMalformedAtWorst(t *testing.T) {
	for _, each := range vectors(t) {
		for cut := range each.packet {
			if _, err := decode(each.kinds, each.packet[:cut]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s cut at %d: %v", each.name, cut, err)
			}
			changed := append([]byte(nil), each.packet...)
			for _, value := range []byte{0, 1, 0x7f, 0xff} {
				changed[cut] = value
				if _, err := decode(each.kinds, changed); err != nil && !errors.Is(err, ErrMalformed) {
					t.Errorf("%s with %#x at %d: %v", each.name, value, cut, err)
				}
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, packet []byte) {
		if message, err := decode(replies, packet); err == nil && !bytes.Equal(encode(replies, message), packet) {
			t.Errorf("%x is written otherwise", packet)
		}
	})
}
