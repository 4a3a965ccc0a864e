package test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloudflare/tableflip"
)

// upgrade replaces the master and returns the pid of the one that goes on.
func (s *site) upgrade() (pid int) {
	s.t.Helper()
	if code, said := s.relevo("upgrade", "site"); code != 0 {
		s.t.Fatalf("upgrade: exit code %d: %s", code, said)
	}
	return s.status().PID
}

// stream reads an event stream until it is closed, and counts the events.
func stream(t *testing.T, url string) (events func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	request, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	counted := make(chan int, 1)
	broken := make(chan error, 1)
	go func() {
		defer response.Body.Close()
		n := 0
		for lines := bufio.NewReader(response.Body); ; n++ {
			if _, err := lines.ReadString('\n'); err != nil {
				broken <- err
				counted <- n
				return
			}
		}
	}()
	return func() int {
		select {
		case err := <-broken:
			t.Errorf("the stream broke: %v", err)
		default:
		}
		cancel()
		return <-counted
	}
}

// TestSuccessionUnderLoad: twenty masters after each other. No request is lost, the
// workers stay, and so do a stream and a download that were begun before.
func TestSuccessionUnderLoad(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			s := newSite(t, "-n", "3", "--upgrade", how, "--watch-binary=false")
			before, first := s.settled(3), s.status().PID
			address := "http://" + s.status().Listeners[0].Address
			events := stream(t, address+"/stream")
			download := make(chan error, 1)
			go func() {
				response, err := http.Get(address + "/download?for=5s")
				if err == nil {
					var n int64
					if n, err = io.Copy(io.Discard, response.Body); err == nil && n != response.ContentLength {
						err = fmt.Errorf("%d of %d bytes", n, response.ContentLength)
					}
				}
				download <- err
			}()
			end := s.load()
			defer end()
			master := first
			for range 20 {
				now := s.upgrade()
				if (now == master) != (how == "exec") {
					t.Errorf("pid %d goes on after %d", now, master)
				}
				master = now
			}
			if err := <-download; err != nil {
				t.Errorf("the download: %v", err)
			}
			if n := events(); n < 20 {
				t.Errorf("%d events in the stream", n)
			}
			report := end()
			if n := report.Lost(); n > 0 || report.Total.OK == 0 {
				t.Errorf("%d of %d requests lost: %+v", n, report.Total.Sent, report.Samples)
			}
			if after := s.settled(3); !slices.Equal(before, after) {
				t.Errorf("pids %v serve, before: %v", after, before)
			}
			if n := s.status().Successions; n != 20 {
				t.Errorf("status tells of %d successions", n)
			}
			t.Logf("%d requests, %d lost, longest gap %v", report.Total.Sent, report.Lost(), report.LongestGap)
			// Everything works on the workers of others.
			s.release("2", "serve")
			if code, said := s.relevo("reload", "site"); code != 0 {
				t.Errorf("reload: %d %s", code, said)
			}
			if code, said := s.relevo("signal", "site", "--slot", "1", "KILL"); code != 0 {
				t.Errorf("signal: %d %s", code, said)
			}
			s.await("the respawn", func() bool { w := s.status().Workers[1]; return w.Respawns == 1 && w.State == "serving" })
			s.stop()
		})
	}
}

