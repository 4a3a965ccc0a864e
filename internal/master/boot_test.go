package master

import (
	"encoding/json"
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/internal/succession"
	"relevo/pool"
	"relevo/pool/machine"
)

// TestStartContinues: a master that takes over while the first workers still get ready has everything
// that the start needs until its end.
func TestStartContinues(t *testing.T) {
	t.Parallel()
	m := beginner(t)
	m.lock = &control.Lock{}
	m.stage.use(pool.Ended())
	document := estate{m}.state()
	if !document.Booting {
		t.Error("the next master does not know that nothing has served yet")
	}
	first := generations.Legacy{}
	if err := json.Unmarshal(m.serving().Legacy().State, &first); err != nil {
		t.Fatal(err)
	}
	document.Generations = map[int]generations.Legacy{1: first}
	for _, test := range []struct {
		document succession.Document
		phase    machine.Phase
		over     bool
	}{
		{document, machine.Booting, false},
		{document, machine.Running, false},
		{succession.Document{Serving: document.Serving, Generations: document.Generations}, machine.Booting, false},
		{succession.Document{Serving: document.Serving, Generations: document.Generations}, machine.Running, true},
	} {
		m.boot = &boot{}
		if err := m.takeOverBoot(&test.document, test.phase); err != nil {
			t.Fatal(err)
		}
		if err := m.whole(); err != nil || m.stage.is().Served != test.over {
			t.Errorf("%s, booting %t: %v, over %t", test.phase, test.document.Booting, err, m.stage.is().Served)
		}
		if !test.over {
			m.started() // the first worker is ready
			m.later.Wait()
		}
	}
	m.boot = &boot{}
	m.stage.takeOver(false, false)
	if err := m.whole(); err == nil || !strings.Contains(err.Error(), "first sockets") {
		t.Errorf("the sockets of the start are missing: %v", err)
	}
}
