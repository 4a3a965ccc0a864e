package launch

import "testing"

// TestWord: an early report of readiness counts once, when the worker accepts, also under the next
// master.
func TestWord(t *testing.T) {
	b := newBinder(nil)
	if b.holdBack(byNotify) {
		t.Error("a worker without sockets of its own has to accept")
	}
	b.own, b.addresses = true, []string{"127.0.0.1:80"}
	if !b.holdBack(byNotify) {
		t.Fatal("the report counts before the worker accepts")
	}
	var l processLegacy
	b.legacy(&l)
	next := newBinder(nil)
	next.restore(l)
	for master, b := range map[string]*binder{"this": b, "the next": next} {
		if word := b.accepted(); word != byNotify {
			t.Errorf("%s master has the report %q", master, word)
		}
		if word := b.accepted(); word != "" || b.holdBack(byIPC) {
			t.Errorf("%s master holds back the report forever: %q", master, word)
		}
	}
}
