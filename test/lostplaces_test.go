package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/testreq"
)

// lostPlace is a file or directory that a start needs and that is gone afterwards. Its paths are
// relative to the directory of the site.
type lostPlace struct {
	args   []string
	env    string
	lose   func(s *site)
	put    func(s *site) // puts it back
	reload int           // the exit code of a reload while it is gone
}

// at is a path below the directory of the site.
func (s *site) at(path string) string { return filepath.Join(s.dir, path) }

func (s *site) must(errs ...error) {
	s.t.Helper()
	for _, err := range errs {
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// away moves something away; back moves it back.
func away(path string) func(*site) {
	return func(s *site) { s.must(os.Rename(s.at(path), s.at(path+".away"))) }
}
func back(path string) func(*site) {
	return func(s *site) { s.must(os.Rename(s.at(path+".away"), s.at(path))) }
}

// pruned deletes the directory in which relevo was started; restored makes it again.
func pruned(s *site) { s.must(os.RemoveAll(s.at("start"))) }
func restored(s *site) {
	s.must(os.Mkdir(s.at("start"), 0o755))
	s.writeConfiguration("start/relevo.toml", "3")
}

func (s *site) writeConfiguration(path, workers string) {
	text := fmt.Sprintf("name = \"site\"\ncommand = [%q]\ndirectory = %q\nlisten = [\"127.0.0.1:0\"]\nworkers = %s\n"+
		"env_files = [%q]\ncanary = \"0s\"\n",
		s.app, s.dir, workers, s.at("env"))
	s.must(os.WriteFile(s.at(path), []byte(text), 0o644))
}

var lostPlaces = map[string]lostPlace{
	"configuration": {lose: away("start/relevo.toml"), put: back("start/relevo.toml"), reload: 6},
	"named configuration": {args: []string{"-c", "../conf/relevo.toml"}, lose: away("conf"), put: back("conf"),
		reload: 6},
	"link to it": {args: []string{"-c", "../current/relevo.toml"}, lose: away("conf"), put: back("conf"),
		reload: 6},
	"variable's": {env: "RELEVO_CONFIG=../conf/relevo.toml", lose: away("conf"), put: back("conf"),
		reload: 6},
	"environment":             {lose: away("env"), put: back("env"), reload: 10},
	"start":                   {args: []string{"-c", "../conf/relevo.toml"}, lose: pruned, put: restored},
	"start and configuration": {lose: pruned, put: restored, reload: 6},
	"a new configuration": {args: []string{"-c", "../conf/relevo.toml"}, lose: func(s *site) {
		s.writeConfiguration("start/relevo.toml", "1")
	}, put: func(*site) {}},
	"file that is a directory": {
		lose: func(s *site) { away("start/relevo.toml")(s); s.must(os.Mkdir(s.at("start/relevo.toml"), 0o755)) },
		put:  func(s *site) { s.must(os.Remove(s.at("start/relevo.toml"))); back("start/relevo.toml")(s) }, reload: 6,
	},
}

// TestSuccessionAfterALoss: files that only the first start needs are gone when a master is
// replaced. The next master continues with what serves, and a reload reads the same files when they
// are back.
func TestSuccessionAfterALoss(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for name, c := range lostPlaces {
		for _, how := range []string{"tableflip", "exec"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				s := emptySite(t)
				s.must(os.Mkdir(s.at("start"), 0o755), os.Mkdir(s.at("conf"), 0o755), os.Symlink("conf", s.at("current")))
				s.must(os.WriteFile(s.at("env"), []byte("A=1\n"), 0o644))
				s.writeConfiguration("start/relevo.toml", "2")
				s.writeConfiguration("conf/relevo.toml", "2")
				if c.env != "" {
					s.env = append(s.env, c.env)
				}
				s.startIn(s.at("start"), append([]string{"run", "--upgrade", how, "--watch-binary=false"}, c.args...)...)
				s.lookAway(c)
				s.stop()
			})
		}
	}
}

// startIn starts the master in another directory.
func (s *site) startIn(dir string, args ...string) {
	s.t.Helper()
	s.master = s.command(args...)
	s.master.Dir = dir
	s.begin()
	s.serves()
}

// lookAway removes the place, replaces the master twice, and puts the place back.
func (s *site) lookAway(c lostPlace) {
	t := s.t
	t.Helper()
	before := s.settled(2)
	c.lose(s)
	for range 2 {
		s.upgrade()
		if now := s.settled(2); !slices.Equal(now, before) {
			t.Errorf("pids %v serve, before: %v", now, before)
		}
	}
	if code, said := s.relevo("reload", "site"); code != c.reload {
		t.Errorf("reload without it: exit code %d: %s", code, said)
	}
	c.put(s)
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Errorf("reload: exit code %d: %s", code, said)
	}
	if s.status().Config == "" {
		t.Error("the status does not name the configuration file")
	}
}

// TestSuccessionWhereNothingCanBeRead: the master runs as another user, whose directories have been
// closed.
func TestSuccessionWhereNothingCanBeRead(t *testing.T) {
	t.Parallel()
	testreq.Root(t)
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			takesLongUnless(t, how == "exec")
			s := emptySite(t)
			s.must(os.Mkdir(s.at("start"), 0o755), os.WriteFile(s.at("env"), nil, 0o644), os.Chmod(s.dir, 0o755))
			s.writeConfiguration("start/relevo.toml", "2")
			for _, dir := range []string{"run", "state"} {
				s.must(os.Mkdir(s.at(dir), 0o700), os.Chown(s.at(dir), 65534, 65534))
			}
			s.master = s.command("run", "--upgrade", how, "--watch-binary=false")
			s.master.Dir = s.at("start")
			s.master.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			s.begin()
			s.serves()
			s.lookAway(lostPlace{
				lose:   func(s *site) { s.must(os.Chmod(s.at("start/relevo.toml"), 0), os.Chmod(s.at("start"), 0)) },
				put:    func(s *site) { s.must(os.Chmod(s.at("start"), 0o755), os.Chmod(s.at("start/relevo.toml"), 0o644)) },
				reload: 6,
			})
			s.stop()
		})
	}
}

// TestServeAfterALoss: relevo serve needs its directory when it starts; a successor does not.
func TestServeAfterALoss(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			takesLongUnless(t, how == "tableflip")
			s := emptySite(t)
			s.must(os.Mkdir(s.at("start"), 0o755), os.MkdirAll(s.at("start/public"), 0o755))
			s.startIn(s.at("start"), "serve", "public", "--name", "site", "-n", "2", "-l", "127.0.0.1:0", "--upgrade", how,
				"--watch-binary=false", "--directory", s.dir)
			before := s.settled(2)
			s.must(os.RemoveAll(s.at("start")))
			s.upgrade()
			if now := s.settled(2); !slices.Equal(now, before) {
				t.Errorf("pids %v serve, before: %v", now, before)
			}
			if code, said := s.relevo("reload", "site"); code != 6 && code != 2 || !strings.Contains(said, "public") {
				t.Errorf("reload: exit code %d: %s", code, said)
			}
			s.stop()
		})
	}
}
