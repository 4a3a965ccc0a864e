// Command container is a worker of the tests of containers: what is asked of it
// is what goes wrong in containers.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"relevo/worker"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == "leave" {
		leave(os.Args[2], os.Args[3])
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getpid()) })
	http.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) { os.Exit(number(r, "code")) })
	http.HandleFunc("/kill", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, syscall.Kill(number(r, "pid"), syscall.Signal(number(r, "signal"))))
	})
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		time.Sleep(time.Duration(number(r, "ms")) * time.Millisecond)
		fmt.Fprintln(w, "done")
	})
	// Each child forks again and ends, so that the kernel gives the grandchild to
	// PID 1. It lives for some milliseconds.
	http.HandleFunc("/orphans", func(w http.ResponseWriter, r *http.Request) {
		fork(w, "leave", r.FormValue("n"), r.FormValue("ms"))
	})
	if err := worker.Serve(context.Background(), &http.Server{Addr: ":8080"}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.FormValue(name))
	return n
}

// leave starts n children in sessions of their own, and ends before them.
func leave(n, ms string) {
	if n == "0" {
		d, _ := strconv.Atoi(ms)
		time.Sleep(time.Duration(d) * time.Millisecond)
		return
	}
	count, _ := strconv.Atoi(n)
	for range count {
		child := exec.Command("/proc/self/exe", "leave", "0", ms)
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(child.Process.Pid)
	}
}

func fork(w http.ResponseWriter, args ...string) {
	out, err := exec.Command("/proc/self/exe", args...).CombinedOutput()
	if err != nil {
		http.Error(w, fmt.Sprint(err, string(out)), http.StatusInternalServerError)
		return
	}
	w.Write(out)
}
