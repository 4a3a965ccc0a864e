package launch

import (
	"relevo/internal/procfs"
	"relevo/pool"
)

// DeletedDirectory returns the path of the working directory if it was deleted since the
// release was prepared, otherwise "". Workers still run in the deleted directory, which the
// release keeps open.
func (r *Release) DeletedDirectory() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dirFile == nil {
		return ""
	}
	path, deleted := procfs.Directory(r.dirFile)
	if !deleted {
		return ""
	}
	return path
}

// directoryHint names the deleted working directory of a worker that has failed by itself.
func (p *Process) directoryHint(status pool.ExitStatus) string {
	if status.Signal != 0 || status.Code == 0 {
		return ""
	}
	if dir := p.release.DeletedDirectory(); dir != "" {
		return "its working directory " + dir + " was deleted: put one in its place, then relevo reload"
	}
	return ""
}
