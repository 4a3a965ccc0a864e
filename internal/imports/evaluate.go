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

// Patience is how long Node may take to evaluate a file.
const Patience = 10 * time.Second

// program has Node evaluate a file and write its value to descriptor 3, so that what the file
// prints does not come between.
const program = `
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

// maxValue bounds what a file may evaluate to, in bytes.
const maxValue = 8 << 20

// Evaluate returns the value of a file that is a program, as JSON. The error names the line.
func Evaluate(ctx context.Context, path string, patience time.Duration) ([]byte, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate %s: there is no node in PATH; install it, or write the file as JSON", path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate %s: %w", path, err)
	}
	late := fmt.Errorf("it did not end within %s; a file that waits or loops cannot be imported", patience)
	ctx, cancel := context.WithTimeoutCause(ctx, patience, late)
	defer cancel()
	said, stderr, err := runNode(ctx, node, absolute)
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
		return nil, fmt.Errorf("cannot evaluate %s: %s", place(path, absolute, stderr), answer.Error)
	case err != nil:
		return nil, fmt.Errorf("cannot evaluate %s: it ended Node: %w; %s", place(path, absolute, stderr), err,
			or(lastLine(stderr), "it says nothing else"))
	case decoded != nil:
		return nil, fmt.Errorf("cannot evaluate %s: it ends Node before it has a value", path)
	}
	return answer.Value, nil
}

// runNode returns what Node wrote to descriptor 3 and to its standard error.
func runNode(ctx context.Context, node, file string) (said, stderr []byte, err error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer reader.Close()
	cmd := exec.CommandContext(ctx, node, "--no-warnings", "--input-type=module", "-e", program)
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
	reader.Close() // a file that says more is ended by it
	err = cmd.Wait()
	return said, words.text, err
}

// place is the file with the line at which Node says that it failed.
func place(path, absolute string, stderr []byte) string {
	line := regexp.MustCompile(regexp.QuoteMeta(absolute) + `:([0-9]+)`).FindSubmatch(stderr)
	if line == nil {
		return path
	}
	return path + ":" + string(line[1])
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// firstBytes keeps what a file prints from filling memory: the reason stands early in it.
type firstBytes struct{ text []byte }

func (f *firstBytes) Write(text []byte) (int, error) {
	f.text = append(f.text, text[:min(len(text), 64<<10-len(f.text))]...)
	return len(text), nil
}