// TestSuccessionRefused: a new relevo that ends, hangs, dies when it has everything
// or cannot hold it changes nothing. The old one goes on, and so does everybody.
func TestSuccessionRefused(t *testing.T) {
	takesLong(t)
	t.Parallel()
	script := func(text string) func(*site) {
		return func(s *site) {
			os.Rename(s.program, filepath.Join(s.dir, "good"))
			text := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = run ] || [ \"$1\" = --upgrade-check ] || exec %s/good \"$@\"\n%s\n",
				s.dir, text)
			if err := os.WriteFile(s.program, []byte(text), 0o755); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		put func(*site)
		// what it says of the new one, which runs beside it, or is asked before it becomes that
		tableflip, exec string
	}{
		"exits": {script("exit 3"), "exited: exit status 3", "could not go on with its state: exit status 3"},
		"hangs": {script("exec sleep 60"), "timed out", "does not answer within 8s"},
		"approves of everything": {script("[ $1 = --upgrade-check ] && exit 0; exit 3"), "exited: exit status 3",
			"could not go on with its state: exit status 3"},
		"knows a flag less": {script("exec $(dirname $0)/good run --no-such-flag"), "exited: exit status 2",
			"cannot find the flag --no-such-flag"},
		"missing": {func(s *site) { os.Rename(s.program, filepath.Join(s.dir, "good")) }, "no such file", "no such file"},
		"dies with its hands full": {script("exec " + "$(dirname $0)/relevo-dies \"$@\""), "exited: exit status 2",
			"panic: dies with its hands full"},
		"may not hold so much": {script("ulimit -n 16; exec $(dirname $0)/good \"$@\""), "exited: exit status 1",
			"cannot work with 16 open files"},
	} {
		for _, how := range []string{"tableflip", "exec"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				s := emptySite(t)
				if name == "hangs" { // no other one is waited for in vain
					s.env = append(s.env, "RELEVO_UPGRADE_TIMEOUT=8s")
				}
				if err := os.Link(s.program, filepath.Join(s.dir, "relevo-dies")); err != nil {
					t.Fatal(err)
				}
				s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "2", "--upgrade", how, "--watch-binary=false", "--",
					"./app")
				before, master := s.settled(2), s.status().PID
				end := s.load()
				defer end()
				c.put(s)
				good := *s
				good.program = filepath.Join(s.dir, "good")
				code, said := good.relevo("upgrade", "site")
				says := map[string]string{"tableflip": c.tableflip, "exec": c.exec}[how]
				if code != 10 || !strings.Contains(said, says) || !strings.Contains(said, "this master goes on") {
					t.Errorf("exit code %d: %s", code, said)
				}
				if now := s.status().PID; now != master {
					t.Errorf("pid %d goes on after %d", now, master)
				}
				if warnings := strings.Join(s.status().Warnings, " "); !strings.Contains(warnings,
					"relevo itself could not be replaced") {
					t.Errorf("warnings: %s", warnings)
				}
				s.release("2", "serve")
				if code, said := good.relevo("reload", "site"); code != 0 {
					t.Errorf("reload: %d %s", code, said)
				}
				report := end()
				if n := report.Lost(); n > 0 || report.Total.OK == 0 {
					t.Errorf("%d of %d requests lost: %+v", n, report.Total.Sent, report.Samples)
				}
				if slices.Equal(before, s.settled(2)) {
					t.Error("the roll after it has replaced nobody")
				}
				// The right one is taken as before.
				os.Remove(s.program)
				if err := os.Link(good.program, s.program); err != nil {
					t.Fatal(err)
				}
				if now := s.upgrade(); (now == master) != (how == "exec") {
					t.Errorf("pid %d goes on after %d", now, master)
				}
				if warnings := s.status().Warnings; len(warnings) > 0 {
					t.Errorf("warnings after it went well: %q", warnings)
				}
				s.stop()
			})
		}
	}
}

// TestSuccessionInARoll: whoever waits for a roll gets its end from the next master.
func TestSuccessionInARoll(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			s := newSite(t, "-n", "3", "--upgrade", how, "--canary", "300ms", "--watch-binary=false")
			end := s.load()
			defer end()
			s.release("2", "slow-start")
			rolled := make(chan string, 1)
			go func() {
				code, said := s.relevo("reload", "site")
				rolled <- fmt.Sprint(code, " ", said)
			}()
			for done := range 3 {
				s.await("the roll to go on", func() bool {
					status := s.status()
					served := 0
					for _, w := range status.Workers {
						if w.Generation == 2 && w.State == "serving" {
							served++
						}
					}
					return served > done || status.State == "running" && status.Generation == 2
				})
				s.upgrade()
			}
			if said := <-rolled; !strings.HasPrefix(said, "0 ") || !strings.Contains(said, "generation 2 serves") {
				t.Errorf("reload: %s", said)
			}
			report := end()
			if n := report.Lost(); n > 0 || report.Total.OK == 0 {
				t.Errorf("%d of %d requests lost: %+v", n, report.Total.Sent, report.Samples)
			}
			if !strings.Contains(s.log.String(), "goes on with the roll to generation 2") {
				t.Errorf("nobody says that the roll went on:\n%s", s.log)
			}
			s.stop()
		})
	}
}

