package launch

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeFiles makes a directory that looks like that of a cgroup.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUsageOfCgroup(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{
		"cpu.stat": "nr_periods 3\nusage_usec 1500000\nuser_usec 7\n",
		"cpu.pressure": "some avg10=62.50 avg60=1.00 avg300=0.00 total=9\n" +
			"full avg10=99.00 avg60=0.00 avg300=0.00 total=0\n",
	})
	p := Place{pid: os.Getpid(), cgroup: dir}
	if used, err := p.CPU(); err != nil || used != 1500*time.Millisecond {
		t.Errorf("%s, %v", used, err)
	}
	if part := p.Pressure(); part != 0.625 {
		t.Errorf("pressure %g", part)
	}
}

// TestUsageWithoutCgroup: the usage of this process, which has used some time, and of a process that
// is gone.
func TestUsageWithoutCgroup(t *testing.T) {
	t.Parallel()
	for _, p := range []Place{{pid: os.Getpid()}, {pid: os.Getpid(), cgroup: t.TempDir()}} {
		for used := time.Duration(0); used == 0; { // this loop uses processor time
			var err error
			if used, err = p.CPU(); err != nil {
				t.Fatal(err)
			}
		}
		if part := p.Pressure(); part != 0 {
			t.Errorf("pressure %g", part)
		}
	}
	if used, err := (Place{pid: math.MaxInt32}).CPU(); err == nil {
		t.Errorf("a process that is gone has used %s", used)
	}
	if p := PlaceOf(os.Getpid()); p.cgroup != "" {
		t.Errorf("the cgroup %s counts as this process's own", p.cgroup)
	}
}

func TestFreeMemory(t *testing.T) {
	t.Parallel()
	if free, ok := FreeMemory(); !ok || free <= 0 {
		t.Errorf("%d, %v", free, ok)
	}
	for _, test := range []struct {
		files map[string]string
		want  int64
	}{
		{map[string]string{"memory.current": "700\n", "memory.max": "1000\n", "memory.stat": "anon 5\ninactive_file 100\n"},
			400},
		{map[string]string{"memory.current": "1700\n", "memory.max": "1000\n"}, 0},
		{map[string]string{"memory.current": "700\n", "memory.max": "max\n"}, math.MaxInt64},
	} {
		if left, err := leftIn(writeFiles(t, test.files)); err != nil || left != test.want {
			t.Errorf("%v: %d, %v", test.files, left, err)
		}
	}
	if _, err := leftIn(t.TempDir()); err == nil {
		t.Error("a cgroup without a limit of memory has one")
	}
}
