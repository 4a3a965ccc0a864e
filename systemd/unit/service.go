package unit

import (
	"slices"
	"strings"
	"time"

	"relevo/internal/config"
)

// Times without a setting.
const (
	stopMargin  = 15 * time.Second // added to the workers' time to leave, for the master itself
	startMargin = 30 * time.Second // added to the workers' time to get ready, for copying a release
)

func (o Options) service(sockets []string) string {
	t := &text{}
	o.header(t)
	t.section("Unit")
	t.set("Description", strings.ReplaceAll(o.Name, "%", "%%")+" (relevo)")
	t.set("Documentation", "man:sd_notify(3) man:systemd.service(5)")
	o.network(t)
	if len(sockets) > 0 {
		t.comment("systemd holds the sockets: they are open before the service starts and while it restarts.")
		t.set("Requires", strings.Join(sockets, " "))
		t.set("After", strings.Join(sockets, " "))
	}
	t.comment("A master that fails is always started again; the workers it left keep serving meanwhile.")
	t.set("StartLimitIntervalSec", 0)
	t.section("Service")
	run := append([]string{o.Program, "run", "--config", o.Config, "--name", o.Name}, o.Flags...)
	o.life(t, run, len(sockets) > 0)
	o.ending(t)
	o.places(t)
	o.hardening(t)
	o.wanted(t)
	return t.String()
}

func (o Options) network(t *text) {
	if !o.User {
		t.comment("Addresses that are to be bound have to be there.")
		t.set("Wants", "network-online.target")
		t.set("After", "network-online.target")
	}
}

func (o Options) wanted(t *text) {
	t.section("Install")
	if o.User {
		t.set("WantedBy", "default.target")
	} else {
		t.set("WantedBy", "multi-user.target")
	}
}

// life adds how the service starts, reloads and shows that it lives.
func (o Options) life(t *text, run []string, activated bool) {
	t.comment("The master says when it serves, what it does and whether it lives. Not notify-reload: a reload by",
		"command has an exit code, so that systemctl reload fails, and says why, when the release does.")
	t.set("Type", "notify")
	t.comment("Workers have a notify socket of the master's; what they say is nothing to systemd.")
	t.set("NotifyAccess", "main")
	t.set("ExecStart", line(run))
	t.set("ExecReload", line([]string{o.Program, "reload", o.Name}))
	t.comment("A start has the workers' time to get ready, twice: a release that fails is followed by the last good one.",
		"Reloads have the same time; the master asks for more while a roll is in progress.")
	t.set("TimeoutStartSec", seconds(2*o.App.ReadyTimeout+startMargin))
	t.comment("A sign of life comes from the loop that runs the workers, and from nowhere else. When it is missing the",
		"master gets SIGABRT, prints what it hangs in, and is replaced; its workers keep serving.")
	t.set("WatchdogSec", 30)
	t.set("TimeoutAbortSec", 10)
	if activated && !o.allBlocking() {
		t.comment("The sockets are shared with workers that outlive a master: they must not be made blocking at its restart.")
		t.yes("NonBlocking")
	}
}

// allBlocking says whether every listener blocks, because NonBlocking= counts for all of them.
func (o Options) allBlocking() bool {
	return !slices.ContainsFunc(o.App.Listen, func(l config.Listen) bool { return !l.Blocking })
}

// ending adds how the service and its workers end.
func (o Options) ending(t *text) {
	t.comment("Workers outlive a killed master: the next one takes them over. "+
		"Only a stop ends them, by the master,",
		"and, where that was killed as well, by reap, which looks at what systemd is about to do.")
	t.set("KillMode", "process")
	t.set("ExecStopPost",
		"-"+line([]string{o.Program, "__reap", "--patience", (o.App.DrainTimeout + o.App.StopGrace).String()}))
	t.comment("More than the workers have to finish what they have accepted (drain_timeout, then stop_grace).")
	t.set("TimeoutStopSec", seconds(o.App.DrainTimeout+o.App.StopGrace+stopMargin))
	t.comment("After relevo stop it stays stopped; after anything else it comes back, but not with a "+
		"configuration that is",
		"invalid (6). Code 2 is not among them: it is also what a Go program ends with when it panics or is aborted.")
	t.set("Restart", "on-failure")
	t.set("RestartSec", "100ms")
	t.set("RestartPreventExitStatus", 6)
	if o.Systemd >= 254 {
		t.comment("The pause grows where starts keep failing.")
		t.set("RestartSteps", 6)
		t.set("RestartMaxDelaySec", "10s")
	}
	t.comment("What the next master needs to take over: listening sockets, and a handful of files for each worker.")
	t.set("FileDescriptorStoreMax", max(1024, o.storeSize()))
}

// storeSize is the number of files that a master may store. During a roll a slot has two workers,
// and up to three sockets of its own at each listener. Idle connections that are between two
// workers count too.
func (o Options) storeSize() int {
	const few, ofWorker, seats, captured = 64, 16, 3, 2
	const connections = 512 // launch.MaxKept
	perSlot := ofWorker
	if o.captures() {
		perSlot += 2 + seats*max(captured, len(o.App.Listen))
	}
	if o.captures() {
		return few + connections + perSlot*o.App.LargestPool()
	}
	return few + perSlot*o.App.LargestPool()
}

// places adds directories and limits.
func (o Options) places(t *text) {
	delegate(t)
	t.comment("The control socket and the workers' notify socket have to survive a restart.")
	t.set("RuntimeDirectory", "relevo")
	t.set("RuntimeDirectoryMode", "0711")
	t.yes("RuntimeDirectoryPreserve")
	t.comment("Copies of releases, and what is known of them.")
	t.set("StateDirectory", "relevo")
	if o.User {
		t.set("Environment", "RELEVO_RUNTIME_DIR=%t/relevo RELEVO_STATE_DIR=%S/relevo")
	}
	limits(t)
}

func delegate(t *text) {
	t.comment("Each worker gets its own cgroup, so that none of its child processes is left behind.")
	t.yes("Delegate")
}

func limits(t *text) {
	t.comment("For master and workers; programs that use select(2) want 1024.")
	t.set("LimitNOFILE", 524288)
}

func line(words []string) string {
	for i, word := range words {
		words[i] = quote(word)
	}
	return strings.Join(words, " ")
}
