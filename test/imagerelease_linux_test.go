package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/testreq"
)

// releasedImage is an unpacked archive in the OCI layout.
type releasedImage struct {
	t   *testing.T
	dir string
}

// blob decodes what a descriptor names. The name must be its checksum.
func (i releasedImage) blob(digest string, v any) (path string) {
	i.t.Helper()
	algorithm, sum, _ := strings.Cut(digest, ":")
	path = filepath.Join(i.dir, "blobs", algorithm, sum)
	out, err := exec.Command("sha256sum", path).Output()
	if err != nil || !strings.HasPrefix(string(out), sum+" ") {
		i.t.Fatalf("the checksum of %s: %v %s", digest, err, out)
	}
	if v != nil {
		i.json(path, v)
	}
	return path
}

func (i releasedImage) json(path string, v any) {
	i.t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		i.t.Fatal(err)
	}
}

type blobs struct {
	Manifests, Layers []struct {
		Digest   string
		Platform struct{ Architecture, OS string }
	}
	Config struct{ Digest string }
}

type imageConfig struct {
	Architecture, OS string
	Config           struct {
		User, StopSignal     string
		Env, Entrypoint, Cmd []string
	}
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	}
}

// TestReleasedImage: the image matches its checksums, and runs as PID 1 of a container with a
// read-only root, as its configuration says.
func TestReleasedImage(t *testing.T) {
	takesLong(t)
	t.Parallel()
	testreq.Root(t)
	i := releasedImage{t, t.TempDir()}
	unpack(t, filepath.Join(releaseFiles(t, "1.0.0"), "relevo_1.0.0_image.tar"), i.dir)
	var top, platforms, manifest blobs
	i.json(filepath.Join(i.dir, "index.json"), &top)
	i.blob(top.Manifests[0].Digest, &platforms)
	if p := platforms.Manifests[0].Platform; p.OS != "linux" || p.Architecture != runtime.GOARCH {
		t.Errorf("platform %+v", p)
	}
	i.blob(platforms.Manifests[0].Digest, &manifest)
	var config imageConfig
	i.blob(manifest.Config.Digest, &config)
	layer := i.blob(manifest.Layers[0].Digest, nil)
	plain, err := exec.Command("sh", "-c", "gzip -dc "+layer+" | sha256sum").Output()
	if err != nil || !strings.HasPrefix("sha256:"+string(plain), config.RootFS.DiffIDs[0]+" ") {
		t.Errorf("the layer is %s, %v, the configuration says %s", plain, err, config.RootFS.DiffIDs)
	}
	root := t.TempDir()
	unpack(t, layer, root)
	if info, err := os.Stat(filepath.Join(root, "tmp")); err != nil || info.Mode()&os.ModeSticky == 0 {
		t.Errorf("/tmp: %v %v", info, err)
	}

	uid, _, _ := strings.Cut(config.Config.User, ":")
	number, err := strconv.Atoi(uid)
	if err != nil || number == 0 {
		t.Fatalf("user %s", config.Config.User)
	}
	b := startBox(t, boxSpec{UID: number, Shm: true, Env: config.Config.Env,
		Args:  append(slices.Concat(config.Config.Entrypoint, config.Config.Cmd), "-n", "2"),
		files: map[string]string{"/relevo": filepath.Join(root, "relevo")}})
	if s := b.serves(2); s.PID != 1 || s.Version != "v1.0.0" {
		t.Errorf("the master has pid %d, version %s", s.PID, s.Version)
	}
	if code, out := b.exec("/relevo", "prove", "--rolls", "1", "--min-requests", "500"); code != 0 {
		t.Errorf("a roll loses requests: %d\n%s", code, out)
	}
	if code, _ := b.stop(syscall.SIGTERM); code != 0 || config.Config.StopSignal != "SIGTERM" {
		t.Errorf("exit code %d, stop signal %s", code, config.Config.StopSignal)
	}
}
