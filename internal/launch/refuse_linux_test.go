package launch

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/launch/shim"
	"relevo/pool"
)

// sleepBytes are the bytes of a small program that every Linux has.
func sleepBytes(t *testing.T) []byte {
	t.Helper()
	for _, path := range []string{"/bin/sleep", "/usr/bin/sleep"} {
		if data, err := os.ReadFile(path); err == nil {
			return data
		}
	}
	t.Fatal("cannot find sleep")
	return nil
}

// patched returns a program whose ELF header is changed.
func patched(t *testing.T, change func(header []byte)) string {
	t.Helper()
	data := append([]byte(nil), sleepBytes(t)...)
	change(data)
	return string(data)
}

// foreign is a machine type that this machine does not run.
func foreign() elf.Machine {
	if runtime.GOARCH == "s390x" {
		return elf.EM_RISCV
	}
	return elf.EM_S390
}

// loaderless is a program whose dynamic loader does not exist.
func loaderless(t *testing.T) string {
	t.Helper()
	data := string(sleepBytes(t))
	at := strings.Index(data, "/ld-")
	if at < 0 {
		t.Fatal("sleep has no dynamic loader")
	}
	return data[:at] + "/LD-" + data[at+4:]
}

// TestPrepareRefuses: each error names the file, the cause, and what to do.
func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	elfOf := func(change func([]byte)) string { return patched(t, change) }
	write := func(name, text string, mode fs.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("plain", "#!/bin/sh\n", 0o644)
	write("empty", "", 0o755)
	write("half", string(sleepBytes(t)[:20_000]), 0o755)
	write("header", string(sleepBytes(t)[:30]), 0o755)
	write("foreign", elfOf(func(b []byte) { binary.NativeEndian.PutUint16(b[18:], uint16(foreign())) }), 0o755)
	write("loaderless", loaderless(t), 0o755)
	write("windows", "MZ\x90\x00", 0o755)
	write("macos", "\xcf\xfa\xed\xfe", 0o755)
	write("noshell", "#!/nonexistent/sh -e\n", 0o755)
	write("nothing", "#!\n", 0o755)
	write("crlf", "#!/bin/sh\r\necho\r\n", 0o755)
	write("crlfenv", "#!/usr/bin/env sh\r\necho\r\n", 0o755)
	write("noenv", "#!/usr/bin/env nosuchinterpreter\n", 0o755)
	for name, target := range map[string]string{"dangling": "gone/away", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o755); err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		program string
		cause   error
		says    []string
	}{
		"missing": {dir + "/absent", fs.ErrNotExist, []string{"no such file", "build it, or correct the path"}},
		"missing directory": {dir + "/a/b/c", fs.ErrNotExist, []string{"the directory " + dir + "/a does not exist",
			"correct the path"}},
		"below a file": {dir + "/plain/x", syscall.ENOTDIR, []string{"not a directory"}},
		"dangling link": {dir + "/dangling", fs.ErrNotExist,
			[]string{"symbolic link to gone/away, which does not exist", "point it to the program"}},
		"loop of links": {dir + "/loop", syscall.ELOOP, []string{"too many levels of symbolic links"}},
		"directory":     {dir, syscall.EISDIR, []string{"it is a directory", "name the program in it"}},
		"fifo":          {dir + "/fifo", syscall.EACCES, []string{"not a regular file"}},
		"not executable": {dir + "/plain", syscall.EACCES, []string{"no permission to execute it", "mode 0644",
			"owner " + me.Username, "this is user " + me.Username, "try chmod +x"}},
		"empty":         {dir + "/empty", syscall.ENOEXEC, []string{"the file is empty", "copy it again"}},
		"half written":  {dir + "/half", syscall.ENOEXEC, []string{"half written?", "copy it again"}},
		"only a header": {dir + "/header", syscall.ENOEXEC, []string{"half written?", "copy it again"}},
		"foreign": {dir + "/foreign", syscall.ENOEXEC,
			[]string{"another machine (" + strings.TrimPrefix(foreign().String(), "EM_") + ")",
				"build it for " + runtime.GOARCH}},
		"no loader": {dir + "/loaderless", syscall.ENOEXEC,
			[]string{"its dynamic loader ", "/LD-", "does not exist", "link it statically"}},
		"Windows": {dir + "/windows", syscall.ENOEXEC, []string{"Windows program", "build it for linux"}},
		"macOS":   {dir + "/macos", syscall.ENOEXEC, []string{"macOS program", "build it for linux"}},
		"no interpreter": {dir + "/noshell", syscall.ENOEXEC, []string{"its interpreter /nonexistent/sh does not exist",
			"install it, or correct the first line"}},
		"#! and nothing": {dir + "/nothing", syscall.ENOEXEC, []string{"without an interpreter"}},
		"CRLF": {dir + "/crlf", syscall.ENOEXEC, []string{`its interpreter /bin/sh\r does not exist`,
			"Windows line ends", "sed -i"}},
		"CRLF and env": {dir + "/crlfenv", syscall.ENOEXEC, []string{"Windows line ends", "sed -i"}},
		"env without program": {dir + "/noenv", syscall.ENOEXEC,
			[]string{"its interpreter nosuchinterpreter is not in PATH (", "--env"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, command := range []Command{
				{Args: []string{c.program}},
				{Args: []string{"./" + filepath.Base(c.program)}, Dir: filepath.Dir(c.program)}, // from its directory
			} {
				if _, err := os.Stat(command.Dir); err != nil && command.Dir != "" || strings.Contains(name, "below") {
					continue
				}
				_, err := newRig(t).Prepare(command)
				if err == nil {
					t.Fatal("no error")
				}
				wantError(t, err.Error(), append(c.says, "cannot run "+c.program+": ")...)
				if !errors.Is(err, c.cause) {
					t.Errorf("%v is not %v", err, c.cause)
				}
			}
		})
	}
}

func TestPrepareRefusesTheRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	executable(t, filepath.Join(dir, "server"), "#!/bin/sh\n")
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "server"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	closed := t.TempDir() // not to root, who may look everywhere
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	env := filepath.Join(dir, "broken.env")
	if err := os.WriteFile(env, []byte("A=1\nno assignment\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		command Command
		says    []string
	}{
		"not in PATH": {Command{Args: []string{"nosuchprogram"}},
			[]string{"cannot run nosuchprogram: not found in PATH (", os.Getenv("PATH"), "install it, give its path"}},
		"no interpreter": {Command{Args: []string{"ruby3.3", "x.rb"}, Env: []string{"PATH=/nowhere"}},
			[]string{"cannot run ruby3.3: not found in PATH", "the package ruby: apt install ruby"}},
		"unsearchable PATH": {Command{Args: []string{"server"}, Dir: dir, Env: []string{"PATH=" + closed + ":" + env}},
			[]string{"not found in PATH", "write ./server"}},
		"not in the app's PATH": {Command{Args: []string{"sh"}, Env: []string{"PATH=/nowhere:/else"}},
			[]string{"cannot run sh: not found in PATH (/nowhere:/else)", "--env"}},
		"beside it": {Command{Args: []string{"server"}, Dir: dir},
			[]string{"not found in PATH", "there is one in " + dir, "write ./server"}},
		"refused in PATH": {Command{Args: []string{"server"}, Env: []string{"PATH=/nowhere:" + other}},
			[]string{"cannot run " + other + "/server: no permission to execute it", "chmod +x"}},
		"no directory": {Command{Args: []string{"sh"}, Dir: dir + "/absent"},
			[]string{"cannot use the working directory", dir + "/absent", "no such file", "create it, or choose another"}},
		"file as directory": {Command{Args: []string{"sh"}, Dir: env},
			[]string{"cannot use the working directory", env + " is a file", "choose a directory"}},
		"no env file": {Command{Args: []string{"sh"}, EnvFiles: []string{dir + "/absent.env"}},
			[]string{"cannot read the environment file", dir + "/absent.env", "no such file", "create it"}},
		"broken env file": {Command{Args: []string{"sh"}, EnvFiles: []string{env}},
			[]string{env + ":2: ", "write NAME=VALUE"}},
		"unknown listener": {Command{Args: []string{"sh", "{fd:absent}"}},
			[]string{"cannot fill in {fd:absent}", `"absent"`, "there are: web"}},
	} {
		t.Run(name, func(t *testing.T) {
			release, err := newRig(t, "web").Prepare(c.command)
			if err == nil {
				release.Close()
				t.Fatal("no error")
			}
			wantError(t, err.Error(), c.says...)
		})
	}
}

