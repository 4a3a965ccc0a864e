package test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"relevo/internal/lazyregexp"
)

// importRule forbids or limits what a package may import, with the reason.
type importRule struct {
	pkg     string   // without "relevo/"
	only    []string // if set: nothing else of relevo or, with std true, at all
	std     bool     // only lists standard packages too
	never   []string
	because string
}

var importRules = []importRule{
	{pkg: "pool/machine", std: true, only: []string{"cmp", "fmt", "errors", "maps", "math", "slices", "time"},
		because: "it decides and does nothing: with os, net, sync or a clock in it, it could not be tested as a function"},
	{pkg: "pool/tally", std: true, only: []string{"maps", "slices", "time", "relevo/pool/machine"},
		because: "it counts what it is told"},
	{pkg: "internal/metrics", only: []string{"relevo/internal/control", "relevo/internal/footprint",
		"relevo/internal/procfs", "relevo/pool", "relevo/pool/machine", "relevo/pool/tally"},
		because: "it shows what a status says and what the kernel shows, and changes nothing"},
	{pkg: "internal/fleet/plan", std: true, only: []string{"cmp", "fmt", "slices", "strings", "time"},
		because: "it decides from what it is shown: with etcd or a clock in it, it could not be fuzzed"},
	{pkg: "internal/explain", only: []string{"relevo/internal/control", "relevo/internal/phrase", "relevo/pool",
		"relevo/pool/machine"}, because: "it turns what is known into words, and knows nothing else"},
	{pkg: "internal/trace", only: []string{"relevo/internal/control", "relevo/pool", "relevo/pool/machine"},
		because: "it hears what masters tell, as any client does; in the launcher it must cost nothing"},
	{pkg: "internal/trace/testotlp", only: []string{},
		because: "tests of every package receive traces; the program itself does without what it imports"},
	{pkg: "internal/machineview", only: []string{"relevo/internal/apps", "relevo/internal/footprint", "relevo/pool"},
		because: "it is what can be seen; how it is shown is the business of those who show it"},
	{pkg: "internal/web", only: []string{"relevo/internal/apps", "relevo/internal/config", "relevo/internal/control",
		"relevo/internal/machineview", "relevo/internal/metrics", "relevo/internal/phrase", "relevo/internal/safefile",
		"relevo/pool", "relevo/pool/machine"}, because: "it asks masters on their control sockets, as any client does"},
	{pkg: "internal/monit", only: []string{"relevo/internal/apps", "relevo/internal/control",
		"relevo/internal/machineview", "relevo/internal/phrase", "relevo/internal/printable", "relevo/internal/procfs",
		"relevo/pool", "relevo/pool/machine"},
		because: "it shows what its Source has found, so that a frame is a function of that"},
	{pkg: "internal/monit/feed", only: []string{"relevo/internal/announce", "relevo/internal/control",
		"relevo/internal/logfile", "relevo/internal/machineview", "relevo/internal/monit", "relevo/internal/phrase",
		"relevo/internal/printable", "relevo/pool"},
		because: "it looks and asks; what is shown of it is the business of monit"},
	{pkg: "internal/metrics/exporter", only: []string{},
		because: "it serves what it is given, at an address that it is told"},
	{pkg: "worker", only: []string{"relevo/internal/ipc"},
		because: "programs import it: they must not get a process master with it"},
	{pkg: "internal/ipc", only: []string{}, because: "both ends of the wire import it"},
	{pkg: "internal/config", only: []string{"relevo/internal/runtimes", "relevo/internal/safefile",
		"relevo/internal/schedule"},
		because: "it reads text into values and knows nobody"},
	{pkg: "internal/safefile", only: []string{"relevo/internal/procfs"},
		because: "whatever opens a file that another user may have put there uses it"},
	{pkg: "internal/prove", only: []string{"relevo/internal/procfs", "relevo/internal/phrase",
		"relevo/internal/prove/h2conn"}, because: "it must judge apps of any master without knowing ours"},
	{pkg: "internal/prove/h2conn", only: []string{}, because: "it says what became of streams; to count them is prove's"},
	{pkg: "pool", only: []string{"relevo/internal/ipc", "relevo/internal/config", "relevo/pool/machine",
		"relevo/pool/tally"}, because: "what starts processes and holds sockets reaches it through its two seams"},
	{pkg: "internal/launch", only: []string{"relevo/internal/ipc", "relevo/internal/config", "relevo/pool",
		"relevo/internal/launch/store", "relevo/internal/launch/advice", "relevo/internal/launch/shim",
		"relevo/internal/runtimes", "relevo/internal/safefile",
		"relevo/internal/printable", "relevo/internal/procnet", "relevo/internal/capture", "relevo/internal/procfs",
		"relevo/internal/rescue", "relevo/internal/sockdiag", "relevo/internal/nodecluster", "relevo/internal/lazyregexp",
		"relevo/internal/phrase"},
		because: "it implements pool's seams and knows no other part"},
	{pkg: "internal/launch/shim", only: []string{"relevo/internal/capture/filter"},
		because: "it runs before other packages are initialised"},
	{pkg: "internal/capture/filter", only: []string{}, because: "the shim uses it"},
	{pkg: "upgrader", only: []string{"relevo/upgrader/listeners"},
		because: "it moves a document and files; what is in them is its user's business"},
	{pkg: "upgrader/listeners", only: []string{"relevo/internal/config", "relevo/upgrader/listeners/seats",
		"relevo/internal/safefile", "relevo/internal/procnet", "relevo/internal/sockdiag"},
		because: "it knows sockets; how they get from one master to the next is the upgrader's business"},
	{pkg: "internal/launch/store", only: []string{"relevo/internal/diskspace", "relevo/internal/safefile",
		"relevo/internal/phrase"}, because: "it keeps files and judgements; what a release means to a " +
		"pool is not its business"},
	{pkg: "internal/control", only: []string{"relevo/internal/config", "relevo/pool", "relevo/internal/safefile",
		"relevo/internal/printable"}, because: "it speaks of the pool; what a master is it learns through its own interface"},
	{pkg: "internal/apps", only: []string{"relevo/internal/config", "relevo/internal/control", "relevo/internal/diskspace",
		"relevo/internal/procfs", "relevo/internal/safefile", "relevo/pool/machine"},
		because: "it starts masters as any shell would, and asks them on their control sockets"},
	{pkg: "internal/imports", only: []string{"relevo/internal/config", "relevo/internal/lazyregexp"},
		because: "it turns text into text; what is started is its user's business"},
	{pkg: "internal/project", std: true, only: []string{"encoding/json", "io/fs", "path", "regexp", "slices", "strings",
		"relevo/internal/lazyregexp"},
		because: "it tells from names and texts of files, so that a table can test it"},
	{pkg: "internal/launch/advice", only: []string{}, because: "it knows programs, and is shown what was seen of them"},
	{pkg: "internal/procnet", only: []string{"relevo/internal/procfs", "relevo/internal/sockdiag"},
		because: "it reads what the kernel shows; listeners and launch say who holds a port"},
	{pkg: "upgrader/listeners/seats", only: []string{"relevo/internal/sockdiag"},
		because: "it knows sockets and names of workers; who they are is its user's business"},
	{pkg: "internal/capture", only: []string{"relevo/internal/capture/filter", "relevo/internal/procfs"},
		because: "it knows system calls; whose sockets answer them is its user's business"},
	{pkg: "internal/health", std: true, only: []string{"cmp", "slices", "time"},
		because: "it decides from answers: with a network or a clock in it, it could not be tested as a function"},
	{pkg: "internal/health/ask", only: []string{"relevo/internal/config", "relevo/internal/printable"},
		because: "it asks one worker; what follows is decided elsewhere"},
	{pkg: "internal/health/monitor", only: []string{"relevo/internal/announce", "relevo/internal/config",
		"relevo/internal/control", "relevo/internal/health", "relevo/internal/health/ask", "relevo/internal/launch",
		"relevo/internal/phrase", "relevo/pool", "relevo/pool/machine", "relevo/upgrader/listeners"},
		because: "it asks the workers of a pool; which pool, and which configuration, a master tells it"},
	{pkg: "internal/autoscale", std: true, only: []string{"fmt", "math", "time"},
		because: "it decides from numbers: with a clock in it, hours of load could not be tested"},
	{pkg: "internal/autoscale/scaler", only: []string{"relevo/internal/autoscale", "relevo/internal/config",
		"relevo/internal/control", "relevo/internal/launch", "relevo/pool", "relevo/pool/machine",
		"relevo/upgrader/listeners"},
		because: "it looks at the workers of a pool; which pool, and which configuration, a master tells it"},
	{pkg: "internal/sleep", std: true, only: []string{"strings", "time"},
		because: "it decides from what was seen: with a clock in it, days without clients could not be tested"},
	{pkg: "internal/sleep/sleeper", only: []string{"relevo/internal/config", "relevo/internal/launch",
		"relevo/internal/procfs", "relevo/internal/procnet", "relevo/internal/sleep", "relevo/internal/sockdiag",
		"relevo/pool", "relevo/pool/machine", "relevo/upgrader/listeners"},
		because: "it looks at the workers of a pool; which pool, and which configuration, a master tells it"},
	{pkg: "internal/schedule", std: true, only: []string{"errors", "fmt", "hash/fnv", "strings", "time", "time/tzdata",
		"github.com/robfig/cron/v3"}, because: "it decides from times: with a clock in it, years could not be tested"},
	{pkg: "internal/schedule/alarm", only: []string{}, because: "it knows the clock of the machine, and no master"},
	{pkg: "internal/nodecluster", only: []string{"relevo/internal/lazyregexp"},
		because: "it knows a protocol; whose sockets and channels it serves is its user's business"},
	{pkg: "internal/lazyregexp", only: []string{},
		because: "it spares every start of the program what that start does not need"},
	{pkg: "internal/footprint", only: []string{"relevo/internal/launch", "relevo/internal/procfs",
		"relevo/internal/sockdiag"}, because: "it asks the kernel about processes; no master is asked"},
	{pkg: "internal/procfs", only: []string{}, because: "packages of every level read /proc"},
	{pkg: "internal/rescue", only: []string{"relevo/internal/sockdiag", "relevo/internal/lazyregexp"},
		because: "its relay is a program of its own, without a master in it"},
	{pkg: "internal/sockdiag", only: []string{}, because: "packages of every level list connections and read addresses"},
	{pkg: "internal/reaper", only: []string{"relevo/internal/procfs"},
		because: "it knows pids, and whose they are only from who starts them; it meets launch in master only"},
	{pkg: "internal/doctor", only: []string{"relevo/internal/config", "relevo/internal/safefile",
		"relevo/internal/threads", "relevo/internal/capture", "relevo/internal/procfs"},
		because: "it judges what it is shown; who runs and what is delegated it is told by cli"},
	{pkg: "watch", only: []string{}, because: "parts that stand side by side meet in master only"},
	{pkg: "internal/dev", only: []string{"relevo/internal/config", "relevo/internal/control", "relevo/pool",
		"relevo/pool/machine", "relevo/watch", "relevo/internal/safefile", "relevo/internal/lazyregexp",
		"relevo/internal/phrase"},
		because: "it stands beside the master and asks it through an interface of its own"},
	{pkg: "internal/dev/terminal", only: []string{}, because: "a terminal has to be given back whatever the program was"},
	{pkg: "systemd", only: []string{"relevo/internal/procfs"},
		because: "parts that stand side by side meet in master only"},
	{pkg: "systemd/unit", only: []string{"relevo/internal/config", "relevo/internal/safefile"},
		because: "it turns a configuration into text"},
	{pkg: "internal/diskspace", only: []string{}, because: "whoever writes files asks it what is used up"},
	{pkg: "internal/journal", only: []string{},
		because: "it sends lines with the fields that it is given; whose lines they are is its user's business"},
	{pkg: "internal/logfile", only: []string{"relevo/internal/safefile"},
		because: "it keeps lines in files; whose lines they are is its user's business"},
	{pkg: "internal/printable", only: []string{},
		because: "words are made fit to be shown where they come in and where they are shown"},
	{pkg: "internal/phrase", std: true, only: []string{"net", "strconv", "strings"},
		because: "packages of every level speak to people"},
	{pkg: "internal/runtimes", std: true, only: []string{"encoding/json", "errors", "fmt", "maps", "path/filepath",
		"slices", "strconv", "strings"}, because: "it decides from words and a view of files, so that a table can test it"},
	{pkg: "internal/hangup", only: []string{"relevo/internal/procfs"},
		because: "what a signal means depends on the session of the process alone"},
	{pkg: "internal/systemdbox", only: []string{"relevo/internal/systemdbox/boot", "relevo/internal/testreq"},
		because: "tests of every package may boot a systemd"},
	{pkg: "internal/systemdbox/boot", only: []string{"relevo/internal/procfs"},
		because: "programs that are no tests may boot a systemd, too"},
	{pkg: "internal/oomscore", only: []string{}, because: "it knows a file of the kernel's, and no master"},
	{pkg: "internal/threads", only: []string{"relevo/internal/procfs"},
		because: "it knows the Go runtime and the kernel's limits, and no master"},
	{pkg: "internal/testport", only: []string{}, because: "tests of every package ask for ports"},
	{pkg: "internal/testproc", only: []string{}, because: "tests of every package may run themselves as a child"},
	{pkg: "test/app", only: []string{"relevo/worker"}, because: "it is a program as users write them"},
	{pkg: "internal/testbuffer", only: []string{}, because: "tests of every package collect what is written"},
	{pkg: "internal/testleft", only: []string{"relevo/internal/procfs"},
		because: "tests of every package look for what they leave behind"},
	{pkg: "internal/testbrowser", only: []string{"relevo/internal/testreq"},
		because: "tests of every package may look at a page"},
	{pkg: "internal/dev/proxy", only: []string{"relevo/internal/lazyregexp", "relevo/internal/phrase"},
		because: "it is told what happened, and stands before any app; parts that stand side by side meet above it"},
	{pkg: "internal/serve", only: []string{"relevo/worker"}, because: "the built-in worker is a worker like any other"},
	{pkg: "internal/decide", std: true, only: []string{"time", "relevo/internal/config", "relevo/pool/machine"},
		because: "it decides from what it is shown: what reads, writes or asks has its place in master"},
	{pkg: "internal/background", only: []string{},
		because: "it runs what it is given, and need not know what that is"},
	{pkg: "internal/whole", std: true, only: []string{"reflect"},
		because: "what is forgotten of a state is found without knowing the state"},
	{pkg: "internal/succession", only: []string{"relevo/internal/config", "relevo/internal/control",
		"relevo/internal/generations", "relevo/internal/hangup", "relevo/internal/launch", "relevo/internal/launch/store",
		"relevo/internal/safefile", "relevo/pool", "relevo/systemd", "relevo/upgrader", "relevo/upgrader/listeners"},
		because: "how one master follows another is its business; what a master is it asks an Estate"},
	{pkg: "internal/generations", never: []string{"relevo/internal/master", "relevo/systemd"},
		because: "which process is the master, and how it came to be, is nothing to a generation"},
	{pkg: "internal/announce",
		only:    []string{"relevo/pool", "relevo/pool/machine", "relevo/internal/phrase", "relevo/upgrader/listeners"},
		because: "it says what happened, and cannot change it"},
	{pkg: "internal/keeper", never: []string{"relevo/internal/master", "relevo/internal/control"},
		because: "it keeps what it is given; which master is alive is nothing to it"},
	{pkg: "internal/master", never: []string{"relevo/internal/cli", "relevo/internal/prove", "relevo/internal/serve",
		"relevo/worker"}, because: "imports run downward"},
}

