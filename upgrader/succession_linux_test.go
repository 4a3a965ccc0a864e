package upgrader_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/testproc"
	"relevo/upgrader"
)

// TestSuccession by both carriers, again and again: the sockets stay, clients that wait in their
// queues are not lost, the modes do not change, and no runtime polls the sockets.
func TestSuccession(t *testing.T) {
	for _, orders := range []string{"flip flip flip", "exec exec exec", "flip exec flip exec"} {
		t.Run(orders, func(t *testing.T) {
			path := testproc.SocketPath(t)
			m := testproc.Spawn(t, "master", nil, path)
			_, first := holds(t, m)
			pid := m.Cmd.Process.Pid
			client, err := net.Dial("tcp", strings.Fields(first[0])[1])
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			for order := range strings.FieldsSeq(orders) {
				m.Say(order)
				who, listeners := holds(t, m)
				if fmt.Sprint(listeners) != fmt.Sprint(first) {
					t.Errorf("after %s: %q, before %q", order, listeners, first)
				}
				if fields := strings.Fields(who); (fields[1] == fmt.Sprint(pid)) != (order == "exec") || fields[2] != "[]" {
					t.Errorf("after %s of pid %d: %s", order, pid, who)
				} else {
					fmt.Sscan(fields[1], &pid)
				}
			}
			client.SetDeadline(time.Now().Add(tooLong))
			if _, err := client.Write([]byte("still there?")); err != nil {
				t.Errorf("a client that waited: %v", err)
			}
			m.In.Close()
			for m.Lines.Scan() {
				t.Errorf("the master says %q", m.Lines.Text())
			}
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s is left", path)
			}
		})
	}
}

// holds reads what a master reports of itself and its listeners.
func holds(t *testing.T, c *testproc.Child) (who string, listeners []string) {
	t.Helper()
	if who = c.Line(); strings.HasPrefix(who, "failed:") {
		t.Fatal(who)
	}
	for range 3 {
		listeners = append(listeners, c.Line())
	}
	for _, l := range listeners {
		if fields := strings.Fields(l); len(fields) != 5 || fields[2] != "1" || fields[3] != "false" || fields[4] != "true" {
			t.Fatalf("%s: %q, want one copy, not polled, non-blocking", who, listeners)
		}
	}
	return who, listeners
}

// TestManyFiles: a large pool has more files than fit into one message.
func TestManyFiles(t *testing.T) {
	files := map[string]*os.File{}
	for i := range 1000 {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprint(f, i)
		files[fmt.Sprintf("file.%d", i)] = f
	}
	gone, _ := os.Open(os.DevNull)
	gone.Close()
	files["closed"] = gone
	got := upgrader.PassAround(t, []byte("document"), files)
	if string(got.Document) != "document" || len(got.Names()) != 1000 {
		t.Fatalf("document %q, %d files", got.Document, len(got.Names()))
	}
	for i := range 1000 {
		f, err := got.File(fmt.Sprintf("file.%d", i))
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 10)
		n, _ := f.ReadAt(text, 0)
		f.Close()
		if string(text[:n]) != fmt.Sprint(i) {
			t.Fatalf("file %d contains %q", i, text[:n])
		}
	}
	if _, err := got.File("file.1"); !errors.Is(err, upgrader.ErrNotInLegacy) {
		t.Errorf("a file was taken twice: %v", err)
	}
}

// TestDocumentSurvivesAnything: whatever part of the newest content is cut off or overwritten, a
// read returns one of the last two contents as a whole, or nothing.
func TestDocumentSurvivesAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		d, err := upgrader.NewDocument()
		if err != nil {
			t.Fatal(err)
		}
		var written [][]byte
		for i := range 1 + random.IntN(5) {
			content := bytes.Repeat([]byte{byte('a' + i)}, random.IntN(3000))
			written = append(written, content)
			if err := d.Write(content); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := d.Read(); err != nil || !bytes.Equal(got, written[len(written)-1]) {
			t.Fatalf("round %d: read %d bytes, %v", round, len(got), err)
		}
		// A write that was cut off has written the beginning of the other slot.
		slot := int64(len(written)+1) % 2 * (64 << 20)
		garbage := make([]byte, random.IntN(200))
		for i := range garbage {
			garbage[i] = byte(random.Uint32())
		}
		d.File().WriteAt(garbage, slot)
		if got, err := d.Read(); err != nil || !bytes.Equal(got, written[len(written)-1]) {
			t.Fatalf("round %d: after half a write: read %d bytes, %v", round, len(got), err)
		}
		d.File().WriteAt(garbage, 64<<20-slot)
		if got, err := d.Read(); len(garbage) > 0 && err == nil {
			t.Fatalf("round %d: read %d bytes of garbage", round, len(got))
		}
		d.Close()
	}
}

