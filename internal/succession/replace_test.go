package succession

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/pool"
	"relevo/upgrader"
)

// tooLong is for what ends at once, also on a busy machine.
const tooLong = 2 * time.Minute

// heirloom is an estate that notes what is done to it.
type heirloom struct {
	mu     sync.Mutex
	done   []string
	fails  map[string]error
	frozen func() // called while it is frozen
	thawed chan struct{}
}

func (h *heirloom) note(what string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = append(h.done, what)
	return h.fails[what]
}

func (h *heirloom) did() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.done, " ")
}

func (h *heirloom) Settle() func() { h.note("settle"); return func() { h.note("settled") } }
func (h *heirloom) Freeze(context.Context) (pool.Legacy, error) {
	return pool.Legacy{}, h.note("freeze")
}
func (h *heirloom) Thaw() { h.note("thaw"); close(h.thawed) }
func (h *heirloom) Bequeath(_ pool.Legacy, then string) (l upgrader.Legacy, done func(), err error) {
	if h.frozen != nil {
		h.frozen()
	}
	return l, func() { h.note("done") }, h.note("bequeath" + then)
}
func (h *heirloom) Number() int                         { return 7 }
func (h *heirloom) Introduce(int)                       { h.note("introduce") }
func (h *heirloom) HandOver() error                     { return h.note("handover") }
func (h *heirloom) DetachControl() error                { return h.note("detach") }
func (h *heirloom) ReturnControl(upgrader.Legacy) error { return h.note("return") }

// fakeCarrier passes a legacy to nobody.
type fakeCarrier struct {
	h     *heirloom
	still chan error // what was said in the last moment
	owed  chan []syscall.Signal
}

func (c fakeCarrier) Pass(upgrader.Legacy) (int, error) { return 4711, c.h.note("pass") }

func (c fakeCarrier) Become(_ upgrader.Legacy, still func() error, owed func() []syscall.Signal) error {
	c.h.note("become")
	err := still()
	c.still <- err
	if err == nil {
		c.owed <- owed()
		err = errors.New("cannot run it")
	}
	return err
}

type bench struct {
	*Succession
	h       *heirloom
	c       fakeCarrier
	failed  string
	signals chan os.Signal
	later   sync.WaitGroup
}

func newBench(t *testing.T) *bench {
	h := &heirloom{fails: map[string]error{}, thawed: make(chan struct{})}
	b := &bench{h: h, c: fakeCarrier{h, make(chan error, 1), make(chan []syscall.Signal, 1)},
		signals: make(chan os.Signal, 16)}
	b.Succession = New(Options{
		Log: slog.New(slog.DiscardHandler), Arrival: &Arrival{}, Estate: h, Signals: b.signals,
		Taken: []os.Signal{unix.SIGWINCH}, Failed: func(text string) { b.failed = text },
		Later:   func(do func()) { b.later.Go(do) },
		Carrier: func(Way, string, *Arrival) Carrier { return b.c },
	})
	t.Cleanup(b.later.Wait)
	return b
}

// TestReplace: another process takes over when it has said so, and only then.
func TestReplace(t *testing.T) {
	b := newBench(t)
	b.Owed.Reload()
	b.Owed.Reload()
	b.h.frozen = func() {
		if !errors.Is(b.Blocked(), pool.ErrHandedOver) {
			t.Error("something may be opened while the pool is frozen")
		}
	}
	u, err := b.Replace(Tableflip, ThenReload)
	if err != nil || u.PID != 4711 || u.How != "tableflip" || u.Successions != 7 || u.From != os.Getpid() {
		t.Errorf("%+v, %v", u, err)
	}
	if got := b.h.did(); got != "settle freeze bequeathreload pass done introduce handover settled" {
		t.Error(got)
	}
	if !b.HandedOver() || b.Blocked() == nil || b.LastFailure() != "" {
		t.Error("it is not known that another master has taken over")
	}
	if n := b.Owed.Reloads(); n != 1 {
		t.Errorf("%d reloads are owed beside the one that the next master begins with", n)
	}
	if _, err := b.Replace(Tableflip, ""); control.ExitCode(err) != control.ExitBusy {
		t.Errorf("a second successor: %v", err)
	}
}

