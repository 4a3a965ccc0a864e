package h2conn

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"relevo/internal/testleft"
)

func TestMain(m *testing.M) {
	os.Exit(testleft.Judge(m.Run(), testleft.Goroutines(), testleft.Sockets()))
}

// tooLong is far more time than anything here takes.
const tooLong = 60 * time.Second

// peer is a server that writes frames by hand.
type peer struct {
	t    *testing.T
	conn *net.TCPConn
	hard bool // closes at once, which is a RST
	*http2.Framer
}

// connect begins a connection whose server runs act, and then closes.
func connect(t *testing.T, timeout time.Duration, act func(p *peer)) *Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := New(conn, timeout)
	var wg sync.WaitGroup
	wg.Go(c.Run)
	wg.Go(func() {
		defer accepted.Close()
		p := &peer{t: t, conn: accepted.(*net.TCPConn), Framer: http2.NewFramer(accepted, accepted)}
		_, _ = io.ReadFull(accepted, make([]byte, len(http2.ClientPreface)))
		act(p)
		if !p.hard { // what is left unread would make the end a RST
			_ = p.conn.CloseWrite()
			_, _ = io.Copy(io.Discard, p.conn)
		}
	})
	t.Cleanup(func() {
		c.Close()
		wg.Wait()
	})
	return c
}

// stream reads until the header of a stream has come, and returns its number; 0 at the end.
func (p *peer) stream() uint32 {
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return 0
		}
		if h, ok := f.(*http2.HeadersFrame); ok {
			return h.StreamID
		}
	}
}

// drain reads to the end.
func (p *peer) drain() {
	for p.stream() != 0 {
	}
}

func (p *peer) header(id uint32, status string, end bool) {
	var b bytes.Buffer
	_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: status})
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: end})
}

func block(t *testing.T) []byte {
	t.Helper()
	b, err := Block([]Field{{":method", "GET"}, {":scheme", "http"}, {":authority", "app"}, {":path", "/"}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// result is what Do returned.
type result struct {
	Answer
	err error
}

// do sends n requests at the same time.
func do(t *testing.T, c *Conn, n int, timeout time.Duration) []result {
	t.Helper()
	results := make([]result, n)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i].Answer, results[i].err = c.Do(block(t), time.Now().Add(timeout)) })
	}
	wg.Wait()
	return results
}

func one(t *testing.T, act func(p *peer)) result {
	t.Helper()
	return do(t, connect(t, tooLong, act), 1, tooLong)[0]
}

// TestAnswers: interim answers, bodies and padding belong to one answer.
func TestAnswers(t *testing.T) {
	r := one(t, func(p *peer) {
		_ = p.WriteSettings()
		id := p.stream()
		p.header(id, "103", false)
		p.header(id, "404", false)
		_ = p.WriteDataPadded(id, false, []byte("two"), make([]byte, 9))
		_ = p.WriteData(id, true, []byte("three"))
		p.drain()
	})
	if r.err != nil || r.Status != 404 || r.Body != 8 {
		t.Errorf("%+v", r)
	}
}