// exclusive packages may be imported only by the packages named here.
var exclusive = map[string][]string{
	"github.com/cloudflare/tableflip":          {"relevo/upgrader", "relevo/test/app"},
	"github.com/fsnotify/fsnotify":             {"relevo/watch"},
	"github.com/bmatcuk/doublestar/v4":         {"relevo/watch"},
	"github.com/git-pkgs/gitignore":            {"relevo/watch"},
	"github.com/pelletier/go-toml/v2/unstable": {"relevo/internal/config"},
	"github.com/robfig/cron/v3":                {"relevo/internal/schedule"},
	"github.com/spf13/cobra":                   {"relevo/internal/cli"},
	"go.yaml.in/yaml/v3":                       {"relevo/internal/imports"},
	"github.com/lmittmann/tint":                {"relevo/internal/cli"},
	"google.golang.org/protobuf/proto":         {"relevo/internal/trace/testotlp"},
	"github.com/coder/websocket":               {"relevo/internal/prove", "relevo/test/app"},
	"golang.org/x/net/http2":                   {"relevo/internal/prove/h2conn"},
	"golang.org/x/net/bpf":                     {"relevo/upgrader/listeners/seats", "relevo/internal/capture"},
}

type goPackage struct {
	ImportPath, Dir  string
	Imports, GoFiles []string
}

