package test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"relevo/internal/control"
	"relevo/internal/prove"
	"relevo/internal/testport"
	"relevo/internal/testreq"
)

var (
	programRolls    = flag.Int("program-rolls", 1, "how often TestPrograms rolls each program")
	programRequests = flag.Int("program-requests", 100, "how many requests of each kind TestPrograms makes at least")
	programsFolder  = flag.String("programs", "", "the folder into which .ci/programs has installed programs: "+
		"TestPrograms runs all of docs/any-program.md, one after the other, four workers each")
)

// unmodified is a program as its own quick start shows it: it binds its own port and knows nothing
// of relevo.
type unmodified struct {
	name    string
	needs   string            // the programs that must be installed
	module  string            // of Python or Node; must be installed, too
	folder  string            // of test/testdata/programs; its files are copied
	files   map[string]string // further files
	command string            // PORT stands for the port
	flags   string            // of relevo run
	workers int

	protocol string // https for relevo prove, or one of test/testdata/programs/go/load; default http
	gateway  string // a server in front of it, on the port GATEWAY, which clients use instead
	silent   bool   // it has no listener
	clients  int    // default programClients
	drops    bool   // when it dies, packets that it has read but not answered are lost
	cuts     bool   // its kept connections last until the drain timeout, and are then cut
}

