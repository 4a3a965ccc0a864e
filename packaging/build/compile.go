package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// target is a platform, in Go's words.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

func parseTargets(texts []string) (targets []target, err error) {
	for _, text := range texts {
		if !slices.Contains(strings.Split(allTargets, ","), text) {
			return nil, fmt.Errorf("cannot use the platform %q: write some of %s", text, allTargets)
		}
		system, arch, _ := strings.Cut(text, "/")
		targets = append(targets, target{system, arch})
	}
	return targets, nil
}

// binary is a compiled program.
type binary struct {
	target
	program *program
	data    []byte
}

// compile builds without cgo, and without all that differs between two machines: paths, the state of
// the repository, and settings of the environment.
func (r *release) compile(p *program, t target) (binary, error) {
	dir, err := os.MkdirTemp("", "relevo-build-")
	if err != nil {
		return binary{}, fmt.Errorf("cannot compile: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, p.name)
	link := "-s -w -X " + p.stamps[0] + "=v" + r.version
	if r.revision != "" && len(p.stamps) > 1 {
		link += " -X " + p.stamps[1] + "=" + r.revision
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags="+link, "-o", path, ".")
	cmd.Dir = filepath.Join(r.sources, p.dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOFLAGS=-mod=readonly",
		"GOWORK=off", "GOEXPERIMENT=", "GOAMD64=v1", "GO386=sse2", "GOARM64=v8.0", "GORISCV64=rva20u64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return binary{}, fmt.Errorf("cannot compile %s for %s: %w\n%s", p.name, t, err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return binary{}, fmt.Errorf("cannot read what was compiled for %s: %w", t, err)
	}
	return binary{t, p, data}, nil
}
