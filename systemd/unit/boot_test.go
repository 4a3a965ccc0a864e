package unit_test

import (
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/config"
	"relevo/systemd/unit"
)

// TestBoot: the unit starts the app as relevo start does, and is told from one of install.
func TestBoot(t *testing.T) {
	t.Parallel()
	app := config.Default()
	app.After = []string{"db"}
	file, err := unit.Boot{
		App: app, Name: "web", Program: "/usr/bin/relevo", Arguments: []string{"run", "--succeed", "web", "a b"},
		Dir: "/srv/a b", Variables: []string{`HOME=/ho"me%`}, EnvFile: "/var/lib/relevo/web/environment",
	}.File()
	if err != nil {
		t.Fatal(err)
	}
	if file.Name != "web.service" {
		t.Errorf("the name is %s", file.Name)
	}
	for _, want := range []string{
		unit.BootMark + " web)", "\nExecStart=/usr/bin/relevo run --succeed web \"a b\"\n",
		"\nWorkingDirectory=-\"/srv/a b\"\n", "\nEnvironment=\"HOME=/ho\\\"me%%\"\n", "\nAfter=db.service\n",
		"\nEnvironmentFile=-/var/lib/relevo/web/environment\n", "\nKillMode=process\n", "\nDelegate=yes\n",
		"\nWantedBy=multi-user.target\n",
	} {
		if !strings.Contains(file.Text, want) {
			t.Errorf("the unit has not %q:\n%s", want, file.Text)
		}
	}
	if strings.Contains(file.Text, "Protect") {
		t.Errorf("the unit forbids something:\n%s", file.Text)
	}
	dir := t.TempDir()
	if found, err := unit.Find([]string{dir}, "web"); err != nil || found.Path != "" {
		t.Errorf("found %+v, %v", found, err)
	}
	if err := file.Put(dir); err != nil {
		t.Fatal(err)
	}
	found, err := unit.Find([]string{filepath.Join(dir, "none"), dir}, "web")
	if err != nil || !found.IsBoot() || !found.IsOurs() || found.Text != file.Text {
		t.Errorf("found %+v, %v", found, err)
	}
	if installed := (unit.Found{Text: unit.Mark + " (relevo unit web)"}); installed.IsBoot() || !installed.IsOurs() {
		t.Error("a unit of install counts as one of startup")
	}
}

// TestEnvironment: as systemd reads it (systemd.exec(5), EnvironmentFile=).
func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := string(unit.Environment([]string{"A=plain", `B=a "b" $c \d` + " `e` %f", "C=two\nlines", "D=", "=none", "E F=x",
		"BASH_FUNC_x%%=() {}"}))
	want := "A=\"plain\"\nB=\"a \\\"b\\\" \\$c \\\\d \\`e\\` %f\"\nC=\"two\nlines\"\nD=\"\"\nBASH_FUNC_x%%=\"() {}\"\n"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
