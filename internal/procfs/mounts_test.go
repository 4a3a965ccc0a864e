package procfs

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestParseMounts(t *testing.T) {
	got := parseMounts("36 35 98:0 /root /point rw,noatime master:1 shared:2 - cgroup /dev/sda rw,cpu,memory\n" +
		"37 35 0:26 / /with\\040space rw - cgroup2 cgroup2\nnot a mount\n")
	want := []Mount{{"/root", "/point", "cgroup", "rw,cpu,memory"}, {"/", "/with space", "cgroup2", ""}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if !got[0].HasSuperOption("memory") || got[0].HasSuperOption("mem") {
		t.Error("an option is taken for another")
	}
}

// process makes a process with these files.
func process(t *testing.T, files map[string]string) Process {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Process(dir)
}

func TestCgroupDirectory(t *testing.T) {
	const (
		v2      = "31 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
		memory  = "30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		partial = "30 24 0:26 /outer /cg rw - cgroup2 cgroup2 rw"
	)
	for _, test := range []struct{ controller, cgroups, mounts, want string }{
		{"", "0::/system.slice/a.service\n", v2, "/sys/fs/cgroup/unified/system.slice/a.service"},
		{"", "4:memory:/x\n0::/\n", memory + v2, "/sys/fs/cgroup/unified"},
		{"memory", "4:cpu,memory:/x\n0::/\n", v2 + "\n" + memory, "/sys/fs/cgroup/memory/x"},
		{"memory", "0::/\n", memory, ""},
		{"", "0::/outer/a\n", partial, "/cg/a"},
		{"", "0::/elsewhere\n", partial, ""},
		{"", "1:name=systemd:/x\n", v2, ""},
		{"", "0::/a:b\n", v2, "/sys/fs/cgroup/unified/a:b"},
	} {
		p := process(t, map[string]string{"cgroup": test.cgroups, "mountinfo": test.mounts})
		if got := p.CgroupDirectory(test.controller); got != test.want {
			t.Errorf("%q of %q is %q, want %q", test.cgroups, test.controller, got, test.want)
		}
	}
}