// renew puts another relevo in place that does the same.
func (s *site) renew() {
	s.t.Helper()
	program, err := os.ReadFile(s.program)
	if err == nil {
		err = os.WriteFile(s.program+".new", append(program, 'x'), 0o755)
	}
	if err == nil {
		err = os.Rename(s.program+".new", s.program)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestReloadUpgradesFirst: HUP and reload replace relevo, if it has changed, and
// then the workers.
func TestReloadUpgradesFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "1", "--watch-binary=false")
	master := s.status().PID
	for generation, reload := range []func(){
		func() { syscall.Kill(master, syscall.SIGHUP) },
		func() {
			if code, said := s.relevo("reload", "site"); code != 0 {
				t.Errorf("reload: %d %s", code, said)
			}
		},
	} {
		s.renew()
		reload()
		s.await("another master and generation", func() bool {
			status := s.status()
			return status.PID != master && status.Generation == generation+2 && status.State == "running"
		})
		master = s.status().PID
	}
	// By signal alone, and by the change alone.
	syscall.Kill(master, syscall.SIGUSR2)
	s.await("another master", func() bool { return s.status().PID != master })
	s.stop()

	s = newSite(t, "-n", "1", "--watch-self")
	master = s.status().PID
	s.renew()
	s.await("another master", func() bool { return s.status().PID != master })
	s.stop()
}

// TestSuccessionAndStop: who asks for the end in between is not forgotten.
func TestSuccessionAndStop(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		between := 0
		for delay := range 8 {
			s := newSite(t, "-n", "1", "--upgrade", how)
			asked := make(chan bool)
			go func() {
				s.relevo("upgrade", "site")
				close(asked)
			}()
			s.await("the succession", func() bool { return strings.Contains(s.log.String(), "replacing the master") })
			pause(time.Duration(delay) * 15 * time.Millisecond)
			select {
			case <-asked:
			default:
				between++
			}
			if delay%2 == 0 {
				s.stop()
			} else {
				s.terminate()
			}
			<-asked
		}
		if between == 0 {
			t.Errorf("%s: each succession was over before its end was asked for", how)
		}
	}
}

// terminate sends a signal to the master, whoever that is, and waits for the end. One
// that has ended itself when the signal came could not hear it.
func (s *site) terminate() {
	s.t.Helper()
	asked := 0
	s.await("the end of the master", func() bool {
		select {
		case <-s.ended:
			return true
		default:
		}
		if status, err := s.client.Status(context.Background()); err == nil && status.PID != asked {
			asked = status.PID
			syscall.Kill(asked, syscall.SIGTERM)
		}
		return false
	})
}

// TestEventsGoOn: who listens to events hears those of the next master.
func TestEventsGoOn(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		s := newSite(t, "-n", "1", "--upgrade", how)
		listens := exec.Command(s.program, "events", "site")
		heard := &lockedBuffer{}
		listens.Dir, listens.Env, listens.Stdout = s.dir, s.env, heard
		if err := listens.Start(); err != nil {
			t.Fatal(err)
		}
		s.await("the first events", func() bool {
			s.relevo("scale", "site", "+1")
			return strings.Contains(heard.String(), `"resize"`)
		})
		before := strings.Count(heard.String(), `"resize"`)
		s.upgrade()
		s.await("events of the next master", func() bool {
			s.relevo("scale", "site", "+1")
			return strings.Count(heard.String(), `"resize"`) > before
		})
		s.stop()
		if err := listens.Wait(); err != nil {
			t.Errorf("relevo events: %v", err)
		}
	}
}

// TestSignalsInASuccession: a reload and one worker more, asked for in between, come to
// pass. At the moment of an exec a signal may go unheard, but it ends nobody.
func TestSignalsInASuccession(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		// On a busy machine all of the first rounds may be too late: one has to count.
		for delay, inTime := 0, 0; delay < 6 || inTime == 0; delay++ {
			s := newSite(t, "-n", "1", "--upgrade", how, "--watch-binary=false", "--canary", "0")
			master := s.master.Process.Pid
			syscall.Kill(master, syscall.SIGUSR2)
			s.await("the succession", func() bool { return strings.Contains(s.log.String(), "replacing the master") })
			pause(time.Duration(delay%6) * 2 * time.Millisecond)
			syscall.Kill(master, syscall.SIGHUP)
			syscall.Kill(master, syscall.SIGTTIN)
			if strings.Contains(s.log.String(), "another master goes on") {
				s.stop()
				continue // too late: they may have come to a process that had passed on what it owed
			}
			inTime++
			s.await("the next master", func() bool { return s.status().Successions == 1 })
			if how == "tableflip" {
				s.await("the roll and the worker", func() bool {
					status := s.status()
					return status.Generation == 2 && len(status.Workers) == 2 && status.State == "running"
				})
			}
			s.stop()
		}
	}
}

