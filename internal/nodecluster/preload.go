package nodecluster

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// preload is the module that a Node worker loads before its program.
//
//go:embed preload.cjs
var preload []byte

// ReportLoad in the environment of a worker has the preload report how busy the event loop is.
const ReportLoad = "RELEVO_NODE_LOAD=1"

// Preloaded says that the worker has loaded the preload, and obeys Leave and Deadline.
type Preloaded struct{ Node string } // Node's version

// Oldest is the oldest major version of Node that relevo is tested with.
const Oldest = 18

// Old says whether the worker's Node is older than Oldest. An unknown version is not.
func (p Preloaded) Old() bool {
	major, _, _ := strings.Cut(p.Node, ".")
	number, err := strconv.Atoi(major)
	return err == nil && number < Oldest
}

// Clear says that the worker has no connection left that it ends by itself.
type Clear struct{}

func (Preloaded) event() {}
func (Clear) event()     {}

// cmdRelevo is the command of the messages between preload and primary. Node ignores it.
const cmdRelevo = "NODE_RELEVO"

// Leave asks the preload to end connections that cannot be handed over.
func (p *Primary) Leave() error { return p.order("leave") }

// Deadline asks the preload to close WebSockets.
func (p *Primary) Deadline() error { return p.order("deadline") }

// AskAgain asks the preload to repeat the worker's unanswered requests, because a master that
// was killed may have read them and not answered.
func (p *Primary) AskAgain() error { return p.order("again") }

func (p *Primary) order(act string) error {
	return p.send(order{Cmd: cmdRelevo, Act: act}, nil)
}

func (p *Primary) preloadSaid(m received) {
	switch m.Act {
	case "preloaded":
		p.opts.Tell(Preloaded{m.Node})
	case "sent":
		p.opts.Tell(Sent{})
	case "clear":
		p.opts.Tell(Clear{})
	case "open":
		p.stillOpen(m.Keys)
	}
}

// stillOpen forgets the servers that are not open any more. The worker reported their end to a
// master that was killed. A server that is not forgotten would make query refuse a new one at the
// same address.
func (p *Primary) stillOpen(keys []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.servers {
		if !slices.Contains(keys, key) {
			p.forget(key)
		}
	}
}

// InstallPreload writes the preload into a directory, unless it is there already, and returns
// its path. All users who may enter the directory may read it.
func InstallPreload(dir string) (path string, err error) {
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	sum := sha256.Sum256(preload)
	path = filepath.Join(dir, "preload-"+hex.EncodeToString(sum[:8])+".cjs")
	if isPreload(path) {
		return path, nil
	}
	file, err := os.CreateTemp(dir, ".preload-")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name()) // fails after the rename
	defer file.Close()
	if _, err := file.Write(preload); err != nil {
		return "", err
	}
	if err := file.Chmod(0o444); err != nil {
		return "", err
	}
	return path, os.Rename(file.Name(), path)
}

// isPreload says whether a file belongs to this user and holds the whole preload.
func isPreload(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o444 {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) != os.Geteuid() {
		return false
	}
	text, err := os.ReadFile(path)
	return err == nil && string(text) == string(preload)
}

// WithPreload adds the preload to the options that Node takes from its environment.
func WithPreload(options, path string) string {
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
	return strings.TrimLeft(options+" --require "+quoted, " ")
}
