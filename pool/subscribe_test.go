package pool_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/pooltest"
)

// flood makes the pool publish n events: messages with numbers from 0 on. It gives readers time to
// read them.
func flood(p *pooltest.Process, n int) {
	for i := range n {
		if i%256 == 0 {
			synctest.Wait()
		}
		p.Say(ipc.App{Data: []byte(strconv.Itoa(i))})
	}
}

// collect reads events until the channel is closed or no more come.
func collect(events <-chan pool.Event) (all []pool.Event, closed bool) {
	for {
		synctest.Wait()
		select {
		case e, open := <-events:
			if !open {
				return all, true
			}
			all = append(all, e)
		default:
			return all, false
		}
	}
}

// account checks that every event of a flood either came, in order, or was counted as lost at its
// place.
func account(t *testing.T, events []pool.Event, n int) (lost int) {
	t.Helper()
	next := 0
	for _, e := range events {
		switch e.Kind {
		case pool.KindLost:
			if e.App != "web" || e.Time.IsZero() || e.Count < 1 {
				t.Errorf("lost event: %+v", e)
			}
			lost, next = lost+e.Count, next+e.Count
		case pool.KindMessage:
			var i int
			if err := json.Unmarshal(e.Data, &i); err != nil || i != next {
				t.Fatalf("message %s came, want %d", e.Data, next)
			}
			next++
		}
	}
	wantEqual(t, "events accounted for", next, n)
	return lost
}

func subscribe(t *testing.T, r *rig) (<-chan pool.Event, func()) {
	t.Helper()
	events, cancel, err := r.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	return events, cancel
}

func TestSubscribe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		events, cancel := subscribe(t, r)
		flood(release.Process(1), 3)
		got, _ := collect(events)
		wantEqual(t, "events", words(got), "message message message")
		cancel()
		_, closed := collect(events)
		wantEqual(t, "closed by cancel", closed, true)
		cancel()
		flood(release.Process(1), 1)

		events, cancel = subscribe(t, r)
		r.Stop()
		<-r.ran
		got, closed = collect(events)
		wantEqual(t, "events to the end", words(got), "draining exit stopped")
		wantEqual(t, "closed by the end", closed, true)
		cancel()
	})
}

// A reader that does not read holds nothing up. As soon as it reads again it is told how many events
// it missed.
func TestSlowSubscriber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		slow, cancel := subscribe(t, r)
		defer cancel()
		const first = pool.SubscriberBuffer + 500
		flood(release.Process(1), first) // returns: the pool does not block
		wantEqual(t, "states", r.states(), "0/1 serving")

		got, _ := collect(slow)
		if len(got) < pool.MessagesBuffer {
			t.Errorf("%d events were kept, want %d", len(got), pool.MessagesBuffer)
		}
		for i := range 10 {
			release.Process(1).Say(ipc.App{Data: []byte(strconv.Itoa(first + i))})
		}
		more, _ := collect(slow)
		lost := account(t, append(got, more...), first+10)
		wantEqual(t, "lost", lost, first-len(got))
		wantEqual(t, "the journal lost", account(t, r.events(), first+10), 0)
	})
}

// Endless messages of workers do not hide the other events of the workers, and the reader is told
// how many messages it lost.
func TestSlowSubscriberAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		slow, _ := subscribe(t, r)
		flood(release.Process(1), 2*pool.SubscriberBuffer)
		r.Stop()
		<-r.ran
		got, closed := collect(slow)
		wantEqual(t, "closed", closed, true)
		wantEqual(t, "events after the messages", words(got[pool.MessagesBuffer:]), "lost draining exit stopped")
		account(t, got, 2*pool.SubscriberBuffer)
	})
}

// A reader that makes room for only one event at a time gets the number of lost events before any
// later event, and there is always room for that.
func TestSubscriberWithRoomForOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		slow, _ := subscribe(t, r)
		flood(release.Process(1), pool.MessagesBuffer+5)
		kept := []pool.Event{<-slow}
		for i := range 5 {
			release.Process(1).Say(ipc.App{Data: []byte(strconv.Itoa(pool.MessagesBuffer + 5 + i))})
		}
		r.Stop()
		<-r.ran
		rest, closed := collect(slow)
		wantEqual(t, "closed", closed, true)
		account(t, append(kept, rest...), pool.MessagesBuffer+10)
	})
}

// The journal begins with the pool, even if its reader comes late.
func TestJournalFromTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		p := pool.New(pool.Options{Release: release})
		ran := make(chan error)
		go func() { ran <- p.Run(t.Context()) }()
		synctest.Wait()
		p.Stop()
		<-ran
		got, closed := collect(p.Journal())
		wantEqual(t, "events", words(got), "fork online ready started draining exit stopped")
		wantEqual(t, "closed", closed, true)
	})
}

// The bytes that readers have not read yet are limited, for all readers together.
func TestSubscribersBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 1, release)
		const readers, large = 10, 100 << 10
		var deaf []<-chan pool.Event
		for range readers {
			events, cancel := subscribe(t, r)
			defer cancel()
			deaf = append(deaf, events)
		}
		message := ipc.App{Data: []byte(`"` + strings.Repeat("m", large) + `"`)}
		for range 500 {
			release.Process(1).Say(message)
			synctest.Wait() // the journal's reader is up to date
		}
		bytes := 0
		for _, events := range deaf {
			got, _ := collect(events)
			lost := 0
			for _, e := range got {
				bytes += len(e.Data)
				lost += e.Count
			}
			if len(got) == 0 {
				t.Error("a late reader gets nothing")
			}
		}
		if bytes > pool.SubscribersBytes {
			t.Errorf("%d bytes wait for readers, want %d at most", bytes, pool.SubscribersBytes)
		}
		release.Process(1).Say(message)
		got, _ := collect(deaf[0])
		wantEqual(t, "events when it reads again", words(got), "lost message")
	})
}
