// Package systemdbox boots a real systemd for tests, as PID 1 of namespaces of
// its own over a throw-away copy (an overlay) of this machine's root, in about half
// a second:
//
//	box := systemdbox.Start(t, map[string]string{"web.service": unitText})
//	box.Systemctl("start", "web.service")
//	if got := box.Show("web.service", "StatusText"); got != "serving" { … }
//
// What the box sees: all files of this machine's root file system, changes to which
// stay in the box; an empty /tmp and /run; and box.Dir, one directory that both sides
// share under the same path, where a test puts the programs that units start. The
// network is the machine's: a port that a unit opens on 127.0.0.1 can be reached from
// the test, and must not be a fixed one. Process numbers differ: Processes gives the
// test's view of who is in a unit, Show(…, "MainPID") the box's.
//
// A box ends with its test, and with the test's process if that is killed: the
// kernel then kills all of its processes, and its mounts go with the last of them.
// Several boxes may run at a time, each in a cgroup of its own. Subtests may share
// one. It needs root, systemd, util-linux and cgroup v2; where one is missing the
// test is skipped through internal/testreq.
package systemdbox
