package launch

import (
	"os"
	"os/exec"
	"testing"

	"relevo/internal/nodecluster"
	"relevo/internal/rescue"
	"relevo/pool"
)

// TestPausedHandover: while another master is about to take over, the other workers may have been
// detached already. A leaving worker then keeps its connections for the next master, and no relay
// gets them.
func TestPausedHandover(t *testing.T) {
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer sleep.Wait()
	defer sleep.Process.Kill()
	l := &Launcher{byPID: map[int]*Process{}}
	p := newProcess(&Release{launcher: l}, pool.Order{ID: "1"}, nil)
	p.pid, p.primary = sleep.Process.Pid, nodecluster.New(nodecluster.Options{})
	holding := rescue.Take(p.keeps(), nil)
	defer holding.Cancel()
	if p.handsOver() || !p.handOver(holding) {
		t.Error("it waits for other workers where there are none")
	}
	l.handovers.finish(t.Context())
	if !p.handsOver() {
		t.Error("a relay would get its connections before the next master has them")
	}
	before := openFiles(t)
	if p.handOver(holding) {
		t.Error("its handover begins although another master is about to take over")
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors are open, and %d were before it tried", after, before)
	}
	l.handovers.resume()
	if p.handsOver() {
		t.Error("it waits for the next master although there will be none")
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