// TestReplaceFails: whatever fails, this master keeps running, says why, and tries again what may
// succeed the next time.
func TestReplaceFails(t *testing.T) {
	shortage := os.NewSyscallError("fork", syscall.EAGAIN)
	for _, test := range []struct {
		fails   string
		err     error
		did     string
		code    int
		refused bool
	}{
		{"freeze", errors.New("too slow"), "settle freeze settled", control.ExitRollFailed, false},
		{"freeze", pool.ErrNotRunning, "settle freeze settled", control.ExitBusy, false},
		{"bequeath", errors.New("no"), "settle freeze bequeath done thaw settled", control.ExitRollFailed, false},
		{"pass", errors.New("exit status 1"), "settle freeze bequeath pass done thaw settled", control.ExitRollFailed, true},
		{"pass", shortage, "settle freeze bequeath pass done thaw settled", control.ExitRollFailed, false},
	} {
		for _, way := range []Way{Tableflip, Exec} {
			b := newBench(t)
			b.h.fails[test.fails] = test.err
			if _, err := b.Replace(way, ""); control.ExitCode(err) != test.code {
				t.Errorf("%s fails: %v", test.fails, err)
			}
			if got := b.h.did(); got != test.did {
				t.Errorf("%s fails: %s", test.fails, got)
			}
			if b.HandedOver() || b.Blocked() != nil {
				t.Errorf("%s fails, and nothing can be opened", test.fails)
			}
			told := test.code == control.ExitRollFailed
			if (b.LastFailure() != "") != told || (b.failed != "") != told {
				t.Errorf("%s fails: %q, %q", test.fails, b.LastFailure(), b.failed)
			}
			if told != (b.Failures() == 1) {
				t.Errorf("%s fails: %d failures", test.fails, b.Failures())
			}
			if refused := b.is().refused != ""; refused != test.refused {
				t.Errorf("%s fails with %v: the program is refused: %t", test.fails, test.err, refused)
			}
			if changed, err := b.ProgramChanged(); changed || err != nil {
				t.Errorf("the program has changed: %t, %v", changed, err)
			}
			delete(b.h.fails, test.fails)
			b.h.thawed = make(chan struct{})
			if _, err := b.Replace(Tableflip, ""); err != nil {
				t.Errorf("after %s has failed no other attempt succeeds: %v", test.fails, err)
			}
		}
	}
}

// TestBecomeFails: a process that could not become the next program keeps running, with the signals
// that it would have passed on, and with its control socket.
func TestBecomeFails(t *testing.T) {
	for _, stop := range []bool{false, true} {
		b := newBench(t)
		close(b.Hearing.Ended) // no reader takes signals
		b.Owed.Reload()
		if stop {
			b.h.frozen = func() { b.AskStop(true) }
		}
		if u, err := b.Replace(Exec, ThenReload); err != nil || u.How != "exec" {
			t.Fatalf("%+v, %v", u, err)
		}
		b.later.Wait()
		if err := <-b.c.still; (err != nil) != stop {
			t.Errorf("asked to stop %t, and in the last moment: %v", stop, err)
		}
		if !stop {
			if owed := <-b.c.owed; len(owed) != 0 {
				t.Errorf("%v are owed beside the reload that the next master begins with", owed)
			}
		}
		if asked, force := b.TakeStop(); asked != stop || force != stop {
			t.Errorf("the stop is forgotten: %t, %t", asked, force)
		}
		did := strings.Replace(b.h.did(), " settled", "", 1) // at any moment after the answer
		if !strings.HasSuffix(did, "return done thaw") || b.HandedOver() || b.LastFailure() == "" {
			t.Errorf("%s; %q", b.h.did(), b.LastFailure())
		}
		b.Await() // it is over
	}
}

// TestOneAtATime: while one attempt is under way there is no other, and what has to wait for
// its end waits.
func TestOneAtATime(t *testing.T) {
	b := newBench(t)
	b.h.fails["pass"] = errors.New("no")
	waited := make(chan struct{})
	b.h.frozen = func() {
		if _, err := b.Replace(Tableflip, ""); control.ExitCode(err) != control.ExitBusy {
			t.Errorf("a second attempt: %v", err)
		}
		go func() { b.Await(); close(waited) }()
		select {
		case <-waited:
			t.Error("the end of the attempt is not waited for")
		default:
		}
	}
	b.Replace(Tableflip, "")
	select {
	case <-waited:
	case <-time.After(tooLong):
		t.Error("the end of the attempt is not seen")
	}
}

// TestOwed: one reload does for several, each worker more or less counts.
func TestOwed(t *testing.T) {
	var o Owed
	o.Reload()
	o.Reload()
	o.Scale(unix.SIGTTIN)
	o.Scale(unix.SIGTTIN)
	o.Scale(unix.SIGTTOU)
	want := []syscall.Signal{unix.SIGTTIN, unix.SIGTTIN, unix.SIGTTOU, unix.SIGHUP}
	if got := o.Take(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	o.Reload()
	o.ReloadsDone(3)
	if got := o.Take(); len(got) != 0 {
		t.Errorf("%v are left", got)
	}
}
