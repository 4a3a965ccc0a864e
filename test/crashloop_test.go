package test

import (
	"strings"
	"testing"

	"relevo/pool"
)

// TestCrashLoopBesideSiblings: one slot of three crashes at every start. relevo waits longer each
// time and says how long; the other workers are not affected.
func TestCrashLoopBesideSiblings(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	s.release("1", "crash-slot-1") // the first release: no rollback is possible
	s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "3", "--", "./app")
	events := s.record()
	siblings := []int{s.inSlot(0).PID, s.inSlot(2).PID}
	end := s.load()
	defer end()

	respawns := events.await(pool.KindRespawn, 3)
	for i, e := range respawns {
		if *e.Slot != 1 || e.AfterMS == nil || !strings.HasPrefix(e.Reason, "exit status 7") {
			t.Errorf("respawn %d: slot %d after %v ms, reason %q", i, *e.Slot, e.AfterMS, e.Reason)
		}
	}
	if first, later := *respawns[0].AfterMS, *respawns[2].AfterMS; later <= first {
		t.Errorf("the first wait is %d ms and %d ms two deaths later", first, later)
	}
	s.await("the status to say when the slot is tried again", func() bool {
		_, said := s.relevo("status", "site")
		return strings.Contains(said, "next try in ") && strings.Contains(said, "after exit status 7")
	})
	s.wantLog(t, `level=WARN msg=respawn slot=1`)
	if report := end(); report.Lost() > 0 || report.Total.OK == 0 {
		t.Errorf("%+v %+v", report.Total, report.Samples)
	}
	if now := []int{s.inSlot(0).PID, s.inSlot(2).PID}; now[0] != siblings[0] || now[1] != siblings[1] {
		t.Errorf("pids %v serve beside the crash loop, before: %v", now, siblings)
	}
}
