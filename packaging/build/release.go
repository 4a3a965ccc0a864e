package main

import (
	"fmt"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// release is what all files of a release have in common.
type release struct {
	sources    string    // directory
	out        string    // directory
	version    string    // without v: 1.2.3
	revision   string    // of the repository; empty without one
	time       time.Time // of all files
	url        string
	maintainer string // of packages
	programs   []*program
	built      []binary // of relevo
	names      []string // of the files made
}

// semver is what the formats of packages agree on.
var semver = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?(\+[0-9A-Za-z.]+)?$`)

func newRelease(o options) (*release, error) {
	r := &release{url: strings.TrimSuffix(o.url, "/"), version: strings.TrimPrefix(o.version, "v"),
		maintainer: o.maintainer}
	var err error
	if _, err = mail.ParseAddress(o.maintainer); err != nil {
		return nil, fmt.Errorf("cannot use the maintainer %q: %w; write it as 'NAME <ADDRESS>'", o.maintainer,
			err)
	}
	if r.sources, err = filepath.Abs(o.sources); err != nil {
		return nil, fmt.Errorf("cannot find the sources: %w", err)
	}
	r.out = filepath.Join(r.sources, "dist")
	if o.out != "" {
		if r.out, err = filepath.Abs(o.out); err != nil {
			return nil, fmt.Errorf("cannot find the directory for the files: %w", err)
		}
	}
	r.revision = r.git("rev-parse", "HEAD")
	if r.version == "" {
		r.version = r.describe()
	}
	if !semver.MatchString(r.version) {
		return nil, fmt.Errorf("cannot use the version %q: it has to be like 1.2.3 or 1.2.3-rc.1", r.version)
	}
	if r.time, err = r.when(); err != nil {
		return nil, err
	}
	if r.programs = programs(); !o.fleet {
		r.programs = r.programs[:1]
	}
	for _, p := range r.programs {
		if p.shared, err = r.sharedFiles(p); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// describe is the version of a tag, or one that sorts before all releases.
func (r *release) describe() string {
	if tag := r.git("describe", "--tags", "--exact-match", "--match", "v*"); tag != "" {
		return strings.TrimPrefix(tag, "v")
	}
	if r.revision == "" {
		return "0.0.0-dev"
	}
	return "0.0.0-dev." + r.when8() + "." + r.revision[:12]
}

func (r *release) when8() string {
	seconds, _ := strconv.ParseInt(r.git("log", "-1", "--format=%ct"), 10, 64)
	return time.Unix(seconds, 0).UTC().Format("20060102")
}

// when is the time of the last commit, unless SOURCE_DATE_EPOCH gives one
// (reproducible-builds.org/specs/source-date-epoch).
func (r *release) when() (time.Time, error) {
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if seconds == "" {
		seconds = r.git("log", "-1", "--format=%ct")
	}
	if seconds == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot use SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(n, 0).UTC(), nil
}

// git asks the repository of the sources; empty where there is none, or git is missing.
func (r *release) git(args ...string) string {
	if _, err := os.Stat(filepath.Join(r.sources, ".git")); err != nil {
		return ""
	}
	out, err := exec.Command("git", append([]string{"-C", r.sources}, args...)...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
