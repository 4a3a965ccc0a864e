package worker

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
)

func frame(kind, flags byte, payload int) []byte {
	return append([]byte{byte(payload >> 16), byte(payload >> 8), byte(payload), kind, flags, 0, 0, 0, 1},
		bytes.Repeat([]byte{0xee}, payload)...)
}

// A frame may be added only where one has ended and no header block is open.
func TestFrameCursor(t *testing.T) {
	type part struct {
		bytes   []byte
		between bool
	}
	parts := []part{
		{frame(0x4, 0, 18), true},     // SETTINGS
		{frame(0x0, 0, 0), true},      // DATA without payload
		{frame(0x0, 1, 70000), true},  // a long one
		{frame(0x1, 0x0, 100), false}, // HEADERS without END_HEADERS
		{frame(0x9, 0x0, 5), false},   // CONTINUATION
		{frame(0x9, 0x4, 5), true},    // the last one
		{frame(0x1, 0x5, 30), true},   // HEADERS with END_HEADERS
		{frame(0x5, 0x0, 9), false},   // PUSH_PROMISE
		{frame(0x9, 0x4, 0), true},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var f frameCursor
		if f.between() {
			t.Fatal("a frame before the server's SETTINGS")
		}
		for i, p := range parts {
			for b := p.bytes; len(b) > 0; {
				n := 1 + random.IntN(min(len(b), 20_000))
				f.advance(b[:n])
				if b = b[n:]; len(b) > 0 && f.between() {
					t.Fatalf("part %d: a frame within a frame, %d bytes before its end", i, len(b))
				}
			}
			if f.between() != p.between {
				t.Fatalf("part %d: between is %v", i, f.between())
			}
		}
	}
}

// The GOAWAY waits for the end of the frame, and is written once: on connections that exist when a
// drain begins, and on those that are accepted just then.
func TestGoAwayIsPutBetweenFrames(t *testing.T) {
	for _, late := range []bool{false, true} {
		client, server := net.Pipe()
		defer client.Close()
		got := make(chan []byte)
		go func() {
			var all bytes.Buffer
			_, _ = all.ReadFrom(client)
			got <- all.Bytes()
		}()
		set := newConns()
		set.draining.Store(late)
		h := newHTTP2Conn(server, set, "")
		settings, data := frame(0x4, 0, 18), frame(0, 1, 50)
		for _, b := range [][]byte{settings[:5], settings[5:], data[:20], data[20:]} {
			if !late {
				h.sayGoAway() // the first time too early: SETTINGS must come first
			}
			if _, err := h.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		server.Close()
		want := append(append(append([]byte{}, settings...), goAway...), data...)
		if all := <-got; !bytes.Equal(all, want) {
			t.Errorf("late %v: got %x, want %x", late, all, want)
		}
	}
}

func TestLastOfConn(t *testing.T) {
	for _, c := range []struct {
		major  int
		header http.Header
		goAway bool
		want   bool
	}{
		{1, nil, true, true},
		{1, http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}, true, false},
		{2, nil, true, false}, // told already
		{2, nil, false, true}, // net/http's own way
	} {
		r := &run{goAway: c.goAway}
		if got := r.lastOfConn(&http.Request{ProtoMajor: c.major, Header: c.header}); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}
