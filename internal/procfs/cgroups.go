package procfs

import (
	"path/filepath"
	"strings"
)

// Membership is a line of cgroups(7): where a process is in one hierarchy.
type Membership struct {
	Hierarchy   string // "0" is v2
	Controllers string // of v1, with commas between them; empty for v2
	Path        string
}

// Memberships are the cgroups of a process.
func (p Process) Memberships() ([]Membership, error) {
	text, err := p.read("cgroup")
	return ParseMemberships(text), err
}

// ParseMemberships reads lines like "0::/system.slice/x.service" and "4:cpu,cpuacct:/x".
func ParseMemberships(text string) (all []Membership) {
	for line := range strings.Lines(text) {
		if f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3); len(f) == 3 {
			all = append(all, Membership{Hierarchy: f[0], Controllers: f[1], Path: f[2]})
		}
	}
	return all
}

// IsV2 says whether the line is for the hierarchy of version 2.
func (m Membership) IsV2() bool { return m.Hierarchy == "0" && m.Controllers == "" }

// Cgroup is the path of a process in the v1 hierarchy of a controller, or in v2 if controller is
// empty. It is empty if there is none.
func (p Process) Cgroup(controller string) (path string) {
	all, _ := p.Memberships()
	for _, m := range all {
		if controller == "" && m.IsV2() || controller != "" && hasWord(m.Controllers, controller) {
			path = m.Path
		}
	}
	return path
}

// CgroupDirectory is the directory of that cgroup: its path, below a mount of the hierarchy.
func (p Process) CgroupDirectory(controller string) string {
	path := p.Cgroup(controller)
	if path == "" {
		return ""
	}
	mounts, _ := p.Mounts()
	for _, m := range mounts {
		if m.Kind != "cgroup2" && controller == "" ||
			controller != "" && (m.Kind != "cgroup" || !m.HasSuperOption(controller)) {
			continue
		}
		if below, err := filepath.Rel(m.Root, path); err == nil && below != ".." && !strings.HasPrefix(below, "../") {
			return filepath.Join(m.Point, below)
		}
	}
	return ""
}
