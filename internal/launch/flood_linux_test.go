package launch

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/ipc"
	"relevo/pool"
)

var floodsNotify = behaves("flood-notify", func() {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		panic(err)
	}
	calm := make(chan os.Signal, 1)
	signal.Notify(calm, syscall.SIGUSR1)
	for sent := 1; ; sent++ {
		if _, err := conn.Write([]byte("STATUS=" + strings.Repeat("flood", 1000))); err != nil {
			os.Exit(3)
		}
		if len(calm) > 0 && sent%20 == 0 {
			time.Sleep(10 * time.Millisecond) // still ten times more than the master reads, but it keeps no processor busy
		}
	}
})

// endsHung ends a worker that hangs, as the pool does.
func endsHung(w *worker, report pool.Report) {
	if _, hung := report.(pool.Hung); hung {
		go w.Kill()
	}
}

// TestFloodOfNotifications: a flood is reported, and its sender counts as hung in the end.
// Notifications of siblings get through: most of them at once, and all of them when the sender has
// ended. Until then they compete with the sender for the kernel's queue, which holds only 10
// datagrams unless net.unix.max_dgram_qlen was raised.
func TestFloodOfNotifications(t *testing.T) {
	t.Parallel()
	r := notified(t, "web")
	began := time.Now()
	flooder := r.startAs(r.prepare(floodsNotify.command()), order, endsHung)
	said := expect[pool.Said](flooder)
	if text := said.Message.(ipc.Status).Text; len(text) > maxStatus {
		t.Errorf("a status of %d bytes", len(text))
	}
	flooding := expect[pool.Flooding](flooder)
	var dropped int
	if _, err := fmt.Sscanf(flooding.What, "notify socket, %d datagrams dropped", &dropped); err != nil || dropped == 0 {
		t.Errorf("told %q", flooding.What)
	}
	for range 3 {
		began := time.Now()
		sibling := r.start(notifiesReady.command())
		expect[pool.Online](sibling)
		expect[pool.Ready](sibling)
		t.Logf("ready after %v", time.Since(began))
		if took := time.Since(began); took > floodPatience+10*time.Second {
			t.Errorf("a sibling was ready after %v", took)
		}
		sibling.end()
	}
	flooder.Signal(syscall.SIGUSR1) // its siblings are ready: from now on a smaller flood is enough
	if hung := expect[pool.Hung](flooder); hung.Reason != "floods the notify socket" {
		t.Errorf("hung: %q", hung.Reason)
	}
	if patient := time.Since(began); patient < floodPatience {
		t.Errorf("it counts as hung after only %v", patient)
	}
	flooder.end()
	told := 0
	for _, report := range flooder.seen {
		if _, ok := report.(pool.Said); ok {
			told++
		}
	}
	if most := 1000 + 200*int(time.Since(began).Seconds()+2); told > most {
		t.Errorf("%d datagrams were reported, want at most %d", told, most)
	}
}

var floodsChannel = behaves("flood-channel", func() {
	channel := openChannel()
	for {
		fmt.Fprintln(channel, `{"n":1}`)
	}
})

// TestFloodOfMessages: the worker is slowed down and this is reported; nothing else happens.
func TestFloodOfMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	w := r.start(floodsChannel.command())
	began := time.Now()
	said := 0
	for {
		report := w.next()
		if flooding, ok := report.(pool.Flooding); ok {
			wantError(t, flooding.What, "channel, ", "messages over the limit")
			break
		}
		if _, ok := report.(pool.Said); ok {
			said++
		}
	}
	if most := 5000 + 2000*int(time.Since(began).Seconds()+2); said > most {
		t.Errorf("%d messages were read, want at most %d", said, most)
	}
	w.end()
	if saw[pool.Hung](w) {
		t.Error("it counts as hung")
	}
}

// TestEarlyBytes: of what a worker says before its program is known to run, only the part that
// counts is kept.
func TestEarlyBytes(t *testing.T) {
	p := &Process{}
	for range 2 * maxEarly {
		p.notified(ipc.Notification{"STATUS": strings.Repeat("x", 8000), "READY": "1", "OTHER": strings.Repeat("x", 8000)})
	}
	if len(p.early) != maxEarly || len(p.early[0]) != 2 || len(p.early[0]["STATUS"]) != maxStatus {
		t.Errorf("%d notifications are kept, the first with %d assignments", len(p.early), len(p.early[0]))
	}
}
