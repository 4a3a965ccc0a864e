package seats_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/upgrader/listeners/seats"
)

// The steering changes while a socket is shut down and not yet repaired. Whichever socket it is, its
// worker serves again.
func TestSteeredWhileShutDown(t *testing.T) {
	for _, network := range []string{"0.0.0.0:0", "127.0.0.1:0", onlyIPv6} {
		for _, shut := range []int{-1, 0, 1, 2} {
			c := newCrew(t, network, 3)
			for _, name := range c.names {
				must(t, c.Serve(name))
			}
			file := c.common
			if shut >= 0 {
				file = c.files[c.names[shut]]
			}
			for _, how := range []int{unix.SHUT_RDWR, unix.SHUT_RD} {
				must(t, unix.Shutdown(int(file.Fd()), how))
				for _, name := range c.names { // each of these steers
					must(t, c.Suspend(name, true))
					must(t, c.Suspend(name, false))
				}
				if err := c.Heal(); err != nil {
					t.Fatal(network, shut, err)
				}
				if c.Renewed() {
					t.Fatal(network, "the common socket had to be replaced")
				}
				for _, name := range c.names {
					must(t, c.Serve(name)) // without a seat if the socket had to be replaced
				}
			}
			if network != onlyIPv6 {
				c.inOrder()
			}
		}
	}
}

// All sockets are shut down at once, the steering changes, and a new worker takes a seat.
func TestTakenWhileAllAreShutDown(t *testing.T) {
	c := newCrew(t, "127.0.0.1:0", 3)
	must(t, unix.Shutdown(int(c.common.Fd()), unix.SHUT_RDWR))
	for _, name := range c.names {
		must(t, c.Leave(name))
		c.shut(name)
	}
	c.names = append(c.names, "w3")
	serve(t, take(t, c.Group, "w3", 3), "w3")
	c.inOrder()
}

// poison shuts a socket down and then attaches the steering through it, as happens if a worker shuts
// its socket down at that moment: the kernel makes a new group that has only this socket.
func poison(t *testing.T, g *seats.Group, file *os.File) {
	t.Helper()
	port := int(g.Address().Port())
	must(t, unix.Shutdown(int(file.Fd()), unix.SHUT_RDWR))
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	must(t, unix.SetsockoptSockFprog(int(file.Fd()), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: 1, Filter: &program[0]}))
	err := unix.Bind(int(file.Fd()), &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err == unix.EINVAL { // the socket still has its port
		err = unix.Listen(int(file.Fd()), 5)
	}
	if err != unix.EADDRINUSE {
		t.Fatalf("%v; this kernel can repair such a socket", err)
	}
}

// A socket that cannot listen again is replaced: the next worker of the slot gets the new one.
func TestRenewed(t *testing.T) {
	for name, shut := range map[string]int{"first": 0, "middle": 1, "last": 3} {
		t.Run(name, func(t *testing.T) {
			c := newCrew(t, "0.0.0.0:0", 4)
			for _, name := range c.names {
				must(t, c.Serve(name))
			}
			worker := c.names[shut]
			copied, err := unix.Dup(int(c.files[worker].Fd())) // the worker's own descriptor
			must(t, err)
			defer unix.Close(copied)
			poison(t, c.Group, c.files[worker])
			must(t, c.Heal())
			if c.Has(worker) || c.Serve(worker) == nil {
				t.Error("the worker still has a seat")
			}
			must(t, c.Gone(worker))
			c.names[shut] = "next"
			file := take(t, c.Group, "next", shut)
			if file != c.files[worker] {
				t.Error("the slot's seat was not used")
			}
			serve(t, file, "next")
			c.inOrder()
			if c.Renewed() {
				t.Error("the common socket is a new one")
			}
		})
	}
}

// The common socket is replaced behind its owner's descriptor, and Renewed reports it.
func TestCommonRenewed(t *testing.T) {
	c := newCrew(t, "127.0.0.1:0", 2)
	must(t, c.Serve("w1"))
	poison(t, c.Group, c.common)
	err := c.Heal()
	must(t, err)
	if !c.Renewed() || c.Renewed() {
		t.Error("Renewed does not report it exactly once")
	}
	c.inOrder()
	serve(t, c.common, "new")
	must(t, c.ServeCommon(1))
	must(t, c.Leave("w0"))
	must(t, c.Leave("w1"))
	if got := ask(t, c.Group, "127.0.0.1"); got != "new" {
		t.Errorf("%q served", got)
	}
}

// The keeper gets the new socket.
func TestRenewedIsKept(t *testing.T) {
	kept := keeper{}
	o := options(t)
	o.Keeper = kept
	g, err := seats.New(listenShared(t, "127.0.0.1:0"), o)
	must(t, err)
	defer g.Close()
	poison(t, g, take(t, g, "w0", 0))
	before := kept["seat.1"]
	err = g.Heal()
	must(t, err)
	if now := kept["seat.1"]; now == before || now == 0 {
		t.Errorf("inode %d is kept; it was %d before", now, before)
	}
}

// keeper records the inodes of the sockets that it was given.
type keeper map[string]uint64

func (k keeper) Keep(name string, file *os.File) {
	var stat unix.Stat_t
	if unix.Fstat(int(file.Fd()), &stat) == nil {
		k[name] = stat.Ino
	}
}

func (k keeper) Drop(name string) { delete(k, name) }
