package pool

import "testing"

// Connections that were not handed over after all are counted again, even after the worker's end.
func TestNotHandedOver(t *testing.T) {
	p := New(Options{})
	p.connections = Connections{HandedOver: 5, Rescued: 1}
	gone := &member{id: 1}
	p.reported(gone, NotHandedOver{Rescued: 2})
	p.reported(gone, NotHandedOver{Cut: 1})
	p.reported(gone, RelayCut{Count: 1})
	want := "0 finished, 2 handed over, 2 rescued, 2 cut: 2 not HTTP/1 (TLS, HTTP/2)"
	if got := p.connections.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
