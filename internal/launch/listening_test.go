package launch

import (
	"reflect"
	"testing"

	"relevo/pool"
)

// Captured addresses are reported once, by one of two masters. Inherited addresses are not reported
// at all.
func TestListens(t *testing.T) {
	var told []pool.Report
	newProcess := func() *Process {
		release := &Release{command: Command{Listeners: []Listener{{Address: ":80"}}}}
		return &Process{release: release, binder: newBinder(nil), sink: func(r pool.Report) { told = append(told, r) }}
	}
	p := newProcess()
	p.binder.note(Grant{Address: ":80"})
	p.binder.note(Grant{Address: ":8080"})
	p.listens()
	p.listens()
	var l processLegacy
	p.binder.legacy(&l)
	p = newProcess()
	p.binder.restore(l)
	p.binder.note(Grant{Address: ":9090"})
	p.listens()
	l.Listening, l.Settled = 0, true // from a master that did not report it
	p = newProcess()
	p.binder.restore(l)
	p.listens()
	want := []pool.Report{pool.Listening{Addresses: []string{":8080"}}, pool.Listening{Addresses: []string{":9090"}}}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("told %+v, want %+v", told, want)
	}
}