// TestEnds: each way in which a server can end a stream has its own result.
func TestEnds(t *testing.T) {
	var closed *ClosedError
	var reset ResetError
	for name, c := range map[string]struct {
		act   func(p *peer, id uint32)
		right func(err error) bool
	}{
		"closed without GOAWAY": {func(*peer, uint32) {},
			func(err error) bool { return errors.As(err, &closed) && !closed.GoneAway && errors.Is(err, io.EOF) }},
		"closed within the answer": {func(p *peer, id uint32) { p.header(id, "200", false) },
			func(err error) bool { return errors.As(err, &closed) && closed.Answered }},
		"reset without GOAWAY": {func(p *peer, _ uint32) { p.hard = p.conn.SetLinger(0) == nil },
			func(err error) bool { return errors.As(err, &closed) && errors.Is(err, syscall.ECONNRESET) }},
		"GOAWAY that refuses": {func(p *peer, id uint32) { _ = p.WriteGoAway(0, http2.ErrCodeNo, nil) },
			func(err error) bool { return errors.Is(err, ErrUnprocessed) }},
		"GOAWAY that promises, then an answer": {func(p *peer, id uint32) {
			_ = p.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
			p.header(id, "200", true)
		}, func(err error) bool { return err == nil }},
		"GOAWAY that promises, then none": {func(p *peer, id uint32) { _ = p.WriteGoAway(id, http2.ErrCodeNo, nil) },
			func(err error) bool { return errors.As(err, &closed) && closed.GoneAway }},
		"two GOAWAYs, the second refuses": {func(p *peer, id uint32) {
			_ = p.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
			_ = p.WriteGoAway(0, http2.ErrCodeNo, nil)
		}, func(err error) bool { return errors.Is(err, ErrUnprocessed) }},
		"REFUSED_STREAM": {func(p *peer, id uint32) { _ = p.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
			func(err error) bool { return errors.Is(err, ErrUnprocessed) }},
		"another reset": {func(p *peer, id uint32) { _ = p.WriteRSTStream(id, http2.ErrCodeInternal) },
			func(err error) bool { return errors.As(err, &reset) && errors.Is(err, syscall.ECONNRESET) }},
		"no status": {func(p *peer, id uint32) { p.header(id, "x", true) },
			func(err error) bool { return err != nil && !errors.Is(err, ErrUnprocessed) }},
		"a body without a header": {func(p *peer, id uint32) { _ = p.WriteData(id, true, nil) },
			func(err error) bool { return err != nil && !errors.Is(err, ErrUnprocessed) }},
	} {
		r := one(t, func(p *peer) {
			_ = p.WriteSettings()
			c.act(p, p.stream())
		})
		if !c.right(r.err) {
			t.Errorf("%s: %v", name, r.err)
		}
	}
}

// TestNotHTTP2: the error says that the server speaks HTTP/1.
func TestNotHTTP2(t *testing.T) {
	r := one(t, func(p *peer) {
		p.stream()
		_, _ = io.WriteString(p.conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
	})
	if !errors.Is(r.err, errNotHTTP2) {
		t.Errorf("%v", r.err)
	}
}

// TestTimeout: a stream without an answer ends after its timeout, and the others are not affected.
func TestTimeout(t *testing.T) {
	c := connect(t, tooLong, func(p *peer) {
		_ = p.WriteSettings()
		p.stream()
		p.header(p.stream(), "200", true)
		p.drain()
	})
	if r := do(t, c, 1, 20*time.Millisecond)[0]; !errors.Is(r.err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", r.err)
	}
	if r := do(t, c, 1, tooLong)[0]; r.err != nil || r.Status != 200 {
		t.Errorf("%+v", r)
	}
}

// TestMostStreams: no more streams are open at a time than the server takes.
func TestMostStreams(t *testing.T) {
	const most, n = 3, 50
	c := connect(t, tooLong, func(p *peer) {
		_ = p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: most})
		early := map[uint32]bool{} // opened before the client knew
		for known := false; !known; {
			f, err := p.ReadFrame()
			if err != nil {
				return
			}
			if h, ok := f.(*http2.HeadersFrame); ok {
				early[h.StreamID] = true
			}
			s, ok := f.(*http2.SettingsFrame)
			known = ok && s.IsAck()
		}
		for id := range early {
			p.header(id, "200", true)
		}
		for left := n - len(early); left > 0; left -= most { // with fewer at a time this waits forever
			var open []uint32
			for range min(most, left) {
				open = append(open, p.stream())
			}
			_ = p.conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if id := p.stream(); id != 0 {
				t.Errorf("stream %d is one too many", id)
			}
			_ = p.conn.SetReadDeadline(time.Time{})
			for _, id := range open {
				p.header(id, "200", true)
			}
		}
		p.drain()
	})
	for _, r := range do(t, c, n, tooLong) {
		if r.err != nil {
			t.Errorf("%+v", r)
		}
	}
}

// TestTakesNone: after a GOAWAY nothing more is sent, and the connection closes when it is idle.
func TestTakesNone(t *testing.T) {
	ended := make(chan struct{})
	c := connect(t, tooLong, func(p *peer) {
		defer close(ended)
		_ = p.WriteSettings()
		id := p.stream()
		_ = p.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
		p.header(id, "200", true)
		if id := p.stream(); id != 0 {
			t.Errorf("stream %d was opened after the GOAWAY", id)
		}
	})
	if r := do(t, c, 1, tooLong)[0]; r.err != nil {
		t.Errorf("%+v", r)
	}
	if r := do(t, c, 1, tooLong)[0]; !errors.Is(r.err, ErrTakesNone) || c.Takes() {
		t.Errorf("%v", r.err)
	}
	<-ended
}

// TestLargeAnswer: an answer that is larger than all windows arrives.
func TestLargeAnswer(t *testing.T) {
	const size = window + window/2
	r := one(t, func(p *peer) {
		_ = p.WriteSettings()
		id := p.stream()
		p.header(id, "200", false)
		received := make(chan int64, 1<<10)
		go func() {
			defer close(received)
			for {
				f, err := p.ReadFrame()
				if err != nil {
					return
				}
				if w, ok := f.(*http2.WindowUpdateFrame); ok && w.StreamID == id {
					received <- int64(w.Increment)
				}
			}
		}()
		part := make([]byte, maxFrame)
		allowed := int64(window)
		for sent := int64(0); sent < size; sent += maxFrame {
			for allowed < sent+maxFrame {
				allowed += <-received
			}
			if err := p.WriteData(id, sent+maxFrame == size, part); err != nil {
				t.Error(err)
				return
			}
		}
		for range received {
		}
	})
	if r.err != nil || r.Body != size {
		t.Errorf("%+v", r)
	}
}

// TestLongHeader: a header that does not fit into a frame is refused.
func TestLongHeader(t *testing.T) {
	if _, err := Block([]Field{{"x", string(make([]byte, 32<<10))}}); err == nil {
		t.Error("no error")
	}
}