// TestRequestsInSuccessions: none is turned away because one master follows another.
func TestRequestsInSuccessions(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			s := newSite(t, "-n", "2", "--upgrade", how, "--watch-binary=false", "--canary", "0")
			over := make(chan struct{})
			var askers sync.WaitGroup
			for _, args := range [][]string{{"status", "site"}, {"scale", "site", "+1"}, {"reload", "site"},
				{"send", "site", "{}"}, {"signal", "site", "WINCH"}} {
				askers.Go(func() {
					for {
						select {
						case <-over:
							return
						default:
						}
						if code, said := s.relevo(args...); code != 0 {
							t.Errorf("%v: exit code %d: %s", args, code, said)
							return
						}
					}
				})
			}
			for range 10 {
				s.upgrade()
			}
			close(over)
			askers.Wait()
			s.stop()
		})
	}
}

// TestReloadWithABrokenRelevo: the roll happens all the same, and what could not take
// over is not tried again.
func TestReloadWithABrokenRelevo(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "1", "--watch-binary=false", "--canary", "0")
	os.Rename(s.program, filepath.Join(s.dir, "good"))
	if err := os.WriteFile(s.program, []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for generation := 2; generation < 4; generation++ {
		syscall.Kill(s.status().PID, syscall.SIGHUP)
		s.await("the roll", func() bool { return s.status().Generation == generation && s.status().State == "running" })
	}
	if n := strings.Count(s.log.String(), "replacing the master"); n != 1 {
		t.Errorf("it is tried %d times", n)
	}
	if warnings := strings.Join(s.status().Warnings, " "); !strings.Contains(warnings,
		"relevo itself could not be replaced") {
		t.Errorf("warnings: %s", warnings)
	}
	os.Remove(s.program)
	os.Rename(filepath.Join(s.dir, "good"), s.program)
	s.stop()
}

// TestOrphans: a master that was killed where no systemd is leaves its workers. The
// next one says who they are.
func TestOrphans(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2")
	pids, address := s.settled(2), s.status().Listeners[0].Address
	defer func() {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	s.master.Process.Kill()
	<-s.ended
	code, said := s.relevo("run", "--name", "site", "-l", address, "--", "./app")
	if code != 1 || !strings.Contains(said, fmt.Sprintf("(kill %d %d)", pids[0], pids[1])) && !strings.Contains(said,
		fmt.Sprintf("(kill %d %d)", pids[1], pids[0])) {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// TestTableflipWorker: a worker that uses tableflip itself finds nothing of ours.
func TestTableflipWorker(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	s.release("1", "tableflip")
	s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "2", "--", "./app")
	for range 2 {
		s.upgrade()
		if code, said := s.relevo("reload", "site"); code != 0 { // new workers of a successor
			t.Fatalf("reload: %d %s", code, said)
		}
	}
	body, err := fetch(s.status().Listeners[0].Address, "/env")
	if err != nil || strings.Contains(body, "TABLEFLIP") || strings.Contains(body, "RELEVO_LEGACY") {
		t.Errorf("%v: a worker has\n%s", err, body)
	}
	s.stop()
}

// serveWithTableflip is what a program does that replaces itself with tableflip.
func serveWithTableflip(server *http.Server) error {
	flip, err := tableflip.New(tableflip.Options{})
	if err != nil {
		return err
	}
	defer flip.Stop()
	if flip.HasParent() {
		return fmt.Errorf("tableflip takes relevo for its parent")
	}
	if err := flip.Ready(); err != nil {
		return err
	}
	return serveNaively(server)
}

// dieWithHandsFull is a relevo that panics when it has been handed everything and
// has not yet said that it goes on.
func dieWithHandsFull() {
	go func() {
		for {
			links, _ := filepath.Glob("/proc/self/fd/*")
			for _, link := range links {
				if target, _ := os.Readlink(link); target == "anon_inode:[pidfd]" || strings.HasPrefix(target, "pidfd:") {
					panic("dies with its hands full")
				}
			}
		}
	}()
	relevo()
}

// TestRehearsal: a program that can read everything and cannot make a master of it is
// found out before the exec.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2", "--upgrade", "exec", "--watch-binary=false")
	before, master := s.settled(2), s.status().PID
	good := *s
	good.program = s.at("good")
	s.must(os.Rename(s.program, good.program), os.Link(good.program, s.at("relevo-drops")),
		os.WriteFile(s.program, []byte("#!/bin/sh\nexec "+s.at("relevo-drops")+" \"$@\"\n"), 0o755))
	code, said := good.relevo("upgrade", "site")
	if code != 10 || !strings.Contains(said, "could not go on with its state") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if now := s.settled(2); !slices.Equal(now, before) || s.status().PID != master {
		t.Errorf("pids %v serve, before: %v", now, before)
	}
	s.must(os.Rename(good.program, s.program))
	s.upgrade()
	s.stop()
}

// dropSockets is a relevo that has lost the sockets that it inherits.
func dropSockets() {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		fd, _ := strconv.Atoi(filepath.Base(link))
		if target, _ := os.Readlink(link); fd > 2 && strings.HasPrefix(target, "socket:") {
			syscall.Close(fd)
		}
	}
	relevo()
}

