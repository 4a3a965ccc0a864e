package worker

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"relevo/internal/workertest"
)

// envRole makes the test binary a worker process.
const envRole = "WORKER_TEST_ROLE"

// tooLong is longer than anything here takes.
const tooLong = 60 * time.Second

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		if err := roles()[role](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// These tests wait for time and other processes far more than for a CPU.
	flag.Parse()
	flag.Set("test.parallel", "6")
	goleak.VerifyTestMain(m)
}

// roles are the worker processes of the tests.
func roles() map[string]func() error {
	return map[string]func() error{
		"serve":   func() error { return childServer().Serve(context.Background()) },
		"naive":   naive,
		"hasty":   hasty,
		"own":     ownServer,
		"listens": listenTwice,
	}
}

func spec(role string, env ...string) workertest.Spec {
	// The race detector would make each worker stay a second longer.
	return workertest.Spec{Command: []string{os.Args[0]}, Env: append(env, envRole+"="+role, "GORACE=atexit_sleep_ms=0")}
}

// childServer serves the pages that the tests ask for.
func childServer() *Server {
	mux := http.NewServeMux()
	pages(mux)
	s := &Server{HTTP: &http.Server{Addr: "web", Handler: mux}}
	s.Drain, _ = time.ParseDuration(os.Getenv("DRAIN"))
	s.IdleGrace, _ = time.ParseDuration(os.Getenv("GRACE"))
	switch os.Getenv("PROTO") {
	case "tls":
		s.HTTP.TLSConfig = serverTLS()
	case "h2c":
		s.HTTP.Protocols = new(http.Protocols)
		s.HTTP.Protocols.SetHTTP1(true)
		s.HTTP.Protocols.SetUnencryptedHTTP2(true)
	}
	return s
}

// naive ends as most programs do.
func naive() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ln, err := Listen("tcp", "web")
	if err != nil {
		return err
	}
	srv := childServer().HTTP
	done := make(chan error)
	go func() {
		<-ctx.Done()
		done <- srv.Shutdown(context.Background())
	}()
	if err := Ready(); err != nil {
		return err
	}
	if err := srv.Serve(ln); err != http.ErrServerClosed {
		return err
	}
	return <-done
}

// hasty leaves the channel's use to Ready and never looks at Draining.
func hasty() error {
	ln, err := Listen("tcp", "web")
	if err != nil {
		return err
	}
	defer ln.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	if err := Ready(); err != nil {
		return err
	}
	<-signals
	fmt.Println("got SIGTERM")
	return nil
}

// ownServer watches Draining instead of calling Serve.
func ownServer() error {
	drain := Draining()
	if err := Ready(); err != nil {
		return err
	}
	<-drain
	fmt.Println("asked to drain")
	return nil
}

// listenTwice tells what Listen says, and what a child of this process inherits.
func listenTwice() error {
	managed := Managed() // the first use
	fds, err := exec.Command("ls", "-l", "/proc/self/fd").CombinedOutput()
	fmt.Println("child:", strings.Count(string(fds), "socket:"), "sockets", err)
	ln, err := Listen("tcp", os.Getenv("ADDR"))
	fmt.Println("first:", err)
	if err == nil {
		defer ln.Close()
	}
	_, err = Listen("tcp", os.Getenv("ADDR"))
	fmt.Println("second:", err)
	id, ok := Identity()
	fmt.Println("identity:", managed, ok, strings.TrimSpace(fmt.Sprintf("%+v", id)))
	return nil
}
