package ipc

import (
	"bytes"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// receiveWith reads from the worker's end what comes by one recvmsg(2), and how many
// descriptors came with it.
func receiveWith(t *testing.T, worker *os.File) (text string, descriptors int) {
	t.Helper()
	data, control := make([]byte, 1<<20), make([]byte, 1024)
	n, controls, _, _, err := unix.Recvmsg(int(worker.Fd()), data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:controls])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			unix.Close(fd)
		}
		descriptors += len(fds)
	}
	return string(data[:n]), descriptors
}

func TestSendSocket(t *testing.T) {
	master, worker, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	c := NewChannel(master, Rest{}, func(Message) {}, func(error) {}, func(Flood) {})
	defer c.Wait()
	defer c.Close()
	for _, file := range []*os.File{os.Stdin, nil} {
		if err := c.SendSocket([]byte(`{"a":1}`), file); err != nil {
			t.Fatal(err)
		}
		want := 0
		if file != nil {
			want = 1
		}
		if text, n := receiveWith(t, worker); text != "{\"a\":1}\n" || n != want {
			t.Errorf("%q came with %d descriptors, want %d", text, n, want)
		}
	}
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if err := c.SendSocket([]byte(`2`), closed); err != nil {
		t.Fatal(err)
	}
	if text, n := receiveWith(t, worker); text != "2\n" || n != 0 {
		t.Errorf("%q came with %d descriptors of a closed file", text, n)
	}
	if err := c.SendSocket(bytes.Repeat([]byte("a"), MaxLine+1), nil); err != ErrLineTooLong {
		t.Errorf("a line that is too long: %v", err)
	}
}

// A descriptor that waits behind a peer that does not read is not handed on, and that is
// said; what waits beside it is.
func TestSocketWithheld(t *testing.T) {
	master, worker, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	c := NewChannel(master, Rest{}, func(Message) {}, func(error) {}, func(Flood) {})
	long := []byte(`"` + strings.Repeat("x", MaxLine-2) + `"`)
	for _, line := range [][]byte{long, []byte("1")} {
		if err := c.SendSocket(line, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SendSocket([]byte("2"), os.Stdin); err != nil {
		t.Fatal(err)
	}
	if err := c.SendSocket([]byte("3"), nil); err != nil {
		t.Fatal(err)
	}
	if !unreadSoon(worker) {
		t.Fatal("nothing was sent")
	}
	rest, err := c.Detach()
	if err != nil {
		t.Fatal(err)
	}
	if !rest.Withheld {
		t.Error("nothing says that a descriptor waits")
	}
	next := NewChannel(master, rest, func(Message) {}, func(error) {}, func(Flood) {})
	defer next.Wait()
	defer next.Close()
	var all []byte
	for buffer := make([]byte, 1<<20); !bytes.HasSuffix(all, []byte("\n3\n")); {
		n, err := worker.Read(buffer)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		all = append(all, buffer[:n]...)
	}
	if want := string(long) + "\n1\n3\n"; string(all) != want {
		t.Errorf("%d bytes came, want %d", len(all), len(want))
	}
}

// unreadSoon waits until something can be read.
func unreadSoon(f *os.File) bool {
	poll := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if n, err := unix.Poll(poll, 60_000); n == 1 || err != nil && err != syscall.EINTR {
			return n == 1
		}
	}
	return false
}