// TestPrepareAccepts: these only look wrong.
func TestPrepareAccepts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	executable(t, filepath.Join(dir, "myinterpreter"), "#!/bin/sh\n")
	executable(t, filepath.Join(dir, "script"), "#!/usr/bin/env myinterpreter\n")
	executable(t, filepath.Join(dir, "split"), "#!/usr/bin/env -S myinterpreter --flag\n")
	executable(t, filepath.Join(dir, "noend"), "#! /bin/sh")
	executable(t, filepath.Join(dir, "text"), "echo no first line\n")
	for name, c := range map[string]Command{
		"interpreter in the app's PATH": {Args: []string{"./script"}, Dir: dir, Env: []string{"PATH=/nowhere:" + dir}},
		"program in the app's PATH":     {Args: []string{"noend"}, Env: []string{"PATH=/nowhere:" + dir}},
		"program in a relative PATH": {Args: []string{"noend"}, Dir: filepath.Dir(dir),
			Env: []string{"PATH=/nowhere:" + filepath.Base(dir)}},
		"empty part of PATH": {Args: []string{"noend"}, Dir: dir, Env: []string{"PATH=/nowhere::"}},
		"env -S":             {Args: []string{dir + "/split"}},
		"no line end":        {Args: []string{dir + "/noend"}},
		"no magic":           {Args: []string{dir + "/text"}},
	} {
		release, err := newRig(t).Prepare(c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		release.Close()
	}
}

// TestExecFails: the shim reports what goes wrong only after Prepare, with a second look at the
// file.
func TestExecFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(path string) error
		says  string
		hint  []string
	}{
		"removed": {os.Remove, "no such file or directory", []string{"no such file", "build it"}},
		"not executable": {func(path string) error {
			return os.Chmod(path, 0o644)
		}, "permission denied", []string{"mode 0644", "chmod +x"}},
		"a directory": {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
			"permission denied", []string{"it is a directory"}},
		"interpreter gone": {func(path string) error { return os.WriteFile(path, []byte("#!/nonexistent/sh\n"), 0o755) },
			"no such file or directory", []string{"its interpreter /nonexistent/sh does not exist"}},
		"Windows line ends": {func(path string) error { return os.WriteFile(path, []byte("#!/bin/sh\r\n"), 0o755) },
			"no such file or directory", []string{"Windows line ends"}},
		"emptied": {func(path string) error {
			return os.Truncate(path, 0)
		}, "exec format error", []string{"the file is empty"}},
		"foreign": {func(path string) error {
			return os.WriteFile(path, []byte(patched(t, func(b []byte) {
				binary.NativeEndian.PutUint16(b[18:], uint16(foreign()))
			})), 0o755)
		}, "exec format error", []string{"another machine"}},
		"no #!": {func(path string) error {
			return os.WriteFile(path, []byte("exec sleep 60\n"), 0o755)
		}, "exec format error", []string{"begins with #!"}},
		"half written": {func(path string) error {
			return os.WriteFile(path, sleepBytes(t)[:500], 0o755)
		}, "", []string{"half written?"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := executable(t, filepath.Join(t.TempDir(), "server"), "#!/bin/sh\nexec sleep 60\n")
			r := newRig(t)
			release := r.prepare(Command{App: "app", Args: []string{path}})
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			w := r.startOf(release, pool.Order{ID: "1"})
			exited := w.exit()
			wantError(t, exited.Status.Error, "cannot run "+path+": "+c.says)
			wantError(t, exited.Hint, c.hint...)
			if saw[pool.Online](w) || saw[pool.Ready](w) {
				t.Errorf("a program that never ran reported %#v", w.seen)
			}
		})
	}
}

