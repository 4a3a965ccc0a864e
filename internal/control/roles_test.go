package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/pool"
)

// victim is a user whose place another one has taken.
const victim = 12345

// pretend answers like a master, as another user, to everybody.
func pretend(path string) error {
	if err := becomeNobody(); err != nil {
		return err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return err
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, `{"workers":["1"]}`)
	}))
	fmt.Println("listening")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// trust sends a message as the victim.
func trust(path string) error {
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(victim), syscall.Setuid(victim)); err != nil {
		return err
	}
	fmt.Println(sendSecret(path))
	return nil
}

func sendSecret(path string) string {
	client, err := control.Connect(context.Background(), path)
	if err == nil {
		_, err = client.Send(context.Background(), pool.Target{}, []byte(`"secret"`))
	}
	return fmt.Sprint(control.ExitCode(err), " ", err)
}

func makeUnderUmask(dir string) error {
	unix.Umask(0o077)
	fmt.Println(control.MakeRuntimeDir(dir))
	return nil
}