// TestDamagedDocument: a damaged document is refused.
func TestDamagedDocument(t *testing.T) {
	fd, err := unix.MemfdCreate("empty", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	in := upgrader.NewReceived(map[string]int{"document": fd})
	defer in.Close()
	if err := in.Read(); !errors.Is(err, upgrader.ErrNoDocument) {
		t.Errorf("an empty document: %v", err)
	}
	if err := upgrader.NewReceived(map[string]int{}).Read(); !errors.Is(err, upgrader.ErrNotInLegacy) {
		t.Errorf("no document: %v", err)
	}
}

// approves is the script of a program that says that it can take over.
const approves = `n=$(sed 's/.*"verdict":\([0-9]*\).*/\1/' /proc/self/fd/$RELEVO_LEGACY_CHECK); ` +
	`echo yes >/proc/self/fd/$n`

// TestProgramOpenForWriting: a program that is still being written, or that a forked child of its
// writer has open, is started once it is closed.
func TestProgramOpenForWriting(t *testing.T) {
	const heldFor = 200 * time.Millisecond
	program := filepath.Join(t.TempDir(), "relevo")
	copyOf(t, os.Args[0], program)
	m := testproc.SpawnFrom(t, program, "master", nil, testproc.SocketPath(t))
	holds(t, m)
	copyOf(t, program, program+".new")
	writer, err := os.OpenFile(program+".new", os.O_WRONLY, 0)
	if err == nil {
		err = os.Rename(program+".new", program)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.Say("flip")
	time.AfterFunc(heldFor, func() { writer.Close() })
	holds(t, m)

	path := filepath.Join(t.TempDir(), "relevo")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+approves+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	second, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(heldFor, func() { second.Close() })
	if err := (&upgrader.InPlace{Path: path, Args: []string{path, "run"}}).Check(upgrader.Legacy{}); err != nil {
		t.Error(err)
	}
}

func copyOf(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestProgramReplacedAfterCheck: a program that was replaced after the check is not run.
func TestProgramReplacedAfterCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relevo")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(approves)
	in := &upgrader.InPlace{Path: path, Args: []string{path, "run"}}
	if err := in.Check(upgrader.Legacy{}); err != nil {
		t.Fatal(err)
	}
	write("echo the wrong one is run; exit 1")
	wantContains(t, in.Exec(upgrader.Legacy{}), "cannot run "+path, "was replaced after it was checked")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantContains(t, in.Exec(upgrader.Legacy{}), "no such file")
}

// TestExecAwaitsSignals: before the exec is decided on, signals that other threads are about to take
// are waited for. The exec would discard them.
func TestExecAwaitsSignals(t *testing.T) {
	runtime.LockOSThread() // only this thread can take the signal
	defer runtime.UnlockOSThread()
	held := []syscall.Signal{unix.SIGWINCH}
	in := &upgrader.InPlace{Path: "/nowhere", Args: []string{"x"}, HoldBack: held}
	outer := &upgrader.InPlace{Path: "/nowhere", Args: []string{"x"}, HoldBack: held, Still: func() error {
		if err := unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGWINCH); err != nil {
			t.Error(err)
		}
		began := time.Now()
		wantContains(t, in.Exec(upgrader.Legacy{}), "cannot run /nowhere")
		if took := time.Since(began); took < upgrader.TakenWithin {
			t.Errorf("the exec was only %v after a signal that no thread had taken", took)
		}
		return errors.New("called off")
	}}
	wantContains(t, outer.Exec(upgrader.Legacy{}), "called off")
}

// TestCheckInPlace: a program that fails, hangs or is missing is found out while there is still a
// way back.
func TestCheckInPlace(t *testing.T) {
	check := func(script string) error {
		return (&upgrader.InPlace{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Patience: 300e6}).Check(
			upgrader.Legacy{Document: []byte("state")})
	}
	if err := check(approves); err != nil {
		t.Error(err)
	}
	wantContains(t, check("exit 0"), "does not say that it can take over")
	wantContains(t, check("echo no such version >&2; exit 3"), "cannot replace the master", "exit status 3",
		"it says: no such version")
	wantContains(t, check("sleep 60"), "does not answer within 300ms")
	wantContains(t, (&upgrader.InPlace{Path: "/nowhere"}).Check(upgrader.Legacy{}), "cannot replace the master",
		"/nowhere")
	wantContains(t, (&upgrader.InPlace{Path: "/nowhere", Args: []string{"x"}}).Exec(upgrader.Legacy{}),
		"cannot run /nowhere")
}
