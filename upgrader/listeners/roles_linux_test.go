package listeners_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/testproc"
	"relevo/upgrader/listeners"
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
	set := listeners.New(listeners.Options{})
	set.OnHealed(func(h listeners.Healed) { fmt.Println(h.What) })
	opened, err := set.Listen([]config.Listen{{Name: "a", Network: config.TCP, Address: "127.0.0.1:0"}})
	if err != nil {
		return err
	}
	fmt.Println(opened[0].Address)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := unix.Shutdown(int(opened[0].File().Fd()), unix.SHUT_RDWR); err != nil {
			return err
		}
	}
	return set.Close()
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
	set := listeners.New(listeners.Options{})
	_, err = set.Listen([]config.Listen{l})
	fmt.Println(err)
	return set.Close()
}

// race listens on each path that a line names and says how that went. The next line closes the
// listener.
func race([]string) error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		set := listeners.New(listeners.Options{})
		_, err := set.Listen([]config.Listen{{Name: "listen", Network: config.Unix, Address: lines.Text()}})
		if err != nil {
			fmt.Println("lost:", err)
		} else {
			fmt.Println("won")
		}
		lines.Scan()
		if err := set.Close(); err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}
