package launch

import (
	"context"
	"slices"
	"testing"

	"relevo/internal/testbuffer"
	"relevo/pool"
)

// opened has the arguments of Streams.Open.
type opened struct {
	source OutputSource
	begun  string
	torn   bool
}

// TestOpenedOutput: each stream is opened with what it belongs to. After a succession the begun line
// continues. After the end of a master that could not hand it over, the beginning of the line may
// be missing, and the stream is marked as torn.
func TestOpenedOutput(t *testing.T) {
	t.Parallel()
	var calls []opened
	lines := map[int]*prefixer{}
	r := newRigOf(t, Options{Streams: Streams{Open: func(s OutputSource, begun []byte, torn bool) Lines {
		calls = append(calls, opened{s, string(begun), torn})
		lines[s.Stream] = &prefixer{to: &testbuffer.Buffer{}, begun: begun, begunFor: tooLong}
		return lines[s.Stream]
	}}})
	release := r.prepare(shell("printf begun; exec sleep 1000"))
	order := pool.Order{ID: "7", Slot: 2, Generation: 3}
	w := r.startOf(release, order)
	expect[pool.Online](w)
	out := lines[0]
	await(t, "the begun line", func() bool {
		out.mu.Lock()
		defer out.mu.Unlock()
		return string(out.begun) == "begun"
	})
	w.succeed(release, order)
	crashed := w.Process.Legacy()
	left, err := w.Process.Detach(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	crashed.Files = left.Files
	if w.Process, err = release.Adopt(order, crashed, w.sink); err != nil {
		t.Fatal(err)
	}
	var want []opened
	for _, how := range []opened{{}, {begun: "begun"}, {torn: true}} {
		for stream := range 2 {
			begun := how.begun
			if stream == 1 {
				begun = ""
			}
			want = append(want, opened{OutputSource{2, 3, w.PID(), stream, order.ID}, begun, how.torn})
		}
	}
	if !slices.Equal(calls, want) {
		t.Errorf("the streams were opened with %+v, want %+v", calls, want)
	}
	w.Kill()
	w.exit()
}
