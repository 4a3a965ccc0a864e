//go:build !linux

package launch

import "syscall"

// DelegatedCgroups returns none: only Linux has cgroups.
func DelegatedCgroups(string) Cgroups { return Cgroups{} }

func (c Cgroups) clear() {}

type cgroup struct{}

func (c Cgroups) make(string) (*cgroup, error) { return nil, nil }

func (g *cgroup) prepare(*syscall.SysProcAttr) (func(), error) { return func() {}, nil }

func (g *cgroup) kill() {}

func (g *cgroup) end() error { return nil }

func (g *cgroup) path() string { return "" }

func (c Cgroups) take(former *cgroup, _ string, _ int) (*cgroup, error) { return former, nil }

func cgroupAt(string) *cgroup { return nil }
