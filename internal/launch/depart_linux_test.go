package launch

import (
	"testing"
	"time"
)

// TestProcessorTime: work counts, and the time that passes without work does not.
func TestProcessorTime(t *testing.T) {
	const long = 200 * time.Millisecond
	if idle := processorTime(func() { time.Sleep(long) }); idle >= long {
		t.Errorf("a pause of %s counts as %s of work", long, idle)
	}
	work := func() {
		for until := time.Now().Add(long); time.Now().Before(until); {
		}
	}
	if busy := processorTime(work); busy <= 0 {
		t.Errorf("work counts as %s", busy)
	}
}
