package test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestSuccessionRefused: a new relevo that ends, hangs, dies when it has the legacy, or cannot take
// all of it, changes nothing. The old master and all workers stay.
func TestSuccessionRefused(t *testing.T) {
	takesLong(t)
	t.Parallel()
	script := func(text string) func(*site) {
		return func(s *site) {
			os.Rename(s.program, filepath.Join(s.dir, "good"))
			text := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = run ] || [ \"$1\" = --upgrade-check ] || exec %s/good \"$@\"\n%s\n",
				s.dir, text)
			if err := writeProgram(s.program, []byte(text)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		put func(*site)
		// The messages about the new relevo: if it runs beside the old one; if it is checked before
		// an exec.
		tableflip, exec string
	}{
		"exits": {script("exit 3"), "exited: exit status 3", "could not take over: exit status 3"},
		"hangs": {script("exec sleep 60"), "timed out", "does not answer within 8s"},
		"passes every check": {script("[ $1 = --upgrade-check ] && exit 0; exit 3"), "exited: exit status 3",
			"could not take over: exit status 3"},
		"lacks a flag": {script("exec $(dirname $0)/good run --no-such-flag"), "exited: exit status 2",
			"cannot find the flag --no-such-flag"},
		"missing": {func(s *site) { os.Rename(s.program, filepath.Join(s.dir, "good")) }, "no such file", "no such file"},
		"dies with the legacy": {script("exec " + "$(dirname $0)/relevo-dies \"$@\""), "exited: exit status 2",
			"panic: dies with the legacy"},
		"may not open all files": {script("ulimit -n 16; exec $(dirname $0)/good \"$@\""), "exited: exit status 1",
			"cannot work with 16 open files"},
	} {
		for _, how := range []string{"tableflip", "exec"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				s := emptySite(t)
				if name == "hangs" { // only this one uses up the patience
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
				if code != 10 || !strings.Contains(said, says) || !strings.Contains(said, "this master keeps running") {
					t.Errorf("exit code %d: %s", code, said)
				}
				if now := s.status().PID; now != master {
					t.Errorf("pid %d follows pid %d", now, master)
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
					t.Error("the roll after it has replaced no worker")
				}
				// A good relevo takes over as before.
				os.Remove(s.program)
				if err := os.Link(good.program, s.program); err != nil {
					t.Fatal(err)
				}
				if now := s.upgrade(); (now == master) != (how == "exec") {
					t.Errorf("pid %d follows pid %d", now, master)
				}
				if warnings := s.status().Warnings; len(warnings) > 0 {
					t.Errorf("warnings after the upgrade succeeded: %q", warnings)
				}
				s.stop()
			})
		}
	}
}

// TestReloadWithABrokenRelevo: the reload still rolls the workers, and the broken relevo is not
// tried again.
func TestReloadWithABrokenRelevo(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "1", "--watch-binary=false", "--canary", "0")
	os.Rename(s.program, filepath.Join(s.dir, "good"))
	if err := writeProgram(s.program, []byte("#!/bin/sh\nexit 3\n")); err != nil {
		t.Fatal(err)
	}
	for generation := 2; generation < 4; generation++ {
		syscall.Kill(s.status().PID, syscall.SIGHUP)
		s.await("the roll", func() bool { return s.status().Generation == generation && s.status().State == "running" })
	}
	if n := strings.Count(s.log.String(), "replacing the master"); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
	if warnings := strings.Join(s.status().Warnings, " "); !strings.Contains(warnings,
		"relevo itself could not be replaced") {
		t.Errorf("warnings: %s", warnings)
	}
	os.Remove(s.program)
	os.Rename(filepath.Join(s.dir, "good"), s.program)
	s.stop()
}

// dieWithLegacy is a relevo that panics when it has got the whole legacy and has not yet said
// that it takes over.
func dieWithLegacy() {
	go func() {
		for {
			links, _ := filepath.Glob("/proc/self/fd/*")
			for _, link := range links {
				if target, _ := os.Readlink(link); target == "anon_inode:[pidfd]" || strings.HasPrefix(target, "pidfd:") {
					panic("dies with the legacy")
				}
			}
		}
	}()
	relevo()
}

// TestRehearsal: the check before the exec finds a program that can read the legacy but cannot make
// a master of it.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2", "--upgrade", "exec", "--watch-binary=false")
	before, master := s.settled(2), s.status().PID
	good := *s
	good.program = s.at("good")
	s.must(os.Rename(s.program, good.program), os.Link(good.program, s.at("relevo-drops")),
		writeProgram(s.program, []byte("#!/bin/sh\nexec "+s.at("relevo-drops")+" \"$@\"\n")))
	code, said := good.relevo("upgrade", "site")
	if code != 10 || !strings.Contains(said, "could not take over") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if now := s.settled(2); !slices.Equal(now, before) || s.status().PID != master {
		t.Errorf("pids %v serve, before: %v", now, before)
	}
	s.must(os.Rename(good.program, s.program))
	s.upgrade()
	s.stop()
}

// dropSockets is a relevo that loses its inherited sockets.
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

// TestExecFails: if the new program fails after the exec, it starts over on the same sockets, and
// the old workers leave when the new ones serve.
func TestExecFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2", "--upgrade", "exec", "--watch-binary=false")
	before, master := s.settled(2), s.status().PID
	end := s.load()
	defer end()
	good := *s
	good.program = s.at("good")
	s.must(os.Rename(s.program, good.program), os.Link(good.program, s.at("relevo-forges")),
		writeProgram(s.program, []byte("#!/bin/sh\nexec "+s.at("relevo-forges")+" \"$@\"\n")))
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

// forgeLegacy is a relevo that passes the check, and then fails to take over.
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

// forgeSlots rewrites both slots of a document, in the layout of upgrader.Document.
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