// TestPrograms rolls programs that know nothing of relevo, under load. .ci/programs uses it to print
// the table of docs/any-program.md.
func TestPrograms(t *testing.T) {
	takesLong(t)
	rows, all := programs, *programsFolder != ""
	if all {
		rows = slices.Concat(programs, installedPrograms)
		path := []string{filepath.Join(*programsFolder, "bin"), filepath.Join(*programsFolder, "node_modules/.bin"),
			os.Getenv("PATH")}
		t.Setenv("PATH", strings.Join(path, ":"))
	}
	reports := make([]*prove.Report, len(rows))
	t.Run("rolled", func(t *testing.T) {
		for i, p := range rows {
			t.Run(p.name, func(t *testing.T) {
				if all {
					p.workers = 4
				} else {
					p.clients = 0
					t.Parallel()
				}
				reports[i] = p.test(t)
				t.Log(p.row(reports[i]))
			})
		}
	})
	if all {
		t.Run(pollingApp.name, pollingApp.testPolling)
	}
	var table strings.Builder
	printed := tabwriter.NewWriter(&table, 0, 0, 1, ' ', 0)
	fmt.Fprintln(printed, "| program\t| line to type\t| replaced\t| fresh: answered\t| lost\t| slowest\t| kept alive: "+
		"answered\t| lost\t| slowest\t|")
	fmt.Fprintln(printed, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for i, p := range rows {
		if r := reports[i]; r != nil {
			fmt.Fprint(printed, p.row(r))
		}
	}
	printed.Flush()
	t.Logf("\n%s", &table)
}

// row returns the program's line of the table.
func (p unmodified) row(r *prove.Report) string {
	return fmt.Sprintf("| %s\t| `%s`\t| %d\t| %s\t| %s\t|\n", p.name, p.line(), r.Rolls.Replaced, figures(r.Fresh),
		figures(r.KeepAlive))
}

// line returns the command line that a reader types.
func (p unmodified) line() string {
	line := strings.Join(strings.Fields("relevo run -n 4 "+p.flags+" -- "+p.command), " ")
	return strings.NewReplacer("PORT", "3000", "/usr/bin/", "").Replace(line)
}

func figures(f *prove.Figures) string {
	if f.Sent == 0 {
		return "\t| \t| "
	}
	return fmt.Sprintf("%d\t| %d\t| %.0f ms", f.OK, f.Lost.Total(), float64(f.Latency.Slowest)/1e6)
}

// test fails if a request was lost, except on connections that relevo can only cut.
func (p unmodified) test(t *testing.T) *prove.Report {
	s, port := p.site(t)
	r := p.prove(t, s, port)
	if r.Rolls.Failed > 0 || r.Rolls.Done < *programRolls || r.Rolls.Replaced != r.Rolls.Done*p.workers {
		t.Errorf("rolls %+v; want %d of %d workers at least", r.Rolls, *programRolls, p.workers)
	}
	if lost := r.Fresh.Lost.Total(); lost > 0 && (!p.drops || lost > int64(r.Rolls.Replaced)) {
		t.Errorf("%d of %d requests on fresh connections are lost: %+v", lost, r.Fresh.Sent, r.Samples)
	}
	allowed := 0
	if p.cuts || p.drops {
		allowed = r.Rolls.Replaced * programClients
	}
	if lost := r.KeepAlive.Lost.Total(); lost > int64(allowed) {
		t.Errorf("%d of %d requests on kept-alive connections are lost: %+v", lost, r.KeepAlive.Sent, r.Samples)
	}
	return r
}

// How many clients of each kind send requests.
const (
	programClients = 4
	manyClients    = 32 // for delayed acknowledgments: the server writes head and body separately
)

// site makes a directory with the program.
func (p unmodified) site(t *testing.T) (s *site, port string) {
	p.require(t)
	_, port, _ = strings.Cut(testport.Address(t), ":")
	s = emptySite(t)
	s.release("1", "binds")
	if p.folder != "" {
		s.must(os.CopyFS(s.dir, os.DirFS(filepath.Join("test/testdata/programs", p.folder))))
		s.must(os.Symlink(filepath.Join(*programsFolder, "node_modules"), s.at("node_modules")))
	}
	if built := filepath.Join(*programsFolder, p.folder, ".next"); p.folder == "next" {
		s.must(os.CopyFS(s.at(".next"), os.DirFS(built)))
	}
	for name, text := range p.files {
		s.must(os.WriteFile(s.at(name), []byte(text), 0o644))
	}
	p.fillIn(s, map[string]string{"PORT": port, "DIR": s.dir})
	return s, port
}

// require ends the test if something is not installed.
func (p unmodified) require(t *testing.T) {
	for _, program := range strings.Fields(p.needs) {
		testreq.Program(t, program)
	}
	installed := true
	switch {
	case p.module == "":
	case strings.HasSuffix(p.needs, "node"):
		_, err := os.Stat(filepath.Join(*programsFolder, "node_modules", p.module))
		installed = err == nil
	default:
		installed = exec.Command(p.needs, "-c", "import "+p.module).Run() == nil
	}
	if !installed {
		testreq.Missing(t, "the module "+p.module+" is not installed")
	}
}

// fillIn replaces words in the files beside the program by values.
func (p unmodified) fillIn(s *site, values map[string]string) {
	files, err := filepath.Glob(s.at("*.*"))
	s.must(err)
	for _, file := range files {
		info, err := os.Lstat(file)
		s.must(err)
		if !info.Mode().IsRegular() {
			continue
		}
		text := mustRead(s.t, file)
		for word, value := range values {
			text = strings.ReplaceAll(text, word, value)
		}
		s.must(os.WriteFile(file, []byte(text), 0o644))
	}
}

// prove runs the program and rolls it under load.
func (p unmodified) prove(t *testing.T, s *site, port string) *prove.Report {
	address := "127.0.0.1:" + port
	if p.silent {
		return p.load(t, s, address) // here the program itself connects
	}
	p.start(s, port)
	// relevo assumes at first that a program which binds late serves no clients.
	s.await("the program to bind its port", func() bool {
		return slices.ContainsFunc(s.status().Listeners, func(l control.Listener) bool {
			return strings.HasSuffix(l.Address, ":"+port)
		})
	})
	if p.gateway != "" {
		address = p.startGateway(s)
	}
	if p.protocol != "" && p.protocol != "https" {
		return p.load(t, s, address)
	}
	code, said := s.relevo("prove", "site", "--json", "--url", cmp.Or(p.protocol, "http")+"://"+address+"/", "--insecure",
		"--clients", strconv.Itoa(cmp.Or(p.clients, programClients)),
		"--rolls", strconv.Itoa(*programRolls), "--min-requests", strconv.Itoa(*programRequests),
		"--timeout", tooLong.String())
	_, document, found := strings.Cut(said, "{")
	var r prove.Report
	if !found || json.Unmarshal([]byte("{"+document), &r) != nil || r.Rolls == nil {
		t.Fatalf("relevo prove: exit code %d: %s", code, said)
	}
	s.stop()
	return &r
}

// start runs the program's workers.
func (p unmodified) start(s *site, port string) {
	args := []string{"run", "--name", "site", "-n", strconv.Itoa(p.workers), "--canary", "100ms", "--watch-binary=false"}
	args = append(args, strings.Fields(p.flags+" -- "+p.command)...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "PORT", port)
	}
	s.start(args...)
}
