package seats_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/testreq"
	"relevo/upgrader/listeners/seats"
)

// kept is a Keeper with descriptors of its own, as systemd has.
type kept struct {
	t     *testing.T
	files map[string]*os.File
}

func newKept(t *testing.T) *kept {
	k := &kept{t, map[string]*os.File{}}
	t.Cleanup(func() {
		for _, file := range k.files {
			file.Close()
		}
	})
	return k
}

func (k *kept) Keep(name string, file *os.File) {
	if k.files[name] != nil {
		k.t.Errorf("%s is kept twice", name)
	}
	k.files[name] = duplicate(k.t, file)
}

func (k *kept) Drop(name string) {
	k.files[name].Close()
	delete(k.files, name)
}

// duplicate returns another descriptor of the same socket. os.NewFile would put a non-blocking
// socket into the runtime's poller, and changing its mode would change it for all. So the File
// is made of another descriptor, which the socket then replaces.
func duplicate(t testing.TB, file *os.File) *os.File {
	t.Helper()
	placeholder, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	must(t, err)
	copied := os.NewFile(uintptr(placeholder), file.Name())
	must(t, unix.Dup3(int(file.Fd()), placeholder, unix.O_CLOEXEC))
	return copied
}

// passOn returns what a successor gets: the document in JSON, and descriptors of its own.
func passOn(t *testing.T, l seats.Legacy, files map[string]*os.File) (seats.Legacy, map[string]*os.File) {
	t.Helper()
	text, err := json.Marshal(l)
	must(t, err)
	var read seats.Legacy
	must(t, json.Unmarshal(text, &read))
	if !reflect.DeepEqual(l, read) {
		t.Errorf("the document became\n%+v from\n%+v", read, l)
	}
	copies := map[string]*os.File{}
	for name, file := range files {
		copies[name] = duplicate(t, file)
	}
	return read, copies
}

// Another master continues with the state of the first one: which workers serve, which slot each
// queue belongs to, and which options each program has set.
func TestTakeOver(t *testing.T) {
	common := listenShared(t, "127.0.0.1:0")
	first, err := seats.New(common, options(t))
	must(t, err)
	defer first.Detach()
	var servers []*server
	for slot := range 3 {
		name := fmt.Sprint("w", slot)
		file, err := first.Take(name, slot, seats.SocketOptions{
			Nonblock: true, Backlog: 17, Set: []seats.Option{deferAccept},
		})
		must(t, err)
		servers = append(servers, serve(t, file, name))
	}
	take(t, first, "dead", 3)
	must(t, first.Serve("dead"))
	waiting := dial(t, first, "127.0.0.1")
	defer waiting.Close()
	eventually(t, "in the queue", func() bool { return queue(t, first, "dead").Waiting == 1 })
	must(t, first.Serve("w1"))
	must(t, first.Gone("dead"))

	before, files := first.Legacy()
	state, copies := passOn(t, before, files)
	second, err := seats.TakeOver(common, state, copies, options(t))
	must(t, err)
	defer second.Close()
	first.Detach()
	if after, _ := second.Legacy(); !reflect.DeepEqual(before, after) {
		t.Errorf("inherited\n%+v of\n%+v", after, before)
	}
	if !second.Serving("w1") || second.Serving("w0") {
		t.Error("Serving is wrong about a worker")
	}
	useInherited(t, second, waiting)
	must(t, second.Accepted(patience(t), "w0"))
	eventually(t, "w0 has accepted its probe", func() bool { return servers[0].count() == 1 })
}

// useInherited uses the inherited group of TestTakeOver.
func useInherited(t *testing.T, second *seats.Group, waiting net.Conn) {
	t.Helper()
	for range 16 { // nothing was touched in the kernel
		if got := say(t, dial(t, second, "127.0.0.1")); got != "w1" {
			t.Fatalf("%q served", got)
		}
	}
	must(t, second.Serve("w2"))
	must(t, second.Leave("w1"))
	if got := say(t, dial(t, second, "127.0.0.1")); got != "w2" {
		t.Errorf("%q served", got)
	}
	serve(t, take(t, second, "alive", 3), "alive")
	if got := say(t, waiting); got != "alive" {
		t.Errorf("%q served the dead worker's client", got)
	}
	if take(t, second, "new", 9).Name() != "seat.5" {
		t.Error("an ID was used twice")
	}
	err := second.Heal()
	must(t, err)
}

// A master that hands over during a probe does not change the successor's steering.
func TestDetachDuringProbe(t *testing.T) {
	common := listenShared(t, "127.0.0.1:0")
	first, err := seats.New(common, options(t))
	must(t, err)
	serve(t, take(t, first, "w0", 0), "w0")
	take(t, first, "w1", 1)
	must(t, first.Serve("w0"))
	probed := make(chan error)
	go func() { probed <- first.Accepted(patience(t), "w1") }()
	eventually(t, "w1 is probed", func() bool { return queue(t, first, "w1").Waiting == 1 })
	before, files := first.Legacy()
	state, copies := passOn(t, before, files)
	second, err := seats.TakeOver(common, state, copies, options(t))
	must(t, err)
	defer second.Close()
	go first.Detach()
	if err := <-probed; !errors.Is(err, seats.ErrNoSeat) {
		t.Errorf("the probe: %v", err)
	}
	first.Detach()
	must(t, first.Leave("w0"))
	must(t, first.ServeCommon(1))
	for range 16 {
		if got := ask(t, second, "127.0.0.1"); got != "w0" {
			t.Fatalf("%q served", got)
		}
	}
}

