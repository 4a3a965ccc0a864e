package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"relevo/internal/testreq"
)

// releasedFiles is the number of files that a release has for one platform, without the checksums:
// an archive, a list of modules and two packages of each program; two npm packages and the image of
// relevo.
const releasedFiles = 2*4 + 3

// TestReleasedArchive: the archive contains the program and the files that belong to it, the
// checksums are right, and the list of modules is that of the program.
func TestReleasedArchive(t *testing.T) {
	takesLong(t)
	t.Parallel()
	dir := releaseFiles(t, "1.0.0")
	check := exec.Command("sha256sum", "-c", "--strict", "checksums.txt")
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != releasedFiles {
		t.Errorf("checksums: %v\n%s", err, out)
	}
	name := "relevo_1.0.0_linux_" + runtime.GOARCH
	into := t.TempDir()
	unpack(t, filepath.Join(dir, name+".tar.gz"), into)
	top := filepath.Join(into, name)
	for _, file := range []string{"LICENSE", "README.md", "man/man1/relevo.1", "man/man1/relevo-start.1",
		"completions/relevo.bash", "completions/_relevo", "completions/relevo.fish", "systemd/relevo@.service"} {
		if info, err := os.Stat(filepath.Join(top, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
	out, err := exec.Command(filepath.Join(top, "relevo"), "version", "--json").Output()
	var version struct {
		Version string
		Build   struct {
			Target, From string
			Cgo          bool
		}
	}
	if err == nil {
		err = json.Unmarshal(out, &version)
	}
	if err != nil || version.Version != "v1.0.0" || version.Build.From != "packaging" || version.Build.Cgo ||
		version.Build.Target != "linux/"+runtime.GOARCH {
		t.Errorf("version: %v\n%s", err, out)
	}
	wantModules(t, filepath.Join(dir, name+".cdx.json"), filepath.Join(top, "relevo"))
	if _, err := exec.LookPath("man"); err == nil {
		page, err := exec.Command("man", "--warnings", "-l", filepath.Join(top, "man/man1/relevo-run.1")).CombinedOutput()
		if err != nil || !strings.Contains(string(page), "--ready-timeout") {
			t.Errorf("man: %v\n%.500s", err, page)
		}
	}
}

// TestReleasedFleet: relevo-fleet has an archive like that of relevo.
func TestReleasedFleet(t *testing.T) {
	takesLong(t)
	t.Parallel()
	dir, into := releaseFiles(t, "1.0.0"), t.TempDir()
	name := "relevo-fleet_1.0.0_linux_" + runtime.GOARCH
	unpack(t, filepath.Join(dir, name+".tar.gz"), into)
	top := filepath.Join(into, name)
	for _, file := range []string{"LICENSE", "fleet.md", "CHANGELOG.md", "man/man1/relevo-fleet.1",
		"man/man1/relevo-fleet-deploy.1", "completions/relevo-fleet.bash", "completions/_relevo-fleet",
		"completions/relevo-fleet.fish", "systemd/relevo-fleet-agent.service",
		"systemd/relevo-fleet-conduct@.service"} {
		if info, err := os.Stat(filepath.Join(top, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
	program := filepath.Join(top, "relevo-fleet")
	out, err := exec.Command(program, "--version").CombinedOutput()
	if err != nil || string(out) != "relevo-fleet v1.0.0\n" {
		t.Errorf("version: %v\n%s", err, out)
	}
	wantModules(t, filepath.Join(dir, name+".cdx.json"), program)
	if _, err := exec.LookPath("man"); err == nil {
		page, err := exec.Command("man", "--warnings", "-l", filepath.Join(top, "man/man1/relevo-fleet-deploy.1")).
			CombinedOutput()
		if err != nil || !strings.Contains(string(page), "--max-unavailable") {
			t.Errorf("man: %v\n%.500s", err, page)
		}
	}
}

// wantModules compares a bill of materials with the output of go version for the program.
func wantModules(t *testing.T, path, program string) {
	t.Helper()
	var bom struct {
		BOMFormat  string
		Components []struct{ Name, Version, PURL string }
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &bom)
	}
	if err != nil || bom.BOMFormat != "CycloneDX" {
		t.Fatalf("the bill of materials: %v %s", err, bom.BOMFormat)
	}
	listed := map[string]bool{}
	for _, c := range bom.Components {
		listed[c.Name+" "+c.Version] = true
	}
	out, err := exec.Command("go", "version", "-m", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	modules, replaced := 0, ""
	for line := range strings.Lines(string(out)) {
		module := ""
		switch f := strings.Fields(line); {
		case len(f) == 4 && (f[0] == "dep" || f[0] == "=>"):
			module = f[1] + " " + f[2]
		case len(f) == 3 && f[0] == "dep": // replaced: the next line names another module, or a directory
			replaced = f[1]
		case len(f) == 3 && f[0] == "=>":
			module = replaced + " v1.0.0"
		}
		if module == "" {
			continue
		}
		modules++
		if !listed[module] {
			t.Errorf("the module %s is not listed", module)
		}
	}
	if modules < 10 || len(bom.Components) != modules+1 { // one more for the standard library
		t.Errorf("%d modules, %d components", modules, len(bom.Components))
	}
}

// TestReleaseIsReproducible: two copies of the sources make the same bytes, although they are in
// different directories, without their repository, in different environments, and share no build
// cache.
func TestReleaseIsReproducible(t *testing.T) {
	takesLong(t)
	t.Parallel()
	testreq.Program(t, "git")
	program := filepath.Join(t.TempDir(), "build")
	if out, err := exec.Command("go", "build", "-C", "packaging", "-o", program, "./build").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var sums []string
	for dir, env := range map[string][]string{
		"first":         {"TZ=UTC"},
		"another/place": {"TZ=Pacific/Auckland", "LC_ALL=C", "GOCACHE=" + t.TempDir(), "GOFLAGS=-tags=other"},
	} {
		sources, out := filepath.Join(t.TempDir(), dir), t.TempDir()
		copySources(t, sources)
		build := exec.Command(program, "-sources", sources, "-out", out, "-version", "1.0.0", "-targets",
			"linux/"+runtime.GOARCH)
		build.Env = append(os.Environ(), env...)
		if said, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		sums = append(sums, read(t, filepath.Join(out, "checksums.txt")))
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != releasedFiles {
		t.Errorf("the checksums differ:\n%s\n%s", sums[0], sums[1])
	}
}

// copySources copies the files that git tracks, or would track.
func copySources(t *testing.T, dir string) {
	t.Helper()
	script := `mkdir -p "$0" && git ls-files -co --exclude-standard -z |
		tar -c --null --ignore-failed-read -T - | tar -x -C "$0"`
	if out, err := exec.Command("sh", "-c", script, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
