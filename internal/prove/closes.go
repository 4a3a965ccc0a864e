package prove

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// noCode is the code that the library reports for an end without a close frame.
const noCode websocket.StatusCode = -1

// Closes are the ends of WebSockets, as far as the server made them.
type Closes struct {
	Codes  map[int]int64 `json:"codes"`  // how many ended by a close frame with this code; 1005: with none
	Broken int64         `json:"broken"` // ended without a close frame: browsers call that 1006
	Again  Latency       `json:"again"`  // from an end until a new WebSocket of the client has served
}

// closeCounter counts the ends of the WebSockets of a load.
type closeCounter struct {
	mu     sync.Mutex
	codes  map[int]int64
	broken int64
	waits  histogram
}

func (c *closeCounter) ended(code websocket.StatusCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if code == noCode {
		c.broken++
		return
	}
	if c.codes == nil {
		c.codes = make(map[int]int64)
	}
	c.codes[int(code)]++
}

func (c *closeCounter) again(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits.add(took)
}

func (c *closeCounter) report() *Closes {
	c.mu.Lock()
	defer c.mu.Unlock()
	codes := make(map[int]int64)
	maps.Copy(codes, c.codes)
	return &Closes{Codes: codes, Broken: c.broken, Again: c.waits.figures()}
}

// String describes the ends in words.
func (c Closes) String() string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(c.Codes)) {
		parts = append(parts, fmt.Sprintf("%s with %d", count(c.Codes[code]), code))
	}
	if c.Broken > 0 {
		parts = append(parts, count(c.Broken)+" without a close frame")
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// writeCarried writes the figures that only HTTP/2 and WebSockets have.
func (r Report) writeCarried(b *strings.Builder) {
	if f := r.HTTP2; f != nil {
		fmt.Fprintf(b, "connections opened: %s, of which up to %d at a time take streams\n", count(f.Connections),
			http2Connections)
	}
	if r.HTTP2 != nil && r.HTTP2.Unprocessed > 0 {
		b.WriteString("unprocessed: streams that GOAWAY or REFUSED_STREAM has refused, and that may be sent again; " +
			"not lost\n")
	}
	if r.WebSocket == nil || r.Closes == nil {
		return
	}
	fmt.Fprintf(b, "connections opened: %s; closed by the server: %s\n", count(r.WebSocket.Connections), r.Closes)
	if r.Closes.Again.Slowest > 0 {
		fmt.Fprintf(b, "from a close until served again: %s (median), %s (slowest)\n", brief(r.Closes.Again.P50),
			brief(r.Closes.Again.Slowest))
	}
}
