package prove

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStall: a load of which no request can be sent ends by itself.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := prepare(Options{URL: "http://127.0.0.1/", Timeout: time.Second, MinRequests: 1})
		if err != nil {
			t.Fatal(err)
		}
		l.clients[0].tally.ok.Add(1)
		l.clients[1].tally.lost[localPorts].Add(5)
		r := newReporter(l)
		r.roller, r.killer, r.repeater = &roller{load: l}, newKiller(l, ""), &repeater{load: l}
		end := r.begin()
		start := time.Now()
		l.until(l.enough)
		end()
		if took := time.Since(start); took < 13*time.Second || took > 16*time.Second {
			t.Errorf("gave up after %v", took)
		}
		_, err = conclude(t.Context(), l, r.roller, r.killer, r.repeater)
		if err == nil || !strings.Contains(err.Error(), "out of local ports 5 times") {
			t.Errorf("error %v", err)
		}
	})
}

func TestSeveralErrorsAreOneLine(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	err := join(first, second)
	if err.Error() != "first; second" || !errors.Is(err, second) || join(first, nil) != first {
		t.Errorf("%v", err)
	}
}
