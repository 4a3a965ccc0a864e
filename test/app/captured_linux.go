package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bindUnixAndServe removes the path, binds it, and removes it at its end, as most programs do.
func bindUnixAndServe(server *http.Server, path string) error {
	unix.Umask(0o027)
	os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	go server.Serve(listener)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return server.Shutdown(context.Background())
}

// echoUDP answers each packet with the version of its release.
func echoUDP(version, address string) error {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	for packet := make([]byte, 100); ; {
		_, from, err := conn.ReadFrom(packet)
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo([]byte("version "+version), from); err != nil {
			return err
		}
	}
}

// misbind is a worker that misuses bind.
func misbind(w http.ResponseWriter, r *http.Request) {
	port, _ := strconv.Atoi(r.FormValue("port"))
	if r.FormValue("not") == strconv.Itoa(os.Getpid()) {
		fmt.Fprintln(w, "not me")
		return
	}
	switch how := r.FormValue("how"); how {
	case "flood":
		var all sync.WaitGroup
		for thread := range 8 {
			all.Go(func() { floodOfBinds(port, thread, 10000/8) })
		}
		all.Wait()
	case "flip":
		flipAddress(port)
	case "die": // in the middle of a bind
		go floodOfBinds(port, 9, 1<<20)
		die(func() { syscall.Kill(os.Getpid(), syscall.SIGKILL) })
	case "shutdown":
		for fd := range 64 {
			if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 1 {
				unix.Shutdown(fd, unix.SHUT_RDWR)
			}
		}
	case "fork": // a child that leaves the family keeps all sockets
		child := exec.Command("sleep", "600")
		for fd := range 64 {
			if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil {
				copied, _ := unix.Dup(fd)
				child.ExtraFiles = append(child.ExtraFiles, os.NewFile(uintptr(copied), "taken along"))
			}
		}
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, child.Process.Pid)
		return
	}
	fmt.Fprintln(w, "done")
}

// floodOfBinds binds many sockets to many addresses.
func floodOfBinds(port, thread, times int) {
	for i := range times {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			continue
		}
		unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, byte(2 + thread), byte(i >> 8), byte(i)}})
		unix.Close(fd)
	}
}

// flipAddress lets another thread change the address while the kernel and the master look at it.
func flipAddress(port int) {
	address := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
	number := (*[2]byte)(unsafe.Pointer(&address.Port))
	stop := make(chan bool)
	go func() {
		runtime.LockOSThread()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				number[0], number[1] = byte(port>>8), byte(port+i%2)
			}
		}
	}()
	for range 500 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&address)), unsafe.Sizeof(address))
			unix.Close(fd)
		}
	}
	close(stop)
}
