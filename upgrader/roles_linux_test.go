package upgrader_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/testproc"
	"relevo/upgrader"
)

// nobody is the user without rights (nobody in passwd(5) of most systems).
const nobody = 65534

// roles are the programs that the children of these tests run.
func roles() testproc.Roles {
	return testproc.Roles{
		"hold":   hold,
		"spoil":  spoil,
		"nobody": listenAsNobody,
		"race":   race,
		"master": master,
		"abuse":  abuse,
		"accept": accept,
		"idle":   idle,
	}
}

// hold listens on the address in its arguments until stdin ends.
func hold(args []string) error {
	if strings.HasPrefix(args[0], "udp") {
		conn, err := net.ListenPacket(args[0], args[1])
		if err != nil {
			return err
		}
		defer conn.Close()
		fmt.Println(conn.LocalAddr())
	} else {
		listener, err := net.Listen(args[0], args[1])
		if err != nil {
			return err
		}
		defer listener.Close()
		fmt.Println(listener.Addr())
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// spoil does to an inherited listener what a careless worker does.
func spoil([]string) error {
	before, err := unix.FcntlInt(3, unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(3, false); err != nil {
		return err
	}
	if err := unix.Listen(3, 1); err != nil {
		return err
	}
	fmt.Println("nonblocking", before&unix.O_NONBLOCK != 0)
	return nil
}

// abuse does to an inherited listener what each line of its stdin names.
func abuse([]string) error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var err error
		switch lines.Text() {
		case "shutdown":
			err = unix.Shutdown(3, unix.SHUT_RDWR)
		case "shutdown reading":
			err = unix.Shutdown(3, unix.SHUT_RD)
		case "block":
			err = unix.SetNonblock(3, false)
		case "unblock":
			err = unix.SetNonblock(3, true)
		case "shorten":
			err = unix.Listen(3, 1)
		}
		fmt.Println(lines.Text(), err)
	}
	return nil
}

// accept answers each client of an inherited listener with a line. It says done when its stdin has
// ended and the queue is empty.
func accept([]string) error {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	fmt.Println("accepts")
	for {
		client, _, err := unix.Accept(3)
		switch {
		case err == nil:
			unix.Write(client, []byte("served\n"))
			unix.Close(client)
		case err == unix.EAGAIN:
			select {
			case <-ended:
				fmt.Println("done")
				return nil
			default:
				unix.Poll([]unix.PollFd{{Fd: 3, Events: unix.POLLIN}}, 1)
			}
		default:
			return err
		}
	}
}

// idle is a master with nothing to do. It reports when it has healed a listener, and shuts that down
// itself on request.
func idle([]string) error {
	u := upgrader.New(upgrader.Options{})
	u.OnHealed(func(h upgrader.Healed) { fmt.Println(h.What) })
	listeners, err := u.Listen([]config.Listen{{Name: "a", Network: config.TCP, Address: "127.0.0.1:0"}})
	if err != nil {
		return err
	}
	fmt.Println(listeners[0].Address)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := unix.Shutdown(int(listeners[0].File().Fd()), unix.SHUT_RDWR); err != nil {
			return err
		}
	}
	return u.Close()
}

// switches counts the voluntary context switches of the child's threads.
func switches(c *testproc.Child) (n int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", c.Cmd.Process.Pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		_, after, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		if fields := strings.Fields(after); len(fields) > 0 {
			count, _ := strconv.Atoi(fields[0])
			n += count
		}
	}
	return n
}

// listenAsNobody gives up root's rights and prints why it cannot listen.
func listenAsNobody(args []string) error {
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(nobody); err != nil {
		return err
	}
	if err := syscall.Setuid(nobody); err != nil {
		return err
	}
	l, err := config.ParseListen(args[0])
	if err != nil {
		return err
	}
	u := upgrader.New(upgrader.Options{})
	_, err = u.Listen([]config.Listen{l})
	fmt.Println(err)
	return u.Close()
}

// race listens on each path that a line names and says how that went. The next line closes the
// listener.
func race([]string) error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		u := upgrader.New(upgrader.Options{})
		_, err := u.Listen([]config.Listen{{Name: "listen", Network: config.Unix, Address: lines.Text()}})
		if err != nil {
			fmt.Println("lost:", err)
		} else {
			fmt.Println("won")
		}
		lines.Scan()
		if err := u.Close(); err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}

// master is a process that holds listeners and hands them to a successor on request: "flip" by
// tableflip, "exec" in place. Each master says that it holds them, how many copies of each there
// are, and whether the runtime polls one of them.
func master(args []string) error {
	flip, in, err := upgrader.NewFlip(10 * time.Second)
	if err == nil && in == nil {
		in, err = upgrader.AfterExec()
	}
	if err != nil {
		return err
	}
	u, document, err := holdListeners(in, args[0])
	if err != nil {
		return err
	}
	if err := flip.Ready(); err != nil {
		return err
	}
	if word, err := flip.AwaitPredecessor(context.Background()); err != nil || !word.Confirmed {
		return fmt.Errorf("the predecessor has not confirmed: %v", err)
	}
	u.Begin()
	fmt.Println("master", os.Getpid(), document)
	if err := describe(u.Listeners()); err != nil {
		return err
	}
	return obey(u, flip, document)
}

func holdListeners(in *upgrader.Received, path string) (u *upgrader.Upgrader, document string, err error) {
	if in == nil {
		u = upgrader.New(upgrader.Options{})
		_, err = u.Listen([]config.Listen{
			{Name: "a", Network: config.TCP, Address: "127.0.0.1:0"},
			{Name: "b", Network: config.Unix, Address: path},
			{Name: "c", Network: config.UDP, Address: "127.0.0.1:0"},
		})
		return u, "first", err
	}
	var all []upgrader.ListenerLegacy
	if err := json.Unmarshal(in.Document, &all); err != nil {
		return nil, "", err
	}
	defer in.Close()
	u, err = upgrader.TakeOver(upgrader.Options{}, all, in)
	return u, fmt.Sprint(in.Names()), err
}

func describe(listeners []*upgrader.Listener) error {
	polled, err := testproc.Polled()
	if err != nil {
		return err
	}
	for _, l := range listeners {
		inode, err := testproc.Inode(l.File())
		if err != nil {
			return err
		}
		flags, err := unix.FcntlInt(l.File().Fd(), unix.F_GETFL, 0)
		if err != nil {
			return err
		}
		fmt.Println(l.Name, l.Address, testproc.Copies(inode), polled[inode], flags&unix.O_NONBLOCK != 0)
	}
	return nil
}

// obey reads byte by byte: what follows an order is for the successor.
func obey(u *upgrader.Upgrader, flip *upgrader.Flip, document string) error {
	for {
		order := ""
		for b := make([]byte, 1); !strings.HasSuffix(order, "\n"); order += string(b) {
			if _, err := os.Stdin.Read(b); err != nil {
				return u.Close()
			}
		}
		all, files := u.Legacy()
		text, err := json.Marshal(all)
		if err != nil {
			return err
		}
		legacy := upgrader.Legacy{Document: text, Files: files}
		switch strings.TrimSpace(order) {
		case "flip":
			if _, err = flip.Upgrade(legacy); err == nil {
				if err := flip.Confirm(false); err != nil {
					return err
				}
				os.Exit(0)
			}
		case "exec":
			err = (&upgrader.InPlace{Path: "/proc/self/exe", Args: os.Args}).Exec(legacy)
		}
		fmt.Println("failed:", err)
	}
}