// TestExecFails: where the new program fails after the exec nonetheless, it begins anew
// on the same sockets, and the old workers leave when the new ones serve.
func TestExecFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2", "--upgrade", "exec", "--watch-binary=false")
	before, master := s.settled(2), s.status().PID
	end := s.load()
	defer end()
	good := *s
	good.program = s.at("good")
	s.must(os.Rename(s.program, good.program), os.Link(good.program, s.at("relevo-forges")),
		os.WriteFile(s.program, []byte("#!/bin/sh\nexec "+s.at("relevo-forges")+" \"$@\"\n"), 0o755))
	if code, said := good.relevo("upgrade", "site"); code != 0 {
		t.Errorf("upgrade: exit code %d: %s", code, said)
	}
	after := s.settled(2)
	if s.status().PID != master || slices.ContainsFunc(after, func(pid int) bool { return slices.Contains(before, pid) }) {
		t.Errorf("pids %v of master %d serve, before: %v of %d", after, s.status().PID, before, master)
	}
	for _, pid := range before {
		s.await("the old workers to leave", func() bool { return syscall.Kill(pid, 0) != nil })
	}
	report := end()
	if n := report.Lost(); n > 0 || report.Total.OK == 0 {
		t.Errorf("%d of %d requests lost: %+v", n, report.Total.Sent, report.Samples)
	}
	if warnings := strings.Join(s.status().Warnings, " "); !strings.Contains(warnings,
		"could not be taken over, and were replaced") {
		t.Errorf("warnings: %s", warnings)
	}
	s.stop()
}

// forgeLegacy is a relevo that could go on when it is asked, and cannot when it is to.
func forgeLegacy() {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		target, _ := os.Readlink(link)
		if os.Getenv("RELEVO_LEGACY") == "" || !strings.HasPrefix(target, "/memfd:relevo legacy") {
			continue
		}
		file, err := os.OpenFile(link, os.O_RDWR, 0)
		if err == nil {
			err = forgeSlots(file, func(l map[string]any) {
				l["pool"].(map[string]any)["machine"].(map[string]any)["phase"] = "gone"
			})
		}
		if err != nil {
			panic(err)
		}
	}
	relevo()
}

// forgeSlots rewrites both slots of a document as upgrader.Document lays them out.
func forgeSlots(file *os.File, change func(map[string]any)) error {
	const header, slot = 56, 64 << 20
	for at := int64(0); at <= slot; at += slot {
		head := make([]byte, header)
		if _, err := file.ReadAt(head, at); err != nil || string(head[:6]) != "relevo" {
			continue
		}
		text := make([]byte, binary.BigEndian.Uint64(head[16:]))
		if _, err := file.ReadAt(text, at+header); err != nil {
			return err
		}
		content := map[string]any{}
		if err := json.Unmarshal(text, &content); err != nil {
			return err
		}
		change(content)
		text, _ = json.Marshal(content)
		binary.BigEndian.PutUint64(head[16:], uint64(len(text)))
		sum := sha256.Sum256(text)
		copy(head[24:], sum[:])
		if _, err := file.WriteAt(append(head, text...), at); err != nil {
			return err
		}
	}
	return nil
}
