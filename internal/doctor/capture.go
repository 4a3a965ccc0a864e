package doctor

import (
	"errors"

	"relevo/internal/capture"
	"relevo/internal/config"
)

// captures says whether programs that bind their own port get the master's sockets.
func captures(h *Host) []Finding {
	if h.Probes.Release == "" {
		return nil
	}
	if h.Configured && h.App.Capture == config.CaptureOff {
		return []Finding{ok("capture", "off: programs bind without relevo")}
	}
	const consequence = "programs that bind their own port cannot share it, nor be replaced without loss; " +
		"those that take LISTEN_FDS are not concerned"
	if err := h.Probes.Capture; err != nil {
		remedy := "Linux 5.9 or newer; allow seccomp, pidfd_getfd and process_vm_readv (SystemCallFilter= of the unit, " +
			"the container's seccomp profile)"
		status := Warn
		if errors.Is(err, capture.ErrNested) {
			remedy, status = "run this relevo outside of the other one's workers, or start the outer one with --capture off", OK
		}
		return []Finding{ok("capture", "%v", err).but(status, consequence, remedy)}
	}
	f := ok("capture", "programs that bind their own port get the master's sockets")
	if h.capable(capSysPtrace) {
		return []Finding{f}
	}
	const remedy = "give relevo CAP_SYS_PTRACE, or: sysctl kernel.yama.ptrace_scope=0"
	switch scope, _ := h.number("/proc/sys/kernel/yama/ptrace_scope"); {
	case scope >= 2:
		return []Finding{ok("capture", "kernel.yama.ptrace_scope=%d does not let relevo look at binds", scope).but(Warn,
			consequence, remedy)}
	case h.UID == 0 && h.Configured && h.App.Limits.User != "" && h.App.Limits.User != h.User:
		return []Finding{ok("capture", "relevo may not look at binds of %s's processes", h.App.Limits.User).but(Warn,
			consequence, "give relevo CAP_SYS_PTRACE")}
	case scope == 1:
		return []Finding{f.but(OK, "a worker that has outlived its master binds a further port by itself "+
			"(kernel.yama.ptrace_scope=1)", remedy)}
	}
	return []Finding{f}
}

const capSysPtrace = 19 // <linux/capability.h>
