package watch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stress replaces top/current/srv in every way at once, without waiting for
// the watch, and knows which bytes are complete.
type stress struct {
	t      *testing.T
	dir    string
	rand   *rand.Rand
	n      int
	whole  map[string]bool // sha256 of every complete file
	inLink string          // where top/current points
}

// content returns bytes that are not the beginning of any other content.
func (s *stress) content() string {
	s.n++
	c := fmt.Sprintf("#!/bin/sh\n# release %d\n", s.n) + strings.Repeat("x", s.rand.IntN(20000)) + "\n"
	s.whole[hashOf(c)] = true
	return c
}

func (s *stress) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir, "top"}, parts...)...)
}

func (s *stress) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// pause stands for the work of a deployment between two steps.
func (s *stress) pause() { <-time.After(time.Duration(s.rand.IntN(12)) * time.Millisecond) }

func (s *stress) slowWrite() {
	c := s.content()
	f, err := os.OpenFile(s.path("current/srv"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	s.must(err)
	for len(c) > 0 {
		n := min(len(c), 1+s.rand.IntN(10000))
		_, err := f.WriteString(c[:n])
		s.must(err)
		c = c[n:]
		s.pause()
	}
	s.must(f.Close())
}

func (s *stress) rename() {
	put(s.t, s.path("next"), s.content())
	s.must(os.Rename(s.path("next"), s.path("current/srv")))
}

func (s *stress) removeAndWrite() {
	os.Remove(s.path("current/srv"))
	s.pause()
	put(s.t, s.path("current/srv"), s.content())
}

func (s *stress) flip() {
	s.inLink = map[string]string{"a": "b", "b": "a"}[s.inLink]
	put(s.t, s.path(s.inLink, "srv"), s.content())
	s.must(os.Symlink(s.inLink, s.path("link")))
	s.must(os.Rename(s.path("link"), s.path("current")))
}

func (s *stress) swapTop() {
	s.must(os.MkdirAll(filepath.Join(s.dir, "new", "a"), 0o755))
	s.must(os.MkdirAll(filepath.Join(s.dir, "new", "b"), 0o755))
	put(s.t, filepath.Join(s.dir, "new", s.inLink, "srv"), s.content())
	s.must(os.Symlink(s.inLink, filepath.Join(s.dir, "new", "current")))
	s.must(os.Rename(s.path(), filepath.Join(s.dir, "old")))
	s.must(os.Rename(filepath.Join(s.dir, "new"), s.path()))
	s.must(os.RemoveAll(filepath.Join(s.dir, "old")))
}

func (s *stress) removeTop() {
	s.must(os.RemoveAll(s.path()))
	s.pause()
	s.must(os.MkdirAll(s.path(s.inLink), 0o755))
	s.must(os.Symlink(s.inLink, s.path("current")))
	s.pause()
	s.must(os.MkdirAll(s.path("a"), 0o755))
	s.must(os.MkdirAll(s.path("b"), 0o755))
	put(s.t, s.path("current/srv"), s.content())
}

func (s *stress) touch() {
	now := time.Now()
	s.must(os.Chtimes(s.path("current/srv"), now, now))
	s.must(os.Chmod(s.path("current/srv"), 0o700))
}

// Whatever happens in whatever order: only complete files are reported, and
// the last one is.
func TestStress(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := &stress{t: t, dir: t.TempDir(), rand: rand.New(rand.NewPCG(seed, 0)), whole: map[string]bool{}, inLink: "a"}
	s.must(os.MkdirAll(s.path("a"), 0o755))
	s.removeTop()
	r := watchPath(t, s.dir, "top/current/srv", Options{Quiet: 3 * time.Millisecond, QuietMax: 20 * time.Millisecond})
	ops := []func(){s.slowWrite, s.rename, s.removeAndWrite, s.flip, s.swapTop, s.removeTop, s.touch}
	for range 40 {
		for range 5 {
			ops[s.rand.IntN(len(ops))]()
		}
		s.rename()
		ops[s.rand.IntN(len(ops))]()
		s.settled(r, contentOf(t, r.path))
	}
}

// settled waits until final is reported, after nothing but complete files.
func (s *stress) settled(r *rig, final string) {
	s.t.Helper()
	late := time.After(tooLong)
	for {
		select {
		case c := <-r.changes:
			if !s.whole[c.SHA256] {
				s.t.Fatalf("bytes that never were a complete file: %+v", c.Change)
			}
			if c.SHA256 == hashOf(final) {
				return
			}
		case <-late:
			s.t.Fatalf("the last change was missed\nlog:\n%s", r.log)
		}
	}
}
