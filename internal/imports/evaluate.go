package imports

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Patience bounds the evaluation of a file.
const Patience = 10 * time.Second

// ofNode evaluates a file in Node and writes its value to descriptor 3, apart from what the file
// prints.
const ofNode = `
import { writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const say = (v) => {
  let rest = Buffer.from(JSON.stringify(v));
  while (rest.length) rest = rest.subarray(writeSync(3, rest));
};
try {
  const m = await import(pathToFileURL(process.env.RELEVO_IMPORT_FILE));
  delete process.env.RELEVO_IMPORT_FILE;
  say({ value: (await (m.default ?? m)) ?? null });
  process.exit(0);
} catch (e) {
  say({ error: e instanceof Error ? e.name + ': ' + e.message : 'it throws ' + String(e) });
  throw e;
}`

// ofPython does the same with the names that a file of gunicorn defines. A value that JSON cannot
// express becomes an object, such as {"is": "code"} for a function.
const ofPython = `
import json, os, traceback, types
def plain(v):
    if v is None or isinstance(v, (bool, int, float, str)):
        return v
    if isinstance(v, (list, tuple)) and all(isinstance(i, (bool, int, float, str)) for i in v):
        return list(v)
    return {"is": "code" if callable(v) else type(v).__name__}
def say(v):
    with os.fdopen(3, "w") as out:
        json.dump(v, out)
path = os.environ.pop("RELEVO_IMPORT_FILE")
names = {"__name__": "__config__", "__file__": path}
try:
    with open(path, "rb") as f:
        exec(compile(f.read(), path, "exec"), names)
except BaseException as e:
    say({"error": type(e).__name__ + ": " + str(e)})
    traceback.print_exc()
    os._exit(1)
say({"value": {k: plain(v) for k, v in names.items()
    if not k.startswith("_") and not isinstance(v, (types.ModuleType, type))}})
os._exit(0)`

// maxValue bounds the value of a file, in bytes.
const maxValue = 8 << 20

// evaluator is a program that evaluates files.
type evaluator struct {
	name string // for people
	args []string
	line string // pattern between the file's name and the line number in an error
}

func evaluatorOf(path, absolute string) (evaluator, error) {
	if filepath.Ext(path) == ".py" {
		python, err := findPython(filepath.Dir(absolute))
		if err != nil {
			return evaluator{}, fmt.Errorf("cannot evaluate %s: there is no python3 in PATH; install it", path)
		}
		return evaluator{"Python", []string{python, "-c", ofPython}, `", line `}, nil
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return evaluator{}, fmt.Errorf("cannot evaluate %s: there is no node in PATH; install it, or write the file as "+
			"JSON",
			path)
	}
	return evaluator{"Node", []string{node, "--no-warnings", "--input-type=module", "-e", ofNode}, ":"}, nil
}

// findPython prefers the environment of a project: its files may import its packages.
func findPython(dir string) (string, error) {
	for _, name := range []string{".venv/bin/python", "venv/bin/python"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath("python3")
}

// Evaluate returns the value of a file that is a program, as JSON. The error names the line.
func Evaluate(ctx context.Context, path string, patience time.Duration) ([]byte, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate %s: %w", path, err)
	}
	by, err := evaluatorOf(path, absolute)
	if err != nil {
		return nil, err
	}
	late := fmt.Errorf("it did not end within %s; a file that waits or loops cannot be imported", patience)
	ctx, cancel := context.WithTimeoutCause(ctx, patience, late)
	defer cancel()
	said, stderr, err := by.run(ctx, absolute)
	var answer struct {
		Value json.RawMessage
		Error string
	}
	decoded := json.Unmarshal(said, &answer)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("cannot evaluate %s: %w", path, context.Cause(ctx))
	case len(said) > maxValue:
		return nil, fmt.Errorf("cannot evaluate %s: its value has more than 8 MiB; is it the right file?", path)
	case answer.Error != "":
		return nil, fmt.Errorf("cannot evaluate %s: %s", by.place(path, absolute, stderr), answer.Error)
	case err != nil:
		return nil, fmt.Errorf("cannot evaluate %s: it ended %s: %w; %s", by.place(path, absolute, stderr), by.name, err,
			or(lastLine(stderr), "it says nothing else"))
	case decoded != nil:
		return nil, fmt.Errorf("cannot evaluate %s: it ends %s before it has a value", path, by.name)
	case len(answer.Value) == 0: // JSON has no functions
		return nil, fmt.Errorf("cannot evaluate %s: it exports no data; an ecosystem file has module.exports = "+
			"{ apps: [ … ] }", path)
	}
	return answer.Value, nil
}

// run returns what the program wrote to descriptor 3 and to standard error.
func (e evaluator) run(ctx context.Context, file string) (said, stderr []byte, err error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer reader.Close()
	cmd := exec.CommandContext(ctx, e.args[0], e.args[1:]...)
	cmd.Env = append(os.Environ(), "RELEVO_IMPORT_FILE="+file)
	cmd.ExtraFiles = []*os.File{writer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	words := &firstBytes{}
	cmd.Stderr = words
	err = cmd.Start()
	writer.Close()
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { reader.SetReadDeadline(time.Now()) })
	defer stop()
	said, _ = io.ReadAll(io.LimitReader(reader, maxValue+1))
	reader.Close() // a file that writes more gets EPIPE
	err = cmd.Wait()
	return said, words.text, err
}

// place is the file with the line at which it failed: Node names it first, Python last.
func (e evaluator) place(path, absolute string, stderr []byte) string {
	lines := regexp.MustCompile(regexp.QuoteMeta(absolute)+e.line+`([0-9]+)`).FindAllSubmatch(stderr, -1)
	if lines == nil {
		return path
	}
	line := lines[0]
	if e.name == "Python" {
		line = lines[len(lines)-1]
	}
	return path + ":" + string(line[1])
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// firstBytes keeps only the first output, so that a file cannot fill the memory; the error is near
// the beginning.
type firstBytes struct{ text []byte }

func (f *firstBytes) Write(text []byte) (int, error) {
	f.text = append(f.text, text[:min(len(text), 64<<10-len(f.text))]...)
	return len(text), nil
}
