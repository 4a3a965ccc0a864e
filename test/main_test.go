package test

import (
	"flag"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"relevo/internal/cli"
	"relevo/internal/testreq"
)

// TestMain lets the test binary run as the programs of the scripts: relevo itself and its shim. The
// worker of the scripts is package test/app.
func TestMain(m *testing.M) {
	testscript.Main(atTop{m}, map[string]func(){
		"relevo": relevo,
		// For TestSuccessionRefused.
		"good":        relevo,
		"relevo-dies": dieWithLegacy, "relevo-drops": dropSockets, "relevo-forges": forgeLegacy,
	})
}

// atTop runs the tests in the top directory of the repository, because they name files as the docs
// do: examples/node/server.mjs.
type atTop struct{ *testing.M }

func (a atTop) Run() int {
	inParallel()
	heedSignals()
	testreq.QuickStarts()
	if err := os.Chdir(".."); err != nil {
		panic(err)
	}
	defer removeBuilds()
	return a.M.Run()
}

// heedSignals restores the signals that a shell ignores where a script runs the tests in the
// background, and SIGHUP, which nohup ignores: the tests' children would inherit that.
func heedSignals() {
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

// inParallel runs more tests at once than there are processors, because most tests mainly wait. go
// test -parallel N sets another number.
func inParallel() {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		flag.Set(parallel.Name, strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
}

// takesLongUnless is for a matrix: one row always runs, and the others are skipped without -long.
func takesLongUnless(t *testing.T, always bool) {
	t.Helper()
	if !always {
		takesLong(t)
	}
}

func takesLong(t *testing.T) {
	t.Helper()
	testreq.TakesLong(t)
}

func relevo() { os.Exit(cli.Program(os.Args)) }

// TestScripts runs test/testdata/script/*.txt, one scenario a file. To add one, add a
// file; CONTRIBUTING.md lists the commands.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, scriptsIn("test/testdata/script"))
}

// TestLongScripts runs the scenarios that take long: test/testdata/script/long/*.txt.
func TestLongScripts(t *testing.T) {
	takesLong(t)
	t.Parallel()
	testscript.Run(t, scriptsIn("test/testdata/script/long"))
}

func scriptsIn(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupScript,
		Condition:           scriptCondition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"release":  scriptRelease,
			"serving":  scriptServing,
			"pids":     scriptPIDs,
			"get":      scriptGet,
			"address":  scriptAddress,
			"load":     scriptLoad,
			"gone":     scriptGone,
			"eventual": scriptEventually,
			"freeport": scriptFreePort,
			"exits":    scriptExits,
			"sig":      scriptSignal,
			"murder":   scriptMurder,
			"heard":    scriptHeard,
		},
	}
}

// setupScript gives each script its own directories and ensures that no process outlives it.
func setupScript(env *testscript.Env) error {
	env.Setenv("RELEVO_RUNTIME_DIR", filepath.Join(env.WorkDir, "run"))
	env.Setenv("RELEVO_STATE_DIR", filepath.Join(env.WorkDir, "state"))
	env.Setenv("PWD", env.WorkDir)
	repo, err := os.Getwd()
	if err != nil {
		return err
	}
	env.Setenv("REPO", repo)
	for _, name := range []string{"HOME", "GOPATH", "GOCACHE", "GOFLAGS"} {
		env.Setenv(name, os.Getenv(name)) // go build needs it
	}
	state := &scriptState{}
	env.Values[stateKey{}] = state
	env.Defer(func() { state.end(env) })
	return nil
}

// scriptCondition knows [root] and [have:PROGRAM]. With RELEVO_REQUIRE=all, haveProgram fails the
// run instead if a program is absent.
func scriptCondition(cond string) (bool, error) {
	if name, ok := strings.CutPrefix(cond, "have:"); ok {
		return haveProgram(name), nil
	}
	return cond == "root" && os.Geteuid() == 0, nil
}