// say sends the data that the program waits for, and returns the answer.
func say(t *testing.T, conn net.Conn) string {
	t.Helper()
	defer conn.Close()
	if _, err := io.WriteString(conn, "x"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n, err := conn.Read(got)
	must(t, err)
	return string(got[:n])
}

// After a master was killed, its last document may be older than the seats in the store and
// older than their order.
func TestTakeOverAfterACrash(t *testing.T) {
	common := listenShared(t, "127.0.0.1:0")
	store := newKept(t)
	o := options(t)
	o.Keeper = store
	first, err := seats.New(common, o)
	must(t, err)
	for slot := range 4 {
		name := fmt.Sprint("w", slot)
		serve(t, take(t, first, name, slot), name)
	}
	must(t, first.Serve("w0"))
	old, _ := first.Legacy()
	late := take(t, first, "late", 4)
	if len(store.files) != 5 {
		t.Errorf("the store has %d files", len(store.files))
	}
	must(t, unix.Shutdown(int(late.Fd()), unix.SHUT_RDWR))
	must(t, unix.Shutdown(int(store.files["seat.2"].Fd()), unix.SHUT_RDWR))
	must(t, unix.Listen(int(store.files["seat.2"].Fd()), 5))
	first.Detach()

	state, copies := passOn(t, old, store.files)
	second, err := seats.TakeOver(common, state, copies, options(t))
	must(t, err)
	defer second.Close()
	if state, _ := second.Legacy(); len(state.Members) != 6 {
		t.Errorf("%d members, want 6", len(state.Members))
	}
	if err := second.Heal(); err != nil {
		t.Fatal(err)
	}
	c := &crew{Group: second, t: t, names: []string{"w0", "w1", "w2", "w3"}}
	c.inOrder()
	if got := take(t, second, "w5", 5); got != copies["seat.5"] {
		t.Errorf("the free seat was not used, but %s", got.Name())
	}
}

// The store loses the seats that are closed.
func TestKeeper(t *testing.T) {
	store := newKept(t)
	o := options(t)
	o.Keeper = store
	g, err := seats.New(listenShared(t, "127.0.0.1:0"), o)
	must(t, err)
	take(t, g, "w0", 0)
	take(t, g, "w1", 1)
	must(t, g.Gone("w1"))
	must(t, g.Trim(0))
	if len(store.files) != 1 {
		t.Errorf("the store has %d files after Trim", len(store.files))
	}
	must(t, g.Close())
	if len(store.files) != 0 {
		t.Errorf("the store has %d files after Close", len(store.files))
	}
}

// A closed seat leaves the kernel's group even if an escaped process has a copy of its socket.
func TestEscapedCopy(t *testing.T) {
	c := newCrew(t, "127.0.0.1:0", 1)
	escaped := duplicate(t, take(t, c.Group, "gone", 1))
	defer escaped.Close()
	must(t, c.Gone("gone"))
	must(t, c.Trim(0))
	seats.WithoutConfirmation(c.Group)
	serve(t, take(t, c.Group, "w1", 1), "w1")
	c.names = append(c.names, "w1")
	c.inOrder()
}

// TakeOver refuses what cannot be a group.
func TestNewRefuses(t *testing.T) {
	file := func(l interface {
		net.Listener
		File() (*os.File, error)
	}, err error) *os.File {
		must(t, err)
		defer l.Close()
		file, err := l.File()
		must(t, err)
		t.Cleanup(func() { file.Close() })
		return file
	}
	tcp := func(multipath bool) *os.File {
		var lc net.ListenConfig
		lc.SetMultipathTCP(multipath)
		l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
		must(t, err)
		return file(l.(*net.TCPListener), nil)
	}
	unixListener, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@relevo seats test " + fmt.Sprint(os.Getpid())})
	for name, c := range map[string]struct {
		file *os.File
		want error
	}{
		"without SO_REUSEPORT": {tcp(false), seats.ErrNoReusePort},
		"Unix":                 {file(unixListener, err), seats.ErrNotTCP},
	} {
		_, err := seats.New(c.file, options(t))
		if !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), "cannot give workers sockets of their own") {
			t.Errorf("%s: %v", name, err)
		}
	}
	multipath := tcp(true)
	protocol, err := unix.GetsockoptInt(int(multipath.Fd()), unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil || protocol == unix.IPPROTO_TCP {
		testreq.Missing(t, "this kernel has no MPTCP")
	}
	if _, err := seats.New(multipath, options(t)); !errors.Is(err, seats.ErrNotTCP) {
		t.Errorf("MPTCP: %v", err)
	}
}

func TestNewRefusesSocketOfAnotherUser(t *testing.T) {
	testreq.Root(t)
	common := listenShared(t, "127.0.0.1:0")
	must(t, unix.Fchown(int(common.Fd()), 65534, 65534))
	if _, err := seats.New(common, options(t)); !errors.Is(err, seats.ErrOtherUser) {
		t.Errorf("the socket of another user: %v", err)
	}
}