func TestImportsRunDownward(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)
	for _, rule := range importRules {
		p, ok := packages["relevo/"+rule.pkg]
		if !ok {
			t.Errorf("package %s of a rule does not exist", rule.pkg)
			continue
		}
		for _, imported := range p.Imports {
			if !rule.allows(imported) {
				t.Errorf("%s imports %s: %s", rule.pkg, imported, rule.because)
			}
		}
	}
	for importPath, p := range packages {
		for _, imported := range p.Imports {
			if owners, ok := exclusive[imported]; ok && !slices.Contains(owners, importPath) {
				t.Errorf("%s imports %s, which only %v may", importPath, imported, owners)
			}
		}
	}
}

// ofProcesses are files of /proc that are easy to misread: a process chooses its name in stat, and
// lines of mountinfo have optional fields.
var ofProcesses = lazyregexp.New(`^"(/proc/.*)?/(stat|children|cgroup|mountinfo|comm)"$|^"/proc/.*/status"$`)

// TestOneReaderOfProcesses: only package procfs reads them.
func TestOneReaderOfProcesses(t *testing.T) {
	t.Parallel()
	for importPath, p := range listPackages(t) {
		if importPath == "relevo/internal/procfs" {
			continue
		}
		for _, file := range p.GoFiles {
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, path.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if text, ok := n.(*ast.BasicLit); ok && ofProcesses.MatchString(text.Value) {
					t.Errorf("%s has %s: ask package procfs", fset.Position(text.Pos()), text.Value)
				}
				return true
			})
		}
	}
}

