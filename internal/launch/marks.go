package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/printable"
	"relevo/internal/safefile"
)

// A script is only a part of its program. The other parts show, without reading all of
// them, in two marks: the lock file of its packages, and the revision that is checked out.
// So the same script is another release after a pull, and is tried again if it has failed.

// project is the project around a script.
type project struct {
	locks    []string // names and hashes
	revision string
	version  string // from package.json
}

// lockFiles are the lock files of package managers.
var lockFiles = [...]string{
	"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.lock",
	"poetry.lock", "uv.lock", "pdm.lock", "Pipfile.lock", "requirements.txt", "Gemfile.lock", "composer.lock",
}

// manifests are the files of a project's top directory: without a repository, the search for
// a lock file goes no higher.
var manifests = [...]string{"package.json", "deno.json", "pyproject.toml", "setup.py", "Pipfile", "Gemfile",
	"composer.json"}

// projectOf searches from a script's directory upward.
func projectOf(script string) (p project) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(script))
	if err != nil {
		return p
	}
	dir, _, _ = strings.Cut(dir, "/node_modules/") // a package belongs to the project that uses it
	repository := upward(dir, func(dir string) bool { return exists(filepath.Join(dir, ".git")) })
	if repository != "" {
		p.revision = revisionOf(filepath.Join(repository, ".git"))
	}
	for ; ; dir = filepath.Dir(dir) {
		if p.version == "" {
			p.version = packageVersion(dir)
		}
		p.locks = append(p.locks, locksIn(dir)...)
		if len(p.locks) > 0 || dir == repository || repository == "" && (isPackage(dir) || upward(dir, isPackage) == "") {
			return p
		}
	}
}

// locksIn has the lock files of a directory, each with its hash.
func locksIn(dir string) (all []string) {
	for _, name := range lockFiles {
		if sum := hashOfFile(filepath.Join(dir, name)); sum != "" {
			all = append(all, name+" "+sum)
		}
	}
	return all
}

func isPackage(dir string) bool {
	return slices.ContainsFunc(manifests[:], func(name string) bool { return exists(filepath.Join(dir, name)) })
}

// marks returns what tells apart two releases whose script has the same bytes.
func (p project) marks() []string {
	marks := slices.Clone(p.locks)
	if p.revision != "" {
		marks = append(marks, "git "+p.revision)
	}
	return marks
}

// describe returns version and revision, "1.4.2 (ab12cd3)", or what is known of them.
func (p project) describe() string {
	text := p.version
	if p.revision != "" {
		text += " (" + p.revision[:7] + ")"
	}
	return printable.Line(strings.TrimSpace(text))
}

func upward(dir string, holds func(dir string) bool) string {
	for ; ; dir = filepath.Dir(dir) {
		if holds(dir) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

func packageVersion(dir string) string {
	text, err := safefile.Read(filepath.Join(dir, "package.json"), 1<<20)
	var manifest struct{ Version string }
	if err != nil || json.Unmarshal(text, &manifest) != nil {
		return ""
	}
	return manifest.Version[:min(len(manifest.Version), 64)]
}

// hashOfFile returns the hash of a file, empty if the file cannot be read.
func hashOfFile(path string) string {
	file, err := safefile.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return ""
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:12])
}

// revisionOf returns the commit that is checked out, empty if git stores it in a way that is
// not known here.
func revisionOf(git string) string {
	if text := line(git); text != "" { // a work tree: .git is a file that names the repository
		dir, ok := strings.CutPrefix(text, "gitdir: ")
		if !ok {
			return ""
		}
		git = absolute(filepath.Dir(git), dir)
	}
	head := line(filepath.Join(git, "HEAD"))
	ref, isRef := strings.CutPrefix(head, "ref: ")
	if !isRef {
		return commit(head)
	}
	if !filepath.IsLocal(ref) {
		return ""
	}
	common := git
	if dir := line(filepath.Join(git, "commondir")); dir != "" {
		common = absolute(git, dir)
	}
	for _, dir := range []string{git, common} {
		if found := commit(line(filepath.Join(dir, ref))); found != "" {
			return found
		}
	}
	packed, _ := safefile.Read(filepath.Join(common, "packed-refs"), 16<<20)
	for one := range strings.Lines(string(packed)) {
		if sum, name, ok := strings.Cut(strings.TrimSpace(one), " "); ok && name == ref {
			return commit(sum)
		}
	}
	return ""
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// line returns the first line of a file, empty if there is none.
func line(path string) string {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	text, _ := safefile.Read(path, 4096)
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first)
}

func commit(text string) string {
	if sum, err := hex.DecodeString(text); err != nil || len(sum) != 20 && len(sum) != 32 {
		return ""
	}
	return text
}
