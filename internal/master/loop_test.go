package master

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/decide"
	"relevo/internal/hangup"
	"relevo/pool"
)

// TestLateResults: a result with a number that is not awaited changes nothing, and a generation that
// was prepared for it is closed.
func TestLateResults(t *testing.T) {
	t.Parallel()
	m := beginner(t)
	l := newLoop(m.core, m.rolls, m.requests, m.replacement) // the loop does not run
	app := m.app()
	listen, err := config.ParseListen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen.Name = "late"
	app.Listen = []config.Listen{listen}
	late, err := m.generations.Prepare(app, "")
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan answer, 1)
	l.handle(workAsked{task{kind: held}, answers})
	for _, m := range []message{
		prepared{number: 7, generation: late}, prepared{number: 7, err: errors.New("no file")}, workDone{number: 7},
		concluded{number: 7}, timerRang{7},
	} {
		l.handle(m)
	}
	l.outside.Wait()
	if all, _ := m.listeners.Set.Legacy(); len(all) > 0 {
		t.Errorf("the generation is still open: %v", all)
	}
	if !l.agenda.Works(1) {
		t.Error("the work was ended by the result of other work")
	}
	if len(answers) != 1 || len(l.wanted) != 0 {
		t.Errorf("%d answers, %v", len(answers), l.wanted)
	}
}

// TestRefused: a roll that was refused, and for which no caller waits, is requested again after a
// while; the status warns of that. A look at the bytes replaces that request.
func TestRefused(t *testing.T) {
	m := beginner(t)
	synctest.Test(t, func(t *testing.T) {
		rs := &rolls{core: m.core, box: newMailbox()}
		l := newLoop(m.core, rs, &requests{m.core, rs}, &replacement{m.core, rs})
		go l.run()
		rs.box.post(concluded{number: 1, refused: errors.New("no room")})
		synctest.Wait()
		if w := m.announcer.Warnings.List(); len(w) != 1 {
			t.Errorf("warnings: %q", w)
		}
		rs.box.post(looked{})
		<-time.After(decide.FirstWait)
		if synctest.Wait(); len(l.wanted) != 0 {
			t.Errorf("requested again in spite of a look: %v", l.wanted)
		}
		rs.box.post(concluded{number: 1, refused: errors.New("no room")})
		<-time.After(2 * decide.FirstWait)
		if synctest.Wait(); len(l.wanted) != 1 {
			t.Errorf("not requested again: %v", l.wanted)
		}
		rs.box.post(over{})
		l.end()
	})
	m.announcer.Warnings.Set(announce.WatchWarning, "")
}

// TestAfterTheEnd: a request to a loop that has ended does not wait forever.
func TestAfterTheEnd(t *testing.T) {
	t.Parallel()
	m := beginner(t)
	done := m.box.hold()
	waits := make(chan error)
	go func() {
		_, err := m.rollAgain(false, false) // waits for its turn
		waits <- err
	}()
	m.loop.end()
	m.loop.end()
	if err := <-waits; !errors.Is(err, pool.ErrNotRunning) {
		t.Errorf("a request that waited for its turn: %v", err)
	}
	done()
	m.box.hold()()
	if err := m.box.settled(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := m.rollAgain(false, false); !errors.Is(err, pool.ErrNotRunning) {
		t.Error(err)
	}
}

// TestHears: signals are handled one after the other, and the end of hearing waits for the last of
// them. While a signal is on its way to the loop, the loop is not idle.
func TestHears(t *testing.T) {
	t.Parallel()
	m := beginner(t)
	m.stage.use(pool.Ended())
	rs := &rolls{core: m.core, box: newMailbox()}
	l := newLoop(m.core, rs, &requests{m.core, rs}, &replacement{m.core, rs}) // the loop does not run
	listens := func() bool {
		signals, _, idle := l.listens()
		if (signals == nil) != (idle == nil) {
			t.Error("idle while a signal is handled")
		}
		return signals != nil
	}
	if listens() {
		t.Error("it hears signals before hear")
	}
	begun := make(chan struct{})
	l.handle(hears{true, begun})
	<-begun
	if !listens() {
		t.Error("it does not hear signals")
	}
	stop := make(chan struct{})
	l.deal(func() { <-stop }, bySignal)
	if listens() {
		t.Error("it hears a signal while it handles another")
	}
	hushed := make(chan struct{})
	l.handle(hungUp{hangup.Terminal})
	l.handle(hears{false, hushed})
	select {
	case <-hushed:
		t.Error("it does not wait for the signal that is being handled")
	default:
	}
	if len(l.hangups) != 1 || !l.stops.accepted.IsZero() {
		t.Errorf("%v, %v", l.hangups, l.stops)
	}
	close(stop)
	l.handle(<-rs.box.messages)
	if l.stops.accepted.IsZero() || len(l.hangups) != 0 || !l.dealing {
		t.Error("the hangup is not handled after the signal")
	}
	for range 2 { // the stop that the hangup requests, and its end
		l.handle(<-rs.box.messages)
	}
	<-hushed
	if listens() {
		t.Error("it still hears signals")
	}
}

// TestUnknownMessage: a message that the loop does not know is an internal error.
func TestUnknownMessage(t *testing.T) {
	t.Parallel()
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "master.forgotten") {
			t.Error(text)
		}
	}()
	new(loop).handle(forgotten{})
}

type forgotten struct{}

func (forgotten) message() {}
