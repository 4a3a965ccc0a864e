package doctor

import (
	"fmt"
	"path/filepath"

	"relevo/internal/config"
)

func runtimeDir(h *Host) []Finding {
	f := ok("runtime", "sockets go to %s", h.Places.Runtime)
	name := h.App.Name
	if name == "" {
		name = "app"
	}
	switch err := config.CheckSocketPath(h.Places.ControlSocket(name)); {
	case err != nil:
		f = f.but(Bad, fmt.Sprintf("no socket can be made there: %v", err), "RELEVO_RUNTIME_DIR names a shorter place")
	case h.Probes.Trust(h.Places.Runtime) != nil:
		f = f.but(Bad, h.Probes.Trust(h.Places.Runtime).Error()+
			": no master starts there, and what answers there is not believed",
			"give the directory to this user with mode 0711, or set RELEVO_RUNTIME_DIR")
	case !h.Probes.Usable(h.Places.Runtime):
		f = f.but(Bad, "it cannot be written to: no master can start",
			"RELEVO_RUNTIME_DIR names another place, the same for relevo status and the rest")
	case h.Places.Warning != "":
		f = f.but(Warn, h.Places.Warning, "set XDG_RUNTIME_DIR or RELEVO_RUNTIME_DIR, for relevo run and for relevo status")
	}
	return []Finding{f}
}

// fewInodes is less than some releases need: a directory and two files for each.
const fewInodes = 100

// stateDir checks the directory for copies of executables.
func stateDir(h *Host) []Finding {
	dir := h.Places.State
	if h.Configured {
		dir = h.Places.AppState(h.App.Name)
	}
	f := ok("state", "copies of executables go to %s", dir)
	const without = "workers run from the open file, and nothing is kept to go back to"
	must := h.Configured && h.App.ExecFrom == config.ExecSnapshot
	weak := Warn
	if must {
		weak = Bad
	}
	need := uint64(h.App.KeepReleases+1) * h.Probes.ProgramSize
	switch {
	case h.Probes.Trust(dir) != nil:
		f = f.but(weak, h.Probes.Trust(dir).Error()+": "+without,
			"give the directory to this user with mode 0711, or set RELEVO_STATE_DIR")
	case !h.Probes.Usable(dir):
		f = f.but(weak, "it cannot be written to: "+without, "RELEVO_STATE_DIR names another place; in a container a volume")
	case h.Probes.NoExec:
		f = f.but(weak, "it is mounted noexec: "+without, "RELEVO_STATE_DIR names another place, or mount it with exec")
	case need > 0 && h.Probes.Free > 0 && h.Probes.Free < need:
		f = f.but(Warn, fmt.Sprintf("%s are free; %d releases of %s may need %s", size(h.Probes.Free), h.App.KeepReleases+1,
			filepath.Base(h.Program), size(need)), "free some, keep fewer (keep_releases), or set RELEVO_STATE_DIR")
	case h.Probes.Inodes > 0 && h.Probes.FreeInodes < fewInodes:
		f = f.but(Warn, fmt.Sprintf("%d inodes are free: %s", h.Probes.FreeInodes, without),
			"delete files that are not needed (df -i shows the file system), or set RELEVO_STATE_DIR")
	case h.Probes.Free > 0:
		f.Found += ", " + size(h.Probes.Free) + " free"
	}
	return []Finding{f}
}

func reflinks(h *Host) []Finding {
	switch {
	case !h.Probes.ReflinkTried:
		return nil
	case h.Probes.Reflink != nil:
		return []Finding{ok("reflink", "the file system of the state directory does not share blocks").but(OK,
			"each release that is kept takes its size", "XFS or Btrfs do")}
	}
	return []Finding{ok("reflink", "a copy in the state directory takes no room")}
}

func size(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