func (r importRule) allows(imported string) bool {
	if slices.Contains(r.never, imported) {
		return false
	}
	if r.only == nil || slices.Contains(r.only, imported) {
		return true
	}
	return !r.std && !strings.HasPrefix(imported, "relevo/")
}

// TestOnePackageComment: a reader finds what a package is for in one place.
func TestOnePackageComment(t *testing.T) {
	t.Parallel()
	for importPath, p := range listPackages(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		var comments []string
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), path.Join(p.Dir, file), nil, parser.PackageClauseOnly|
				parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Doc != nil {
				comments = append(comments, file)
			}
		}
		if len(comments) != 1 {
			t.Errorf("%s has %d package comments, in %v", importPath, len(comments), comments)
		}
	}
}

// TestOnlyMainExits: errors go up to main, which ends what it has started.
func TestOnlyMainExits(t *testing.T) {
	t.Parallel()
	for importPath, p := range listPackages(t) {
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), path.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Name.Name == "main" {
				continue
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				call, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if of, ok := call.X.(*ast.Ident); ok && of.Name == "os" && call.Sel.Name == "Exit" {
					t.Errorf("%s/%s calls os.Exit", importPath, file)
				}
				return true
			})
		}
	}
}

func listPackages(t *testing.T) map[string]goPackage {
	t.Helper()
	packages, err := allPackages()
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

var allPackages = sync.OnceValues(func() (map[string]goPackage, error) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...").Output()
	if err != nil {
		return nil, err
	}
	packages := map[string]goPackage{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			return nil, err
		}
		packages[p.ImportPath] = p
	}
	return packages, nil
})

// TestLinesFitTheScreen: no line of a Go file has more than 120 columns, not even in raw strings.
func TestLinesFitTheScreen(t *testing.T) {
	t.Parallel()
	const columns = 120
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == ".git" {
			return cmp.Or(err, fs.SkipDir)
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(source)) {
			n++
			if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > columns {
				t.Errorf("%s:%d has %d columns, %d are allowed", path, n, width, columns)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
