package launch

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/launch/shim"
	"relevo/internal/launch/store"
	"relevo/internal/phrase"
	"relevo/internal/runtimes"
	"relevo/internal/safefile"
)

// target is the file whose bytes are a release: the program itself, or the script that an
// interpreter runs.
type target struct {
	program string // path of the file that is exec'd
	path    string // path of the file with the release's bytes
	script  string // path of the script as the command names it; empty: the program has the bytes
	// argument is the index of the argument that names the script, and that may name the
	// script's copy instead. 0: the interpreter finds the script by itself.
	argument int
}

// findTarget finds the target of a command as the workers would.
func findTarget(c Command, dir, searchPath string) (t target, err error) {
	if t.program, err = findExecutable(c.Args[0], dir, searchPath); err != nil {
		return t, err
	}
	t.path = t.program
	at := runtimes.Parse(c.Args)
	if at.Script > 0 && isFile(dir, c.Args[at.Script]) {
		return t.of(dir, c.Args[at.Script], at.Script), nil
	}
	var candidates []string
	switch {
	case at.Module != "":
		candidates = runtimes.ModuleFiles(at.Runtime, at.Module)
	case at.Script > 0:
		candidates = append(mainOfPackage(dir, c.Args[at.Script]), runtimes.ScriptFiles(at.Runtime, c.Args[at.Script])...)
	}
	for _, candidate := range candidates {
		if isFile(dir, candidate) {
			return t.of(dir, candidate, 0), nil
		}
	}
	return t, nil
}

func (t target) of(dir, script string, argument int) target {
	t.path, t.script, t.argument = under(dir, script), script, argument
	return t
}

func isFile(dir, path string) bool {
	if path == "" || strings.ContainsAny(path, "{\x00") {
		return false
	}
	info, err := os.Stat(under(dir, path))
	return err == nil && info.Mode().IsRegular()
}

// mainOfPackage returns the file that a directory's package.json names, none if it names
// none.
func mainOfPackage(dir, path string) []string {
	text, err := safefile.Read(filepath.Join(under(dir, path), "package.json"), 1<<20)
	var manifest struct{ Main string }
	if err != nil || json.Unmarshal(text, &manifest) != nil || manifest.Main == "" {
		return nil
	}
	return []string{filepath.Join(path, manifest.Main)}
}

// interpreter is the program that runs a release's script. It stays open, so that it runs
// the workers of the release even after its file was replaced or removed. It is not copied,
// because it also needs files beside itself, which belong to the machine.
type interpreter struct {
	path     string
	file     *os.File // nil: it cannot be read
	form     form
	script   string // see target
	argument int
}

// openInterpreter returns nil if the program itself has the bytes.
func openInterpreter(t target) *interpreter {
	if t.script == "" {
		return nil
	}
	i := &interpreter{path: t.program, script: t.script, argument: t.argument}
	if file, err := safefile.Open(t.program); err == nil {
		i.file, i.form = file, formOf(file)
	}
	return i
}

func (i *interpreter) close() {
	if i != nil && i.file != nil {
		i.file.Close()
	}
}

// replaced says whether the path leads to another file by now.
func (i *interpreter) replaced() bool {
	now, err := os.Stat(i.path)
	if err != nil {
		return true
	}
	opened, err := i.file.Stat()
	return err == nil && !os.SameFile(now, opened)
}

// interpret adds to a shim's order the interpreter to exec, and the script as its
// argument.
func (b *birth) interpret(spec *shim.Order) {
	i := b.release.interpreter
	spec.Path, spec.FD = i.path, 0
	switch {
	case i.file == nil || i.form != elfForm: // an interpreter that is a script is opened by name
	case b.release.launcher.byDescriptor:
		spec.FD = b.lend(i.file)
	case i.replaced():
		spec.Path = fmt.Sprintf("/proc/self/fd/%d", b.lend(i.file))
	}
	if b.image.kept && i.argument > 0 {
		spec.Args = slices.Clone(spec.Args)
		spec.Args[i.argument] = b.image.path
	}
}

// targetOfStored returns the target that a kept release has with the present command.
func (r *Release) targetOfStored(record store.Record) (target, error) {
	t, err := findTarget(r.command, r.dir, r.searchPath())
	if !record.Interpreted {
		if err != nil && (t.path == "" || record.Source != "") {
			t.path = record.Source // the file there may hold other bytes by now
		}
		t.program, t.script, t.argument = t.path, "", 0
		return t, nil
	}
	if err != nil {
		return t, fmt.Errorf("cannot use release %s: %w", phrase.Hash(record.SHA256), err)
	}
	// The script itself may be gone.
	at := runtimes.Parse(r.command.Args)
	if at.Script == 0 {
		return t, fmt.Errorf("cannot use release %s: it is the script %s, and the command names none "+
			"now; put the command back", phrase.Hash(record.SHA256), record.Source)
	}
	return t.of(r.dir, r.command.Args[at.Script], at.Script), nil
}

// SameProgram says whether a kept release is an earlier release of the program that the
// command runs now. The app's name may belong to another program since then.
func (r *Release) SameProgram(record store.Record) bool {
	path := r.path
	switch {
	case record.Interpreted && r.interpreter == nil: // the script itself may be gone
		at := runtimes.Parse(r.command.Args)
		if at.Script == 0 {
			return false
		}
		path = under(r.dir, r.command.Args[at.Script])
	case !record.Interpreted && r.interpreter != nil:
		return false
	}
	if record.Source == "" { // an older record
		return record.Name == filepath.Base(path)
	}
	if filepath.Clean(record.Source) == filepath.Clean(path) {
		return true
	}
	// The directory may be a link that leads to the next release by now.
	before, err := filepath.Rel(record.ResolvedDir, record.Source)
	if err != nil || !filepath.IsLocal(before) || record.Dir != givenDir(r.command.Dir) {
		return false
	}
	now, err := filepath.Rel(r.dir, path)
	return err == nil && before == now
}

// SameBytes says whether a kept release has the same bytes as this one, and differs only in
// the files beside its script.
func (r *Release) SameBytes(record store.Record) bool {
	return record.SHA256 == record.NameOf(r.sum) && slices.Equal(record.Places, r.about.Places)
}

// belongsToSystem says whether an interpreter belongs to a package of the system: it lies
// below /usr, but not in /usr/local, and only root can write to it. It is not copied, because
// it would not work without the rest of its package.
func belongsToSystem(program, path string) bool {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil || !runtimes.Interprets(program) || !strings.HasPrefix(resolved, "/usr/") ||
		strings.HasPrefix(resolved, "/usr/local/") {
		return false
	}
	return rootOnly(resolved)
}
