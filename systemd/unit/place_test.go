package unit_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	. "relevo/systemd/unit"
)

// apply makes a plan and its changes and returns its verbs.
func apply(t *testing.T, dirs []string, name string, all []File, force bool) string {
	t.Helper()
	plan, err := Plan(dirs, name, all, force)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, c := range plan {
		if err := c.Apply(); err != nil {
			t.Fatal(err)
		}
		said = append(said, string(c.Verb)+" "+c.Name)
	}
	return strings.Join(said, ", ")
}

func TestPlace(t *testing.T) {
	dirs := []string{filepath.Join(t.TempDir(), "etc"), t.TempDir()}
	service, socket := File{"shop.service", Mark + " …\n"}, File{"shop.socket", Mark + " …\nService=shop.service\n"}
	other := File{"shop-two.service", Mark + " …\n"}
	for _, step := range []struct {
		what, name string
		files      []File
		want       string
	}{
		{"first", "shop", []File{service, socket}, "write shop.service, write shop.socket"},
		{"another app", "shop-two", []File{other}, "write shop-two.service"},
		{"again", "shop", []File{service, socket}, "keep shop.service, keep shop.socket"},
		{"changed", "shop", []File{{service.Name, service.Text + "#\n"}, socket}, "write shop.service, keep shop.socket"},
		{"without socket", "shop", []File{service}, "write shop.service, remove shop.socket"},
		{"away", "shop", nil, "remove shop.service"},
		{"away again", "shop", nil, ""},
	} {
		if got := apply(t, dirs, step.name, step.files, false); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
	left, err := os.ReadDir(dirs[0])
	if err != nil || len(left) != 1 || left[0].Name() != other.Name {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A unit that relevo did not write is neither overwritten nor hidden, unless the user asks for that.
func TestForeignUnit(t *testing.T) {
	for at := range 2 {
		dirs := []string{t.TempDir(), t.TempDir()}
		path := filepath.Join(dirs[at], "shop.service")
		const foreign = "[Service]\nExecStart=/bin/true\n"
		if err := os.WriteFile(path, []byte(foreign), 0o644); err != nil {
			t.Fatal(err)
		}
		ours := []File{{"shop.service", Mark + "\n"}}
		if _, err := Plan(dirs, "shop", ours, false); err == nil ||
			!strings.Contains(err.Error(), path+" was not written by relevo") {
			t.Errorf("directory %d: %v", at, err)
		}
		if got := apply(t, dirs, "shop", nil, false); got != "" {
			t.Errorf("directory %d: %s of somebody else's unit", at, got)
		}
		if text, _ := os.ReadFile(path); string(text) != foreign {
			t.Errorf("directory %d: it holds %q", at, text)
		}
		if got := apply(t, dirs, "shop", ours, true); got != "write shop.service" {
			t.Errorf("directory %d, by force: %q", at, got)
		}
	}
}

// What cannot be a unit of relevo's is not read: a masked unit is a link to a device.
func TestUnitOfAnotherKind(t *testing.T) {
	for what, put := range map[string]func(path string) error{
		"masked":  func(path string) error { return os.Symlink("/dev/null", path) },
		"endless": func(path string) error { return os.Symlink("/dev/zero", path) },
		"pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		dirs := []string{t.TempDir()}
		path := filepath.Join(dirs[0], "shop.service")
		if err := put(path); err != nil {
			t.Fatal(err)
		}
		ours := []File{{"shop.service", Mark + "\n"}}
		if _, err := Plan(dirs, "shop", ours, false); err == nil ||
			!strings.Contains(err.Error(), path+" was not written by relevo") {
			t.Errorf("%s: %v", what, err)
		}
		if got := apply(t, dirs, "shop", ours, true); got != "write shop.service" {
			t.Errorf("%s, by force: %q", what, got)
		}
	}
}
