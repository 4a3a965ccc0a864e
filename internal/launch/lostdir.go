package launch

import (
	"relevo/internal/procfs"
	"relevo/pool"
)

// DeletedDirectory is the path of the working directory where that was deleted since
// the release was prepared, empty otherwise: workers still run in what is left.
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

// directoryHint names a working directory that was deleted, to a worker that has
// failed by itself.
func (p *Process) directoryHint(status pool.ExitStatus) string {
	if status.Signal != 0 || status.Code == 0 {
		return ""
	}
	if dir := p.release.DeletedDirectory(); dir != "" {
		return "its working directory " + dir + " was deleted: put one in its place, then relevo reload"
	}
	return ""
}
