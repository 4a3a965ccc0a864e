package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"relevo/bench/figures"
	"relevo/bench/lines"
	"relevo/internal/procfs"
)

// keeper is a way to keep what a program prints.
type keeper struct {
	name     string
	version  []string
	packages []string
	start    func(s *service, program []string) ([]string, error) // the command, or what was begun
	files    string                                               // where the lines are, below the peer's directory
	end      []string
}

var keepers = []keeper{
	{name: "relevo", version: relevoVersion, files: "state/app/log/*[0-9].log*",
		start: func(_ *service, program []string) ([]string, error) {
			return append([]string{"relevo", "start", "-n", "1", "--name", name, "--ready", "delay=1ms", "--"}, program...), nil
		},
		end: []string{"relevo", "delete", name, "--force", "--purge"}},
	{name: "PM2, fork", packages: []string{pm2Package}, files: "pm2/logs/app-out.log",
		start: func(_ *service, program []string) ([]string, error) {
			return append([]string{"pm2", "start", program[0], "--interpreter", "none", "--name", name, "--"},
				program[1:]...), nil
		},
		end: []string{"pm2", "kill"}},
	{name: "a pipe to cat", files: "kept", start: shell("%s | cat >kept")},
	{name: "a file", files: "kept", start: shell("exec %s >kept")},
}

func (k keeper) label() string { return k.name }

// shell begins a program whose output the shell sends elsewhere.
func shell(command string) func(*service, []string) ([]string, error) {
	return func(s *service, program []string) ([]string, error) {
		_, err := s.begin("sh", "-c", fmt.Sprintf(command, strings.Join(program, " ")))
		return nil, err
	}
}

// The columns of lines.
const (
	linesWritten = "until the program has written all, s"
	linesKept    = "until all are in the file, s"
	linesCPU     = "processor time of what takes them, s"
	linesMissing = "lines missing"
)

// logLines compares what keeps the lines that a program prints, with a write(2) each.
func logLines(ctx context.Context, k *kit) (*result, error) {
	r := newResult(k.plan.rounds, column{Name: linesWritten, Format: "%.2f"},
		column{Name: linesKept, Format: "%.2f", Plot: true}, column{Name: linesCPU, Format: "%.2f", Plot: true},
		column{Name: linesMissing, Format: "%.0f"})
	return r, turns(ctx, k, r, choice(k.chosen, keepers), func(way keeper) error {
		if err := k.install(ctx, way.packages...); err != nil {
			return absent{err.Error()}
		}
		return r.kept(ctx, k, way)
	})
}

func (r *result) kept(ctx context.Context, k *kit, way keeper) (err error) {
	s, err := k.house(peer{name: way.name, version: way.version, packages: way.packages})
	if err != nil {
		return err
	}
	defer func() {
		if len(way.end) > 0 {
			err = errors.Join(err, s.order(context.WithoutCancel(ctx), way.end[0], way.end[1:]...))
		}
		err = errors.Join(err, s.stop())
	}()
	r.learn(ctx, s)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	said := filepath.Join(s.dir, "said")
	command, err := way.start(s, append([]string{self}, lines.Args(k.plan.lines, lines.Singly, said)...))
	if err == nil && len(command) > 0 {
		err = s.order(ctx, command[0], command[1:]...)
	}
	if err != nil {
		return err
	}
	return r.counted(ctx, s, said, filepath.Join(s.dir, way.files), filepath.Base(self))
}

// counted waits until the last line is in one of the files, and counts all of them.
func (r *result) counted(ctx context.Context, s *service, said, files, program string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	count := s.kit.plan.lines
	var printed lines.Printed
	err := await(ctx, func() bool {
		var err error
		printed, err = lines.Read(said)
		return err == nil && lastLineIn(files, count-1)
	})
	took := time.Since(printed.Began)
	if err != nil {
		return fmt.Errorf("cannot wait for the last line: %w", err)
	}
	spent, err := s.settledCPU(ctx, program)
	if err != nil {
		return err
	}
	there, err := countLines(files, count)
	if err != nil {
		return err
	}
	r.add(s.peer.name, linesWritten, printed.Took.Seconds())
	r.add(s.peer.name, linesKept, took.Seconds())
	r.add(s.peer.name, linesCPU, spent.Seconds())
	r.add(s.peer.name, linesMissing, float64(count-there))
	return nil
}

// lastLineIn looks at the end of each file for a line with a number.
func lastLineIn(files string, number int) bool {
	const tail = 1000
	paths, _ := filepath.Glob(files)
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		end, _ := file.Seek(0, io.SeekEnd)
		text := make([]byte, min(end, tail))
		file.ReadAt(text, end-int64(len(text)))
		file.Close()
		for line := range bytes.Lines(text) {
			if lines.Number(line) == number && line[len(line)-1] == '\n' {
				return true
			}
		}
	}
	return false
}

// countLines counts the different lines in files, compressed ones included.
func countLines(files string, count int) (there int, err error) {
	paths, err := filepath.Glob(files)
	if err != nil {
		return 0, err
	}
	seen := make([]bool, count)
	for _, path := range paths {
		if err := eachLine(path, func(number int) {
			if number >= 0 && number < count && !seen[number] {
				seen[number] = true
				there++
			}
		}); err != nil {
			return 0, fmt.Errorf("cannot count the lines in %s: %w", path, err)
		}
	}
	return there, nil
}

func eachLine(path string, do func(number int)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var text io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if text, err = gzip.NewReader(file); err != nil {
			return err
		}
	}
	scanner := bufio.NewScanner(text)
	for scanner.Scan() {
		do(lines.Number(scanner.Bytes()))
	}
	return scanner.Err()
}

// settledCPU is the processor time of all processes but the program, once they use none any more:
// old files are still compressed when the last line has come.
func (s *service) settledCPU(ctx context.Context, program string) (spent time.Duration, err error) {
	for before := time.Duration(-1); ; before = spent {
		if spent = s.cpu(program); spent == before {
			return spent, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (s *service) cpu(program string) (spent time.Duration) {
	for _, pid := range s.others(program) {
		if stat, err := procfs.Of(pid).Stat(); err == nil {
			spent += stat.CPU()
		}
	}
	return spent
}

// others are the processes of a service that are not the program.
func (s *service) others(program string) (pids []int) {
	for _, pid := range procfs.StartedWith(idVariable, s.port()) {
		if procfs.Of(pid).Name() != program[:min(len(program), 15)] {
			pids = append(pids, pid)
		}
	}
	return pids
}

// house makes a service that is no app at an address; the port of its address names it.
func (k *kit) house(p peer) (*service, error) {
	dir, err := k.place()
	if err != nil {
		return nil, err
	}
	s := &service{kit: k, dir: dir, peer: p}
	if s.address, err = figures.FreeAddress(); err != nil {
		return nil, err
	}
	s.env = []string{idVariable + "=" + s.port()}
	return s, nil
}
