package cli

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"

	"relevo/internal/config"
	"relevo/internal/runtimes"
)

// foreignWords are commands of PM2, systemctl, supervisorctl, einhornsh and others, with their
// counterpart in relevo.
var foreignWords = sync.OnceValue(func() map[string]string {
	return words([][2]string{
		{"startOrReload startOrRestart startOrGracefulReload up daemon daemonize background fg",
			"relevo start starts an app in the background, relevo run in the foreground; relevo reload takes a new release"},
		{"reload-or-restart try-restart gracefulReload softReload phased-restart hot-restart graceful " +
			"respawn force-reload daemon-reload",
			"relevo reload replaces all workers without losing a request, and reads the configuration again"},
		{"reread add",
			"relevo reload reads the configuration again; --dry-run says what would change"},
		{"remove down quit shutdown die terminate",
			"relevo stop finishes what was accepted and ends the master; relevo delete forgets the app, too"},
		{"kill halt",
			"relevo stop --force kills the workers and ends the master; relevo signal SIGNAL sends a signal to " +
				"workers"},
		{"imonit monitor mon dash dashboard top stats",
			"relevo monit shows all apps and their workers, live, relevo events what happens"},
		{"log tail maintail journal",
			"relevo logs -f shows what workers print, where that goes to files; under systemd journalctl -u NAME does; " +
				"relevo events prints what happens to them"},
		{"reloadLogs reopen reopen-logs clear logrotate",
			"log files rotate by themselves, by [log] in relevo.toml; relevo flush NAME empties them"},
		{"save dump cleardump resurrect",
			"there is nothing to save: relevo start --all starts every app that was started before; relevo startup has " +
				"them come back at boot"},
		{"enable",
			"relevo startup has apps come back at boot; relevo install --now makes and starts the systemd unit of relevo.toml"},
		{"disable mask",
			"relevo unstartup and relevo uninstall take the systemd unit away"},
		{"l jlist slist prettylist list-units avail",
			"relevo list shows the apps of this machine, relevo status the workers of one; both have --json"},
		{"desc info id pid is-active state workers health healthcheck ping",
			"relevo describe NAME tells everything of an app, relevo status how its workers are; --json for programs, " +
				"and the exit code is 3 where it does not run"},
		{"ecosystem conf config set multiset unset get",
			"settings are in relevo.toml, or flags of relevo run; relevo check finds what is wrong with it"},
		{"test configtest validate lint verify",
			"relevo check finds what is wrong with a relevo.toml, relevo doctor with the machine"},
		{"cat edit show-unit",
			"relevo unit prints the systemd units of relevo.toml"},
		{"update updatePM2 deepUpdate self-update",
			"relevo upgrade replaces relevo itself, relevo reload takes a new configuration"},
		{"deploy pull forward ship",
			"put the new files in place; relevo reload rolls to them, and a changed executable is rolled to by itself"},
		{"backward revert undo back",
			"relevo rollback goes back to the last good release, relevo releases lists them"},
		{"history versions",
			"relevo releases lists the releases that are kept, and how they did"},
		{"trigger msg message publish",
			"relevo send JSON sends an application message to the workers"},
		{"sendSignal",
			"relevo signal SIGNAL sends a signal to the workers"},
		{"inc incr",
			"relevo scale +1 adds a worker"},
		{"dec decr",
			"relevo scale -1 takes a worker away"},
		{"set_workers workers=",
			"relevo scale N sets the number of workers"},
		{"watch nodemon air",
			"relevo dev builds, serves, and rolls on every save"},
		{"report diagnose debug sysinfos",
			"relevo doctor says what this machine can and cannot do, relevo status how the app does"},
		{"link unlink unmonitor plus login logout register",
			"there is no service that anything reports to; relevo web is a page of this machine, and relevo list, relevo " +
				"status and relevo events tell everything, with --json for programs"},
		{"reset",
			"nothing resets the counts of relevo status; those of an app begin when it is started"},
		{"expose",
			"relevo serve DIR serves the files of a directory"},
		{"bench load hey ab wrk",
			"relevo prove loads the app while it is rolled, and counts what is lost"},
		{"api attach connect",
			"the control socket speaks HTTP and JSON; relevo events prints what happens, live"},
		{"completions",
			"relevo completion SHELL prints completions"},
	})
})

// words gives each of several names its own entry.
func words(grouped [][2]string) map[string]string {
	single := map[string]string{}
	for _, group := range grouped {
		for name := range strings.FieldsSeq(group[0]) {
			single[name] = group[1]
		}
	}
	return single
}

// inOurWords says what to type instead of another program's command, or to run a program; empty:
// unknown.
func inOurWords(args []string) string {
	if answer := foreignWords()[args[0]]; answer != "" {
		return answer
	}
	command := runnable(args)
	if command == "" {
		return ""
	}
	return "to run it: relevo run " + command
}

// runnable returns the command line of a program or a script; empty for other words.
func runnable(args []string) string {
	line := strings.Join(args, " ")
	info, err := os.Stat(args[0])
	isFile := err == nil && info.Mode().IsRegular()
	if dir := logicalDir(os.Getenv); runtimes.IsRunnable(newLocalMachine(config.App{Dir: dir}), dir, args[0]) {
		return line
	}
	if isFile && !strings.Contains(args[0], "/") {
		return "-- ./" + line
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		return ""
	}
	return "-- " + line
}

// notFound is the error for an unknown command.
func notFound(args []string, near []string) error {
	err := fmt.Errorf("cannot find the command %q", args[0])
	answer := inOurWords(args)
	switch {
	case answer != "":
		return fmt.Errorf("%w: %s", err, answer)
	case len(near) > 0:
		return fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return fmt.Errorf("%w; see relevo --help", err)
}
