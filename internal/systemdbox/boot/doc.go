// Package boot starts a real systemd as PID 1 of namespaces of its own, over a throw-away copy
// (an overlay) of this machine's root. Package systemdbox has tests use it; the comparison with
// other programs runs systemd itself as one of them.
//
// It needs root, systemd, util-linux and a cgroup v2 that is mounted. Where one is missing, the
// error is an Absent.
package boot
