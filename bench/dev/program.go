package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// programText is the server that everybody builds: relevo's SDK, which runs without
// relevo as well. Its version is what a save changes.
const programText = `package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"relevo/worker"
)

const version = "%s"

func main() {
	warm, _ := time.ParseDuration(os.Getenv("BENCH_WARM"))
	time.Sleep(warm)
	answer := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, version, os.Getpid()) }
	server := &http.Server{Addr: os.Getenv("BENCH_ADDR"), Handler: http.HandlerFunc(answer)}
	if err := worker.Serve(context.Background(), server); err != nil {
		log.Fatal(err)
	}
}
`

// project is one directory with that program.
type project struct{ dir string }

func (b *bench) newProject(name string) (project, error) {
	p := project{filepath.Join(b.dir, name)}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return p, err
	}
	for name, text := range map[string]string{
		"go.mod":     "module benchapp\n\ngo 1.26.0\n",
		"go.work":    fmt.Sprintf("go 1.26.0\n\nuse .\nuse %s\n", b.repo),
		".gitignore": "tmp/\n",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
			return p, err
		}
	}
	return p, p.save("v0")
}

// save writes a version, beside the file and renamed over it, as editors do.
func (p project) save(version string) error { return p.write(fmt.Sprintf(programText, version)) }

func (p project) write(text string) error {
	path := filepath.Join(p.dir, "main.go")
	if err := os.WriteFile(path+"~", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(path+"~", path)
}

// pause is the time between two saves: no developer saves at the moment when a page appears.
const pause = 700 * time.Millisecond