// unordered starts a worker's shim without sending its order, so that the test can do so.
func unordered(t *testing.T) (*worker, *birth) {
	t.Helper()
	r := newRig(t, "web")
	release := r.prepare(Command{App: "app", Args: []string{"sleep", "60"}})
	b := &birth{release: release, order: pool.Order{ID: "1"}}
	defer b.closeChildEnds()
	if err := b.open(); err != nil {
		t.Fatal(err)
	}
	w := r.newWorker()
	p := newProcess(release, pool.Order{ID: "1"}, w.sink)
	if err := b.fork(p); err != nil {
		t.Fatal(err)
	}
	r.register(p)
	b.image = &image{}
	b.watchExec(p.pid, nil)
	p.begin(b)
	w.Process = p
	t.Cleanup(w.end)
	return w, b
}

// TestLauncherKilled: the program never ran, and it is not reported that it did.
func TestLauncherKilled(t *testing.T) {
	t.Parallel()
	w, _ := unordered(t)
	w.Kill()
	exited := w.exit()
	if exited.Status.Signal != syscall.SIGKILL {
		t.Errorf("the worker ended with %v", exited.Status)
	}
	wantError(t, exited.Hint, "the process that was to become the worker ended first")
	if exited.Unstarted == nil {
		t.Error("the program, which never ran, is blamed")
	}
	if saw[pool.Online](w) || saw[pool.Ready](w) {
		t.Errorf("unexpected reports: %#v", w.seen)
	}
}

// TestHalfAnOrder: a shim whose master dies in the middle of the order runs nothing.
func TestHalfAnOrder(t *testing.T) {
	t.Parallel()
	whole := shim.Order{Path: "/bin/sleep", Args: []string{"sleep", "60"}}.Bytes()
	for name, order := range map[string][]byte{"none": nil, "half": whole[:len(whole)/2]} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := unordered(t)
			if _, err := b.shim.Write(order); err != nil {
				t.Fatal(err)
			}
			closeWrite(b.shim)
			exited := w.exit()
			wantError(t, exited.Status.Error, "cannot read the order of the master: protocol error")
			if exited.Unstarted == nil {
				t.Error("the program, which never ran, is blamed")
			}
			if saw[pool.Online](w) {
				t.Errorf("unexpected reports: %#v", w.seen)
			}
		})
	}
}

// TestMasterGone: a shim that cannot report to a master does not run the program.
func TestMasterGone(t *testing.T) {
	t.Parallel()
	release := newRig(t, "web").prepare(Command{App: "app", Args: []string{"sleep", "60"}})
	b := &birth{release: release, order: pool.Order{ID: "1"}}
	defer b.closeChildEnds()
	defer b.abort()
	if err := b.open(); err != nil {
		t.Fatal(err)
	}
	b.image = &image{path: release.path}
	spec, err := b.spec()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.shim.Write(spec.Bytes()); err != nil {
		t.Fatal(err)
	}
	b.shim.Close()
	var p Process
	if err := b.fork(&p); err != nil {
		t.Fatal(err)
	}
	if status, _ := p.handle.wait(p.pid); status != (pool.ExitStatus{Code: 127}) {
		t.Errorf("the shim ended with %v, want exit status 127", status)
	}
}
