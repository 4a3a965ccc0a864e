package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"relevo/watch"
)

// goPackage has the fields of `go list -json` that matter here.
type goPackage struct {
	Dir           string
	ImportPath    string
	Name          string
	Standard      bool
	EmbedPatterns []string
	Module        *goModule
	Error         *struct{ Err string }
	DepsErrors    []struct{ Err string }
}

type goModule struct {
	Path, Version, Dir, GoMod string
	Main                      bool
	Replace                   *goModule
}

// own says whether a package is edited here: it is in this module, in another module of the
// workspace, or in a directory that replaces a module. Files named on the command line, and a
// directory that has lost its last Go file, have no module.
func (p goPackage) own() bool {
	m := p.Module
	if p.Standard || m == nil {
		return !p.Standard && p.Dir != ""
	}
	return m.Main || m.Replace != nil && m.Replace.Version == ""
}

const listFields = "-json=Dir,ImportPath,Name,Standard,EmbedPatterns,Module,Error"

// listGo asks the go command which packages and files a package consists of. Code that does not
// compile is listed nevertheless. work is the path of the workspace's go.work, or empty.
func listGo(ctx context.Context, dir, pattern string) (all []goPackage, work string, err error) {
	out, err := runGo(ctx, dir, "env", "GOWORK")
	if err != nil {
		return nil, "", err
	}
	if work = strings.TrimSpace(string(out)); work == "off" {
		work = ""
	}
	if out, err = runGo(ctx, dir, "list", "-e", "-deps", listFields, pattern); err != nil {
		return nil, "", fmt.Errorf("cannot list the packages of %s: %w", pattern, err)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			return nil, "", fmt.Errorf("cannot read the answer of go list: %w", err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, "", fmt.Errorf("cannot find the package %s", pattern)
	}
	return all, work, nil
}

func runGo(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("cannot find the go command in PATH: install Go, or name what is to run: " +
			"relevo dev --build 'CMD' -- COMMAND ARG…")
	}
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n  %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// goFiles is the pattern of files in a package's directory that the go command compiles.
const goFiles = "*.{go,c,cc,cpp,cxx,m,h,hh,hpp,hxx,f,F,for,f90,s,S,sx,swig,swigcxx,syso}"

// goSet returns the patterns of the files that packages consist of, and of files with similar names
// that do not belong to them: tests.
func goSet(packages []goPackage, work string) (exact, not []string) {
	modules := map[string]string{}
	for _, p := range packages {
		if p.own() && p.Module != nil && p.Module.Dir != "" {
			modules[p.Module.Path] = p.Module.Dir
		}
	}
	dirs := map[string]bool{}
	for _, p := range packages {
		dir := p.Dir
		if dir == "" || !p.own() {
			if dir = missingDir(p, modules); dir == "" {
				continue
			}
		}
		if !dirs[dir] {
			dirs[dir] = true
			exact = append(exact, watch.Escape(dir)+"/"+goFiles)
			not = append(not, watch.Escape(dir)+"/*_test.go")
		}
		for _, pattern := range p.EmbedPatterns {
			exact = append(exact, embedGlobs(dir, pattern)...)
		}
	}
	for _, dir := range modules {
		exact = append(exact, watch.Escape(dir)+"/go.{mod,sum,work}")
	}
	if work != "" {
		exact = append(exact, watch.Escape(work), watch.Escape(work)+".sum")
	}
	slices.Sort(exact)
	return slices.Compact(exact), not
}

// missingDir is the directory of a package that is imported from an own module but does not exist
// yet: it is probably about to be written.
func missingDir(p goPackage, modules map[string]string) string {
	if p.Standard || p.Dir != "" || p.Module != nil {
		return ""
	}
	for name, dir := range modules {
		if rest, ok := strings.CutPrefix(p.ImportPath, name+"/"); ok {
			return filepath.Join(dir, filepath.FromSlash(rest))
		}
	}
	return ""
}

// embedGlobs are the patterns for the files of a //go:embed pattern: a file, or everything in a
// directory.
func embedGlobs(dir, pattern string) []string {
	pattern = strings.TrimPrefix(pattern, "all:")
	// go:embed uses the patterns of path.Match, in which braces are literal.
	pattern = strings.NewReplacer("{", `\{`, "}", `\}`).Replace(path.Clean(pattern))
	if pattern == "." {
		return []string{watch.Escape(dir) + "/**"}
	}
	glob := watch.Escape(dir) + "/" + pattern
	return []string{glob, glob + "/**"}
}

// program returns the package to build. The pattern must match exactly one.
func program(packages []goPackage, pattern string) (goPackage, error) {
	p := packages[len(packages)-1] // go list puts dependencies first
	if p.Name != "" && p.Name != "main" {
		return p, fmt.Errorf("cannot run %s: it is package %s and not a program; name one such as ./cmd/app", pattern, p.Name)
	}
	if p.Dir == "" {
		text := "there is no such package"
		if p.Error != nil {
			text = p.Error.Err
		}
		return p, fmt.Errorf("cannot find the package %s: %s", pattern, strings.TrimSpace(text))
	}
	return p, nil
}
