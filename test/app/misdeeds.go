package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"relevo/worker"
)

// misdeeds are what a worker of the tests does when an application message names it. If the worker's
// release is named after it, it does so a moment after it has begun to serve.
func misdeeds() map[string]func() {
	return map[string]func(){
		"shutdown": func() { syscall.Shutdown(listenerFD(), syscall.SHUT_RDWR) },
		"block":    func() { syscall.SetNonblock(listenerFD(), false) },
		"shorten":  func() { syscall.Listen(listenerFD(), 1) },
		// It shuts the listener down at its last moment.
		"shutdown-and-die": func() {
			die(func() { syscall.Shutdown(listenerFD(), syscall.SHUT_RDWR); syscall.Kill(os.Getpid(), syscall.SIGKILL) })
		},
		"flood-notify":  floodNotify,
		"flood-channel": floodChannel,
		"eat-memory":    func() { eatMemory(100 << 20) },
		"eat-much":      func() { eatMemory(400 << 20) },
		"have-children": haveChildren,
	}
}

// beginMisdeed starts the misdeed after which the release is named.
func beginMisdeed(behaviour string) {
	if misdeed, ok := misdeeds()[behaviour]; ok {
		time.AfterFunc(100*time.Millisecond, misdeed) // stands for what a program does after its start
	}
}

// hear does what a message names and reports it, or sends the message back.
func hear(data json.RawMessage) {
	var name string
	json.Unmarshal(data, &name)
	misdeed, ok := misdeeds()[name]
	if !ok {
		worker.Send(map[string]any{"echo": data})
		return
	}
	go func() {
		misdeed()
		worker.Send(map[string]any{"did": name})
	}()
}

// listenerFD finds the first listening socket of this process.
func listenerFD() int {
	for fd := 3; fd < 100; fd++ {
		if listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err == nil && listens == 1 {
			return fd
		}
	}
	return -1
}

func floodNotify() {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return
	}
	for {
		conn.Write([]byte("STATUS=" + strings.Repeat("all work and no play ", 40)))
	}
}

func floodChannel() {
	for {
		worker.Send("all work and no play")
	}
}

// eatMemory allocates so many bytes and writes to every page.
func eatMemory(bytes int) {
	eaten := make([]byte, bytes)
	for {
		for i := 0; i < len(eaten); i += 4096 {
			eaten[i]++
		}
		time.Sleep(time.Second) // stands for a program that uses the memory
	}
}

// notifyAndPing uses only sd_notify(3), and pings its watchdog until it gets SIGUSR2.
func notifyAndPing() {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		return
	}
	enough := make(chan os.Signal, 1)
	signal.Notify(enough, syscall.SIGUSR2)
	conn.Write([]byte("READY=1"))
	conn.Write([]byte("WATCHDOG=1")) // a worker that has never pinged is not watched
	interval, err := time.ParseDuration(os.Getenv("WATCHDOG_USEC") + "us")
	if err != nil {
		return
	}
	for ticker := time.NewTicker(interval / 4); ; {
		select {
		case <-ticker.C:
			conn.Write([]byte("WATCHDOG=1"))
		case <-enough:
			return
		}
	}
}

// haveChildren starts a child in this process group and one in a session of its own, each with a
// child, and reports their pids.
func haveChildren() {
	for kind, attr := range map[string]*syscall.SysProcAttr{"group": {}, "session": {Setsid: true}} {
		child := exec.Command("/bin/sh", "-c", "sleep 600 & echo child of "+kind+" $!; echo child of "+kind+" $$; wait")
		child.Stdout, child.SysProcAttr = os.Stdout, attr
		if err := child.Start(); err != nil {
			fmt.Println("cannot start a child:", err)
		}
	}
}
